//! A map from ranges to sessions that is read without a lock and written by one at a time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::facts::{FactWords, Facts};
use super::line::Line;
use super::slots::{Entry, Key, Seen, Slots, TAG_BITS};

/// Lengths of prefixes of IPv4, and of IPv6, that sessions may have at a time: each is one more
/// look-up for every request.
pub const LENGTHS_MAX: usize = 8;

/// Sessions of a shard when the table is full, on average.
const SHARD_LOAD: usize = 8;

/// Slots of a small table.
const SLOTS_MIN: usize = 64;

/// No length, where a length is one byte.
const NO_LENGTH: u8 = u8::MAX;

/// All ranges of sessions. A shard is what tags that begin alike have.
#[derive(Debug)]
pub(super) struct Shards {
    /// A row is used when those before it are full: the first has room for a range of every
    /// session, all together have it for as many as a session may have.
    rows: [OnceLock<Slots>; 3],
    row_len: usize,
    count: usize,
    /// What is left of a tag is the place of its shard.
    shift: u32,
    /// Counts the ranges that went from one slot to another.
    moves: AtomicU64,
    /// What a writer puts in place of something else, before it does.
    draft: Line,
    ipv4: Lengths,
    ipv6: Lengths,
}

/// The lengths of prefixes in use, longest first: a byte each.
#[derive(Debug)]
struct Lengths(AtomicU64);

impl Shards {
    pub(super) fn new(sessions_max: usize) -> Self {
        let count = (sessions_max / SHARD_LOAD).next_power_of_two().max(2);
        Self {
            rows: Default::default(),
            // Lines are large, but half of those who are looked for are at home in a row so empty.
            row_len: (sessions_max / 10 * 19).max(SLOTS_MIN),
            count,
            shift: TAG_BITS - count.trailing_zeros(),
            moves: AtomicU64::new(0),
            draft: Line::new(),
            ipv4: Lengths::default(),
            ipv6: Lengths::default(),
        }
    }

    /// Returns what is made of the session of the longest range that holds `client` and of whose
    /// session something is made.
    #[inline]
    pub(super) fn lookup<T>(&self, client: IpAddr, make: impl Fn(Facts) -> Option<T>) -> Option<T> {
        let client = client.to_canonical();
        let lengths = match client {
            IpAddr::V4(_) => &self.ipv4,
            IpAddr::V6(_) => &self.ipv6,
        };
        // A loop, since what iterators hand on is copied.
        for length in lengths.all() {
            if let Some(words) = self.find(key(client, length))
                && let Some(made) = make(Facts::of_words(words))
            {
                return Some(made);
            }
        }
        None
    }

    /// Returns the session of exactly this range, whether or not it is open.
    pub(super) fn get(&self, range: &IpNet) -> Option<Facts> {
        self.find(Key::of(range)).map(Facts::of_words)
    }

    /// Does not wait for a writer: it looks again only after one has finished a step.
    #[inline]
    fn find(&self, key: Key) -> Option<FactWords> {
        'again: loop {
            let moves = self.moves.load(Ordering::Acquire);
            let rows = self.rows.iter().map_while(OnceLock::get);
            for row in rows {
                match row.find(key, &self.draft) {
                    Seen::Session(facts) => return Some(facts),
                    Seen::Changed => continue 'again,
                    Seen::Nothing => {}
                }
            }
            if self.moves.load(Ordering::Acquire) == moves {
                return None;
            }
        }
    }

    /// Makes sessions with ranges of this length known to readers; tells whether they can be.
    pub(super) fn admit(&self, range: &IpNet) -> bool {
        match range {
            IpNet::V4(range) => self.ipv4.admit(range.prefix_len()),
            IpNet::V6(range) => self.ipv6.admit(range.prefix_len()),
        }
    }

    /// Puts a session at a range, in place of any other.
    pub(super) fn put(&self, range: &IpNet, facts: &Facts) {
        let key = Key::of(range);
        let mut rows = self.rows.iter().map_while(OnceLock::get);
        if rows.any(|row| row.replace(key, facts, &self.draft)) {
            return;
        }
        let lens = [self.row_len, self.row_len, self.row_len * 2];
        let rows = self.rows.iter().zip(lens);
        let mut rows = rows.map(|(row, len)| row.get_or_init(|| Slots::new(len)));
        let row = rows.find(|row| row.has_room());
        debug_assert!(row.is_some(), "the rows have room for all ranges");
        if let Some(row) = row {
            row.insert(key, facts);
        }
    }

    pub(super) fn remove(&self, range: &IpNet) {
        for row in self.rows.iter().map_while(OnceLock::get) {
            row.remove(Key::of(range), &self.moves);
        }
    }

    /// Returns the entries of the shard at `place`, in the order of their tags. A higher place has higher tags. Only for whoever has the writer's turn.
    pub(super) fn entries(&self, place: usize) -> Vec<Entry> {
        debug_assert!(place < self.count);
        let first = u64::try_from(place).unwrap_or_default() << self.shift;
        let last = first + ((1 << self.shift) - 1);
        let mut entries = Vec::new();
        for row in self.rows.iter().map_while(OnceLock::get) {
            row.collect(first, last, &mut entries);
        }
        entries.sort_by_key(|it| it.tag);
        entries
    }

    /// Returns whether the first of a session's ranges has this tag: each session has one first.
    pub(super) fn is_first(ranges: &[IpNet], of: u64) -> bool {
        ranges
            .first()
            .is_some_and(|range| Key::of(range).tag() == of)
    }

    /// Returns how many shards there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Returns the place of the shard of a range.
    pub(super) fn place(&self, range: &IpNet) -> usize {
        self.place_of(Key::of(range).tag())
    }

    /// Returns the place of the shard of a tag.
    pub(super) fn place_of(&self, tag: u64) -> usize {
        usize::try_from(tag >> self.shift).unwrap_or_default()
    }
}

impl Lengths {
    #[inline]
    fn all(&self) -> impl Iterator<Item = u8> {
        let lengths = self.0.load(Ordering::Acquire).to_le_bytes();
        lengths.into_iter().take_while(|it| *it != NO_LENGTH)
    }

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

/// Returns what the range of this length that holds `client` is found by.
#[inline]
fn key(client: IpAddr, length: u8) -> Key {
    match client {
        IpAddr::V4(client) => Key::ipv4(Ipv4Net::new_assert(masked_ipv4(client, length), length)),
        IpAddr::V6(client) => Key::ipv6(Ipv6Net::new_assert(masked_ipv6(client, length), length)),
    }
}

#[inline]
fn masked_ipv4(address: Ipv4Addr, length: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32 - u32::from(length));
    Ipv4Addr::from_bits(address.to_bits() & mask.unwrap_or_default())
}

fn masked_ipv6(address: Ipv6Addr, length: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - u32::from(length));
    Ipv6Addr::from_bits(address.to_bits() & mask.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::super::slots::tests::{facts, key_at};
    use super::*;

    const TURNS: usize = 100_000;

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

    #[test]
    fn what_moves_is_always_found() {
        let shards = Shards::new(2);
        let row = shards.rows[0].get_or_init(|| Slots::new(8));
        let keys = [0, 1, 2, 3, 4].map(|nth| key_at(8, 6, nth));
        let sessions = [0, 1, 2, 3, 4].map(facts);
        for (key, session) in keys.iter().zip(&sessions) {
            row.insert(*key, session);
        }
        // In each turn one of them goes to the end, and the others move.
        let turn = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut seen = 0;
                while turn.load(Ordering::Acquire) < TURNS {
                    for (nth, key) in keys.iter().enumerate() {
                        let before = turn.load(Ordering::Acquire);
                        let found = shards.find(*key);
                        let is_own = found.map(|it| Facts::of_words(it) == sessions[nth]);
                        assert_ne!(is_own, Some(false), "the session of another");
                        if before % keys.len() != nth && before == turn.load(Ordering::Acquire) {
                            assert_eq!(is_own, Some(true), "key {nth} in turn {before}");
                            seen += 1;
                        }
                    }
                }
                seen
            });
            while turn.load(Ordering::Relaxed) < TURNS && !reader.is_finished() {
                let nth = turn.load(Ordering::Relaxed) % keys.len();
                row.remove(keys[nth], &shards.moves);
                row.insert(keys[nth], &sessions[nth]);
                turn.fetch_add(1, Ordering::AcqRel);
            }
            assert!(reader.join().unwrap() > 0);
        });
        assert!(shards.moves.into_inner() > 0);
    }
}
