use std::cmp::Reverse;
use std::sync::Arc;

use uri::{DomainMap, Entry, NormalUri, PrefixMap};

use crate::{Action, Active, When};

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
    prefixes: PrefixMap<Uses>,
    domains: DomainMap<Uses>,
    times: Active,
}

/// What a profile makes of an entry.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) action: Action,
    pub(crate) kind: ListKind,
    pub(crate) rule: Arc<str>,
    pub(crate) when: When,
}

/// What a profile makes of an entry at different times. Nearly always it is one thing.
#[derive(Clone, Debug)]
enum Uses {
    One(Listed),
    /// The first that holds.
    Several(Box<[Listed]>),
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
    /// When the entry holds.
    pub when: When,
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
    /// Builds the lists. Of equal entries those with a schedule stand before one without, and the
    /// most restrictive before others.
    pub(crate) fn new(mut entries: Vec<(Entry, Listed)>) -> Self {
        entries.sort_by(|(a, of_a), (b, of_b)| {
            let order =
                |listed: &Listed| (listed.when == When::Always, Reverse(listed.action.rank()));
            a.cmp(b).then_with(|| order(of_a).cmp(&order(of_b)))
        });
        let mut prefixes = Vec::new();
        let mut domains = Vec::new();
        let mut times = Active::NONE;
        let mut entries = entries.into_iter().peekable();
        while let Some((entry, listed)) = entries.next() {
            times = times.with(listed.when);
            let mut uses = vec![listed];
            while let Some((_, again)) = entries.next_if(|(other, _)| *other == entry) {
                times = times.with(again.when);
                uses.push(again);
            }
            let uses = Uses::of(uses);
            match entry {
                Entry::Prefix(prefix) => prefixes.push((prefix, uses)),
                Entry::Domain(domain) => domains.push((domain, uses)),
            }
        }
        Self {
            prefixes: PrefixMap::new(prefixes),
            domains: DomainMap::new(domains),
            times,
        }
    }

    /// Returns the schedules that any entry depends on.
    #[must_use]
    pub fn times(&self) -> Active {
        self.times
    }

    /// Finds the entry that decides `uri` while these schedules are active: the longest URI prefix
    /// that covers the whole host; else the domain with most labels; else the longest prefix that
    /// ends inside the host.
    #[must_use]
    pub fn find(&self, uri: &NormalUri, active: Active) -> Option<ListHit> {
        let mut prefixes = self.prefixes.matches(uri).filter_map(|(prefix, uses)| {
            let listed = uses.at(active)?;
            Some((prefix.as_str().len(), listed))
        });
        let (matched, listed) = match prefixes.next() {
            Some((len, listed)) if len >= uri.host_end() => (len, listed),
            inside_host => {
                let mut domains = self.domains.matches(uri.host());
                match domains.find_map(|(_, uses)| uses.at(active)) {
                    Some(listed) => (0, listed),
                    None => inside_host?,
                }
            }
        };
        Some(ListHit {
            action: listed.action,
            kind: listed.kind,
            rule: Arc::clone(&listed.rule),
            when: listed.when,
            prefix_len: self.sound_len(uri, matched),
        })
    }

    /// Returns whether an entry more specific than `prefix` (a prefix of a URI that covers the
    /// authority) lies below it, so that one answer cannot hold for all of it. Entries count
    /// whether they hold now or not.
    #[must_use]
    pub fn has_below(&self, prefix: &str) -> bool {
        // Domains cover whole authorities: none is more specific.
        self.prefixes.has_below(prefix)
    }

    /// Returns the entry that does the same to all that `entry` decides, at all times, if `entry`
    /// were not there. Where times differ nothing is claimed.
    pub(crate) fn spare(&self, entry: &Entry) -> Option<&Arc<str>> {
        let (own, next) = match entry {
            Entry::Domain(domain) => {
                let mut domains = self.domains.matches(domain.as_str());
                (domains.next()?.1, domains.next()?.1)
            }
            Entry::Prefix(prefix) if prefix.ends_in_host() => return None,
            Entry::Prefix(prefix) => {
                let uri = NormalUri::parse(prefix.as_str().as_bytes()).ok()?;
                let mut nesting = self.prefixes.nesting(prefix);
                let own = nesting.next()?.1;
                let next = match nesting.next() {
                    Some((outer, uses)) if outer.as_str().len() >= uri.host_end() => uses,
                    inside_host => match self.domains.longest(uri.host()) {
                        Some((_, uses)) => uses,
                        None => inside_host?.1,
                    },
                };
                (own, next)
            }
        };
        match (own, next) {
            (Uses::One(own), Uses::One(next)) => {
                let same = own.action == next.action && next.when == When::Always;
                same.then_some(&next.rule)
            }
            (Uses::One(_) | Uses::Several(_), _) => None,
        }
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

impl Uses {
    fn of(mut uses: Vec<Listed>) -> Self {
        match (uses.len(), uses.pop()) {
            (1, Some(only)) => Self::One(only),
            (_, last) => {
                uses.extend(last);
                Self::Several(uses.into())
            }
        }
    }

    fn at(&self, active: Active) -> Option<&Listed> {
        match self {
            Self::One(listed) => listed.when.holds(active).then_some(listed),
            Self::Several(uses) => uses.iter().find(|listed| listed.when.holds(active)),
        }
    }
}
