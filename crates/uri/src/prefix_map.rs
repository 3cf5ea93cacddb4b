use crate::{Domain, NormalUri, Prefix};

/// Values by URI prefix, found by the longest prefix of a URI.
///
/// Look-up is a binary search and a walk over the matching prefixes, whatever the number of
/// entries.
#[derive(Clone, Debug)]
pub struct PrefixMap<V> {
    entries: Vec<(Prefix, V)>,
}

impl<V> PrefixMap<V> {
    /// Builds the map. Of equal prefixes the first is kept.
    #[must_use]
    pub fn new(_entries: Vec<(Prefix, V)>) -> Self {
        todo!()
    }

    /// Returns the matching prefixes of `uri`, longest first.
    pub fn matches<'a>(&'a self, _uri: &'a NormalUri) -> impl Iterator<Item = (&'a Prefix, &'a V)> {
        self.entries.iter().map(|(p, v)| (p, v))
    }

    /// Returns whether an entry starts with `text` and is longer than it.
    #[must_use]
    pub fn has_below(&self, _text: &str) -> bool {
        todo!()
    }

    /// Returns the entries in byte order of their prefixes.
    pub fn iter(&self) -> impl Iterator<Item = (&Prefix, &V)> {
        self.entries.iter().map(|(p, v)| (p, v))
    }
}

/// Values by domain, found by the domain with most labels that covers a host.
#[derive(Clone, Debug)]
pub struct DomainMap<V> {
    entries: Vec<(Domain, V)>,
}

impl<V> DomainMap<V> {
    /// Builds the map. Of equal domains the first is kept.
    #[must_use]
    pub fn new(_entries: Vec<(Domain, V)>) -> Self {
        todo!()
    }

    /// Returns the domain with most labels that is `host` or a parent of it. An IP address has
    /// no parents.
    #[must_use]
    pub fn longest(&self, _host: &str) -> Option<(&Domain, &V)> {
        todo!()
    }

    /// Returns the entries, in an order that is the same for equal maps.
    pub fn iter(&self) -> impl Iterator<Item = (&Domain, &V)> {
        self.entries.iter().map(|(d, v)| (d, v))
    }
}

impl<V> Default for PrefixMap<V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}

impl<V> Default for DomainMap<V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}
