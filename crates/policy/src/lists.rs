use std::sync::Arc;

use uri::{DomainMap, NormalUri, PrefixMap};

use crate::Action;

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

#[derive(Clone, Debug)]
struct Listed {
    action: Action,
    kind: ListKind,
    rule: Arc<str>,
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
    /// Bytes of the URI that every URI with the same decision by this entry may share: a prefix
    /// that covers the authority and has no other entry below it. None: only this URI is known.
    pub prefix_len: Option<usize>,
}

impl Lists {
    /// Finds the entry that decides `uri`: the longest URI prefix that covers the whole host;
    /// else the domain with most labels; else the longest prefix that ends inside the host.
    #[must_use]
    pub fn find(&self, _uri: &NormalUri) -> Option<ListHit> {
        let _ = (&self.prefixes, &self.domains);
        todo!()
    }

    /// Returns whether an entry more specific than `prefix` (a prefix of a URI that covers the
    /// authority) lies below it, so that one answer cannot hold for all of it.
    #[must_use]
    pub fn has_below(&self, _prefix: &str) -> bool {
        todo!()
    }
}
