use super::{Way, expect, header, origin, write_origin};
use crate::name::{self, application, command_code};
use crate::{Avp, Bad, Fields, Identity, Message, REQUEST};

/// DPR: the connection is to end (RFC 6733 section 5.4). The answer has nothing of its own:
/// [`Message::answer`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DisconnectRequest {
    /// Who wants it to end.
    pub origin: Identity,
    /// Why.
    pub cause: DisconnectCause,
}

/// Why a connection is to end (RFC 6733 section 5.4.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DisconnectCause {
    /// The node restarts and will be back.
    Rebooting,
    /// The node has too much to do.
    Busy,
    /// The node sees no use for the connection.
    DoNotWantToTalk,
    /// A number without a meaning.
    Other(u32),
}

impl DisconnectRequest {
    /// Makes the DPR.
    #[must_use]
    pub fn message(&self) -> Message {
        let mut avps = Vec::from(write_origin(&self.origin));
        avps.push(Avp::mandatory(name::DISCONNECT_CAUSE, self.cause.number()));
        Message {
            header: header(command_code::DISCONNECT_PEER, application::BASE, REQUEST),
            avps,
        }
    }

    /// Reads a DPR.
    ///
    /// # Errors
    ///
    /// Fails if it is none.
    pub fn read(message: &Message) -> Result<Self, Bad> {
        expect(message, command_code::DISCONNECT_PEER, Way::Request)?;
        let cause = message.avps.required(name::DISCONNECT_CAUSE)?.number()?;
        Ok(Self {
            origin: origin(&message.avps)?,
            cause: DisconnectCause::of(cause),
        })
    }
}

impl DisconnectCause {
    fn of(number: u32) -> Self {
        match number {
            0 => Self::Rebooting,
            1 => Self::Busy,
            2 => Self::DoNotWantToTalk,
            other => Self::Other(other),
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::Rebooting => 0,
            Self::Busy => 1,
            Self::DoNotWantToTalk => 2,
            Self::Other(number) => number,
        }
    }
}
