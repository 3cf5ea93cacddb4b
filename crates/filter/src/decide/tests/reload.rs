//! Rules that change while a request waits for its answer.

use super::Says::{Categories, Nothing};
use super::*;

#[test]
fn a_new_policy_maps_the_answer_that_was_waited_for() {
    let blocks_news = POLICY.replace("pass: [news, education]", "pass: [education]");
    let blocks_news = blocks_news.replace("block: [adult, violence]", "block: [news]");
    check(&blocks_news, "news", "block icap [news]");
    check(&blocks_news, "adult", "pass default [adult]");
}

#[test]
fn a_new_list_decides_before_the_answer() {
    let listed = POLICY.replace("[casino.example]", "[a.example]");
    check(&listed, "news", "block block_list [a.example]");
}

#[test]
fn a_new_bypass_address_passes() {
    let bypassed = POLICY.replace("192.0.2.0/24", "198.51.100.0/24");
    check(&bypassed, "adult", "pass bypass");
}

/// S4 3.3: a removed profile passes.
#[test]
fn a_removed_profile_passes() {
    check(
        &POLICY.replace("  child:", "  baby:"),
        "adult",
        "pass no_profile",
    );
}

#[test]
fn a_profile_that_asks_no_more_takes_its_unknown_action() {
    let off = POLICY.replacen("icap: true", "icap: false", 1);
    check(&off, "adult", ">http://new.example/?unknown unknown");
}

#[test]
fn a_new_error_action_applies() {
    let passes = POLICY.replacen("error_action: block", "error_action: pass", 1);
    let mut world = World::new();
    let question = world.ask("child", "http://a.example/");
    world.reload(&passes);
    assert_eq!(show(&world.finish(question, &[Nothing])), "pass error");
}

/// S4 4.3.2: an updated profile is for requests that are received afterwards.
#[test]
fn a_session_that_changes_meanwhile_keeps_its_profile_for_the_request() {
    let mut world = World::new();
    let waiting = world.ask("strict", "http://a.example/");
    let later = world.judge("child", "http://a.example/", &Categories("games"));
    assert_eq!(show(&later), "pass default [games]");
    let decision = world.finish(waiting, &[Categories("games")]);
    assert_eq!(show(&decision), "block default [games]");
    assert_eq!(decision.profile.as_deref(), Some("strict"));
}

#[test]
fn an_answer_older_than_the_flush_is_used_once_and_not_cached() {
    let changes: [fn(&mut World); 2] = [
        |world| world.reload(POLICY),
        |world| world.rules.icap_generation += 1,
    ];
    for change in changes {
        for flush_is_seen in [false, true] {
            let mut world = World::new();
            let question = world.ask("child", "http://a.example/");
            change(&mut world);
            if flush_is_seen {
                world.asks("child", "http://b.example/");
            }
            let decision = world.finish(question, &[Categories("adult")]);
            assert_eq!(show(&decision), "block icap [adult]");
            assert_eq!(world.filter.cached_entries(), 0);
            let again = world.judge("child", "http://a.example/", &Categories("news"));
            assert_eq!(show(&again), "pass icap [news]");
        }
    }
}

#[test]
fn finishing_flushes_too() {
    let mut world = World::new();
    world.judge("child", "http://b.example/", &Categories("adult"));
    let question = world.ask("child", "http://a.example/");
    world.rules.icap_generation += 1;
    world.finish(question, &[Categories("news")]);
    assert_eq!(world.filter.cached_entries(), 0);
}

#[test]
fn what_was_known_of_a_reading_is_judged_anew() {
    // The other reading was answered before: its categories stay, the new policy maps them.
    let mut world = World::new();
    world.judge("child", "http://a.example/p", &Categories("violence"));
    let question = world.ask("child", TWO_READINGS);
    world.reload(&POLICY.replace("violence]", "war]"));
    let decision = world.finish(question, &[Categories("news")]);
    assert_eq!(show(&decision), "pass cache [violence]");

    // The other reading was in a list and is in none now: nobody asked about it.
    let mut world = World::new();
    world.reload(&POLICY.replace("[casino.example]", r#"["http://a.example/p"]"#));
    let question = world.ask("child", TWO_READINGS);
    world.reload(POLICY);
    let decision = world.finish(question, &[Categories("news")]);
    assert_eq!(show(&decision), "block error");
}

/// Begins under the policy above, finishes under `then`.
#[track_caller]
fn check(then: &str, says: &'static str, expected: &str) {
    let mut world = World::new();
    let readings = Readings::parse(b"http://a.example/").unwrap();
    let request = Request {
        profile: Some("child"),
        target: Target::Uri(&readings),
        destination: Some("198.51.100.1".parse().unwrap()),
    };
    let Step::Ask(question) = world.filter.begin(&world.rules, request, world.now) else {
        panic!("nothing is known yet");
    };
    world.reload(then);
    let decision = world.finish(question, &[Categories(says)]);
    assert_eq!(show(&decision), expected);
    assert_eq!(world.filter.cached_entries(), 0, "the question is older");
}
