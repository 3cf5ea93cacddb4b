//! What a Client Hello asks for.

use filter::{Target, Undecidable};
use uri::{NormalUri, Readings};

use super::hello::Seen;
use crate::connection::{Arrival, Connection, Tunnel, written_address};

/// What is to be judged.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Requested {
    Uri(Readings),
    /// A name, and a tunnel that was asked for with another.
    Mismatch(Readings),
    Undecidable(Undecidable),
}

impl Requested {
    /// Reads what the first bytes of a connection ask for.
    pub(super) fn new(connection: &Connection, seen: &Seen) -> Self {
        let hello = match seen {
            Seen::Hello(hello) => hello,
            Seen::Undecidable(why) => return Self::Undecidable(*why),
        };
        let Some(sni) = &hello.sni else {
            return Self::Undecidable(Undecidable::NoSni);
        };
        let Ok(readings) = Readings::of_sni(sni, port(connection)) else {
            return Self::Undecidable(Undecidable::InvalidHost);
        };
        match &connection.tunnel {
            Some(tunnel) if differs(tunnel, readings.normal()) => Self::Mismatch(readings),
            Some(_) | None => Self::Uri(readings),
        }
    }

    /// Returns it for the judge.
    pub(super) fn target(&self) -> Target<'_> {
        match self {
            Self::Uri(readings) => Target::Uri(readings),
            Self::Mismatch(readings) => Target::Doubtful(readings, Undecidable::AuthorityMismatch),
            Self::Undecidable(why) => Target::Undecidable(*why),
        }
    }

    /// Returns the URI in normal form, if there is one.
    pub(super) fn uri(&self) -> Option<&NormalUri> {
        match self {
            Self::Uri(readings) | Self::Mismatch(readings) => Some(readings.normal()),
            Self::Undecidable(_) => None,
        }
    }
}

/// Returns whether a tunnel to a name carries a hello for another. An address says nothing about
/// the names behind it, so there the hello's name is what is judged.
fn differs(tunnel: &Tunnel, requested: &NormalUri) -> bool {
    written_address(&tunnel.authority).is_none() && tunnel.authority.host() != requested.host()
}

/// Returns the port that is really connected to.
fn port(connection: &Connection) -> u16 {
    match (connection.arrival, &connection.tunnel) {
        (Arrival::Intercepted(destination), _) => destination.port(),
        (Arrival::Explicit, Some(tunnel)) => tunnel.authority.port(),
        (Arrival::Explicit, None) => uri::Scheme::Https.default_port(),
    }
}
