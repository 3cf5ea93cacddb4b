//! One request after another: judged, and answered as the decision says.

use std::future::pending;
use std::net::SocketAddr;
use std::rc::Rc;

use filter::{Enforcement, Protocol, Target as Judge, Undecidable};
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use http_head::{Head, Target};
use hyper::body::{Body, Incoming};
use policy::RedirectFacts;
use sessions::Digits;
use tokio::time::timeout;
use uri::{InvalidUri, NormalUri, Readings, Scheme};

use super::body::AnswerBody;
use super::connect::connect;
use super::context::{Context, Role};
use super::ending::Ending;
use super::fields;
use super::forward::{Passed, forward, recorded};
use super::max_forwards::{self, Reach};
use super::page;
use super::record::Record;
use super::signals::{Arrived, BadRequest};
use crate::connection::{Arrival, written_address};
use crate::judge::Judged;
use crate::limit::Limit;

/// Answers the request that hyper read, which is the next one that the gate let through.
pub(super) async fn answer(
    context: Rc<Context>,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let answer = match context.signals.pop() {
        Some(Arrived::Bad(bad)) => {
            if let Some(limit) = bad.limit() {
                context.worker.shared.metrics.reached(limit);
            }
            refuse(Record::new(&context), bad)
        }
        Some(Arrived::Foreign(what)) => foreign(&context, what, request).await,
        Some(Arrived::Request { head, body_follows }) => {
            if !is_of(&head, &request) {
                // hyper and the gate disagree about where this request starts.
                tracing::error!(client = %context.connection.client, "a request was not judged");
                end(&context, Ending::Abort).await;
            }
            request_of(&context, head, body_follows, request).await
        }
        None => {
            tracing::error!(client = %context.connection.client, "a request was not judged");
            end(&context, Ending::Abort).await
        }
    };
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        context.signals.release();
    }
    answer
}

/// Returns whether hyper read the head that the gate judged.
fn is_of(head: &Head, request: &Request<Incoming>) -> bool {
    let read = request
        .uri()
        .path_and_query()
        .map_or("", |path| path.as_str());
    let judged = head.path_and_query();
    head.method() == request.method().as_str()
        && (!judged.starts_with(b"/") || read.as_bytes() == judged)
}

async fn request_of(
    context: &Rc<Context>,
    head: Box<Head>,
    body_follows: bool,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let mut record = Record::new(context);
    if let Err(bad) = route(context, &head, &request) {
        let uri = String::from_utf8_lossy(&received(context, &head)).into_owned();
        record.request(head.method(), uri);
        return refuse(record, bad);
    }
    if let Target::Authority(_) = head.target() {
        return connect(context, &head, record).await;
    }
    let readings = readings(context, &head, head.path_and_query());
    let root = root(context, &head, &readings);
    let target = target(context, &readings);
    let judged = context
        .worker
        .judge(&context.connection, Protocol::Http, target)
        .await;
    let uri = readings.ok().map(|readings| readings.normal().clone());
    record.request(
        head.method(),
        match &uri {
            Some(uri) => uri.as_str().to_owned(),
            None => String::from_utf8_lossy(&received(context, &head)).into_owned(),
        },
    );
    if judged.decision.enforcement(Protocol::Http) == Enforcement::Forward {
        record.judged(judged, Protocol::Http);
        let reach = Reach::of(&head, context.role());
        if reach == Reach::Here {
            record.failed("max_forwards");
            let answer = max_forwards::answer(&head, &received(context, &head));
            let unread = (request.into_body(), !head.expect_continue());
            return after_the_body(context, answer, unread, record).await;
        }
        let mut request = request;
        reach.tell(request.headers_mut());
        let passed = Passed {
            head,
            root,
            body_follows,
            record,
        };
        return forward(context, passed, request).await;
    }
    let stopped = Stopped {
        received: received(context, &head),
        host: root.as_ref().map_or("", NormalUri::host).to_owned(),
        unread: (request.into_body(), !head.expect_continue()),
        record,
    };
    enforce(context, judged, stopped).await
}

/// Refuses what has no place on this kind of connection.
fn route(context: &Context, head: &Head, request: &Request<Incoming>) -> Result<(), BadRequest> {
    match (context.role(), head.target()) {
        (Role::Intermediary, Target::Authority(_)) => Err(BadRequest::Connect),
        (Role::Proxy, Target::Origin | Target::Asterisk) => Err(BadRequest::NotProxied),
        (_, Target::Absolute { scheme, .. }) if *scheme != Some(Scheme::Http) => {
            Err(BadRequest::Scheme)
        }
        (Role::Proxy, _) if fields::went_through_us(request.headers()) => Err(BadRequest::Loop),
        (_, _) => Ok(()),
    }
}

/// Reads the URI to judge, or another one of the same authority. The port is the one really
/// connected to. HTTP/1.0 without Host asks for what the address itself serves.
fn readings(context: &Context, head: &Head, path: &[u8]) -> Result<Readings, InvalidUri> {
    let connection = &context.connection;
    let (fallback, port) = match (connection.arrival, &connection.tunnel) {
        (Arrival::Intercepted(destination), _) => {
            (destination.to_string(), Some(destination.port()))
        }
        (Arrival::Explicit, Some(tunnel)) => {
            let authority = tunnel.authority.authority().to_owned();
            (authority, Some(tunnel.authority.port()))
        }
        (Arrival::Explicit, None) => (String::new(), None),
    };
    let authority = head.authority().unwrap_or(fallback.as_bytes());
    Readings::of_request(Scheme::Http, authority, path, port)
}

/// Returns where a request goes that passes: its URI without the path, which may have too many
/// readings to be judged and none that matters here.
fn root(
    context: &Context,
    head: &Head,
    readings: &Result<Readings, InvalidUri>,
) -> Option<NormalUri> {
    match readings {
        Ok(readings) => Some(readings.normal().clone()),
        Err(_) => Some(self::readings(context, head, b"/").ok()?.normal().clone()),
    }
}

/// Returns what to judge. A host in a tunnel to another host is not.
fn target<'a>(context: &Context, readings: &'a Result<Readings, InvalidUri>) -> Judge<'a> {
    match (readings, &context.connection.tunnel) {
        (Err(why), _) => Judge::Undecidable(Undecidable::from(why)),
        (Ok(readings), Some(tunnel))
            if written_address(&tunnel.authority).is_none()
                && tunnel.authority.host() != readings.normal().host() =>
        {
            Judge::Doubtful(readings, Undecidable::AuthorityMismatch)
        }
        (Ok(readings), _) => Judge::Uri(readings),
    }
}

/// Returns the URI as received, absolute, without userinfo; with the port that the client dialled
/// where it wrote none.
fn received(context: &Context, head: &Head) -> Vec<u8> {
    let destination = context.connection.original_destination();
    let mut authority = match (head.authority(), destination) {
        (Some(authority), _) => authority.to_vec(),
        (None, Some(address)) => address.to_string().into_bytes(),
        (None, None) => Vec::new(),
    };
    let default = Scheme::Http.default_port();
    let dialled = destination.as_ref().map_or(default, SocketAddr::port);
    if dialled != default && !has_port(&authority) {
        authority.extend_from_slice(format!(":{dialled}").as_bytes());
    }
    let scheme = head.scheme().unwrap_or(Scheme::Http).as_str().as_bytes();
    [scheme, b"://", &authority, head.path_and_query()].concat()
}

fn has_port(authority: &[u8]) -> bool {
    let after_address = authority.rsplit(|byte| *byte == b']').next();
    after_address.is_some_and(|rest| rest.contains(&b':'))
}

/// Judges a connection that does not start with HTTP/1.
async fn foreign(
    context: &Rc<Context>,
    what: Undecidable,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let mut record = Record::new(context);
    let judged = context
        .worker
        .judge(
            &context.connection,
            Protocol::Http,
            Judge::Undecidable(what),
        )
        .await;
    if judged.decision.enforcement(Protocol::Http) == Enforcement::Forward {
        record.judged(judged, Protocol::Http);
        return end(context, Ending::Raw(record)).await;
    }
    let stopped = Stopped {
        received: Vec::new(),
        host: String::new(),
        unread: (request.into_body(), true),
        record,
    };
    enforce(context, judged, stopped).await
}

/// A request that is not forwarded.
struct Stopped {
    /// Its URI.
    received: Vec<u8>,
    /// Shown on the block page.
    host: String,
    /// Its body, and whether the client sends it without being asked.
    unread: (Incoming, bool),
    record: Record,
}

async fn enforce(context: &Context, judged: Judged, mut stopped: Stopped) -> Response<AnswerBody> {
    let enforcement = judged.decision.enforcement(Protocol::Http);
    let location = location(&judged, &stopped.received);
    stopped.record.judged(judged, Protocol::Http);
    let ending = match enforcement {
        Enforcement::Discard => Ending::Close,
        Enforcement::Reset => Ending::Reset,
        Enforcement::Forward | Enforcement::Forbid | Enforcement::Redirect => {
            let redirect = location.as_deref().and_then(page::redirect);
            let page = redirect.unwrap_or_else(|| page::blocked(&stopped.host));
            return after_the_body(context, page, stopped.unread, stopped.record).await;
        }
    };
    drop(stopped);
    end(context, ending).await
}

fn location(judged: &Judged, received: &[u8]) -> Option<String> {
    let session = judged.session.as_deref();
    let msisdn = session.and_then(|session| session.msisdn).map(Digits::text);
    let imsi = session.and_then(|session| session.imsi).map(Digits::text);
    judged.decision.location(RedirectFacts {
        msisdn: msisdn.as_deref().unwrap_or_default(),
        imsi: imsi.as_deref().unwrap_or_default(),
        uri: received,
    })
}

/// Reads the request's body over, then answers: a client which only listens after it has sent
/// shall see the answer. A client that is to be asked for its body is not
/// asked; and one whose body does not end is told that the connection does.
pub(super) async fn after_the_body(
    context: &Context,
    mut page: Response<AnswerBody>,
    (body, comes): (Incoming, bool),
    mut record: Record,
) -> Response<AnswerBody> {
    let read_over = if body.is_end_stream() {
        true
    } else if !comes {
        false
    } else {
        let limits = context.limits;
        let reading = read_over(body, limits.read_over_bytes, &mut record);
        let end = timeout(limits.read_over, reading).await;
        let end = end.unwrap_or(End::OverLimit);
        if end == End::OverLimit {
            context.worker.shared.metrics.reached(Limit::ReadOver);
        }
        end == End::Reached
    };
    if !read_over {
        let close = HeaderValue::from_static("close");
        page.headers_mut().insert(CONNECTION, close);
    }
    recorded(page, record)
}

/// How reading over a body ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Reached,
    BrokenOff,
    OverLimit,
}

async fn read_over(mut body: Incoming, len_max: usize, record: &mut Record) -> End {
    let mut left = len_max;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return End::BrokenOff;
        };
        let len = frame.data_ref().map_or(0, bytes::Bytes::len);
        record.received(len);
        match left.checked_sub(len) {
            Some(rest) => left = rest,
            None => return End::OverLimit,
        }
    }
    End::Reached
}

/// Answers a request that is refused whatever the profile; the connection ends after it.
pub(super) fn refuse(mut record: Record, bad: BadRequest) -> Response<AnswerBody> {
    record.bad(bad);
    let status = StatusCode::from_u16(bad.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut page = page::failed(status, &bad.reason());
    let close = HeaderValue::from_static("close");
    page.headers_mut().insert(CONNECTION, close);
    recorded(page, record)
}

/// Ends the conversation. What it awaits never comes: the loop around hyper drops it.
pub(super) async fn end(context: &Context, ending: Ending) -> Response<AnswerBody> {
    context.signals.end(ending);
    pending().await
}
