//! One question, asked of one endpoint and, where that fails or takes too long, of another.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use filter::{Answer, AskError};
use tokio::select;
use tokio::time::{Instant, sleep_until};

use super::Asked;
use super::endpoint::Tidy;
use super::metrics::IcapMetrics;
use super::tiers::{Picked, Tiers, Tried};

/// Endpoints that one question is sent to at most: the first, and one other.
const SENT_MAX: usize = 2;

/// The share of the time left that an endpoint has for itself while another could be asked: one
/// over this. After it the other is asked too, and the first answer counts.
const SHARES: u32 = 2;

/// What came of asking one endpoint.
pub(super) type Ended = Result<(Answer, Option<Tidy>), AskError>;

/// A question on its way through the endpoints.
pub(super) struct Attempts<'a> {
    tiers: &'a Tiers,
    asked: &'a Asked,
    metrics: &'a IcapMetrics,
    tried: Tried,
    /// Endpoints that the question reached, or may have.
    sent: usize,
    /// Whether an answer said that asking another is no use.
    is_final: bool,
    /// The last failure. Not being asked counts only if nobody was.
    last: Option<AskError>,
    pending: Vec<Pending<'a>>,
}

struct Pending<'a> {
    number: usize,
    asking: Pin<Box<dyn Future<Output = Ended> + Send + 'a>>,
    /// When another is asked too.
    late_at: Instant,
}

impl<'a> Attempts<'a> {
    /// Prepares to ask.
    pub(super) fn new(tiers: &'a Tiers, asked: &'a Asked, metrics: &'a IcapMetrics) -> Self {
        Self {
            tiers,
            asked,
            metrics,
            tried: Tried::default(),
            sent: 0,
            is_final: false,
            last: None,
            pending: Vec::with_capacity(SENT_MAX),
        }
    }

    /// Returns the first answer, or why there is none.
    pub(super) async fn answer(&mut self) -> Ended {
        loop {
            if self.pending.is_empty() && !self.ask_another() {
                return Err(self.last.unwrap_or(AskError::BreakerOpen));
            }
            let late_at = self.late_at();
            let ended = select! {
                biased;
                ended = first_ended(&mut self.pending) => ended,
                () = sleep_until(late_at.unwrap_or(self.asked.deadline)), if late_at.is_some() => {
                    if self.ask_another() {
                        self.metrics.hedges.inc();
                    }
                    continue;
                }
            };
            match ended {
                (_, Ok(answered)) => return Ok(answered),
                (number, Err(error)) => self.failed(number, error),
            }
        }
    }

    /// Waits for those that are still asked after the answer came from another, so that their
    /// breakers learn what they are worth. None takes longer than the deadline.
    pub(super) async fn finish(mut self) {
        while !self.pending.is_empty() {
            if let (_, Ok((_, Some(tidy)))) = first_ended(&mut self.pending).await {
                tidy.finish().await;
            }
        }
    }

    fn failed(&mut self, number: usize, error: AskError) {
        match error {
            AskError::Connect => {
                self.tried.unreachable.add(number);
                // Nothing was asked: whoever comes next is the first.
                self.sent = self.sent.saturating_sub(1);
                self.last = Some(error);
            }
            AskError::BreakerOpen => self.sent = self.sent.saturating_sub(1),
            AskError::Overload | AskError::Timeout => self.last = Some(error),
            AskError::Protocol | AskError::Status => {
                self.is_final = true;
                self.last = Some(error);
            }
        }
    }

    /// Asks the next endpoint. False: there is none.
    fn ask_another(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.asked.deadline {
            self.last.get_or_insert(AskError::Overload);
            return false;
        }
        let Some(picked) = self.next() else {
            return false;
        };
        // Also of the last that may be asked: if it cannot be reached, it was not.
        let others = self.tiers.has_others(self.tried, &picked);
        let Picked { number, endpoint } = picked;
        let late_at = match others {
            true => now + share(now, self.asked.deadline),
            false => self.asked.deadline,
        };
        self.tried.asked.add(number);
        self.sent += 1;
        let asked = self.asked;
        self.pending.push(Pending {
            number,
            asking: Box::pin(async move { endpoint.ask(asked, late_at).await }),
            late_at,
        });
        true
    }

    fn next(&self) -> Option<Picked> {
        if self.is_final || self.sent >= SENT_MAX {
            return None;
        }
        self.tiers.pick(self.tried)
    }

    /// Returns when another is to be asked beside the one that is.
    fn late_at(&self) -> Option<Instant> {
        let [only] = self.pending.as_slice() else {
            return None;
        };
        let is_due = only.late_at < self.asked.deadline && self.next().is_some();
        is_due.then_some(only.late_at)
    }
}

fn share(now: Instant, deadline: Instant) -> Duration {
    deadline.saturating_duration_since(now) / SHARES
}

/// Waits for the first that ends, and takes it out.
async fn first_ended(pending: &mut Vec<Pending<'_>>) -> (usize, Ended) {
    poll_fn(|context| {
        let mut ended = pending.iter_mut().enumerate().filter_map(|(at, pending)| {
            match pending.asking.as_mut().poll(context) {
                Poll::Ready(ended) => Some((at, pending.number, ended)),
                Poll::Pending => None,
            }
        });
        let Some((at, number, ended)) = ended.next() else {
            return Poll::Pending;
        };
        drop(pending.swap_remove(at));
        Poll::Ready((number, ended))
    })
    .await
}
