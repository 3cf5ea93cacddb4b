//! Keeps one endpoint known: OPTIONS at the start, before they expire, and as probe while the
//! breaker is open.

use std::sync::Arc;
use std::time::Duration;

use filter::AskError;
use icap::{Answer, Exchange, PreviewOffer, write_options_question};
use service::Drain;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::warn;

use super::backoff::{Backoff, jittered};
use super::endpoint::{Endpoint, Limits, Offer};

/// How long OPTIONS hold that do not say.
const TTL_DEFAULT: Duration = Duration::from_secs(60);

/// The shortest time between two OPTIONS of an endpoint that is up.
const TTL_MIN: Duration = Duration::from_secs(5);

/// The longest time between two OPTIONS.
const TTL_MAX: Duration = Duration::from_secs(3_600);

/// The longest time between two OPTIONS of an endpoint with a name, which is resolved before.
const NAME_TTL_MAX: Duration = Duration::from_secs(60);

/// The share of Options-TTL after which OPTIONS are asked for again, in percent.
const TTL_PERCENT: u32 = 80;

/// How long a probe waits to be connected.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(1);

/// How often idle connections are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Why a probe failed; each has its own pause.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ProbeError {
    /// No connection.
    Unreachable,
    /// A connection, and no answer in time.
    Silent,
    /// An answer that is none, or overload.
    Wrong,
}

/// Probes an endpoint until a drain is requested.
pub(super) async fn keep(endpoint: Arc<Endpoint>, drain: Drain) {
    tokio::select! {
        () = keep_probing(&endpoint) => {}
        () = drain.requested() => {}
    }
}

async fn keep_probing(endpoint: &Arc<Endpoint>) {
    let mut backoff = Backoff::default();
    let mut remarked = None;
    loop {
        let pause = match probe(endpoint, backoff.wait()).await {
            Ok(answer) => {
                backoff = match endpoint.health.has_answered() {
                    true => Backoff::default(),
                    false => backoff.after_probe(),
                };
                endpoint.metrics.options("answer");
                endpoint.changed(endpoint.health.probe_succeeded());
                remark(endpoint, &answer, &mut remarked);
                refresh_after(&answer, endpoint.connector.is_named())
            }
            Err(error) => {
                endpoint.metrics.options(error.as_str());
                endpoint.changed(endpoint.health.probe_failed());
                backoff.pause(error)
            }
        };
        tokio::select! {
            () = rest(endpoint, jittered(pause)) => continue,
            () = endpoint.health.tripped() => {}
        }
        if !endpoint.health.has_answered() {
            // It answers probes and no question. Up at once, it would only cost the next
            // questions their deadline.
            rest(endpoint, jittered(backoff.pause(ProbeError::Wrong))).await;
        }
    }
}

/// Asks for OPTIONS and takes note of what is offered.
async fn probe(endpoint: &Arc<Endpoint>, wait: Duration) -> Result<Answer, ProbeError> {
    endpoint.connector.resolve().await;
    let slot = timeout(wait, endpoint.pool.slot())
        .await
        .map_err(|_| ProbeError::Silent)?;
    let mut question = Vec::new();
    write_options_question(&endpoint.service, &mut question);
    let now = Instant::now();
    let limits = Limits {
        connect_by: now + CONNECT_WAIT_MAX.min(wait),
        answer_by: now + wait,
    };
    let exchanged = endpoint
        .exchange(&question, Exchange::Options, limits)
        .await?;
    endpoint.note_tag(&exchanged.answer, exchanged.sent);
    if let Some(tidy) = endpoint.settle(exchanged.after, slot) {
        tidy.finish().await;
    }
    take_offer(endpoint, &exchanged.answer)?;
    Ok(exchanged.answer)
}

/// A status other than 503 is an answer too: questions are sent, and have their own statuses.
fn take_offer(endpoint: &Endpoint, answer: &Answer) -> Result<(), ProbeError> {
    if answer.status == 503 {
        return Err(ProbeError::Wrong);
    }
    let options = answer.options.as_ref().filter(|_| is_success(answer));
    let offer = options.map_or_else(Offer::default, |options| Offer {
        preview: match options.preview {
            Some(_) => PreviewOffer::Zero,
            None => PreviewOffer::None,
        },
        wants_subscriber: options.includes("X-Subscriber-ID"),
    });
    endpoint.offered(offer, options.and_then(|options| options.connections_max));
    Ok(())
}

/// Warns once about a service that is not what it should be.
fn remark(endpoint: &Endpoint, answer: &Answer, remarked: &mut Option<u16>) {
    let is_reqmod = answer
        .options
        .as_ref()
        .is_some_and(|options| options.reqmod);
    if is_success(answer) && is_reqmod {
        *remarked = None;
    } else if *remarked != Some(answer.status) {
        *remarked = Some(answer.status);
        let status = answer.status;
        warn!(service = %endpoint.service, status, "icap service does not offer REQMOD");
    }
}

fn is_success(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

fn refresh_after(answer: &Answer, is_named: bool) -> Duration {
    let ttl = answer
        .options
        .as_ref()
        .filter(|_| is_success(answer))
        .and_then(|options| options.ttl_s)
        .map_or(TTL_DEFAULT, Duration::from_secs);
    let max = if is_named { NAME_TTL_MAX } else { TTL_MAX };
    // With the chance that is added, before the time is over.
    ttl.clamp(TTL_MIN, max) * TTL_PERCENT / 100
}

/// Waits, and closes idle connections that went bad meanwhile.
async fn rest(endpoint: &Endpoint, pause: Duration) {
    let end = Instant::now() + pause;
    loop {
        let now = Instant::now();
        if now >= end {
            return;
        }
        sleep_until(end.min(now + SWEEP_EVERY)).await;
        endpoint.pool.sweep(Instant::now());
    }
}

impl ProbeError {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "connect",
            Self::Silent => "timeout",
            Self::Wrong => "wrong",
        }
    }
}

impl From<AskError> for ProbeError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Connect => Self::Unreachable,
            AskError::Timeout => Self::Silent,
            AskError::Protocol | AskError::Status | AskError::Overload | AskError::BreakerOpen => {
                Self::Wrong
            }
        }
    }
}
