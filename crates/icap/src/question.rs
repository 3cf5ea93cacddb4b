use std::fmt;
use std::net::IpAddr;

use crate::ServiceUri;

/// One URI to ask about. The request line and `Host` are all that the service learns about the
/// HTTP request: no cookies, no credentials, no body.
#[derive(Clone, Copy, Debug)]
pub struct ReqmodQuestion<'a> {
    /// Whom to ask.
    pub service: &'a ServiceUri,
    /// The URI, absolute and in normal form: X-Attribute-Prefix counts its characters.
    pub uri: &'a str,
    /// Its authority.
    pub authority: &'a str,
    /// Whether to offer a preview.
    pub preview: PreviewOffer,
    /// X-Client-IP.
    pub client: Option<IpAddr>,
    /// X-Server-IP.
    pub server: Option<IpAddr>,
    /// X-Subscriber-ID.
    pub subscriber: Option<&'a str>,
}

/// Whether a question offers a preview.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PreviewOffer {
    /// The service did not ask for one.
    None,
    /// `Preview: 0`; there is no body to look at.
    Zero,
}

/// Why a question cannot be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unsendable {
    /// It would end the request line.
    #[error("the URI has a space, a control or a non-ASCII character")]
    Uri,
    /// It would end the header line.
    #[error("the subscriber has a control character")]
    Subscriber,
}

impl ReqmodQuestion<'_> {
    /// Appends the whole request.
    ///
    /// # Errors
    ///
    /// Fails, and appends nothing, if a value has a character that would end its line.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Unsendable> {
        let graphic = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !graphic(self.uri) || !graphic(self.authority) {
            return Err(Unsendable::Uri);
        }
        if self
            .subscriber
            .is_some_and(|text| text.bytes().any(|byte| byte.is_ascii_control()))
        {
            return Err(Unsendable::Subscriber);
        }
        let head = self.to_string();
        append(out, format_args!("REQMOD {} ICAP/1.0\r\n", self.service));
        append(
            out,
            format_args!("Host: {}\r\nAllow: 204\r\n", self.service.authority()),
        );
        match self.preview {
            PreviewOffer::None => {}
            PreviewOffer::Zero => append(out, format_args!("Preview: 0\r\n")),
        }
        if let Some(client) = self.client {
            append(out, format_args!("X-Client-IP: {client}\r\n"));
        }
        if let Some(server) = self.server {
            append(out, format_args!("X-Server-IP: {server}\r\n"));
        }
        if let Some(subscriber) = self.subscriber {
            append(out, format_args!("X-Subscriber-ID: {subscriber}\r\n"));
        }
        append(
            out,
            format_args!(
                "Encapsulated: req-hdr=0, null-body={}\r\n\r\n{head}",
                head.len()
            ),
        );
        Ok(())
    }
}

/// Writes the HTTP request head.
impl fmt::Display for ReqmodQuestion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.uri, self.authority
        )
    }
}

/// Appends an OPTIONS request.
pub fn write_options_question(service: &ServiceUri, out: &mut Vec<u8>) {
    let authority = service.authority();
    append(
        out,
        format_args!(
            "OPTIONS {service} ICAP/1.0\r\nHost: {authority}\r\nEncapsulated: null-body=0\r\n\r\n"
        ),
    );
}

/// Appends text; memory never fails to take it.
pub(crate) fn append(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    let written = std::io::Write::write_fmt(out, text);
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::{Body, Fed, HttpRequest, RequestReader};

    #[test]
    fn a_question_with_everything() {
        let service = ServiceUri::parse("icap://c.example:1344/categorize?x").unwrap();
        let question = ReqmodQuestion {
            service: &service,
            uri: "http://www.ericsson.com:8080/a?b",
            authority: "www.ericsson.com:8080",
            preview: PreviewOffer::Zero,
            client: Some([10, 0, 0, 7].into()),
            server: Some("2001:db8::1".parse().unwrap()),
            subscriber: Some("111220000001"),
        };
        let mut out = Vec::new();
        question.write(&mut out).unwrap();
        expect![[r#"
            REQMOD icap://c.example:1344/categorize?x ICAP/1.0
            Host: c.example:1344
            Allow: 204
            Preview: 0
            X-Client-IP: 10.0.0.7
            X-Server-IP: 2001:db8::1
            X-Subscriber-ID: 111220000001
            Encapsulated: req-hdr=0, null-body=78

            GET http://www.ericsson.com:8080/a?b HTTP/1.1
            Host: www.ericsson.com:8080

        "#]]
        .assert_eq(
            &String::from_utf8(out.clone())
                .unwrap()
                .replace("\r\n", "\n"),
        );
        let Fed::Request(request, used) = RequestReader::default().feed(&out) else {
            panic!()
        };
        assert_eq!((used, request.body), (out.len(), Body::None));
        let http = HttpRequest::parse(&request.http_head).unwrap();
        assert_eq!(http.target, question.uri);
    }

    #[test]
    fn an_options_question() {
        let service = ServiceUri::parse("icap://c.example/categorize").unwrap();
        let mut out = Vec::new();
        write_options_question(&service, &mut out);
        assert!(
            matches!(RequestReader::default().feed(&out), Fed::Request(_, used) if used == out.len())
        );
    }

    #[test]
    fn nothing_ends_a_line_early() {
        let service = ServiceUri::parse("icap://c.example/categorize").unwrap();
        let question = ReqmodQuestion {
            service: &service,
            uri: "http://a/",
            authority: "a",
            preview: PreviewOffer::None,
            client: None,
            server: None,
            subscriber: None,
        };
        let mut out = Vec::new();
        for (question, expected) in [
            (
                ReqmodQuestion {
                    uri: "http://a/ b",
                    ..question
                },
                Unsendable::Uri,
            ),
            (
                ReqmodQuestion {
                    uri: "http://a/\r\n",
                    ..question
                },
                Unsendable::Uri,
            ),
            (
                ReqmodQuestion {
                    authority: "a\nb",
                    ..question
                },
                Unsendable::Uri,
            ),
            (
                ReqmodQuestion {
                    subscriber: Some("1\r\nX: y"),
                    ..question
                },
                Unsendable::Subscriber,
            ),
        ] {
            assert_eq!(question.write(&mut out), Err(expected));
        }
        assert!(out.is_empty());
    }
}
