//! What an operator says about single URIs and domains, in the place of the database.

use std::collections::BTreeMap;

use uri::{Domain, NormalUri, suffixes};

use crate::builder::category_name;
use crate::report::{BadLine, LineFault, Report};
use crate::urls::{common_len, folded};

/// Entries of one file.
pub const OVERRIDES_MAX: usize = 100_000;

/// Domains and URIs with the categories that they have, whatever the database says.
///
/// A line is an entry, blanks, and categories separated by commas; `-` is no category. An entry
/// with a slash is a URI: it covers the host as lists of URLs do, and every path that it begins;
/// another covers the domain and its subdomains. Scheme and port change nothing. The longest URI
/// decides, else the domain with most labels.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Overrides {
    domains: BTreeMap<String, Vec<String>>,
    /// By folded host: paths in lower case.
    urls: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// How many entries there are.
    len: usize,
}

/// What overrides say of a URI.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Overridden<'a> {
    /// The categories; none: what the database says holds.
    pub(crate) categories: Option<&'a [String]>,
    /// Bytes of the path under which that is the same for every path. None: not even the whole.
    pub(crate) prefix_len: Option<usize>,
}

impl Overrides {
    /// Reads a file. Bad lines are skipped and reported; comments begin with `#`.
    #[must_use]
    pub fn read(file_name: &str, text: &[u8]) -> (Self, Report) {
        let mut overrides = Self::default();
        let mut report = Report::default();
        for (line, number) in text.split(|&b| b == b'\n').zip(1..) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            report.rules += 1;
            if let Err(fault) = overrides.add(line) {
                report.push_bad(BadLine {
                    file: file_name.to_owned(),
                    line: number,
                    fault,
                });
            }
        }
        (overrides, report)
    }

    /// Returns whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty() && self.urls.is_empty()
    }

    /// Returns every category that is named, each as often as it is.
    pub(crate) fn categories(&self) -> impl Iterator<Item = &str> {
        let paths = self.urls.values().flat_map(BTreeMap::values);
        let lists = self.domains.values().chain(paths);
        lists.flatten().map(String::as_str)
    }

    /// Returns what makes these overrides differ from others.
    pub(crate) fn content(&self) -> String {
        format!("{self:?}")
    }

    pub(crate) fn find(&self, uri: &NormalUri) -> Overridden<'_> {
        let mut prefix_len = 1;
        let mut found = None;
        let path = uri.path_and_query().as_bytes();
        if let Some(paths) = self.urls.get(folded(uri.host())) {
            for (rule, categories) in paths {
                let common = common_len(rule.as_bytes(), path);
                if common == rule.len() {
                    // In byte order the longest of those that the path extends comes last.
                    found = Some(categories.as_slice());
                    prefix_len = prefix_len.max(common);
                } else {
                    prefix_len = prefix_len.max(common + 1);
                }
            }
        }
        Overridden {
            categories: found.or_else(|| self.domain(uri.host())),
            prefix_len: (prefix_len <= path.len()).then_some(prefix_len),
        }
    }

    fn domain(&self, host: &str) -> Option<&[String]> {
        if self.domains.is_empty() {
            return None;
        }
        suffixes(host)
            .find_map(|name| self.domains.get(name))
            .map(Vec::as_slice)
    }

    fn add(&mut self, line: &[u8]) -> Result<(), LineFault> {
        let line = str::from_utf8(line).map_err(|_| LineFault::NotUtf8)?;
        let (entry, names) = line
            .split_once(|c: char| c.is_ascii_whitespace())
            .ok_or(LineFault::Override)?;
        let categories = categories(names)?;
        if self.len == OVERRIDES_MAX {
            return Err(LineFault::TooManyOverrides);
        }
        let old = if entry.contains('/') {
            let url = NormalUri::parse_typed(entry.as_bytes()).map_err(LineFault::Url)?;
            let path = url.path_and_query().to_ascii_lowercase();
            let paths = self.urls.entry(folded(url.host()).to_owned()).or_default();
            paths.insert(path, categories)
        } else {
            let domain = Domain::parse(entry).map_err(|entry| LineFault::Domain(entry.source))?;
            self.domains.insert(domain.as_str().to_owned(), categories)
        };
        if old.is_some() {
            return Err(LineFault::Twice);
        }
        self.len += 1;
        Ok(())
    }
}

fn categories(names: &str) -> Result<Vec<String>, LineFault> {
    let names = names.trim();
    if names == "-" {
        return Ok(Vec::new());
    }
    let names = names.split(',').map(|name| {
        category_name(name.trim()).map_err(|_| LineFault::Category(name.trim().to_owned()))
    });
    names.collect()
}
