//! What is known here of the store, bounded: who has a range, or that nobody does. Read without a
//! lock.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapAny;
use ipnet::IpNet;
use sessions::Record;
use triomphe::ThinArc;
use xxhash_rust::xxh3::xxh3_64;

/// Answers in one bucket at most; the oldest makes room for one more.
pub(super) const BUCKET_MAX: usize = 16;

/// What is known, by range.
#[derive(Debug)]
pub(super) struct Known {
    buckets: Box<[Bucket]>,
    len: AtomicUsize,
}

#[derive(Debug)]
struct Bucket {
    /// Oldest first. Replaced as a whole.
    entries: ArcSwapAny<Option<ThinArc<(), Entry>>>,
    /// Whoever changes them takes it for a few lines.
    turn: Mutex<()>,
    /// How often something was forgotten.
    forgotten: AtomicU64,
}

/// An answer of the store.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) range: IpNet,
    /// Who has the range.
    pub(super) record: Option<Arc<Record>>,
    /// The number of the connection over which it was got, and when, in seconds since the start.
    pub(super) asked: (u32, u32),
}

/// What was known when a question was asked: its answer is old if more was forgotten since.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Before(u64);

impl Known {
    pub(super) fn new(entries_max: usize) -> Self {
        let count = (entries_max / BUCKET_MAX).max(1);
        let bucket = || Bucket {
            entries: ArcSwapAny::new(None),
            turn: Mutex::new(()),
            forgotten: AtomicU64::new(0),
        };
        Self {
            buckets: (0..count).map(|_| bucket()).collect(),
            len: AtomicUsize::new(0),
        }
    }

    /// Returns how many answers are kept.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Returns the answer about a range, as `read` reads it, without a lock.
    pub(super) fn get<T>(&self, range: &IpNet, read: impl FnOnce(&Entry) -> T) -> Option<T> {
        let entries = self.bucket(range)?.entries.load();
        let mut entries = entries.as_ref()?.slice.iter();
        entries.find(|it| it.range == *range).map(read)
    }

    /// Returns what a question about a range has to be asked after.
    pub(super) fn before(&self, range: &IpNet) -> Before {
        let bucket = self.bucket(range);
        Before(bucket.map_or(0, |it| it.forgotten.load(Ordering::Acquire)))
    }

    /// Keeps an answer, unless something changed since it was asked for.
    pub(super) fn put(&self, entry: Entry, before: Before) {
        self.replace(&entry.range.clone(), |bucket, entries| {
            if bucket.forgotten.load(Ordering::Acquire) == before.0 {
                entries.push(entry);
            }
        });
    }

    /// Forgets what is known of a range.
    pub(super) fn forget(&self, range: &IpNet) {
        self.replace(range, |bucket, _| {
            bucket.forgotten.fetch_add(1, Ordering::AcqRel);
        });
    }

    /// Changes the bucket of a range, after the entry of the range was taken out.
    fn replace(&self, range: &IpNet, change: impl FnOnce(&Bucket, &mut Vec<Entry>)) {
        let Some(bucket) = self.bucket(range) else {
            return;
        };
        let _turn = bucket.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let old = bucket.entries.load();
        let old = old.as_ref().map_or(&[][..], |entries| &entries.slice);
        let mut entries: Vec<Entry> = Vec::with_capacity(BUCKET_MAX + 1);
        entries.extend(old.iter().filter(|it| it.range != *range).cloned());
        change(bucket, &mut entries);
        let is_put = entries.last().is_some_and(|it| it.range == *range);
        if !is_put && entries.len() == old.len() {
            return;
        }
        if entries.len() > BUCKET_MAX {
            entries.remove(0);
        }
        if entries.len() >= old.len() {
            self.len
                .fetch_add(entries.len() - old.len(), Ordering::Relaxed);
        } else {
            self.len
                .fetch_sub(old.len() - entries.len(), Ordering::Relaxed);
        }
        let entries =
            (!entries.is_empty()).then(|| ThinArc::from_header_and_iter((), entries.into_iter()));
        bucket.entries.store(entries);
    }

    fn bucket(&self, range: &IpNet) -> Option<&Bucket> {
        let count = u128::try_from(self.buckets.len()).ok()?;
        let place = (u128::from(hash(range)) * count) >> u64::BITS;
        self.buckets.get(usize::try_from(place).ok()?)
    }
}

fn hash(range: &IpNet) -> u64 {
    match range {
        IpNet::V4(range) => {
            let [a, b, c, d] = range.addr().octets();
            xxh3_64(&[a, b, c, d, range.prefix_len()])
        }
        IpNet::V6(range) => {
            let mut bytes = [0; 17];
            let (address, length) = bytes.split_at_mut(16);
            address.copy_from_slice(&range.addr().octets());
            length.fill(range.prefix_len());
            xxh3_64(&bytes)
        }
    }
}

/// Returns the range of a length that holds an address.
pub(super) fn range_of(client: IpAddr, length: u8) -> Option<IpNet> {
    let range = IpNet::new(client, length).ok()?;
    Some(range.trunc())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use ipnet::Ipv4Net;

    use super::*;

    fn range(n: u32) -> IpNet {
        IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(n), 32).unwrap())
    }

    fn entry(n: u32) -> Entry {
        Entry {
            range: range(n),
            record: None,
            asked: (1, 0),
        }
    }

    #[test]
    fn answers_are_kept_within_the_bound() {
        let known = Known::new(1_000);
        for n in 0..10_000 {
            known.put(entry(n), known.before(&range(n)));
            assert!(known.get(&range(n), |_| ()).is_some(), "the newest is kept");
            assert!(known.len() <= 1_000);
        }
        assert!(known.len() >= 900, "{}", known.len());
        for n in 0..10_000 {
            known.forget(&range(n));
        }
        assert_eq!(known.len(), 0);
    }

    #[test]
    fn an_answer_from_before_a_change_is_not_kept() {
        let known = Known::new(16);
        let before = known.before(&range(1));
        known.forget(&range(1));
        known.put(entry(1), before);
        assert!(known.get(&range(1), |_| ()).is_none());
        known.put(entry(1), known.before(&range(1)));
        assert!(known.get(&range(1), |_| ()).is_some());
    }

    #[test]
    fn addresses_are_masked_at_every_length() {
        let client: IpAddr = "2001:db8::99".parse().unwrap();
        for (length, expected) in [
            (0, "::/0"),
            (64, "2001:db8::/64"),
            (128, "2001:db8::99/128"),
        ] {
            assert_eq!(range_of(client, length), Some(expected.parse().unwrap()));
        }
        assert_eq!(range_of(client, 129), None);
        let client: IpAddr = "10.1.2.3".parse().unwrap();
        for (length, expected) in [(0, "0.0.0.0/0"), (8, "10.0.0.0/8"), (32, "10.1.2.3/32")] {
            assert_eq!(range_of(client, length), Some(expected.parse().unwrap()));
        }
        assert_eq!(range_of(client, 33), None);
    }
}
