//! The breaker of one endpoint: whether questions are sent to it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::sync::{Notify, watch};

/// Failures in a row after which an endpoint is asked no more until a probe succeeds.
pub(super) const FAILURES_MAX: u32 = 5;

/// Outcomes of which more than half must not be failures, or it is asked no more either.
pub(super) const OUTCOMES: u32 = 20;

/// Whether questions are sent to an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// The first probe is out: questions wait for it.
    Starting,
    /// Questions are sent.
    Up,
    /// Questions are refused at once.
    Down,
}

/// The state of one endpoint and what changes it.
#[derive(Debug)]
pub(super) struct Health {
    state: watch::Sender<State>,
    /// Whether each question failed, the last one in the lowest bit.
    outcomes: AtomicU32,
    tripped: Notify,
    /// Whether a question was answered since the endpoint last came up.
    answered: AtomicBool,
}

/// Whether a report changed the state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    /// It did not.
    None,
    /// The endpoint is up now.
    CameUp,
    /// The endpoint is down now.
    WentDown,
    /// The endpoint is down and never was up.
    StartedDown,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            state: watch::Sender::new(State::Starting),
            outcomes: AtomicU32::new(0),
            tripped: Notify::new(),
            answered: AtomicBool::new(false),
        }
    }
}

impl Health {
    /// Returns the state as it is.
    pub(super) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Returns the state once the first probe is back.
    pub(super) async fn known(&self) -> State {
        let state = *self.state.borrow();
        if state != State::Starting {
            return state;
        }
        let mut state = self.state.subscribe();
        let known = state.wait_for(|state| *state != State::Starting).await;
        // The sender lives as long as `self`.
        known.map_or(State::Down, |state| *state)
    }

    /// Completes when a question's failure took the endpoint down.
    pub(super) async fn tripped(&self) {
        self.tripped.notified().await;
    }

    /// Returns whether a question was answered since the endpoint last came up. One that answers
    /// probes alone is no use.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Notes a question that was answered.
    pub(super) fn succeeded(&self) {
        self.note(false);
        self.answered.store(true, Ordering::Relaxed);
    }

    /// Notes a question, or a probe of an endpoint that is up, that failed.
    pub(super) fn failed(&self) -> Change {
        if !are_too_bad(self.note(true)) || !self.change(State::Up, State::Down) {
            return Change::None;
        }
        self.tripped.notify_one();
        Change::WentDown
    }

    /// Notes a probe that was answered.
    pub(super) fn probe_succeeded(&self) -> Change {
        if *self.state.borrow() == State::Up {
            self.note(false);
            return Change::None;
        }
        self.outcomes.store(0, Ordering::Relaxed);
        self.answered.store(false, Ordering::Relaxed);
        self.state.send_replace(State::Up);
        Change::CameUp
    }

    /// Notes a probe that failed. An endpoint that never answered is down with the first.
    pub(super) fn probe_failed(&self) -> Change {
        if self.change(State::Starting, State::Down) {
            return Change::StartedDown;
        }
        self.failed()
    }

    /// Adds an outcome, and returns the last ones.
    fn note(&self, failed: bool) -> u32 {
        let with = |outcomes: u32| outcomes << 1 | u32::from(failed);
        let before = self
            .outcomes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| Some(with(it)));
        let (Ok(before) | Err(before)) = before;
        with(before)
    }

    fn change(&self, from: State, to: State) -> bool {
        self.state.send_if_modified(|state| {
            let is_due = *state == from;
            if is_due {
                *state = to;
            }
            is_due
        })
    }
}

fn are_too_bad(outcomes: u32) -> bool {
    let last = outcomes & ((1 << OUTCOMES) - 1);
    outcomes.trailing_ones() >= FAILURES_MAX || last.count_ones() > OUTCOMES / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn failures_in_a_row_take_it_down_once() {
        let health = Health::default();
        assert_eq!(health.probe_succeeded(), Change::CameUp);
        for _ in 1..FAILURES_MAX {
            assert_eq!(health.failed(), Change::None);
        }
        health.succeeded();
        for _ in 1..FAILURES_MAX {
            assert_eq!(health.failed(), Change::None);
        }
        assert_eq!(health.known().await, State::Up);
        assert_eq!(health.failed(), Change::WentDown);
        assert_eq!(health.failed(), Change::None);
        assert_eq!(health.known().await, State::Down);
        health.tripped().await;
        assert_eq!(health.probe_failed(), Change::None);
        assert_eq!(health.probe_succeeded(), Change::CameUp);
        assert_eq!(health.known().await, State::Up);
    }

    #[test]
    fn more_failures_than_answers_take_it_down() {
        let health = Health::default();
        assert_eq!(health.probe_succeeded(), Change::CameUp);
        // Half of them fail, for ever.
        for _ in 0..100 {
            assert_eq!(health.failed(), Change::None);
            health.succeeded();
        }
        // Then two of three: 11 of the last 20 soon do.
        let changes = (0..30).map(|nth| match nth % 3 {
            0 => {
                health.succeeded();
                Change::None
            }
            _ => health.failed(),
        });
        let down = changes.filter(|change| *change == Change::WentDown);
        assert_eq!(down.count(), 1);
        // What was before it came up again does not count.
        assert_eq!(health.probe_succeeded(), Change::CameUp);
        for _ in 1..FAILURES_MAX {
            assert_eq!(health.failed(), Change::None);
        }
    }

    #[tokio::test]
    async fn the_first_probe_decides() {
        let health = Health::default();
        assert_eq!(health.probe_failed(), Change::StartedDown);
        assert_eq!(health.known().await, State::Down);
    }
}
