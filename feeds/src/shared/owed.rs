//! Selections of profiles that could not be put in force, as the store was away: the latest of each
//! session.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::gauge::Gauge;
use sessions::{Change, SessionKey};
use tracing::warn;

/// Sessions whose profile may wait for the store at most.
pub const OWED_MAX: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Owed {
    selections: Mutex<HashMap<SessionKey, Change>>,
    count: Gauge,
}

impl Owed {
    pub(super) fn new(count: Gauge) -> Self {
        Self {
            selections: Mutex::default(),
            count,
        }
    }

    /// Keeps a selection, in place of an earlier one.
    pub(super) fn add(&self, session: SessionKey, change: Change) {
        let mut all = self.all();
        if all.len() < OWED_MAX || all.contains_key(&session) {
            all.insert(session, change);
        } else {
            warn!("the profile of a session is not selected: too many wait for the store");
        }
        self.tell(&all);
    }

    pub(super) fn remove(&self, session: SessionKey) {
        let mut all = self.all();
        all.remove(&session);
        self.tell(&all);
    }

    pub(super) fn take(&self) -> Vec<Change> {
        let mut all = self.all();
        let taken = std::mem::take(&mut *all).into_values().collect();
        self.tell(&all);
        taken
    }

    fn tell(&self, all: &HashMap<SessionKey, Change>) {
        self.count.set(i64::try_from(all.len()).unwrap_or(i64::MAX));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<SessionKey, Change>> {
        self.selections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
