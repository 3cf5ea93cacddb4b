//! What was wrong with the lines of a list.

use std::fmt;

use uri::{EntryFault, InvalidUri};

/// Bad lines of one file that are kept; the rest are counted.
pub const BAD_LINES_KEPT_MAX: usize = 100;

/// What came of one file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Lines with a rule, good or bad.
    pub rules: usize,
    /// Lines that were skipped because they are no rule.
    pub bad: usize,
    /// The first of the bad lines.
    pub bad_lines: Vec<BadLine>,
}

impl Report {
    pub(crate) fn push_bad(&mut self, line: BadLine) {
        self.bad += 1;
        if self.bad_lines.len() < BAD_LINES_KEPT_MAX {
            self.bad_lines.push(line);
        }
    }
}

/// A line that is no rule.
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
    /// In a file of domains.
    #[error("{0}; a line of `domains` is a host name such as `host.example` or an IP address")]
    Domain(EntryFault),
    /// In a file of URLs.
    #[error(
        "{0}; a line of `urls` is a host and the beginning of a path, such as `host.example/path`"
    )]
    Url(InvalidUri),
    /// In a file of expressions.
    #[error("{0}; a line of `expressions` is a POSIX extended regular expression")]
    Expression(String),
    /// Over the length of a line.
    #[error("the line has {0} bytes; use {max} at most", max = crate::LINE_LEN_MAX)]
    TooLong(usize),
    /// Text is UTF-8.
    #[error("the line is not UTF-8")]
    NotUtf8,
}
