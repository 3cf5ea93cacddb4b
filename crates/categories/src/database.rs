use std::borrow::Cow;

use regex::bytes::RegexSet;
use uri::{NormalUri, Readings, suffixes};

use crate::InvalidDatabase;
use crate::bytes::Cursor;
use crate::expression;
use crate::file::{Layout, Section};
use crate::set::CategorySet;
use crate::stats::{CategoryStats, Stats};
use crate::table::find;
use crate::urls::{ENTRY_LEN, Group, Hit, folded};

/// Categories by host name, URL prefix and expression; immutable.
#[derive(Debug)]
pub struct Database {
    bytes: Box<[u8]>,
    layout: Layout,
    tag: Box<str>,
    /// Labels of the longest name: longer suffixes of a host are not looked up.
    max_labels: usize,
    sets: Box<[CategorySet]>,
    expressions: Expressions,
    stats: Stats,
}

#[derive(Debug)]
struct Expressions {
    patterns: RegexSet,
    /// The categories of each pattern.
    sets: Vec<CategorySet>,
    /// The categories of all.
    all: CategorySet,
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
        let tag = summary.text()?.into();
        let max_labels = usize::from(summary.u16()?);
        let stats = read_stats(summary, bytes.len())?;
        let sets = layout.section(&bytes, Section::Sets);
        let (sets, _) = sets.as_chunks::<{ CategorySet::LEN }>();
        let sets: Box<[_]> = sets.iter().map(CategorySet::from_bytes).collect();
        let expressions = layout.section(&bytes, Section::Expressions);
        let expressions = Expressions::read(Cursor(expressions), &sets)?;
        Ok(Self {
            bytes: bytes.into(),
            layout,
            tag,
            max_labels,
            sets,
            expressions,
            stats,
        })
    }

    /// Returns the database as it is written to a file.
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

    /// Returns the categories, sorted, those without rules included.
    pub fn categories(&self) -> impl Iterator<Item = &str> {
        self.stats
            .categories
            .iter()
            .map(|count| count.name.as_str())
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
        let hit = self.url_hit(uri);
        let listed = self.domain_set(uri.host()).union(self.set(hit.set));
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
    fn domain_set(&self, host: &str) -> CategorySet {
        let slots = self.section(Section::DomainSlots);
        let records = self.section(Section::Records);
        let labels = host.bytes().filter(|b| *b == b'.').count() + 1;
        let too_long = labels.saturating_sub(self.max_labels);
        // The longest name that is listed carries the categories of those above it.
        let hit = suffixes(host)
            .skip(too_long)
            .find_map(|name| find(slots, records, name.as_bytes()));
        let number = hit.and_then(|value| Cursor(value).u16().ok());
        self.set(number.unwrap_or_default())
    }

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
    fn group(&self, host: &str) -> Option<Group<'_>> {
        let slots = self.section(Section::HostSlots);
        let records = self.section(Section::Records);
        let mut value = Cursor(find(slots, records, folded(host).as_bytes())?);
        let (first, end) = (value.u32().ok()?, value.u32().ok()?);
        let range = first as usize * ENTRY_LEN..end as usize * ENTRY_LEN;
        Some(Group {
            entries: self.section(Section::Urls).get(range)?,
            paths: self.section(Section::Paths),
            first,
        })
    }

    fn section(&self, section: Section) -> &[u8] {
        self.layout.section(&self.bytes, section)
    }

    fn set(&self, number: u16) -> CategorySet {
        let set = self.sets.get(usize::from(number));
        set.copied().unwrap_or_default()
    }

    fn name(&self, category: u8) -> Option<&str> {
        let category = self.stats.categories.get(usize::from(category))?;
        Some(&category.name)
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
            all = all.union(set);
        }
        Ok(Self {
            patterns: expression::compile(texts.into_iter())?,
            sets: of_patterns,
            all,
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

fn read_stats(mut summary: Cursor<'_>, bytes: usize) -> Result<Stats, InvalidDatabase> {
    let mut stats = Stats {
        domains: summary.u64()?,
        urls: summary.u64()?,
        expressions: summary.u64()?,
        bytes: bytes as u64,
        categories: Vec::new(),
    };
    for _ in 0..summary.u32()? {
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
    /// Returns the categories, sorted.
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
