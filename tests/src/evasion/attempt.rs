//! Everything that is sent for the cases of the corpus, each on a connection of its own.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::ORIGIN_ADDRESS;
use super::case::{Corpus, HttpCase, Sending, TlsCase, UriCase, unescape};
use super::outcome::Outcome;

/// One sending of a case.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The file of the case.
    pub kind: Kind,
    /// The name of the case.
    pub case: String,
    /// The source of the case.
    pub source: String,
    /// What it is for.
    pub intent: Intent,
    /// How it is sent.
    pub way: Way,
    /// What is sent.
    pub sending: Sending,
    /// Where an intercepted client sends it.
    pub destination: SocketAddr,
    /// What must become of it under the deny list, if the case says so.
    pub verdict: Option<Outcome>,
}

/// The file of a case.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// `tls.yaml`
    Tls,
    /// `http.yaml`
    Http,
    /// `uri.yaml`
    Uri,
}

/// What is sent for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Intent {
    /// To reach what may not be reached.
    Evasion,
    /// To reach what may be reached.
    Honest,
}

/// How something is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// To port 443, intercepted.
    Tls,
    /// To port 80, intercepted.
    Http,
    /// To an explicit listener.
    Explicit,
    /// Not at all: the bytes are a URI to judge by itself.
    Alone,
}

impl Kind {
    /// Returns the word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Uri => "uri",
        }
    }
}

impl Way {
    /// Returns the word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Explicit => "explicit",
            Self::Alone => "alone",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Tls => 443,
            Self::Http | Self::Explicit | Self::Alone => 80,
        }
    }
}

impl Corpus {
    /// Returns everything that is sent, in the order of the files.
    ///
    /// # Panics
    ///
    /// Fails the test if a case cannot be sent as it is written.
    pub fn attempts(&self) -> Vec<Attempt> {
        let tls = self.tls.iter().flat_map(of_tls);
        let http = self.http.iter().flat_map(of_http);
        let uri = self.uri.iter().flat_map(of_uri);
        tls.chain(http).chain(uri).collect()
    }
}

fn of_tls(case: &TlsCase) -> Vec<Attempt> {
    let attempt = |intent, sending| Attempt {
        kind: Kind::Tls,
        case: case.name.clone(),
        source: case.source.clone(),
        intent,
        way: Way::Tls,
        sending,
        destination: destination(None, Way::Tls),
        verdict: verdict(intent, case.verdict.as_deref()),
    };
    let honest = case.honest_twin().into_iter();
    let evasion = attempt(Intent::Evasion, case.evasion());
    let honest = honest.map(|sending| attempt(Intent::Honest, sending));
    [evasion].into_iter().chain(honest).collect()
}

fn of_http(case: &HttpCase) -> Vec<Attempt> {
    let way = if case.explicit {
        Way::Explicit
    } else {
        Way::Http
    };
    let attempt = |intent, text: &String| Attempt {
        kind: Kind::Http,
        case: case.name.clone(),
        source: case.source.clone(),
        intent,
        way,
        sending: Sending::cut(
            &unescape(text),
            &case.segments,
            Duration::from_millis(case.pause_ms),
        ),
        destination: destination(case.destination, way),
        verdict: verdict(intent, case.verdict.as_deref()),
    };
    let evasion = case
        .evasion
        .iter()
        .map(|text| attempt(Intent::Evasion, text));
    let honest = case.honest.iter().map(|text| attempt(Intent::Honest, text));
    evasion.chain(honest).collect()
}

fn of_uri(case: &UriCase) -> Vec<Attempt> {
    let attempt = |intent, way, bytes: &[u8]| Attempt {
        kind: Kind::Uri,
        case: case.name.clone(),
        source: case.source.clone(),
        intent,
        way,
        sending: Sending::cut(bytes, &[], Duration::ZERO),
        destination: destination(None, way),
        verdict: match way {
            Way::Alone => verdict(intent, case.verdict.as_deref()),
            Way::Tls | Way::Http | Way::Explicit => None,
        },
    };
    let mut attempts = Vec::new();
    for (intent, text) in [
        (Intent::Evasion, &case.evasion),
        (Intent::Honest, &case.honest),
    ] {
        let Some(uri) = text.as_deref().map(unescape) else {
            continue;
        };
        attempts.push(attempt(intent, Way::Alone, &uri));
        if intent == Intent::Evasion || is_for_requests(&uri) {
            let sendings = [
                (Way::Http, origin_form(&uri, intent)),
                (Way::Http, absolute_form(&uri, intent)),
                (Way::Explicit, absolute_form(&uri, intent)),
            ];
            let written = sendings
                .into_iter()
                .filter_map(|(way, bytes)| Some((way, bytes?)));
            attempts.extend(written.map(|(way, bytes)| attempt(intent, way, &bytes)));
        }
    }
    attempts
}

fn destination(address: Option<IpAddr>, way: Way) -> SocketAddr {
    let address =
        address.unwrap_or_else(|| ORIGIN_ADDRESS.parse().expect("an address of the corpus"));
    SocketAddr::new(address, way.port())
}

fn verdict(intent: Intent, text: Option<&str>) -> Option<Outcome> {
    match intent {
        Intent::Evasion => text.map(|text| text.parse().expect("a verdict of the corpus")),
        Intent::Honest => None,
    }
}

/// Returns whether a client that means no harm could write the URI in a request as it is: what
/// curl, browsers and small devices leave raw in a path is no harm.
fn is_for_requests(uri: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\\#".contains(byte);
    let after = uri.strip_prefix(b"http://").unwrap_or_default();
    let end = after.iter().position(|byte| b"/?".contains(byte));
    let (authority, rest) = after.split_at(end.unwrap_or(after.len()));
    !authority.is_empty()
        && authority.iter().all(plain)
        && rest.iter().all(|byte| plain(byte) || !byte.is_ascii())
}

/// Writes the request for a URI as to an origin, if it can be taken apart.
fn origin_form(uri: &[u8], intent: Intent) -> Option<Vec<u8>> {
    let (authority, target) = split(uri, intent)?;
    let target = target.split(|byte| *byte == b'#').next()?;
    let slash: &[u8] = if target.starts_with(b"/") { b"" } else { b"/" };
    Some(request(&[slash, target].concat(), authority))
}

/// Writes the request for a URI as to a proxy. Who means no harm writes the same host twice.
fn absolute_form(uri: &[u8], intent: Intent) -> Option<Vec<u8>> {
    match intent {
        Intent::Evasion => Some(request(uri, super::ALLOWED_HOST.as_bytes())),
        Intent::Honest => Some(request(uri, split(uri, intent)?.0)),
    }
}

/// Splits a URI into its authority and the rest, if it can be taken apart. Who means no harm leaves
/// userinfo out.
fn split(uri: &[u8], intent: Intent) -> Option<(&[u8], &[u8])> {
    let start = crate::client::find(uri, b"://")? + 3;
    let after = &uri[start..];
    let end = after.iter().position(|byte| b"/?#\\".contains(byte));
    let (authority, rest) = after.split_at(end.unwrap_or(after.len()));
    let host = authority.rsplit(|byte| *byte == b'@').next()?;
    match intent {
        Intent::Evasion => Some((authority, rest)),
        Intent::Honest => Some((host, rest)),
    }
}

fn request(target: &[u8], host: &[u8]) -> Vec<u8> {
    [b"GET ", target, b" HTTP/1.1\r\nHost: ", host, b"\r\n\r\n"].concat()
}
