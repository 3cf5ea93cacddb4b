//! What commands say, and no test of theirs is about.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use clap::Parser as _;
use expect_test::{Expect, expect};

use crate::{Failure, cli, run};

const POLICY: &str = r#"
profiles:
  a:
    icap: true
    policy: [{policy: p, when: {days: [mon], timezone: UTC}}]
    pass_list: [l]
    sni_check: require
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: reset
policies: {p: {block: [games]}}
lists: {l: [good.example]}
default_profile: a
"#;

#[test]
fn explain_tells_what_is_rare() {
    let sunday = ["--now", "2026-11-22T12:00Z"];
    let many = "http://a.example/a;b%2f..%5c%252e%3f%00";
    let explain = ["explain", "--policy", "p.yaml", sunday[0], sunday[1]];
    check(
        &[&explain, &[many][..]].concat(),
        |_| {},
        expect![[r#"
        requested         http://a.example/a;b%2f..%5c%252e%3f%00
        normal form       http://a.example/.%3F%00
        also read         in more ways than are judged
        profile           a
        time              2026-11-22T12:00[UTC]
        schedules         mon 00:00-24:00 UTC: not active until 2026-11-23T00:00[UTC]
        policy            none holds
        lists             no entry in pass_list, block_list and redirect_list
        categories        none
        action            pass, from unknown
        undecidable       ambiguous
        decision          block, from undecidable
        enforcement       TCP reset
    "#]],
    );
    let command = &[&explain, &["--tls", "a_b..\u{7f}"][..]].concat();
    check(
        command,
        |_| {},
        expect![[r#"
        requested         a_b..\u{7f}
        normal form       none: `a_b..\u{7f}` is not a host name or an IP address
        profile           a
        time              2026-11-22T12:00[UTC]
        schedules         mon 00:00-24:00 UTC: not active until 2026-11-23T00:00[UTC]
        policy            none holds
        undecidable       invalid_host
        decision          block, from undecidable
        enforcement       TCP reset
    "#]],
    );
}

#[test]
fn names_and_values_have_no_control_characters() {
    let name = "a\u{1b}\n.test.yaml";
    let case = "policy: p.yaml\ncases: [{name: \"a\\e\", uri: 'http://a/', \
                expect: {action: pass, rule: \"b\\e\"}}]\n";
    let write = |folder: &Path| write(folder, name, case);
    check(
        &["test", name, "--coverage"],
        write,
        expect![[r#"
        DIR/a\u{1b}\n.test.yaml
          FAIL  a\u{1b} (DIR/a\u{1b}\n.test.yaml:2:49)
                  - rule: b\u{1b}
                  + rule: (none)
                  because:
                    normal form       http://a/
                    profile           a
                    policy            none holds
                    lists             no entry in pass_list, block_list and redirect_list
                    categories        none
                    action            pass, from unknown
                    decision          pass, from unknown
                    enforcement       forwarded
        coverage of DIR/p.yaml: 2 of 8 (25 %)
          DIR/p.yaml:14:13: entry `good.example` of list `l` decided no case
          DIR/p.yaml:13:24: category `games` of policy `p` decided no case
          DIR/p.yaml:5:23: policy `p` of profile `a` by schedule `mon 00:00-24:00 UTC` decided no case
          DIR/p.yaml:8:21: `default_action` of profile `a` decided no case
          DIR/p.yaml:10:19: `error_action` of profile `a` decided no case
          DIR/p.yaml:11:25: `undecidable_action` of profile `a` decided no case
        0 passed, 1 failed
    "#]],
    );
    check(
        &["check", name],
        write,
        expect![[r#"
        DIR/a\u{1b}\n.test.yaml: tests, good
    "#]],
    );
}

#[test]
fn no_step_has_control_characters() {
    let command = [
        "explain",
        "--policy",
        "p.yaml",
        "--categories",
        "a\u{1b}[31m,b\u{9b}",
        "http://a.example/",
    ];
    let page = told(&command, |_| {});
    assert!(
        page.contains("categories        a\\u{1b}[31m, b\\u{9b}\n"),
        "{page}"
    );
    let mut controls = page.chars().filter(|char| char.is_control());
    assert!(controls.all(|char| char == '\n'), "{page:?}");
    check(
        &["explain", "--policy", "p.yaml", ""],
        |_| {},
        expect![[r#"
            64 error: the URI is empty; give one such as `http://play.example/`
        "#]],
    );
}

#[test]
fn explain_tells_what_an_icap_service_does_wrong() {
    for (answer, expected) in [
        (
            "HTTP/1.1 200 OK\r\n\r\n",
            expect![
                "ICAP failed       `SERVICE` does not speak ICAP: `HTTP/1.1 200 OK` is not a status line; expected `ICAP/1.0` and a status"
            ],
        ),
        (
            "ICAP/1.0 404 Not Found\r\nISTag: \"a\"\r\nEncapsulated: null-body=0\r\n\r\n",
            expect!["ICAP failed       `SERVICE` answers with status 404"],
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = format!("icap://{}/x", listener.local_addr().unwrap());
        let peer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            // Until the client has gone.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let command = [
            "explain",
            "--policy",
            "p.yaml",
            "--icap",
            &service,
            "http://a.example/",
        ];
        let page = told(&command, |_| {});
        let line = page
            .lines()
            .find(|line| line.starts_with("ICAP failed"))
            .unwrap();
        expected.assert_eq(&line.replace(&service, "SERVICE"));
        peer.join().unwrap();
    }
    let command = [
        "explain",
        "--policy",
        "p.yaml",
        "--icap",
        "icaps://a.example/x",
        "http://a.example/",
    ];
    let page = told(&command, |_| {});
    let line = page
        .lines()
        .find(|line| line.starts_with("ICAP failed"))
        .unwrap();
    expect!["ICAP failed       `icaps://a.example/x` speaks TLS, which `weir explain` does not; use an icap: service"].assert_eq(line);
}

#[test]
fn files_that_are_not_there_are_told() {
    check(
        &["explain", "--policy", "q.yaml", "http://a/"],
        |_| {},
        expect![[r#"
            DIR/q.yaml: error: cannot read the file: no such file or directory
            78 error: 1 error in the files; correct it and try again
        "#]],
    );
    check(
        &["check", "q.yaml"],
        |folder| write(folder, "q.yaml", "a: 1\n"),
        expect![[r#"
            DIR/q.yaml: unknown, 1 error
        "#]],
    );
    check(
        &["check", "p.yaml", "--categories", "q"],
        |_| {},
        expect![[r#"
            78 error: cannot use `DIR/q`; `--categories` takes a built file or a directory of lists
              because: cannot read `DIR/q`
              because: No such file or directory (os error 2)
        "#]],
    );
    check(
        &["diff", "p.yaml", "p.yaml", "--requests", "q"],
        |_| {},
        expect![[r#"
            78 error: cannot use `DIR/q`; give a file of requests, or - for standard input
              because: No such file or directory (os error 2)
        "#]],
    );
    check(
        &["diff", "p.yaml", "p.yaml", "--requests", "."],
        |_| {},
        expect![[r#"
            78 error: cannot use `DIR/.`; give a file of requests, or - for standard input
              because: Is a directory (os error 21)
        "#]],
    );
    let command = [
        "diff",
        "p.yaml",
        "p.yaml",
        "--requests",
        "p.yaml",
        "--categories",
        "q",
    ];
    check(
        &command,
        |_| {},
        expect![[r#"
        78 error: cannot use `DIR/q`; give a folder of lists, or a file from `weir categories build`
          because: cannot read `DIR/q`
          because: No such file or directory (os error 2)
    "#]],
    );
    let wrong = |folder: &Path| write(folder, "p.yaml", &POLICY.replace("pass\n", "pas\n"));
    check(
        &["explain", "--policy", "p.yaml", "http://a/"],
        wrong,
        expect![[r#"
            DIR/p.yaml:8:21: error: `pas` is not an action; use pass, block or {redirect: "http://…"}
            DIR/p.yaml:9:21: error: `pas` is not an action; use pass, block or {redirect: "http://…"}
            78 error: 2 errors in the files; correct them and try again
        "#]],
    );
}

#[test]
fn tests_tell_what_is_rare() {
    check(
        &["test", "--watch", "--format", "tap", "."],
        |_| {},
        expect![[r#"
            64 error: --watch is for people; leave --format out
        "#]],
    );
    let deep = |folder: &Path| write(folder, &format!("{}a.test.yaml", "d/".repeat(40)), "");
    let page = told(&["test", "."], deep);
    expect![[r#"
        64 error: `DIR/.` has more than 32 levels
    "#]]
    .assert_eq(&page.replace("/d/d/d/d", ""));
    let many = |folder: &Path| {
        for number in 0..=10_000 {
            write(folder, &format!("{number}.test.yaml"), "");
        }
    };
    check(
        &["test", "."],
        many,
        expect![[r#"
        64 error: more than 10000 test files; run fewer at once
    "#]],
    );
    // DNS gives another address than the one dialled, where it must not.
    let case = "policy: p.yaml\ncases: [{name: a, sni: good.example, destination: 192.0.2.1, \
                resolves_to: [192.0.2.2], expect: {action: pass}}]\n";
    check(
        &["test", "a.test.yaml"],
        |folder| write(folder, "a.test.yaml", case),
        expect![[r#"
            DIR/a.test.yaml
              FAIL  a (DIR/a.test.yaml:2:96)
                      - action: pass
                      + action: block
                      because:
                        DNS answers otherwise: destination_mismatch
                        normal form       https://good.example/
                        profile           a
                        policy            none holds
                        lists             good.example in pass_list: pass
                        action            pass, from pass_list
                        undecidable       destination_mismatch
                        decision          block, from undecidable (good.example)
                        enforcement       TCP reset
            0 passed, 1 failed
        "#]],
    );
    // More than are shown.
    let entries: Vec<String> = (0..120)
        .map(|number| format!("h{number}.example"))
        .collect();
    let long = POLICY.replace("good.example", &entries.join(", "));
    let case = "policy: p.yaml\ncases: [{name: a, sni: h0.example, expect: {action: pass}}]\n";
    let page = told(&["test", "a.test.yaml", "--coverage"], |folder| {
        write(folder, "p.yaml", &long);
        write(folder, "a.test.yaml", case);
    });
    let last: Vec<&str> = page.lines().rev().take(3).collect();
    expect![[r#"
        1 passed, 0 failed
          25 more are not shown
          DIR/p.yaml:14:1303: entry `h100.example` of list `l` decided no case"#]]
    .assert_eq(&last.join("\n"));
}

#[test]
fn diff_counts_causes_beyond_those_it_tells_apart() {
    let names = || (0..=10_000).map(|number| format!("h{number}.example"));
    let lists = names().collect::<Vec<_>>().join(", ");
    let plain = POLICY.replace("    pass_list: [l]\n", "");
    let page = told(
        &[
            "diff",
            "p.yaml",
            "new.yaml",
            "--requests",
            "uris",
            "--examples",
            "0",
        ],
        |folder| {
            write(folder, "p.yaml", &plain);
            let new = plain.replace("    sni_check", "    block_list: [l]\n    sni_check");
            write(folder, "new.yaml", &new.replace("good.example", &lists));
            write(
                folder,
                "uris",
                &names()
                    .map(|name| format!("http://{name}/\n"))
                    .collect::<String>(),
            );
        },
    );
    let told = page.lines().find(|line| line.contains("other causes"));
    expect!["       1  for other causes"].assert_eq(told.unwrap_or(&page));
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[track_caller]
fn check(command: &[&str], files: impl Fn(&Path), expected: Expect) {
    expected.assert_eq(&told(command, files));
}

/// Returns what a command prints and says, its files in a folder called `DIR`.
fn told(command: &[&str], files: impl Fn(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "p.yaml", POLICY);
    files(folder.path());
    let inside = |word: &&str| {
        let is_file = word.ends_with(".yaml") || ["q", "uris", "."].contains(word);
        match is_file {
            true => folder.path().join(word).display().to_string(),
            false => (*word).to_owned(),
        }
    };
    let words = ["weir".to_owned()]
        .into_iter()
        .chain(command.iter().map(inside));
    let mut out = Vec::new();
    let ended = run(cli::Cli::try_parse_from(words).unwrap(), &mut out);
    let mut page = String::from_utf8(out).unwrap();
    if let Err(failure) = ended {
        if let Failure::Configuration(remarks) = &failure {
            page.extend(remarks.iter().map(|remark| format!("{remark}\n")));
        }
        page += &format!("{} {}", failure.status(), service::describe(&failure));
    }
    page.replace(&folder.path().display().to_string(), "DIR")
}
