use crate::fields::{FIELDS_MAX, LineScan, Scanned};

/// What a request head inside an ICAP message asks for. The head itself stays bytes, so that it
/// can be sent back as it came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HttpRequest<'a> {
    /// The method, as written.
    pub method: &'a str,
    /// The request target, as written: absolute, origin or authority form, or `*`.
    pub target: &'a str,
    /// The `Host` field.
    pub host: Option<&'a [u8]>,
}

/// Why an encapsulated request head cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadHttpHead {
    /// Not HTTP/1.
    #[error("the encapsulated request head is malformed")]
    Malformed,
    /// Recipients would differ about the host.
    #[error("the encapsulated request head names two hosts")]
    TwoHosts,
}

impl<'a> HttpRequest<'a> {
    /// Parses a whole request head, its empty line included.
    ///
    /// # Errors
    ///
    /// Fails if it is no HTTP/1 request head, or has two `Host` fields that differ.
    pub fn parse(head: &'a [u8]) -> Result<Self, BadHttpHead> {
        let mut slots = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut slots);
        match request.parse(head) {
            Ok(httparse::Status::Complete(len)) if len == head.len() => {}
            Ok(_) | Err(_) => return Err(BadHttpHead::Malformed),
        }
        let (Some(method), Some(target)) = (request.method, request.path) else {
            return Err(BadHttpHead::Malformed);
        };
        let mut hosts = request
            .headers
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case("host"))
            .map(|field| field.value.trim_ascii());
        let host = hosts.next();
        if hosts.any(|other| Some(other) != host) {
            return Err(BadHttpHead::TwoHosts);
        }
        Ok(Self {
            method,
            target,
            host,
        })
    }
}

/// Returns whether `head` is one block of lines that ends with its first empty line.
pub(crate) fn is_one_head(head: &[u8]) -> bool {
    let found = LineScan::default().find(head, head.len().saturating_add(1));
    found == Scanned::End(head.len()) && head.len() > 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_every_form() {
        check(
            "GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "http://a.example/x",
            Some("a.example"),
        );
        check("GET /x HTTP/1.0\r\n\r\n", "/x", None);
        check(
            "CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1\r\nHOST:192.0.2.1\r\n\r\n",
            "192.0.2.1:443",
            Some("192.0.2.1"),
        );
    }

    #[test]
    fn refused() {
        for head in [
            "",
            "GET / HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\n\r\nx",
            "GET / HTTP/2.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert_eq!(
                HttpRequest::parse(head.as_bytes()),
                Err(BadHttpHead::Malformed),
                "{head}"
            );
        }
        assert_eq!(
            HttpRequest::parse(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
            Err(BadHttpHead::TwoHosts)
        );
    }

    #[test]
    fn a_head_ends_with_its_first_empty_line() {
        assert!(is_one_head(b"GET / HTTP/1.1\r\n\r\n"));
        assert!(!is_one_head(b"GET / HTTP/1.1\r\n"));
        assert!(!is_one_head(b"GET / HTTP/1.1\r\n\r\nA: b\r\n\r\n"));
        assert!(!is_one_head(b"GET / HTTP/1.1\n\r\n"));
        assert!(!is_one_head(b"\r\n"));
        assert!(!is_one_head(b""));
    }

    #[track_caller]
    fn check(head: &str, target: &str, host: Option<&str>) {
        let request = HttpRequest::parse(head.as_bytes()).unwrap();
        assert_eq!(
            (request.target, request.host),
            (target, host.map(str::as_bytes))
        );
    }
}
