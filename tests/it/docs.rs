//! The docs are in step with the programs.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use tests::program::{Program, run, write_files};

use crate::architecture::root;

/// Blocks marked so are parts of files.
const FRAGMENT: &str = "yaml,fragment";

#[test]
fn every_example_is_a_good_file() {
    let mut seen = 0;
    for (name, text) in pages() {
        for (line, block) in blocks(&text) {
            check(&format!("{name}:{line}"), &block);
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen} examples");
}

#[test]
fn the_guide_of_policies_is_executed() {
    let page = fs::read_to_string(root().join("docs/POLICY.md")).unwrap();
    let part = |words: &str| {
        let blocks = blocks(&page).into_iter().map(|(_, text)| text);
        let mut found = blocks.filter(|text| text.contains(words));
        let only = found.next().unwrap();
        assert_eq!(found.count(), 0, "{words}");
        only
    };
    let policy = part("policies:\n  family:");
    let tests = part("cases:\n");
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("family.yaml", policy.as_str()),
        ("family.test.yaml", &tests),
    ];
    write_files(folder.path(), &files);
    let passed = run(folder.path(), &["test", "."]);
    let text = String::from_utf8(passed.stdout).unwrap();
    assert_eq!(passed.status.code(), Some(0), "{text}");
    let count = tests.matches("expect:").count();
    assert!(
        count >= 6 && text.ends_with(&format!("{count} passed, 0 failed\n")),
        "{text}"
    );
    // The case of the page that fails, and the remark of the page.
    let wrong = "policy: family.yaml\nprofile: child\ncases:\n  - name: the stricter of two categories wins\n    \
                 uri: http://play.example/\n    categories: [games, gambling]\n    expect: {action: block}\n";
    write_files(folder.path(), &[("family.test.yaml", wrong)]);
    let failed = run(folder.path(), &["test", "family.test.yaml"]);
    let shown = String::from_utf8(failed.stdout).unwrap();
    let shown = shown.strip_prefix("family.test.yaml\n").unwrap();
    let shown = shown.strip_suffix("0 passed, 1 failed\n").unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        page.contains(&format!("```text\n{shown}```\n")),
        "the page lacks:\n{shown}"
    );
    let slip = policy.replace("policy: family\n", "policy: famly\n");
    write_files(folder.path(), &[("family.yaml", &slip)]);
    let checked = run(folder.path(), &["check", "family.yaml"]);
    let shown = String::from_utf8(checked.stderr).unwrap();
    assert_eq!(checked.status.code(), Some(78));
    assert!(
        page.contains(&format!("```text\n{shown}```\n")),
        "the page lacks:\n{shown}"
    );
}

#[test]
fn every_warning_is_documented() {
    let page = fs::read_to_string(root().join("docs/POLICY.md")).unwrap();
    let (_, warnings) = page.split_once("\n## Warnings\n").unwrap();
    let (warnings, _) = warnings.split_once("\n## ").unwrap();
    let rows = warnings.lines().filter(|line| line.starts_with("| `"));
    let documented: BTreeSet<&str> = rows
        .flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2))
        .collect();
    let names: BTreeSet<&str> = policy::Warning::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(documented, names);
    let schema = fs::read_to_string(root().join("docs/schema/policy.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let listed = schema["properties"]["allow_warnings"]["items"]["enum"].as_array();
    let listed: BTreeSet<&str> = listed
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    assert_eq!(listed, names);
}

#[test]
fn every_policy_file_is_good_and_its_tests_cover_it() {
    let policies = root().join("policies");
    let files = fs::read_dir(policies)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .collect();
    let covered = ["test", "policies", "--coverage", "--fail-under", "100"];
    assert_eq!(weir(&covered), Ok(()));
    let page = run(&root(), &covered).stdout;
    let page = String::from_utf8(page).unwrap();
    let policies = files
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap());
    for policy in policies.filter(|name| !name.ends_with(".test.yaml")) {
        let head = format!("coverage of policies/{policy}: ");
        let line = page.lines().find(|line| line.starts_with(&head));
        let line = line.unwrap_or_else(|| panic!("no case is about {policy}:\n{page}"));
        assert!(line.ends_with("(100 %)"), "{line}");
    }
    let files: Vec<_> = files.iter().map(|path| path.to_str().unwrap()).collect();
    let check = [&["check", "--deny-warnings"], files.as_slice()].concat();
    assert_eq!(weir(&check), Ok(()));
}

#[test]
fn every_metric_is_documented() {
    let page = fs::read_to_string(root().join("docs/METRICS.md")).unwrap();
    let documented: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("weir_"))
        .collect();
    let mut program = Program::start(
        &["up", "--config", "weir.yaml"],
        &[
            ("weir.yaml", CONFIG),
            ("policy.yaml", POLICY),
            ("lists/news/domains", "news.example\n"),
        ],
    );
    let mut served = BTreeSet::new();
    for admin in ["proxy_admin", "icap_server_admin"] {
        served.extend(metric_names(&get(program.address(admin, 0), "/metrics")));
    }
    let served: BTreeSet<&str> = served.iter().map(String::as_str).collect();
    let undocumented: Vec<_> = served.difference(&documented).collect();
    assert!(
        undocumented.is_empty(),
        "docs/METRICS.md lacks {undocumented:?}"
    );
    // Metrics with labels appear once they were counted; those without are always there.
    let plain = page.lines().filter(|line| line.starts_with("| `weir_"));
    let plain = plain.filter(|line| {
        line.split('|')
            .nth(3)
            .is_some_and(|it| it.trim().is_empty())
    });
    for line in plain {
        let name = line.split('`').nth(1).unwrap();
        assert!(
            served.contains(name),
            "`{name}` is documented and not served"
        );
    }
    assert_eq!(program.stop(), 0);
}

const CONFIG: &str = "
policy: policy.yaml
proxy:
  admin: 127.0.0.1:0
  listen: [{mode: explicit, address: '127.0.0.1:0'}]
icap_server: {admin: '127.0.0.1:0', listen: ['127.0.0.1:0'], categories: lists}
sessions: {redis: {address: '127.0.0.1:1'}, gx: {peers: [{host: 127.0.0.1, port: 1}], identity: weir.test, realm: test}}
";

const POLICY: &str = "
profiles:
  a: {default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
default_profile: a
";

/// Returns the names of the metrics on a page, counters with `_total` as they are queried.
fn metric_names(page: &str) -> Vec<String> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| match kind {
            "counter" => format!("{name}_total"),
            _ => name.to_owned(),
        })
        .collect()
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Returns the pages for people with their names.
pub(crate) fn pages() -> Vec<(String, String)> {
    let docs = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let pages = docs.chain([root().join("README.md")]);
    let pages = pages.filter(|path| path.extension().is_some_and(|it| it == "md"));
    pages
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// Returns the first line and the text of every YAML block that is a whole file.
pub(crate) fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(page.lines()) {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some("yaml")) => open = Some((number + 1, String::new())),
            (None, _) => {
                let part = line.starts_with("```yaml");
                assert!(
                    !part || line == format!("```{FRAGMENT}"),
                    "{number}: {line}"
                );
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    blocks
}

/// Checks a block beside the files that examples name.
#[track_caller]
fn check(place: &str, block: &str) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "family.yaml",
        &fs::read_to_string(root().join("policies/family.yaml")).unwrap(),
    );
    write("lists/news.txt", "news.example\n");
    write("overrides.txt", "news.example press\n");
    write("categories/news/domains", "news.example\n");
    write("block.yaml", block);
    let path = folder.path().join("block.yaml");
    assert_eq!(
        weir(&["check", path.to_str().unwrap()]),
        Ok(()),
        "{place}:\n{block}"
    );
}

/// Runs a command of the program. Fails with what it printed.
fn weir(arguments: &[&str]) -> Result<(), String> {
    let output = run(&root(), arguments);
    let text = [output.stdout, output.stderr].concat();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&text).into_owned()),
    }
}
