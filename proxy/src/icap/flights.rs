//! Equal questions that are asked at the same time share one exchange.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use filter::{Answer, AskError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::pool::locked;
use super::{Asked, Subject};

/// Questions that wait for the answer to another; with more, the next is asked itself.
pub(super) const FOLLOWERS_MAX: usize = 256;

/// Where an answer goes.
pub(super) type Reply = oneshot::Sender<Result<Answer, AskError>>;

/// The questions that are being asked. Nothing is kept once an answer or a failure is there.
#[derive(Debug, Default)]
pub(super) struct Flights {
    flying: Mutex<HashMap<Arc<Subject>, Arc<Flight>>>,
}

/// One question that is being asked, and who else waits for its answer.
#[derive(Debug)]
struct Flight {
    /// The categorizer's state when it was taken up: who asks later must not get an older answer.
    generation: u64,
    deadline: Instant,
    followers: Mutex<Vec<Reply>>,
}

/// The one question of equal ones that is asked.
#[derive(Debug)]
pub(super) struct Lead {
    pub(super) asked: Asked,
    flights: Arc<Flights>,
    flight: Arc<Flight>,
}

impl Flights {
    /// Takes up a question: as one to ask, or, if an equal one is being asked that was asked
    /// under the same generation and has at least half of this one's time left, as its follower.
    pub(super) fn take_up(
        self: &Arc<Self>,
        asked: Asked,
        reply: Reply,
        generation: u64,
        now: Instant,
    ) -> Option<(Lead, Reply)> {
        let mut flying = locked(&self.flying);
        if let Some(flight) = flying.get(&asked.subject)
            && flight.is_for(asked.deadline, generation, now)
        {
            let mut followers = locked(&flight.followers);
            if followers.len() < FOLLOWERS_MAX {
                followers.push(reply);
                return None;
            }
        }
        let flight = Arc::new(Flight {
            generation,
            deadline: asked.deadline,
            followers: Mutex::default(),
        });
        // One that is replaced still serves those who wait for it.
        flying.insert(Arc::clone(&asked.subject), Arc::clone(&flight));
        let lead = Lead {
            asked,
            flights: Arc::clone(self),
            flight,
        };
        Some((lead, reply))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        locked(&self.flying).len()
    }
}

impl Flight {
    fn is_for(&self, deadline: Instant, generation: u64, now: Instant) -> bool {
        let left = |deadline: Instant| deadline.saturating_duration_since(now);
        self.generation == generation && left(self.deadline) >= left(deadline) / 2
    }
}

impl Lead {
    /// Returns whether nobody waits any more. The asker may be gone and followers be there.
    pub(super) fn is_unwanted(&self, reply: &Reply) -> bool {
        // Under the lock, so that nobody joins a question that is given up.
        let mut flying = locked(&self.flights.flying);
        let is_unwanted = reply.is_closed()
            && locked(&self.flight.followers)
                .iter()
                .all(oneshot::Sender::is_closed);
        if is_unwanted {
            self.leave(&mut flying);
        }
        is_unwanted
    }

    /// Ends the sharing: from here on an equal question is asked anew. Returns who waited beside
    /// the asker.
    pub(super) fn land(&self) -> Vec<Reply> {
        self.leave(&mut locked(&self.flights.flying));
        std::mem::take(&mut locked(&self.flight.followers))
    }

    fn leave(&self, flying: &mut HashMap<Arc<Subject>, Arc<Flight>>) {
        let is_own = |flight: &Arc<Flight>| Arc::ptr_eq(flight, &self.flight);
        if flying.get(&self.asked.subject).is_some_and(is_own) {
            flying.remove(&self.asked.subject);
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.leave(&mut locked(&self.flights.flying));
    }
}
