//! Keys of the cache, and a way to look one up without making it.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What an entry is found by.
#[derive(Clone, Debug)]
pub(super) struct Key {
    profile: Arc<str>,
    kind: Kind,
    text: Box<str>,
}

/// Whether a key is for one URI, or for all that start with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Exact,
    Prefix,
}

/// A [`Key`] that owns nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Parts<'a> {
    pub(super) profile: &'a str,
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

/// What [`Key`] and [`Parts`] have in common, so that a map with one finds the other.
pub(super) trait Keyed {
    fn parts(&self) -> Parts<'_>;
}

impl Key {
    pub(super) fn new(profile: &Arc<str>, kind: Kind, text: &str) -> Self {
        Self {
            profile: Arc::clone(profile),
            kind,
            text: text.into(),
        }
    }
}

impl Hash for Parts<'_> {
    /// Hashes in few writes, since each costs as much as many bytes do. No text contains the
    /// bytes that stand for the kind, so different keys are different bytes.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.profile.as_bytes());
        state.write_u8(match self.kind {
            Kind::Exact => 0xfe,
            Kind::Prefix => 0xff,
        });
        state.write(self.text.as_bytes());
    }
}

impl Keyed for Key {
    fn parts(&self) -> Parts<'_> {
        Parts {
            profile: &self.profile,
            kind: self.kind,
            text: &self.text,
        }
    }
}

impl Keyed for Parts<'_> {
    fn parts(&self) -> Parts<'_> {
        *self
    }
}

impl<'a> Borrow<dyn Keyed + 'a> for Key {
    fn borrow(&self) -> &(dyn Keyed + 'a) {
        self
    }
}

// `Borrow` asks that a key hashes and compares as what is borrowed from it.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Key {}

impl Hash for dyn Keyed + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for dyn Keyed + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Keyed + '_ {}
