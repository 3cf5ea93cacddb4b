//! Results as people and programs read them.

use std::io::{self, Write};

use super::coverage::{PolicyCoverage, described};
use super::{CaseResult, Fault, Results};
use crate::cli::ResultFormat;

mod json;
mod junit;
mod tap;
mod text;

/// Parts of a policy shown that decided no case; the rest is counted.
const UNTOUCHED_SHOWN_MAX: usize = 100;

/// Prints results.
pub(super) fn write(
    results: &Results,
    format: ResultFormat,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        ResultFormat::Text => text::write(results, out),
        ResultFormat::Junit => junit::write(results, out),
        ResultFormat::Tap => tap::write(results, out),
        ResultFormat::Json => json::write(results, out),
    }
}

/// Returns a fault as the two lines of a diff.
fn diff(fault: &Fault) -> [String; 2] {
    let Fault {
        what,
        expected,
        got,
    } = fault;
    let got = got.as_deref().unwrap_or("(none)");
    [format!("- {what}: {expected}"), format!("+ {what}: {got}")]
}

/// Returns all that a failed case has to say.
fn details(case: &CaseResult) -> Vec<String> {
    let mut lines: Vec<String> = case.faults.iter().flat_map(diff).collect();
    lines.push("because:".to_owned());
    let steps = case.trace.lines();
    lines.extend(steps.map(|line| format!("  {}", line.trim_end())));
    lines
}

/// Returns how much of a policy is covered, and what is not, a line each.
fn coverage_lines(name: &str, policy: &PolicyCoverage) -> (String, Vec<String>) {
    let head = format!(
        "coverage of {name}: {} of {} ({} %)",
        policy.covered(),
        policy.total(),
        policy.percent()
    );
    let untouched = policy.untouched();
    let mut lines: Vec<String> = untouched
        .take(UNTOUCHED_SHOWN_MAX)
        .map(|rule| {
            let what = described(&rule.kind);
            format!("{}:{}: {what} decided no case", rule.file, rule.place)
        })
        .collect();
    let rest = policy.untouched().count() - lines.len();
    if rest > 0 {
        lines.push(format!("{rest} more are not shown"));
    }
    (head, lines)
}

/// Returns the name of the case that stands for the coverage, and whether it passes, if there is
/// a percentage to reach.
fn coverage_case(results: &Results) -> Option<(String, bool)> {
    let percent = results.fail_under?;
    let name = format!("cases cover at least {percent} % of the policies");
    Some((name, results.covers_enough()))
}
