//! Max-Forwards (RFC 9110 section 7.6.2): how far TRACE and OPTIONS go, where clients know that
//! they talk to a proxy.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, MAX_FORWARDS};
use http::{HeaderMap, HeaderValue, Response};
use http_head::Head;

use super::body::AnswerBody;
use super::context::Role;

/// Fields that an answer to TRACE does not tell (RFC 9110 section 9.3.8).
const SECRETS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// How far a request may go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reach {
    /// To its origin.
    Origin,
    /// Over so many further proxies.
    Further(u64),
    /// Not beyond this proxy, which answers.
    Here,
}

impl Reach {
    /// Reads how far a request may go. A value that is no number, or one of several, says nothing.
    pub(super) fn of(head: &Head, role: Role) -> Self {
        let method = head.method();
        if role == Role::Intermediary || !(method == "TRACE" || method == "OPTIONS") {
            return Self::Origin;
        }
        let mut values = head.values("max-forwards");
        match (values.next().and_then(number), values.next()) {
            (Some(0), None) => Self::Here,
            (Some(number), None) => Self::Further(number - 1),
            (_, _) => Self::Origin,
        }
    }

    /// Makes the fields tell the next recipient.
    pub(super) fn tell(self, fields: &mut HeaderMap) {
        match self {
            Self::Further(number) => {
                fields.insert(MAX_FORWARDS, HeaderValue::from(number));
            }
            Self::Origin | Self::Here => {}
        }
    }
}

/// Returns the answer of the last recipient: to TRACE the request as it came, to OPTIONS nothing.
pub(super) fn answer(head: &Head, uri: &[u8]) -> Response<AnswerBody> {
    if head.method() != "TRACE" {
        return Response::new(AnswerBody::text(Bytes::new()));
    }
    let mut message = [b"TRACE ", uri, b" HTTP/1.1\r\n"].concat();
    for (name, value) in head.fields() {
        let is_this = |secret: &&str| name.eq_ignore_ascii_case(secret.as_bytes());
        if !SECRETS.iter().any(is_this) {
            message.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
        }
    }
    message.extend_from_slice(b"\r\n");
    let mut answer = Response::new(AnswerBody::text(Bytes::from(message)));
    let kind = HeaderValue::from_static("message/http");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

/// Reads digits. More than a `u64` holds are as good as the most that it holds.
fn number(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits)?;
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use http_head::{Limits, Verdict, judge};

    use super::*;

    #[test]
    fn how_far_a_request_goes() {
        check("TRACE", "Max-Forwards: 0", Reach::Here);
        check("OPTIONS", "max-forwards: 00", Reach::Here);
        check("OPTIONS", "Max-Forwards: 1", Reach::Further(0));
        check("TRACE", "Max-Forwards: 10", Reach::Further(9));
        let more = "Max-Forwards: 99999999999999999999";
        check("TRACE", more, Reach::Further(u64::MAX - 1));
        check("TRACE", "X: y", Reach::Origin);
        for said in ["", "-1", "+1", "1, 2", "0x0", "a"] {
            check("TRACE", &format!("Max-Forwards: {said}"), Reach::Origin);
        }
        check("TRACE", "Max-Forwards: 0\r\nMax-Forwards: 0", Reach::Origin);
        check("GET", "Max-Forwards: 0", Reach::Origin);
        let head = head("TRACE", "Max-Forwards: 0");
        assert_eq!(Reach::of(&head, Role::Intermediary), Reach::Origin);
    }

    #[track_caller]
    fn check(method: &str, field: &str, expected: Reach) {
        let head = head(method, field);
        assert_eq!(Reach::of(&head, Role::Proxy), expected, "{method} {field}");
    }

    fn head(method: &str, field: &str) -> Box<Head> {
        let text = format!("{method} http://a/ HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
        let limits = Limits {
            head_len_max: 1_000,
        };
        let Verdict::Head(head) = judge(text.as_bytes(), &limits) else {
            panic!("no head: {text}");
        };
        head
    }
}
