//! The commands of a Gx client as typed views. Each says what a message must have; what else is
//! in it stays in the message.

mod capabilities;
mod credit_control;
mod disconnect;
mod outcome;
mod re_auth;
mod watchdog;

pub use capabilities::{Capabilities, CapabilitiesAnswer};
pub use credit_control::{CreditControlAnswer, CreditControlRequest, RequestType, SessionRequest};
pub use disconnect::{DisconnectCause, DisconnectRequest};
pub use outcome::Outcome;
pub use re_auth::ReAuthRequest;
pub use watchdog::WatchdogRequest;

use crate::name::{ORIGIN_HOST, ORIGIN_REALM};
use crate::{Avp, Bad, Fields, Header, Identity, Message, REQUEST};

/// Makes the header of a message without ids, which the connection gives it.
fn header(command: u32, application: u32, flags: u8) -> Header {
    Header {
        flags,
        command,
        application,
        hop_by_hop: 0,
        end_to_end: 0,
    }
}

/// Whether a request or an answer is expected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Request,
    Answer,
}

/// Fails unless the message is this command.
fn expect(message: &Message, command: u32, way: Way) -> Result<(), Bad> {
    let is_request = message.header.flags & REQUEST != 0;
    if message.header.command == command && is_request == (way == Way::Request) {
        Ok(())
    } else {
        Err(Bad::Command(message.header.command))
    }
}

fn origin(avps: &[Avp]) -> Result<Identity, Bad> {
    Ok(Identity {
        host: avps.required(ORIGIN_HOST)?.text()?.into(),
        realm: avps.required(ORIGIN_REALM)?.text()?.into(),
    })
}

fn write_origin(own: &Identity) -> [Avp; 2] {
    [
        Avp::mandatory(ORIGIN_HOST, &*own.host),
        Avp::mandatory(ORIGIN_REALM, &*own.realm),
    ]
}

fn optional_number(avps: &[Avp], name: crate::AvpName) -> Result<Option<u32>, Bad> {
    avps.optional(name)?.map(Avp::number).transpose()
}

#[cfg(test)]
mod tests;
