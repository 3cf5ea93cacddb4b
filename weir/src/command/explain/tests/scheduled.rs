//! Schedules in a trace.

use super::*;

/// The moment of a Friday evening.
pub(super) const FRIDAY: [&str; 2] = ["--now", "2026-11-20T21:30[Europe/Madrid]"];

pub(super) const SCHEDULED: &str = r#"
schedules:
  night: {from: "21:00", to: "07:00", timezone: Europe/Madrid}
  school: {days: [mon-fri], from: "08:30", to: "16:00", timezone: Europe/Madrid}
lists: {social: [social.example]}
policies: {lessons: {block: [games]}, leisure: {block: [adult]}}
profiles:
  child:
    icap: true
    policy: [{policy: lessons, when: school}, leisure]
    block_list: [{list: social, when: school}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
  sleepy:
    instead: [{profile: asleep, when: [night, {days: [sun], timezone: UTC}]}]
    default_action: pass
    unknown_action: pass
    error_action: pass
    undecidable_action: pass
  asleep: {default_action: block, unknown_action: block, error_action: block, undecidable_action: block}
  trial:
    enforce: false
    icap: true
    policy: [{policy: lessons, when: {timezone: UTC}}]
    default_action: pass
    unknown_action: block
    error_action: block
    undecidable_action: block
default_profile: child
"#;

#[test]
fn the_schedules_that_matter_are_shown() {
    check_scheduled(
        &[
            "--now",
            "2026-11-20T08:30[Europe/Madrid]",
            "http://social.example/",
        ],
        expect![[r#"
            requested         http://social.example/
            normal form       http://social.example/
            profile           child
            time              2026-11-20T08:30[Europe/Madrid]
            schedules         school: active until 2026-11-20T16:00[Europe/Madrid]
            policy            lessons, by schedule `school`
            lists             social.example in block_list, by schedule `school`: block
            action            block, from block_list
            decision          block, from block_list (social.example)
            enforcement       closed without a byte
        "#]],
    );
    check_scheduled(
        &[
            FRIDAY[0],
            FRIDAY[1],
            "--categories",
            "games",
            "http://social.example/",
        ],
        expect![[r#"
            requested         http://social.example/
            normal form       http://social.example/
            profile           child
            time              2026-11-20T21:30[Europe/Madrid]
            schedules         school: not active until 2026-11-23T08:30[Europe/Madrid]
            policy            leisure
            lists             no entry in pass_list, block_list and redirect_list
                              at other times: social.example in block_list, by schedule `school`: block
            categories        games
                              games: pass, by default_action
            most restrictive  pass, from default
            decision          pass, from default (games)
            enforcement       forwarded
        "#]],
    );
    check_scheduled(
        &[
            FRIDAY[0],
            FRIDAY[1],
            "--profile",
            "sleepy",
            "http://a.example/",
        ],
        expect![[r#"
            requested         http://a.example/
            normal form       http://a.example/
            profile           sleepy
            time              2026-11-20T21:30[Europe/Madrid]
            schedules         night or sun 00:00-24:00 UTC: active until 2026-11-21T07:00[Europe/Madrid]
            in its place      asleep, by schedule `night or sun 00:00-24:00 UTC`
            lists             no entry in pass_list, block_list and redirect_list
            categories        not asked; the profile has `icap: false`
            action            block, from unknown
            decision          block, from unknown
            enforcement       closed without a byte
        "#]],
    );
    check_scheduled(
        &[
            FRIDAY[0],
            FRIDAY[1],
            "--profile",
            "trial",
            "http://a.example/",
        ],
        expect![[r#"
            requested         http://a.example/
            normal form       http://a.example/
            profile           trial
            time              2026-11-20T20:30[UTC]
            schedules         every day 00:00-24:00 UTC: active for a week and longer
            policy            lessons, by schedule `every day 00:00-24:00 UTC`
            lists             no entry in pass_list, block_list and redirect_list
            categories        none
            action            block, from unknown
            decision          block, from unknown, only reported
            enforcement       forwarded
        "#]],
    );
}

#[track_caller]
pub(super) fn check_scheduled(arguments: &[&str], expected: Expect) {
    expected.assert_eq(&explained(SCHEDULED, arguments));
}
