//! How results are shown, in every format.

use expect_test::expect;

use super::*;

const ALL: &str = r#"
policy: family.yaml
profile: child
cases:
  - {name: news, uri: "http://a.example/", categories: [news], expect: {action: pass}}
  - {name: gambling, uri: "http://a.example/", categories: [gambling], expect: {action: redirect}}
  - {name: 'default & <others> # "1"', uri: "http://a.example/", categories: [games], expect: {action: block}}
"#;

#[test]
fn what_decided_no_case_is_told() {
    let coverage = |fail_under: Option<u8>| Test {
        coverage: fail_under.is_none(),
        fail_under,
        ..options()
    };
    check_with(
        &coverage(None),
        ALL,
        exit::FAILURE,
        expect![[r#"
        family.test.yaml
          pass  news
          pass  gambling
          FAIL  default & <others> # "1" (family.test.yaml:7:95)
                  - action: block
                  + action: pass
                  because:
                    normal form       http://a.example/
                    profile           child
                    lists             no entry in pass_list, block_list and redirect_list
                    categories        games
                                      games: pass, by default_action
                    most restrictive  pass, from default
                    decision          pass, from default (games)
                    enforcement       forwarded
        coverage of family.yaml: 4 of 14 (28 %)
          family.yaml:2:18: entry `school.example` of list `school` decided no case
          family.yaml:24:10: bypass `192.0.2.0/24` decided no case
          family.yaml:12:21: `unknown_action` of profile `child` decided no case
          family.yaml:13:19: `error_action` of profile `child` decided no case
          family.yaml:15:25: `undecidable_action` of profile `child` decided no case
          family.yaml:14:30: `error_actions.timeout` of profile `child` decided no case
          family.yaml:14:46: `error_actions.overload` of profile `child` decided no case
          family.yaml:16:3: profile `kiosk` decided no case
          family.yaml:19:21: `unknown_action` of profile `kiosk` decided no case
          family.yaml:21:25: `undecidable_action` of profile `kiosk` decided no case
        2 passed, 1 failed
    "#]],
    );
    let good = ALL.replace("action: block", "action: pass");
    for (percent, status) in [(0, 0), (28, 0), (29, 1), (100, 1)] {
        let (found, page) = output(&coverage(Some(percent)), &good);
        assert_eq!(found, status, "{percent} {page}");
        let told = page.contains(&format!("less than {percent} % is covered"));
        assert_eq!(told, status == 1, "{page}");
    }
}

#[test]
fn results_for_programs() {
    let as_format = |format| Test {
        format,
        fail_under: Some(50),
        ..options()
    };
    check_with(
        &as_format(ResultFormat::Tap),
        ALL,
        exit::FAILURE,
        expect![[r#"
        TAP version 14
        1..4
        ok 1 - family.test.yaml: news
        ok 2 - family.test.yaml: gambling
        not ok 3 - family.test.yaml: default & <others> \# "1"
          ---
          at: "family.test.yaml:7:95"
          details:
            - "- action: block"
            - "+ action: pass"
            - "because:"
            - "  normal form       http://a.example/"
            - "  profile           child"
            - "  lists             no entry in pass_list, block_list and redirect_list"
            - "  categories        games"
            - "                    games: pass, by default_action"
            - "  most restrictive  pass, from default"
            - "  decision          pass, from default (games)"
            - "  enforcement       forwarded"
          ...
        not ok 4 - cases cover at least 50 % of the policies
        # coverage of family.yaml: 4 of 14 (28 %)
        # family.yaml:2:18: entry `school.example` of list `school` decided no case
        # family.yaml:24:10: bypass `192.0.2.0/24` decided no case
        # family.yaml:12:21: `unknown_action` of profile `child` decided no case
        # family.yaml:13:19: `error_action` of profile `child` decided no case
        # family.yaml:15:25: `undecidable_action` of profile `child` decided no case
        # family.yaml:14:30: `error_actions.timeout` of profile `child` decided no case
        # family.yaml:14:46: `error_actions.overload` of profile `child` decided no case
        # family.yaml:16:3: profile `kiosk` decided no case
        # family.yaml:19:21: `unknown_action` of profile `kiosk` decided no case
        # family.yaml:21:25: `undecidable_action` of profile `kiosk` decided no case
    "#]],
    );
    check_with(
        &as_format(ResultFormat::Junit),
        ALL,
        exit::FAILURE,
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="weir test" tests="4" failures="2" errors="0">
          <testsuite name="family.test.yaml" tests="3" failures="1" errors="0" skipped="0">
            <testcase classname="family.test.yaml" name="news"/>
            <testcase classname="family.test.yaml" name="gambling"/>
            <testcase classname="family.test.yaml" name="default &amp; &lt;others&gt; # &quot;1&quot;">
              <failure message="not as expected: action" type="expectation">family.test.yaml:7:95
        - action: block
        + action: pass
        because:
          normal form       http://a.example/
          profile           child
          lists             no entry in pass_list, block_list and redirect_list
          categories        games
                            games: pass, by default_action
          most restrictive  pass, from default
          decision          pass, from default (games)
          enforcement       forwarded</failure>
            </testcase>
          </testsuite>
          <testsuite name="coverage" tests="1" failures="1" errors="0" skipped="0">
            <testcase classname="coverage" name="cases cover at least 50 % of the policies">
              <failure message="not enough is covered" type="expectation">coverage of family.yaml: 4 of 14 (28 %)
        family.yaml:2:18: entry `school.example` of list `school` decided no case
        family.yaml:24:10: bypass `192.0.2.0/24` decided no case
        family.yaml:12:21: `unknown_action` of profile `child` decided no case
        family.yaml:13:19: `error_action` of profile `child` decided no case
        family.yaml:15:25: `undecidable_action` of profile `child` decided no case
        family.yaml:14:30: `error_actions.timeout` of profile `child` decided no case
        family.yaml:14:46: `error_actions.overload` of profile `child` decided no case
        family.yaml:16:3: profile `kiosk` decided no case
        family.yaml:19:21: `unknown_action` of profile `kiosk` decided no case
        family.yaml:21:25: `undecidable_action` of profile `kiosk` decided no case</failure>
            </testcase>
          </testsuite>
        </testsuites>
    "#]],
    );
    check_with(
        &Test {
            format: ResultFormat::Json,
            ..options()
        },
        ALL,
        exit::FAILURE,
        expect![[r#"
            {
              "failed": 1,
              "files": [
                {
                  "cases": [
                    {
                      "column": 72,
                      "faults": [],
                      "line": 5,
                      "name": "news",
                      "passed": true,
                      "trace": []
                    },
                    {
                      "column": 80,
                      "faults": [],
                      "line": 6,
                      "name": "gambling",
                      "passed": true,
                      "trace": []
                    },
                    {
                      "column": 95,
                      "faults": [
                        {
                          "expected": "block",
                          "got": "pass",
                          "what": "action"
                        }
                      ],
                      "line": 7,
                      "name": "default & <others> # \"1\"",
                      "passed": false,
                      "trace": [
                        "normal form       http://a.example/",
                        "profile           child",
                        "lists             no entry in pass_list, block_list and redirect_list",
                        "categories        games",
                        "                  games: pass, by default_action",
                        "most restrictive  pass, from default",
                        "decision          pass, from default (games)",
                        "enforcement       forwarded"
                      ]
                    }
                  ],
                  "file": "family.test.yaml"
                }
              ],
              "passed": 2
            }
        "#]],
    );
    let (_, page) = output(&as_format(ResultFormat::Json), ALL);
    let json: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!(json["coverage"][0]["percent"], 28);
    assert_eq!(json["covers_enough"], false);
    assert_eq!(
        json["coverage"][0]["untouched"][0]["rule"],
        "entry `school.example` of list `school`"
    );
}
