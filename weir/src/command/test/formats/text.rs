//! For people.

use std::io::{self, Write};

use policy::written::{quote, visible};

use super::{Results, coverage_lines, details};

pub(super) fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    for file in &results.files {
        let path = visible(&file.name);
        writeln!(out, "{path}")?;
        for case in &file.cases {
            let name = quote(&case.name);
            if case.faults.is_empty() {
                writeln!(out, "  pass  {name}")?;
                continue;
            }
            writeln!(out, "  FAIL  {name} ({path}:{})", case.place)?;
            for line in details(case) {
                writeln!(out, "          {}", visible(&line))?;
            }
        }
    }
    if let Some(coverage) = &results.coverage {
        for (name, policy) in coverage.policies() {
            let (head, lines) = coverage_lines(&name, policy);
            writeln!(out, "{}", visible(&head))?;
            for line in lines {
                writeln!(out, "  {}", visible(&line))?;
            }
        }
    }
    let (passed, failed) = (results.passed(), results.failed());
    writeln!(out, "{passed} passed, {failed} failed")?;
    if let (false, Some(percent)) = (results.covers_enough(), results.fail_under) {
        writeln!(out, "less than {percent} % is covered")?;
    }
    Ok(())
}
