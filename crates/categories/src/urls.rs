//! URL rules: by host, the paths of a host in order, each with the nearest path that it extends.

use crate::bytes::Cursor;
use crate::set::CategorySet;

/// Bytes of one rule in a file: where its path is (4), the path's length (2), the number of its
/// set (2), and the rule that it extends, in the whole table (4).
pub(crate) const ENTRY_LEN: usize = 12;

/// The parent of a rule that extends no other.
pub(crate) const NO_PARENT: u32 = u32::MAX;

/// Returns `host` without a leading `www`, `web` or `ftp` label, with a number or without.
pub(crate) fn folded(host: &str) -> &str {
    let Some((label, rest)) = host.split_once('.') else {
        return host;
    };
    let is_common = ["www", "web", "ftp"].iter().any(|name| {
        label
            .strip_prefix(name)
            .is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
    });
    // `www.example` is a name of its own, and folding it would list a whole top level.
    if is_common && rest.contains('.') {
        rest
    } else {
        host
    }
}

/// The rules of one host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group<'a> {
    pub(crate) entries: &'a [u8],
    pub(crate) paths: &'a [u8],
    /// The number of the group's first rule.
    pub(crate) first: u32,
}

/// What the rules of a host say about a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Hit {
    /// The number of the set of the longest rule, 0 if none matches.
    pub(crate) set: u16,
    /// Bytes of the path under which every path has this set. None: not even the whole.
    pub(crate) prefix_len: Option<usize>,
}

/// A rule as it is read.
#[derive(Clone, Copy, Debug)]
struct Entry<'a> {
    path: &'a [u8],
    set: u16,
    parent: u32,
}

impl<'a> Group<'a> {
    /// Finds the longest rule that `path` extends. Case is ignored.
    pub(crate) fn find(&self, path: &[u8]) -> Hit {
        let (entries, _) = self.entries.as_chunks::<ENTRY_LEN>();
        let after = entries.partition_point(|entry| {
            let rule = self.read(entry).path.iter().copied();
            rule.le(path.iter().map(u8::to_ascii_lowercase))
        });
        let before = after.checked_sub(1);
        let at = |index: Option<usize>| Some(self.read(entries.get(index?)?));
        let mut prefix_len = 1;
        // The neighbours share more with the path than all rules beyond them.
        for neighbour in [at(before), at(Some(after))].into_iter().flatten() {
            let common = common_len(neighbour.path, path);
            let next = if common == neighbour.path.len() {
                common
            } else {
                common + 1
            };
            prefix_len = prefix_len.max(next);
        }
        let set = self.longest(before, path).map_or(0, |rule| rule.set);
        Hit {
            set,
            prefix_len: (prefix_len <= path.len()).then_some(prefix_len),
        }
    }

    /// Returns the rule at `index` or the nearest one above it that `path` extends.
    fn longest(&self, index: Option<usize>, path: &[u8]) -> Option<Entry<'a>> {
        let (entries, _) = self.entries.as_chunks::<ENTRY_LEN>();
        let mut index = index?;
        loop {
            let rule = self.read(entries.get(index)?);
            if common_len(rule.path, path) == rule.path.len() {
                return Some(rule);
            }
            let parent = rule.parent.checked_sub(self.first)? as usize;
            // A parent sorts first: whatever the file says, this ends.
            if parent >= index {
                return None;
            }
            index = parent;
        }
    }

    /// Returns the set of the rule for exactly `path`, which is in lower case.
    pub(crate) fn set_of(&self, path: &[u8]) -> Option<u16> {
        let (entries, _) = self.entries.as_chunks::<ENTRY_LEN>();
        let found = entries.binary_search_by(|entry| self.read(entry).path.cmp(path));
        Some(self.read(entries.get(found.ok()?)?).set)
    }

    /// Returns the path and the set of every rule.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (&'a [u8], u16)> {
        let (entries, _) = self.entries.as_chunks::<ENTRY_LEN>();
        entries.iter().map(|entry| {
            let entry = self.read(entry);
            (entry.path, entry.set)
        })
    }

    fn read(&self, entry: &[u8; ENTRY_LEN]) -> Entry<'a> {
        let mut cursor = Cursor(entry);
        let start = cursor.u32().unwrap_or_default() as usize;
        let len = usize::from(cursor.u16().unwrap_or_default());
        Entry {
            path: self.paths.get(start..start + len).unwrap_or_default(),
            set: cursor.u16().unwrap_or_default(),
            parent: cursor.u32().unwrap_or(NO_PARENT),
        }
    }
}

/// Returns how many bytes `path` has in common with a rule, which is in lower case.
pub(crate) fn common_len(rule: &[u8], path: &[u8]) -> usize {
    let pairs = rule.iter().zip(path);
    pairs
        .take_while(|(a, b)| **a == b.to_ascii_lowercase())
        .count()
}

/// Collects the sets of rules and their ancestors, rule by rule in order.
#[derive(Debug, Default)]
pub(crate) struct Ancestors<'a> {
    stack: Vec<(&'a [u8], CategorySet, u32)>,
}

impl<'a> Ancestors<'a> {
    /// Returns the nearest earlier text that `text` extends as `extends` says, with its set and
    /// number, and drops what no later text can extend.
    pub(crate) fn of(
        &mut self,
        text: &[u8],
        extends: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Option<(CategorySet, u32)> {
        while self
            .stack
            .pop_if(|(top, _, _)| !text.starts_with(top))
            .is_some()
        {}
        let nearest = self
            .stack
            .iter()
            .rev()
            .find(|(top, _, _)| extends(text, top));
        nearest.map(|(_, set, number)| (*set, *number))
    }

    pub(crate) fn push(&mut self, text: &'a [u8], set: CategorySet, number: u32) {
        self.stack.push((text, set, number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_first_labels_are_folded() {
        for (host, expected) in [
            ("www.a.example", "a.example"),
            ("www2.a.example", "a.example"),
            ("web01.a.example", "a.example"),
            ("ftp.a.example", "a.example"),
            ("wwwx.a.example", "wwwx.a.example"),
            ("www.www.a.example", "www.a.example"),
            ("www.example", "www.example"),
            ("m.a.example", "m.a.example"),
            ("9.9.9.9", "9.9.9.9"),
            ("[2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(folded(host), expected);
        }
    }
}
