//! The fields that a proxy changes (RFC 9110 section 7.6).

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_head::{Framing, Upgrade};
use hyper::body::Incoming;

use super::context::Role;

/// Fields of one connection beside `Connection` and those it names.
const HOP_BY_HOP: [&str; 5] = [
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "http2-settings",
];

/// What a request forwarded for a client says beside what the client wrote.
#[derive(Debug)]
pub(super) struct Forwarded {
    pub(super) host: HeaderValue,
    pub(super) framing: Framing,
    pub(super) upgrade: Upgrade,
    pub(super) role: Role,
}

/// Makes a client's fields those of a request to the origin.
pub(super) fn rewrite_request(fields: &mut HeaderMap, forwarded: Forwarded) {
    remove_hop_by_hop(fields);
    fields.remove(TRANSFER_ENCODING);
    match forwarded.framing {
        // hyper sends no body with a GET unless told to.
        Framing::Chunked => {
            fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        Framing::Length(length) => {
            fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Framing::None => {}
    }
    match forwarded.upgrade {
        Upgrade::Websocket => {
            fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
        Upgrade::None => {}
    }
    fields.insert(HOST, forwarded.host);
    add_via(fields, forwarded.role);
}

/// An answer that cannot be forwarded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BadAnswer {
    /// A Transfer-Encoding other than `chunked`.
    TransferEncoding,
    /// A change to a protocol that was not asked for.
    Upgrade,
}

impl BadAnswer {
    /// Returns the word for the log.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::TransferEncoding => "answer_transfer_encoding",
            Self::Upgrade => "answer_upgrade",
        }
    }
}

/// Makes an origin's fields those of an answer to the client.
pub(super) fn rewrite_answer(
    answer: &mut Response<Incoming>,
    asked: Upgrade,
    role: Role,
) -> Result<(), BadAnswer> {
    let status = answer.status();
    let fields = answer.headers_mut();
    if fields.contains_key(TRANSFER_ENCODING) {
        let mut codings = fields.get_all(TRANSFER_ENCODING).iter();
        let chunked = codings
            .next()
            .is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !chunked || codings.next().is_some() {
            return Err(BadAnswer::TransferEncoding);
        }
        // Chunks end the body, whatever a length beside them says (RFC 9112 section 6.3).
        fields.remove(CONTENT_LENGTH);
        fields.remove(TRANSFER_ENCODING);
    }
    mend_length(fields);
    let upgrade = fields.get(UPGRADE).cloned();
    // Without it a client of RFC 6455 section 4.1 gives up, and another has no business here.
    let changes_to_websocket = upgrade
        .as_ref()
        .is_some_and(|token| token.as_bytes().eq_ignore_ascii_case(b"websocket"));
    remove_hop_by_hop(fields);
    match (status, asked) {
        (StatusCode::SWITCHING_PROTOCOLS, Upgrade::Websocket) if changes_to_websocket => {
            fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
        (StatusCode::SWITCHING_PROTOCOLS, Upgrade::Websocket | Upgrade::None) => {
            return Err(BadAnswer::Upgrade);
        }
        (StatusCode::UPGRADE_REQUIRED, _) => {
            if let Some(upgrade) = upgrade {
                fields.insert(UPGRADE, upgrade);
            }
        }
        (_, _) => {}
    }
    add_via(fields, role);
    Ok(())
}

/// Writes a length once that is repeated (RFC 9112 section 6.3). hyper took it for the framing, so
/// all are the same, but in an answer to HEAD, where none frames anything.
fn mend_length(fields: &mut HeaderMap) {
    let first = fields.get(CONTENT_LENGTH).and_then(|value| {
        let first = value.as_bytes().split(|byte| *byte == b',').next()?;
        HeaderValue::from_bytes(first.trim_ascii()).ok()
    });
    if let Some(length) = first {
        fields.insert(CONTENT_LENGTH, length);
    }
}

/// Returns whether this proxy forwarded the request before.
pub(super) fn went_through_us(fields: &HeaderMap) -> bool {
    fields.get_all(VIA).iter().any(|value| {
        value
            .as_bytes()
            .split(|byte| matches!(byte, b' ' | b',' | b'\t'))
            .any(|word| word == pseudonym().as_bytes())
    })
}

/// Removes the fields of one connection.
pub(super) fn remove_hop_by_hop(fields: &mut HeaderMap) {
    let named: Vec<HeaderName> = fields
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in named {
        fields.remove(name);
    }
    for name in HOP_BY_HOP {
        fields.remove(name);
    }
    for name in [CONNECTION, TE, UPGRADE] {
        fields.remove(name);
    }
}

fn add_via(fields: &mut HeaderMap, role: Role) {
    match role {
        Role::Proxy => {
            let via = HeaderValue::from_str(&format!("1.1 {}", pseudonym()));
            if let Ok(via) = via {
                fields.append(VIA, via);
            }
        }
        // A client that knows of no proxy shall meet no trace of one.
        Role::Intermediary => {}
    }
}

/// Returns the name of this process in `Via`: two gateways in a row are no loop.
fn pseudonym() -> &'static str {
    static PSEUDONYM: OnceLock<String> = OnceLock::new();
    PSEUDONYM.get_or_init(|| format!("weir-{:016x}", RandomState::new().hash_one("weir")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_one_connection_are_removed() {
        check(
            "connection: close, X-Mine\nx-mine: 1\nkeep-alive: 5\nte: trailers\nupgrade: h2c\n\
             proxy-connection: close\nproxy-authorization: Basic x\naccept: a\nhttp2-settings: x",
            Upgrade::None,
            "accept: a\nhost: h",
        );
    }

    #[test]
    fn connection_cannot_name_the_host_away() {
        check("connection: host\nhost: h", Upgrade::None, "host: h");
    }

    #[test]
    fn websocket_is_the_only_upgrade() {
        check(
            "connection: upgrade\nupgrade: h2c, websocket\nsec-websocket-key: x",
            Upgrade::Websocket,
            "connection: Upgrade\nhost: h\nsec-websocket-key: x\nupgrade: websocket",
        );
    }

    #[test]
    fn our_own_via_is_found_in_a_list() {
        let mut fields = HeaderMap::new();
        assert!(!went_through_us(&fields));
        fields.append(
            VIA,
            HeaderValue::from_static("1.1 weir-0, 1.0 other (weir)"),
        );
        assert!(!went_through_us(&fields));
        add_via(&mut fields, Role::Proxy);
        assert!(went_through_us(&fields));
    }

    #[track_caller]
    fn check(lines: &str, upgrade: Upgrade, expected: &str) {
        let mut fields = HeaderMap::new();
        for line in lines.lines() {
            let (name, value) = line.trim().split_once(": ").unwrap();
            fields.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let forwarded = Forwarded {
            host: HeaderValue::from_static("h"),
            framing: Framing::None,
            upgrade,
            role: Role::Intermediary,
        };
        rewrite_request(&mut fields, forwarded);
        let mut found: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        found.sort();
        assert_eq!(found.join("\n"), expected);
    }
}
