//! Selections that the store of sessions has not put in force yet, and the answers that wait for
//! them: the policy server hears of nothing before it is so.

use std::collections::VecDeque;
use std::time::Duration;

use diameter::Message;
use diameter::client::Asked;
use sessions::Pending;
use tokio::time::{Instant, timeout_at};

/// Selections and answers that wait at most. Those that ask for more are told to come again.
pub(super) const SETTLING_MAX: usize = 4_096;

/// How long an answer waits at most until what it says is in force.
pub(super) const IN_FORCE_WAIT: Duration = Duration::from_secs(3);

/// What waits, oldest first.
#[derive(Default)]
pub(super) struct Settling {
    waiting: VecDeque<Waiting>,
    /// Whether something that was first since nothing waited did not come in force in time.
    is_late: bool,
}

struct Waiting {
    what: What,
    until: Instant,
}

enum What {
    Selection(Pending<()>),
    Answer(Box<(Asked, Message)>),
}

/// An answer that need not wait any longer.
pub(super) struct Settled {
    pub(super) asked: Asked,
    pub(super) answer: Message,
    /// Whether everything that was selected before it is in force.
    pub(super) is_in_force: bool,
}

impl Settling {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= SETTLING_MAX
    }

    /// Waits for a selection that is under way.
    pub(super) fn select(&mut self, selecting: Pending<()>) {
        self.add(What::Selection(selecting));
    }

    /// Keeps an answer until all that waits now is in force.
    pub(super) fn answer(&mut self, asked: Asked, answer: Message) {
        self.add(What::Answer(Box::new((asked, answer))));
    }

    /// Completes when the oldest is in force, or its time is over; with the answer if it is one.
    /// Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Option<Settled> {
        let Some(first) = self.waiting.front_mut() else {
            return std::future::pending().await;
        };
        if let What::Selection(selecting) = &mut first.what {
            self.is_late |= timeout_at(first.until, selecting).await.is_err();
        }
        let first = self.waiting.pop_front()?;
        let is_in_force = !self.is_late;
        if self.waiting.is_empty() {
            self.is_late = false;
        }
        match first.what {
            What::Selection(_) => None,
            What::Answer(answer) => {
                let (asked, answer) = *answer;
                Some(Settled {
                    asked,
                    answer,
                    is_in_force,
                })
            }
        }
    }

    fn add(&mut self, what: What) {
        let until = Instant::now() + IN_FORCE_WAIT;
        self.waiting.push_back(Waiting { what, until });
    }
}
