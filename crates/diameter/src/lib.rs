//! Diameter messages (RFC 6733) as bytes and as values; no sockets.
//!
//! | module | holds |
//! |---|---|
//! | `name` | codes: AVPs by vendor and code, commands, applications, results |
//! | `header` | the 20 octets before the AVPs |
//! | `avp` | one AVP of a tree that is written exactly as it was read |
//! | `dictionary` | which AVPs are known here, and which of them hold others |
//! | `frame`, `message` | where a message ends; reading, writing, answering it |
//! | `bad` | what can be wrong with a message, and the result code that says so |
//! | `field` | single AVPs as values |
//! | `command` | the commands of a Gx client as typed views |
//! | `peer` | one connection: capabilities, watchdog, disconnect, reconnect |
//! | `client` | requests over several peers, their answers, failover |
//!
//! Bytes become a [`Message`] in two steps: [`frame()`] says how long the first message is, and
//! [`Message::read`] reads it. A command is a view that is made from a message with `read`, and
//! becomes one with `message`.

mod avp;
mod bad;
pub mod client;
pub mod command;
mod dictionary;
mod field;
mod frame;
mod header;
mod message;
pub mod name;
pub mod peer;

pub use avp::{Avp, MANDATORY, PROTECTED, Value};
pub use bad::{Bad, Refused};
pub use dictionary::{Dictionary, Shape};
pub use field::{Fields, encode_address};
pub use frame::{BadFrame, Framed, MESSAGE_LEN_MAX, frame};
pub use header::{ERROR, HEADER_LEN, Header, PROXIABLE, REQUEST, RETRANSMITTED};
pub use message::{AVPS_MAX, DEPTH_MAX, Identity, Message, TooLong};
pub use name::AvpName;
