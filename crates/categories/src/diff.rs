//! What differs between two databases, rule by rule.

use std::collections::BTreeMap;

use crate::Database;
use crate::set::CategorySet;

/// A rule, as it is looked for in another database.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RuleKey<'a> {
    Domain(&'a [u8]),
    Url { host: &'a [u8], path: &'a [u8] },
    Expression(&'a str),
}

/// What a look-up of a rule's own name or URL gives, the rules above it included.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed<'a> {
    /// The categories, sorted.
    pub categories: Vec<&'a str>,
    /// Those of what is below it, sorted.
    pub below: Vec<&'a str>,
}

/// A rule that is in one of two databases, or has other categories in the second.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change<'a> {
    /// A name, a host with the beginning of a path, or an expression.
    pub rule: String,
    /// What it has in the old database; none if it is not there.
    pub old: Option<Listed<'a>>,
    /// What it has in the new database; none if it is not there.
    pub new: Option<Listed<'a>>,
}

/// How many rules of a category came and went.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CategoryChange {
    /// The category.
    pub name: String,
    /// Rules that have it in the old database, and in the new one.
    pub old: u64,
    /// Rules that have it in the new database.
    pub new: u64,
    /// Rules that have it in the new database and had it not.
    pub added: u64,
    /// Rules that had it in the old database and have it no more.
    pub removed: u64,
}

impl Database {
    /// Compares a new database with this one: tells `each` of every rule that came, went or has
    /// other categories, and returns the counts of each category of either, in the order of names.
    pub fn diff<'a>(
        &'a self,
        new: &'a Self,
        each: &mut dyn FnMut(Change<'a>),
    ) -> Vec<CategoryChange> {
        let mut counts = Counts::of([self, new]);
        self.each_rule(&mut |key, pair| {
            let old = self.listed(pair);
            let new = new.pair_of_rule(key).map(|pair| new.listed(pair));
            counts.count(Some(&old), new.as_ref());
            if new.as_ref() != Some(&old) {
                each(Change {
                    rule: key.text(),
                    old: Some(old),
                    new,
                });
            }
        });
        new.each_rule(&mut |key, pair| {
            if self.pair_of_rule(key).is_none() {
                let new = new.listed(pair);
                counts.count(None, Some(&new));
                each(Change {
                    rule: key.text(),
                    old: None,
                    new: Some(new),
                });
            }
        });
        counts.0.into_values().collect()
    }

    fn listed(&self, (itself, below): (CategorySet, CategorySet)) -> Listed<'_> {
        let names = |set: CategorySet| set.iter().filter_map(|number| self.name(number)).collect();
        Listed {
            categories: names(itself),
            below: names(below),
        }
    }
}

impl RuleKey<'_> {
    fn text(self) -> String {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        match self {
            Self::Domain(name) => text(name),
            Self::Url { host, path } => text(host) + &text(path),
            Self::Expression(expression) => expression.to_owned(),
        }
    }
}

/// Counts by the name of the category.
struct Counts<'a>(BTreeMap<&'a str, CategoryChange>);

impl<'a> Counts<'a> {
    fn of(databases: [&'a Database; 2]) -> Self {
        let names = databases.into_iter().flat_map(Database::categories);
        let counts = names.map(|name| {
            let count = CategoryChange {
                name: name.to_owned(),
                ..CategoryChange::default()
            };
            (name, count)
        });
        Self(counts.collect())
    }

    fn count(&mut self, old: Option<&Listed<'a>>, new: Option<&Listed<'a>>) {
        let names = |listed: Option<&Listed<'a>>| {
            listed.map_or_else(Vec::new, |listed| listed.categories.clone())
        };
        let (old, new) = (names(old), names(new));
        for name in &old {
            if let Some(count) = self.0.get_mut(name) {
                count.old += 1;
                count.removed += u64::from(!new.contains(name));
            }
        }
        for name in &new {
            if let Some(count) = self.0.get_mut(name) {
                count.new += 1;
                count.added += u64::from(!old.contains(name));
            }
        }
    }
}
