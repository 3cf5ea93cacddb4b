use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::name::ORIGIN_HOST;
use crate::{Fields, Message};

/// How many answers are kept for requests that come again.
pub const RECENT_MAX: usize = 1024;

/// How long an answer is kept: for as long as end-to-end ids have to differ (RFC 6733 section 3).
pub const RECENT_AGE: Duration = Duration::from_secs(4 * 60);

/// Answers that were given, by who asked and the end-to-end id. An old request that comes again
/// would otherwise undo what a later one did.
#[derive(Debug, Default)]
pub(super) struct Recent {
    answers: BTreeMap<Asker, Message>,
    /// Oldest first.
    kept: VecDeque<(Instant, Asker)>,
}

type Asker = (Arc<[u8]>, u32);

impl Recent {
    /// Keeps an answer.
    pub(super) fn keep(&mut self, request: &Message, answer: &Message, now: Instant) {
        self.forget(now);
        let Some(asker) = asker(request) else {
            return;
        };
        while self.kept.len() >= RECENT_MAX {
            self.forget_first();
        }
        let before = self.answers.insert(asker.clone(), answer.clone());
        if before.is_none() {
            self.kept.push_back((now, asker));
        }
        debug_assert_eq!(self.answers.len(), self.kept.len());
    }

    /// Returns the answer to a request that was answered before, with the hop-by-hop id of now.
    pub(super) fn answer(&mut self, request: &Message, now: Instant) -> Option<Message> {
        self.forget(now);
        let mut answer = self.answers.get(&asker(request)?)?.clone();
        answer.header.hop_by_hop = request.header.hop_by_hop;
        Some(answer)
    }

    fn forget(&mut self, now: Instant) {
        let is_old = |kept: &(Instant, Asker)| now.duration_since(kept.0) >= RECENT_AGE;
        while self.kept.front().is_some_and(is_old) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, asker)) = self.kept.pop_front() {
            self.answers.remove(&asker);
        }
    }
}

fn asker(request: &Message) -> Option<Asker> {
    let host = request.avps.required(ORIGIN_HOST).ok()?;
    Some((host.octets().into(), request.header.end_to_end))
}
