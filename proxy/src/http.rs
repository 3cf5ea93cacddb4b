//! HTTP/1.1 on a client connection: read, judge, enforce, forward.
//!
//! hyper speaks HTTP on both sides. In front of it a [`gate`] reads every head first
//! and lets one at a time through, so that what is judged is what hyper forwards. Everything of
//! one client connection, its origins included, happens in one task.

mod answer;
mod body;
mod connect;
mod context;
mod ending;
mod fields;
mod forward;
mod gate;
mod interim;
mod max_forwards;
mod origin;
mod page;
mod record;
mod signals;
mod upstream;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use http::{Request, Response};
use http_head::TARGET_GROWTH_MAX;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use tokio::io::Interest;
use tokio::time::{Instant, sleep};

use crate::connection::{ClientStream, Connection};
use crate::limit::Limit;
use crate::worker::Worker;
use body::AnswerBody;
use context::{Context, Role};
use ending::Ending;
use gate::{Foreign, Gate};
use origin::Origins;
use signals::Signals;

/// Bytes that hyper holds of a message beside a head of the greatest length, escapes included.
const HYPER_BUFFER_LEN: usize = 16 * 1024;

/// Serves the requests of one client connection until it ends.
pub(crate) async fn serve(worker: Rc<Worker>, connection: Connection, client: ClientStream) {
    let (head_limits, limits) = {
        let live = worker.shared.live.load();
        (live.config.http_head, live.config.limits)
    };
    let foreign = match Role::of(&connection) {
        Role::Intermediary => Foreign::IsJudged,
        Role::Proxy => Foreign::IsBad,
    };
    let context = Rc::new(Context {
        worker,
        connection,
        limits,
        signals: Rc::new(Signals::default()),
        socket: Rc::new(client.socket),
        origins: Origins::default(),
    });
    let gate = Gate::new(
        Rc::clone(&context.socket),
        client.read_ahead,
        (head_limits, limits.client_idle),
        foreign,
        Rc::clone(&context.signals),
    );
    let answering = Rc::clone(&context);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer::answer(Rc::clone(&answering), request);
        Box::pin(async move { Ok(answer.await) }) as Answering
    });
    let mut http = http1::Builder::new()
        .half_close(true)
        .preserve_header_case(true)
        .header_read_timeout(None)
        .max_buf_size(head_limits.bytes_max + TARGET_GROWTH_MAX + HYPER_BUFFER_LEN)
        .serve_connection(gate, service);
    let ending = converse(&context, &mut http).await;
    if context.signals.idled.get() {
        context.worker.shared.metrics.reached(Limit::ClientIdle);
    }
    let rest = http.into_parts().io.into_rest();
    // Boxed: a tunnel inside comes back here, and a waiting connection need not hold its room.
    Box::pin(ending::end(context, ending, rest)).await;
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, Infallible>>>>;

/// Drives hyper and the origins until the conversation ends.
async fn converse<S>(context: &Context, http: &mut http1::Connection<Gate, S>) -> Ending
where
    S: HttpService<Incoming, ResBody = AnswerBody, Error = Infallible> + Unpin,
    S::Future: Unpin,
{
    let signals = &context.signals;
    let mut drain = context.worker.drain.requested();
    let mut draining = false;
    let mut stall = pin!(sleep(context.limits.stall));
    let mut then = signals.movement();
    // A client that is gone is not waited for. One that has only ended its side may still listen.
    let mut reset = pin!(context.socket.ready(Interest::ERROR));
    poll_fn(|cx| {
        if !draining && Pin::new(&mut drain).poll(cx).is_ready() {
            draining = true;
            Pin::new(&mut *http).graceful_shutdown();
        }
        context.origins.poll(cx);
        let done = http.poll_without_shutdown(cx);
        context.origins.poll(cx);
        if let Poll::Ready(Err(error)) = done {
            tracing::debug!(client = %context.connection.client, %error, "conversation broke off");
            return Poll::Ready(Ending::Abort);
        }
        // What hyper wants to send is the end of an earlier answer, or of the last one.
        if !signals.unsent.get() {
            if let Some(ending) = signals.take_ending(done.is_ready()) {
                return Poll::Ready(ending);
            }
            if done.is_ready() {
                return Poll::Ready(Ending::Close);
            }
        }
        if reset.as_mut().poll(cx).is_ready() {
            signals.broken.set(Some("client_gone"));
            return Poll::Ready(Ending::Abort);
        }
        while stall.as_mut().poll(cx).is_ready() {
            if signals.is_stalled_since(then) {
                signals.broken.set(Some("stall"));
                context.worker.shared.metrics.reached(Limit::Stall);
                return Poll::Ready(Ending::Abort);
            }
            then = signals.movement();
            stall.as_mut().reset(Instant::now() + context.limits.stall);
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests;
