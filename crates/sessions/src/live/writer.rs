//! What only those who report sessions need.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashTable;

use super::closed::Closed;
use super::record::{Nas, Record, SessionId, owner_hash};

/// NAS that may report at most.
pub const NAS_MAX: usize = 4_096;

/// Access point names of which sessions share one copy.
pub const NAMES_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Writer {
    /// Sessions by NAS and id.
    owners: HashTable<Arc<Record>>,
    nas: BTreeMap<Box<str>, Arc<Nas>>,
    names: BTreeSet<Arc<str>>,
    pub(super) closed: Closed,
    serial: u32,
    /// The shard that is swept next.
    pub(super) swept: usize,
}

impl Writer {
    /// Returns who reports under this name; none if there are too many.
    pub(super) fn nas(&mut self, name: &str) -> Option<Arc<Nas>> {
        if let Some(nas) = self.nas.get(name) {
            return Some(Arc::clone(nas));
        }
        if self.nas.len() >= NAS_MAX {
            return None;
        }
        let nas = Arc::new(Nas::new(name));
        self.nas.insert(name.into(), Arc::clone(&nas));
        Some(nas)
    }

    /// Returns all who report.
    pub(super) fn all_nas(&self) -> impl Iterator<Item = &Arc<Nas>> {
        self.nas.values()
    }

    /// Returns one copy of a name for all who have it.
    pub(super) fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        if self.names.len() < NAMES_MAX {
            self.names.insert(Arc::clone(&name));
        }
        name
    }

    /// Returns a number that the next session has and none before it had, for very long.
    pub(super) fn serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    pub(super) fn owned(&self, nas: &str, id: &SessionId) -> Option<&Arc<Record>> {
        let hash = owner_hash(nas, id);
        self.owners.find(hash, |it| it.is_owned_by(nas, id))
    }

    /// Keeps a session under its NAS and id, in place of the one that was there.
    pub(super) fn own(&mut self, record: &Arc<Record>) {
        let (nas, id) = (&record.nas.name, &record.id);
        let hash = owner_hash(nas, id);
        match self.owners.find_mut(hash, |it| it.is_owned_by(nas, id)) {
            Some(old) => *old = Arc::clone(record),
            None => {
                let rehash = |it: &Arc<Record>| owner_hash(&it.nas.name, &it.id);
                self.owners.insert_unique(hash, Arc::clone(record), rehash);
            }
        }
    }

    /// Forgets a session.
    pub(super) fn disown(&mut self, nas: &str, id: &SessionId) {
        let hash = owner_hash(nas, id);
        if let Ok(entry) = self.owners.find_entry(hash, |it| it.is_owned_by(nas, id)) {
            entry.remove();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.owners.len()
    }

    /// Returns all sessions, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.owners.iter()
    }
}
