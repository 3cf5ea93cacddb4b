//! One JSON object; docs/POLICY.md tells its keys.

use std::io::{self, Write};

use policy::Place;
use serde_json::{Value, json};

use super::{Results, UNTOUCHED_SHOWN_MAX, described};
use crate::command::test::CaseResult;
use crate::command::test::coverage::PolicyCoverage;

pub(super) fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let files = results.files.iter().map(|file| {
        let cases: Vec<Value> = file.cases.iter().map(case).collect();
        json!({"file": file.name, "cases": cases})
    });
    let mut page = json!({
        "passed": results.passed(),
        "failed": results.failed(),
        "files": files.collect::<Vec<Value>>(),
    });
    if let (Some(coverage), Some(page)) = (&results.coverage, page.as_object_mut()) {
        let policies = coverage.policies();
        let policies = policies.map(|(name, policy)| covered(&name, policy));
        page.insert("coverage".to_owned(), policies.collect());
        page.insert("covers_enough".to_owned(), results.covers_enough().into());
    }
    serde_json::to_writer_pretty(&mut *out, &page)?;
    writeln!(out)
}

fn case(case: &CaseResult) -> Value {
    let Place { line, column } = case.place;
    let faults = case
        .faults
        .iter()
        .map(|fault| json!({"what": fault.what, "expected": fault.expected, "got": fault.got}));
    json!({
        "name": case.name,
        "line": line,
        "column": column,
        "passed": case.faults.is_empty(),
        "faults": faults.collect::<Vec<Value>>(),
        "trace": case.trace.lines().map(str::trim_end).collect::<Vec<&str>>(),
    })
}

fn covered(name: &str, policy: &PolicyCoverage) -> Value {
    let untouched = policy.untouched().take(UNTOUCHED_SHOWN_MAX);
    let untouched = untouched.map(|rule| {
        let Place { line, column } = rule.place;
        json!({
            "file": &*rule.file,
            "line": line,
            "column": column,
            "rule": described(&rule.kind),
        })
    });
    json!({
        "policy": name,
        "covered": policy.covered(),
        "total": policy.total(),
        "percent": policy.percent(),
        "untouched": untouched.collect::<Vec<Value>>(),
    })
}
