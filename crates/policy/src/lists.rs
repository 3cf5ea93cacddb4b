use std::sync::Arc;

use uri::{DomainMap, Entry, NormalUri, PrefixMap};

use crate::Action;

#[cfg(test)]
mod tests;

/// Which list of a profile an entry came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ListKind {
    /// `pass_list`
    Pass,
    /// `block_list`
    Block,
    /// `redirect_list`
    Redirect,
}

/// The pass, block and redirect lists of a profile, searched together: the most specific entry
/// wins, whichever list it is in.
#[derive(Debug, Default)]
pub struct Lists {
    prefixes: PrefixMap<Listed>,
    domains: DomainMap<Listed>,
}

/// What a profile makes of an entry.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) action: Action,
    pub(crate) kind: ListKind,
    pub(crate) rule: Arc<str>,
}

/// The entry that decides a URI.
#[derive(Clone, Debug)]
pub struct ListHit {
    /// What the entry's list asks for.
    pub action: Action,
    /// Which list it is.
    pub kind: ListKind,
    /// The entry in normal form, as shown in logs.
    pub rule: Arc<str>,
    /// Bytes of the URI whose sharing is enough for the same hit: at least the origin with its
    /// slash, and nothing more specific is configured below. None: only this URI is known.
    pub prefix_len: Option<usize>,
}

impl ListKind {
    /// Returns the key in a profile.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Pass => "pass_list",
            Self::Block => "block_list",
            Self::Redirect => "redirect_list",
        }
    }
}

impl Lists {
    /// Builds the lists; of equal entries the first is kept.
    pub(crate) fn new(entries: Vec<(Entry, Listed)>) -> Self {
        let mut prefixes = Vec::new();
        let mut domains = Vec::new();
        for (entry, listed) in entries {
            match entry {
                Entry::Prefix(prefix) => prefixes.push((prefix, listed)),
                Entry::Domain(domain) => domains.push((domain, listed)),
            }
        }
        Self {
            prefixes: PrefixMap::new(prefixes),
            domains: DomainMap::new(domains),
        }
    }

    /// Finds the entry that decides `uri`: the longest URI prefix that covers the whole host;
    /// else the domain with most labels; else the longest prefix that ends inside the host.
    #[must_use]
    pub fn find(&self, uri: &NormalUri) -> Option<ListHit> {
        let longest = self.prefixes.matches(uri).next();
        let longest = longest.map(|(prefix, listed)| (prefix.as_str().len(), listed));
        let covers_host = |len: usize| len >= uri.host_end();
        let (matched, listed) = match longest {
            Some((len, listed)) if covers_host(len) => (len, listed),
            inside_host => match self.domains.longest(uri.host()) {
                Some((_, listed)) => (0, listed),
                None => inside_host?,
            },
        };
        Some(ListHit {
            action: listed.action,
            kind: listed.kind,
            rule: Arc::clone(&listed.rule),
            prefix_len: self.sound_len(uri, matched),
        })
    }

    /// Returns whether an entry more specific than `prefix` (a prefix of a URI that covers the
    /// authority) lies below it, so that one answer cannot hold for all of it.
    #[must_use]
    pub fn has_below(&self, prefix: &str) -> bool {
        // Domains cover whole authorities: none is more specific.
        self.prefixes.has_below(prefix)
    }

    /// Returns how much of `uri` a URI must share to get the same hit. All that share the origin
    /// match the same domains and the same prefixes up to the origin's end, so only longer
    /// entries could tell them apart.
    fn sound_len(&self, uri: &NormalUri, matched: usize) -> Option<usize> {
        let len = matched.max(uri.origin_len());
        let shared = uri.as_str().get(..len)?;
        (!self.has_below(shared)).then_some(len)
    }
}
