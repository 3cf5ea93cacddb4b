//! Where sessions are kept, and where they wait.

use std::sync::Arc;
use std::time::Instant;

use sessions::{Busy, SessionKey, Subscriber};

use super::held::{Held, Queue, State, Wish};
use super::{Gx, SESSIONS_MAX, Selected};
use crate::settings::RETRY_MAX;
use crate::{Facts, Settings, Updates};

impl Gx {
    pub(super) fn open_or_change(
        &mut self,
        (key, selected): (SessionKey, Selected),
        subscriber: Arc<Subscriber>,
        now: Instant,
    ) -> Result<(), Busy> {
        if let Some(held) = self.sessions.get_mut(&key) {
            if held.wish == Wish::End {
                // A key that has ended is not used again.
                return Ok(());
            }
            let is_news = match self.settings.updates {
                Updates::Changed => held.subscriber != subscriber,
                Updates::Reported => true,
            };
            if !is_news {
                return Ok(());
            }
            held.subscriber = subscriber;
            held.wish = Wish::Tell;
        } else {
            if self.sessions.len() >= self.settings.sessions_max.min(SESSIONS_MAX) {
                return Err(Busy);
            }
            let id = self.new_id(key);
            let held = Held {
                id,
                subscriber,
                state: State::Absent,
                may_be_there: false,
                wish: Wish::Tell,
                queue: Queue::Nowhere,
                number: 0,
                failures: 0,
                host: None,
                facts: Facts::default(),
                was_selected: selected == Selected::Before,
                told: None,
            };
            self.sessions.insert(key, held);
            if selected == Selected::Never {
                let patience = self.settings.patience;
                self.unheard.push_back((now + patience, key));
            }
        }
        self.enqueue(key);
        Ok(())
    }

    pub(super) fn close(&mut self, key: SessionKey) {
        let Some(held) = self.sessions.get_mut(&key) else {
            return;
        };
        held.wish = Wish::End;
        held.failures = 0;
        if let Queue::Later(at) = held.queue {
            self.later.remove(&(at, key));
            held.queue = Queue::Nowhere;
        }
        self.enqueue(key);
    }

    /// Puts a session that has something to ask, and waits for nothing, into the queue.
    pub(super) fn enqueue(&mut self, key: SessionKey) {
        let Some(held) = self.sessions.get_mut(&key) else {
            return;
        };
        let waits = matches!(held.state, State::Asked(_)) || held.wish == Wish::None;
        if held.queue == Queue::Nowhere && !waits {
            held.queue = Queue::Ready;
            self.ready.push_back(key);
        }
    }

    pub(super) fn enqueue_later(&mut self, key: SessionKey, now: Instant) {
        let Some(held) = self.sessions.get_mut(&key) else {
            return;
        };
        let doubled = 1_u32.checked_shl(u32::from(held.failures).saturating_sub(1));
        let wait = self
            .settings
            .retry
            .saturating_mul(doubled.unwrap_or(u32::MAX));
        let at = now + wait.min(RETRY_MAX);
        if held.queue == Queue::Nowhere {
            held.queue = Queue::Later(at);
            self.later.insert((at, key));
        }
    }

    pub(super) fn forget(&mut self, key: SessionKey) {
        if let Some(held) = self.sessions.remove(&key) {
            self.ids.remove(&held.id);
            if let Queue::Later(at) = held.queue {
                self.later.remove(&(at, key));
            }
        }
        debug_assert_eq!(self.ids.len(), self.sessions.len());
    }

    pub(super) fn renew_id(&mut self, key: SessionKey) {
        let id = self.new_id(key);
        if let Some(held) = self.sessions.get_mut(&key) {
            self.ids.remove(&held.id);
            held.id = id;
            held.number = 0;
            held.host = None;
            held.may_be_there = false;
        }
        debug_assert_eq!(self.ids.len(), self.sessions.len());
    }

    /// Makes a Session-Id as RFC 6733 section 8.8 has it: it differs from those before a restart.
    pub(super) fn new_id(&mut self, key: SessionKey) -> Arc<str> {
        self.last_id = self.last_id.wrapping_add(1);
        let Settings { own, state, .. } = &self.settings;
        let id: Arc<str> = format!("{};{state};{}", own.host, self.last_id).into();
        self.ids.insert(Arc::clone(&id), key);
        id
    }
}
