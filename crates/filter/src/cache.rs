use std::collections::HashMap;
use std::hash::RandomState;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use policy::Active;
use uri::NormalUri;

use crate::verdict::Fact;
use key::{Key, Keyed, Kind, Parts};
use lengths::Lengths;

mod key;
mod lengths;
#[cfg(test)]
mod tests;

pub use lengths::PREFIX_LENGTHS_MAX;

/// Bytes of the longest URI that is cached; longer ones are resolved for every request.
pub const CACHED_URI_LEN_MAX: usize = 2048;

/// Limits of a worker's cache.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// Exact and prefix entries of all profiles together. None: no cache.
    pub entries_max: Option<NonZeroUsize>,
    /// How long an entry lives at most.
    pub lifetime: Duration,
}

/// What was found for earlier requests, by profile and URI.
///
/// Every entry holds for each URI that it matches, so entries never contradict each other; the
/// order in which they are tried, exact before prefix and longer before shorter, is S4's. The
/// keys are hashed with a secret, because clients choose them.
#[derive(Debug)]
pub(crate) struct Cache {
    /// Exact and prefix entries in one order of use.
    entries: LruCache<Key, Kept, RandomState>,
    /// The lengths of the prefix entries below each `scheme://authority/` of a profile.
    lengths: HashMap<Key, Lengths>,
    lifetime_max: Duration,
}

/// Where a fact belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) profile: &'a Arc<str>,
    pub(crate) uri: &'a NormalUri,
    pub(crate) extent: Extent,
    /// The active schedules that the fact depends on.
    pub(crate) times: Active,
}

/// Which URIs a fact holds for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Extent {
    /// Only this one.
    Exact,
    /// All that share so many bytes, the authority and its slash among them.
    Prefix(usize),
}

/// An entry that was only looked at.
#[derive(Debug)]
pub(crate) struct Peeked {
    pub(crate) fact: Fact,
    pub(crate) times: Active,
    /// None: an exact entry.
    pub(crate) prefix_len: Option<usize>,
    pub(crate) left: Duration,
}

#[derive(Debug)]
struct Kept {
    fact: Fact,
    times: Active,
    since: Instant,
    lifetime: Duration,
    origin_len: usize,
}

impl Cache {
    /// Creates an empty cache, or none where the limits leave no room for an entry.
    pub(crate) fn new(limits: CacheLimits) -> Option<Self> {
        let mut entries = LruCache::unbounded_with_hasher(RandomState::new());
        entries.resize(limits.entries_max?);
        Some(Self {
            entries,
            lengths: HashMap::new(),
            lifetime_max: limits.lifetime,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns what is remembered of `uri`, and with which schedules: an exact entry, else the
    /// longest prefix entry.
    pub(crate) fn look_up(
        &mut self,
        profile: &str,
        uri: &NormalUri,
        now: Instant,
    ) -> Option<(Fact, Active)> {
        self.exact(profile, uri, now)
            .or_else(|| self.longest_prefix(profile, uri, now))
    }

    /// Remembers `fact` for as long as the cache may, or for `lifetime` if that is shorter.
    pub(crate) fn insert(
        &mut self,
        entry: Entry<'_>,
        fact: Fact,
        lifetime: Option<Duration>,
        now: Instant,
    ) {
        let lifetime = lifetime.map_or(self.lifetime_max, |it| it.min(self.lifetime_max));
        if lifetime.is_zero() || entry.uri.as_str().len() > CACHED_URI_LEN_MAX {
            return;
        }
        let key = self.key(entry);
        let kept = Kept {
            fact,
            times: entry.times,
            since: now,
            lifetime,
            origin_len: entry.uri.origin_len(),
        };
        // Either the entry that was replaced, or the one that was used least recently.
        if let Some((gone, kept)) = self.entries.push(key, kept) {
            self.forget_length(&gone.parts(), kept.origin_len);
        }
    }

    /// Returns what [`look_up`](Self::look_up) would, the bytes of the URI that the entry holds for
    /// if it is a prefix entry, and how long it lives on; changes nothing.
    pub(crate) fn peek(&self, profile: &str, uri: &NormalUri, now: Instant) -> Option<Peeked> {
        let parts = |kind, text| Parts {
            profile,
            kind,
            text,
        };
        let prefix = |len| Some(parts(Kind::Prefix, uri.as_str().get(..len)?));
        let lengths = prefix(uri.origin_len()).and_then(|it| self.lengths.get(&it as &dyn Keyed));
        let prefixes = lengths
            .into_iter()
            .flat_map(Lengths::iter)
            .filter_map(prefix);
        let mut keys = std::iter::once(parts(Kind::Exact, uri.as_str())).chain(prefixes);
        keys.find_map(|parts| {
            let kept = self.entries.peek(&parts as &dyn Keyed)?;
            let left = kept
                .lifetime
                .checked_sub(now.saturating_duration_since(kept.since));
            Some(Peeked {
                fact: kept.fact.clone(),
                times: kept.times,
                prefix_len: (parts.kind == Kind::Prefix).then_some(parts.text.len()),
                left: left.filter(|left| !left.is_zero())?,
            })
        })
    }

    /// Drops every entry.
    pub(crate) fn flush(&mut self) {
        self.entries.clear();
        self.lengths.clear();
    }

    fn exact(&mut self, profile: &str, uri: &NormalUri, now: Instant) -> Option<(Fact, Active)> {
        let parts = Parts {
            profile,
            kind: Kind::Exact,
            text: uri.as_str(),
        };
        let kept = self.entries.get(&parts as &dyn Keyed)?;
        if kept.is_over(now) {
            self.entries.pop(&parts as &dyn Keyed);
            return None;
        }
        Some((kept.fact.clone(), kept.times))
    }

    fn longest_prefix(
        &mut self,
        profile: &str,
        uri: &NormalUri,
        now: Instant,
    ) -> Option<(Fact, Active)> {
        let prefix = |len| {
            Some(Parts {
                profile,
                kind: Kind::Prefix,
                text: uri.as_str().get(..len)?,
            })
        };
        let origin = prefix(uri.origin_len())?;
        let mut over = Vec::new();
        let mut found = None;
        for parts in self
            .lengths
            .get(&origin as &dyn Keyed)?
            .iter()
            .filter_map(prefix)
        {
            match self.entries.get(&parts as &dyn Keyed) {
                Some(kept) if kept.is_over(now) => over.push(parts),
                Some(kept) => {
                    found = Some((kept.fact.clone(), kept.times));
                    break;
                }
                None => {}
            }
        }
        for parts in over {
            self.entries.pop(&parts as &dyn Keyed);
            self.forget_length(&parts, uri.origin_len());
        }
        found
    }

    /// Makes the key of an entry and, of a prefix, notes its length. Where an origin has too many
    /// lengths already the entry becomes exact.
    fn key(&mut self, entry: Entry<'_>) -> Key {
        let Entry {
            profile,
            uri,
            extent,
            times: _,
        } = entry;
        if let Extent::Prefix(len) = extent
            && let Some(prefix) = uri.as_str().get(..len)
            && let Some(origin) = prefix.get(..uri.origin_len())
        {
            let origin = Key::new(profile, Kind::Prefix, origin);
            if self.lengths.entry(origin).or_default().add(len) {
                return Key::new(profile, Kind::Prefix, prefix);
            }
        }
        Key::new(profile, Kind::Exact, uri.as_str())
    }

    /// Notes that an entry is gone.
    fn forget_length(&mut self, gone: &Parts<'_>, origin_len: usize) {
        match gone.kind {
            Kind::Exact => return,
            Kind::Prefix => {}
        }
        let origin = Parts {
            text: gone.text.get(..origin_len).unwrap_or_default(),
            ..*gone
        };
        if let Some(lengths) = self.lengths.get_mut(&origin as &dyn Keyed) {
            lengths.remove(gone.text.len());
            if lengths.is_empty() {
                self.lengths.remove(&origin as &dyn Keyed);
            }
        }
    }
}

impl Kept {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= self.lifetime
    }
}
