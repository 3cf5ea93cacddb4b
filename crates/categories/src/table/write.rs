//! Writing tables: keys in the order in which they are looked for.

use super::{
    ALIGNMENT, BYTES_PER_GROUP, EMPTY, GROUP_LEN, KEYS_PER_GROUP, PASSED, SHARD_LEN, SLOTS, home,
    shard_len, tag_of,
};
use crate::BuildError;
use crate::bytes::small;
use crate::parallel;
use crate::suffix::whole;

/// Keys that are hashed at once.
const CHUNK_LEN: usize = 1 << 17;

/// Bytes before the first key, so that what is read before it is there.
const MARGIN: usize = 16;

/// Keys and values of one table, in one run: for each the key's length, the key, the value.
#[derive(Debug)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    places: Vec<u32>,
    value_len: usize,
}

/// A table as its sections are written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) groups: Vec<u8>,
    pub(crate) blocks: Vec<u8>,
}

impl Records {
    pub(crate) fn new(value_len: usize) -> Self {
        Self {
            bytes: vec![0; MARGIN],
            places: Vec::new(),
            value_len,
        }
    }

    /// Adds a key with its value.
    pub(crate) fn push(
        &mut self,
        key: impl ExactSizeIterator<Item = u8>,
        value: &[u8],
    ) -> Result<(), BuildError> {
        debug_assert_eq!(value.len(), self.value_len, "all values are of one length");
        let place = small(self.bytes.len())?;
        let len = u8::try_from(key.len()).map_err(|_| BuildError::TooBig)?;
        self.bytes.push(len);
        self.bytes.extend(key);
        self.bytes.extend_from_slice(value);
        self.places.push(place);
        Ok(())
    }

    /// Returns where the key of a record is.
    fn key_at(&self, place: u32) -> std::ops::Range<usize> {
        let start = place as usize + 1;
        let len = self.bytes.get(place as usize).copied().unwrap_or_default();
        start..start + usize::from(len)
    }
}

/// A key on its way into a shard.
#[derive(Clone, Copy, Debug)]
struct Hashed {
    group: u32,
    place: u32,
    tag: u8,
}

/// Writes a table. Equal records in equal order give equal tables, on any number of threads.
pub(crate) fn write(records: &Records, seed: u64, threads: usize) -> Result<Written, BuildError> {
    let wanted = records.places.len() / KEYS_PER_GROUP + 1;
    let wanted = wanted.max(records.bytes.len() / BYTES_PER_GROUP);
    let shards = wanted.div_ceil(SHARD_LEN);
    let groups = wanted.div_ceil(shards) * shards;
    let chunks: Vec<&[u32]> = records.places.chunks(CHUNK_LEN).collect();
    let hashed = parallel::map(threads, chunks.len(), |chunk| {
        let places = chunks.get(chunk).copied().unwrap_or_default();
        by_shard(records, places, seed, groups)
    });
    let written = parallel::map(threads, shards, |shard| {
        let keys = hashed.iter().filter_map(|chunk| chunk.get(shard));
        let keys: Vec<Hashed> = keys.flatten().copied().collect();
        write_shard(records, keys, shard_len(groups))
    });
    drop(hashed);
    let mut all = Written {
        groups: Vec::with_capacity(groups * GROUP_LEN),
        blocks: Vec::with_capacity(records.bytes.len() + records.places.len() * ALIGNMENT / 2),
    };
    for shard in written {
        let shard = shard?;
        let base = all.blocks.len() / ALIGNMENT;
        for (group, place) in shard.groups {
            all.groups.extend_from_slice(&group.tags);
            all.groups.extend_from_slice(&group.offsets);
            let place = small(base + place)?;
            let place = if group.passed { place | PASSED } else { place };
            all.groups.extend_from_slice(&place.to_le_bytes());
        }
        all.blocks.extend_from_slice(&shard.blocks);
        small(all.blocks.len())?;
    }
    Ok(all)
}

/// Hashes keys and hands them to their shards.
fn by_shard(records: &Records, places: &[u32], seed: u64, groups: usize) -> Vec<Vec<Hashed>> {
    let len = shard_len(groups);
    let mut shards = vec![Vec::new(); groups / len];
    for place in places {
        let hash = whole(&records.bytes, records.key_at(*place), seed);
        let group = home(hash, groups);
        if let Some(shard) = shards.get_mut(group / len) {
            shard.push(Hashed {
                group: u32::try_from(group % len).unwrap_or_default(),
                place: *place,
                tag: tag_of(hash),
            });
        }
    }
    shards
}

/// Groups of one shard, each with the place of its block from the shard's first.
struct Shard {
    groups: Vec<(Draft, usize)>,
    blocks: Vec<u8>,
}

/// A group that is being filled.
#[derive(Clone, Copy, Default)]
struct Draft {
    tags: [u8; SLOTS],
    /// Places among the records, of the slots that have a tag.
    places: [u32; SLOTS],
    offsets: [u8; SLOTS],
    /// How long its block is.
    len: usize,
    passed: bool,
}

impl Draft {
    /// Takes a key if there is room for it.
    fn take(&mut self, key: Hashed, len: usize) -> bool {
        let free = self.tags.iter().position(|tag| *tag == EMPTY);
        // Of a block that is too long, the end cannot be pointed at.
        let offset = u8::try_from(self.len / ALIGNMENT);
        let (Some(slot), Ok(offset)) = (free, offset) else {
            self.passed = true;
            return false;
        };
        let slots = self.tags.iter_mut().zip(&mut self.places);
        let mut slots = slots.zip(&mut self.offsets);
        if let Some(((tag, place), at)) = slots.nth(slot) {
            (*tag, *place, *at) = (key.tag, key.place, offset);
        }
        self.len += len;
        true
    }
}

fn write_shard(records: &Records, keys: Vec<Hashed>, len: usize) -> Result<Shard, BuildError> {
    let mut groups = vec![Draft::default(); len];
    for key in keys {
        let record = record_len(records, key.place);
        let home = key.group as usize;
        // A shard has room for half as many keys again as it has on average.
        let mut ring = (home..len).chain(0..home);
        let mut take = |at: usize| groups.get_mut(at).is_some_and(|it| it.take(key, record));
        ring.find(|at| take(*at)).ok_or(BuildError::TooBig)?;
    }
    let mut shard = Shard {
        groups: Vec::with_capacity(len),
        blocks: Vec::with_capacity(groups.iter().map(|group| group.len).sum()),
    };
    for group in groups {
        let start = shard.blocks.len() / ALIGNMENT;
        shard.groups.push((group, start));
        let slots = group.tags.iter().zip(group.places);
        for (_, place) in slots.filter(|(tag, _)| **tag != EMPTY) {
            let key = records.key_at(place);
            let record = records
                .bytes
                .get(key.start - 1..key.end + records.value_len);
            shard.blocks.extend_from_slice(record.unwrap_or_default());
            let padded = shard.blocks.len().next_multiple_of(ALIGNMENT);
            shard.blocks.resize(padded, 0);
        }
    }
    Ok(shard)
}

/// Returns how many bytes a record takes in a block.
fn record_len(records: &Records, place: u32) -> usize {
    let len = 1 + records.key_at(place).len() + records.value_len;
    len.next_multiple_of(ALIGNMENT)
}
