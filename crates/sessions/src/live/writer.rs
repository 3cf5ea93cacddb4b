//! What only those who report sessions need.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::closed::Closed;
use super::facts::{Common, Facts};
use super::record::{Nas, Ranges, Record, SessionId};
use crate::Name;

/// NAS that may report at most.
pub const NAS_MAX: usize = 4_096;

/// Names of access points and profiles that sessions may have had at most. They are lasting.
pub const NAMES_MAX: usize = u16::MAX as usize;

/// Names after which further access points go without a name, so that profiles have room.
pub const APNS_MAX: usize = NAMES_MAX - 4_096;

#[derive(Debug, Default)]
pub(super) struct Writer {
    /// Places of sessions by NAS and id.
    owners: HashTable<u32>,
    rests: Vec<Option<Rest>>,
    /// Places where none is.
    free: Vec<u32>,
    nas: BTreeMap<Box<str>, u16>,
    names: BTreeMap<Name, u16>,
    pub(super) closed: Closed,
    serial: u32,
    /// The shard that is swept next.
    pub(super) swept: usize,
}

/// What is kept of a session beside its facts, which are where its ranges are.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) id: SessionId,
    pub(super) ranges: Ranges,
    pub(super) serial: u32,
    pub(super) expires_s: u32,
    nas: u16,
}

impl Writer {
    /// Returns who reports under this name; none if there are too many.
    pub(super) fn nas(&mut self, name: &str, common: &Common) -> Option<Arc<Nas>> {
        if let Some(number) = self.nas.get(name) {
            return common.nas.get(*number).cloned();
        }
        let number = u16::try_from(self.nas.len()).ok();
        let number = number.filter(|_| self.nas.len() < NAS_MAX)?;
        let nas = Arc::new(Nas::new(name));
        self.nas.insert(name.into(), number);
        common.nas.add(number, Arc::clone(&nas));
        Some(nas)
    }

    /// Returns the numbers of all who report, in the order of their names.
    pub(super) fn all_nas(&self) -> impl Iterator<Item = u16> {
        self.nas.values().copied()
    }

    /// Returns the copy of a name that all share, if there is one.
    pub(super) fn name(&self, name: &str) -> Option<&Name> {
        self.names.get_key_value(name).map(|(name, _)| name)
    }

    /// Returns a number that the next session has and none before it had, for very long.
    pub(super) fn serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    /// Returns what is to be written where the ranges of a session are, all but its place; none
    /// if there are too many profiles. Of access points beyond [`APNS_MAX`] the name is left out:
    /// where each of many small ones has a name of its own, no configuration knows them all.
    pub(super) fn facts(&mut self, record: &Record, common: &Common) -> Option<Facts> {
        let session = &record.session;
        Some(Facts {
            msisdn: session.msisdn,
            imsi: session.imsi,
            apn: self
                .number(session.apn.as_ref(), APNS_MAX, common)
                .unwrap_or(0),
            profile: self.number(session.profile.as_ref(), NAMES_MAX, common)?,
            nas: *self.nas.get(&*record.nas.name)?,
            origin: session.origin,
            changed_s: session.changed_s,
            place: 0,
        })
    }

    fn number(&mut self, name: Option<&Name>, max: usize, common: &Common) -> Option<u16> {
        let Some(name) = name else {
            return Some(0);
        };
        if let Some(number) = self.names.get(name) {
            return Some(*number);
        }
        if self.names.len() >= max {
            return None;
        }
        let number = u16::try_from(self.names.len() + 1).ok()?;
        let name = Name::lasting(name);
        common.names.add(number, name.clone());
        self.names.insert(name, number);
        Some(number)
    }

    /// Returns what is kept at a place.
    pub(super) fn rest(&self, place: u32) -> Option<&Rest> {
        self.rests.get(usize::try_from(place).ok()?)?.as_ref()
    }

    pub(super) fn owned(&self, nas: &str, id: &SessionId) -> Option<&Rest> {
        self.rest(self.place(*self.nas.get(nas)?, id)?)
    }

    /// Keeps a session under its NAS and id, in place of the one that was there.
    pub(super) fn own(&mut self, record: &Record, nas: u16) -> u32 {
        let rest = Rest {
            id: record.id.clone(),
            ranges: record.ranges.clone(),
            serial: record.serial,
            expires_s: record.expires_s,
            nas,
        };
        let known = self.place(nas, &record.id);
        let place = known.or_else(|| self.free.pop()).unwrap_or_else(|| {
            self.rests.push(None);
            u32::try_from(self.rests.len() - 1).unwrap_or_default()
        });
        let slot = usize::try_from(place).ok();
        if let Some(slot) = slot.and_then(|slot| self.rests.get_mut(slot)) {
            *slot = Some(rest);
        }
        if known.is_none() {
            let hash = hash(nas, &record.id);
            let rehash = |it: &u32| {
                let rest = usize::try_from(*it).ok().and_then(|it| self.rests.get(it));
                rest.and_then(Option::as_ref)
                    .map_or(0, |rest| self::hash(rest.nas, &rest.id))
            };
            self.owners.insert_unique(hash, place, rehash);
        }
        place
    }

    /// Forgets a session.
    pub(super) fn disown(&mut self, nas: &str, id: &SessionId) {
        let Some(nas) = self.nas.get(nas).copied() else {
            return;
        };
        let Some(place) = self.place(nas, id) else {
            return;
        };
        if let Ok(entry) = self.owners.find_entry(hash(nas, id), |it| *it == place) {
            entry.remove();
        }
        let slot = usize::try_from(place).ok();
        if let Some(slot) = slot.and_then(|slot| self.rests.get_mut(slot)) {
            *slot = None;
            self.free.push(place);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.owners.len()
    }

    /// Returns all sessions, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Rest> {
        self.rests.iter().flatten()
    }

    fn place(&self, nas: u16, id: &SessionId) -> Option<u32> {
        let is_it = |it: &u32| {
            let rest = self.rest(*it);
            rest.is_some_and(|rest| rest.nas == nas && rest.id == *id)
        };
        self.owners.find(hash(nas, id), is_it).copied()
    }
}

/// Returns where a session is among those of all who report.
fn hash(nas: u16, id: &SessionId) -> u64 {
    xxh3_64_with_seed(id.bytes(), u64::from(nas))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_session_is_as_small_as_planned() {
        assert_eq!(size_of::<Option<Rest>>(), 64);
    }
}
