//! The admin endpoint of a gateway that runs, as commands ask it.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use policy::written::quote;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::Failure;

/// How long the gateway may take: longer than it gives its own workers and categorizer.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Bytes of an answer at most.
const ANSWER_LEN_MAX: usize = 4 * 1024 * 1024;

/// What the pages of an admin endpoint are.
const ADMIN_TYPES: [&[u8]; 3] = [
    b"text/plain",
    b"application/json",
    b"application/problem+json",
];

/// The port of a URL without one.
const HTTP_PORT: u16 = 80;

/// What an answer is told that is none.
pub(crate) const NO_ADMIN: &str = "what answers there is no admin endpoint";

/// A gateway that runs, by its admin address.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// As given.
    admin: String,
    authority: String,
    runtime: Runtime,
}

/// What a gateway is asked.
#[derive(Clone, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) token: Option<&'a str>,
    pub(crate) json: Option<String>,
}

impl Gateway {
    /// Takes the admin address of a gateway.
    pub(crate) fn at(admin: &str) -> Result<Self, Failure> {
        Ok(Self {
            admin: admin.to_owned(),
            authority: authority(admin)?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        })
    }

    /// Asks it, on a connection for this question, and returns status and text of its answer.
    pub(crate) fn ask(&self, question: Question<'_>) -> Result<(StatusCode, String), Failure> {
        let answer = self.runtime.block_on(async {
            let exchange = exchange(&self.authority, question);
            match tokio::time::timeout(WAIT_MAX, exchange).await {
                Ok(answer) => answer,
                Err(late) => Err(late.into()),
            }
        });
        answer.map_err(|source| self.failed(source))
    }

    /// Tells that it gave no answer.
    pub(crate) fn failed(&self, source: Box<dyn Error + Send + Sync>) -> Failure {
        Failure::Gateway {
            address: self.admin.clone(),
            source,
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
    question: Question<'_>,
) -> Result<(StatusCode, String), Box<dyn Error + Send + Sync>> {
    let stream = TcpStream::connect(authority).await?;
    // The endpoint knows no names: one could be that of a page in a browser.
    let peer = stream.peer_addr()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = question.request(SocketAddr::new(peer.ip(), peer.port()))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.map(|kind| kind.as_bytes().to_ascii_lowercase());
        let is_known = |kind: Vec<u8>| ADMIN_TYPES.iter().any(|known| kind.starts_with(known));
        // What is too long has no answer of the endpoint itself.
        let is_refused = status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let is_empty = status == StatusCode::NO_CONTENT;
        if !is_refused && !is_empty && !kind.is_some_and(is_known) {
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

impl Question<'_> {
    fn request(
        self,
        host: SocketAddr,
    ) -> Result<Request<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.target)
            .header(HOST, host.to_string());
        if let Some(token) = self.token {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))?;
            // It is in no text of this program.
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if self.json.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        Ok(request.body(Full::from(self.json.unwrap_or_default()))?)
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
