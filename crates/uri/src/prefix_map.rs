use crate::{NormalUri, Prefix};

/// Values by URI prefix, found by the longest prefix of a URI.
///
/// Look-up is a binary search and a walk over nested prefixes, whatever the number of entries.
#[derive(Clone, Debug)]
pub struct PrefixMap<V> {
    /// In byte order of the prefixes.
    entries: Vec<Nested<V>>,
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
        let mut nested: Vec<Nested<V>> = Vec::with_capacity(entries.len());
        for (prefix, value) in entries {
            let parent = covering(&nested, nested.len().checked_sub(1), prefix.as_str());
            nested.push(Nested {
                prefix,
                value,
                parent,
            });
        }
        Self { entries: nested }
    }

    /// Returns the matching prefixes of `uri`, longest first.
    pub fn matches<'a>(&'a self, uri: &NormalUri) -> impl Iterator<Item = (&'a Prefix, &'a V)> {
        let after = self.first_after(uri.as_str());
        let longest = covering(&self.entries, after.checked_sub(1), uri.as_str());
        std::iter::successors(self.at(longest), |nested| self.at(nested.parent))
            .map(|nested| (&nested.prefix, &nested.value))
    }

    /// Returns whether an entry starts with `text` and is longer than it.
    #[must_use]
    pub fn has_below(&self, text: &str) -> bool {
        // What starts with a text follows it at once.
        self.at(Some(self.first_after(text)))
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

    fn first_after(&self, text: &str) -> usize {
        self.entries.partition_point(|e| e.prefix.as_str() <= text)
    }

    fn at(&self, index: Option<usize>) -> Option<&Nested<V>> {
        self.entries.get(index?)
    }
}

impl<V> Default for PrefixMap<V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}

/// Returns the entry with the longest prefix of `text`: `last`, the last one not after `text` in
/// byte order, or one that `last` is nested in.
fn covering<V>(entries: &[Nested<V>], last: Option<usize>, text: &str) -> Option<usize> {
    let mut index = last;
    while let Some(nested) = entries.get(index?) {
        if text.starts_with(nested.prefix.as_str()) {
            break;
        }
        index = nested.parent;
    }
    index
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
