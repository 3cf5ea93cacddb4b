//! What is remembered, for which URIs, and for how long (S4 6).

use super::Says::{Categories, For, Nothing, Prefix};
use super::*;

#[test]
fn a_hit_says_what_the_first_decision_said() {
    for (uri, says, rule, action) in [
        ("http://a.example/", "adult news", "adult", "block"),
        ("http://a.example/", "games", "games", "pass"),
        ("http://x.casino.example/", "", "casino.example", "block"),
        (
            "http://old.example/",
            "",
            "http://old.example/",
            ">http://new.example/",
        ),
    ] {
        let mut world = World::new();
        let first = world.judge("child", uri, &Categories(says));
        let hit = unasked(world.begin("child", uri));
        assert_eq!(show(&hit), format!("{action} cache [{rule}]"));
        assert_eq!(hit.categories, first.categories);
        assert_eq!(hit.profile, first.profile);
        assert_eq!(hit.block_response, first.block_response);
    }
    let mut world = World::new();
    world.judge("child", "http://a.example/", &Categories(""));
    let hit = unasked(world.begin("child", "http://a.example/"));
    assert_eq!(show(&hit), ">http://new.example/?unknown cache");
}

#[test]
fn a_redirect_hit_is_formatted_for_the_subscriber_at_hand() {
    let mut world = World::new();
    let uri = "http://play.example/";
    world.judge("child", uri, &Categories("gambling"));
    let hit = unasked(world.begin("child", uri));
    let facts = RedirectFacts {
        imsi: "7",
        uri: b"x",
        ..RedirectFacts::default()
    };
    let location = hit.location(facts);
    assert_eq!(
        location.as_deref(),
        Some("http://notice.example/?first&imsi=7&uri=x")
    );
}

/// S4 7.2: 24 = length of `http://www.ericsson.com/`; another URI of the domain is answered from
/// the cache, for another subscriber of the profile.
#[test]
fn s4_7_2_a_second_uri_of_the_domain_is_answered_from_the_cache() {
    let mut world = World::new();
    let says = Prefix("news", SharedPrefix::Uri(24));
    let first = world.judge("child", "http://www.ericsson.com/first", &says);
    assert_eq!(show(&first), "pass icap [news]");
    assert!(!first.prefix_rejected);
    let second = unasked(world.begin("child", "http://www.ericsson.com/second?x"));
    assert_eq!(show(&second), "pass cache [news]");
    world.asks("child", "http://www.ericsson.com:8080/");
    world.asks("child", "https://www.ericsson.com/");
    world.asks("strict", "http://www.ericsson.com/first");
}

/// S4 6: without directives the URI is an exact entry.
#[test]
fn s4_6_an_answer_without_a_prefix_holds_for_its_uri() {
    let mut world = World::new();
    world.judge("child", "http://a.example/p", &Categories("adult"));
    unasked(world.begin("child", "http://a.example/p"));
    world.asks("child", "http://a.example/p?");
    world.asks("child", "http://a.example/p/q");
    world.asks("child", "http://a.example/");
}

#[test]
fn a_prefix_length_is_valid_from_the_authority_to_the_end_of_the_uri() {
    // `http://a.example/` is 17 long, the URI 22, its path 4.
    let uri = "http://a.example/dir?q";
    for (prefix, holds_for) in [
        (SharedPrefix::Uri(17), Some("http://a.example/")),
        (SharedPrefix::Uri(18), Some("http://a.example/dog")),
        (SharedPrefix::Uri(22), Some("http://a.example/dir?qx")),
        (SharedPrefix::Uri(0), None),
        (SharedPrefix::Uri(1), None),
        (SharedPrefix::Uri(16), None),
        (SharedPrefix::Uri(23), None),
        (SharedPrefix::Uri(99_999), None),
        (SharedPrefix::Uri(u64::MAX), None),
        (SharedPrefix::Path(1), Some("http://a.example/")),
        (SharedPrefix::Path(4), Some("http://a.example/dirt")),
        (SharedPrefix::Path(0), None),
        (SharedPrefix::Path(5), None),
        (SharedPrefix::Path(u64::MAX), None),
        (SharedPrefix::Malformed, None),
    ] {
        let mut world = World::new();
        let decision = world.judge("child", uri, &Prefix("adult", prefix));
        assert_eq!(decision.prefix_rejected, holds_for.is_none(), "{prefix:?}");
        assert_eq!(show(&decision), "block icap [adult]");
        assert_eq!(
            show(&unasked(world.begin("child", uri))),
            "block cache [adult]"
        );
        if let Some(other) = holds_for {
            unasked(world.begin("child", other));
        } else {
            // An answer that cannot hold for others poisons nothing.
            for other in [
                "http://a.example/",
                "http://a.example/dir?qx",
                "http://b.example/",
            ] {
                world.asks("child", other);
            }
        }
        for other in [
            "http://a.example.net/",
            "http://a.example:8080/dir?q",
            "https://a.example/",
        ] {
            world.asks("child", other);
        }
    }
}

#[test]
fn a_server_name_is_its_own_prefix() {
    let mut world = World::new();
    let says = Prefix("adult", SharedPrefix::Uri(18));
    let decision = world.judge("child", "https://a.example/", &says);
    assert!(!decision.prefix_rejected);
    unasked(world.begin("child", "https://a.example/x"));
}

#[test]
fn an_answer_does_not_shadow_a_list_entry_below_it() {
    let mut world = World::new();
    world.reload(&POLICY.replace("[casino.example]", r#"["http://a.example/p/"]"#));
    let banned = "block block_list [http://a.example/p/]";
    let origin = Prefix("news", SharedPrefix::Uri(17));
    let decision = world.judge("child", "http://a.example/q", &origin);
    assert!(!decision.prefix_rejected, "it is valid, but not used");
    assert_eq!(
        show(&unasked(world.begin("child", "http://a.example/p/x"))),
        banned
    );
    world.asks("child", "http://a.example/r");
    // Beside the entry a longer prefix holds.
    let decision = world.judge(
        "child",
        "http://a.example/r/1",
        &Prefix("news", SharedPrefix::Uri(19)),
    );
    assert!(!decision.prefix_rejected);
    unasked(world.begin("child", "http://a.example/r/2"));
    // In the other profile there is nothing below.
    world.judge("strict", "http://a.example/q", &origin);
    assert_eq!(
        show(&unasked(world.begin("strict", "http://a.example/p/x"))),
        "pass cache [news]"
    );
}

#[test]
fn what_a_list_says_is_remembered_as_far_as_the_entry_decides() {
    let mut world = World::new();
    for (first, second, expected) in [
        (
            "http://x.casino.example/a",
            "http://x.casino.example/b",
            "block cache [casino.example]",
        ),
        (
            "http://old.example/a",
            "http://old.example/b",
            ">http://new.example/ cache [http://old.example/]",
        ),
        // An entry lies below, so each URI is looked up.
        (
            "http://school.example/a",
            "http://school.example/games/b",
            "block block_list [http://school.example/games/]",
        ),
        (
            "http://school.example/games/b",
            "http://school.example/games/c",
            "block cache [http://school.example/games/]",
        ),
        (
            "http://school.example/games/c",
            "http://school.example/c",
            "pass pass_list [http://school.example/]",
        ),
        // A prefix that ends inside the host reaches other hosts, its entry in the cache does not.
        (
            "http://www.example.com/",
            "http://www.example.com/x",
            "block cache [http://www.example.co]",
        ),
        (
            "http://www.example.com/",
            "http://www.example.co.uk/",
            "block block_list [http://www.example.co]",
        ),
    ] {
        unasked(world.begin("child", first));
        assert_eq!(
            show(&unasked(world.begin("child", second))),
            expected,
            "{first} {second}"
        );
    }
}

/// S4 6: actions of the error policy are never cached.
#[test]
fn an_error_is_never_cached() {
    let mut world = World::new();
    let uri = "http://a.example/";
    assert_eq!(show(&world.judge("child", uri, &Nothing)), "block error");
    assert_eq!(world.filter.cached_entries(), 0);
    let again = world.judge("child", uri, &Categories("news"));
    assert_eq!(show(&again), "pass icap [news]");
}

#[test]
fn what_the_profile_does_not_ask_about_is_not_cached() {
    let mut world = World::new();
    unasked(world.begin("quiet", "http://a.example/"));
    assert_eq!(world.filter.cached_entries(), 0);
}

/// S4 6.1: a change of the ISTag or of the configuration empties the cache.
#[test]
fn s4_6_1_changed_rules_flush_the_cache() {
    let changes: [fn(&mut World); 3] = [
        |world| world.rules.policy_generation += 1,
        |world| world.rules.icap_generation += 1,
        |world| world.reload(POLICY),
    ];
    for change in changes {
        let mut world = World::new();
        world.judge("child", "http://a.example/", &Categories("news"));
        unasked(world.begin("child", "http://x.casino.example/"));
        assert_eq!(world.filter.cached_entries(), 2);
        change(&mut world);
        world.asks("child", "http://a.example/");
        assert_eq!(world.filter.cached_entries(), 0);
    }
}

#[test]
fn an_answer_ends_with_its_lifetime_or_the_cache_s() {
    let hour = Duration::from_secs(3600);
    for (says, lifetime) in [
        (Categories("news"), hour),
        (For("news", 2 * hour), hour),
        (For("news", Duration::MAX), hour),
        (
            For("news", Duration::from_secs(60)),
            Duration::from_secs(60),
        ),
    ] {
        let mut world = World::new();
        world.judge("child", "http://a.example/", &says);
        world.now += lifetime - Duration::from_nanos(1);
        unasked(world.begin("child", "http://a.example/"));
        world.now += Duration::from_nanos(1);
        world.asks("child", "http://a.example/");
    }
    let mut world = World::new();
    world.judge("child", "http://a.example/", &For("news", Duration::ZERO));
    assert_eq!(world.filter.cached_entries(), 0);
}

#[test]
fn readings_are_remembered_one_by_one() {
    let mut world = World::new();
    let question = world.ask("child", TWO_READINGS);
    let origin = SharedPrefix::Uri(17);
    let decision = world.finish(question, &[Prefix("news", origin), Prefix("adult", origin)]);
    assert_eq!(show(&decision), "block icap [adult]");
    assert!(!decision.prefix_rejected);
    assert_eq!(
        show(&unasked(world.begin("child", TWO_READINGS))),
        "block cache [adult]"
    );
    assert_eq!(
        show(&unasked(world.begin("child", "http://a.example/p"))),
        "pass cache [news]"
    );
    world.asks("child", "http://a.example/q");
}

#[test]
fn only_the_readings_that_are_not_known_are_asked_about() {
    let mut world = World::new();
    world.judge("child", "http://a.example/p", &Categories("violence"));
    let question = world.ask("child", TWO_READINGS);
    assert_eq!(question.uris().len(), 1);
    let decision = world.finish(question, &[Categories("news")]);
    assert_eq!(show(&decision), "block cache [violence]");
    // One that could not be asked about does not spoil the other's entry.
    let mut world = World::new();
    let question = world.ask("child", TWO_READINGS);
    world.finish(question, &[Categories("news"), Nothing]);
    unasked(world.begin("child", "http://a.example/p"));
    assert_eq!(world.ask("child", TWO_READINGS).uris().len(), 1);
}

#[test]
fn a_list_s_answer_to_one_of_two_readings_is_exact() {
    let mut world = World::new();
    world.reload(&POLICY.replace("casino.example", "a.example"));
    unasked(world.begin("child", TWO_READINGS));
    assert_eq!(world.filter.cached_entries(), 2);
    let other = unasked(world.begin("child", "http://a.example/x"));
    assert_eq!(show(&other), "block block_list [a.example]");
}

#[test]
fn no_entries_is_no_cache() {
    let mut world = World::with_entries(0);
    for _ in 0..2 {
        world.judge("child", "http://a.example/", &Categories("news"));
    }
    assert_eq!((world.asked, world.filter.cached_entries()), (2, 0));
}

#[test]
fn a_look_at_the_cache_changes_nothing() {
    let mut world = World::with_entries(2);
    let (a, b) = ("http://a.example/", "http://b.example/p");
    world.judge("child", a, &Categories("adult news"));
    world.judge("child", b, &Prefix("news", SharedPrefix::Uri(17)));
    world.now += Duration::from_millis(1_500);
    let found = |world: &World, profile, uri| world.peek(profile, uri).pop().flatten();
    let entry = found(&world, "child", a).unwrap();
    assert_eq!(
        (entry.extent, &*entry.uri, entry.action, entry.ends_in_s),
        ("exact", a, "block", 3_599)
    );
    assert_eq!(entry.categories, ["adult", "news"]);
    assert_eq!(entry.rule.as_deref(), Some("adult"));
    let entry = found(&world, "child", "http://b.example/q").unwrap();
    assert_eq!((entry.extent, &*entry.uri), ("prefix", "http://b.example/"));
    assert_eq!(found(&world, "strict", a), None);
    assert_eq!(found(&world, "child", "http://a.example/q"), None);
    // The first is still the next to go.
    world.judge("child", "http://c.example/", &Categories("news"));
    assert_eq!(found(&world, "child", a), None);
    assert!(found(&world, "child", b).is_some());
    // What other rules found is no answer.
    world.rules.icap_generation += 1;
    assert_eq!(found(&world, "child", b), None);
    world.rules.icap_generation -= 1;
    world.now += Duration::from_secs(3_600);
    assert_eq!(found(&world, "child", b), None, "its time is over");
}
