//! What was written here last of sessions, bounded, so that a change of one finds at once what it
//! expects. It may be old: the store says so then.

use std::sync::{Mutex, MutexGuard, PoisonError};

use xxhash_rust::xxh3::xxh3_64;

use super::script::Value;

/// By the key of a session's NAS and id. The newest takes the place of another.
#[derive(Debug)]
pub(super) struct Latest(Mutex<Box<[Place]>>);

/// The hash of a key, and its value.
type Place = Option<(u64, Value)>;

impl Latest {
    pub(super) fn new(entries_max: usize) -> Self {
        let places = vec![None; entries_max.max(1)];
        Self(Mutex::new(places.into()))
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Value> {
        let mut places = self.places();
        let (hash, place) = place(&mut places, key)?;
        let found = place.as_ref().filter(|it| it.0 == hash);
        found.map(|it| it.1.clone())
    }

    /// Keeps a value; none: there is none any more.
    pub(super) fn put(&self, key: &[u8], value: Option<Value>) {
        let mut places = self.places();
        let Some((hash, place)) = place(&mut places, key) else {
            return;
        };
        match value {
            Some(value) => *place = Some((hash, value)),
            None if place.as_ref().is_some_and(|it| it.0 == hash) => *place = None,
            None => {}
        }
    }

    fn places(&self) -> MutexGuard<'_, Box<[Place]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place<'a>(places: &'a mut [Place], key: &[u8]) -> Option<(u64, &'a mut Place)> {
    let hash = xxh3_64(key);
    let count = u128::try_from(places.len()).ok()?;
    let place = usize::try_from((u128::from(hash) * count) >> u64::BITS).ok()?;
    Some((hash, places.get_mut(place)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_takes_the_only_place() {
        let latest = Latest::new(0);
        let value = |text: &str| Some(Value::from(text.as_bytes()));
        latest.put(b"a", value("1"));
        assert_eq!(latest.get(b"a"), value("1"));
        latest.put(b"b", value("2"));
        assert_eq!((latest.get(b"a"), latest.get(b"b")), (None, value("2")));
        latest.put(b"a", None);
        assert_eq!(latest.get(b"b"), value("2"), "it is of another");
        latest.put(b"b", None);
        assert_eq!(latest.get(b"b"), None);
    }
}
