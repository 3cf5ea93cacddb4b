use crate::fields::{LineScan, Scanned};

/// What a request head inside an ICAP message asks for. The head itself stays bytes, so that it
/// can be sent back as it came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HttpRequest<'a> {
    /// The method, as written.
    pub method: &'a str,
    /// The request target, as written: absolute, origin or authority form, or `*`.
    pub target: &'a str,
    /// The `Host` field, where the target does not name the host itself.
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
    /// Header lines are looked at only where the host is in one. Otherwise an HTTP client could
    /// add lines that its proxy forwards and that would keep the request from being judged.
    ///
    /// # Errors
    ///
    /// Fails if the head does not start with an HTTP/1 request line; where the target does not
    /// name the host, also if header lines are malformed or two `Host` fields differ.
    pub fn parse(head: &'a [u8]) -> Result<Self, BadHttpHead> {
        let line_end = head.iter().position(|byte| *byte == b'\n');
        let (line, fields) = line_end
            .and_then(|at| head.split_at_checked(at + 1))
            .ok_or(BadHttpHead::Malformed)?;
        let mut request = httparse::Request::new(&mut []);
        // A whole line is a part of a head, and nothing else.
        if request.parse(line) != Ok(httparse::Status::Partial) {
            return Err(BadHttpHead::Malformed);
        }
        let (Some(method), Some(target), Some(_)) = (request.method, request.path, request.version)
        else {
            return Err(BadHttpHead::Malformed);
        };
        let host = match target.as_bytes() {
            [b'/', ..] | b"*" => host(fields)?,
            _ => None,
        };
        Ok(Self {
            method,
            target,
            host,
        })
    }
}

/// What a response head inside an ICAP message answers the HTTP client with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpResponse {
    /// 200 to 599.
    pub status: u16,
    /// The `Location` field, if there is exactly one of graphic ASCII characters.
    pub location: Option<String>,
}

impl HttpResponse {
    /// Parses a whole response head, its empty line included.
    ///
    /// # Errors
    ///
    /// Fails if it is no HTTP/1 response head, has another length, or is an interim response,
    /// which answers nothing.
    pub fn parse(head: &[u8]) -> Result<Self, BadHttpHead> {
        let lines = head.iter().filter(|byte| **byte == b'\n').count();
        let mut slots = vec![httparse::EMPTY_HEADER; lines];
        let mut response = httparse::Response::new(&mut slots);
        if response.parse(head) != Ok(httparse::Status::Complete(head.len())) {
            return Err(BadHttpHead::Malformed);
        }
        let status = response.code.filter(|code| (200..600).contains(code));
        let mut locations = response
            .headers
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case("location"));
        let location = match (locations.next(), locations.next()) {
            (Some(only), None) => std::str::from_utf8(only.value.trim_ascii()).ok(),
            (None | Some(_), _) => None,
        };
        let is_graphic =
            |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        Ok(Self {
            status: status.ok_or(BadHttpHead::Malformed)?,
            location: location.filter(is_graphic).map(str::to_owned),
        })
    }
}

/// Returns the value of the `Host` field of these header lines.
fn host(fields: &[u8]) -> Result<Option<&[u8]>, BadHttpHead> {
    // As many as there are lines; the length of the head bounds them.
    let lines = fields.iter().filter(|byte| **byte == b'\n').count();
    let mut slots = vec![httparse::EMPTY_HEADER; lines];
    let found = match httparse::parse_headers(fields, &mut slots) {
        Ok(httparse::Status::Complete((len, found))) if len == fields.len() => found,
        Ok(_) | Err(_) => return Err(BadHttpHead::Malformed),
    };
    let mut hosts = found
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("host"))
        .map(|field| field.value.trim_ascii());
    let host = hosts.next();
    if hosts.any(|other| Some(other) != host) {
        return Err(BadHttpHead::TwoHosts);
    }
    Ok(host)
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
    fn responses() {
        let read = |text: &str| {
            HttpResponse::parse(text.as_bytes())
                .map(|it| (it.status, it.location.unwrap_or_default()))
        };
        let ok = |status, location: &str| Ok((status, location.to_owned()));
        let long = format!("HTTP/1.1 403 x\r\n{}\r\n", "X: y\r\n".repeat(5_000));
        for (head, expected) in [
            ("HTTP/1.1 403 Forbidden\r\n\r\n", ok(403, "")),
            ("HTTP/1.0 200\r\nA: b\r\n\r\n", ok(200, "")),
            (
                "HTTP/1.1 302 x\r\nLOCATION:  http://a.example/?b \r\n\r\n",
                ok(302, "http://a.example/?b"),
            ),
            ("HTTP/1.1 302 x\r\nLocation: a b\r\n\r\n", ok(302, "")),
            (
                "HTTP/1.1 302 x\r\nLocation: a\r\nLocation: a\r\n\r\n",
                ok(302, ""),
            ),
            ("HTTP/1.1 302 x\r\nLocation:\r\n\r\n", ok(302, "")),
            (&long, ok(403, "")),
            ("HTTP/1.1 100 Continue\r\n\r\n", Err(BadHttpHead::Malformed)),
            ("HTTP/1.1 999 x\r\n\r\n", Err(BadHttpHead::Malformed)),
            (
                "HTTP/1.1 403 Forbidden\r\n\r\n\r\n",
                Err(BadHttpHead::Malformed),
            ),
            ("HTTP/1.1 403 Forbidden\r\n", Err(BadHttpHead::Malformed)),
            ("GET / HTTP/1.1\r\n\r\n", Err(BadHttpHead::Malformed)),
            ("ICAP/1.0 403 x\r\n\r\n", Err(BadHttpHead::Malformed)),
            ("", Err(BadHttpHead::Malformed)),
        ] {
            assert_eq!(read(head), expected, "{head}");
        }
    }

    #[test]
    fn targets_of_every_form() {
        check(
            "GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "http://a.example/x",
            None,
        );
        check(
            "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "/x",
            Some("a.example"),
        );
        check(
            "OPTIONS * HTTP/1.1\r\nHost: a.example\r\nHOST:a.example\r\n\r\n",
            "*",
            Some("a.example"),
        );
        check("GET /x HTTP/1.0\r\n\r\n", "/x", None);
        check(
            "CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n",
            "192.0.2.1:443",
            None,
        );
    }

    #[test]
    fn header_lines_do_not_hide_a_host_that_the_target_names() {
        for lines in [
            "A: b\r\n".repeat(1000),
            "Host: b.example\r\nHost: c.example\r\n".to_owned(),
            "A: \u{1}\r\n".to_owned(),
            "\rA: b\r\n".to_owned(),
            "no colon\r\n folded\r\n".to_owned(),
        ] {
            let head = format!("GET http://a.example/ HTTP/1.1\r\n{lines}\r\n");
            check(&head, "http://a.example/", None);
        }
        let many = "A: b\r\n".repeat(1000);
        let head = format!("GET / HTTP/1.1\r\n{many}Host: a.example\r\n\r\n");
        check(&head, "/", Some("a.example"));
    }

    #[test]
    fn refused() {
        for head in [
            "",
            "GET / HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\n\r\nx",
            "GET / HTTP/1.1\r\nA: \u{1}\r\n\r\n",
            "GET http://a.example/",
            "GET http://a.example/\r\n\r\n",
            "GET http://a.example/ HTTP/1.1x\r\n\r\n",
            "GET http://a.example/ x HTTP/1.1\r\n\r\n",
            "\r\nGET http://a.example/ HTTP/1.1\r\n\r\n",
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
