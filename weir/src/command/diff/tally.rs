//! What changed, counted by cause.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use policy::written::quote;
use serde::{Serialize, Serializer};

/// Causes that are told apart; those beyond are counted together.
pub(crate) const CAUSES_MAX: usize = 10_000;

/// Examples that are kept of a cause, and of lines that are no requests.
pub(crate) const EXAMPLES_MAX: usize = 20;

/// What a client meets under one policy, and why.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Reached {
    pub(crate) action: &'static str,
    /// Where a redirect goes, as the policy has it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub(crate) to: Option<Arc<str>>,
    pub(crate) enforced: bool,
    pub(crate) source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub(crate) rule: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub(crate) profile: Option<Arc<str>>,
}

/// What decided before, and what does now.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Change {
    pub(crate) old: Reached,
    pub(crate) new: Reached,
}

/// What came of all lines.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    requests: u64,
    changed: u64,
    skipped: u64,
    /// Requests that needed categories which nobody gave.
    blind: u64,
    causes: BTreeMap<Arc<Change>, Cause>,
    /// Changes of causes beyond [`CAUSES_MAX`].
    other_causes: u64,
    bad: u64,
    bad_lines: BTreeMap<u64, String>,
}

#[derive(Debug, Default)]
struct Cause {
    count: u64,
    /// By the number of the line.
    examples: BTreeMap<u64, String>,
}

impl Reached {
    /// Returns what a client sees of it.
    pub(crate) fn outcome(&self) -> (&'static str, Option<&str>, bool) {
        (self.action, self.to.as_deref(), self.enforced)
    }

    fn text(&self) -> String {
        let mut text = self.action.to_owned();
        if let Some(to) = &self.to {
            let _ = write!(text, " to {to}");
        }
        if !self.enforced {
            text.push_str(", only reported");
        }
        let _ = write!(text, ", from {}", self.source);
        if let Some(rule) = &self.rule {
            let _ = write!(text, " ({rule})");
        }
        text
    }
}

impl Tally {
    /// Returns how many decisions change.
    pub(crate) fn changed(&self) -> u64 {
        self.changed
    }

    pub(super) fn skipped(&mut self) {
        self.skipped += 1;
    }

    pub(super) fn bad(&mut self, line: u64, reason: String) {
        self.bad += 1;
        keep(&mut self.bad_lines, line, || reason);
    }

    pub(super) fn judged(
        &mut self,
        line: u64,
        uri: &str,
        change: Option<&Arc<Change>>,
        blind: bool,
    ) {
        self.requests += 1;
        self.blind += u64::from(blind);
        let Some(change) = change else {
            return;
        };
        self.changed += 1;
        if self.causes.len() >= CAUSES_MAX && !self.causes.contains_key(change) {
            self.other_causes += 1;
            return;
        }
        let cause = self.causes.entry(Arc::clone(change)).or_default();
        cause.count += 1;
        keep(&mut cause.examples, line, || uri.to_owned());
    }

    /// Adds what another worker counted.
    pub(super) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.changed += other.changed;
        self.skipped += other.skipped;
        self.blind += other.blind;
        self.bad += other.bad;
        self.other_causes += other.other_causes;
        for (line, reason) in other.bad_lines {
            keep(&mut self.bad_lines, line, || reason);
        }
        for (change, from) in other.causes {
            if self.causes.len() >= CAUSES_MAX && !self.causes.contains_key(&change) {
                self.other_causes += from.count;
                continue;
            }
            let cause = self.causes.entry(change).or_default();
            cause.count += from.count;
            for (line, uri) in from.examples {
                keep(&mut cause.examples, line, || uri);
            }
        }
    }

    /// Returns the causes, the most frequent first.
    fn by_count(&self) -> Vec<(&Change, &Cause)> {
        let mut causes: Vec<_> = self
            .causes
            .iter()
            .map(|(change, cause)| (&**change, cause))
            .collect();
        causes.sort_by_key(|(change, cause)| (Reverse(cause.count), *change));
        causes
    }

    /// Returns it for a person.
    pub(crate) fn text(&self, examples: usize) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{} requests, {} decisions change",
            self.requests, self.changed
        );
        for (change, cause) in self.by_count() {
            let _ = writeln!(text, "\n{:>8}  {}", cause.count, change.old.text());
            let _ = writeln!(text, "{:>8}  {}", "->", change.new.text());
            for (line, uri) in cause.examples.iter().take(examples) {
                let _ = writeln!(text, "{:10}line {line}: {}", "", quote(uri));
            }
        }
        if self.other_causes > 0 {
            let _ = writeln!(text, "\n{:>8}  for other causes", self.other_causes);
        }
        if self.blind > 0 {
            let _ = writeln!(
                text,
                "\n{} requests need categories that are not known: judged as if they had none; \
                 give --categories, or an access log with categories",
                self.blind
            );
        }
        if self.skipped > 0 {
            let _ = writeln!(
                text,
                "\n{} lines are about nothing that a policy decides",
                self.skipped
            );
        }
        if self.bad > 0 {
            let _ = writeln!(text, "\n{} lines are no requests:", self.bad);
            for (line, reason) in self.bad_lines.iter().take(examples) {
                let _ = writeln!(text, "{:10}line {line}: {reason}", "");
            }
        }
        text
    }

    /// Returns it as JSON, one line.
    pub(crate) fn json(&self, examples: usize) -> String {
        let of = |lines: &BTreeMap<u64, String>| -> Vec<Example> {
            let lines = lines.iter().take(examples);
            lines
                .map(|(line, text)| Example {
                    line: *line,
                    text: text.clone(),
                })
                .collect()
        };
        let page = Page {
            requests: self.requests,
            changed: self.changed,
            causes: self
                .by_count()
                .into_iter()
                .map(|(change, cause)| CauseJson {
                    count: cause.count,
                    old: &change.old,
                    new: &change.new,
                    examples: of(&cause.examples),
                })
                .collect(),
            other_causes: self.other_causes,
            without_categories: self.blind,
            skipped_lines: self.skipped,
            bad_lines: self.bad,
            bad_examples: of(&self.bad_lines),
        };
        // Text and numbers are always JSON.
        let mut text = serde_json::to_string(&page).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// Keeps the first few by line.
fn keep(kept: &mut BTreeMap<u64, String>, line: u64, text: impl FnOnce() -> String) {
    let last = kept.last_key_value().map(|(line, _)| *line);
    if kept.len() < EXAMPLES_MAX || last.is_some_and(|last| line < last) {
        kept.insert(line, text());
        if kept.len() > EXAMPLES_MAX {
            kept.pop_last();
        }
    }
}

/// Writes shared text.
fn text<S: Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
}

#[derive(Serialize)]
struct Page<'a> {
    requests: u64,
    changed: u64,
    causes: Vec<CauseJson<'a>>,
    other_causes: u64,
    without_categories: u64,
    skipped_lines: u64,
    bad_lines: u64,
    bad_examples: Vec<Example>,
}

#[derive(Serialize)]
struct CauseJson<'a> {
    count: u64,
    old: &'a Reached,
    new: &'a Reached,
    examples: Vec<Example>,
}

#[derive(Serialize)]
struct Example {
    line: u64,
    text: String,
}
