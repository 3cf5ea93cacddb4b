//! A trace as JSON.

use super::scheduled::{FRIDAY, check_scheduled};
use super::*;

#[test]
fn json_has_the_same_steps() {
    let arguments = [
        FRIDAY[0],
        FRIDAY[1],
        "--json",
        "--categories",
        "games,adult",
        "http://SOCIAL.example/%2570",
    ];
    check_scheduled(
        &arguments,
        expect![[r#"
        {
          "also_read_as": [
            "http://social.example/%2570"
          ],
          "decision": {
            "action": "block",
            "enforced": true,
            "enforcement": "discard",
            "profile": "child",
            "rule": "adult",
            "sni_check": "off",
            "source": "icap"
          },
          "normal_form": "http://social.example/p",
          "policy": {
            "name": "leisure"
          },
          "profile": "child",
          "protocol": "http",
          "readings": [
            {
              "action": "block",
              "asked": true,
              "categories": [
                {
                  "action": "pass",
                  "by": "default_action",
                  "category": "games"
                },
                {
                  "action": "block",
                  "by": "policy",
                  "category": "adult"
                }
              ],
              "list_at_other_times": {
                "action": "block",
                "entry": "social.example",
                "list": "block_list",
                "schedule": "school"
              },
              "rule": "adult",
              "source": "icap",
              "uri": "http://social.example/p"
            },
            {
              "action": "block",
              "asked": true,
              "categories": [
                {
                  "action": "pass",
                  "by": "default_action",
                  "category": "games"
                },
                {
                  "action": "block",
                  "by": "policy",
                  "category": "adult"
                }
              ],
              "list_at_other_times": {
                "action": "block",
                "entry": "social.example",
                "list": "block_list",
                "schedule": "school"
              },
              "rule": "adult",
              "source": "icap",
              "uri": "http://social.example/%2570"
            }
          ],
          "requested": "http://SOCIAL.example/%2570",
          "schedules": [
            {
              "active": false,
              "name": "school",
              "until": "2026-11-23T07:30:00Z"
            }
          ],
          "time": "2026-11-20T20:30:00Z"
        }
    "#]],
    );
    check_scheduled(
        &[
            "--json",
            "--profile",
            "sleepy",
            FRIDAY[0],
            FRIDAY[1],
            "--tls",
            "a.example",
        ],
        expect![[r#"
            {
              "decision": {
                "action": "block",
                "enforced": true,
                "enforcement": "discard",
                "profile": "asleep",
                "sni_check": "off",
                "source": "unknown"
              },
              "instead": {
                "name": "asleep",
                "schedule": "night or sun 00:00-24:00 UTC"
              },
              "normal_form": "https://a.example/",
              "profile": "sleepy",
              "protocol": "tls",
              "readings": [
                {
                  "action": "block",
                  "asked": false,
                  "categories": [],
                  "source": "unknown",
                  "uri": "https://a.example/"
                }
              ],
              "requested": "a.example",
              "schedules": [
                {
                  "active": true,
                  "name": "night or sun 00:00-24:00 UTC",
                  "until": "2026-11-21T06:00:00Z"
                }
              ],
              "time": "2026-11-20T20:30:00Z"
            }
        "#]],
    );
    check(
        &[
            "--json",
            "--icap-failure",
            "timeout",
            "http://school.example.evil/",
        ],
        expect![[r#"
            {
              "decision": {
                "action": "block",
                "enforced": true,
                "enforcement": "forbid",
                "icap_failure": "timeout",
                "profile": "child",
                "sni_check": "off",
                "source": "error"
              },
              "normal_form": "http://school.example.evil/",
              "policy": {
                "name": "family"
              },
              "profile": "child",
              "protocol": "http",
              "readings": [
                {
                  "action": "block",
                  "asked": true,
                  "categories": [],
                  "icap_failure": "timeout",
                  "source": "error",
                  "uri": "http://school.example.evil/"
                }
              ],
              "requested": "http://school.example.evil/"
            }
        "#]],
    );
    check(
        &["--json", "http://a b/"],
        expect![[r#"
        {
          "decision": {
            "action": "block",
            "enforced": true,
            "enforcement": "forbid",
            "profile": "child",
            "sni_check": "off",
            "source": "undecidable",
            "undecidable": "invalid_host"
          },
          "no_normal_form": "`a b` is not a host name or an IP address",
          "policy": {
            "name": "family"
          },
          "profile": "child",
          "protocol": "http",
          "readings": [],
          "requested": "http://a b/"
        }
    "#]],
    );
    check(
        &["--json", "--categories", "gambling", "http://a.example/"],
        expect![[r#"
            {
              "decision": {
                "action": "redirect",
                "enforced": true,
                "enforcement": "redirect",
                "location": "http://notice.example/?uri=http%3A%2F%2Fa.example%2F",
                "profile": "child",
                "rule": "gambling",
                "sni_check": "off",
                "source": "icap"
              },
              "normal_form": "http://a.example/",
              "policy": {
                "name": "family"
              },
              "profile": "child",
              "protocol": "http",
              "readings": [
                {
                  "action": "redirect",
                  "asked": true,
                  "categories": [
                    {
                      "action": "redirect",
                      "by": "policy",
                      "category": "gambling"
                    }
                  ],
                  "rule": "gambling",
                  "source": "icap",
                  "uri": "http://a.example/"
                }
              ],
              "requested": "http://a.example/"
            }
        "#]],
    );
}
