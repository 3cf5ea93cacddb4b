use std::collections::BTreeMap;

use uri::{NormalUri, Readings};

use crate::compile::{Collected, compile};
use crate::expression::EXPRESSIONS_MAX;
use crate::list::Parsed;
use crate::report::Report;
use crate::rules::{Reach, Rule, Rules};
use crate::set::{CATEGORIES_MAX, CATEGORY_LEN_MAX};
use crate::{Compiled, Database, InvalidDatabase, ListKind};

/// Collects lists and compiles them.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    /// By name, numbered as they come.
    categories: BTreeMap<String, u8>,
    aliases: BTreeMap<String, String>,
    domains: Rules,
    urls: Rules,
    expressions: Vec<(String, u8)>,
}

/// A URI that a rule is about, with the category of the rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sample {
    /// The URI.
    pub uri: NormalUri,
    /// The category.
    pub category: String,
}

impl Builder {
    /// Creates a builder without rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the rules of one file to a category. Bad lines are skipped and reported; comments
    /// begin with `#`.
    ///
    /// # Errors
    ///
    /// Fails if the category has no good name, or if a limit of the database is passed.
    pub fn add_file(
        &mut self,
        category: &str,
        kind: ListKind,
        file_name: &str,
        text: &[u8],
    ) -> Result<Report, BuildError> {
        self.add_parsed(category, Parsed::read(kind, file_name, 1, text)?)
    }

    /// Adds rules that were read before to a category, and returns what was said about them.
    ///
    /// # Errors
    ///
    /// Fails if the category has no good name, or if a limit of the database is passed.
    pub fn add_parsed(&mut self, category: &str, parsed: Parsed) -> Result<Report, BuildError> {
        let category = self.category(category)?;
        if self.expressions.len() + parsed.expressions.len() > EXPRESSIONS_MAX {
            return Err(BuildError::TooManyExpressions);
        }
        self.domains.append(&parsed.domains, category)?;
        self.urls.append(&parsed.urls, category)?;
        let expressions = parsed.expressions.into_iter();
        self.expressions
            .extend(expressions.map(|text| (text, category)));
        Ok(parsed.report)
    }

    /// Makes `alias` a second name of a category: what has the one has both.
    ///
    /// # Errors
    ///
    /// Fails if the alias has no good name or there are too many categories.
    pub fn add_alias(&mut self, alias: &str, category: &str) -> Result<(), BuildError> {
        self.category(category)?;
        self.category(alias)?;
        let (alias, category) = (alias.to_ascii_lowercase(), category.to_ascii_lowercase());
        if alias != category {
            self.aliases.insert(alias, category);
        }
        Ok(())
    }

    /// Returns up to `count` URIs that rules about names and URLs cover, spread over all rules
    /// that were added.
    #[must_use]
    pub fn samples(&self, count: usize) -> Vec<Sample> {
        let mut names = vec![""; self.categories.len()];
        for (name, number) in &self.categories {
            if let Some(slot) = names.get_mut(usize::from(*number)) {
                *slot = name;
            }
        }
        let all = self.domains.len() + self.urls.len();
        let step = all.div_ceil(count.max(1)).max(1);
        let rules = (0..all).step_by(step).filter_map(|index| {
            let uri = match self.domains.get(index) {
                Some(rule) => uri_of_name(rule),
                None => uri_of_url(self.urls.get(index - self.domains.len())?),
            };
            let rule = self.domains.get(index);
            let rule = rule.or_else(|| self.urls.get(index - self.domains.len()));
            let category = names.get(usize::from(rule?.category))?;
            Some(Sample {
                uri: uri?,
                category: (*category).to_owned(),
            })
        });
        rules.collect()
    }

    /// Compiles the rules. Equal rules give equal bytes, in whatever order they were added.
    ///
    /// # Errors
    ///
    /// Fails if a limit of the database is passed.
    pub fn compile(self) -> Result<Compiled, BuildError> {
        self.compile_on(1)
    }

    /// Compiles the rules on so many threads, which changes nothing of what comes of it.
    ///
    /// # Errors
    ///
    /// Fails if a limit of the database is passed.
    pub fn compile_on(self, threads: usize) -> Result<Compiled, BuildError> {
        let collected = Collected {
            categories: self.categories,
            aliases: self.aliases,
            domains: self.domains,
            urls: self.urls,
            expressions: self.expressions,
        };
        compile(collected, threads)
    }

    /// Compiles the rules and opens what came of them.
    ///
    /// # Errors
    ///
    /// Fails if a limit of the database is passed.
    pub fn build(self) -> Result<Database, BuildError> {
        Ok(Database::from_bytes(self.compile()?.to_bytes())?)
    }

    /// Returns the number of a category, a new one for a new name.
    fn category(&mut self, name: &str) -> Result<u8, BuildError> {
        let name = category_name(name)?;
        if let Some(number) = self.categories.get(&name) {
            return Ok(*number);
        }
        let number = u8::try_from(self.categories.len());
        let number = number.map_err(|_| BuildError::TooManyCategories)?;
        self.categories.insert(name, number);
        Ok(number)
    }
}

/// Returns the name of a category as it is compared.
pub(crate) fn category_name(name: &str) -> Result<String, BuildError> {
    let name = name.to_ascii_lowercase();
    let is_token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if (1..=CATEGORY_LEN_MAX).contains(&name.len()) && name.bytes().all(is_token) {
        Ok(name)
    } else {
        Err(BuildError::Category(name))
    }
}

/// Returns a URI that a rule about a name covers: below it where it covers what is below.
fn uri_of_name(rule: Rule<'_>) -> Option<NormalUri> {
    let name: Vec<u8> = rule.text.iter().rev().copied().collect();
    let below = [b"http://sample.", &name[..], b"/sample"].concat();
    let itself = [b"http://", &name[..], b"/sample"].concat();
    let uri = match rule.reach {
        // An address has nothing below it.
        Reach::Subtree => Readings::parse(&below).or_else(|_| Readings::parse(&itself)),
        Reach::Exact => Readings::parse(&itself),
    };
    uri.ok().map(|readings| readings.normal().clone())
}

fn uri_of_url(rule: Rule<'_>) -> Option<NormalUri> {
    NormalUri::parse(&[b"https://", rule.text].concat()).ok()
}

/// Why lists do not become a database.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Names travel in headers and policies.
    #[error(
        "`{0}` is no name for a category; use letters, digits, `-`, `_` and `.`, {CATEGORY_LEN_MAX} at most"
    )]
    Category(String),
    /// Over [`CATEGORIES_MAX`].
    #[error("there are more than {CATEGORIES_MAX} categories, aliases included")]
    TooManyCategories,
    /// Over [`EXPRESSIONS_MAX`].
    #[error("there are more than {EXPRESSIONS_MAX} expressions")]
    TooManyExpressions,
    /// Sets have 16-bit numbers.
    #[error("there are more than 65536 different sets of categories")]
    TooManySets,
    /// Offsets have 32 bits.
    #[error("the rules are too many for one database; it holds 4 GiB of text")]
    TooBig,
    /// The expressions are good one by one and too big together, or the database is unsound.
    #[error("the database cannot be read back")]
    ReadBack(#[from] InvalidDatabase),
}
