//! For people.

use std::io::{self, Write};

use policy::written::quote;

use super::{Results, coverage_lines, details};

pub(super) fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    for file in &results.files {
        writeln!(out, "{}", file.name)?;
        for case in &file.cases {
            let name = quote(&case.name);
            if case.faults.is_empty() {
                writeln!(out, "  pass  {name}")?;
                continue;
            }
            writeln!(out, "  FAIL  {name} ({}:{})", file.name, case.place)?;
            for line in details(case) {
                writeln!(out, "          {line}")?;
            }
        }
    }
    if let Some(coverage) = &results.coverage {
        for (name, policy) in coverage.policies() {
            let (head, lines) = coverage_lines(&name, policy);
            writeln!(out, "{head}")?;
            for line in lines {
                writeln!(out, "  {line}")?;
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
