//! A hash table in a file: groups of tags, and blocks with the keys and values of each group.
//!
//! A group has [`SLOTS`] slots, each a tag of one byte and where its key is in the group's block.
//! All tags are looked at together, so that a key that is not there costs one read of memory in
//! most cases, out of four bytes for each key; one that is there costs a second, for the key. Keys
//! are compared in full, since hashes can be forged. The hash has a seed that follows from all
//! rules, so nobody can prepare names that meet in one group of somebody else's database.
//!
//! What a group has no room for goes on to the next group of its shard, which the group remembers.
//! Shards are written each on its own.

use crate::suffix::{Suffix, equal, hash};

mod write;

#[cfg(test)]
use write::Written;
pub(crate) use write::{Records, write};

/// Bytes of a group: a tag for each slot, for each where its record is, and where the block is.
const GROUP_LEN: usize = 32;

/// Keys of a group at most.
const SLOTS: usize = 14;

/// Keys of a group on average: more is slower, and less is larger.
const KEYS_PER_GROUP: usize = 9;

/// Bytes of the records of a group on average, at most.
const BYTES_PER_GROUP: usize = 512;

/// Groups of a shard at most.
const SHARD_LEN: usize = 4096;

/// The tag of a slot without a key.
const EMPTY: u8 = 0;

/// What every record begins at a multiple of.
const ALIGNMENT: usize = 4;

/// In the place of a block: keys went on from its group to the next one.
const PASSED: u32 = 1 << 31;

/// Suffixes of a host that are looked up together: few hosts have more labels.
const ROW_LEN: usize = 4;

/// A table in a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    groups: &'a [[u8; GROUP_LEN]],
    /// The records of each group: the length of a key, the key, its value.
    blocks: &'a [u8],
    value_len: usize,
}

/// What is looked at first of a group.
#[derive(Clone, Copy, Debug)]
struct Group<'a> {
    /// The tags of the first eight slots, and those of the others.
    tags: [u64; 2],
    /// For each slot where its record is in the block, in units of [`ALIGNMENT`].
    offsets: &'a [u8],
    place: u32,
}

impl<'a> Table<'a> {
    #[inline]
    pub(crate) fn new(groups: &'a [u8], blocks: &'a [u8], value_len: usize) -> Self {
        let (groups, _) = groups.as_chunks();
        Self {
            groups,
            blocks,
            value_len,
        }
    }

    /// Returns whether a key of this hash may be here. Without a branch on what is read, so that
    /// the processor waits for the groups of several keys at once.
    #[inline]
    pub(crate) fn may_have(self, hash: u64) -> bool {
        let group = self.groups.get(home(hash, self.groups.len()));
        group.is_some_and(|group| {
            let group = Group::read(group);
            let [first, others] = group.slots_with(tag_of(hash));
            (first | others | u64::from(group.place & PASSED)) != 0
        })
    }

    /// Returns the value of `key`.
    #[inline]
    pub(crate) fn find(self, hash: u64, key: &[u8]) -> Option<&'a [u8]> {
        let mut at = home(hash, self.groups.len());
        // Keys go on from a sound table's groups up to one with room; whatever the file says, this
        // ends.
        for _ in 0..SHARD_LEN {
            let group = Group::read(self.groups.get(at)?);
            let [first, others] = group.slots_with(tag_of(hash));
            for (mut left, base) in [(first, 0), (others, 8)] {
                while left != 0 {
                    let slot = base + (left.trailing_zeros() / u8::BITS) as usize;
                    if let Some((found, value)) = self.record(group, slot)
                        && found == key
                    {
                        return Some(value);
                    }
                    left &= left - 1;
                }
            }
            if group.place & PASSED == 0 {
                return None;
            }
            at = after(at, self.groups.len());
        }
        None
    }

    /// Returns the value of a host or a name.
    pub(crate) fn find_key(self, key: &[u8], seed: u64) -> Option<&'a [u8]> {
        self.find(hash(key, seed), key)
    }

    /// Returns where the longest of the suffixes that is here starts, and its value. They come
    /// shortest first, and end at `end` in the text.
    #[inline]
    pub(crate) fn find_longest(
        self,
        mut suffixes: impl Iterator<Item = Suffix>,
        text: &[u8],
        end: usize,
    ) -> Option<(usize, &'a [u8])> {
        let mut found = None;
        loop {
            // Nothing depends on what is read for one of them, so it is waited for all at once.
            let mut row = [Suffix::default(); ROW_LEN];
            let (mut listed, mut len) = (0_u32, 0);
            for (slot, suffix) in row.iter_mut().zip(&mut suffixes) {
                *slot = suffix;
                listed |= u32::from(self.may_have(suffix.hash)) << len;
                len += 1;
            }
            while let Some(last) = listed.checked_ilog2() {
                let suffix = row.get(last as usize).copied().unwrap_or_default();
                let key = text.get(suffix.start..end).unwrap_or_default();
                if let Some(value) = self.find(suffix.hash, key) {
                    found = Some((suffix.start, value));
                    break;
                }
                listed ^= 1 << last;
            }
            if len < ROW_LEN {
                return found;
            }
        }
    }

    /// Returns the key and the value in a slot.
    #[inline]
    fn record(self, group: Group<'_>, slot: usize) -> Option<(&'a [u8], &'a [u8])> {
        let offset = usize::from(*group.offsets.get(slot)?);
        let start = ((group.place & !PASSED) as usize + offset) * ALIGNMENT;
        let (len, record) = self.blocks.get(start..)?.split_first()?;
        let (key, rest) = record.split_at_checked(usize::from(*len))?;
        Some((key, rest.get(..self.value_len)?))
    }

    /// Returns all keys with their values, in the order of the keys read from their last byte to
    /// the first, so that parents come before children.
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        // Most comparisons read no text.
        let beginning = |key: &[u8]| {
            let bytes = key.iter().rev().chain(std::iter::repeat(&0)).take(16);
            bytes.fold(0, |all: u128, byte| all << u8::BITS | u128::from(*byte))
        };
        let mut all: Vec<_> = self
            .unsorted()
            .map(|(key, value)| (beginning(key), key, value))
            .collect();
        all.sort_unstable_by(|(a, a_key, _), (b, b_key, _)| {
            a.cmp(b)
                .then_with(|| a_key.iter().rev().cmp(b_key.iter().rev()))
        });
        all.into_iter().map(|(_, key, value)| (key, value))
    }

    /// Returns all keys with their values, in the order of the groups.
    fn unsorted(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.groups.iter().flat_map(move |group| {
            let slots = group.iter().take(SLOTS).enumerate();
            let used = slots.filter(|(_, tag)| **tag != EMPTY);
            used.filter_map(move |(slot, _)| self.record(Group::read(group), slot))
        })
    }
}

impl<'a> Group<'a> {
    #[inline]
    fn read(group: &'a [u8; GROUP_LEN]) -> Self {
        let (tags, rest) = group.split_at(SLOTS);
        let (offsets, place) = rest.split_at(SLOTS);
        let (words, others) = tags.as_chunks::<8>();
        let [a, b, c, d, e, f] = others.first_chunk().copied().unwrap_or_default();
        let first = words.first().copied().unwrap_or_default();
        let others = [a, b, c, d, e, f, EMPTY, EMPTY];
        Self {
            tags: [u64::from_le_bytes(first), u64::from_le_bytes(others)],
            offsets,
            place: place.first_chunk().map_or(0, |it| u32::from_le_bytes(*it)),
        }
    }

    /// Returns which slots have a tag, as the highest bits of bytes. It is never that of an empty
    /// slot, so nothing is found behind the last slot.
    #[inline]
    fn slots_with(self, tag: u8) -> [u64; 2] {
        let [first, others] = self.tags;
        [equal(first, tag), equal(others, tag)]
    }
}

/// Returns the tag of a key: the low byte of its hash, which is never that of an empty slot.
#[inline]
fn tag_of(hash: u64) -> u8 {
    let [low, next, ..] = hash.to_le_bytes();
    if low == EMPTY { next | 1 } else { low }
}

/// Returns the group where a hash is looked for first: its share of the table, by its high bits.
#[inline]
fn home(hash: u64, groups: usize) -> usize {
    let share = u128::from(hash) * (groups as u128);
    usize::try_from(share >> 64).unwrap_or_default()
}

/// Returns how many groups each shard of a table has.
fn shard_len(groups: usize) -> usize {
    groups / groups.div_ceil(SHARD_LEN).max(1)
}

/// Returns the group behind the one at `at`, in the same shard.
#[cold]
fn after(at: usize, groups: usize) -> usize {
    let len = shard_len(groups).max(1);
    at - at % len + (at + 1) % len
}

#[cfg(test)]
mod tests;
