//! The XML that CI systems read: `testsuites` of `testsuite`, one for each file.

use std::io::{self, Write};

use super::{CaseResult, Results, coverage_case, coverage_lines, details};

/// The suite of the case that stands for the coverage.
const COVERAGE: &str = "coverage";

pub(super) fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let coverage_case = coverage_case(results);
    let uncovered = usize::from(coverage_case.as_ref().is_some_and(|(_, good)| !good));
    let tests = results.passed() + results.failed() + usize::from(coverage_case.is_some());
    let failures = results.failed() + uncovered;
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuites name="weir test" tests="{tests}" failures="{failures}" errors="0">"#
    )?;
    for file in &results.files {
        let failures = file.cases.iter().filter(|case| !case.faults.is_empty());
        suite(out, &file.name, file.cases.len(), failures.count())?;
        for case in &file.cases {
            write_case(out, &file.name, case)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    if let Some((name, good)) = coverage_case {
        suite(out, COVERAGE, 1, uncovered)?;
        let mut lines = Vec::new();
        for (name, policy) in results.coverage.iter().flat_map(|it| it.policies()) {
            let (head, untouched) = coverage_lines(&name, policy);
            lines.push(head);
            lines.extend(untouched);
        }
        let fault = (!good).then_some(("not enough is covered", lines));
        case_element(out, COVERAGE, &name, fault)?;
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn suite(out: &mut dyn Write, name: &str, tests: usize, failures: usize) -> io::Result<()> {
    writeln!(
        out,
        r#"  <testsuite name="{}" tests="{tests}" failures="{failures}" errors="0" skipped="0">"#,
        escaped(name)
    )
}

fn write_case(out: &mut dyn Write, file: &str, case: &CaseResult) -> io::Result<()> {
    let what: Vec<&str> = case.faults.iter().map(|fault| fault.what).collect();
    let message = format!("not as expected: {}", what.join(", "));
    let fault = (!case.faults.is_empty()).then(|| {
        let mut lines = vec![format!("{file}:{}", case.place)];
        lines.extend(details(case));
        (message.as_str(), lines)
    });
    case_element(out, file, &case.name, fault)
}

fn case_element(
    out: &mut dyn Write,
    class: &str,
    name: &str,
    fault: Option<(&str, Vec<String>)>,
) -> io::Result<()> {
    let (class, name) = (escaped(class), escaped(name));
    let Some((message, lines)) = fault else {
        return writeln!(out, r#"    <testcase classname="{class}" name="{name}"/>"#);
    };
    writeln!(out, r#"    <testcase classname="{class}" name="{name}">"#)?;
    writeln!(
        out,
        r#"      <failure message="{}" type="expectation">{}</failure>"#,
        escaped(message),
        escaped(&lines.join("\n"))
    )?;
    writeln!(out, "    </testcase>")
}

/// Writes text so that it ends neither an attribute nor an element. XML 1.0 has no place for
/// control characters, escaped or not.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' | '\t' => escaped.push(c),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
