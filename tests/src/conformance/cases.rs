//! The cases, by what they are about.

use super::case::Case;

mod chunks;
mod connection;
mod copy;
mod encapsulated;
mod fields;
mod is_tag;
mod options;
mod preview;
mod request_line;
mod respmod;
mod status;
mod unmodified;

/// Returns all cases.
pub fn all() -> Vec<Case> {
    [
        options::cases(),
        request_line::cases(),
        fields::cases(),
        is_tag::cases(),
        status::cases(),
        encapsulated::cases(),
        preview::cases(),
        unmodified::cases(),
        copy::cases(),
        chunks::cases(),
        connection::cases(),
        respmod::cases(),
    ]
    .concat()
}
