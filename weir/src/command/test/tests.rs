use expect_test::{Expect, expect};

use super::*;

const POLICY: &str = r#"
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
                      action: expected `redirect`, got `block`
                      source: expected `error`, got `icap`
                      location: expected `http://notice.example/`, got none
                      rule: expected `news`, got `gambling`
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

#[track_caller]
fn check(tests: &str, status: u8, expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("family.yaml"), POLICY).unwrap();
    let path = folder.path().join("family.test.yaml");
    std::fs::write(&path, tests).unwrap();
    let mut out = Vec::new();
    assert_eq!(run(&[path], &mut out).unwrap(), status);
    let prefix = format!("{}/", folder.path().display());
    expected.assert_eq(&String::from_utf8(out).unwrap().replace(&prefix, ""));
}
