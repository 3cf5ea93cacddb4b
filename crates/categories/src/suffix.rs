//! The hashes of a host's suffixes, from the last label to the first, in one pass.
//!
//! The hash of `b.example` goes into that of `a.b.example`, so that each byte is read once,
//! whatever the labels are. Hashes can be forged, so the tables compare names in full; the seed
//! follows from the rules and keeps chance meetings as rare as they should be.

use std::ops::Range;

/// Bytes that are read at once.
const WORD_LEN: usize = 8;

/// Bytes of a label that are taken in at once.
const PART_LEN: usize = 2 * WORD_LEN;

/// Bits that no byte of a host has. A key with all of them differs from every part of a host, so
/// that no product is 0.
const HIGH: u64 = u64::from_le_bytes([0x80; WORD_LEN]);

/// What keeps the later parts of a long label apart from labels of their own.
const LATER: u64 = u64::from_le_bytes([0x2a; WORD_LEN]);

/// Numbers without a pattern, from the digits of pi: what makes a first hash and a key of a seed.
const SPREAD_HASH: u64 = 0x243f_6a88_85a3_08d3;
const SPREAD_KEY: u64 = 0x1319_8a2e_0370_7345;

/// The highest bytes of two words, by their number.
const KEPT: [[u64; 2]; PART_LEN + 1] = kept();

/// A name that a host is, or is below.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Suffix {
    /// Where it starts in the text.
    pub(crate) start: usize,
    pub(crate) hash: u64,
}

/// Walks the suffixes of a host in a text, shortest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suffixes<'a> {
    text: &'a [u8],
    host_start: usize,
    /// Where the next label ends; none behind the first.
    end: Option<usize>,
    hash: u64,
    key: u64,
}

impl<'a> Suffixes<'a> {
    /// Starts at the end of the host that is at `host` in the text.
    #[inline]
    pub(crate) fn new(text: &'a [u8], host: Range<usize>, seed: u64) -> Self {
        Self {
            text,
            host_start: host.start,
            end: Some(host.end),
            hash: spread(seed, SPREAD_HASH),
            key: spread(seed, SPREAD_KEY) | HIGH,
        }
    }

    /// Returns the bytes before `end`, the last one highest, with zeros for those before the text.
    #[inline]
    fn word(&self, end: usize) -> u64 {
        let start = end.saturating_sub(WORD_LEN);
        let missing = WORD_LEN - (end - start);
        let word = match self.text.get(start..).and_then(<[u8]>::first_chunk) {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => short_word(self.text, start),
        };
        let bits = u32::try_from(missing).unwrap_or_default() * u8::BITS;
        word.checked_shl(bits).unwrap_or_default()
    }

    /// Takes what stands before `end` up to a dot or the host's start into the hash, or so much of
    /// it as a part may have. Returns how many bytes that was.
    #[inline]
    fn mix(&mut self, end: usize, key: u64) -> usize {
        let high = self.word(end);
        let low = self.word(end.saturating_sub(WORD_LEN));
        let len = label_len([low, high]).min(end - self.host_start);
        let [low_kept, high_kept] = KEPT.get(len).copied().unwrap_or_default();
        let (low, high) = (low & low_kept, high & high_kept);
        let product = u128::from(low ^ self.hash) * u128::from(high ^ key);
        self.hash = fold(product);
        len
    }

    /// Takes in what is left of a label that ends at `end`. Returns its start.
    #[cold]
    fn mix_rest(&mut self, mut end: usize) -> usize {
        while end > self.host_start && self.text.get(end - 1) != Some(&b'.') {
            end -= self.mix(end, self.key ^ LATER);
        }
        end
    }
}

impl Iterator for Suffixes<'_> {
    type Item = Suffix;

    #[inline]
    fn next(&mut self) -> Option<Suffix> {
        let end = self.end?;
        let len = self.mix(end, self.key);
        let mut start = end - len;
        if len == PART_LEN {
            start = self.mix_rest(start);
        }
        // The dot before it.
        self.end = (start > self.host_start).then(|| start - 1);
        let hash = self.hash;
        Some(Suffix { start, hash })
    }
}

/// Returns the hash of a whole host.
#[inline]
pub(crate) fn whole(text: &[u8], host: Range<usize>, seed: u64) -> u64 {
    let last = Suffixes::new(text, host, seed).last();
    last.unwrap_or_default().hash
}

/// Returns the hash of a text that is a host.
pub(crate) fn hash(host: &[u8], seed: u64) -> u64 {
    whole(host, 0..host.len(), seed)
}

/// Returns which bytes are `byte`: for each the highest bit.
#[inline]
pub(crate) fn equal(word: u64, byte: u8) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x7f; WORD_LEN]);
    let differ = word ^ u64::from_le_bytes([byte; WORD_LEN]);
    // A sum never carries into the next byte.
    !(((differ & LOW) + LOW) | differ | LOW)
}

/// Returns how many of the highest bytes of two words are not behind a dot.
#[inline]
fn label_len([low, high]: [u64; 2]) -> usize {
    let (low, high) = (equal(low, b'.'), equal(high, b'.'));
    let bits = match high {
        0 => u64::BITS + low.leading_zeros(),
        _ => high.leading_zeros(),
    };
    (bits / u8::BITS) as usize
}

#[inline]
fn spread(seed: u64, by: u64) -> u64 {
    fold(u128::from(seed ^ by) * u128::from(by.rotate_left(32)))
}

#[inline]
fn fold(product: u128) -> u64 {
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
    half(product) ^ half(product >> u64::BITS)
}

/// Returns a word of a text that ends within it.
#[cold]
fn short_word(text: &[u8], start: usize) -> u64 {
    let bytes = text.get(start..).unwrap_or_default().iter().rev();
    bytes.fold(0, |word, byte| word << u8::BITS | u64::from(*byte))
}

const fn kept() -> [[u64; 2]; PART_LEN + 1] {
    let mut kept = [[0; 2]; PART_LEN + 1];
    let mut rest = kept.as_mut_slice();
    let mut bits: u128 = 0;
    while let Some((first, others)) = rest.split_first_mut() {
        let bytes = bits.to_le_bytes();
        let [low, high] = bytes.as_chunks::<WORD_LEN>().0 else {
            break;
        };
        *first = [u64::from_le_bytes(*low), u64::from_le_bytes(*high)];
        bits = bits >> u8::BITS | 0xff << (u128::BITS - u8::BITS);
        rest = others;
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SEED: u64 = 0x0123_4567_89ab_cdef;

    #[test]
    fn the_suffixes_are_those_of_the_host_and_hash_as_they_do_alone() {
        let long = "x".repeat(15);
        for host in [
            "example".to_owned(),
            "a.example".to_owned(),
            "www.a.b.c.example".to_owned(),
            "1.2.3.4".to_owned(),
            format!("{long}.{long}y.{long}yz.a.{long}{long}{long}.{long}{long}yz.{long}"),
            format!("a.{long}{long}yz"),
        ] {
            let mut expected: Vec<&str> = uri::suffixes(&host).collect();
            if host == "1.2.3.4" {
                expected.extend(["2.3.4", "3.4", "4"]);
            }
            expected.reverse();
            // Whatever stands around it.
            for (before, after) in [("", ""), ("http://", "/x.y"), ("....", "....")] {
                let text = format!("{before}{host}{after}");
                let range = before.len()..before.len() + host.len();
                let found = Suffixes::new(text.as_bytes(), range.clone(), SEED);
                let found: Vec<_> = found
                    .map(|suffix| (text.get(suffix.start..range.end).unwrap(), suffix.hash))
                    .collect();
                let expected = expected
                    .iter()
                    .map(|name| (*name, hash(name.as_bytes(), SEED)));
                assert_eq!(found, expected.collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn names_have_hashes_of_their_own() {
        let mut names = vec![String::new()];
        for _ in 0..3 {
            let longer = names.iter().flat_map(|name| {
                ["a", "b", "a.", "b.", "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbb."]
                    .map(|part| format!("{part}{name}"))
            });
            names = longer.collect();
        }
        let mut by_hash: BTreeMap<u64, &str> = BTreeMap::new();
        names.sort();
        names.dedup();
        for name in names.iter().filter(|name| !name.ends_with('.')) {
            let before = by_hash.insert(hash(name.as_bytes(), SEED), name);
            assert_eq!(before, None, "{name}");
        }
        let other = hash(b"a.example", SEED + 1);
        assert_ne!(hash(b"a.example", SEED), other, "the seed counts");
    }

    /// The bits that choose a group and those that are the tag are used alike by real names.
    #[test]
    fn hashes_of_published_names_are_spread_evenly() {
        let names = include_str!("../../../fixtures/categories/games/domains");
        let hashes = names.lines().map(|name| hash(name.as_bytes(), SEED));
        let (mut high, mut low, mut count) = ([0_u32; 64], [0_u32; 64], 0);
        for hash in hashes {
            high[(hash >> 58) as usize] += 1;
            low[(hash & 63) as usize] += 1;
            count += 1;
        }
        let expected = f64::from(count) / 64.0;
        for counts in [high, low] {
            let squares = counts.map(|it| (f64::from(it) - expected).powi(2) / expected);
            // Chi squared with 63 degrees of freedom passes 120 once in 100,000 times.
            let sum: f64 = squares.iter().sum();
            assert!(sum < 120.0, "{sum} of {count} names");
        }
    }

    #[test]
    fn texts_that_are_no_hosts_end() {
        for text in ["", ".", "..", ".a", "a.", "a..b"] {
            assert!(Suffixes::new(text.as_bytes(), 0..text.len(), SEED).count() <= text.len() + 1);
        }
    }
}
