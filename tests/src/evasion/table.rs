//! The report of a run: one table.

use std::fmt;

use super::Mode;
use super::attempt::{Attempt, Intent, Kind};
use super::finding::Finding;
use super::outcome::Outcome;

/// What all sendings of a run came to, case by case.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    kind: Kind,
    case: String,
    source: String,
    deny: Cell,
    allow: Cell,
    honest: Cell,
}

#[derive(Clone, Debug, Default)]
struct Cell {
    /// What came of the sendings of the cell, each once.
    words: Vec<String>,
    bypassed: bool,
    broken: bool,
}

/// How many cases there are, and what came of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Cases.
    pub cases: usize,
    /// Cases of which a sending reached what it may not reach.
    pub bypasses: usize,
    /// Cases whose honest request did not get through.
    pub honest_broken: usize,
}

impl Table {
    /// Adds what one sending came to.
    pub fn add(&mut self, attempt: &Attempt, mode: Mode, outcomes: &[Outcome], finding: &Finding) {
        let row = self.row(attempt);
        let cell = match (attempt.intent, mode) {
            (Intent::Honest, _) => &mut row.honest,
            (Intent::Evasion, Mode::Deny) => &mut row.deny,
            (Intent::Evasion, Mode::Allow) => &mut row.allow,
        };
        cell.bypassed |= matches!(finding, Finding::Bypass(_));
        cell.broken |= matches!(finding, Finding::Broken(_));
        let outcome = Outcome::of_all(outcomes).map(|outcome| outcome.to_string());
        let word = match (finding, attempt.intent) {
            (Finding::Good, Intent::Evasion) => outcome.unwrap_or_else(|| "held".to_owned()),
            (Finding::Good, Intent::Honest) => "served".to_owned(),
            (Finding::Bypass(what), _) => format!("**BYPASS** {what}"),
            (Finding::Broken(what), _) => format!("**BROKEN** {what}"),
            (Finding::Unexpected(what), _) => format!("**UNEXPECTED** {what}"),
        };
        if !cell.words.contains(&word) {
            cell.words.push(word);
        }
    }

    /// Prints the report of a run.
    pub fn print(&self, run: &str) {
        eprintln!("# The evasion corpus: {run}\n\n{self}");
    }

    fn row(&mut self, attempt: &Attempt) -> &mut Row {
        let is_of = |row: &Row| row.kind == attempt.kind && row.case == attempt.case;
        let at = self.rows.iter().position(is_of).unwrap_or_else(|| {
            self.rows.push(Row {
                kind: attempt.kind,
                case: attempt.case.clone(),
                source: attempt.source.clone(),
                deny: Cell::default(),
                allow: Cell::default(),
                honest: Cell::default(),
            });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    /// Counts.
    pub fn totals(&self) -> Totals {
        let count = |holds: fn(&Row) -> bool| self.rows.iter().filter(|row| holds(row)).count();
        Totals {
            cases: self.rows.len(),
            bypasses: count(|row| row.cells().iter().any(|cell| cell.bypassed)),
            honest_broken: count(|row| row.honest.broken),
        }
    }
}

impl Row {
    fn cells(&self) -> [&Cell; 3] {
        [&self.deny, &self.allow, &self.honest]
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cases,
            bypasses,
            honest_broken,
        } = self;
        write!(
            f,
            "{cases} cases, {bypasses} bypasses, {honest_broken} honest broken"
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| kind | case | source | deny | allow | honest |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by_key(|row| row.kind);
        for row in rows {
            let kind = row.kind.as_str();
            let [deny, allow, honest] = row.cells().map(|cell| cell.words.join("; "));
            let (case, source) = (&row.case, &row.source);
            writeln!(
                f,
                "| {kind} | {case} | {source} | {deny} | {allow} | {honest} |"
            )?;
        }
        writeln!(f, "\n{}", self.totals())
    }
}
