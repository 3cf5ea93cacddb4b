use std::borrow::Cow;
use std::collections::BTreeMap;

use regex::bytes::RegexSet;
use uri::{NormalUri, Readings};

use crate::bytes::Cursor;
use crate::compile::{DOMAIN_VALUE_LEN, HOST_VALUE_LEN, Pair, TAG_LEN};
use crate::diff::RuleKey;
use crate::expression::{self, EXPRESSIONS_MAX};
use crate::file::{Layout, Section};
use crate::set::{CATEGORIES_MAX, CategorySet, NUMBERED_MAX};
use crate::stats::{CategoryStats, Stats};
use crate::suffix::Suffixes;
use crate::table::Table;
use crate::urls::{ENTRY_LEN, Group, Hit, folded};
use crate::{BuildError, InvalidDatabase, Overrides};

/// Categories by host name, URL prefix and expression; immutable.
#[derive(Debug)]
pub struct Database {
    bytes: Box<[u8]>,
    layout: Layout,
    tag: Box<str>,
    /// Labels of the longest name: longer suffixes of a host are not looked up.
    max_labels: usize,
    sets: Box<[CategorySet]>,
    /// What names have themselves, and what names below them have.
    pairs: Box<[Pair]>,
    expressions: Expressions,
    stats: Stats,
    /// Names of the categories, by number. The last ones may be those of overrides alone.
    names: Vec<Box<str>>,
    overlay: Option<Overlay>,
}

#[derive(Debug)]
struct Expressions {
    patterns: RegexSet,
    /// The categories of each pattern.
    sets: Vec<CategorySet>,
    /// The categories of all.
    all: CategorySet,
    texts: Vec<Box<str>>,
}

/// Overrides with their categories as numbers.
#[derive(Debug)]
struct Overlay {
    overrides: Overrides,
    numbers: BTreeMap<String, u8>,
}

impl Database {
    /// Reads a database and verifies it.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are no database, another version's, cut off or damaged.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, InvalidDatabase> {
        let layout = Layout::of(&bytes)?;
        let mut summary = Cursor(layout.section(&bytes, Section::Summary));
        let tag = summary.text()?;
        // What is cut to its length stays a tag.
        ensure(tag.len() == TAG_LEN)?;
        let tag = tag.into();
        let max_labels = usize::from(summary.u16()?);
        let stats = read_stats(summary, bytes.len())?;
        let sets = layout.section(&bytes, Section::Sets);
        let (sets, _) = sets.as_chunks::<{ CategorySet::LEN }>();
        ensure(sets.len() <= NUMBERED_MAX)?;
        let sets: Box<[_]> = sets.iter().map(CategorySet::from_bytes).collect();
        let pairs = read_pairs(layout.section(&bytes, Section::Pairs), &sets)?;
        let expressions = layout.section(&bytes, Section::Expressions);
        let expressions = Expressions::read(Cursor(expressions), &sets)?;
        let names = stats
            .categories
            .iter()
            .map(|count| count.name.as_str().into());
        Ok(Self {
            names: names.collect(),
            overlay: None,
            bytes: bytes.into(),
            layout,
            tag,
            max_labels,
            sets,
            pairs,
            expressions,
            stats,
        })
    }

    /// Puts overrides in force; those before are forgotten. They change the tag.
    ///
    /// # Errors
    ///
    /// Fails if there are more than [`CATEGORIES_MAX`] categories with those of the overrides.
    pub fn with_overrides(mut self, overrides: Overrides) -> Result<Self, BuildError> {
        self.names.truncate(self.stats.categories.len());
        self.tag = self.content_tag()?;
        self.overlay = None;
        if overrides.is_empty() {
            return Ok(self);
        }
        let mut numbers = BTreeMap::new();
        for name in overrides.categories() {
            if numbers.contains_key(name) {
                continue;
            }
            let known = self.names.iter().position(|known| **known == *name);
            let number = u8::try_from(known.unwrap_or(self.names.len()));
            let number = number.map_err(|_| BuildError::TooManyCategories)?;
            if known.is_none() {
                self.names.push(name.into());
            }
            numbers.insert(name.to_owned(), number);
        }
        let content = [self.tag.as_bytes(), overrides.content().as_bytes()].concat();
        let tag = blake3::hash(&content).to_hex();
        self.tag = tag.get(..self.tag.len()).unwrap_or_default().into();
        self.overlay = Some(Overlay { overrides, numbers });
        Ok(self)
    }

    /// Returns the database as it is written to a file, without overrides.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns a text of 32 characters that differs when the rules do: the ISTag of a service
    /// that answers from this database.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Returns every category that an answer may name: those of the lists, and those that only
    /// overrides have.
    pub fn answered(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// Returns the categories: those of the lists, sorted, those without rules included, and
    /// behind them those that only overrides have.
    pub fn categories(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Returns how much the database holds.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Looks up a URI in all its readings and unites what is found.
    #[must_use]
    pub fn lookup(&self, readings: &Readings) -> Found<'_> {
        let mut found = self.lookup_uri(readings.normal());
        found.prefix_len = found.prefix_len.filter(|_| readings.are_all());
        for other in readings.others() {
            found.set = found.set.union(self.lookup_uri(other).set);
            found.prefix_len = None;
        }
        found
    }

    /// Looks up one reading of a URI.
    #[must_use]
    pub fn lookup_uri(&self, uri: &NormalUri) -> Found<'_> {
        let Some(overlay) = &self.overlay else {
            return self.listed_uri(uri);
        };
        let overridden = overlay.overrides.find(uri);
        let holds = overridden
            .prefix_len
            .map(|path_len| uri.origin_len() - 1 + path_len);
        match overridden.categories {
            Some(categories) => Found {
                database: self,
                set: overlay.set(categories),
                prefix_len: holds,
            },
            None => {
                let found = self.listed_uri(uri);
                let both = found.prefix_len.zip(holds);
                Found {
                    prefix_len: both.map(|(listed, holds)| listed.max(holds)),
                    ..found
                }
            }
        }
    }

    fn listed_uri(&self, uri: &NormalUri) -> Found<'_> {
        let hit = self.url_hit(uri);
        let listed = self.domain_set(uri).union(self.set(hit.set));
        let origin_len = uri.origin_len();
        // An expression may match below any prefix; that changes nothing only where its
        // categories are there already.
        let is_settled = listed.contains_all(self.expressions.all);
        let set = if is_settled {
            listed
        } else {
            listed.union(self.expressions.matching(uri))
        };
        Found {
            database: self,
            set,
            prefix_len: hit
                .prefix_len
                .filter(|_| is_settled)
                .map(|path_len| origin_len - 1 + path_len),
        }
    }

    /// Returns the categories of a host and of the domains above it.
    #[inline]
    fn domain_set(&self, uri: &NormalUri) -> CategorySet {
        let table = self.domains();
        let host = uri.host();
        let end = uri.host_end();
        let start = end - host.len();
        let hit = match uri::is_address(host) {
            true => {
                let value = table.find_key(host.as_bytes(), self.layout.seed());
                value.map(|value| (start, value))
            }
            false => {
                let text = uri.as_str().as_bytes();
                let suffixes = Suffixes::new(text, start..end, self.layout.seed());
                table.find_longest(suffixes.take(self.max_labels), text, end)
            }
        };
        // The longest name that is listed carries the categories of those above it.
        let Some((found, value)) = hit else {
            return CategorySet::default();
        };
        let (itself, below) = self.pair(value);
        if found == start { itself } else { below }
    }

    /// Returns what the value of a name's record stands for.
    #[inline]
    fn pair(&self, value: &[u8]) -> Pair {
        let number = Cursor(value).u16().unwrap_or_default();
        let pair = self.pairs.get(usize::from(number));
        pair.copied().unwrap_or_default()
    }

    /// Shows every rule with the sets of itself and of what is below it.
    pub(crate) fn each_rule<'a>(&'a self, visit: &mut dyn FnMut(RuleKey<'a>, Pair)) {
        let domains = self.domains();
        for (name, value) in domains.iter() {
            visit(RuleKey::Domain(name), self.pair(value));
        }
        let hosts = self.hosts();
        for (host, value) in hosts.iter() {
            let group = self.group_at(value);
            for (path, set) in group.iter().flat_map(Group::rules) {
                let set = self.set(set);
                visit(RuleKey::Url { host, path }, (set, set));
            }
        }
        let expressions = self.expressions.texts.iter().zip(&self.expressions.sets);
        for (text, set) in expressions {
            visit(RuleKey::Expression(text), (*set, *set));
        }
    }

    /// Returns the sets of a rule if it is here.
    pub(crate) fn pair_of_rule(&self, key: RuleKey<'_>) -> Option<Pair> {
        let set = match key {
            RuleKey::Domain(name) => {
                let value = self.find(self.domains(), name);
                return value.map(|value| self.pair(value));
            }
            RuleKey::Url { host, path } => {
                let group = self.group_at(self.find(self.hosts(), host)?)?;
                self.set(group.set_of(path)?)
            }
            RuleKey::Expression(text) => {
                let texts = &self.expressions.texts;
                let at = texts.iter().position(|own| **own == *text)?;
                *self.expressions.sets.get(at)?
            }
        };
        Some((set, set))
    }

    #[inline]
    fn url_hit(&self, uri: &NormalUri) -> Hit {
        let nothing_listed = Hit {
            set: 0,
            prefix_len: Some(1),
        };
        let Some(group) = self.group(uri.host()) else {
            return nothing_listed;
        };
        group.find(uri.path_and_query().as_bytes())
    }

    /// Returns the URL rules of a host.
    #[inline]
    fn group(&self, host: &str) -> Option<Group<'_>> {
        if self.stats.urls == 0 {
            return None;
        }
        self.group_at(self.find(self.hosts(), folded(host).as_bytes())?)
    }

    /// Returns the URL rules that the value of a host's record stands for.
    fn group_at(&self, value: &[u8]) -> Option<Group<'_>> {
        let mut value = Cursor(value);
        let (first, end) = (value.u32().ok()?, value.u32().ok()?);
        let range = first as usize * ENTRY_LEN..end as usize * ENTRY_LEN;
        Some(Group {
            entries: self.section(Section::Urls).get(range)?,
            paths: self.section(Section::Paths),
            first,
        })
    }

    /// Returns the value of a key.
    fn find<'a>(&self, table: Table<'a>, key: &[u8]) -> Option<&'a [u8]> {
        table.find_key(key, self.layout.seed())
    }

    /// Returns the table of listed names.
    #[inline]
    fn domains(&self) -> Table<'_> {
        let (groups, blocks) = (Section::Domains, Section::DomainBlocks);
        Table::new(self.section(groups), self.section(blocks), DOMAIN_VALUE_LEN)
    }

    /// Returns the table of hosts of URL rules.
    #[inline]
    fn hosts(&self) -> Table<'_> {
        let (groups, blocks) = (Section::Hosts, Section::HostBlocks);
        Table::new(self.section(groups), self.section(blocks), HOST_VALUE_LEN)
    }

    #[inline]
    fn section(&self, section: Section) -> &[u8] {
        self.layout.section(&self.bytes, section)
    }

    #[inline]
    fn set(&self, number: u16) -> CategorySet {
        let set = self.sets.get(usize::from(number));
        set.copied().unwrap_or_default()
    }

    pub(crate) fn name(&self, category: u8) -> Option<&str> {
        let name = self.names.get(usize::from(category))?;
        Some(name)
    }

    /// Returns the tag of the rules, without overrides.
    fn content_tag(&self) -> Result<Box<str>, InvalidDatabase> {
        let mut summary = Cursor(self.section(Section::Summary));
        Ok(summary.text()?.into())
    }
}

impl Overlay {
    fn set(&self, categories: &[String]) -> CategorySet {
        let mut set = CategorySet::default();
        for number in categories.iter().filter_map(|name| self.numbers.get(name)) {
            set.insert(*number);
        }
        set
    }
}

impl Expressions {
    fn read(mut bytes: Cursor<'_>, sets: &[CategorySet]) -> Result<Self, InvalidDatabase> {
        let mut texts = Vec::new();
        let mut of_patterns = Vec::new();
        let mut all = CategorySet::default();
        while !bytes.0.is_empty() {
            let set = sets.get(usize::from(bytes.u16()?));
            let set = *set.ok_or(InvalidDatabase::Inconsistent)?;
            texts.push(bytes.text()?);
            of_patterns.push(set);
            ensure(texts.len() <= EXPRESSIONS_MAX)?;
            all = all.union(set);
        }
        Ok(Self {
            patterns: expression::compile(texts.iter().copied())?,
            sets: of_patterns,
            all,
            texts: texts.into_iter().map(Box::from).collect(),
        })
    }

    /// Returns the categories of the patterns that match host, path and query.
    fn matching(&self, uri: &NormalUri) -> CategorySet {
        let text = without_scheme_and_port(uri);
        if !self.patterns.is_match(text.as_bytes()) {
            return CategorySet::default();
        }
        let matches = self.patterns.matches(text.as_bytes());
        let sets = matches.iter().filter_map(|pattern| self.sets.get(pattern));
        sets.fold(CategorySet::default(), |all, set| all.union(*set))
    }
}

fn without_scheme_and_port(uri: &NormalUri) -> Cow<'_, str> {
    let (host, path) = (uri.host(), uri.path_and_query());
    if host.len() == uri.authority().len() {
        let start = uri.host_end() - host.len();
        Cow::Borrowed(uri.as_str().get(start..).unwrap_or_default())
    } else {
        Cow::Owned([host, path].concat())
    }
}

/// Fails unless the file is as a builder makes it: what is read of one takes no more memory than
/// what one may have in it.
fn ensure(holds: bool) -> Result<(), InvalidDatabase> {
    holds.then_some(()).ok_or(InvalidDatabase::Inconsistent)
}

fn read_pairs(numbers: &[u8], sets: &[CategorySet]) -> Result<Box<[Pair]>, InvalidDatabase> {
    let (numbers, _) = numbers.as_chunks::<4>();
    // Each takes sixteen times as much memory as it does in a file.
    ensure(numbers.len() <= NUMBERED_MAX)?;
    let pairs = numbers.iter().map(|numbers| {
        let mut numbers = Cursor(numbers);
        let mut set = || {
            let set = sets.get(usize::from(numbers.u16()?));
            set.copied().ok_or(InvalidDatabase::Inconsistent)
        };
        Ok((set()?, set()?))
    });
    pairs.collect()
}

fn read_stats(mut summary: Cursor<'_>, bytes: usize) -> Result<Stats, InvalidDatabase> {
    let mut stats = Stats {
        domains: summary.u64()?,
        urls: summary.u64()?,
        expressions: summary.u64()?,
        bytes: bytes as u64,
        categories: Vec::new(),
    };
    let categories = summary.u32()?;
    ensure(categories as usize <= CATEGORIES_MAX)?;
    for _ in 0..categories {
        stats.categories.push(CategoryStats {
            name: summary.text()?.to_owned(),
            domains: summary.u64()?,
            urls: summary.u64()?,
            expressions: summary.u64()?,
        });
    }
    Ok(stats)
}

/// What a database knows of a URI.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    database: &'a Database,
    set: CategorySet,
    prefix_len: Option<usize>,
}

impl<'a> Found<'a> {
    /// Returns the categories, in the order of [`Database::categories`].
    pub fn categories(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let database = self.database;
        self.set
            .iter()
            .filter_map(|category| database.name(category))
    }

    /// Returns whether there is no category.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Returns how many bytes of the normal form an equal answer needs: every URI that begins
    /// with them has the same categories. It covers `scheme://authority/`. None: only this URI is
    /// known to have them.
    #[must_use]
    pub fn prefix_len(&self) -> Option<usize> {
        self.prefix_len
    }
}
