//! The sessions that were reported here, where somebody hears of what becomes of them: others may
//! change or end them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sessions::{Noticed, Record, SESSIONS_MAX, SessionKey};

use super::config::Watch;

/// Sessions that are looked at in one go at most.
pub(super) const LOOKED_AT_MAX: usize = 65_536;

#[derive(Debug)]
pub(super) struct Held {
    watch: Watch,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: BTreeMap<SessionKey, Holding>,
    /// When they end unless they are reported again.
    ends_s: BTreeSet<(u32, SessionKey)>,
    /// Of which something may have changed.
    suspects: BTreeSet<SessionKey>,
}

#[derive(Clone, Debug)]
struct Holding {
    record: Arc<Record>,
    /// Before which time all that is told of it is over.
    over_s: u32,
}

impl Held {
    pub(super) fn new(watch: Watch) -> Self {
        Self {
            watch,
            inner: Mutex::default(),
        }
    }

    /// Returns a session as it was last seen, and before which time all that is told of it is
    /// over.
    pub(super) fn get(&self, key: SessionKey) -> Option<(Arc<Record>, u32)> {
        let inner = self.inner();
        let holding = inner.sessions.get(&key)?;
        Some((Arc::clone(&holding.record), holding.over_s))
    }

    /// Keeps a session that was reported here, in place of what was kept of it.
    pub(super) fn keep(&self, record: &Arc<Record>, over_s: u32) {
        match self.watch {
            Watch::Reported => self.inner().keep(record, over_s),
            Watch::Nothing => {}
        }
    }

    /// A session has ended.
    pub(super) fn release(&self, record: &Record) {
        self.inner().release(record.stored_key());
    }

    /// Something changed of a session for whose NAS and id this number stands.
    pub(super) fn suspect(&self, owner: u32) {
        let mut inner = self.inner();
        let first = u64::from(owner) << u32::BITS;
        let keys = SessionKey(first)..=SessionKey(first | u64::from(u32::MAX));
        let keys: Vec<_> = inner.sessions.range(keys).map(|(key, _)| *key).collect();
        inner.suspects.extend(keys);
    }

    /// Something may have changed of all of them.
    pub(super) fn suspect_all(&self) {
        let mut inner = self.inner();
        inner.suspects = inner.sessions.keys().copied().collect();
    }

    /// Returns the sessions to look at now.
    pub(super) fn to_look_at(&self, now_s: u32) -> Vec<Arc<Record>> {
        let mut inner = self.inner();
        let mut keys = Vec::new();
        while keys.len() < LOOKED_AT_MAX
            && let Some(key) = inner.suspects.pop_first()
        {
            keys.push(key);
        }
        let over = inner.ends_s.iter().take_while(|(end_s, _)| *end_s <= now_s);
        keys.extend(over.map(|(_, key)| *key).take(LOOKED_AT_MAX));
        keys.sort_unstable();
        keys.dedup();
        let found = keys.iter().filter_map(|key| inner.sessions.get(key));
        found.map(|holding| Arc::clone(&holding.record)).collect()
    }

    /// Looks again at what could not be looked at.
    pub(super) fn suspect_again(&self, records: &[Arc<Record>]) {
        let mut inner = self.inner();
        let keys = records.iter().map(|it| it.stored_key());
        let keys: Vec<_> = keys.filter(|it| inner.sessions.contains_key(it)).collect();
        inner.suspects.extend(keys);
    }

    /// Takes what there is now in place of a session that was looked at. What was changed here in
    /// between stays.
    pub(super) fn seen(
        &self,
        old: &Arc<Record>,
        now: Option<(Arc<Record>, u32)>,
        noticed: &mut Noticed,
    ) {
        let mut inner = self.inner();
        let key = old.stored_key();
        let kept = inner.sessions.get(&key);
        if !kept.is_some_and(|it| Arc::ptr_eq(&it.record, old)) {
            return;
        }
        match now.filter(|(now, _)| now.stored_key() == key && now.is_open()) {
            None => {
                inner.release(key);
                noticed.ended.push(Arc::clone(old));
            }
            Some((now, over_s)) => {
                let facts = |it: &Record| (it.msisdn, it.imsi, it.apn.clone());
                if facts(&now) != facts(old) || now.ranges() != old.ranges() {
                    noticed.changed.push(Arc::clone(&now));
                }
                inner.keep(&now, over_s);
                inner.suspects.remove(&key);
            }
        }
    }

    /// Suspects the sessions of a NAS that was switched.
    pub(super) fn suspect_closed(&self) {
        let mut inner = self.inner();
        let closed = inner.sessions.iter().filter(|(_, it)| !it.record.is_open());
        let closed: Vec<_> = closed.map(|(key, _)| *key).collect();
        inner.suspects.extend(closed);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, record: &Arc<Record>, over_s: u32) {
        let key = record.stored_key();
        self.release(key);
        if self.sessions.len() >= SESSIONS_MAX {
            return;
        }
        if let Some(end_s) = record.expires_s() {
            self.ends_s.insert((end_s, key));
        }
        // Once more, so that the store tells of what becomes of it.
        self.suspects.insert(key);
        let record = Arc::clone(record);
        self.sessions.insert(key, Holding { record, over_s });
    }

    fn release(&mut self, key: SessionKey) {
        let Some(Holding { record, .. }) = self.sessions.remove(&key) else {
            return;
        };
        if let Some(end_s) = record.expires_s() {
            self.ends_s.remove(&(end_s, key));
        }
        self.suspects.remove(&key);
    }
}
