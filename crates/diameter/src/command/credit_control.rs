use std::sync::Arc;

use super::{Outcome, Way, expect, header, optional_number, origin, write_origin};
use crate::name::{self, command_code};
use crate::{Avp, Bad, Fields, Identity, Message, PROXIABLE, REQUEST};

/// CCR: a session begins, changes or ends (3GPP TS 29.212 section 5.6.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CreditControlRequest {
    /// What every request of a session says.
    pub about: SessionRequest,
    /// Which of the three.
    pub kind: RequestType,
    /// How many requests of the session came before.
    pub number: u32,
    /// What is said of the session beyond that.
    pub avps: Vec<Avp>,
}

/// What every request of a session says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionRequest {
    /// Session-Id.
    pub session: Box<str>,
    /// Auth-Application-Id, and application of the header.
    pub application: u32,
    /// Who asks.
    pub origin: Identity,
    /// The realm that the request is for.
    pub realm: Arc<str>,
    /// The host that the request is for; none: any of the realm.
    pub host: Option<Arc<str>>,
    /// Changes when who asks has forgotten its sessions.
    pub state: Option<u32>,
}

/// CC-Request-Type, without the single event, which Gx does not have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RequestType {
    /// The session begins: CCR-I.
    Initial,
    /// The session changes: CCR-U.
    Update,
    /// The session ends: CCR-T.
    Termination,
}

/// CCA: what was said to a CCR (3GPP TS 29.212 section 5.6.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CreditControlAnswer<'m> {
    /// Session-Id; an agent that answers in the place of the host may leave it out.
    pub session: Option<&'m str>,
    /// What became of the request.
    pub outcome: Outcome,
    /// Who answers.
    pub origin: Identity,
    /// Of which request; agents that answer leave it out.
    pub kind: Option<RequestType>,
    /// Of which request; agents that answer leave it out.
    pub number: Option<u32>,
    /// All AVPs of the answer.
    pub avps: &'m [Avp],
}

impl CreditControlRequest {
    /// Makes the CCR.
    #[must_use]
    pub fn message(&self) -> Message {
        let about = &self.about;
        let mut avps = vec![
            Avp::mandatory(name::SESSION_ID, &*about.session),
            Avp::mandatory(name::AUTH_APPLICATION_ID, about.application),
        ];
        avps.extend(write_origin(&about.origin));
        avps.push(Avp::mandatory(name::DESTINATION_REALM, &*about.realm));
        avps.push(Avp::mandatory(name::CC_REQUEST_TYPE, self.kind.number()));
        avps.push(Avp::mandatory(name::CC_REQUEST_NUMBER, self.number));
        let host = about.host.as_deref();
        avps.extend(host.map(|host| Avp::mandatory(name::DESTINATION_HOST, host)));
        let state = |state| Avp::mandatory(name::ORIGIN_STATE_ID, state);
        avps.extend(about.state.map(state));
        avps.extend(self.avps.iter().cloned());
        let flags = REQUEST | PROXIABLE;
        Message {
            header: header(command_code::CREDIT_CONTROL, about.application, flags),
            avps,
        }
    }

    /// Reads a CCR; its AVPs are all that it has.
    ///
    /// # Errors
    ///
    /// Fails if it is none, or is about a single event.
    pub fn read(message: &Message) -> Result<Self, Bad> {
        expect(message, command_code::CREDIT_CONTROL, Way::Request)?;
        let avps = &message.avps;
        let kind = avps.required(name::CC_REQUEST_TYPE)?;
        let host = avps.optional(name::DESTINATION_HOST)?.map(Avp::text);
        Ok(Self {
            about: SessionRequest {
                session: avps.required(name::SESSION_ID)?.text()?.into(),
                application: avps.required(name::AUTH_APPLICATION_ID)?.number()?,
                origin: origin(avps)?,
                realm: avps.required(name::DESTINATION_REALM)?.text()?.into(),
                host: host.transpose()?.map(Arc::from),
                state: optional_number(avps, name::ORIGIN_STATE_ID)?,
            },
            kind: RequestType::read(kind)?,
            number: avps.required(name::CC_REQUEST_NUMBER)?.number()?,
            avps: avps.clone(),
        })
    }
}

impl<'m> CreditControlAnswer<'m> {
    /// Reads a CCA, also one that an agent made in the place of the host.
    ///
    /// # Errors
    ///
    /// Fails if it is none.
    pub fn read(message: &'m Message) -> Result<Self, Bad> {
        expect(message, command_code::CREDIT_CONTROL, Way::Answer)?;
        let avps = &message.avps;
        let session = avps.optional(name::SESSION_ID)?.map(Avp::text);
        let kind = avps.optional(name::CC_REQUEST_TYPE)?;
        Ok(Self {
            session: session.transpose()?,
            outcome: Outcome::read(avps)?,
            origin: origin(avps)?,
            kind: kind.map(RequestType::read).transpose()?,
            number: optional_number(avps, name::CC_REQUEST_NUMBER)?,
            avps,
        })
    }
}

impl RequestType {
    /// Returns the number on the wire.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Initial => 1,
            Self::Update => 2,
            Self::Termination => 3,
        }
    }

    fn read(avp: &Avp) -> Result<Self, Bad> {
        match avp.number()? {
            1 => Ok(Self::Initial),
            2 => Ok(Self::Update),
            3 => Ok(Self::Termination),
            _ => Err(Bad::Value(Box::new(avp.clone()))),
        }
    }
}
