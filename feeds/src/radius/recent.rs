//! The reports that came last, so that the same bytes change nothing a second time.

use std::collections::VecDeque;
use std::net::IpAddr;

use hashbrown::HashTable;
use xxhash_rust::xxh3::Xxh3;

/// Reports that are remembered.
pub const RECENT_MAX: usize = 65_536;

#[derive(Debug, Default)]
pub(super) struct Recent {
    known: HashTable<u64>,
    /// Oldest first.
    order: VecDeque<u64>,
}

impl Recent {
    /// Remembers a report that was taken.
    pub(super) fn add(&mut self, key: u64) {
        if self.has(key) {
            return;
        }
        if self.order.len() >= RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
            && let Ok(entry) = self.known.find_entry(oldest, |it| *it == oldest)
        {
            entry.remove();
        }
        self.order.push_back(key);
        self.known.insert_unique(key, key, |it| *it);
    }

    /// Returns whether this report was taken.
    pub(super) fn has(&self, key: u64) -> bool {
        self.known.find(key, |it| *it == key).is_some()
    }
}

/// Returns what a report is remembered by: who sent it, and its authenticator, which follows from
/// all its bytes.
pub(super) fn key(from: IpAddr, authenticator: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(authenticator);
    match from.to_canonical() {
        IpAddr::V4(address) => hasher.update(&address.octets()),
        IpAddr::V6(address) => hasher.update(&address.octets()),
    }
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut recent = Recent::default();
        for key in 0..=u64::try_from(RECENT_MAX).unwrap() {
            recent.add(key);
            recent.add(key);
        }
        assert!(!recent.has(0));
        assert!(recent.has(1));
        assert_eq!(recent.known.len(), RECENT_MAX);
    }
}
