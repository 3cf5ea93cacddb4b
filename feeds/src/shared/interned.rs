//! Names that many sessions have in common, and what is known of those who report them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sessions::{NAMES_MAX, NAS_MAX, Name, Names, Nas};

#[derive(Debug, Default)]
pub(super) struct Interned(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    nas: BTreeMap<Box<str>, Heard>,
    /// As many as may be lasting; who has another has a copy of it.
    names: BTreeSet<Name>,
}

/// A NAS, and the number of the connection over which the store tells when it is switched.
#[derive(Debug)]
struct Heard {
    nas: Arc<Nas>,
    asked: Option<u32>,
}

impl Interned {
    /// Returns who reports under this name; none if there are too many.
    pub(super) fn reporter(&self, name: &str) -> Option<Arc<Nas>> {
        let mut inner = self.inner();
        if let Some(heard) = inner.nas.get(name) {
            return Some(Arc::clone(&heard.nas));
        }
        if inner.nas.len() >= NAS_MAX {
            inner
                .nas
                .retain(|_, heard| Arc::strong_count(&heard.nas) > 1);
        }
        if inner.nas.len() >= NAS_MAX {
            return None;
        }
        let nas = Arc::new(Nas::new(name));
        let heard = Heard {
            nas: Arc::clone(&nas),
            asked: None,
        };
        inner.nas.insert(name.into(), heard);
        Some(nas)
    }

    /// Returns whether the store tells over this connection when the NAS is switched.
    pub(super) fn is_asked(&self, name: &str, connection: u32) -> bool {
        let inner = self.inner();
        let heard = inner.nas.get(name);
        heard.is_none_or(|heard| heard.asked == Some(connection))
    }

    /// Takes what the store says about a NAS.
    pub(super) fn told(&self, name: &str, connection: u32, cleared_s: u32) {
        if let Some(heard) = self.inner().nas.get_mut(name) {
            heard.asked = Some(connection);
            heard.nas.clear(cleared_s);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names for &Interned {
    fn nas(&mut self, name: &str) -> Arc<Nas> {
        let nas = self.reporter(name);
        nas.unwrap_or_else(|| Arc::new(Nas::new(name)))
    }

    fn name(&mut self, name: &str) -> Name {
        let mut inner = self.inner();
        if let Some(known) = inner.names.get(name) {
            return known.clone();
        }
        if inner.names.len() >= NAMES_MAX {
            return name.into();
        }
        let name = Name::lasting(name);
        inner.names.insert(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_names_as_may_be_are_lasting() {
        let interned = Interned::default();
        let name = |n: usize| Names::name(&mut &interned, &n.to_string());
        let first = name(0);
        assert!((1..NAMES_MAX).all(|n| name(n).is_lasting()));
        let beyond = name(NAMES_MAX);
        assert_eq!((&*beyond, beyond.is_lasting()), ("65535", false));
        assert_eq!(first.as_ptr(), name(0).as_ptr());
        assert_eq!(interned.inner().names.len(), NAMES_MAX);
    }

    #[test]
    fn a_nas_that_nobody_has_makes_room() {
        let interned = Interned::default();
        let held = interned.reporter("held").unwrap();
        for n in 0..2 * NAS_MAX {
            assert!(interned.reporter(&n.to_string()).is_some());
        }
        interned.told("held", 1, 7);
        assert_eq!(held.cleared_s(), 7);
        assert!(interned.is_asked("held", 1) && !interned.is_asked("held", 2));
        let all: Vec<_> = (0..NAS_MAX)
            .map(|n| interned.reporter(&n.to_string()))
            .collect();
        assert_eq!(all.iter().flatten().count(), NAS_MAX - 1);
    }
}
