use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::written::{Placed, Written};
use crate::{Diagnostic, Place, Severity, Warning};

/// Errors, and warnings, kept of one file. The rest is counted.
pub const REMARKS_MAX: usize = 100;

/// Everything there is to say about one file and what it names.
#[derive(Clone, Debug)]
pub struct Remarks {
    file: Arc<str>,
    list: Vec<Diagnostic>,
    errors: Count,
    warnings: Count,
    allowed: BTreeSet<Warning>,
}

/// A place in a file, which may be another than the one that is read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Site {
    pub(crate) file: Arc<str>,
    pub(crate) place: Place,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    kept: usize,
    dropped: usize,
}

impl Remarks {
    /// Starts with nothing to say about the file called `file`.
    #[must_use]
    pub fn new(file: &str) -> Self {
        Self {
            file: file.into(),
            list: Vec::new(),
            errors: Count::default(),
            warnings: Count::default(),
            allowed: BTreeSet::new(),
        }
    }

    /// Adds an error.
    pub fn error(&mut self, place: Place, text: impl Into<String>) {
        self.error_at(&self.site(place), text);
    }

    /// Adds a warning, unless its kind is allowed.
    pub fn warning(&mut self, warning: Warning, place: Place, text: impl Into<String>) {
        self.warning_at(warning, &self.site(place), text);
    }

    /// Silences warnings of these kinds from here on.
    pub fn allow(&mut self, warnings: impl IntoIterator<Item = Warning>) {
        self.allowed.extend(warnings);
    }

    /// Returns the kinds that are silenced.
    #[must_use]
    pub fn allowed(&self) -> &BTreeSet<Warning> {
        &self.allowed
    }

    /// Adds remarks about this or other files.
    pub fn extend(&mut self, remarks: impl IntoIterator<Item = Diagnostic>) {
        for remark in remarks {
            self.push(remark);
        }
    }

    /// Adds an error for each address that two sockets would have to share. Port 0 is many ports.
    pub fn distinct_addresses<'a>(&mut self, written: impl IntoIterator<Item = &'a Written>) {
        let mut seen = HashSet::new();
        for written in written {
            let address = written.text.parse::<SocketAddr>().ok();
            let Some(address) = address.filter(|address| address.port() != 0) else {
                continue;
            };
            if !seen.insert(address) {
                let text = format!("`{address}` is here twice; give each listener its own port");
                self.error(written.place, text);
            }
        }
    }

    /// Adds an error if a list is empty or longer than `max`.
    pub fn counted<T>(&mut self, list: &Placed<Vec<T>>, max: usize, what: &str) {
        let len = list.value.len();
        if len == 0 || len > max {
            self.error(list.place, format!("{len} {what} are here; use 1 to {max}"));
        }
    }

    /// Returns whether nothing forbids the use of the file.
    #[must_use]
    pub fn usable(&self) -> bool {
        self.errors.kept == 0
    }

    /// Returns the remarks in the order of the file.
    #[must_use]
    pub fn into_list(mut self) -> Vec<Diagnostic> {
        let own = self.file;
        // Stable: remarks about other files keep their order, behind those about this one.
        self.list.sort_by_key(|remark| {
            let elsewhere = *remark.file != *own;
            (elsewhere, (!elsewhere).then_some(remark.place))
        });
        let counts = [
            (Severity::Error, self.errors, "errors"),
            (Severity::Warning, self.warnings, "warnings"),
        ];
        for (severity, Count { dropped, .. }, what) in counts {
            if dropped > 0 {
                self.list.push(Diagnostic {
                    file: own.to_string(),
                    place: None,
                    severity,
                    text: format!("{dropped} more {what} are not shown"),
                    warning: None,
                });
            }
        }
        self.list
    }

    /// Returns the warnings if the file can be used, else the errors alone: warnings about half a
    /// file could mislead.
    pub(crate) fn finish(self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let usable = self.usable();
        let mut list = self.into_list();
        if usable {
            return Ok(list);
        }
        list.retain(|remark| remark.severity == Severity::Error);
        Err(list)
    }

    pub(crate) fn site(&self, place: Place) -> Site {
        Site {
            file: Arc::clone(&self.file),
            place,
        }
    }

    pub(crate) fn error_at(&mut self, site: &Site, text: impl Into<String>) {
        self.push(site.remark(Severity::Error, text.into()));
    }

    pub(crate) fn warning_at(&mut self, warning: Warning, site: &Site, text: impl Into<String>) {
        self.push(Diagnostic {
            warning: Some(warning),
            ..site.remark(Severity::Warning, text.into())
        });
    }

    fn push(&mut self, remark: Diagnostic) {
        if remark.warning.is_some_and(|it| self.allowed.contains(&it)) {
            return;
        }
        let count = match remark.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if count.kept == REMARKS_MAX {
            count.dropped += 1;
        } else if !self.list.contains(&remark) {
            // A list that several profiles use would repeat itself.
            count.kept += 1;
            self.list.push(remark);
        }
    }
}

impl Site {
    fn remark(&self, severity: Severity, text: String) -> Diagnostic {
        Diagnostic {
            file: self.file.to_string(),
            place: Some(self.place),
            severity,
            text,
            warning: None,
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_kept_and_the_rest_is_counted() {
        let mut remarks = Remarks::new("f.yaml");
        for line in [1, 1].into_iter().chain(1..=103) {
            remarks.error(Place { line, column: 1 }, "wrong");
            remarks.warning(Warning::UnusedList, Place { line, column: 1 }, "odd");
        }
        assert!(!remarks.usable());
        let list = remarks.into_list();
        assert_eq!(list.len(), 2 * REMARKS_MAX + 2);
        let last: Vec<String> = list.iter().rev().take(2).map(ToString::to_string).collect();
        assert_eq!(
            last,
            [
                "f.yaml: warning: 3 more warnings are not shown",
                "f.yaml: error: 3 more errors are not shown",
            ]
        );
    }

    #[test]
    fn other_files_come_last() {
        let mut remarks = Remarks::new("f.yaml");
        let site = Site {
            file: "a.txt".into(),
            place: Place { line: 9, column: 1 },
        };
        remarks.error_at(&site, "wrong");
        remarks.warning(Warning::UnusedList, Place { line: 2, column: 1 }, "odd");
        remarks.error(Place { line: 1, column: 5 }, "wrong");
        let list: Vec<String> = remarks
            .into_list()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            list,
            [
                "f.yaml:1:5: error: wrong",
                "f.yaml:2:1: warning: odd [unused_list]",
                "a.txt:9:1: error: wrong",
            ]
        );
    }
}
