//! The table, and the page that holds it.

use std::fmt::Write as _;

use super::case::{Case, Level};
use super::exchange::Verdict;
use super::peer::Service;
use super::suite::{Outcome, claims};
use crate::page::Part;

/// The table on the page.
const PART: Part = Part {
    page: "ICAP-CONFORMANCE.md",
    begin: "<!-- conformance -->\n",
    end: "<!-- end of the conformance -->\n",
};

/// Returns the table as Markdown.
pub fn table(cases: &[Case], columns: &[(Service, Outcome)]) -> String {
    let mut text = String::from("| judged | version | service |\n|---|---|---|\n");
    for (service, _) in columns {
        let (server, version, name) = (service.server(), service.version(), service.name());
        let _ = writeln!(text, "| {server} | {version} | `{name}` |");
    }
    let names: Vec<String> = columns
        .iter()
        .map(|(service, _)| format!("{} `{}`", service.server(), service.name()))
        .collect();
    let head = names.join(" | ");
    let rule = "---|".repeat(columns.len());
    let _ = write!(
        text,
        "\n| requirements broken | of | {head} |\n|---|---|{rule}\n"
    );
    for level in [Level::Must, Level::Should, Level::May] {
        let count = |(_, outcome): &(Service, Outcome)| outcome.broken(cases, level).len();
        let counts = columns
            .iter()
            .map(count)
            .map(|count| format!("**{count}**"));
        let counts = counts.collect::<Vec<_>>().join(" | ");
        let (word, all) = (level.as_str(), claims(cases, level).len());
        let _ = writeln!(text, "| **{word}** | {all} | {counts} |");
    }
    let _ = write!(
        text,
        "\n{} cases:\n\n| section | level | requirement | case | {head} |\n|---|---|---|---|{rule}\n",
        cases.len()
    );
    for (index, case) in cases.iter().enumerate() {
        let rule = case.rule;
        let (section, level, claim) = (rule.section, rule.level.as_str(), rule.claim);
        let _ = write!(text, "| {section} | {level} | {claim} | {} |", case.id);
        for (_, outcome) in columns {
            let _ = write!(text, " {} |", cell(outcome.verdicts.get(index)));
        }
        text.push('\n');
    }
    text
}

fn cell(verdict: Option<&Verdict>) -> String {
    match verdict {
        Some(Verdict::Met(_)) => "ok".to_owned(),
        Some(Verdict::Failed(got)) => format!("**fails**: {}", got.replace('|', "\\|")),
        Some(Verdict::NotJudged(_)) | None => "–".to_owned(),
    }
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
