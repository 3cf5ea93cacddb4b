//! `weir check` and `weir test` as authors and their CI run them.

use std::fs;
use std::path::Path;
use std::process::Command;

use expect_test::expect;
use tests::ToEnd as _;
use tests::program::{Program, run, weir, write_files};

const POLICY: &str = "
lists: {school: [school.example], unused: []}
profiles:
  a:
    pass_list: [school]
    default_action: block
    unknown_action: block
    error_action: block
    undecidable_action: block
default_profile: a
";

const TESTS: &str = r#"
policy: p.yaml
cases:
  - {name: "school & <lessons>", uri: "http://school.example/", expect: {action: pass}}
  - {name: the rest, uri: "http://a.example/", expect: {action: pass, source: unknown}}
"#;

#[test]
fn remarks_show_the_line_and_colours_are_for_terminals() {
    let folder = folder();
    let output = run(folder.path(), &["check", "p.yaml"]);
    let page = String::from_utf8(output.stderr).unwrap();
    expect![[r#"
        p.yaml:2:35: warning: no profile names the list `unused` [unused_list]
         2 | lists: {school: [school.example], unused: []}
           |                                   ^^^^^^
    "#]]
    .assert_eq(&page);
    assert_eq!(output.status.code(), Some(0));
    let denied = run(folder.path(), &["check", "--deny-warnings", "p.yaml"]);
    assert_eq!(denied.status.code(), Some(78));
    let allowed = [
        "check",
        "--deny-warnings",
        "--allow",
        "unused_list",
        "p.yaml",
    ];
    assert_eq!(run(folder.path(), &allowed).status.code(), Some(0));
    for (variable, value, coloured) in [
        ("NO_COLOR", "", true),
        ("NO_COLOR", "1", false),
        ("TERM", "dumb", false),
    ] {
        let page = on_terminal(folder.path(), "check p.yaml", (variable, value));
        assert!(page.contains("[unused_list]"), "{page}");
        assert_eq!(
            page.contains("\u{1b}["),
            coloured,
            "{variable}={value}: {page}"
        );
    }
}

#[test]
fn names_that_no_warning_has_are_refused() {
    let folder = folder();
    let output = run(
        folder.path(),
        &["check", "--allow", "unused_lists", "p.yaml"],
    );
    let page = String::from_utf8(output.stderr).unwrap();
    assert!(page.contains("did you mean `unused_list`?"), "{page}");
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn a_reader_of_junit_finds_every_case() {
    let folder = folder();
    let arguments = ["test", ".", "--format", "junit", "--fail-under", "100"];
    let output = run(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(1));
    fs::write(folder.path().join("results.xml"), &output.stdout).unwrap();
    let read = Command::new("python3")
        .args(["-c", READER, "results.xml"])
        .current_dir(folder.path())
        .to_end();
    let page = String::from_utf8(read.stdout).unwrap();
    expect![[r#"
        testsuites 3 2
        testsuite ./p.test.yaml 2 1
        case school & <lessons> passed
        case the rest failed not as expected: action
        testsuite coverage 1 1
        case cases cover at least 100 % of the policies failed not enough is covered
    "#]]
    .assert_eq(&page);
}

#[test]
fn watched_tests_run_again_when_a_file_is_replaced() {
    let program = Program::start(
        &["test", "--watch", "tests"],
        &[
            ("p.yaml", POLICY),
            ("tests/p.test.yaml", &TESTS.replace("p.yaml", "../p.yaml")),
        ],
    );
    program.wait_for_line(&["1 passed, 1 failed"]);
    program.wait_for_line(&["watching"]);
    // As editors do it: a new file takes the place of the old one.
    let good = POLICY.replace("unknown_action: block", "unknown_action: pass");
    program.write(".p.yaml.new", &good);
    let path = |name: &str| program.dir.path().join(name);
    fs::rename(path(".p.yaml.new"), path("p.yaml")).unwrap();
    program.wait_for_line(&["2 passed, 0 failed"]);
    wait_for_count(&program, "watching", 2);
    // A mistake is told, and does not end the watch.
    program.write("p.yaml", "profiles: [");
    program.wait_for_line(&["p.yaml:1:11: error:"]);
    wait_for_count(&program, "watching", 3);
    program.write("p.yaml", &good);
    wait_for_count(&program, "2 passed, 0 failed", 2);
    wait_for_count(&program, "watching", 4);
    // So is a new file.
    let more = TESTS.replace("p.yaml", "../p.yaml");
    program.write("tests/deep/q.test.yaml", &more.replace("../", "../../"));
    program.wait_for_line(&["4 passed, 0 failed"]);
}

#[track_caller]
fn wait_for_count(program: &Program, text: &str, count: usize) {
    tests::wait_for(text, || {
        let lines = program.lines();
        let found = lines.iter().filter(|line| line.contains(text)).count();
        (found >= count).then_some(())
    });
}

/// Prints what a JUnit file says.
const READER: &str = "
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
print(root.tag, root.get('tests'), root.get('failures'))
for suite in root:
    cases = suite.findall('testcase')
    assert int(suite.get('tests')) == len(cases)
    assert int(suite.get('failures')) == len(suite.findall('testcase/failure'))
    print(suite.tag, suite.get('name'), suite.get('tests'), suite.get('failures'))
    for case in cases:
        failure = case.find('failure')
        assert case.get('classname') == suite.get('name')
        told = 'passed' if failure is None else 'failed ' + failure.get('message')
        assert failure is None or failure.text.strip()
        print('case', case.get('name'), told)
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), &[("p.yaml", POLICY), ("p.test.yaml", TESTS)]);
    folder
}

/// Runs `weir` on a terminal, and returns what is seen there.
fn on_terminal(folder: &Path, arguments: &str, (variable, value): (&str, &str)) -> String {
    let command = format!("{} {arguments}", weir().display());
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .current_dir(folder)
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .env(variable, value)
        .to_end();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
