//! A hash table in a file: 8-byte slots, and records of key and value that they point at.
//!
//! A slot is half of the key's hash and the place of its record. Keys are compared in full, since
//! hashes without a secret can be forged.

use xxhash_rust::xxh3::xxh3_64;

use crate::BuildError;
use crate::bytes::{push_u64, small};

/// Bytes of a slot: the low half is the place of the record, the high half is of the hash.
const SLOT_LEN: usize = 8;

/// Slots for seven keys.
const SLOTS_PER_SEVEN: usize = 10;

/// Records of several tables: the key's length, the key, the value. No record is at 0, which
/// stands for an empty slot.
#[derive(Debug)]
pub(crate) struct Records(Vec<u8>);

impl Records {
    pub(crate) fn new() -> Self {
        Self(vec![0])
    }

    /// Adds a record and returns its place.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) -> Result<u32, BuildError> {
        let place = small(self.0.len())?;
        let len = u8::try_from(key.len()).map_err(|_| BuildError::TooBig)?;
        self.0.push(len);
        self.0.extend_from_slice(key);
        self.0.extend_from_slice(value);
        Ok(place)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Keys and the places of their records, to be written as slots.
#[derive(Debug, Default)]
pub(crate) struct Slots(Vec<(u64, u32)>);

impl Slots {
    pub(crate) fn push(&mut self, key: &[u8], place: u32) {
        self.0.push((xxh3_64(key), place));
    }

    /// Returns the table. Equal keys in equal order give equal tables.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let count = self.0.len() * SLOTS_PER_SEVEN / 7 + 1;
        let mut slots = vec![0_u64; count];
        for (hash, place) in &self.0 {
            let (before, after) = slots.split_at_mut(home(*hash, count));
            let mut free = after.iter_mut().chain(before).filter(|slot| **slot == 0);
            if let Some(slot) = free.next() {
                *slot = slot_of(*hash, *place);
            }
        }
        let mut bytes = Vec::with_capacity(count * SLOT_LEN);
        for slot in slots {
            push_u64(&mut bytes, slot);
        }
        bytes
    }
}

/// Returns the value of `key`, from its first byte to the end of all records.
pub(crate) fn find<'a>(slots: &[u8], records: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let (slots, _) = slots.as_chunks::<SLOT_LEN>();
    let hash = xxh3_64(key);
    let (before, after) = slots.split_at_checked(home(hash, slots.len()))?;
    for slot in after.iter().chain(before) {
        let slot = u64::from_le_bytes(*slot);
        let place = u32::try_from(slot & u64::from(u32::MAX)).ok()?;
        if place == 0 {
            return None;
        }
        if slot == slot_of(hash, place)
            && let Some(value) = value_of(records, place, key)
        {
            return Some(value);
        }
    }
    None
}

fn value_of<'a>(records: &'a [u8], place: u32, key: &[u8]) -> Option<&'a [u8]> {
    let (len, record) = records.get(place as usize..)?.split_first()?;
    let (found, value) = record.split_at_checked(usize::from(*len))?;
    (found == key).then_some(value)
}

fn slot_of(hash: u64, place: u32) -> u64 {
    hash << 32 | u64::from(place)
}

/// Returns where a hash is looked for first: its share of the table, by its high bits.
fn home(hash: u64, count: usize) -> usize {
    let share = u128::from(hash) * (count as u128);
    usize::try_from(share >> 64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_and_nothing_else() {
        for count in [0_usize, 1, 2, 7, 1000] {
            let mut records = Records::new();
            let mut slots = Slots::default();
            for i in 0..count {
                let key = format!("key{i}");
                let value = u32::try_from(i).unwrap().to_le_bytes();
                slots.push(
                    key.as_bytes(),
                    records.push(key.as_bytes(), &value).unwrap(),
                );
            }
            let slots = slots.to_bytes();
            for i in 0..count {
                let value = find(&slots, records.as_bytes(), format!("key{i}").as_bytes());
                let value = u32::from_le_bytes(value.unwrap()[..4].try_into().unwrap());
                assert_eq!(value as usize, i);
            }
            for i in count..count + 1000 {
                let key = format!("key{i}");
                assert_eq!(find(&slots, records.as_bytes(), key.as_bytes()), None);
            }
        }
    }

    #[test]
    fn a_full_table_ends_the_search() {
        let slots = slot_of(xxh3_64(b"a"), 77).to_le_bytes().repeat(3);
        assert_eq!(find(&slots, b"", b"a"), None);
        assert_eq!(find(b"", b"", b"a"), None);
    }
}
