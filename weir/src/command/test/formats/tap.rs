//! Test Anything Protocol, version 14. The lines of a diagnosis are a YAML block with JSON values.

use std::io::{self, Write};

use super::{Results, coverage_case, coverage_lines, details};

pub(super) fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let coverage_case = coverage_case(results);
    let cases: usize = results.files.iter().map(|file| file.cases.len()).sum();
    writeln!(out, "TAP version 14")?;
    writeln!(out, "1..{}", cases + usize::from(coverage_case.is_some()))?;
    let mut number = 0_usize;
    for file in &results.files {
        for case in &file.cases {
            number += 1;
            let name = escaped(&format!("{}: {}", file.name, case.name));
            if case.faults.is_empty() {
                writeln!(out, "ok {number} - {name}")?;
                continue;
            }
            writeln!(out, "not ok {number} - {name}")?;
            writeln!(out, "  ---")?;
            writeln!(
                out,
                "  at: {}",
                json(&format!("{}:{}", file.name, case.place))
            )?;
            writeln!(out, "  details:")?;
            for line in details(case) {
                writeln!(out, "    - {}", json(&line))?;
            }
            writeln!(out, "  ...")?;
        }
    }
    if let Some((name, good)) = coverage_case {
        number += 1;
        let ok = if good { "ok" } else { "not ok" };
        writeln!(out, "{ok} {number} - {}", escaped(&name))?;
    }
    let policies = results.coverage.iter().flat_map(|it| it.policies());
    for (name, policy) in policies {
        let (head, lines) = coverage_lines(&name, policy);
        writeln!(out, "# {}", one_line(&head))?;
        for line in lines {
            writeln!(out, "# {}", one_line(&line))?;
        }
    }
    Ok(())
}

/// A description ends at a number sign or at the end of the line.
fn escaped(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('#', "\\#")
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn json(text: &str) -> serde_json::Value {
    serde_json::Value::String(text.to_owned())
}
