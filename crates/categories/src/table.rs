//! A hash table in a file: tags, places, and the records of key and value that they point at.
//!
//! Slots stand in groups of 16. Each has a tag of one byte, and 16 tags are looked at together, so
//! that a key that is not there costs one read of memory in most cases. Keys are compared in full,
//! since hashes can be forged. The hash has a seed that follows from all rules, so nobody can
//! prepare names that meet in one group of somebody else's database.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::BuildError;
use crate::bytes::small;

/// Slots whose tags are looked at together.
pub(crate) const GROUP_LEN: usize = 16;

/// Bytes of the place of a record.
pub(crate) const PLACE_LEN: usize = 4;

/// Slots for three keys.
const SLOTS_PER_THREE: usize = 4;

/// The tag of a slot without a key.
const EMPTY: u8 = 0;

/// Records of several tables: the key's length, the key, the value. No record is at 0.
#[derive(Debug)]
pub(crate) struct Records(Vec<u8>);

impl Records {
    pub(crate) fn new() -> Self {
        Self(vec![0])
    }

    /// Adds a record and returns its place.
    pub(crate) fn push(
        &mut self,
        key: impl ExactSizeIterator<Item = u8>,
        value: &[u8],
    ) -> Result<u32, BuildError> {
        let place = small(self.0.len())?;
        let len = u8::try_from(key.len()).map_err(|_| BuildError::TooBig)?;
        self.0.push(len);
        self.0.extend(key);
        self.0.extend_from_slice(value);
        Ok(place)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A table as its sections are written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) tags: Vec<u8>,
    pub(crate) places: Vec<u8>,
}

/// Writes the table of the records at `places`. Equal records in equal order give equal tables.
pub(crate) fn write(records: &[u8], places: &[u32], seed: u64) -> Written {
    let groups = places.len() * SLOTS_PER_THREE / 3 / GROUP_LEN + 1;
    let mut tags = vec![[EMPTY; GROUP_LEN]; groups];
    let mut slots = vec![[[0; PLACE_LEN]; GROUP_LEN]; groups];
    for place in places {
        let key = record(records, *place).map_or(&[][..], |(key, _)| key);
        let hash = xxh3_64_with_seed(key, seed);
        let mut group = home(hash, groups);
        while let (Some(tags), Some(slots)) = (tags.get_mut(group), slots.get_mut(group)) {
            let free = tags.iter_mut().zip(slots).find(|(tag, _)| **tag == EMPTY);
            if let Some((tag, slot)) = free {
                *tag = tag_of(hash);
                *slot = place.to_le_bytes();
                break;
            }
            group = (group + 1) % groups;
        }
    }
    Written {
        tags: tags.into_flattened(),
        places: slots.into_flattened().into_flattened(),
    }
}

/// A table in a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    pub(crate) tags: &'a [u8],
    pub(crate) places: &'a [u8],
    pub(crate) records: &'a [u8],
    pub(crate) seed: u64,
}

impl<'a> Table<'a> {
    /// Returns the value of `key`, from its first byte to the end of all records.
    #[inline]
    pub(crate) fn find(self, key: &[u8]) -> Option<&'a [u8]> {
        let (groups, _) = self.tags.as_chunks::<GROUP_LEN>();
        let hash = xxh3_64_with_seed(key, self.seed);
        let tag = tag_of(hash);
        let mut group = home(hash, groups.len());
        // A sound table has an empty slot; whatever the file says, this ends.
        for _ in 0..groups.len() {
            let tags = groups.get(group)?;
            let mut equal = slots_with(tags, tag);
            while equal != 0 {
                let slot = group * GROUP_LEN + (equal.trailing_zeros() / u8::BITS) as usize;
                if let Some(value) = self.value(slot, key) {
                    return Some(value);
                }
                equal &= equal - 1;
            }
            if slots_with(tags, EMPTY) != 0 {
                return None;
            }
            group = if group + 1 == groups.len() {
                0
            } else {
                group + 1
            };
        }
        None
    }

    /// Returns the value of the record in a slot if it is of `key`.
    #[inline]
    fn value(self, slot: usize, key: &[u8]) -> Option<&'a [u8]> {
        let (places, _) = self.places.as_chunks::<PLACE_LEN>();
        let place = u32::from_le_bytes(*places.get(slot)?);
        let (found, value) = record(self.records, place)?;
        (found == key).then_some(value)
    }

    /// Returns all keys with their values, each value from its first byte to the end of all
    /// records, in the order of the records.
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let (places, _) = self.places.as_chunks::<PLACE_LEN>();
        let slots = self.tags.iter().zip(places);
        let used = slots.filter(|(tag, _)| **tag != EMPTY);
        let mut places: Vec<u32> = used.map(|(_, place)| u32::from_le_bytes(*place)).collect();
        places.sort_unstable();
        let records = self.records;
        places
            .into_iter()
            .filter_map(move |place| record(records, place))
    }
}

/// Returns a record's key, and its value to the end of all records.
#[inline]
fn record(records: &[u8], place: u32) -> Option<(&[u8], &[u8])> {
    let (len, record) = records.get(place as usize..)?.split_first()?;
    record.split_at_checked(usize::from(*len))
}

/// Returns which of the tags are `tag`: for each the highest bit of its byte.
#[inline]
fn slots_with(tags: &[u8; GROUP_LEN], tag: u8) -> u128 {
    const LOW: u128 = u128::from_le_bytes([0x7f; GROUP_LEN]);
    let differ = u128::from_le_bytes(*tags) ^ u128::from_le_bytes([tag; GROUP_LEN]);
    // A sum never carries into the next byte.
    !(((differ & LOW) + LOW) | differ | LOW)
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

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 7;

    #[test]
    fn every_key_is_found_and_nothing_else() {
        for count in [0_usize, 1, 2, 12, 13, 1000] {
            let mut records = Records::new();
            let mut places = Vec::new();
            for i in 0..count {
                let key = format!("key{i}");
                let value = u32::try_from(i).unwrap().to_le_bytes();
                places.push(records.push(key.bytes(), &value).unwrap());
            }
            let written = write(records.as_bytes(), &places, SEED);
            let table = table(&written, &records);
            for i in 0..count {
                let value = table.find(format!("key{i}").as_bytes());
                let value = u32::from_le_bytes(value.unwrap()[..4].try_into().unwrap());
                assert_eq!(value as usize, i);
            }
            for i in count..count + 1000 {
                assert_eq!(table.find(format!("key{i}").as_bytes()), None);
            }
            let keys: Vec<_> = table.iter().map(|(key, _)| key.to_vec()).collect();
            let expected = (0..count).map(|i| format!("key{i}").into_bytes());
            assert_eq!(keys, expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn tags_are_compared_one_by_one() {
        let mut tags = [
            0x7f, 0x80, 0, 1, 0xff, 0x7f, 0, 2, 3, 4, 5, 6, 0xfe, 8, 0x81, 0,
        ];
        for _ in 0..=u8::MAX {
            for tag in 0..=u8::MAX {
                let equal = slots_with(&tags, tag).to_le_bytes();
                let expected = tags.map(|other| if other == tag { 0x80 } else { 0 });
                assert_eq!(equal, expected, "{tag} in {tags:?}");
            }
            tags = tags.map(|tag| tag.wrapping_add(1));
        }
    }

    #[test]
    fn a_full_table_ends_the_search() {
        let hash = xxh3_64_with_seed(b"a", SEED);
        let full = Written {
            tags: vec![tag_of(hash); 2 * GROUP_LEN],
            places: vec![77; 2 * GROUP_LEN * PLACE_LEN],
        };
        assert_eq!(table(&full, &Records::new()).find(b"a"), None);
        let nothing = Written {
            tags: Vec::new(),
            places: Vec::new(),
        };
        assert_eq!(table(&nothing, &Records::new()).find(b"a"), None);
    }

    #[test]
    fn a_tag_is_never_that_of_an_empty_slot() {
        for hash in [0, 0x100, 0xff00, u64::MAX << 8, 5] {
            assert_ne!(tag_of(hash), EMPTY);
        }
    }

    fn table<'a>(written: &'a Written, records: &'a Records) -> Table<'a> {
        Table {
            tags: &written.tags,
            places: &written.places,
            records: records.as_bytes(),
            seed: SEED,
        }
    }
}
