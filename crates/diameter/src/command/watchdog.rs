use super::{Way, expect, header, optional_number, origin, write_origin};
use crate::name::{self, application, command_code};
use crate::{Avp, Bad, Identity, Message, REQUEST};

/// DWR: whether the peer is there (RFC 6733 section 5.5). The answer has nothing of its own:
/// [`Message::answer`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WatchdogRequest {
    /// Who asks.
    pub origin: Identity,
    /// Changes when who asks has forgotten its sessions.
    pub state: Option<u32>,
}

impl WatchdogRequest {
    /// Makes the DWR.
    #[must_use]
    pub fn message(&self) -> Message {
        let mut avps = Vec::from(write_origin(&self.origin));
        let state = |state| Avp::mandatory(name::ORIGIN_STATE_ID, state);
        avps.extend(self.state.map(state));
        Message {
            header: header(command_code::DEVICE_WATCHDOG, application::BASE, REQUEST),
            avps,
        }
    }

    /// Reads a DWR.
    ///
    /// # Errors
    ///
    /// Fails if it is none.
    pub fn read(message: &Message) -> Result<Self, Bad> {
        expect(message, command_code::DEVICE_WATCHDOG, Way::Request)?;
        Ok(Self {
            origin: origin(&message.avps)?,
            state: optional_number(&message.avps, name::ORIGIN_STATE_ID)?,
        })
    }
}
