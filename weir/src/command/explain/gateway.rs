//! A question to the admin endpoint of a gateway that runs.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;

use crate::Failure;
use crate::cli::Explain;

/// How long the gateway may take: longer than it gives its own workers and categorizer.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Bytes of an answer at most.
const ANSWER_LEN_MAX: usize = 4 * 1024 * 1024;

/// What the pages of an admin endpoint are.
const ADMIN_TYPES: [&[u8]; 2] = [b"text/plain", b"application/json"];

/// The port of a URL without one.
const HTTP_PORT: u16 = 80;

/// Returns the query that asks what the options do.
pub(super) fn query(options: &Explain) -> String {
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
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        // Writing to a `String` cannot fail.
        let _ = write!(query, "{key}={value}&");
    }
    query.pop();
    query
}

/// Asks the gateway at `admin`, and returns its answer.
pub(super) fn ask(admin: &str, query: &str) -> Result<String, Failure> {
    let authority = authority(admin)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = runtime.block_on(async {
        let exchange = exchange(&authority, query);
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
        StatusCode::OK => Ok(text),
        StatusCode::BAD_REQUEST => Err(Failure::Usage(text.trim_end().to_owned())),
        status => {
            let first = text.lines().next().unwrap_or_default();
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
        let admin = policy::written::quote(admin);
        let text = format!("`{admin}` is no admin address; use the form `http://127.0.0.1:9090`");
        Failure::Usage(text)
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]_".contains(&byte);
    if rest.is_empty() || !rest.bytes().all(plain) {
        return Err(wrong());
    }
    let port = rest.rsplit_once(':').filter(|(host, _)| {
        // An IPv6 address is in brackets.
        !host.contains(':') || host.ends_with(']')
    });
    match port {
        None => Ok(format!("{rest}:{HTTP_PORT}")),
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(rest.to_owned())
        }
        Some(_) => Err(wrong()),
    }
}

async fn exchange(
    authority: &str,
    query: &str,
) -> Result<(StatusCode, String), Box<dyn Error + Send + Sync>> {
    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(format!("/explain?{query}"))
        .header(HOST, authority)
        .body(Empty::<Bytes>::new())?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.map(|kind| kind.as_bytes().to_ascii_lowercase());
        if !kind.is_some_and(|kind| ADMIN_TYPES.iter().any(|known| kind.starts_with(known))) {
            return Err("what answers there is no admin endpoint".into());
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
    use super::*;

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
            (":9090", None),
            ("http://", None),
        ] {
            assert_eq!(authority(text).ok().as_deref(), expected, "{text}");
        }
    }
}
