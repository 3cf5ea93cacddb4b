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
    let child = || {
        Some(Written {
            text: "child".to_owned(),
            place: Place {
                line: 2,
                column: 10,
            },
        })
    };
    let place = |line, column| Place { line, column };
    assert_eq!(
        file.cases,
        [
            Case {
                name: "the stricter of two categories wins".to_owned(),
                place: place(4, 5),
                profile: child(),
                prefix: None,
                destination: None,
                resolves_to: None,
                after: Vec::new(),
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
                    enforcement: None,
                },
            },
            Case {
                name: "errors block".to_owned(),
                place: place(9, 5),
                profile: child(),
                prefix: None,
                destination: None,
                resolves_to: None,
                after: Vec::new(),
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
                    enforcement: None,
                },
            },
        ]
    );
}

#[test]
fn a_case_has_the_profile_next_to_it() {
    let text = "
policy: a.yaml
profile: of-the-file
cases:
- {name: a, uri: x, expect: {action: pass}}
- {name: b, uri: x, profile: own, expect: {action: pass}}
tables:
- cases: [{name: c, uri: x, expect: {action: pass}}]
- {profile: of-the-table, cases: [{name: d, uri: x, expect: {action: pass}}, {name: e, uri: x, profile: own, expect: {action: pass}}]}
";
    let file = TestFile::parse("f.test.yaml", text).unwrap();
    let profiles = file.cases.iter().map(|case| {
        let profile = case.profile.as_ref().map(|name| name.text.as_str());
        (case.name.as_str(), profile.unwrap_or_default())
    });
    assert_eq!(
        profiles.collect::<Vec<_>>(),
        [
            ("a", "of-the-file"),
            ("b", "own"),
            ("c", "of-the-file"),
            ("d", "of-the-table"),
            ("e", "own"),
        ]
    );
}

#[test]
fn a_case_may_come_after_others() {
    let keys = "uri: 'http://a.example/b', destination: '::ffff:192.0.2.1', resolves_to: [192.0.2.2], \
                prefix: 3, after: [{uri: 'http://a.example/', categories: [News], prefix: 17}, \
                {sni: b.example, icap: timeout}], expect: {action: pass}";
    let file = TestFile::parse("f.test.yaml", &with_case(keys)).unwrap();
    let case = &file.cases[0];
    assert_eq!(case.destination, Some("::ffff:192.0.2.1".parse().unwrap()));
    assert_eq!(case.resolves_to, Some(vec!["192.0.2.2".parse().unwrap()]));
    assert_eq!(case.prefix, Some(3));
    assert_eq!(
        case.after,
        [
            Earlier {
                subject: Subject::Uri("http://a.example/".to_owned()),
                categorized: Categorized::Categories(vec!["news".to_owned()]),
                prefix: Some(17),
            },
            Earlier {
                subject: Subject::Sni("b.example".to_owned()),
                categorized: Categorized::Failed(AskError::Timeout),
                prefix: None,
            },
        ]
    );
    let many = |count: usize| {
        let after = vec!["{uri: x}"; count].join(", ");
        let keys = format!("uri: x, after: [{after}], expect: {{action: pass}}");
        TestFile::parse("f.test.yaml", &with_case(&keys))
    };
    assert!(many(AFTER_MAX).is_ok());
    assert_eq!(
        many(AFTER_MAX + 1).unwrap_err()[0].text,
        "101 requests are here; use 1 to 100"
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
        "policy: a.yaml\ntables: [{profile: b}]",
        "policy: a.yaml\ntables: [{cases: []}]",
        "policy: a.yaml\ntables: [{case: []}]",
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
              f.test.yaml:1:1: error: no `cases` and no `tables`; a test file needs one of them
            policy: a.yaml\ncases:
              f.test.yaml:1:1: error: no `cases` and no `tables`; a test file needs one of them
            policy: a.yaml\ncases: []
              f.test.yaml:2:8: error: no case; a table needs one
            policy: a.yaml\ncases: {}
              f.test.yaml:2:8: error: `{}` stands here; use a list (`[a, b]`, or lines that start with `-`)
            policy: a.yaml\ntables: [{profile: b}]
              f.test.yaml:2:11: error: the key `cases` is missing
            policy: a.yaml\ntables: [{cases: []}]
              f.test.yaml:2:18: error: no case; a table needs one
            policy: a.yaml\ntables: [{case: []}]
              f.test.yaml:2:11: error: `case` is not a key here; did you mean `cases`?
            policy: a.yaml\ncases: [a]
              f.test.yaml:2:9: error: `a]` stands here; use keys with values (`key: value`)
            policy: a.yaml\ncases: [{}]
              f.test.yaml:2:9: error: the key `name` is missing
            policy: a.yaml\nprofiles: b\ncases: []
              f.test.yaml:2:1: error: `profiles` is not a key here; did you mean `profile`?
            policy: a.yaml\ncases: [{name: a, url: b}]
              f.test.yaml:2:19: error: `url` is not a key here; did you mean `uri`?
            policy: a.yaml\ncases: [{name: a, uri: b}]
              f.test.yaml:2:19: error: the key `expect` is missing
            policy: a.yaml\ncases: [{name: a, uri: b, expect: pass}]
              f.test.yaml:2:35: error: `pass}]` stands here; use keys with values (`key: value`)
            policy: a.yaml\ncases: [{name: a, uri: b, expect: {}}]
              f.test.yaml:2:35: error: the key `action` is missing
            policy: a.yaml\ncases: [{name: a, uri: b, expect: {action: pass, because: c}}]
              f.test.yaml:2:50: error: `because` is not a key here; use `action`, `source`, `location`, `rule` or `enforcement`
        "#]],
    );
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "pinned texts are as long as they are"
)]
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
        "uri: a, expect: {action: block, enforcement: rest}",
        "uri: a, expect: {action: block, enforcement: shout}",
        "uri: a, prefix: all, expect: {action: pass}",
        "uri: a, destination: b.example, expect: {action: pass}",
        "uri: a, resolves_to: [192.0.2.1], expect: {action: pass}",
        "uri: a, destination: 192.0.2.1, resolves_to: [c], expect: {action: pass}",
        "uri: a, after: [], expect: {action: pass}",
        "uri: a, after: [{categories: [b]}], expect: {action: pass}",
        "uri: a, after: [{uri: c, icap: eror, prefix: x}], expect: {action: pass}",
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
              f.test.yaml:3:3: error: a request has one of `uri` and `sni`
            policy: a.yaml\ncases:\n- {name: x, uri: a, sni: b, expect: {action: pass}}
              f.test.yaml:3:3: error: a request has one of `uri` and `sni`
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
            policy: a.yaml\ncases:\n- {name: x, uri: a, expect: {action: block, enforcement: rest}}
              f.test.yaml:3:58: error: `rest` is not an enforcement; did you mean `reset`?
            policy: a.yaml\ncases:\n- {name: x, uri: a, expect: {action: block, enforcement: shout}}
              f.test.yaml:3:58: error: `shout` is not an enforcement; use forward, discard, reset, forbid, redirect
            policy: a.yaml\ncases:\n- {name: x, uri: a, prefix: all, expect: {action: pass}}
              f.test.yaml:3:29: error: `all` is not a number of characters; use 0 to 18446744073709551615
            policy: a.yaml\ncases:\n- {name: x, uri: a, destination: b.example, expect: {action: pass}}
              f.test.yaml:3:34: error: `b.example` is not an address; use the form `192.0.2.1` or `2001:db8::1`
            policy: a.yaml\ncases:\n- {name: x, uri: a, resolves_to: [192.0.2.1], expect: {action: pass}}
              f.test.yaml:3:34: error: `resolves_to` is compared with the `destination`, which is missing
            policy: a.yaml\ncases:\n- {name: x, uri: a, destination: 192.0.2.1, resolves_to: [c], expect: {action: pass}}
              f.test.yaml:3:59: error: `c` is not an address; use the form `192.0.2.1` or `2001:db8::1`
            policy: a.yaml\ncases:\n- {name: x, uri: a, after: [], expect: {action: pass}}
              f.test.yaml:3:28: error: 0 requests are here; use 1 to 100
            policy: a.yaml\ncases:\n- {name: x, uri: a, after: [{categories: [b]}], expect: {action: pass}}
              f.test.yaml:3:29: error: a request has one of `uri` and `sni`
            policy: a.yaml\ncases:\n- {name: x, uri: a, after: [{uri: c, icap: eror, prefix: x}], expect: {action: pass}}
              f.test.yaml:3:44: error: `eror` is no failure; use `error`, `connect`, `timeout`, `protocol`, `status`, `overload` or `breaker_open`, or `categories`
              f.test.yaml:3:58: error: `x` is not a number of characters; use 0 to 18446744073709551615
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
