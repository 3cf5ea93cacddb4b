//! A request that passes: sent to its origin, and the origin's answer to the client.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_head::{Head, Upgrade, Version};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::time::timeout;
use uri::NormalUri;

use super::answer::after_the_body;
use super::body::{AnswerBody, RequestBody, Upload};
use super::context::{Context, Role};
use super::ending::Ending;
use super::fields;
use super::interim::Announced;
use super::origin::{Ready, Then};
use super::page;
use super::record::Record;
use super::signals::BadRequest;
use super::upstream;
use crate::dial::{DialError, Origin};
use crate::limit::Limit;

/// A request that passed.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) head: Box<Head>,
    /// A URI of the judged authority. Absent if that has no normal form and was passed all the
    /// same.
    pub(super) root: Option<NormalUri>,
    /// Bytes of the body came with the head.
    pub(super) body_follows: bool,
    pub(super) record: Record,
}

/// Why there is no answer of the origin.
#[derive(Debug)]
enum NoAnswer {
    Dial(DialError),
    TimedOut,
    /// It was announced without end.
    Announced,
    Broken(hyper::Error),
}

/// Forwards a request and returns the answer for the client.
pub(super) async fn forward(
    context: &Context,
    mut passed: Passed,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let Some(origin) = origin_of(context, passed.root.as_ref()) else {
        let why = NoAnswer::Dial(DialError::Unresolved(String::new()));
        let body = request.into_body();
        let (page, record) = failed(context, passed.record, &why);
        let comes = !passed.head.expect_continue();
        return after_the_body(context, page, (body, comes), record).await;
    };
    let announced = Arc::new(Announced::default());
    let (outgoing, upload) = outgoing(context, &passed, request, &announced);
    passed.record.upload(Rc::clone(&upload));
    let answer = tokio::select! {
        answer = exchange(context, &passed, &origin, outgoing) => answer,
        () = announced.too_many.notified() => Err(NoAnswer::Announced),
    };
    context.signals.interim.sent().await;
    let mut answer = match answer {
        Ok(answer) => answer,
        Err(_) if context.signals.body_refused.get() => {
            return refuse_body(passed.record, BadRequest::Body);
        }
        Err(_) if upload.broke_off() => {
            return refuse_body(passed.record, BadRequest::Truncated);
        }
        Err(why) => return give_up(context, passed.record, &why, &upload).await,
    };
    let asked = passed.head.upgrade();
    if let Err(bad) = fields::rewrite_answer(&mut answer, asked, context.role()) {
        passed.record.failed(bad.as_str());
        let page = page::failed(StatusCode::BAD_GATEWAY, "the origin's answer is malformed");
        return recorded(page, passed.record);
    }
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        passed.record.status(answer.status());
        context.signals.end(Ending::Upgraded(passed.record));
        return answer.map(|_| AnswerBody::text(Bytes::new()));
    }
    if upload.give_up_unasked() {
        // The client waits for 100, which the origin did not send: it may or may not send the
        // body now, so nothing after it can be told apart.
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(CONNECTION, close);
    }
    // The answer's version is that of the origin's connection.
    *answer.version_mut() = http::Version::HTTP_11;
    recorded(answer.map(AnswerBody::origin), passed.record)
}

/// Returns where a request goes: an intercepted one to where the client sent it, whatever its
/// authority says.
fn origin_of(context: &Context, root: Option<&NormalUri>) -> Option<Origin> {
    match context.role() {
        Role::Intermediary => Origin::of(&context.connection),
        Role::Proxy => root.map(Origin::named_by),
    }
}

/// Writes the request as the origin shall get it.
fn outgoing(
    context: &Context,
    passed: &Passed,
    request: Request<Incoming>,
    announced: &Arc<Announced>,
) -> (Request<RequestBody>, Rc<Upload>) {
    let head = &passed.head;
    let (mut parts, body) = request.into_parts();
    // hyper's part of an upgrade is not used: this crate changes protocol itself.
    parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
    upstream::rewrite(&mut parts, head, passed.root.as_ref(), context.role());
    let waits = head.expect_continue() && !passed.body_follows;
    let wait = waits.then(|| {
        let go = Arc::clone(announced);
        Box::pin(until_wanted(go, Rc::clone(&context.socket))) as Pin<Box<dyn Future<Output = ()>>>
    });
    let upload = Rc::new(Upload::new(body, wait));
    let mut outgoing = Request::from_parts(parts, upload.stream());
    let announced = Arc::clone(announced);
    let interim = Arc::clone(&context.signals.interim);
    let version = head.version();
    hyper::ext::on_informational(&mut outgoing, move |answer| {
        announced.note(answer.status(), answer.headers());
        match version {
            Version::Http11 => interim.push(answer.status(), answer.headers()),
            // HTTP/1.0 knows of none.
            Version::Http10 => {}
        }
    });
    (outgoing, upload)
}

/// Completes when the origin asks for the body, or when the client sends it unasked.
async fn until_wanted(announced: Arc<Announced>, socket: Rc<TcpStream>) {
    let mut first = [0];
    tokio::select! {
        () = announced.body_wanted.notified() => {}
        // An error is met again, and reported, when the body is read.
        _ = socket.peek(&mut first) => {}
    }
}

/// Sends the request and waits for the answer; once more if a kept connection turns out to be
/// closed and nothing is lost.
async fn exchange(
    context: &Context,
    passed: &Passed,
    origin: &Origin,
    outgoing: Request<RequestBody>,
) -> Result<Response<Incoming>, NoAnswer> {
    let then = match passed.head.upgrade() {
        Upgrade::Websocket => Then::MayUpgrade,
        Upgrade::None => Then::Close,
    };
    let kept = match then {
        Then::Close => context.origins.kept(origin).await,
        Then::MayUpgrade => None,
    };
    let ready = match kept {
        Some(ready) => ready,
        None => connect(context, origin, then).await?,
    };
    let again = ready.reused && is_repeatable(&outgoing);
    let spare = again.then(|| copy(&outgoing));
    let outgoing = match send(context, origin, ready, outgoing).await {
        Ok(answer) => return Ok(answer),
        Err((_, Some(unsent))) => *unsent,
        Err((why, None)) => match spare {
            Some(spare) if matches!(why, NoAnswer::Broken(_)) => spare,
            Some(_) | None => return Err(why),
        },
    };
    let ready = connect(context, origin, then).await?;
    let sent = send(context, origin, ready, outgoing).await;
    sent.map_err(|(why, _)| why)
}

async fn connect(context: &Context, origin: &Origin, then: Then) -> Result<Ready, NoAnswer> {
    context
        .origins
        .connect(
            &context.worker,
            &context.connection,
            &context.signals,
            (origin, then),
        )
        .await
        .map_err(NoAnswer::Dial)
}

/// Returns whether sending the request twice does what sending it once does.
fn is_repeatable(request: &Request<RequestBody>) -> bool {
    let method = request.method();
    (method.is_idempotent() || *method == Method::TRACE)
        && http_body::Body::is_end_stream(request.body())
}

/// Copies a request without a body.
fn copy(request: &Request<RequestBody>) -> Request<RequestBody> {
    let mut copy = Request::new(RequestBody::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    copy
}

type Unsent = Option<Box<Request<RequestBody>>>;

/// Sends the request over one connection. An error comes with the request if no byte of it was
/// sent.
async fn send(
    context: &Context,
    origin: &Origin,
    mut ready: Ready,
    request: Request<RequestBody>,
) -> Result<Response<Incoming>, (NoAnswer, Unsent)> {
    let answer = ready.sender.try_send_request(request);
    match until_stalled(context, answer).await {
        None => Err((NoAnswer::TimedOut, None)),
        Some(Err(mut error)) => {
            let unsent = error.take_message().map(Box::new);
            Err((NoAnswer::Broken(error.into_error()), unsent))
        }
        Some(Ok(answer)) => {
            context.origins.keep(origin.clone(), ready.sender);
            Ok(answer)
        }
    }
}

/// Waits for as long as bytes move: a large upload may take its time.
async fn until_stalled<T>(context: &Context, answer: impl Future<Output = T>) -> Option<T> {
    let mut answer = pin!(answer);
    loop {
        let moved = context.signals.moved();
        if let Ok(answer) = timeout(context.limits.answer, answer.as_mut()).await {
            return Some(answer);
        }
        if moved == context.signals.moved() {
            context.worker.shared.metrics.reached(Limit::Answer);
            return None;
        }
    }
}

fn refuse_body(mut record: Record, bad: BadRequest) -> Response<AnswerBody> {
    record.bad(bad);
    let mut page = page::failed(StatusCode::BAD_REQUEST, &bad.reason());
    let close = HeaderValue::from_static("close");
    page.headers_mut().insert(CONNECTION, close);
    recorded(page, record)
}

/// Answers for an origin that does not, after the client's body. The origin is let go first: it
/// must not take the end of its part of the body for the end of the body.
async fn give_up(
    context: &Context,
    record: Record,
    why: &NoAnswer,
    upload: &Upload,
) -> Response<AnswerBody> {
    context.origins.close();
    let (page, record) = failed(context, record, why);
    match upload.take_rest() {
        Some(rest) => after_the_body(context, page, rest, record).await,
        None => recorded(page, record),
    }
}

/// Returns the page about an origin that does not answer.
fn failed(context: &Context, mut record: Record, why: &NoAnswer) -> (Response<AnswerBody>, Record) {
    let (word, status, reason) = match why {
        NoAnswer::Dial(error @ DialError::Forbidden(_)) => (
            error.as_str(),
            StatusCode::FORBIDDEN,
            "the proxy does not go to this address",
        ),
        NoAnswer::Dial(error @ DialError::TimedOut) => (
            error.as_str(),
            StatusCode::GATEWAY_TIMEOUT,
            "the web site could not be reached in time",
        ),
        NoAnswer::Dial(error @ (DialError::Unresolved(_) | DialError::Io(_))) => (
            error.as_str(),
            StatusCode::BAD_GATEWAY,
            "the web site could not be reached",
        ),
        NoAnswer::TimedOut => (
            "answer_late",
            StatusCode::GATEWAY_TIMEOUT,
            "the web site did not answer in time",
        ),
        NoAnswer::Announced => {
            context.worker.shared.metrics.reached(Limit::Interim);
            (
                "answer_announced",
                StatusCode::BAD_GATEWAY,
                "the web site announced an answer without end",
            )
        }
        NoAnswer::Broken(error) => {
            tracing::debug!(client = %context.connection.client, %error, "no answer of the origin");
            (
                "answer_broken",
                StatusCode::BAD_GATEWAY,
                "the web site did not answer",
            )
        }
    };
    record.failed(word);
    (page::failed(status, reason), record)
}

/// Lets the record follow the answer's body.
pub(super) fn recorded(answer: Response<AnswerBody>, mut record: Record) -> Response<AnswerBody> {
    record.status(answer.status());
    answer.map(|body| body.with_record(record))
}
