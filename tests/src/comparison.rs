//! The corpus of evasions against this program and others, side by side.
//!
//! - `trial`: what is sent: the cases of the corpus.
//! - `place`: the lab, with two origins.
//! - `obliging`: the second origin, which understands whatever some origin understands.
//! - `mark`: what the origins say was reached.
//! - `column`: the filters.
//! - `send`: sending, and seeing what comes back.
//! - `verdict`: what that means.
//! - `page`: the table in `docs/SECURITY-TESTS.md`.

use std::time::Instant;

pub mod column;
pub mod mark;
pub mod obliging;
pub mod page;
pub mod place;
pub mod send;
pub mod trial;
pub mod verdict;

use self::column::Column;
use self::place::{Origin, Place};
use self::send::Seen;
use self::trial::Trial;
use self::verdict::{Run, Verdicts};
use crate::evasion::Mode;
use crate::evasion::attempt::Intent;
use crate::evasion::case::Corpus;

const USAGE: &str = "usage: compare [--only NAME]... [--case TEXT]

  --only NAME   this filter alone: weir, Squid, HAProxy or nginx; may be repeated
  --case TEXT   the cases with this in their name

With either, the table is printed and the page is not written.";

/// What was asked for.
#[derive(Debug, Default)]
struct Options {
    only: Vec<Column>,
    case: Option<String>,
}

/// Runs the comparison as the arguments say, and writes or prints its table.
///
/// # Errors
///
/// Says what is wrong with the arguments, or missing on this machine.
pub fn run(arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let options = Options::read(arguments)?;
    let columns = options.columns();
    missing(&columns)?;
    let (rows, mut trials) = trial::trials(&Corpus::read());
    if let Some(text) = &options.case {
        trials.retain(|trial| rows[trial.row].case.contains(text.as_str()));
    }
    let started = Instant::now();
    let place = Place::new();
    let mut verdicts = Verdicts::new(rows.len());
    for column in &columns {
        for run in runs(*column) {
            let seen = send_all(&place, &trials, run);
            if options.case.is_some() {
                show(&trials, run, &seen);
            }
            verdicts.add(&trials, run, &seen);
        }
    }
    drop(place);
    eprintln!("{} sendings in {:?}", trials.len(), started.elapsed());
    verdicts.list(&rows);
    let table = page::table(&rows, &trials, &columns, &verdicts);
    if options.is_whole() {
        return page::write(&table);
    }
    print(&table);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it was asked for")]
fn print(table: &str) {
    println!("{table}");
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let value = arguments.next().ok_or(USAGE)?;
            match argument.as_str() {
                "--only" => {
                    let named = |column: &Column| column.name().eq_ignore_ascii_case(&value);
                    options
                        .only
                        .push(Column::ALL.into_iter().find(named).ok_or(USAGE)?);
                }
                "--case" => options.case = Some(value),
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }

    /// The control is always among them.
    fn columns(&self) -> Vec<Column> {
        let asked = |column: &Column| {
            self.only.is_empty() || *column == Column::Direct || self.only.contains(column)
        };
        Column::ALL.into_iter().filter(asked).collect()
    }

    fn is_whole(&self) -> bool {
        self.only.is_empty() && self.case.is_none()
    }
}

/// Says what is missing here.
fn missing(columns: &[Column]) -> Result<(), String> {
    let nginx = Column::Nginx.program();
    let programs = columns.iter().filter_map(|column| column.program());
    for (program, package) in programs.chain(nginx) {
        if let Some(missing) = crate::program_missing(&[program]) {
            return Err(format!("{missing}; install the package {package}"));
        }
    }
    crate::lab::missing().map_or(Ok(()), |missing| Err(format!("{missing}; run as root")))
}

/// Returns the runs of a column; the control has no mode.
fn runs(column: Column) -> Vec<Run> {
    let modes = match column {
        Column::Direct => &[Mode::Deny][..],
        Column::Weir | Column::Squid | Column::Haproxy | Column::Nginx => {
            &[Mode::Deny, Mode::Allow]
        }
    };
    let run = |(mode, origin): (&Mode, Origin)| Run {
        column,
        mode: *mode,
        origin,
    };
    let pairs = modes
        .iter()
        .flat_map(|mode| Origin::ALL.map(|origin| (mode, origin)));
    pairs.map(run).collect()
}

/// Sends everything through a filter that is started for this run alone, so that no connection of
/// another run is used again.
fn send_all(place: &Place, trials: &[Trial], run: Run) -> Vec<Option<Seen>> {
    let started = Instant::now();
    place.switch_to(run.origin);
    let running = run.column.start(place, run.mode);
    place.redirect(&run.column.rules());
    let chosen = |trial: &Trial| !trial.is_explicit() || run.column.is_explicit();
    let seen = send::all(&place.lab, trials, chosen);
    place.redirect("");
    drop(running);
    eprintln!("{run}: {:.1?}", started.elapsed());
    seen
}

/// Shows each sending and what came back, for whoever looks at few cases.
fn show(trials: &[Trial], run: Run, seen: &[Option<Seen>]) {
    for (trial, seen) in trials.iter().zip(seen) {
        let Some(seen) = seen else { continue };
        let aim = match trial.attempt.intent {
            Intent::Evasion => "evasion",
            Intent::Honest => "honest",
        };
        let sent = trial.attempt.sending.bytes();
        let sent = sent[..sent.len().min(100)].escape_ascii();
        eprintln!("{run}: {aim} to {} {sent}\n    -> {}", trial.to, seen.start);
    }
}
