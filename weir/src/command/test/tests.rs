#![expect(
    clippy::too_many_lines,
    reason = "pinned texts are as long as they are"
)]

use expect_test::{Expect, expect};

use super::*;

mod results;
mod scheduled;

const POLICY: &str = r#"
lists: {school: [school.example]}
policies:
  family:
    pass: [news]
    redirect: [{to: "http://notice.example/?imsi=%S&msisdn=%M&uri=%U", categories: [gambling]}]
profiles:
  child:
    icap: true
    policy: family
    default_action: pass
    unknown_action: pass
    error_action: block
    error_actions: {timeout: pass, overload: {redirect: "http://notice.example/"}}
    undecidable_action: block
  kiosk:
    pass_list: [school]
    default_action: block
    unknown_action: block
    error_action: block
    undecidable_action: block
    block_response: forbidden
    sni_check: require
bypass: ["192.0.2.0/24"]
"#;

#[test]
fn what_passes_and_what_does_not() {
    check(
        r#"
policy: family.yaml
profile: child
cases:
  - name: the stricter of two categories wins
    uri: http://play.example/
    categories: [games, gambling]
    subscriber: {msisdn: "111220000001", imsi: "10020000000007"}
    expect: {action: redirect, source: icap, location: "http://notice.example/?imsi=10020000000007&msisdn=111220000001&uri=http%3A%2F%2Fplay.example%2F"}
  - {name: a bypass address, uri: "http://192.0.2.1/", expect: {action: pass, source: bypass}}
  - name: wrong in everything
    sni: play.example
    categories: [gambling]
    expect: {action: redirect, source: error, location: "http://notice.example/", rule: news}
"#,
        exit::FAILURE,
        expect![[r#"
            family.test.yaml
              pass  the stricter of two categories wins
              pass  a bypass address
              FAIL  wrong in everything (family.test.yaml:14:13)
                      - action: redirect
                      + action: block
                      - source: error
                      + source: icap
                      - location: http://notice.example/
                      + location: (none)
                      - rule: news
                      + rule: gambling
                      because:
                        normal form       https://play.example/
                        profile           child
                        lists             no entry in pass_list, block_list and redirect_list
                        categories        gambling
                                          gambling: redirect, by the policy
                        most restrictive  redirect, from icap
                        decision          redirect, from icap (gambling)
                        enforcement       closed without a byte
            2 passed, 1 failed
        "#]],
    );
}

#[test]
fn a_failure_takes_the_action_of_its_class() {
    check(
        r#"
policy: family.yaml
profile: child
cases:
  - {name: error, uri: "http://a.example/", icap: error, expect: {action: block, source: error}}
  - {name: connect, uri: "http://a.example/", icap: connect, expect: {action: block, source: error}}
  - {name: timeout, uri: "http://a.example/", icap: timeout, expect: {action: pass, source: error}}
  - {name: overload, uri: "http://a.example/", icap: overload, expect: {action: redirect, source: error}}
"#,
        exit::SUCCESS,
        expect![[r#"
            family.test.yaml
              pass  error
              pass  connect
              pass  timeout
              pass  overload
            4 passed, 0 failed
        "#]],
    );
}

#[test]
fn all_good_is_success() {
    check(
        "{policy: family.yaml, profile: child, cases: [{name: a, uri: 'http://a.example/', expect: \
         {action: pass}}]}",
        exit::SUCCESS,
        expect![[r#"
            family.test.yaml
              pass  a
            1 passed, 0 failed
        "#]],
    );
}

#[test]
fn a_case_has_its_own_profile_destination_and_enforcement() {
    check(
        r#"
policy: family.yaml
profile: child
cases:
  - {name: of the file, uri: "http://a.example/", icap: error, expect: {action: block, enforcement: discard}}
  - {name: of the case, profile: kiosk, uri: "http://a.example/", expect: {action: block, source: unknown, enforcement: forbid}}
  - {name: on TLS, profile: kiosk, sni: a.example, expect: {action: block, enforcement: forbid}}
  - {name: a bypass address, sni: a.example, destination: "::ffff:192.0.2.9", expect: {action: pass, source: bypass, enforcement: forward}}
  - name: the name's own address
    profile: kiosk
    sni: school.example
    destination: 198.51.100.1
    resolves_to: [198.51.100.1]
    expect: {action: pass, source: pass_list, rule: school.example}
  - name: another address
    profile: kiosk
    sni: school.example
    destination: 198.51.100.2
    resolves_to: [198.51.100.1]
    expect: {action: block, source: undecidable}
tables:
  - profile: kiosk
    cases:
      - {name: of the table, sni: school.example, expect: {action: pass}}
"#,
        exit::SUCCESS,
        expect![[r#"
            family.test.yaml
              pass  of the file
              pass  of the case
              pass  on TLS
              pass  a bypass address
              pass  the name's own address
              pass  another address
              pass  of the table
            7 passed, 0 failed
        "#]],
    );
}

#[test]
fn a_case_may_find_the_cache_filled() {
    check(
        r#"
policy: family.yaml
profile: child
cases:
  - name: the same URI
    uri: http://a.example/b
    icap: error
    after: [{uri: "http://a.example/b", categories: [gambling]}]
    expect: {action: redirect, source: cache, rule: gambling}
  - name: a prefix
    uri: http://a.example/b
    icap: error
    after: [{uri: "http://a.example/c", categories: [gambling], prefix: 17}]
    expect: {action: redirect, source: cache}
  - name: not below the prefix
    uri: http://a.example/b
    icap: error
    after: [{uri: "http://a.example/c/d", categories: [gambling], prefix: 19}]
    expect: {action: block, source: error}
  - name: errors are not cached
    uri: http://a.example/b
    categories: [news]
    after: [{uri: "http://a.example/b", icap: timeout}]
    expect: {action: pass, source: icap}
  - name: expected otherwise
    uri: http://a.example/b
    after: [{uri: "http://a.example/b", categories: [news]}]
    expect: {action: block, source: cache}
"#,
        exit::FAILURE,
        expect![[r#"
            family.test.yaml
              pass  the same URI
              pass  a prefix
              pass  not below the prefix
              pass  errors are not cached
              FAIL  expected otherwise (family.test.yaml:28:13)
                      - action: block
                      + action: pass
                      because:
                        the cache had an answer (news); without it:
                        normal form       http://a.example/b
                        profile           child
                        lists             no entry in pass_list, block_list and redirect_list
                        categories        none
                        action            pass, from unknown
                        decision          pass, from unknown
                        enforcement       forwarded
            4 passed, 1 failed
        "#]],
    );
}

#[test]
fn tests_are_found_below_directories() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let tests = "{policy: family.yaml, profile: child, cases: [{name: a, uri: 'http://a.example/', \
                 expect: {action: pass}}]}";
    write("b/deep/x.test.yaml", tests);
    write("b/deep/family.yaml", POLICY);
    write("b/.hidden/x.test.yaml", "nothing");
    write("a.test.yaml", tests);
    write("family.yaml", POLICY);
    let found = find::test_files(&[folder.path().to_owned(), folder.path().join("a.test.yaml")]);
    let names: Vec<String> = found
        .unwrap()
        .iter()
        .map(|path| {
            path.strip_prefix(folder.path())
                .unwrap()
                .display()
                .to_string()
        })
        .collect();
    assert_eq!(names, ["a.test.yaml", "b/deep/x.test.yaml"]);
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let error = find::test_files(std::slice::from_ref(&empty)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("no file `*.test.yaml` is below `{}`", empty.display())
    );
}

#[test]
fn all_wrong_files_are_told_before_a_case_is_run() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.test.yaml", "b.test.yaml"] {
        std::fs::write(folder.path().join(name), "policy: gone.yaml\ncases: []").unwrap();
    }
    let mut out = Vec::new();
    let options = Test {
        paths: vec![folder.path().to_owned()],
        ..options()
    };
    let Failure::Configuration(remarks) = run(&options, &mut out).unwrap_err() else {
        panic!("the files are wrong");
    };
    assert_eq!((remarks.len(), out.len()), (2, 0));
}

fn options() -> Test {
    Test {
        paths: Vec::new(),
        format: ResultFormat::Text,
        coverage: false,
        fail_under: None,
        watch: false,
    }
}

#[track_caller]
fn check(tests: &str, status: u8, expected: Expect) {
    check_with(&options(), tests, status, expected);
}

#[track_caller]
fn check_with(options: &Test, tests: &str, status: u8, expected: Expect) {
    let (found, page) = output(options, tests);
    assert_eq!(found, status, "{page}");
    expected.assert_eq(&page);
}

fn output(options: &Test, tests: &str) -> (u8, String) {
    output_of(options, POLICY, tests)
}

fn output_of(options: &Test, policy: &str, tests: &str) -> (u8, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("family.yaml"), policy).unwrap();
    let path = folder.path().join("family.test.yaml");
    std::fs::write(&path, tests).unwrap();
    let mut out = Vec::new();
    let options = Test {
        paths: vec![path],
        ..options.clone()
    };
    let status = run(&options, &mut out).unwrap();
    let prefix = format!("{}/", folder.path().display());
    let page = String::from_utf8(out).unwrap().replace(&prefix, "");
    (status, page)
}
