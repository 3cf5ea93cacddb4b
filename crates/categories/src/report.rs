//! What was wrong with the lines of a list.

use std::fmt;

use uri::{EntryFault, InvalidUri};

/// Lines of one file that are kept because they are bad, or left out; the rest are counted.
pub const BAD_LINES_KEPT_MAX: usize = 100;

/// Bad lines of a file, in percent of its rules, over which it is more likely another kind of file.
pub const BAD_PERCENT_MAX: usize = 1;

/// What came of one file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Lines with a rule, good or bad.
    pub rules: usize,
    /// Lines that were skipped because they are no rule.
    pub bad: usize,
    /// Lines that were skipped because they are a rule that no category can have: exceptions, rules
    /// about parts of pages.
    pub left_out: usize,
    /// The first of the lines that were skipped.
    pub bad_lines: Vec<BadLine>,
}

impl Report {
    pub(crate) fn push_bad(&mut self, line: BadLine) {
        match line.fault {
            LineFault::Exception | LineFault::Unsupported => self.left_out += 1,
            LineFault::Domain(_)
            | LineFault::Url(_)
            | LineFault::HostsLine
            | LineFault::TableLine
            | LineFault::Expression(_)
            | LineFault::TooLong(_)
            | LineFault::NotUtf8
            | LineFault::Override
            | LineFault::Category(_)
            | LineFault::Twice
            | LineFault::TooManyOverrides => self.bad += 1,
        }
        if self.bad_lines.len() < BAD_LINES_KEPT_MAX {
            self.bad_lines.push(line);
        }
    }

    /// Adds the report about another part of the same file.
    pub fn merge(&mut self, part: Self) {
        self.rules += part.rules;
        self.bad += part.bad;
        self.left_out += part.left_out;
        self.bad_lines.extend(part.bad_lines);
        self.bad_lines.sort_by_key(|bad| bad.line);
        self.bad_lines.truncate(BAD_LINES_KEPT_MAX);
    }

    /// Returns whether more than [`BAD_PERCENT_MAX`] percent of the rules are bad.
    #[must_use]
    pub fn is_mostly_something_else(&self) -> bool {
        self.bad * 100 > self.rules * BAD_PERCENT_MAX
    }
}

/// A line that was skipped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BadLine {
    /// The file as the caller named it.
    pub file: String,
    /// The line, the first being 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: LineFault,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.fault)
    }
}

/// Why a line is no rule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LineFault {
    /// In a list of names.
    #[error("{0}; a line of `domains` is a host name such as `host.example` or an IP address")]
    Domain(EntryFault),
    /// In a list of URLs.
    #[error(
        "{0}; a line of `urls` is a host and the beginning of a path, such as `host.example/path`"
    )]
    Url(InvalidUri),
    /// In a hosts file.
    #[error("a line of `hosts` is an IP address and host names, such as `0.0.0.0 host.example`")]
    HostsLine,
    /// In a table of URLs.
    #[error("no field has a URL; a line of `url_csv` has one that begins with http:// or https://")]
    TableLine,
    /// In a list of expressions.
    #[error("{0}; a line of `expressions` is a POSIX extended regular expression")]
    Expression(String),
    /// Over the length of a line.
    #[error("the line has {0} bytes; use {max} at most", max = crate::LINE_LEN_MAX)]
    TooLong(usize),
    /// Text is UTF-8.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// An exception of a filter list.
    #[error("an exception takes nothing out of a category; use an override for it")]
    Exception,
    /// A rule of a filter list that is not about whole names.
    #[error("only rules such as `||host.example^` are about whole names")]
    Unsupported,
    /// In a file of overrides.
    #[error(
        "an override is a domain or a URI, a blank, and categories, such as `host.example games,press` or `host.example -`"
    )]
    Override,
    /// In a file of overrides.
    #[error("`{0}` is no name for a category; use letters, digits, `-`, `_` and `.`")]
    Category(String),
    /// In a file of overrides.
    #[error("the entry is here twice; the last one holds")]
    Twice,
    /// In a file of overrides.
    #[error("there are more than {max} entries", max = crate::OVERRIDES_MAX)]
    TooManyOverrides,
}
