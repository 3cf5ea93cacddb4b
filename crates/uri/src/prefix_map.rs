use std::collections::HashMap;
use std::ops::Range;

use crate::{NormalUri, Prefix};

/// Values by URI prefix, found by the longest prefix of a URI.
///
/// Look-up takes one step to the entries of an origin, whatever the number of entries, then a
/// binary search among those and a walk over nested prefixes.
#[derive(Clone, Debug)]
pub struct PrefixMap<V> {
    /// In byte order of the prefixes.
    entries: Vec<Nested<V>>,
    /// Where the entries are that start with each `scheme://authority/`: one after the other.
    origins: HashMap<Box<str>, Range<usize>>,
    /// The other entries, which end in the authority or at its end, in their order.
    short: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Nested<V> {
    prefix: Prefix,
    value: V,
    /// The entry with the longest prefix of this prefix.
    parent: Option<usize>,
}

impl<V> PrefixMap<V> {
    /// Builds the map. Of equal prefixes the first is kept.
    #[must_use]
    pub fn new(mut entries: Vec<(Prefix, V)>) -> Self {
        entries.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        entries.dedup_by(|(later, _), (first, _)| later.as_str() == first.as_str());
        let mut map = Self::default();
        for (prefix, value) in entries {
            let index = map.entries.len();
            match origin(prefix.as_str()) {
                Some(origin) => match map.origins.get_mut(origin) {
                    Some(range) => range.end = index + 1,
                    None => {
                        map.origins.insert(origin.into(), index..index + 1);
                    }
                },
                None => map.short.push(index),
            }
            let parent = map.covering(index.checked_sub(1), prefix.as_str());
            map.entries.push(Nested {
                prefix,
                value,
                parent,
            });
        }
        map
    }

    /// Returns the matching prefixes of `uri`, longest first.
    pub fn matches<'a>(&'a self, uri: &NormalUri) -> impl Iterator<Item = (&'a Prefix, &'a V)> {
        let longest = self.longest(uri.as_str());
        std::iter::successors(self.at(longest), |nested| self.at(nested.parent))
            .map(|nested| (&nested.prefix, &nested.value))
    }

    /// Returns the entry equal to `prefix` and those that it is nested in, longest first.
    pub fn nesting(&self, prefix: &Prefix) -> impl Iterator<Item = (&Prefix, &V)> {
        let longest = self.longest(prefix.as_str());
        std::iter::successors(self.at(longest), |nested| self.at(nested.parent))
            .map(|nested| (&nested.prefix, &nested.value))
    }

    /// Returns whether an entry starts with `text` and is longer than it.
    #[must_use]
    pub fn has_below(&self, text: &str) -> bool {
        let among = match origin(text) {
            Some(origin) => match self.origins.get(origin) {
                Some(range) => range.clone(),
                None => return false,
            },
            None => 0..self.entries.len(),
        };
        // What starts with a text follows it at once.
        self.at(Some(self.first_after(text, among)))
            .is_some_and(|next| next.prefix.as_str().starts_with(text))
    }

    /// Returns the entries in byte order of their prefixes.
    pub fn iter(&self) -> impl Iterator<Item = (&Prefix, &V)> {
        self.entries.iter().map(|e| (&e.prefix, &e.value))
    }

    /// Returns whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the entry with the longest prefix of `text`, a URI or an entry.
    fn longest(&self, text: &str) -> Option<usize> {
        let last = match origin(text).and_then(|origin| self.origins.get(origin)) {
            Some(range) => self.first_after(text, range.clone()).checked_sub(1),
            // A parent of a short entry is a short entry.
            None => {
                let after = self.short.partition_point(|&index| {
                    self.at(Some(index))
                        .is_some_and(|e| e.prefix.as_str() <= text)
                });
                self.short.get(after.checked_sub(1)?).copied()
            }
        };
        self.covering(last, text)
    }

    /// Returns the first entry after `text` in byte order. All entries before those of `among` are
    /// before `text`, and all entries after them after it.
    fn first_after(&self, text: &str, among: Range<usize>) -> usize {
        let start = among.start;
        let entries = self.entries.get(among).unwrap_or_default();
        start + entries.partition_point(|e| e.prefix.as_str() <= text)
    }

    /// Returns the entry with the longest prefix of `text`: `last`, the last one not after `text`
    /// in byte order, or one that `last` is nested in.
    fn covering(&self, last: Option<usize>, text: &str) -> Option<usize> {
        let mut index = last;
        while let Some(nested) = self.at(index) {
            if text.starts_with(nested.prefix.as_str()) {
                break;
            }
            index = nested.parent;
        }
        index
    }

    fn at(&self, index: Option<usize>) -> Option<&Nested<V>> {
        self.entries.get(index?)
    }
}

impl<V> Default for PrefixMap<V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            origins: HashMap::new(),
            short: Vec::new(),
        }
    }
}

/// Returns the `scheme://authority/` that a text in normal form starts with.
fn origin(text: &str) -> Option<&str> {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))?;
    let authority_len = rest.bytes().position(|b| b == b'/')?;
    text.get(..text.len() - rest.len() + authority_len + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn longest_first() {
        let map = map(&[
            "http://a.example/",
            "http://a.example/b",
            "http://a.example/b/c",
        ]);
        check(&map, "http://a.example/b/d", &[1, 0]);
        check(&map, "http://a.example/b/c/d", &[2, 1, 0]);
        check(&map, "http://a.example/a", &[0]);
        check(&map, "https://a.example/a", &[]);
    }

    #[test]
    fn a_sibling_in_between_hides_nothing() {
        // The predecessor of `/a/c` is `/a/b`, which does not match; its parent does.
        let map = map(&["http://red.example/a", "http://red.example/a/b"]);
        check(&map, "http://red.example/a/c", &[0]);
    }

    #[test]
    fn of_equal_prefixes_the_first_is_kept() {
        let map = map(&["http://a.example/", "HTTP://A.example/"]);
        check(&map, "http://a.example/", &[0]);
        assert_eq!(map.iter().count(), 1);
    }

    #[test]
    fn below_is_longer_than() {
        let map = map(&["http://a.example/b"]);
        assert!(map.has_below("http://a.example/"));
        assert!(!map.has_below("http://a.example/b"));
        assert!(!map.has_below("http://a.example/c"));
    }

    fn map(prefixes: &[&str]) -> PrefixMap<usize> {
        let entries = prefixes.iter().enumerate();
        PrefixMap::new(
            entries
                .map(|(i, p)| (Prefix::parse(p).unwrap(), i))
                .collect(),
        )
    }

    #[track_caller]
    fn check(map: &PrefixMap<usize>, uri: &str, expected: &[usize]) {
        let uri = NormalUri::parse(uri.as_bytes()).unwrap();
        let found: Vec<usize> = map.matches(&uri).map(|(_, v)| *v).collect();
        assert_eq!(found, expected, "{uri}");
    }

    proptest! {
        #[test]
        fn agrees_with_a_linear_search(
            prefixes in proptest::collection::vec("http://[ab]{1,2}(/[ab/]{0,5})?", 0..20),
            uris in proptest::collection::vec("http://[ab]{1,2}/[ab/]{0,6}", 1..20),
        ) {
            let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
            let map = map(&prefixes);
            let all: Vec<(&Prefix, usize)> = map.iter().map(|(p, v)| (p, *v)).collect();
            for uri in uris {
                let uri = NormalUri::parse(uri.as_bytes()).unwrap();
                let mut expected: Vec<_> = all
                    .iter()
                    .filter(|(p, _)| uri.as_str().starts_with(p.as_str()))
                    .collect();
                expected.sort_by_key(|(p, _)| std::cmp::Reverse(p.as_str().len()));
                let expected: Vec<usize> = expected.iter().map(|(_, v)| *v).collect();
                let found: Vec<usize> = map.matches(&uri).map(|(_, v)| *v).collect();
                prop_assert_eq!(found, expected);
                for end in 0..=uri.as_str().len() {
                    let text = uri.as_str().get(..end).unwrap();
                    let below = all
                        .iter()
                        .any(|(p, _)| p.as_str().len() > end && p.as_str().starts_with(text));
                    prop_assert_eq!(map.has_below(text), below);
                }
            }
        }
    }
}
