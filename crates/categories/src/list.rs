//! Lists as they are published, read line by line.

use uri::{Domain, InvalidUri, NormalUri};

use crate::BuildError;
use crate::expression;
use crate::report::{BadLine, LineFault, Report};
use crate::rules::{Reach, Rules};
use crate::urls::folded;

mod filter_rule;
mod hosts_line;
mod table_line;

use filter_rule::FilterRule;

/// Bytes of one line of a list.
pub const LINE_LEN_MAX: usize = 8 * 1024;

/// What the lines of a file are, and so what they cover.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ListKind {
    /// Names that cover their subdomains, and addresses.
    Domains,
    /// Names without their subdomains, and addresses.
    Hostnames,
    /// A hosts file: an address, and names without their subdomains. Names that hosts files have
    /// for the machine itself, such as `localhost`, are none of the list.
    Hosts,
    /// A filter list for browsers: `||name^` covers the subdomains, a bare name does not. Its other
    /// rules are left out.
    Adblock,
    /// Hosts with the beginning of a path. A leading `www`, `web` or `ftp`, with a number or
    /// without, is the host without it; other subdomains are not covered. Case is ignored. A scheme
    /// and a port may be written, and change nothing.
    Urls,
    /// A table with commas, as URLhaus and PhishTank publish it: the first field of a line that
    /// begins with `http://` or `https://` is what [`ListKind::Urls`] has.
    UrlTable,
    /// POSIX extended regular expressions on host, path and query. Case is ignored.
    Expressions,
}

/// The rules of a list, or of a part of it, sorted.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// Names, each from its last byte to its first, so that parents sort before children.
    pub(crate) domains: Rules,
    /// Folded hosts and paths, in lower case.
    pub(crate) urls: Rules,
    pub(crate) expressions: Vec<String>,
    /// What was read.
    pub report: Report,
}

impl Parsed {
    /// Reads lines, of which the first has the number `first_line`. Bad lines are skipped and
    /// reported; comments begin with `#`.
    ///
    /// # Errors
    ///
    /// Fails if the text is too long for one database.
    pub fn read(
        kind: ListKind,
        file_name: &str,
        first_line: usize,
        text: &[u8],
    ) -> Result<Self, BuildError> {
        let mut parsed = Self::default();
        let text = match text.strip_prefix(b"\xef\xbb\xbf") {
            Some(text) if first_line == 1 => text,
            Some(_) | None => text,
        };
        for (line, number) in text.split(|&b| b == b'\n').zip(first_line..) {
            let line = line.trim_ascii();
            if is_no_rule(kind, line, number) {
                continue;
            }
            parsed.report.rules += 1;
            if let Err(fault) = parsed.add_line(kind, line)? {
                parsed.report.push_bad(BadLine {
                    file: file_name.to_owned(),
                    line: number,
                    fault,
                });
            }
        }
        parsed.domains.sort();
        parsed.urls.sort();
        Ok(parsed)
    }

    fn add_line(
        &mut self,
        kind: ListKind,
        line: &[u8],
    ) -> Result<Result<(), LineFault>, BuildError> {
        if line.len() > LINE_LEN_MAX {
            return Ok(Err(LineFault::TooLong(line.len())));
        }
        match kind {
            ListKind::Domains => self.domain(without_remark(line), Reach::Subtree),
            ListKind::Hostnames => self.domain(without_remark(line), Reach::Exact),
            ListKind::Hosts => self.hosts(without_remark(line)),
            ListKind::Adblock => match FilterRule::of(line) {
                Ok(FilterRule::Subtree(name)) => self.domain(name, Reach::Subtree),
                Ok(FilterRule::Exact(name)) => self.domain(name, Reach::Exact),
                Ok(FilterRule::Hosts(line)) => self.hosts(line),
                Err(fault) => Ok(Err(fault)),
            },
            ListKind::Urls => self.url(line),
            ListKind::UrlTable => match table_line::url(line) {
                Some(url) => self.url(&url),
                None => Ok(Err(LineFault::TableLine)),
            },
            ListKind::Expressions => Ok(expression(line).map(|text| self.expressions.push(text))),
        }
    }

    fn hosts(&mut self, line: &[u8]) -> Result<Result<(), LineFault>, BuildError> {
        let Some(names) = hosts_line::names(line) else {
            return Ok(Err(LineFault::HostsLine));
        };
        for name in names {
            if let Err(fault) = self.domain(name, Reach::Exact)? {
                return Ok(Err(fault));
            }
        }
        Ok(Ok(()))
    }

    fn domain(&mut self, name: &[u8], reach: Reach) -> Result<Result<(), LineFault>, BuildError> {
        let Ok(name) = str::from_utf8(name) else {
            return Ok(Err(LineFault::NotUtf8));
        };
        match Domain::parse(name) {
            Ok(domain) => self
                .domains
                .push(domain.as_str().bytes().rev(), reach)
                .map(Ok),
            Err(entry) => Ok(Err(LineFault::Domain(entry.source))),
        }
    }

    fn url(&mut self, line: &[u8]) -> Result<Result<(), LineFault>, BuildError> {
        // Browsers find a host behind any slashes; in a list it was left out.
        if line.starts_with(b"/") || line.starts_with(b"\\") {
            return Ok(Err(LineFault::Url(InvalidUri::HostEmpty)));
        }
        match NormalUri::parse_typed(line) {
            Ok(url) => {
                let text = folded(url.host())
                    .bytes()
                    .chain(url.path_and_query().bytes());
                let text = text.map(|b| b.to_ascii_lowercase());
                self.urls.push(text, Reach::Subtree).map(Ok)
            }
            Err(fault) => Ok(Err(LineFault::Url(fault))),
        }
    }
}

/// Returns whether a line is empty, a comment, or the head of a table.
fn is_no_rule(kind: ListKind, line: &[u8], number: usize) -> bool {
    match kind {
        ListKind::Adblock => filter_rule::is_comment(line),
        ListKind::UrlTable => {
            line.is_empty() || line.starts_with(b"#") || (number == 1 && table_line::is_head(line))
        }
        ListKind::Domains
        | ListKind::Hostnames
        | ListKind::Hosts
        | ListKind::Urls
        | ListKind::Expressions => line.is_empty() || line.starts_with(b"#"),
    }
}

/// Drops a comment that follows names on their line.
fn without_remark(line: &[u8]) -> &[u8] {
    let sign = line
        .windows(2)
        .position(|pair| matches!(pair, [b' ' | b'\t', b'#']));
    line.get(..sign.unwrap_or(line.len()))
        .unwrap_or_default()
        .trim_ascii_end()
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
