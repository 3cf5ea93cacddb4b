//! What a person asks about: a URI or a server name, read as the proxy reads it.

use std::net::IpAddr;

use policy::Verb;
use uri::{InvalidUri, Readings, Scheme};

use crate::{Decision, Protocol, Target, Undecidable};

/// The port of a server name that is given without one.
const TLS_PORT: u16 = 443;

/// A request as the proxy would see it.
#[derive(Clone, Debug)]
pub struct Requested {
    given: String,
    received: String,
    /// The readings, or why there is none.
    pub readings: Result<Readings, InvalidUri>,
    /// How it is enforced.
    pub protocol: Protocol,
}

impl Requested {
    /// Reads a URI. An `https` URI is a TLS connection, of which only host and port are known.
    #[must_use]
    pub fn uri(text: &str) -> Self {
        let (given, received) = (text.to_owned(), text.to_owned());
        let readings = Readings::parse(text.as_bytes());
        let tls = readings.as_ref().ok().map(Readings::normal);
        match tls.filter(|normal| normal.scheme() == Scheme::Https) {
            Some(normal) => {
                let readings = Readings::of_sni(normal.host().as_bytes(), normal.port());
                Self {
                    given,
                    received,
                    readings,
                    protocol: Protocol::Tls,
                }
            }
            None => Self {
                given,
                received,
                readings,
                protocol: Protocol::Http,
            },
        }
    }

    /// Reads a server name, with or without a port.
    #[must_use]
    pub fn server_name(text: &str) -> Self {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') => (name, port.parse().ok()),
            Some(_) | None => (text, Some(TLS_PORT)),
        };
        let readings = match port {
            Some(port) => Readings::of_sni(name.as_bytes(), port),
            None => Err(InvalidUri::Host(text.to_owned())),
        };
        Self {
            given: text.to_owned(),
            received: format!("https://{text}/"),
            readings,
            protocol: Protocol::Tls,
        }
    }

    /// Returns the text as it was given.
    #[must_use]
    pub fn given(&self) -> &str {
        &self.given
    }

    /// Returns what is judged.
    #[must_use]
    pub fn target(&self) -> Target<'_> {
        match &self.readings {
            Ok(readings) => Target::Uri(readings),
            Err(why) => Target::Undecidable(Undecidable::from(why)),
        }
    }

    /// Returns the address that was written as the host, which may be a bypass address.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        let host = self.readings.as_ref().ok()?.normal().host();
        host.trim_matches(['[', ']']).parse().ok()
    }

    /// Returns the URI as it was given.
    #[must_use]
    pub fn as_received(&self) -> &[u8] {
        self.received.as_bytes()
    }

    /// Returns what is done, protocol considered.
    #[must_use]
    pub fn enforced(&self, decision: &Decision) -> Verb {
        Verb::of(match self.protocol {
            Protocol::Http => decision.action,
            Protocol::Tls => decision.action.for_tls(),
        })
    }
}
