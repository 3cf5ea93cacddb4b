//! Slots in a row, of which one is found without a lock, and one writer at a time changes them.
//!
//! A key has a home, and is there or in one of the next slots before the first empty one. What is
//! removed leaves no gap: those after it move up.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::facts::{FREE_SHIFT, FactWords, Facts};
use super::line::{CHANGING, EMPTY, Line, PREFIX_WORDS, Sight, Words};

/// Bits of a tag.
pub(super) const TAG_BITS: u32 = 39;

/// What the tag of the first key is as a kind of a line.
const FIRST: u64 = 2;

/// Bits of an IPv4 prefix and its length.
const IPV4_BITS: u32 = 38;

/// What a range is found by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Key {
    tag: u64,
    /// An IPv6 prefix may share its tag. An IPv4 prefix has one of its own, and nothing here.
    prefix: [u64; PREFIX_WORDS],
    length: u64,
}

#[derive(Debug)]
pub(super) struct Slots {
    slots: Box<[Line]>,
    used: AtomicUsize,
}

/// What a reader came to see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Seen {
    Nothing,
    Session(FactWords),
    /// A writer was faster: what is here is something else now.
    Changed,
}

/// A range of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) tag: u64,
    pub(super) facts: Facts,
}

impl Key {
    pub(super) fn of(range: &IpNet) -> Self {
        match range {
            IpNet::V4(range) => Self::ipv4(*range),
            IpNet::V6(range) => Self::ipv6(*range),
        }
    }

    /// Bits and length fit into a tag, so that the tag says all.
    #[inline]
    pub(super) fn ipv4(range: Ipv4Net) -> Self {
        let length = u64::from(range.prefix_len());
        let bits = length << u32::BITS | u64::from(range.addr().to_bits());
        Self {
            tag: mixed(bits) << 1,
            prefix: [0; PREFIX_WORDS],
            length: 0,
        }
    }

    pub(super) fn ipv6(range: Ipv6Net) -> Self {
        let [low, high] = halves(range.addr().to_bits());
        let first = multiply(low ^ 0x9E37_79B9_7F4A_7C15, high ^ 0xD1B5_4A32_D192_ED03);
        let length = range.prefix_len().into();
        let hash = multiply(first ^ length, 0xA24B_AED4_963E_E407);
        Self {
            tag: hash >> (u64::BITS - IPV4_BITS) << 1 | 1,
            prefix: [low, high],
            length,
        }
    }

    /// Returns what says where it is, below two to the power of [`TAG_BITS`].
    pub(super) fn tag(self) -> u64 {
        self.tag
    }

    fn kind(self) -> u64 {
        self.tag + FIRST
    }

    fn words(self, facts: &Facts) -> Words {
        let [msisdn, imsi, common, state] = facts.words();
        let [low, high] = self.prefix;
        let common = common | self.length << FREE_SHIFT;
        [low, high, msisdn, imsi, common, state]
    }

    #[inline]
    fn fits(self, words: &Words) -> bool {
        let [low, high, _, _, common, _] = *words;
        [low, high] == self.prefix && common >> FREE_SHIFT == self.length
    }

    /// Returns what a reader sees in a line; nothing if the key may be further on.
    #[inline]
    fn seen_in(self, line: &Line, draft: &Line) -> Option<Seen> {
        match line.kind() {
            EMPTY => return Some(Seen::Nothing),
            other if other != self.kind() => return None,
            _ => {}
        }
        match line.read() {
            Some(sight) if sight.kind == self.kind() => {
                self.fits(&sight.words).then(|| match sight.is_whole() {
                    true => Seen::Session(facts(&sight.words)),
                    false => self.seen_beside(line, &sight, draft),
                })
            }
            Some(_) | None => Some(Seen::Changed),
        }
    }

    /// Returns what a writer is in the middle of putting into a line.
    #[cold]
    fn seen_beside(self, line: &Line, sight: &Sight, draft: &Line) -> Seen {
        let drafted = draft.read().filter(|drafted| {
            drafted.is_whole()
                && drafted.kind == self.kind()
                && self.fits(&drafted.words)
                && line.is_still(sight)
        });
        drafted.map_or(Seen::Changed, |it| Seen::Session(facts(&it.words)))
    }
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Self {
            slots: (0..count).map(|_| Line::new()).collect(),
            used: AtomicUsize::new(0),
        }
    }

    /// Returns what is there for a key. A writer may have moved it to where it was not yet looked
    /// for, or away from where it will be: who moves says so elsewhere. What a writer is in the
    /// middle of is read in `draft`.
    #[inline]
    pub(super) fn find(&self, key: Key, draft: &Line) -> Seen {
        let mut place = self.home(key.tag);
        for _ in 0..self.slots.len() {
            let line = self.slots.get(place);
            if let Some(seen) = line.and_then(|line| key.seen_in(line, draft)) {
                return seen;
            }
            place = self.after(place);
        }
        Seen::Nothing
    }

    /// Puts a session in place of the one that the key has. Returns whether it has one.
    pub(super) fn replace(&self, key: Key, facts: &Facts, draft: &Line) -> bool {
        let line = self.place(key).and_then(|place| self.slots.get(place));
        if let Some(line) = line {
            let words = key.words(facts);
            // Whole before the line is not, so that who reads never waits.
            draft.turn(CHANGING);
            draft.write(&words);
            draft.turn(key.kind());
            line.write(&words);
        }
        line.is_some()
    }

    /// Returns whether a further key may be put here.
    pub(super) fn has_room(&self) -> bool {
        // Beyond three quarters the ways from home get long.
        self.used.load(Ordering::Relaxed) < self.slots.len() / 4 * 3
    }

    /// Puts a session at a key that has none.
    pub(super) fn insert(&self, key: Key, facts: &Facts) {
        debug_assert!(self.used.load(Ordering::Relaxed) < self.slots.len());
        let mut lines = self.from(self.home(key.tag));
        if let Some(line) = lines.find(|line| line.kind() == EMPTY) {
            line.write(&key.words(facts));
            line.turn(key.kind());
            self.used.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Removes what a key has, if it has a session; adds to `moves` for each that moves up.
    pub(super) fn remove(&self, key: Key, moves: &AtomicU64) {
        let Some(mut free) = self.place(key) else {
            return;
        };
        let removed = free;
        let mut place = self.after(free);
        while let (Some(empty), Some(slot)) = (self.slots.get(free), self.slots.get(place)) {
            let kind = slot.kind();
            if kind == EMPTY || place == removed {
                empty.turn(CHANGING);
                empty.write(&Words::default());
                empty.turn(EMPTY);
                self.used.fetch_sub(1, Ordering::Relaxed);
                return;
            }
            let home = self.home(kind.saturating_sub(FIRST));
            if self.way(home, place) >= self.way(free, place) {
                // Nobody may take the one session for the other.
                empty.turn(CHANGING);
                if let Some(sight) = slot.read() {
                    empty.write(&sight.words);
                }
                empty.turn(kind);
                // Before it leaves its place, so that who finds it nowhere knows why.
                moves.fetch_add(1, Ordering::AcqRel);
                free = place;
            }
            place = self.after(place);
        }
    }

    /// Adds all whose tags are from `first` to `last`. Only while nobody writes.
    pub(super) fn collect(&self, first: u64, last: u64, into: &mut Vec<Entry>) {
        let certain = self.way(self.home(first), self.home(last));
        for (nth, slot) in self.from(self.home(first)).enumerate() {
            match slot.kind() {
                EMPTY if nth > certain => return,
                EMPTY | CHANGING => {}
                kind if (first..=last).contains(&(kind - FIRST)) => {
                    into.extend(slot.read().map(|sight| Entry {
                        tag: kind - FIRST,
                        facts: Facts::of_words(facts(&sight.words)),
                    }));
                }
                _ => {}
            }
        }
    }

    fn place(&self, key: Key) -> Option<usize> {
        let mut place = self.home(key.tag);
        for slot in self.from(place) {
            match slot.kind() {
                EMPTY => return None,
                other
                    if other == key.kind()
                        && slot.read().is_some_and(|sight| key.fits(&sight.words)) =>
                {
                    return Some(place);
                }
                _ => {}
            }
            place = self.after(place);
        }
        None
    }

    /// Returns all slots, from a place on.
    #[inline]
    fn from(&self, place: usize) -> impl Iterator<Item = &Line> {
        let (before, after) = self.slots.split_at_checked(place).unwrap_or_default();
        after.iter().chain(before)
    }

    /// Returns the place of a tag; a higher tag has a higher one or the same.
    #[inline]
    fn home(&self, tag: u64) -> usize {
        let count = u128::try_from(self.slots.len()).unwrap_or_default();
        usize::try_from((u128::from(tag) * count) >> TAG_BITS).unwrap_or_default()
    }

    fn after(&self, place: usize) -> usize {
        let next = place + 1;
        if next < self.slots.len() { next } else { 0 }
    }

    /// Returns how many places it is from one to another.
    fn way(&self, from: usize, to: usize) -> usize {
        let all = if to < from { self.slots.len() } else { 0 };
        (to + all).saturating_sub(from)
    }
}

#[inline]
fn facts([_, _, facts @ ..]: &Words) -> FactWords {
    *facts
}

/// Spreads [`IPV4_BITS`] bits evenly, neighbours too, and no two to the same. Networks assign
/// them, so nobody picks them to come close to each other.
#[inline]
fn mixed(bits: u64) -> u64 {
    let mask = (1 << IPV4_BITS) - 1;
    let first = bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) & mask;
    let folded = first ^ (first >> (IPV4_BITS / 2));
    folded.wrapping_mul(0xD1B5_4A32_D192_ED03) & mask
}

fn multiply(left: u64, right: u64) -> u64 {
    let [low, high] = halves(u128::from(left) * u128::from(right));
    low ^ high
}

fn halves(bits: u128) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, high @ ..] = bits.to_le_bytes();
    let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    [low, u64::from_le_bytes(high)]
}

#[cfg(test)]
pub(super) mod tests;
