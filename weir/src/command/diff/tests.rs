use std::fs;

use expect_test::{Expect, expect};

use super::*;

const OLD: &str = "
lists: {banned: [casino.example], moved: [old.example]}
policies: {p: {block: [adult]}}
profiles:
  a:
    icap: true
    policy: p
    block_list: [banned]
    default_action: pass
    unknown_action: pass
    error_action: pass
    undecidable_action: block
default_profile: a
";

const NEW: &str = "
lists: {banned: [casino.example], moved: [old.example]}
policies: {p: {block: [games]}}
profiles:
  a:
    icap: true
    policy: [{policy: p, when: {from: '21:00', to: '07:00', timezone: UTC}}]
    redirect_list: [{to: 'https://new.example/', lists: [moved]}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: pass
default_profile: a
";

#[test]
fn our_access_log() {
    let log = r#"{"time":"2026-11-20T20:59:59.000001Z","kind":"decision","uri":"http://a.example/","profile":"a","action":"block","source":"icap","categories":["adult"]}
{"time":"2026-11-20T21:00:00.000001Z","kind":"decision","uri":"http://b.example/","profile":"a","action":"pass","source":"default","categories":["games"]}
{"time":"2026-11-20T20:00:00.000001Z","kind":"decision","uri":"http://b.example/","profile":"a","action":"pass","source":"default","categories":["games"]}
{"time":"2026-11-20T20:00:00.000001Z","kind":"decision","uri":"http://c.example/","profile":"a","action":"pass","source":"error","icap_failure":"timeout"}
{"time":"2026-11-20T20:00:00.000001Z","kind":"decision","profile":"a","action":"block","source":"undecidable","undecidable":"no_sni"}
{"time":"2026-11-20T20:00:00.000001Z","kind":"decision","uri":"https://casino.example/","profile":"a","action":"block","source":"block_list","rule":"casino.example"}
{"time":"2026-11-20T20:00:00.000001Z","kind":"decision","uri":"http://d.example/","profile":"a","action":"pass","source":"unknown"}
{"time":"2026-11-20T20:00:00.000001Z","kind":"bad_request","reason":"two_lengths"}
{"kind":
{}
"#;
    check(
        log,
        expect![[r#"
            7 requests, 5 decisions change

                   1  block, from block_list (casino.example)
                  ->  pass, from unknown
                      line 6: https://casino.example/

                   1  block, from icap (adult)
                  ->  pass, from default (adult)
                      line 1: http://a.example/

                   1  block, from undecidable
                  ->  pass, from undecidable
                      line 5: (not known)

                   1  pass, from default (games)
                  ->  block, from icap (games)
                      line 2: http://b.example/

                   1  pass, from error
                  ->  block, from error
                      line 4: http://c.example/

            1 requests need categories that are not known: judged as if they had none; give --categories, or an access log with categories

            1 lines are about nothing that a policy decides

            2 lines are no requests:
                      line 9: not a line of the access log: EOF while parsing a value at line 1 column 8
                      line 10: not a line of the access log: it has no `kind`
        "#]],
    );
}

#[test]
fn squids_log() {
    let log = "1763676000.123    45 192.0.2.7 TCP_MISS/200 1234 GET http://old.example/a?b - HIER_DIRECT/198.51.100.1 text/html\n\
               1763676000.124    45 192.0.2.7 TCP_TUNNEL/200 1234 CONNECT old.example:443 - HIER_DIRECT/198.51.100.1 -\n\
               1763676000.125    45 192.0.2.7 NONE/400 1234 GET error:invalid-request - HIER_NONE/- -\n\
               1763676000.126    45\n";
    check(
        log,
        expect![[r#"
            2 requests, 2 decisions change

                   1  pass, from unknown
                  ->  block, from redirect_list (old.example)
                      line 2: https://old.example:443/

                   1  pass, from unknown
                  ->  redirect to https://new.example/, from redirect_list (old.example)
                      line 1: http://old.example/a?b

            2 requests need categories that are not known: judged as if they had none; give --categories, or an access log with categories

            1 lines are about nothing that a policy decides

            1 lines are no requests:
                      line 4: not a line of Squid's native log: it has fewer than 7 fields
        "#]],
    );
}

#[test]
fn bare_uris() {
    let list = "# comment\n\nhttp://casino.example/1\nhttp://casino.example/2\r\nhttp://www.casino.example/3\nhttp://casino.example/4\nold.example\n";
    check(
        list,
        expect![[r#"
            4 requests, 4 decisions change

                   4  block, from block_list (casino.example)
                  ->  pass, from unknown
                      line 3: http://casino.example/1
                      line 4: http://casino.example/2
                      line 5: http://www.casino.example/3

            4 requests need categories that are not known: judged as if they had none; give --categories, or an access log with categories

            2 lines are about nothing that a policy decides

            1 lines are no requests:
                      line 7: `old.example` has no scheme; use `http://old.example`
        "#]],
    );
    check(
        "",
        expect![[r#"
            0 requests, 0 decisions change
        "#]],
    );
}

#[test]
fn categories_come_from_the_database_if_the_line_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let games = folder.path().join("lists/games");
    fs::create_dir_all(&games).unwrap();
    fs::write(games.join("domains"), "play.example\n").unwrap();
    let (_folder, mut options) = options(OLD, NEW, "http://play.example/\n");
    options.categories = Some(folder.path().join("lists"));
    options.now = Some("2026-11-20T22:00:00Z".parse().unwrap());
    let mut out = Vec::new();
    run(&options, &mut out).unwrap();
    expect![[r#"
        1 requests, 1 decisions change

               1  pass, from default (games)
              ->  block, from icap (games)
                  line 1: http://play.example/
    "#]]
    .assert_eq(&String::from_utf8(out).unwrap());
}

#[test]
fn a_change_is_the_exit_status_if_asked() {
    let requests = "http://casino.example/\n";
    for (old, new, exit_code, expected) in [
        (OLD, NEW, true, exit::FAILURE),
        (OLD, NEW, false, exit::SUCCESS),
        (OLD, OLD, true, exit::SUCCESS),
    ] {
        let (folder, mut options) = options(old, new, requests);
        options.exit_code = exit_code;
        assert_eq!(run(&options, &mut Vec::new()).unwrap(), expected);
        drop(folder);
    }
}

#[test]
fn json_has_the_same_facts() {
    let (_folder, mut options) = options(OLD, NEW, "http://old.example/\nfoo\n");
    options.json = true;
    let mut out = Vec::new();
    run(&options, &mut out).unwrap();
    expect![[r#"
        {"requests":1,"changed":1,"causes":[{"count":1,"old":{"action":"pass","enforced":true,"source":"unknown","profile":"a"},"new":{"action":"redirect","to":"https://new.example/","enforced":true,"source":"redirect_list","rule":"old.example","profile":"a"},"examples":[{"line":1,"text":"http://old.example/"}]}],"other_causes":0,"without_categories":1,"skipped_lines":0,"bad_lines":1,"bad_examples":[{"line":2,"text":"`foo` has no scheme; use `http://foo`"}]}
    "#]]
    .assert_eq(&String::from_utf8(out).unwrap());
}

/// However lines are cut into batches and shared among workers, each is counted once.
#[test]
fn many_lines_and_long_ones_are_each_counted_once() {
    let mut requests = String::new();
    for n in 0..20_000 {
        requests += &format!("http://h{}.casino.example/{n}\n", n % 100);
    }
    requests += &format!("http://a.example/{}\n", "x".repeat(LINE_LEN_MAX - 17));
    requests += &format!("http://a.example/{}\n", "x".repeat(LINE_LEN_MAX - 16));
    requests += "http://casino.example/last";
    let (_folder, options) = options(OLD, NEW, &requests);
    let mut out = Vec::new();
    run(&options, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.starts_with("20002 requests, 20001 decisions change\n"),
        "{text}"
    );
    assert!(
        text.contains("line 1: http://h0.casino.example/0\n"),
        "{text}"
    );
    assert!(
        text.contains("\n1 lines are no requests:\n          line 20002: more than 65536 bytes\n"),
        "{text}"
    );
}

fn options(old: &str, new: &str, requests: &str) -> (tempfile::TempDir, PolicyDiff) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let options = PolicyDiff {
        old: path("old.yaml", old),
        new: path("new.yaml", new),
        requests: path("requests", requests),
        format: None,
        profile: None,
        categories: None,
        now: None,
        examples: 3,
        json: false,
        exit_code: false,
    };
    (folder, options)
}

#[track_caller]
fn check(requests: &str, expected: Expect) {
    let (_folder, options) = options(OLD, NEW, requests);
    let mut out = Vec::new();
    run(&options, &mut out).unwrap();
    expected.assert_eq(&String::from_utf8(out).unwrap());
}
