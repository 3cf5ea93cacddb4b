//! `weir explain` as people and programs run it.

use serde_json::Value;
use tests::program::{run, write_files};

use crate::architecture::root;
use crate::docs::blocks;
use crate::schemas::validator;

#[test]
fn the_steps_of_the_guide_are_those_of_the_program() {
    let page = std::fs::read_to_string(root().join("docs/POLICY.md")).unwrap();
    let mut examples = blocks(&page).into_iter().map(|(_, text)| text);
    let policy = examples
        .find(|text| text.starts_with("schedules:"))
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), &[("p.yaml", &policy)]);
    let moment = "2026-11-20T15:30[Europe/Madrid]";
    let arguments = [
        "explain",
        "--policy",
        "p.yaml",
        "--now",
        moment,
        "http://social.example/",
    ];
    let output = run(folder.path(), &arguments);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        page.contains(&format!("```text\n{shown}```\n")),
        "the page lacks:\n{shown}"
    );
}

#[test]
fn json_is_as_its_schema_says() {
    let validator = validator("explain");
    for arguments in [
        &["http://play.example/", "--categories", "games,gambling"][..],
        &["--profile", "homework", "http://%61.example/%252e"],
        &["--icap-failure", "overload", "http://a.example/"],
        &["--icap", "icap://127.0.0.1:1/x", "http://a.example/"],
        &["--tls", "casino.example"],
        &["http://a b/"],
        &["http://old.example/"],
    ] {
        let start = ["explain", "--json", "--policy", "policies/family.yaml"];
        let output = run(&root(), &[&start, arguments].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let faults: Vec<_> = validator
            .iter_errors(&value)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert_eq!(faults, Vec::<String>::new(), "{text}");
    }
}
