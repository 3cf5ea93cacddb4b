//! A question to the admin endpoint of a gateway that runs.

use std::fmt::Write as _;

use hyper::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use policy::written::visible;
use service::admin::HEAD_LEN_MAX;

use crate::Failure;
use crate::cli::Explain;
use crate::gateway::{Gateway, NO_ADMIN, Question};

/// What is written as an escape in a query. Fewer escapes are room for longer URIs.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'/')
    .remove(b':')
    .remove(b'_');

/// Returns the query that asks what the options do.
fn query(options: &Explain) -> String {
    let client = options.client.map(|client| client.to_string());
    let destination = options.destination.map(|address| address.to_string());
    let subject = match options.uri.contains("://") {
        true => "uri",
        false => "sni",
    };
    let format = match options.json {
        true => "json",
        false => "text",
    };
    let parts = [
        (subject, Some(options.uri.as_str())),
        ("client", client.as_deref()),
        ("destination", destination.as_deref()),
        ("profile", options.profile.as_deref()),
        ("format", Some(format)),
    ];
    let mut query = String::new();
    for (key, value) in parts {
        let Some(value) = value else { continue };
        let value = utf8_percent_encode(value, ESCAPED);
        // Writing to a `String` cannot fail.
        let _ = write!(query, "{key}={value}&");
    }
    query.pop();
    query
}

/// Asks the gateway at `admin`, and returns its answer, fit for a terminal.
pub(super) fn ask(admin: &str, options: &Explain) -> Result<String, Failure> {
    let gateway = Gateway::at(admin)?;
    let (status, text) = gateway.ask(Question {
        method: Method::GET,
        target: format!("/explain?{}", query(options)),
        token: None,
        json: None,
    })?;
    match status {
        StatusCode::OK if !options.json => Ok(text.lines().map(|it| visible(it) + "\n").collect()),
        StatusCode::OK => match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(_) => Ok(text),
            Err(_) => Err(gateway.failed(NO_ADMIN.into())),
        },
        StatusCode::BAD_REQUEST => Err(Failure::Usage(visible(text.trim_end()))),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            let text = format!(
                "the question is too long for the gateway, which takes {HEAD_LEN_MAX} bytes"
            );
            Err(Failure::Usage(text + "; give a shorter URI"))
        }
        status => {
            let first = visible(text.lines().next().unwrap_or_default());
            let text = format!("it answers with status {status}: {first}");
            Err(gateway.failed(text.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    /// Whatever listens at the address, a terminal gets no control character of it.
    #[test]
    fn what_an_endpoint_says_is_fit_for_a_terminal() {
        let text = "Content-Type: text/plain\r\n\r\nred\x1b[31m\u{9b}\nb\n";
        let none = "what answers there is no admin endpoint";
        for (arguments, answer, expected) in [
            (
                &[][..],
                format!("200 OK\r\n{text}"),
                "red\\u{1b}[31m\\u{9b}\nb\n",
            ),
            (
                &[],
                format!("400 Bad\r\n{text}"),
                "error: red\\u{1b}[31m\\u{9b}\\nb\n",
            ),
            (
                &[],
                format!("503 Busy\r\n{text}"),
                "Unavailable: red\\u{1b}[31m\\u{9b}\n",
            ),
            (&["--json"], format!("200 OK\r\n{text}"), none),
            (&[], "200 OK\r\n\r\nx".to_owned(), none),
            (
                &[],
                "431 Long\r\n\r\n".to_owned(),
                "error: the question is too long for the gateway, which takes 8192 bytes; give a \
                 shorter URI\n",
            ),
            (&[], String::new(), "because: "),
        ] {
            let told = asked(arguments, &answer);
            assert!(told.contains(expected), "{answer:?}: {told:?}");
        }
    }

    /// Asks what gives that answer, and returns what is said. It is asked by its address.
    fn asked(arguments: &[&str], answer: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = format!("HTTP/1.1 {answer}");
        let peer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(head).unwrap()
        });
        let admin = format!("localhost:{}", address.port());
        let words = ["weir", "explain", "--admin", &admin, "http://a/b?c=d&e"];
        let parsed = Cli::try_parse_from(words.iter().chain(arguments)).unwrap();
        let Command::Explain(options) = parsed.command else {
            panic!("it is `explain`");
        };
        let told = ask(&admin, &options).unwrap_or_else(|failure| service::describe(&failure));
        let head = peer.join().unwrap();
        let line = "GET /explain?uri=http://a/b%3Fc%3Dd%26e&format=";
        assert!(head.starts_with(line), "{head}");
        let host = format!("\r\nhost: {address}\r\n");
        assert!(head.to_ascii_lowercase().contains(&host), "{head}");
        told
    }
}
