use icap::HttpRequest;
use uri::{Readings, Scheme};

/// The port that makes the authority of a CONNECT an `http` one.
const HTTP_PORT: &[u8] = b"80";

/// What an encapsulated HTTP request asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Subject {
    /// The URI in all its readings.
    pub(crate) readings: Readings,
    /// The absolute URI as the ICAP client wrote it, without userinfo.
    pub(crate) received: Vec<u8>,
    /// How the request reached the ICAP client.
    pub(crate) form: Form,
}

/// How a request names its URI.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// `GET http://host/path`: what counts characters counts these.
    Absolute,
    /// Put together here: `GET /path` and `Host`, or without the userinfo that was there.
    Assembled,
    /// `CONNECT host:port`: a tunnel, most likely of TLS.
    Authority,
}

/// Why nothing can be judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoSubject {
    /// The head is no HTTP request, or names two hosts.
    Malformed,
    /// The request names no web URI with a valid host.
    InvalidUri,
}

impl Subject {
    /// Reads an encapsulated request head.
    pub(crate) fn of(head: &[u8]) -> Result<Self, NoSubject> {
        let request = HttpRequest::parse(head).map_err(|_| NoSubject::Malformed)?;
        Self::of_request(&request).ok_or(NoSubject::InvalidUri)
    }

    fn of_request(request: &HttpRequest<'_>) -> Option<Self> {
        let target = request.target.as_bytes();
        if request.method == "CONNECT" {
            return Self::of_authority(target);
        }
        if target.starts_with(b"/") || target == b"*" {
            return Self::of_origin_form(request.host?, target);
        }
        let received = without_userinfo(target);
        Some(Self {
            readings: Readings::parse(target).ok()?,
            form: match received == target {
                true => Form::Absolute,
                false => Form::Assembled,
            },
            received,
        })
    }

    fn of_authority(authority: &[u8]) -> Option<Self> {
        let scheme = match authority.rsplit(|byte| *byte == b':').next() {
            Some(HTTP_PORT) => Scheme::Http,
            Some(_) | None => Scheme::Https,
        };
        Some(Self {
            readings: Readings::of_request(scheme, authority, b"/", None).ok()?,
            received: absolute(scheme, authority, b"/"),
            form: Form::Authority,
        })
    }

    fn of_origin_form(host: &[u8], target: &[u8]) -> Option<Self> {
        let path: &[u8] = match target {
            // `OPTIONS *` is about the whole origin.
            b"*" => b"/",
            path => path,
        };
        Some(Self {
            readings: Readings::of_request(Scheme::Http, host, path, None).ok()?,
            received: absolute(Scheme::Http, host, path),
            form: Form::Assembled,
        })
    }

    /// Returns whether the first `len` characters of the normal form are those that the ICAP
    /// client wrote, so that it can count them.
    pub(crate) fn shares(&self, len: usize) -> bool {
        let normal = self.readings.normal().as_str().as_bytes();
        match self.form {
            Form::Absolute => normal
                .get(..len)
                .is_some_and(|prefix| self.received.starts_with(prefix)),
            Form::Assembled | Form::Authority => false,
        }
    }
}

fn absolute(scheme: Scheme, authority: &[u8], path: &[u8]) -> Vec<u8> {
    [scheme.as_str().as_bytes(), b"://", authority, path].concat()
}

fn without_userinfo(uri: &[u8]) -> Vec<u8> {
    let slashes = uri.windows(3).position(|bytes| bytes == b"://");
    let authority_start = slashes.map_or(0, |at| at + 3);
    let (before, rest) = uri.split_at_checked(authority_start).unwrap_or((uri, &[]));
    let authority_end = rest
        .iter()
        .position(|byte| b"/\\?#".contains(byte))
        .unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(authority_end).unwrap_or((rest, &[]));
    let host = authority
        .rsplit(|byte| *byte == b'@')
        .next()
        .unwrap_or(authority);
    [before, host, path].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_form() {
        check(
            "GET http://A.example/x?y HTTP/1.1\r\nHost: b.example\r\n\r\n",
            "http://a.example/x?y",
        );
        check(
            "GET https://a.example:8443/s HTTP/1.1\r\n\r\n",
            "https://a.example:8443/s",
        );
        check(
            "POST http://u:p@a.example HTTP/1.0\r\n\r\n",
            "http://a.example/",
        );
    }

    #[test]
    fn origin_form() {
        check(
            "GET /x HTTP/1.1\r\nHost: a.example:8080\r\n\r\n",
            "http://a.example:8080/x",
        );
        check(
            "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "http://a.example/",
        );
    }

    #[test]
    fn tunnels() {
        check(
            "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "https://a.example/",
        );
        check(
            "CONNECT a.example:8443 HTTP/1.1\r\n\r\n",
            "https://a.example:8443/",
        );
        check("CONNECT a.example:80 HTTP/1.1\r\n\r\n", "http://a.example/");
        check("CONNECT a.example HTTP/1.1\r\n\r\n", "https://a.example/");
        check(
            "CONNECT 192.0.2.10:443 HTTP/1.1\r\nHost: 192.0.2.10\r\n\r\n",
            "https://192.0.2.10/",
        );
        check(
            "CONNECT [2001:db8::80]:443 HTTP/1.1\r\n\r\n",
            "https://[2001:db8::80]/",
        );
        check(
            "CONNECT [2001:db8::1]:80 HTTP/1.1\r\n\r\n",
            "http://[2001:db8::1]/",
        );
    }

    #[test]
    fn no_uri() {
        for head in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET ftp://a.example/ HTTP/1.1\r\n\r\n",
            "GET http:/// HTTP/1.1\r\nHost: \r\n\r\n",
            "GET http://%00/ HTTP/1.1\r\n\r\n",
            "CONNECT / HTTP/1.1\r\n\r\n",
            "CONNECT :443 HTTP/1.1\r\n\r\n",
        ] {
            let outcome = Subject::of(head.as_bytes());
            assert_eq!(outcome, Err(NoSubject::InvalidUri), "{head}");
        }
        for head in [
            "nonsense\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        ] {
            let outcome = Subject::of(head.as_bytes());
            assert_eq!(outcome, Err(NoSubject::Malformed), "{head}");
        }
    }

    #[test]
    fn userinfo_is_left_out() {
        for (uri, expected) in [
            ("http://a.example/", "http://a.example/"),
            ("http://u@a.example/@b", "http://a.example/@b"),
            ("HTTP://u:p@v@a.example?x@y", "HTTP://a.example?x@y"),
            ("http://u@a.example", "http://a.example"),
        ] {
            assert_eq!(
                without_userinfo(uri.as_bytes()),
                expected.as_bytes(),
                "{uri}"
            );
        }
    }

    #[test]
    fn only_what_was_written_can_be_counted() {
        for (head, len, expected) in [
            ("GET http://a.example/x HTTP/1.1\r\n\r\n", 17, true),
            ("GET http://a.example/x HTTP/1.1\r\n\r\n", 18, true),
            ("GET http://a.example/x HTTP/1.1\r\n\r\n", 19, false),
            ("GET http://A.example/x HTTP/1.1\r\n\r\n", 17, false),
            ("GET http://u@a.example/x HTTP/1.1\r\n\r\n", 17, false),
            ("GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n", 17, false),
            ("CONNECT a.example:443 HTTP/1.1\r\n\r\n", 18, false),
        ] {
            let subject = Subject::of(head.as_bytes()).unwrap();
            assert_eq!(subject.shares(len), expected, "{head}");
        }
    }

    #[track_caller]
    fn check(head: &str, expected: &str) {
        let subject = Subject::of(head.as_bytes()).unwrap();
        assert_eq!(subject.readings.normal().as_str(), expected);
    }
}
