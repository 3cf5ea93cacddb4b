//! What came back, and what that means for a case.

use std::collections::BTreeSet;
use std::fmt;

use super::column::Column;
use super::place::Origin;
use super::send::Seen;
use super::trial::{Row, Trial};
use crate::evasion::Mode;
use crate::evasion::attempt::Intent;

/// One filter under one policy before one origin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Run {
    /// The filter.
    pub column: Column,
    /// Its policy; the control has none.
    pub mode: Mode,
    /// Who answers.
    pub origin: Origin,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.origin.name();
        match (self.column, self.mode) {
            (Column::Direct, _) => write!(f, "no filter, origin {origin}"),
            (column, Mode::Deny) => write!(f, "{}, deny list, origin {origin}", column.name()),
            (column, Mode::Allow) => write!(f, "{}, allow list, origin {origin}", column.name()),
        }
    }
}

/// What became of a case in a column.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// Whether something blocked came through under the deny list.
    pub deny_bypassed: bool,
    /// Whether something not allowed came through under the allow list.
    pub allow_bypassed: bool,
    /// Whether the honest twin did not come through under the deny list.
    pub deny_broken: bool,
    /// Whether the honest twin did not come through under the allow list.
    pub allow_broken: bool,
    /// Whether anything was sent.
    pub tried: bool,
    /// Without a filter: who gave what the evasion asks for.
    pub effective: Vec<&'static str>,
}

impl Cell {
    /// Returns whether the case is a bypass.
    pub fn is_bypassed(&self) -> bool {
        self.deny_bypassed || self.allow_bypassed
    }

    /// Returns whether its honest twin is broken.
    pub fn is_broken(&self) -> bool {
        self.deny_broken || self.allow_broken
    }
}

/// The cells of all columns.
#[derive(Debug)]
pub struct Verdicts {
    cells: Vec<Vec<Cell>>,
    /// What goes right without a filter: indices of trials, by origin.
    honest_direct: [BTreeSet<usize>; 2],
    findings: Vec<(usize, String)>,
}

impl Verdicts {
    /// Starts with nothing seen, for so many rows.
    pub fn new(rows: usize) -> Self {
        Self {
            cells: vec![vec![Cell::default(); rows]; Column::ALL.len()],
            honest_direct: Default::default(),
            findings: Vec::new(),
        }
    }

    /// Returns the cell of a row.
    pub fn cell(&self, column: Column, row: usize) -> &Cell {
        &self.cells[column as usize][row]
    }

    /// Adds what came back in a run. The control comes first.
    pub fn add(&mut self, trials: &[Trial], run: Run, seen: &[Option<Seen>]) {
        for (index, (trial, seen)) in trials.iter().zip(seen).enumerate() {
            if let Some(seen) = seen {
                self.cells[run.column as usize][trial.row].tried = true;
                match trial.attempt.intent {
                    Intent::Evasion => self.evasion(trial, run, seen),
                    Intent::Honest => self.honest(index, trial, run, seen),
                }
            }
        }
    }

    fn evasion(&mut self, trial: &Trial, run: Run, seen: &Seen) {
        let cell = &mut self.cells[run.column as usize][trial.row];
        let blocked = seen.blocked || seen.hello;
        let outside = blocked || seen.other;
        if run.column == Column::Direct {
            let name = run.origin.name();
            if outside && !cell.effective.contains(&name) {
                cell.effective.push(name);
            }
            return;
        }
        let bypassed = match run.mode {
            Mode::Deny => blocked,
            Mode::Allow => outside,
        };
        match run.mode {
            Mode::Deny => cell.deny_bypassed |= bypassed,
            Mode::Allow => cell.allow_bypassed |= bypassed,
        }
        if bypassed {
            self.find(trial, run, "BYPASS", seen);
        }
    }

    fn honest(&mut self, index: usize, trial: &Trial, run: Run, seen: &Seen) {
        let came = seen.allowed || seen.hello;
        let direct = &mut self.honest_direct[run.origin as usize];
        if run.column == Column::Direct {
            if came {
                direct.insert(index);
            }
            return;
        }
        // An explicit listener has no control, but the obliging origin answers every request.
        let counts = if trial.is_explicit() {
            run.origin == Origin::Obliging
        } else {
            direct.contains(&index)
        };
        if came || !counts {
            return;
        }
        let cell = &mut self.cells[run.column as usize][trial.row];
        match run.mode {
            Mode::Deny => cell.deny_broken = true,
            Mode::Allow => cell.allow_broken = true,
        }
        self.find(trial, run, "broken", seen);
    }

    fn find(&mut self, trial: &Trial, run: Run, what: &str, seen: &Seen) {
        let way = trial.attempt.way.as_str();
        let text = format!("{what}: {run}, {way}: {}", seen.start);
        self.findings.push((trial.row, text));
    }

    /// Lists every bypass and every broken request with what came back.
    pub fn list(&self, rows: &[Row]) {
        for (row, text) in &self.findings {
            let row = &rows[*row];
            eprintln!("{} / {}: {text}", row.kind.as_str(), row.case);
        }
    }
}
