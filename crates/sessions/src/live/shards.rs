//! A map from ranges to records that is read without a lock and written by one at a time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapAny;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use triomphe::ThinArc;

use super::record::Record;
use crate::SessionKey;

/// Lengths of prefixes of IPv4, and of IPv6, that sessions may have at a time: each is one more
/// look-up for every request.
pub const LENGTHS_MAX: usize = 8;

/// Sessions of a shard when the table is full, on average.
const SHARD_LOAD: usize = 8;

/// No length, where a length is one byte.
const NO_LENGTH: u8 = u8::MAX;

#[derive(Debug)]
pub(super) struct Shards {
    shards: Box<[Shard]>,
    /// What is left of a hash is the place of its shard.
    shift: u32,
    ipv4: Lengths,
    ipv6: Lengths,
}

/// Replaced as a whole by a writer; a reader has the old one or the new one.
type Shard = ArcSwapAny<Option<ThinArc<(), Entry>>>;

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) hash: u64,
    pub(super) record: Arc<Record>,
}

/// The lengths of prefixes in use, longest first: a byte each.
#[derive(Debug)]
struct Lengths(AtomicU64);

impl Shards {
    pub(super) fn new(sessions_max: usize) -> Self {
        let count = (sessions_max / SHARD_LOAD).next_power_of_two().max(2);
        Self {
            shards: (0..count).map(|_| Shard::new(None)).collect(),
            shift: u64::BITS - count.trailing_zeros(),
            ipv4: Lengths::default(),
            ipv6: Lengths::default(),
        }
    }

    /// Returns the open session of the longest range that holds `client`.
    pub(super) fn lookup(&self, client: IpAddr) -> Option<Arc<Record>> {
        match client.to_canonical() {
            IpAddr::V4(client) => self.longest(&self.ipv4, |length| {
                IpNet::V4(Ipv4Net::new_assert(masked_ipv4(client, length), length))
            }),
            IpAddr::V6(client) => self.longest(&self.ipv6, |length| {
                IpNet::V6(Ipv6Net::new_assert(masked_ipv6(client, length), length))
            }),
        }
    }

    fn longest(&self, lengths: &Lengths, range: impl Fn(u8) -> IpNet) -> Option<Arc<Record>> {
        let lengths = lengths.0.load(Ordering::Acquire).to_le_bytes();
        let lengths = lengths.into_iter().take_while(|it| *it != NO_LENGTH);
        lengths
            .filter_map(|length| self.get(&range(length)))
            .find(|record| record.is_open())
    }

    /// Returns the session of exactly this range, whether or not it is open.
    pub(super) fn get(&self, range: &IpNet) -> Option<Arc<Record>> {
        let hash = hash(range);
        let entries = self.shard(hash)?.load();
        let mut entries = entries.as_ref()?.slice.iter();
        let entry = entries.find(|it| it.is_at(hash, range))?;
        Some(Arc::clone(&entry.record))
    }

    /// Makes sessions with ranges of this length known to readers; tells whether they can be.
    pub(super) fn admit(&self, range: &IpNet) -> bool {
        match range {
            IpNet::V4(range) => self.ipv4.admit(range.prefix_len()),
            IpNet::V6(range) => self.ipv6.admit(range.prefix_len()),
        }
    }

    /// Puts a session at a range, in place of any other.
    pub(super) fn put(&self, range: &IpNet, record: &Arc<Record>) {
        let hash = hash(range);
        let entry = Entry {
            hash,
            record: Arc::clone(record),
        };
        self.replace(hash, range, Some(entry));
    }

    pub(super) fn remove(&self, range: &IpNet) {
        self.replace(hash(range), range, None);
    }

    /// Returns the entries of the shard at `place`, in the order of their hashes; none where there
    /// is no shard. A higher place has higher hashes.
    pub(super) fn entries(&self, place: usize) -> Option<Vec<Entry>> {
        let entries = self.shards.get(place)?.load();
        let entries = entries.as_ref();
        Some(entries.map_or_else(Vec::new, |entries| entries.slice.to_vec()))
    }

    /// Returns what names a session for as long as the table lives, and no other one.
    pub(super) fn key(&self, record: &Record) -> SessionKey {
        let place = record.ranges().first().map_or(0, |range| self.place(range));
        let place = u64::try_from(place).unwrap_or_default();
        SessionKey(place << u32::BITS | u64::from(record.serial))
    }

    /// Returns the session with a key, if it is open.
    pub(super) fn keyed(&self, key: SessionKey) -> Option<Arc<Record>> {
        let entries = self.entries(usize::try_from(key.0 >> u32::BITS).ok()?)?;
        let mut records = entries.into_iter().map(|entry| entry.record);
        records.find(|record| record.is_open() && self.key(record) == key)
    }

    /// Returns whether the first range of a session has this hash: each session has one first.
    pub(super) fn is_first(&self, record: &Record, of: u64) -> bool {
        record
            .ranges()
            .first()
            .is_some_and(|range| hash(range) == of)
    }

    /// Returns how many shards there are.
    pub(super) fn count(&self) -> usize {
        self.shards.len()
    }

    /// Returns the place of the shard of a range.
    pub(super) fn place(&self, range: &IpNet) -> usize {
        self.place_of(hash(range))
    }

    /// Returns the place of the shard of a hash.
    pub(super) fn place_of(&self, hash: u64) -> usize {
        usize::try_from(hash >> self.shift).unwrap_or_default()
    }

    fn shard(&self, hash: u64) -> Option<&Shard> {
        self.shards.get(self.place_of(hash))
    }

    fn replace(&self, hash: u64, range: &IpNet, entry: Option<Entry>) {
        let Some(shard) = self.shard(hash) else {
            return;
        };
        let old = shard.load();
        let old = old.as_ref().map_or(&[][..], |entries| &entries.slice);
        let stay = old.iter().filter(|it| !it.is_at(hash, range)).cloned();
        let mut entries: Vec<Entry> = stay.chain(entry).collect();
        entries.sort_by_key(|it| it.hash);
        let entries =
            (!entries.is_empty()).then(|| ThinArc::from_header_and_iter((), entries.into_iter()));
        shard.store(entries);
    }
}

impl Entry {
    fn is_at(&self, hash: u64, range: &IpNet) -> bool {
        self.hash == hash && self.record.ranges().contains(range)
    }
}

impl Lengths {
    fn admit(&self, length: u8) -> bool {
        let mut lengths = self.0.load(Ordering::Acquire).to_le_bytes();
        if lengths.contains(&length) {
            return true;
        }
        let Some(free) = lengths.iter_mut().find(|it| **it == NO_LENGTH) else {
            return false;
        };
        *free = length;
        // Longest first, and what is none at the end.
        lengths.sort_by_key(|it| std::cmp::Reverse(it.wrapping_add(1)));
        self.0.store(u64::from_le_bytes(lengths), Ordering::Release);
        true
    }
}

impl Default for Lengths {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

fn masked_ipv4(address: Ipv4Addr, length: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32 - u32::from(length));
    Ipv4Addr::from_bits(address.to_bits() & mask.unwrap_or_default())
}

fn masked_ipv6(address: Ipv6Addr, length: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - u32::from(length));
    Ipv6Addr::from_bits(address.to_bits() & mask.unwrap_or_default())
}

/// Spreads ranges evenly, neighbours too. Networks assign them, so nobody picks them to collide.
fn hash(range: &IpNet) -> u64 {
    let (bits, length) = match range {
        IpNet::V4(range) => (u128::from(range.addr().to_bits()), range.prefix_len()),
        IpNet::V6(range) => (range.addr().to_bits(), range.prefix_len() | 0x80),
    };
    let (low, high) = halves(bits);
    let first = multiply(low ^ 0x9E37_79B9_7F4A_7C15, high ^ 0xD1B5_4A32_D192_ED03);
    multiply(first ^ u64::from(length), 0xA24B_AED4_963E_E407)
}

fn multiply(left: u64, right: u64) -> u64 {
    let (low, high) = halves(u128::from(left) * u128::from(right));
    low ^ high
}

fn halves(bits: u128) -> (u64, u64) {
    let [a, b, c, d, e, f, g, h, high @ ..] = bits.to_le_bytes();
    let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    (low, u64::from_le_bytes(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_longest_first_and_bounded() {
        let lengths = Lengths::default();
        for length in [64, 128, 0, 56, 64, 48, 60, 32, 40] {
            assert!(lengths.admit(length), "{length}");
        }
        assert!(!lengths.admit(41));
        assert!(lengths.admit(64), "one of them");
        let bytes = lengths.0.load(Ordering::Acquire).to_le_bytes();
        assert_eq!(bytes, [128, 64, 60, 56, 48, 40, 32, 0]);
        let lengths = Lengths::default();
        lengths.admit(24);
        lengths.admit(32);
        let bytes = lengths.0.load(Ordering::Acquire).to_le_bytes();
        assert_eq!(bytes, [32, 24, 255, 255, 255, 255, 255, 255]);
    }

    #[test]
    fn addresses_are_masked_at_every_length() {
        let address = Ipv4Addr::new(10, 255, 255, 255);
        assert_eq!(masked_ipv4(address, 0), Ipv4Addr::UNSPECIFIED);
        assert_eq!(masked_ipv4(address, 8), Ipv4Addr::new(10, 0, 0, 0));
        assert_eq!(masked_ipv4(address, 32), address);
        assert_eq!(masked_ipv6(Ipv6Addr::LOCALHOST, 0), Ipv6Addr::UNSPECIFIED);
        assert_eq!(masked_ipv6(Ipv6Addr::LOCALHOST, 128), Ipv6Addr::LOCALHOST);
    }

    #[test]
    fn neighbours_are_spread() {
        let shards = Shards::new(1 << 16);
        let mut loads = vec![0; shards.count()];
        for n in 0..1_u32 << 16 {
            let range = Ipv4Net::new_assert(Ipv4Addr::from_bits(0x0A00_0000 | n), 32);
            loads[shards.place(&range.into())] += 1;
        }
        let most = loads.into_iter().max();
        assert!(most <= Some(4 * SHARD_LOAD), "{most:?}");
    }
}
