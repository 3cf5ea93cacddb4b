use expect_test::{Expect, expect};

use super::*;

const FAMILY: &str = r#"policy: family.yaml
profile: child
cases:
  - name: the stricter of two categories wins
    uri: http://play.example/
    categories: [games, Gambling]
    subscriber: {msisdn: 111220000001, imsi: "10020000000007"}
    expect: {action: redirect, source: icap, location: "https://notice.example/", rule: gambling}
  - name: errors block
    sni: a.example
    icap: error
    expect:
      action: block
"#;

#[test]
fn cases_have_what_the_file_says() {
    let file = TestFile::parse("f.test.yaml", FAMILY).unwrap();
    assert_eq!(file.policy, "family.yaml");
    assert_eq!(file.profile.as_deref(), Some("child"));
    let place = |line, column| Place { line, column };
    assert_eq!(
        file.cases,
        [
            Case {
                name: "the stricter of two categories wins".to_owned(),
                place: place(4, 5),
                subject: Subject::Uri("http://play.example/".to_owned()),
                categorized: Categorized::Categories(vec!["games".into(), "gambling".into()]),
                subscriber: Subscriber {
                    msisdn: Some("111220000001".to_owned()),
                    imsi: Some("10020000000007".to_owned()),
                },
                now: None,
                expect: Expectation {
                    place: place(8, 13),
                    action: Verb::Redirect,
                    source: Some("icap".to_owned()),
                    location: Some("https://notice.example/".to_owned()),
                    rule: Some("gambling".to_owned()),
                },
            },
            Case {
                name: "errors block".to_owned(),
                place: place(9, 5),
                subject: Subject::Sni("a.example".to_owned()),
                categorized: Categorized::Failed(AskError::Connect),
                subscriber: Subscriber::default(),
                now: None,
                expect: Expectation {
                    place: place(13, 7),
                    action: Verb::Block,
                    source: None,
                    location: None,
                    rule: None,
                },
            },
        ]
    );
}

#[test]
fn every_source_is_accepted() {
    for source in SOURCES {
        let keys = format!("uri: 'http://a.example/', expect: {{action: pass, source: {source}}}");
        assert!(TestFile::parse("f.test.yaml", &with_case(&keys)).is_ok());
    }
}

#[test]
fn shapes() {
    let rows = [
        "",
        "policy: a.yaml",
        "policy: a.yaml\ncases:",
        "policy: a.yaml\ncases: []",
        "policy: a.yaml\ncases: {}",
        "policy: a.yaml\ncases: [a]",
        "policy: a.yaml\ncases: [{}]",
        "policy: a.yaml\nprofiles: b\ncases: []",
        "policy: a.yaml\ncases: [{name: a, url: b}]",
        "policy: a.yaml\ncases: [{name: a, uri: b}]",
        "policy: a.yaml\ncases: [{name: a, uri: b, expect: pass}]",
        "policy: a.yaml\ncases: [{name: a, uri: b, expect: {}}]",
        "policy: a.yaml\ncases: [{name: a, uri: b, expect: {action: pass, because: c}}]",
    ];
    check(
        &rows,
        expect![[r#"

          f.test.yaml:1:1: error: the key `policy` is missing
        policy: a.yaml
          f.test.yaml:1:1: error: the key `cases` is missing
        policy: a.yaml\ncases:
          f.test.yaml:2:6: error: no case; a test file needs one
        policy: a.yaml\ncases: []
          f.test.yaml:2:8: error: no case; a test file needs one
        policy: a.yaml\ncases: {}
          f.test.yaml:2:8: error: `{}` stands here; use a list (`[a, b]`, or lines that start with `-`)
        policy: a.yaml\ncases: [a]
          f.test.yaml:2:9: error: `a]` stands here; use keys with values (`key: value`)
        policy: a.yaml\ncases: [{}]
          f.test.yaml:2:9: error: the key `name` is missing
        policy: a.yaml\nprofiles: b\ncases: []
          f.test.yaml:2:1: error: `profiles` is not a key here; use `policy`, `profile` or `cases`
        policy: a.yaml\ncases: [{name: a, url: b}]
          f.test.yaml:2:19: error: `url` is not a key here; use `name`, `uri`, `sni`, `categories`, `icap`, `subscriber`, `now` or `expect`
        policy: a.yaml\ncases: [{name: a, uri: b}]
          f.test.yaml:2:19: error: the key `expect` is missing
        policy: a.yaml\ncases: [{name: a, uri: b, expect: pass}]
          f.test.yaml:2:35: error: `pass}]` stands here; use keys with values (`key: value`)
        policy: a.yaml\ncases: [{name: a, uri: b, expect: {}}]
          f.test.yaml:2:35: error: the key `action` is missing
        policy: a.yaml\ncases: [{name: a, uri: b, expect: {action: pass, because: c}}]
          f.test.yaml:2:50: error: `because` is not a key here; use `action`, `source`, `location` or `rule`
    "#]],
    );
}

#[test]
fn values() {
    let keys = [
        "expect: {action: pass}",
        "uri: a, sni: b, expect: {action: pass}",
        "uri: a, icap: down, expect: {action: pass}",
        "uri: a, icap: error, categories: [b], expect: {action: pass}",
        "uri: a, categories: ['', 'b,c'], expect: {action: pass}",
        "uri: a, subscriber: {msisdn: '+49', imsi: ''}, expect: {action: pass}",
        "uri: a, expect: {action: allow}",
        "uri: a, expect: {action: pass, source: black_list}",
        "uri: a, expect: {action: pass, source: seven}",
        "uri: a, expect: {action: block, location: b}",
    ];
    let rows: Vec<String> = keys.iter().map(|keys| with_case(keys)).collect();
    let mut rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    rows.push(
        "policy: a.yaml\ncases:\n- {name: a, uri: b, expect: {action: pass}}\n- {name: a, uri: c, expect: {action: pas}}",
    );
    check(
        &rows,
        expect![[r#"
            policy: a.yaml\ncases:\n- {name: x, expect: {action: pass}}
              f.test.yaml:3:3: error: a case has one of `uri` and `sni`
            policy: a.yaml\ncases:\n- {name: x, uri: a, sni: b, expect: {action: pass}}
              f.test.yaml:3:3: error: a case has one of `uri` and `sni`
            policy: a.yaml\ncases:\n- {name: x, uri: a, icap: down, expect: {action: pass}}
              f.test.yaml:3:27: error: `down` is no failure; use `error`, `connect`, `timeout`, `protocol`, `status`, `overload` or `breaker_open`, or `categories`
            policy: a.yaml\ncases:\n- {name: x, uri: a, icap: error, categories: [b], expect: {action: pass}}
              f.test.yaml:3:46: error: a case has one of `categories` and `icap`
            policy: a.yaml\ncases:\n- {name: x, uri: a, categories: [\'\', \'b,c\'], expect: {action: pass}}
              f.test.yaml:3:34: error: `` is not a category; use a name without commas and without spaces at its ends
              f.test.yaml:3:38: error: `b,c` is not a category; use a name without commas and without spaces at its ends
            policy: a.yaml\ncases:\n- {name: x, uri: a, subscriber: {msisdn: \'+49\', imsi: \'\'}, expect: {action: pass}}
              f.test.yaml:3:42: error: `+49` is not a subscriber's number; use digits only
              f.test.yaml:3:55: error: `` is not a subscriber's number; use digits only
            policy: a.yaml\ncases:\n- {name: x, uri: a, expect: {action: allow}}
              f.test.yaml:3:38: error: `allow` is not an action; use pass, block or redirect
            policy: a.yaml\ncases:\n- {name: x, uri: a, expect: {action: pass, source: black_list}}
              f.test.yaml:3:52: error: `black_list` is not a source; did you mean `block_list`?
            policy: a.yaml\ncases:\n- {name: x, uri: a, expect: {action: pass, source: seven}}
              f.test.yaml:3:52: error: `seven` is not a source; use unfiltered, bypass, no_profile, cache, pass_list, block_list, redirect_list, icap, default, unknown, error, undecidable
            policy: a.yaml\ncases:\n- {name: x, uri: a, expect: {action: block, location: b}}
              f.test.yaml:3:55: error: only `action: redirect` has a `location`
            policy: a.yaml\ncases:\n- {name: a, uri: b, expect: {action: pass}}\n- {name: a, uri: c, expect: {action: pas}}
              f.test.yaml:4:10: error: a case at f.test.yaml:3:10 is called `a` too; give each its own name
              f.test.yaml:4:38: error: `pas` is not an action; use pass, block or redirect
        "#]],
    );
}

fn with_case(keys: &str) -> String {
    format!("policy: a.yaml\ncases:\n- {{name: x, {keys}}}")
}

#[track_caller]
fn check(rows: &[&str], expected: Expect) {
    let mut page = String::new();
    for row in rows {
        page += &format!("{}\n", row.escape_debug());
        for error in TestFile::parse("f.test.yaml", row).unwrap_err() {
            page += &format!("  {error}\n");
        }
    }
    expected.assert_eq(&page);
}
