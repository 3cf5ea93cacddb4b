//! The sessions that ended last, so that what is told of them too late opens none anew.

use std::collections::VecDeque;

use hashbrown::HashTable;

/// Ended sessions that are remembered.
pub const CLOSED_MAX: usize = 65_536;

#[derive(Debug, Default)]
pub(super) struct Closed {
    /// By the hash of the owner, with the time of the end.
    ends: HashTable<(u64, u32)>,
    /// Oldest first.
    order: VecDeque<u64>,
}

impl Closed {
    /// Remembers that the session ended at this time.
    pub(super) fn add(&mut self, owner: u64, event_s: u32) {
        if let Some(known) = self.ends.find_mut(owner, |it| it.0 == owner) {
            known.1 = known.1.max(event_s);
            return;
        }
        if self.order.len() >= CLOSED_MAX
            && let Some(oldest) = self.order.pop_front()
            && let Ok(entry) = self.ends.find_entry(oldest, |it| it.0 == oldest)
        {
            entry.remove();
        }
        self.order.push_back(owner);
        self.ends.insert_unique(owner, (owner, event_s), |it| it.0);
        debug_assert_eq!(self.ends.len(), self.order.len());
    }

    /// Returns whether the session ended at this time or later.
    pub(super) fn covers(&self, owner: u64, event_s: u32) -> bool {
        let known = self.ends.find(owner, |it| it.0 == owner);
        known.is_some_and(|(_, end_s)| event_s <= *end_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut closed = Closed::default();
        for owner in 0..=u64::try_from(CLOSED_MAX).unwrap() {
            closed.add(owner, 10);
            closed.add(owner, 5);
        }
        assert!(!closed.covers(0, 1));
        assert!(closed.covers(1, 10));
        assert!(!closed.covers(1, 11));
        assert_eq!(closed.ends.len(), CLOSED_MAX);
    }
}
