//! From collected rules to the bytes of a database.

use std::collections::BTreeMap;

use crate::BuildError;
use crate::bytes::{push_text, push_u16, push_u32, push_u64, small};
use crate::file::{Compiled, SECTIONS};
use crate::rules::{Reach, Rule, Rules};
use crate::set::{CategorySet, Interned};
use crate::stats::CategoryStats;
use crate::table::{self, Records};
use crate::urls::{Ancestors, NO_PARENT};

/// What a builder has collected.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) categories: BTreeMap<String, u8>,
    pub(crate) aliases: BTreeMap<String, String>,
    pub(crate) domains: Rules,
    pub(crate) urls: Rules,
    pub(crate) expressions: Vec<(String, u8)>,
}

/// Bytes of the value of a name: the number of its pair.
pub(crate) const DOMAIN_VALUE_LEN: usize = 2;

/// Bytes of the value of a host: the numbers of its first rule and of the one behind its last.
pub(crate) const HOST_VALUE_LEN: usize = 8;

/// What a rule gives: the set of a name itself, and of what is below it.
pub(crate) type Pair = (CategorySet, CategorySet);

/// Compiles the rules. The result depends on them alone and not on the order in which they came.
pub(crate) fn compile(mut collected: Collected, threads: usize) -> Result<Compiled, BuildError> {
    collected.domains.merge(threads);
    collected.urls.merge(threads);
    let mut compiler = Compiler::new(&collected);
    compiler.domains(&collected.domains)?;
    compiler.urls(&collected.urls)?;
    compiler.expressions(&collected.expressions)?;
    // The tables are written when the memory of the rules is free.
    drop(collected);
    compiler.finish(threads)
}

struct Compiler {
    /// For each category as collected: it and its aliases, numbered in the order of their names.
    closures: Vec<CategorySet>,
    counts: Vec<CategoryStats>,
    totals: [u64; 3],
    max_labels: u16,
    sets: Interned<CategorySet>,
    pairs: Interned<Pair>,
    /// Names with the numbers of their pairs.
    names: Records,
    /// Hosts with their first rule and the one behind their last.
    hosts: Records,
    entries: Vec<u8>,
    paths: Vec<u8>,
    expressions: Vec<u8>,
    content: Content,
}

/// What is counted, as the place in the totals.
#[derive(Clone, Copy)]
enum Counted {
    Domains,
    Urls,
    Expressions,
}

impl Compiler {
    fn new(collected: &Collected) -> Self {
        let mut content = Content::default();
        let counts: Vec<CategoryStats> = collected
            .categories
            .keys()
            .map(|name| CategoryStats {
                name: name.clone(),
                ..CategoryStats::default()
            })
            .collect();
        for count in &counts {
            content.update(count.name.as_bytes(), 0);
        }
        Self {
            closures: closures(collected),
            counts,
            totals: [0; 3],
            max_labels: 0,
            sets: Interned::new(),
            pairs: Interned::new(),
            names: Records::new(DOMAIN_VALUE_LEN),
            hosts: Records::new(HOST_VALUE_LEN),
            entries: Vec::new(),
            paths: Vec::new(),
            expressions: Vec::new(),
            content,
        }
    }

    /// Writes each name with its own categories and those of the listed domains above it, so that
    /// the first hit of a look-up is all of it.
    fn domains(&mut self, rules: &Rules) -> Result<(), BuildError> {
        let is_parent = |name: &[u8], parent: &[u8]| name.get(parent.len()) == Some(&b'.');
        let mut ancestors = Ancestors::default();
        let mut rules = rules.iter().peekable();
        self.content.start("domains");
        while let Some(rule) = rules.next() {
            let mut own = self.own(rule);
            while let Some(same) = rules.next_if(|next| next.text == rule.text) {
                let (exact, subtree) = self.own(same);
                own = (own.0.union(exact), own.1.union(subtree));
            }
            let (exact, subtree) = own;
            self.count(Counted::Domains, exact.union(subtree));
            let above = ancestors.of(rule.text, is_parent);
            let below = above.map_or(subtree, |(set, _)| subtree.union(set));
            ancestors.push(rule.text, below, 0);
            let number = self.pairs.number((below.union(exact), below))?;
            self.content.update(rule.text, number);
            let labels = rule.text.iter().filter(|b| **b == b'.').count() + 1;
            let labels = u16::try_from(labels).unwrap_or(u16::MAX);
            self.max_labels = self.max_labels.max(labels);
            let name = rule.text.iter().rev().copied();
            self.names.push(name, &number.to_le_bytes())?;
        }
        Ok(())
    }

    /// Writes the paths of each host in order, each with the categories of the paths that it
    /// extends.
    fn urls(&mut self, rules: &Rules) -> Result<(), BuildError> {
        let mut ancestors = Ancestors::default();
        let mut rules = rules.iter().peekable();
        let mut host: Option<(&[u8], u32)> = None;
        let mut number = 0;
        self.content.start("urls");
        while let Some(rule) = rules.next() {
            let mut own = self.closure(rule.category);
            while let Some(same) = rules.next_if(|next| next.text == rule.text) {
                own = own.union(self.closure(same.category));
            }
            let (name, path) = host_and_path(rule.text);
            if host.is_none_or(|(host, _)| host != name) {
                self.host(host, number)?;
                host = Some((name, number));
            }
            let above = ancestors.of(rule.text, |_, _| true);
            let set = above.map_or(own, |(set, _)| own.union(set));
            ancestors.push(rule.text, set, number);
            self.count(Counted::Urls, own);
            let set = self.sets.number(set)?;
            self.content.update(rule.text, set);
            push_u32(&mut self.entries, small(self.paths.len())?);
            let len = u16::try_from(path.len()).map_err(|_| BuildError::TooBig)?;
            push_u16(&mut self.entries, len);
            push_u16(&mut self.entries, set);
            let parent = above.map_or(NO_PARENT, |(_, parent)| parent);
            push_u32(&mut self.entries, parent);
            self.paths.extend_from_slice(path);
            number += 1;
        }
        self.host(host, number)
    }

    /// Ends the group of a host, whose rules go from its first to before `end`.
    fn host(&mut self, host: Option<(&[u8], u32)>, end: u32) -> Result<(), BuildError> {
        let Some((name, first)) = host else {
            return Ok(());
        };
        let value = [first.to_le_bytes(), end.to_le_bytes()].concat();
        self.hosts.push(name.iter().copied(), &value)
    }

    fn expressions(&mut self, expressions: &[(String, u8)]) -> Result<(), BuildError> {
        let mut sets: BTreeMap<&str, CategorySet> = BTreeMap::new();
        for (text, category) in expressions {
            let set = sets.entry(text).or_default();
            *set = set.union(self.closure(*category));
        }
        self.content.start("expressions");
        for (text, set) in sets {
            self.count(Counted::Expressions, set);
            let number = self.sets.number(set)?;
            self.content.update(text.as_bytes(), number);
            push_u16(&mut self.expressions, number);
            push_text(&mut self.expressions, text)?;
        }
        Ok(())
    }

    fn finish(mut self, threads: usize) -> Result<Compiled, BuildError> {
        let pairs = std::mem::replace(&mut self.pairs, Interned::new());
        let mut pair_numbers = Vec::new();
        for (itself, below) in pairs.values() {
            push_u16(&mut pair_numbers, self.sets.number(*itself)?);
            push_u16(&mut pair_numbers, self.sets.number(*below)?);
        }
        let sets: Vec<u8> = self
            .sets
            .values()
            .iter()
            .flat_map(|set| set.to_bytes())
            .collect();
        // The numbers stand for the sets in the hash of the content.
        self.content.start("sets");
        self.content.update(&pair_numbers, 0);
        self.content.update(&sets, 0);
        let (tag, seed) = self.content.finish();
        let mut summary = Vec::new();
        push_text(&mut summary, &tag)?;
        push_u16(&mut summary, self.max_labels);
        for total in self.totals {
            push_u64(&mut summary, total);
        }
        push_u32(&mut summary, small(self.counts.len())?);
        for count in &self.counts {
            push_text(&mut summary, &count.name)?;
            for number in [count.domains, count.urls, count.expressions] {
                push_u64(&mut summary, number);
            }
        }
        let names = table::write(&self.names, seed, threads)?;
        drop(self.names);
        let hosts = table::write(&self.hosts, seed, threads)?;
        let sections: [Vec<u8>; SECTIONS] = [
            summary,
            sets,
            pair_numbers,
            names.groups,
            names.blocks,
            hosts.groups,
            hosts.blocks,
            self.entries,
            self.paths,
            self.expressions,
        ];
        Ok(Compiled::new(sections, seed))
    }

    /// Returns the categories of a rule: those of the name alone, and those of its subtree.
    fn own(&self, rule: Rule<'_>) -> Pair {
        let set = self.closure(rule.category);
        match rule.reach {
            Reach::Exact => (set, CategorySet::default()),
            Reach::Subtree => (CategorySet::default(), set),
        }
    }

    fn closure(&self, category: u8) -> CategorySet {
        let closure = self.closures.get(usize::from(category));
        closure.copied().unwrap_or_default()
    }

    fn count(&mut self, counted: Counted, set: CategorySet) {
        if let Some(total) = self.totals.get_mut(counted as usize) {
            *total += 1;
        }
        for category in set.iter() {
            let Some(count) = self.counts.get_mut(usize::from(category)) else {
                continue;
            };
            match counted {
                Counted::Domains => count.domains += 1,
                Counted::Urls => count.urls += 1,
                Counted::Expressions => count.expressions += 1,
            }
        }
    }
}

/// Hexadecimal digits of the content tag: what an ISTag holds (RFC 3507, section 4.7).
pub(crate) const TAG_LEN: usize = 32;

/// Bytes of rules that are hashed at once.
const BUFFER_LEN: usize = 64 * 1024;

/// The hash of the rules.
#[derive(Default)]
struct Content {
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl Content {
    /// Separates one kind of rules from the next.
    fn start(&mut self, kind: &str) {
        self.update(kind.as_bytes(), u16::MAX);
    }

    fn update(&mut self, text: &[u8], number: u16) {
        // The length keeps `ab`, `c` and `a`, `bc` apart.
        push_u64(&mut self.buffer, text.len() as u64);
        self.buffer.extend_from_slice(text);
        push_u16(&mut self.buffer, number);
        if self.buffer.len() >= BUFFER_LEN {
            self.hasher.update(&self.buffer);
            self.buffer.clear();
        }
    }

    /// Returns the content tag, and a seed for the hashes of the tables.
    fn finish(mut self) -> (String, u64) {
        self.hasher.update(&self.buffer);
        let hash = self.hasher.finalize();
        let tag = hash.to_hex().get(..TAG_LEN).unwrap_or_default().to_owned();
        let seed = hash.as_bytes().last_chunk().copied().unwrap_or_default();
        (tag, u64::from_le_bytes(seed))
    }
}

/// Returns for each category as collected the set of it and its other names.
fn closures(collected: &Collected) -> Vec<CategorySet> {
    let mut named: BTreeMap<&str, CategorySet> = collected
        .categories
        .keys()
        .zip(0..=u8::MAX)
        .map(|(name, number)| (name.as_str(), CategorySet::of(number)))
        .collect();
    // Each round carries names one alias further.
    for _ in 0..collected.aliases.len() {
        for (alias, category) in &collected.aliases {
            let names = [alias.as_str(), category.as_str()];
            let both = names.iter().filter_map(|name| named.get(name));
            let both = both.fold(CategorySet::default(), |all, set| all.union(*set));
            for name in names {
                named.insert(name, both);
            }
        }
    }
    let mut closures = vec![CategorySet::default(); named.len()];
    for (name, number) in &collected.categories {
        if let Some(closure) = closures.get_mut(usize::from(*number)) {
            *closure = named.get(name.as_str()).copied().unwrap_or_default();
        }
    }
    closures
}

fn host_and_path(text: &[u8]) -> (&[u8], &[u8]) {
    let slash = text.iter().position(|&b| b == b'/').unwrap_or(text.len());
    text.split_at_checked(slash).unwrap_or((text, &[]))
}
