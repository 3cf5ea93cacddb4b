//! The head of a request that passed, as its origin gets it: what was judged and nothing else.

use bytes::Bytes;
use http::header::EXPECT;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use http_head::{Head, Target};
use uri::NormalUri;

use super::context::Role;
use super::fields::{self, Forwarded};

/// Makes the request that hyper read of `head` the one for the origin. `root` is a URI of the
/// judged authority, if that has a normal form.
pub(super) fn rewrite(parts: &mut Parts, head: &Head, root: Option<&NormalUri>, role: Role) {
    let forwarded = Forwarded {
        host: host(head, root),
        framing: head.framing(),
        upgrade: head.upgrade(),
        role,
    };
    fields::rewrite_request(&mut parts.headers, forwarded);
    if !head.expect_continue() {
        parts.headers.remove(EXPECT);
    }
    parts.uri = target(head);
    parts.version = http::Version::HTTP_11;
}

/// Returns the target in origin form, the path exactly as the client wrote it.
fn target(head: &Head) -> Uri {
    let path = head.path_and_query();
    let written: Vec<u8> = match (head.target(), path) {
        (Target::Asterisk, _) => b"*".to_vec(),
        // RFC 9112 section 3.2.4: the last proxy makes an empty path `*`.
        (Target::Absolute { .. }, []) if head.method() == "OPTIONS" => b"*".to_vec(),
        (_, [b'/', ..]) => path.to_vec(),
        (_, _) => [b"/", path].concat(),
    };
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = PathAndQuery::from_maybe_shared(Bytes::from(written)).ok();
    Uri::from_parts(parts).unwrap_or_default()
}

/// Returns the one Host: the judged authority, in the client's own letters where they are the
/// same but for case.
fn host(head: &Head, root: Option<&NormalUri>) -> HeaderValue {
    let written = head.authority().unwrap_or_default();
    let text = match root {
        Some(root) if !written.eq_ignore_ascii_case(root.authority().as_bytes()) => {
            root.authority().as_bytes()
        }
        Some(_) | None => written,
    };
    HeaderValue::from_bytes(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use http_head::{Limits, Verdict, judge};
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits {
        head_len_max: 64 * 1024,
    };

    /// Fields that a proxy changes, that mean something to it, or that name others away.
    const FIELDS: [&str; 18] = [
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Connection: close, Host",
        "connection: content-length, transfer-encoding, x-mine",
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c, websocket",
        "HTTP2-Settings: AAMA",
        "Keep-Alive: 5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic eDp5",
        "TE: trailers",
        "Trailer: Host",
        "Expect: 100-continue",
        "Expect: y 100-continue",
        "X-Mine: 1",
        "X_Odd: \t y \u{e9}",
        "Cookie:",
        "Via: 1.1 other",
    ];

    proptest! {
        #[test]
        fn what_is_forwarded_is_read_as_what_was_judged(
            method in "GET|POST|OPTIONS|get|X-ANY",
            target in prop_oneof![
                "/([a-z./;%\\\\]|%2[5eEfF]|%00|//|\\.\\./){0,12}(\\?[a-z=%&/]{0,6})?",
                "(http|HTTP)://(u:p@)?(a|A%2e|B\\.c)\\.test\\.?(:80|:8080|:)?(/[a-z.%]{0,8})?(\\?x)?",
                "\\*",
            ],
            host in "(a|%61|B\\.c|0x7f\\.1)\\.?[a-z]{0,3}(:80|:8080|:)?",
            version in "1\\.[01]",
            fields in proptest::sample::subsequence(FIELDS.to_vec(), 0..6),
            role in prop_oneof![Just(Role::Intermediary), Just(Role::Proxy)],
        ) {
            let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
            let text = format!("{method} {target} HTTP/{version}\r\nHost: {host}\r\n{fields}\r\n");
            if let Verdict::Head(head) = judge(text.as_bytes(), &LIMITS) {
                is_read_as_judged(&head, role);
            }
        }
    }

    fn is_read_as_judged(head: &Head, role: Role) {
        let Ok(judged) = head.readings(None) else {
            return;
        };
        let written = written(head, judged.normal(), role);
        let Verdict::Head(again) = judge(&written, &LIMITS) else {
            panic!("refused: {}", written.escape_ascii());
        };
        assert_eq!(
            again.readings(None).unwrap(),
            judged,
            "{}",
            written.escape_ascii()
        );
        assert_eq!(again.len(), written.len());
        assert_eq!(again.method(), head.method());
        assert_eq!(again.framing(), head.framing());
        assert_eq!(again.upgrade(), head.upgrade());
        assert_eq!(again.expect_continue(), head.expect_continue());
        for gone in ["te", "keep-alive", "http2-settings", "proxy-authorization"] {
            assert_eq!(again.values(gone).count(), 0, "{}", written.escape_ascii());
        }
    }

    /// Writes the head as hyper does.
    fn written(head: &Head, root: &NormalUri, role: Role) -> Vec<u8> {
        let mut request = http::Request::new(());
        *request.method_mut() = head.method().parse().unwrap();
        for (name, value) in head.fields() {
            let name = http::HeaderName::from_bytes(name).unwrap();
            let value = HeaderValue::from_bytes(value).unwrap();
            request.headers_mut().append(name, value);
        }
        let (mut parts, ()) = request.into_parts();
        rewrite(&mut parts, head, Some(root), role);
        let mut text =
            format!("{} {} {:?}\r\n", parts.method, parts.uri, parts.version).into_bytes();
        for (name, value) in &parts.headers {
            text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        text.extend(b"\r\n");
        text
    }
}
