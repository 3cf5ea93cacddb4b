//! What changes with the clock on the wall, and what is not done but reported.

use super::*;

const TIMED: &str = r#"
lists:
  games: [games.example]
  social: [social.example, "http://social.example/help"]
policies:
  lenient: {pass: [news]}
  strict: {block: [news]}
schedules:
  night: {from: "21:00", to: "07:00", timezone: UTC}
  late: {from: "22:00", to: "23:00", timezone: UTC}
profiles:
  child:
    icap: true
    policy: [{policy: strict, when: night}, lenient]
    pass_list: [games]
    block_list: [{list: games, when: night}, {list: social, when: night}]
    redirect_list: [{to: "http://new.example/", lists: [games], when: late}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
  sleeper:
    instead: [{profile: asleep, when: night}]
    default_action: pass
    unknown_action: pass
    error_action: pass
    undecidable_action: pass
  asleep:
    default_action: block
    unknown_action: block
    error_action: block
    undecidable_action: block
  watched:
    enforce: false
    block_list: [games]
    redirect_list: [{to: "http://new.example/", lists: [social]}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
"#;

#[test]
fn equal_entries_are_decided_by_the_schedule_and_then_by_restriction() {
    let mut world = world("12:00");
    check(
        &mut world,
        "child",
        "http://games.example/",
        "pass pass_list [games.example]",
    );
    at(&mut world, "21:00");
    check(
        &mut world,
        "child",
        "http://games.example/",
        "block block_list [games.example]",
    );
    at(&mut world, "22:30");
    let redirected = ">http://new.example/ redirect_list [games.example]";
    check(&mut world, "child", "http://games.example/", redirected);
    at(&mut world, "07:00");
    check(
        &mut world,
        "child",
        "http://games.example/",
        "pass pass_list [games.example]",
    );
}

#[test]
fn an_entry_out_of_its_time_leaves_the_uri_to_the_rest() {
    let mut world = world("20:59");
    check(
        &mut world,
        "child",
        "http://social.example/help/1",
        "pass icap [news]",
    );
    at(&mut world, "21:00");
    let blocked = "block block_list [http://social.example/help]";
    check(&mut world, "child", "http://social.example/help/1", blocked);
    check(
        &mut world,
        "child",
        "https://social.example/",
        "block block_list [social.example]",
    );
}

#[test]
fn what_a_list_said_is_not_remembered_over_its_end_and_what_the_categorizer_said_is() {
    let mut world = world("20:59");
    check(
        &mut world,
        "child",
        "http://social.example/a",
        "pass icap [news]",
    );
    check(
        &mut world,
        "child",
        "http://social.example/a",
        "pass cache [news]",
    );
    at(&mut world, "21:00");
    check(
        &mut world,
        "child",
        "http://social.example/a",
        "block block_list [social.example]",
    );
    check(
        &mut world,
        "child",
        "http://b.example/a",
        "block icap [news]",
    );
    at(&mut world, "06:59");
    check(
        &mut world,
        "child",
        "http://social.example/b",
        "block block_list [social.example]",
    );
    at(&mut world, "07:00");
    assert_eq!(world.asked, 2);
    // Asked about while no list had an entry.
    check(
        &mut world,
        "child",
        "http://b.example/a",
        "pass cache [news]",
    );
    assert_eq!(world.asked, 2);
    check(
        &mut world,
        "child",
        "http://social.example/b",
        "pass icap [news]",
    );
    assert_eq!(world.asked, 3);
}

#[test]
fn an_answer_that_comes_after_a_change_is_judged_by_the_new_times() {
    let mut world = world("20:59");
    let question = world.ask("child", "http://social.example/a");
    at(&mut world, "21:00");
    let decision = world.finish(question, &[Says::Categories("news")]);
    assert_eq!(show(&decision), "block block_list [social.example]");
    let question = world.ask("child", "http://b.example/a");
    at(&mut world, "07:00");
    let decision = world.finish(question, &[Says::Categories("news")]);
    assert_eq!(show(&decision), "pass icap [news]");
}

#[test]
fn another_profile_stands_in_its_place_for_a_time() {
    let mut world = world("20:59");
    for (time, expected, profile) in [
        ("20:59", "pass unknown", "sleeper"),
        ("21:00", "block unknown", "asleep"),
        ("07:00", "pass unknown", "sleeper"),
    ] {
        at(&mut world, time);
        let decision = world.judge("sleeper", "http://a.example/", &Says::Nothing);
        assert_eq!(show(&decision), expected, "{time}");
        assert_eq!(decision.profile.as_deref(), Some(profile), "{time}");
    }
}

#[test]
fn without_a_time_no_schedule_is_active() {
    let mut world = World::new();
    world.reload(TIMED);
    check(
        &mut world,
        "child",
        "http://games.example/",
        "pass pass_list [games.example]",
    );
}

#[test]
fn what_is_only_reported_is_decided_and_forwarded() {
    let mut world = world("12:00");
    for (uri, expected, reported) in [
        (
            "http://games.example/",
            "block block_list [games.example]",
            true,
        ),
        (
            "http://social.example/",
            ">http://new.example/ redirect_list [social.example]",
            true,
        ),
        ("http://a.example/", "pass unknown", false),
    ] {
        let decision = world.judge("watched", uri, &Says::Nothing);
        assert_eq!(show(&decision), expected);
        assert_eq!(decision.is_only_reported(), reported, "{uri}");
        for protocol in [Protocol::Http, Protocol::Tls] {
            assert_eq!(
                decision.enforcement(protocol),
                Enforcement::Forward,
                "{uri}"
            );
        }
    }
    let request = Request {
        profile: Some("watched"),
        target: Target::Undecidable(Undecidable::NoSni),
        destination: None,
    };
    let decision = unasked(world.filter.begin(&world.rules, request, world.now));
    assert_eq!(show(&decision), "block undecidable");
    assert_eq!(decision.enforcement(Protocol::Tls), Enforcement::Forward);
}

fn world(time: &str) -> World {
    let mut world = World::new();
    world.reload(TIMED);
    at(&mut world, time);
    world
}

/// Sets the clock on the wall. The days are all one to these schedules.
fn at(world: &mut World, time: &str) {
    let now = format!("2026-11-21T{time}:00Z");
    world.rules.now = Some(now.parse().unwrap());
}

#[track_caller]
fn check(world: &mut World, profile: &str, uri: &str, expected: &str) {
    let decision = world.judge(profile, uri, &Says::Categories("news"));
    assert_eq!(show(&decision), expected, "{uri}");
}
