use crate::fields::digits;
use crate::{BadAnswer, BadRequest, ServiceUri};

/// The methods of ICAP.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Method {
    /// What does the service offer?
    Options,
    /// May this HTTP request go on?
    Reqmod,
    /// May this HTTP response go on?
    Respmod,
}

impl Method {
    /// Returns the word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Options => "OPTIONS",
            Self::Reqmod => "REQMOD",
            Self::Respmod => "RESPMOD",
        }
    }

    fn parse(token: &str) -> Result<Self, BadRequest> {
        // Methods are case-sensitive, as in HTTP.
        [Self::Options, Self::Reqmod, Self::Respmod]
            .into_iter()
            .find(|method| method.as_str() == token)
            .ok_or_else(|| BadRequest::Method(token.to_owned()))
    }
}

/// Parses `METHOD uri ICAP/1.0`, without its line end.
pub(crate) fn request_line(line: &[u8]) -> Result<(Method, ServiceUri), BadRequest> {
    let malformed = || BadRequest::RequestLine(excerpt(line));
    let text = str::from_utf8(line).map_err(|_| malformed())?;
    let mut words = text.split(' ');
    let (Some(method), Some(uri), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(malformed());
    };
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err(malformed());
    }
    if version != "ICAP/1.0" {
        return Err(match version.strip_prefix("ICAP/") {
            Some(number) if is_version(number) => BadRequest::Version(version.to_owned()),
            Some(_) | None => malformed(),
        });
    }
    Ok((Method::parse(method)?, ServiceUri::parse(uri)?))
}

/// Returns the service in the first line of what came, if that can be told, also where there is
/// no whole request: an error about it says the state of the service too.
#[must_use]
pub fn named_service(received: &[u8]) -> Option<ServiceUri> {
    let line = received.split(|byte| *byte == b'\r').next()?;
    let uri = line.split(|byte| *byte == b' ').nth(1)?;
    ServiceUri::parse(str::from_utf8(uri).ok()?).ok()
}

/// Parses `ICAP/1.0 200 reason`, without its line end, and returns the number.
pub(crate) fn status_line(line: &[u8]) -> Result<u16, BadAnswer> {
    let malformed = || BadAnswer::StatusLine(excerpt(line));
    let rest = line.strip_prefix(b"ICAP/1.0 ").ok_or_else(malformed)?;
    let (code, after) = rest.split_at_checked(3).ok_or_else(malformed)?;
    if !matches!(after, [] | [b' ', ..]) {
        return Err(malformed());
    }
    match digits(code).and_then(|code| u16::try_from(code).ok()) {
        Some(code @ 100..=599) => Ok(code),
        Some(_) | None => Err(malformed()),
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_version(number: &str) -> bool {
    number.split_once('.').is_some_and(|(major, minor)| {
        [major, minor]
            .iter()
            .all(|part| digits(part.as_bytes()).is_some())
    })
}

/// Returns the start of what a peer sent, fit for an error text.
fn excerpt(line: &[u8]) -> String {
    const LEN_MAX: usize = 64;
    let start = line.get(..LEN_MAX).unwrap_or(line);
    start.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    #[test]
    fn methods() {
        for (line, expected) in [
            ("OPTIONS icap://h/s ICAP/1.0", Method::Options),
            ("REQMOD icap://h/s ICAP/1.0", Method::Reqmod),
            ("RESPMOD icaps://h/s?a=b ICAP/1.0", Method::Respmod),
        ] {
            assert_eq!(request_line(line.as_bytes()).unwrap().0, expected);
        }
    }

    #[test]
    fn each_error_has_its_status() {
        for (line, expected) in [
            ("options icap://h/s ICAP/1.0", Status::NotImplemented),
            ("BREW icap://h/s ICAP/1.0", Status::NotImplemented),
            ("REQMOD icap://h/s ICAP/2.0", Status::Version),
            ("REQMOD icap://h/s HTTP/1.1", Status::BadRequest),
            ("REQMOD icap://h/s ICAP/x", Status::BadRequest),
            ("REQMOD icap://h/s ICAP/+1.0", Status::BadRequest),
            ("REQMOD  icap://h/s ICAP/1.0", Status::BadRequest),
            ("REQMOD icap://h/s ICAP/1.0 ", Status::BadRequest),
            ("REQMOD icap://h/s", Status::BadRequest),
            ("REQMOD /s ICAP/1.0", Status::BadRequest),
            ("REQ(MOD icap://h/s ICAP/1.0", Status::BadRequest),
            ("", Status::BadRequest),
        ] {
            let error = request_line(line.as_bytes()).unwrap_err();
            assert_eq!(error.status(), expected, "{line}");
        }
    }

    #[test]
    fn a_service_is_named_by_what_is_no_request_too() {
        for (received, expected) in [
            (&b"BREW icap://h/s ICAP/1.0\r\n\r\n"[..], Some("/s")),
            (b"REQMOD icap://h/s ICAP/2.0\r\nA: b\r\n", Some("/s")),
            (b"REQMOD icap://h/s", Some("/s")),
            (b"REQMOD", None),
            (b"GET / HTTP/1.1\r\n", None),
            (b"\xff icap://h/s", Some("/s")),
            (b"A icap://h/\xff B", None),
            (b"", None),
        ] {
            let found = named_service(received);
            assert_eq!(
                found.as_ref().map(ServiceUri::path),
                expected,
                "{received:?}"
            );
        }
    }

    #[test]
    fn statuses() {
        for (line, expected) in [
            ("ICAP/1.0 204 Unmodified", Some(204)),
            ("ICAP/1.0 100", Some(100)),
            ("ICAP/1.0 200 ", Some(200)),
            ("ICAP/1.0 2000 OK", None),
            ("ICAP/1.0 20 OK", None),
            ("ICAP/1.0 +20 OK", None),
            ("ICAP/1.0 099 OK", None),
            ("ICAP/1.0 999 OK", None),
            ("ICAP/1.1 200 OK", None),
            ("HTTP/1.1 200 OK", None),
            ("", None),
        ] {
            assert_eq!(status_line(line.as_bytes()).ok(), expected, "{line}");
        }
    }
}
