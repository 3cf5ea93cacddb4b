//! From collected rules to the bytes of a database.

use std::collections::BTreeMap;

use crate::BuildError;
use crate::bytes::{push_text, push_u16, push_u32, push_u64, small};
use crate::file::{SECTIONS, join};
use crate::rules::Rules;
use crate::set::{CategorySet, Interned};
use crate::stats::CategoryStats;
use crate::table::{Records, Slots};
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

/// Returns the file. It depends on the rules alone and not on the order in which they came.
pub(crate) fn compile(mut collected: Collected) -> Result<Vec<u8>, BuildError> {
    collected.domains.sort();
    collected.urls.sort();
    let mut compiler = Compiler::new(&collected);
    compiler.domains(&collected.domains)?;
    compiler.urls(&collected.urls)?;
    compiler.expressions(&collected.expressions)?;
    compiler.finish()
}

struct Compiler {
    /// For each category as collected: it and its aliases, numbered in the order of their names.
    closures: Vec<CategorySet>,
    counts: Vec<CategoryStats>,
    totals: [u64; 3],
    max_labels: u16,
    sets: Interned,
    records: Records,
    domain_slots: Slots,
    host_slots: Slots,
    entries: Vec<u8>,
    paths: Vec<u8>,
    expressions: Vec<u8>,
    content: blake3::Hasher,
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
        let mut content = blake3::Hasher::new();
        let counts: Vec<CategoryStats> = collected
            .categories
            .keys()
            .map(|name| CategoryStats {
                name: name.clone(),
                ..CategoryStats::default()
            })
            .collect();
        for count in &counts {
            update(&mut content, count.name.as_bytes(), CategorySet::default());
        }
        Self {
            closures: closures(collected),
            counts,
            totals: [0; 3],
            max_labels: 0,
            sets: Interned::new(),
            records: Records::new(),
            domain_slots: Slots::default(),
            host_slots: Slots::default(),
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
        self.start(b"domains");
        while let Some(rule) = rules.next() {
            let mut own = self.closure(rule.category);
            while let Some(same) = rules.next_if(|next| next.text == rule.text) {
                own = own.union(self.closure(same.category));
            }
            let above = ancestors.of(rule.text, is_parent);
            let set = above.map_or(own, |(set, _)| own.union(set));
            ancestors.push(rule.text, set, 0);
            self.count(Counted::Domains, own);
            update(&mut self.content, rule.text, set);
            let name: Vec<u8> = rule.text.iter().rev().copied().collect();
            let labels = name.split(|&b| b == b'.').count();
            self.max_labels = self
                .max_labels
                .max(u16::try_from(labels).unwrap_or(u16::MAX));
            let number = self.sets.number(set)?;
            let place = self.records.push(&name, &number.to_le_bytes())?;
            self.domain_slots.push(&name, place);
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
        self.start(b"urls");
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
            update(&mut self.content, rule.text, set);
            push_u32(&mut self.entries, small(self.paths.len())?);
            push_u16(
                &mut self.entries,
                u16::try_from(path.len()).unwrap_or(u16::MAX),
            );
            push_u16(&mut self.entries, self.sets.number(set)?);
            push_u32(
                &mut self.entries,
                above.map_or(NO_PARENT, |(_, parent)| parent),
            );
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
        let place = self.records.push(name, &value)?;
        self.host_slots.push(name, place);
        Ok(())
    }

    fn expressions(&mut self, expressions: &[(String, u8)]) -> Result<(), BuildError> {
        let mut sets: BTreeMap<&str, CategorySet> = BTreeMap::new();
        for (text, category) in expressions {
            let set = sets.entry(text).or_default();
            *set = set.union(self.closure(*category));
        }
        self.start(b"expressions");
        for (text, set) in sets {
            self.count(Counted::Expressions, set);
            update(&mut self.content, text.as_bytes(), set);
            push_u16(&mut self.expressions, self.sets.number(set)?);
            push_text(&mut self.expressions, text)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<u8>, BuildError> {
        let mut summary = Vec::new();
        let tag = self.content.finalize().to_hex();
        push_text(&mut summary, tag.get(..TAG_LEN).unwrap_or_default())?;
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
        let sets: Vec<u8> = self
            .sets
            .sets()
            .iter()
            .flat_map(|set| set.to_bytes())
            .collect();
        let sections: [&[u8]; SECTIONS] = [
            &summary,
            &sets,
            self.records.as_bytes(),
            &self.domain_slots.to_bytes(),
            &self.host_slots.to_bytes(),
            &self.entries,
            &self.paths,
            &self.expressions,
        ];
        Ok(join(&sections))
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

    /// Separates one kind of rules from the next in the content's hash.
    fn start(&mut self, kind: &[u8]) {
        update(&mut self.content, kind, CategorySet::default());
    }
}

/// Hexadecimal digits of the content tag: what an ISTag holds (RFC 3507, section 4.7).
const TAG_LEN: usize = 32;

fn update(content: &mut blake3::Hasher, text: &[u8], set: CategorySet) {
    content.update(&(text.len() as u64).to_le_bytes());
    content.update(text);
    content.update(&set.to_bytes());
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
