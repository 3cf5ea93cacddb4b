//! Coverage of what a policy has for some times only.

use expect_test::expect;

use super::*;

const POLICY: &str = r#"
schedules:
  night: {from: "21:00", to: "07:00", timezone: UTC}
lists: {social: [social.example], sites: [a.example]}
policies: {lessons: {block: [games]}, leisure: {block: [games]}}
profiles:
  child:
    icap: true
    policy: [{policy: lessons, when: {days: [mon-fri], to: "12:00", timezone: UTC}}, leisure]
    pass_list: [sites]
    block_list: [{list: social, when: night}, {list: social, when: {days: [sun], timezone: UTC}}]
    redirect_list: [{to: "https://a.example/", lists: [sites], when: night}]
    instead: [{profile: asleep, when: {days: [sat], timezone: UTC}}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
  asleep: {default_action: block, unknown_action: block, error_action: block, undecidable_action: block}
default_profile: child
"#;

/// Every entry, category and profile decides a case, and nothing by a schedule.
const ALWAYS: &str = r#"
policy: family.yaml
cases:
  - {name: a, uri: "http://a.example/", expect: {action: pass}}
  - {name: b, uri: "http://social.example/", now: "2026-11-22T20:59Z", expect: {action: block}}
  - {name: c, uri: "http://b.example/", categories: [games], expect: {action: block}}
  - {name: d, uri: "http://b.example/", categories: [news], expect: {action: pass}}
  - {name: e, uri: "http://b.example/", icap: error, expect: {action: block}}
  - {name: f, uri: "http://b.example/", expect: {action: pass}}
  - {name: g, uri: "http://a b/", expect: {action: block}}
  - {name: h, profile: asleep, uri: "http://b.example/", expect: {action: block}}
  - {name: i, profile: asleep, uri: "http://a b/", expect: {action: block}}
"#;

/// What decides at its time.
const TIMED: &str = r#"
  - {name: j, uri: "http://b.example/", categories: [games], now: "2026-11-20T11:59Z", expect: {action: block}}
  - {name: k, uri: "http://social.example/", now: "2026-11-20T21:00Z", expect: {action: block}}
  - {name: l, uri: "http://a.example/", now: "2026-11-20T21:00Z", expect: {action: redirect}}
  - {name: m, uri: "http://b.example/", now: "2026-11-21T12:00Z", expect: {action: block}}
"#;

#[test]
fn what_no_case_met_at_its_time_is_told() {
    expect![[r#"
        family.test.yaml
        coverage of family.yaml: 12 of 17 (70 %)
          family.yaml:5:30: category `games` of policy `lessons` decided no case
          family.yaml:9:23: policy `lessons` of profile `child` by schedule `mon-fri 00:00-12:00 UTC` decided no case
          family.yaml:11:25: list `social` in `block_list` of profile `child` by schedule `night` decided no case
          family.yaml:12:56: list `sites` in `redirect_list` of profile `child` by schedule `night` decided no case
          family.yaml:13:25: profile `asleep` in place of `child` by schedule `sat 00:00-24:00 UTC` decided no case
        9 passed, 0 failed
    "#]].assert_eq(&coverage(ALWAYS));
    expect![[r#"
        family.test.yaml
        coverage of family.yaml: 17 of 17 (100 %)
        13 passed, 0 failed
    "#]]
    .assert_eq(&coverage(&format!("{ALWAYS}{TIMED}")));
}

/// Returns what is said of coverage.
fn coverage(tests: &str) -> String {
    let options = Test {
        coverage: true,
        ..options()
    };
    let (status, page) = output_of(&options, POLICY, tests);
    assert_eq!(status, exit::SUCCESS, "{page}");
    let lines = page.lines().filter(|line| !line.starts_with("  pass"));
    lines.map(|line| format!("{line}\n")).collect()
}
