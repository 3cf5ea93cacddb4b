//! A question to the admin endpoint of a gateway that runs.

use std::error::Error;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use policy::written::{quote, visible};
use service::admin::HEAD_LEN_MAX;
use tokio::net::TcpStream;

use crate::Failure;
use crate::cli::Explain;

/// How long the gateway may take: longer than it gives its own workers and categorizer.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Bytes of an answer at most.
const ANSWER_LEN_MAX: usize = 4 * 1024 * 1024;

/// What the pages of an admin endpoint are.
const ADMIN_TYPES: [&[u8]; 2] = [b"text/plain", b"application/json"];

/// What is written as an escape in a query. Fewer escapes are room for longer URIs.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'/')
    .remove(b':')
    .remove(b'_');

/// The port of a URL without one.
const HTTP_PORT: u16 = 80;

/// What an answer is told that is none.
const NO_ADMIN: &str = "what answers there is no admin endpoint";

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
    let query = query(options);
    let authority = authority(admin)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = runtime.block_on(async {
        let exchange = exchange(&authority, &query);
        match tokio::time::timeout(WAIT_MAX, exchange).await {
            Ok(answer) => answer,
            Err(late) => Err(late.into()),
        }
    });
    let failed = |source| Failure::Gateway {
        address: admin.to_owned(),
        source,
    };
    let (status, text) = answer.map_err(failed)?;
    match status {
        StatusCode::OK if !options.json => Ok(text.lines().map(|it| visible(it) + "\n").collect()),
        StatusCode::OK => match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(_) => Ok(text),
            Err(_) => Err(failed(NO_ADMIN.into())),
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
            Err(failed(text.into()))
        }
    }
}

/// Returns host and port of a URL, or of what was meant as one.
fn authority(admin: &str) -> Result<String, Failure> {
    let rest = admin.strip_prefix("http://").unwrap_or(admin);
    let rest = rest.trim_end_matches('/');
    let wrong = || {
        let admin = quote(admin);
        let text = format!("`{admin}` is no admin address; use the form `http://127.0.0.1:9090`");
        Failure::Usage(text)
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]_".contains(&byte);
    if rest.is_empty() || !rest.bytes().all(plain) {
        return Err(wrong());
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse::<u16>().map_err(|_| wrong())?)
        }
        Some(_) | None => (rest, HTTP_PORT),
    };
    // An IPv6 address is in brackets.
    let is_bare = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    match host.is_empty() || is_bare {
        true => Err(wrong()),
        false => Ok(format!("{host}:{port}")),
    }
}

async fn exchange(
    authority: &str,
    query: &str,
) -> Result<(StatusCode, String), Box<dyn Error + Send + Sync>> {
    let stream = TcpStream::connect(authority).await?;
    // The endpoint knows no names: one could be that of a page in a browser.
    let peer = stream.peer_addr()?;
    let peer = SocketAddr::new(peer.ip(), peer.port());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(format!("/explain?{query}"))
        .header(HOST, peer.to_string())
        .body(Empty::<Bytes>::new())?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.map(|kind| kind.as_bytes().to_ascii_lowercase());
        let is_known = |kind: Vec<u8>| ADMIN_TYPES.iter().any(|known| kind.starts_with(known));
        // What is too long has no answer of the endpoint itself.
        let is_refused = status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        if !is_refused && !kind.is_some_and(is_known) {
            return Err(NO_ADMIN.into());
        }
        let body = Limited::new(response.into_body(), ANSWER_LEN_MAX);
        let body = body.collect().await?.to_bytes();
        Ok::<_, Box<dyn Error + Send + Sync>>((status, String::from_utf8(body.to_vec())?))
    };
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        ended = connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(error.into()),
        },
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

    #[test]
    fn an_address_is_a_url_or_host_and_port() {
        for (text, expected) in [
            ("http://127.0.0.1:9090", Some("127.0.0.1:9090")),
            ("http://127.0.0.1:9090/", Some("127.0.0.1:9090")),
            ("127.0.0.1:9090", Some("127.0.0.1:9090")),
            ("http://gateway.example", Some("gateway.example:80")),
            ("http://[::1]:9090", Some("[::1]:9090")),
            ("[::1]", Some("[::1]:80")),
            ("https://127.0.0.1:9090", None),
            ("http://127.0.0.1:9090/metrics", None),
            ("127.0.0.1:70000", None),
            ("127.0.0.1:", None),
            ("::1", None),
            ("::1:9090", None),
            ("1:2:3", None),
            ("[::1", None),
            ("::1]:9090", None),
            (":9090", None),
            ("http://", None),
        ] {
            assert_eq!(authority(text).ok().as_deref(), expected, "{text}");
        }
    }
}
