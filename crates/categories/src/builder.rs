use std::collections::BTreeMap;

use uri::{Domain, InvalidUri, NormalUri};

use crate::compile::{Collected, compile};
use crate::expression::{self, EXPRESSIONS_MAX};
use crate::report::{BadLine, LineFault, Report};
use crate::rules::Rules;
use crate::set::{CATEGORIES_MAX, CATEGORY_LEN_MAX};
use crate::urls::folded;
use crate::{Database, InvalidDatabase};

/// Bytes of one line of a list.
pub const LINE_LEN_MAX: usize = 8 * 1024;

/// What the lines of a file are.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ListKind {
    /// Names that cover their subdomains, and addresses.
    Domains,
    /// Hosts with the beginning of a path. A leading `www`, `web` or `ftp`, with a number or
    /// without, is the host without it; other subdomains are not covered. Case is ignored.
    Urls,
    /// POSIX extended regular expressions on host, path and query. Case is ignored.
    Expressions,
}

/// Collects lists and compiles them.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    /// By name, numbered as they come.
    categories: BTreeMap<String, u8>,
    aliases: BTreeMap<String, String>,
    /// Names, each from its last byte to its first, so that parents sort before children.
    domains: Rules,
    /// Folded hosts and paths, in lower case.
    urls: Rules,
    expressions: Vec<(String, u8)>,
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
        let category = self.category(category)?;
        let mut report = Report::default();
        for (line, number) in text.split(|&b| b == b'\n').zip(1..) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            report.rules += 1;
            if let Err(fault) = self.add_line(category, kind, line)? {
                report.push_bad(BadLine {
                    file: file_name.to_owned(),
                    line: number,
                    fault,
                });
            }
        }
        Ok(report)
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

    /// Compiles the rules. Equal rules give equal bytes, in whatever order they were added.
    ///
    /// # Errors
    ///
    /// Fails if a limit of the database is passed.
    pub fn build(self) -> Result<Database, BuildError> {
        let bytes = compile(Collected {
            categories: self.categories,
            aliases: self.aliases,
            domains: self.domains,
            urls: self.urls,
            expressions: self.expressions,
        })?;
        Ok(Database::from_bytes(bytes)?)
    }

    /// Returns the number of a category, a new one for a new name.
    fn category(&mut self, name: &str) -> Result<u8, BuildError> {
        let name = name.to_ascii_lowercase();
        let is_token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if !(1..=CATEGORY_LEN_MAX).contains(&name.len()) || !name.bytes().all(is_token) {
            return Err(BuildError::Category(name));
        }
        if let Some(number) = self.categories.get(&name) {
            return Ok(*number);
        }
        let number = u8::try_from(self.categories.len());
        let number = number.map_err(|_| BuildError::TooManyCategories)?;
        self.categories.insert(name, number);
        Ok(number)
    }

    fn add_line(
        &mut self,
        category: u8,
        kind: ListKind,
        line: &[u8],
    ) -> Result<Result<(), LineFault>, BuildError> {
        if line.len() > LINE_LEN_MAX {
            return Ok(Err(LineFault::TooLong(line.len())));
        }
        match kind {
            ListKind::Domains => match domain(line) {
                Ok(domain) => self.domains.push(domain.as_str().bytes().rev(), category)?,
                Err(fault) => return Ok(Err(fault)),
            },
            ListKind::Urls => match url(line) {
                Ok(url) => {
                    let path = url.path_and_query().bytes();
                    let text = folded(url.host()).bytes().chain(path);
                    self.urls
                        .push(text.map(|b| b.to_ascii_lowercase()), category)?;
                }
                Err(fault) => return Ok(Err(fault)),
            },
            ListKind::Expressions => match expression(line) {
                Ok(expression) if self.expressions.len() < EXPRESSIONS_MAX => {
                    self.expressions.push((expression, category));
                }
                Ok(_) => return Err(BuildError::TooManyExpressions),
                Err(fault) => return Ok(Err(fault)),
            },
        }
        Ok(Ok(()))
    }
}

fn domain(line: &[u8]) -> Result<Domain, LineFault> {
    let line = str::from_utf8(line).map_err(|_| LineFault::NotUtf8)?;
    Domain::parse(line).map_err(|entry| LineFault::Domain(entry.source))
}

fn url(line: &[u8]) -> Result<NormalUri, LineFault> {
    // Browsers find a host behind any slashes; in a list it was left out.
    if line.starts_with(b"/") || line.starts_with(b"\\") {
        return Err(LineFault::Url(InvalidUri::HostEmpty));
    }
    NormalUri::parse_typed(line).map_err(LineFault::Url)
}

fn expression(line: &[u8]) -> Result<String, LineFault> {
    let line = str::from_utf8(line).map_err(|_| LineFault::NotUtf8)?;
    match expression::compile([line].into_iter()) {
        Ok(_) => Ok(line.to_owned()),
        Err(fault) => {
            // The lines before the last draw the expression.
            let fault = fault.to_string();
            let last = fault.lines().last().unwrap_or_default();
            Err(LineFault::Expression(
                last.trim_start_matches("error: ").to_owned(),
            ))
        }
    }
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
