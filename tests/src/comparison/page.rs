//! The table, and the page that holds it.

use std::fmt::Write as _;
use std::process::Command;

use super::column::Column;
use super::trial::{Row, Trial};
use super::verdict::{Cell, Verdicts};
use crate::evasion::attempt::Intent;
use crate::page::Part;

/// The table on the page.
const PART: Part = Part {
    page: "SECURITY-TESTS.md",
    begin: "<!-- comparison -->\n",
    end: "<!-- end of the comparison -->\n",
};

/// The row with the number of bypasses.
pub const BYPASSES: &str = "**bypasses**";
/// The row with the number of honest requests broken.
pub const BROKEN: &str = "**honest requests broken**";

/// Returns how the page names a case.
pub fn case_name(row: &Row) -> String {
    format!("{}: {}", row.kind.as_str(), row.case.replace('|', "\\|"))
}

/// Returns the table as Markdown.
pub fn table(rows: &[Row], trials: &[Trial], columns: &[Column], verdicts: &Verdicts) -> String {
    let versions: Vec<String> = columns.iter().map(|column| column.version()).collect();
    let versions: Vec<&str> = versions
        .iter()
        .map(String::as_str)
        .filter(|v| !v.is_empty())
        .collect();
    let mut text = format!(
        "Measured on {}, Linux {}: {}. {} cases, {} sendings a filter and policy and origin.\n\n| case |",
        output("date", &["-u", "+%Y-%m-%d"]),
        output("uname", &["-r"]),
        versions.join(", "),
        rows.len(),
        trials.len(),
    );
    for column in columns {
        let _ = write!(text, " {} |", column.name());
    }
    text += "\n|---|";
    text += &"---|".repeat(columns.len());
    text.push('\n');
    total(&mut text, BYPASSES, columns, rows, |column, row| {
        verdicts.cell(column, row).is_bypassed()
    });
    total(&mut text, BROKEN, columns, rows, |column, row| {
        verdicts.cell(column, row).is_broken()
    });
    for (index, row) in rows.iter().enumerate() {
        if !trials.iter().any(|trial| trial.row == index) {
            continue;
        }
        let _ = write!(text, "| {} |", case_name(row));
        let evades = trials
            .iter()
            .any(|trial| trial.row == index && trial.attempt.intent == Intent::Evasion);
        for column in columns {
            let cell = verdicts.cell(*column, index);
            let word = match column {
                Column::Direct => effective(cell, evades),
                Column::Weir | Column::Squid | Column::Haproxy | Column::Nginx => word(cell),
            };
            let _ = write!(text, " {word} |");
        }
        text.push('\n');
    }
    text
}

fn total(
    text: &mut String,
    what: &str,
    columns: &[Column],
    rows: &[Row],
    counts: impl Fn(Column, usize) -> bool,
) {
    let _ = write!(text, "| {what} |");
    for column in columns {
        let count = (0..rows.len()).filter(|row| counts(*column, *row)).count();
        let _ = match column {
            Column::Direct => write!(text, " |"),
            Column::Weir | Column::Squid | Column::Haproxy | Column::Nginx => {
                write!(text, " **{count}** |")
            }
        };
    }
    text.push('\n');
}

/// Who gives without a filter what the evasion asks for.
fn effective(cell: &Cell, evades: bool) -> String {
    match (cell.tried, evades, cell.effective.as_slice()) {
        (false, ..) => "–".to_owned(),
        (true, false, _) => "honest".to_owned(),
        (true, true, []) => "none".to_owned(),
        (true, true, [one]) => (*one).to_owned(),
        (true, true, _) => "both".to_owned(),
    }
}

fn word(cell: &Cell) -> String {
    if !cell.tried {
        return "–".to_owned();
    }
    let under = |deny: bool, allow: bool| match (deny, allow) {
        (true, true) => Some(""),
        (true, false) => Some(" (deny)"),
        (false, true) => Some(" (allow)"),
        (false, false) => None,
    };
    let bypass = under(cell.deny_bypassed, cell.allow_bypassed).map(|mode| format!("BYPASS{mode}"));
    let broken = under(cell.deny_broken, cell.allow_broken).map(|mode| format!("broken{mode}"));
    let words: Vec<String> = bypass.into_iter().chain(broken).collect();
    if words.is_empty() {
        return "ok".to_owned();
    }
    words.join(", ")
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.expect("a program of every system");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Returns the table of the page.
///
/// # Errors
///
/// Says what is wrong with the page.
pub fn read() -> Result<String, String> {
    PART.read()
}

/// Puts the table on the page.
///
/// # Errors
///
/// Says what is wrong with the page.
pub fn write(table: &str) -> Result<(), String> {
    PART.write(table)
}
