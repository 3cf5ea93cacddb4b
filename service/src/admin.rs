//! The admin endpoint: `/metrics` for Prometheus, `/ready` and `/live` for whoever starts us,
//! `/explain` for whoever asks why a request is decided as it is, and what the program adds.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time;
use tracing::debug;

use crate::{Drain, accept};

/// Connections served at once; for a further one the oldest is closed, which has been given the
/// most time and is the most likely to be idle.
pub const CONNECTIONS_MAX: usize = 32;

/// How long a request head may take.
pub const HEADER_DEADLINE: Duration = Duration::from_secs(5);

/// How long a connection may take as a whole. It carries one request.
pub const CONNECTION_DEADLINE: Duration = Duration::from_secs(20);

/// Bytes of a request head. Hyper's smallest limit.
pub const HEAD_LEN_MAX: usize = 8 * 1024;

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Where the page comes from that makes a browser ask (Fetch Metadata).
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// What a browser says there that was told to by the person at it, or by this endpoint.
const OWN_SITES: [&str; 2] = ["none", "same-origin"];

/// The one name that no resolver can turn to another address.
const LOCALHOST: &str = "localhost";

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Answers a question about a request, given the query of `/explain` without its `?`. It may wait,
/// for less than [`CONNECTION_DEADLINE`].
pub type Explain =
    Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = Explained> + Send>> + Send + Sync>;

/// What came of a question about a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Explained {
    /// The answer for a person.
    Text(String),
    /// The answer for a program.
    Json(String),
    /// The question is wrong, and how.
    Wrong(String),
    /// It cannot be answered now, and why.
    Busy(String),
}

/// What the endpoint shows. Each function runs anew for every request and, but for `explain`, must
/// not wait.
#[derive(Clone)]
pub struct Pages {
    /// Returns the metrics as OpenMetrics text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Returns the reason why the program is not ready, if it is not.
    pub ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Absent where nothing can be explained.
    pub explain: Option<Explain>,
    /// What answers at further paths, if anything does.
    pub route: Option<Route>,
}

/// Answers a request for a path of a [`Route`], in less than [`CONNECTION_DEADLINE`]. What it says
/// is neither kept by caches nor guessed at by browsers.
pub type Answering = Arc<
    dyn Fn(Request<Incoming>) -> Pin<Box<dyn Future<Output = Response<Full<Bytes>>> + Send>>
        + Send
        + Sync,
>;

/// A path, those below it, and what answers there.
#[derive(Clone)]
pub struct Route {
    /// Begins with a slash and ends without one.
    pub path: &'static str,
    /// What answers.
    pub answer: Answering,
}

/// What the rest of the program adds to the pages of an endpoint.
#[derive(Clone, Default)]
pub struct Added {
    /// Returns further metrics as OpenMetrics text.
    pub metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
    /// Answers at further paths.
    pub route: Option<Route>,
}

impl Route {
    fn leads(&self, path: &str) -> bool {
        let below = path.strip_prefix(self.path);
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Added {
    /// Returns OpenMetrics text with the further metrics behind it.
    #[must_use]
    pub fn behind(&self, text: String) -> String {
        let Some(metrics) = &self.metrics else {
            return text;
        };
        // One text has one end.
        let own = text.strip_suffix("# EOF\n").unwrap_or(&text);
        format!("{own}{}", metrics())
    }
}

impl fmt::Debug for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Added").finish_non_exhaustive()
    }
}

/// A bound admin endpoint that does not serve yet.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
}

impl Admin {
    /// Binds the endpoint and returns where it really is.
    ///
    /// # Errors
    ///
    /// Fails if the address cannot be bound.
    pub async fn bind(address: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((Self { listener }, address))
    }

    /// Serves until `drain` is requested.
    ///
    /// Give it a drain of its own that ends after the program's: `/ready` must still answer
    /// while the program drains.
    pub fn serve(self, pages: Pages, drain: &Drain) {
        let connections = drain.clone();
        drain.spawn(async move {
            tokio::select! {
                () = accept_all(self.listener, pages, &connections) => {}
                () = connections.requested() => {}
            }
        });
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

async fn accept_all(listener: TcpListener, pages: Pages, drain: &Drain) {
    // Oldest first. Dropping one closes its connection.
    let mut open: VecDeque<oneshot::Sender<()>> = VecDeque::with_capacity(CONNECTIONS_MAX);
    loop {
        let (stream, client) = accept(&listener, || {}).await;
        open.retain(|connection| !connection.is_closed());
        if open.len() >= CONNECTIONS_MAX {
            open.pop_front();
        }
        let (connection, displaced) = oneshot::channel::<()>();
        open.push_back(connection);
        let pages = pages.clone();
        drain.spawn(async move {
            tokio::select! {
                () = serve_connection(stream, client, pages) => {}
                _ = displaced => debug!(%client, "admin connection closed for a newer one"),
            }
        });
    }
}

async fn serve_connection(stream: TcpStream, client: SocketAddr, pages: Pages) {
    let answer_one = service_fn(move |request: Request<Incoming>| {
        let pages = pages.clone();
        let route = pages.route.as_ref();
        let route = route.filter(|it| it.leads(request.uri().path())).cloned();
        async move {
            let response = match route {
                Some(route) => (route.answer)(request).await,
                None => answer(&pages, &request).await,
            };
            Ok::<_, Infallible>(uncached(response))
        }
    });
    // Without keep-alive an idle client cannot hold one of the few slots.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .keep_alive(false)
        .max_buf_size(HEAD_LEN_MAX)
        .serve_connection(TokioIo::new(stream), answer_one);
    match time::timeout(CONNECTION_DEADLINE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%client, %error, "admin request failed"),
        Err(_) => debug!(%client, "admin request took too long"),
    }
}

async fn answer<B>(pages: &Pages, request: &Request<B>) -> Response<Full<Bytes>> {
    let asks = matches!(*request.method(), Method::GET | Method::HEAD);
    let (status, content_type, body) = match (request.uri().path(), &pages.explain) {
        ("/metrics" | "/ready" | "/live", _) | ("/explain", Some(_)) if !asks => {
            let text = "use GET or HEAD\n".to_owned();
            (StatusCode::METHOD_NOT_ALLOWED, TEXT, text)
        }
        ("/metrics", _) => (StatusCode::OK, OPEN_METRICS, (pages.metrics)()),
        ("/ready", _) => match (pages.ready)() {
            Ok(()) => (StatusCode::OK, TEXT, "ready\n".to_owned()),
            Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{reason}\n")),
        },
        ("/live", _) => (StatusCode::OK, TEXT, "live\n".to_owned()),
        ("/explain", Some(_)) if !is_asked_here(request.headers()) => {
            let text = "ask by IP address or as localhost, and not from a page of another site; \
                        `weir explain --admin` does\n";
            (StatusCode::FORBIDDEN, TEXT, text.to_owned())
        }
        ("/explain", Some(explain)) => {
            let query = request.uri().query().unwrap_or_default().to_owned();
            match explain(query).await {
                Explained::Text(text) => (StatusCode::OK, TEXT, text),
                Explained::Json(text) => (StatusCode::OK, JSON, text),
                Explained::Wrong(text) => (StatusCode::BAD_REQUEST, TEXT, format!("{text}\n")),
                Explained::Busy(text) => {
                    (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{text}\n"))
                }
            }
        }
        (_, _) => (StatusCode::NOT_FOUND, TEXT, paths(pages)),
    };
    // Hyper leaves the body away from answers to HEAD and keeps its length.
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

fn uncached(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Says what can be asked for.
fn paths(pages: &Pages) -> String {
    let explain = pages.explain.as_ref().map(|_| "/explain");
    let route = pages.route.as_ref().map(|route| route.path);
    let further: Vec<&str> = explain.into_iter().chain(route).collect();
    match *further {
        [] => "use /metrics, /ready or /live\n".to_owned(),
        [ref init @ .., last] => {
            let init: String = init.iter().map(|path| format!(", {path}")).collect();
            format!("use /metrics, /ready, /live{init} or {last}\n")
        }
    }
}

/// Returns whether nobody else makes a browser ask. A page of another site that has its own name
/// lead to this address (DNS rebinding) would be shown the answer: such a question has that name
/// as its host.
#[must_use]
pub fn is_asked_here(headers: &HeaderMap) -> bool {
    let is_own = |site: &HeaderValue| OWN_SITES.iter().any(|own| site == own);
    let no_name = |host: &HeaderValue| host.to_str().is_ok_and(is_no_name);
    !headers.contains_key(ORIGIN)
        && headers.get_all(SEC_FETCH_SITE).iter().all(is_own)
        && headers.get_all(HOST).iter().all(no_name)
}

/// Returns whether a host, with or without a port, is an address or [`LOCALHOST`].
fn is_no_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let bare = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    name.eq_ignore_ascii_case(LOCALHOST) || bare.unwrap_or(name).parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests;
