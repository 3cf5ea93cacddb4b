use std::collections::HashMap;

use crate::{Domain, suffixes};

/// Values by domain, found by the domain with most labels that covers a host.
#[derive(Clone, Debug)]
pub struct DomainMap<V> {
    /// In byte order of the domains.
    entries: Vec<(Domain, V)>,
    /// Where each domain is in `entries`.
    places: HashMap<Box<str>, usize>,
}

impl<V> DomainMap<V> {
    /// Builds the map. Of equal domains the first is kept.
    #[must_use]
    pub fn new(mut entries: Vec<(Domain, V)>) -> Self {
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        entries.dedup_by(|(later, _), (first, _)| later == first);
        let names = entries.iter().map(|(domain, _)| domain.as_str().into());
        let places = names.zip(0..).collect();
        Self { entries, places }
    }

    /// Returns the domain with most labels that is `host` or a parent of it. An IP address has
    /// no parents.
    #[must_use]
    pub fn longest(&self, host: &str) -> Option<(&Domain, &V)> {
        self.matches(host).next()
    }

    /// Returns the domains that are `host` or a parent of it, the one with most labels first.
    pub fn matches<'a>(&'a self, host: &str) -> impl Iterator<Item = (&'a Domain, &'a V)> {
        let host = if self.entries.is_empty() { "" } else { host };
        suffixes(host).filter_map(|name| {
            let (domain, value) = self.entries.get(*self.places.get(name)?)?;
            Some((domain, value))
        })
    }

    /// Returns the entries, in byte order of their domains.
    pub fn iter(&self) -> impl Iterator<Item = (&Domain, &V)> {
        self.entries.iter().map(|(domain, value)| (domain, value))
    }

    /// Returns whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<V> Default for DomainMap<V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            places: HashMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn most_labels_win() {
        let map = map(&[
            "example",
            "a.example",
            "b.a.example",
            "192.0.2.1",
            "[2001:db8::1]",
        ]);
        check(&map, "c.b.a.example", Some(2));
        check(&map, "b.a.example", Some(2));
        check(&map, "ba.example", Some(0));
        check(&map, "a.examples", None);
        check(&map, "192.0.2.1", Some(3));
        check(&map, "[2001:db8::1]", Some(4));
        check(&map, "[2001:db8::2]", None);
    }

    #[test]
    fn an_address_has_no_parents() {
        let map = map(&["0.2.1", "1"]);
        // Both are short spellings of other addresses.
        assert!(map.iter().all(|(d, _)| d.as_str().starts_with('0')));
        check(&map, "192.0.2.1", None);
    }

    #[test]
    fn of_equal_domains_the_first_is_kept() {
        check(&map(&["a.example", "A.Example."]), "a.example", Some(0));
    }

    fn map(names: &[&str]) -> DomainMap<usize> {
        let entries = names.iter().enumerate();
        DomainMap::new(
            entries
                .map(|(i, n)| (Domain::parse(n).unwrap(), i))
                .collect(),
        )
    }

    #[track_caller]
    fn check(map: &DomainMap<usize>, host: &str, expected: Option<usize>) {
        assert_eq!(map.longest(host).map(|(_, v)| *v), expected, "{host}");
    }

    proptest! {
        #[test]
        fn agrees_with_a_linear_search(
            names in proptest::collection::vec("[ab]{1,2}(\\.[ab]{1,2}){0,3}", 0..20),
            hosts in proptest::collection::vec("[ab]{1,2}(\\.[ab]{1,2}){0,4}", 1..20),
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let map = map(&names);
            for host in hosts {
                let covers = |name: &&str| **name == host || host.ends_with(&format!(".{name}"));
                let expected = names.iter().copied().filter(covers).max_by_key(|n| n.len());
                let found = map.longest(&host).map(|(domain, _)| domain.as_str());
                prop_assert_eq!(found, expected);
            }
        }
    }
}
