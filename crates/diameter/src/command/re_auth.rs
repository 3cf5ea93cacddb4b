use super::{Way, expect, header, origin, write_origin};
use crate::name::{self, command_code};
use crate::{Avp, Bad, Fields, Identity, Message, PROXIABLE, REQUEST};

/// RAR: the policy server changes a session (3GPP TS 29.212 section 5.6.4). The answer has
/// nothing of its own: [`Message::answer`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReAuthRequest {
    /// Session-Id.
    pub session: Box<str>,
    /// Auth-Application-Id, and application of the header.
    pub application: u32,
    /// Who asks.
    pub origin: Identity,
    /// Destination-Realm and Destination-Host.
    pub destination: Identity,
    /// Re-Auth-Request-Type.
    pub kind: u32,
    /// What is said of the session; of a read one all that it has.
    pub avps: Vec<Avp>,
}

impl ReAuthRequest {
    /// Makes the RAR.
    #[must_use]
    pub fn message(&self) -> Message {
        let mut avps = vec![
            Avp::mandatory(name::SESSION_ID, &*self.session),
            Avp::mandatory(name::AUTH_APPLICATION_ID, self.application),
        ];
        avps.extend(write_origin(&self.origin));
        avps.extend([
            Avp::mandatory(name::DESTINATION_REALM, &*self.destination.realm),
            Avp::mandatory(name::DESTINATION_HOST, &*self.destination.host),
            Avp::mandatory(name::RE_AUTH_REQUEST_TYPE, self.kind),
        ]);
        avps.extend(self.avps.iter().cloned());
        let flags = REQUEST | PROXIABLE;
        Message {
            header: header(command_code::RE_AUTH, self.application, flags),
            avps,
        }
    }

    /// Reads a RAR.
    ///
    /// # Errors
    ///
    /// Fails if it is none.
    pub fn read(message: &Message) -> Result<Self, Bad> {
        expect(message, command_code::RE_AUTH, Way::Request)?;
        let avps = &message.avps;
        Ok(Self {
            session: avps.required(name::SESSION_ID)?.text()?.into(),
            application: avps.required(name::AUTH_APPLICATION_ID)?.number()?,
            origin: origin(avps)?,
            destination: Identity {
                host: avps.required(name::DESTINATION_HOST)?.text()?.into(),
                realm: avps.required(name::DESTINATION_REALM)?.text()?.into(),
            },
            kind: avps.required(name::RE_AUTH_REQUEST_TYPE)?.number()?,
            avps: avps.clone(),
        })
    }
}
