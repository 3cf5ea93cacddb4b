//! The order of precedence, and what each source leads to.

use super::Says::{Categories, Nothing};
use super::*;
use crate::AnswerVerdict;

#[test]
fn every_source_in_its_order() {
    let school = "pass pass_list [http://school.example/]";
    check("child", "http://school.example/a", &Nothing, school);
    check(
        "child",
        "http://school.example/games/a",
        &Nothing,
        "block block_list [http://school.example/games/]",
    );
    check(
        "child",
        "https://x.casino.example:8443/",
        &Nothing,
        "block block_list [casino.example]",
    );
    check(
        "child",
        "http://old.example/a",
        &Nothing,
        ">http://new.example/ redirect_list [http://old.example/]",
    );
    check("quiet", "http://school.example/a", &Nothing, school);
    check("quiet", "http://a.example/", &Nothing, "block unknown");
    check(
        "removed",
        "http://casino.example/",
        &Nothing,
        "pass no_profile",
    );
}

/// S4 2: the configured `http://www.example.co` matches `.com` and `.co.uk`.
#[test]
fn s4_2_a_prefix_may_end_inside_the_host() {
    for uri in ["http://www.example.com/", "http://www.example.co.uk/x"] {
        let expected = "block block_list [http://www.example.co]";
        check("child", uri, &Nothing, expected);
    }
}

/// S4 3.1: from the least to the most restrictive pass, block, redirect.
#[test]
fn s4_3_1_the_most_restrictive_category_applies() {
    let first = ">http://notice.example/?first&imsi=%S&uri=%U icap [gambling]";
    let second = ">http://notice.example/?second icap [dating]";
    check_categories("child", "news", "pass icap [news]");
    check_categories("child", "news education", "pass icap [news]");
    check_categories("child", "news violence", "block icap [violence]");
    check_categories("child", "violence adult", "block icap [violence]");
    check_categories("child", "violence dating news", second);
    // Of two redirects the first in the file.
    check_categories("child", "dating gambling", first);
    check_categories("child", "gambling dating", first);
    // The policy's redirect before the default action's.
    check_categories("moving", "games dating", second);
    check_categories(
        "moving",
        "games adult",
        ">http://new.example/?default icap [games]",
    );
}

/// S4 3.3: the default, the unknown and the error action.
#[test]
fn s4_3_3_default_unknown_and_error_action() {
    check_categories("child", "games", "pass default [games]");
    check_categories("child", "games chess", "pass default [games]");
    check_categories("strict", "games", "block default [games]");
    // `default` says that every action came from the default action.
    check_categories("child", "games news", "pass icap [news]");
    check_categories("strict", "games news", "block icap [games]");
    check_categories("strict", "games adult", "block icap [adult]");
    // Without a policy every category takes the default action.
    check_categories("bare", "adult games", "block default [adult]");

    check_categories("child", "", ">http://new.example/?unknown unknown");
    check_categories("bare", "", "pass unknown");

    check("child", "http://a.example/", &Nothing, "block error");
    check(
        "strict",
        "http://a.example/",
        &Nothing,
        ">http://new.example/?error error",
    );
}

/// What the categorizer wants stands beside what its categories ask for.
#[test]
fn the_categorizers_own_verdict_counts_and_the_most_restrictive_wins() {
    let block = AnswerVerdict::Block(403);
    let away = AnswerVerdict::of_response(302, Some("http://away.example/?a=%U"));
    for (categories, wanted, expected) in [
        ("", &block, "block icap [http_response 403]"),
        (
            "",
            &away,
            ">http://away.example/?a=%U icap [http_response 302]",
        ),
        ("news", &block, "block icap [http_response 403]"),
        ("games", &block, "block icap [http_response 403]"),
        ("adult", &block, "block icap [adult]"),
        (
            "adult",
            &away,
            ">http://away.example/?a=%U icap [http_response 302]",
        ),
        // The policy's redirect stands first.
        (
            "dating",
            &away,
            ">http://notice.example/?second icap [dating]",
        ),
    ] {
        let mut world = World::new();
        let question = world.ask("child", "http://a.example/");
        let answer = Answer {
            categories: categories.split_whitespace().map(Arc::from).collect(),
            verdict: Some(wanted.clone()),
            prefix: Some(SharedPrefix::Uri(17)),
            lifetime: None,
        };
        let (rules, now) = (&world.rules, world.now);
        let decision = world.filter.finish(rules, question, vec![Ok(answer)], now);
        assert_eq!(show(&decision), expected, "{categories}");
        // Kept for its own URI alone, with the verdict.
        let Step::Decided(again) = world.begin("child", "http://a.example/") else {
            panic!("not kept");
        };
        assert_eq!(
            (again.source, again.action),
            (Source::Cache, decision.action)
        );
        assert_eq!(
            again.location(RedirectFacts::default()),
            decision.location(RedirectFacts::default())
        );
        let _: Question = world.ask("child", "http://a.example/below");
    }
}

/// Each class of failure has its own action, and the decision tells the class.
#[test]
fn a_failure_takes_the_action_of_its_class() {
    let actions = "error_action: block\n    error_actions: {timeout: pass, \
                   overload: {redirect: \"http://new.example/?busy\"}}";
    let policy = POLICY.replacen("error_action: block", actions, 1);
    for failure in AskError::ALL {
        let mut world = World::new();
        world.reload(&policy);
        let question = world.ask("child", "http://a.example/");
        let (rules, now) = (&world.rules, world.now);
        let decision = world
            .filter
            .finish(rules, question, vec![Err(failure)], now);
        let expected = match failure {
            AskError::Timeout => "pass error",
            AskError::Overload => ">http://new.example/?busy error",
            AskError::Connect | AskError::Protocol | AskError::Status | AskError::BreakerOpen => {
                "block error"
            }
        };
        assert_eq!(show(&decision), expected, "{failure:?}");
        assert_eq!(decision.failure, Some(failure));
        assert_eq!(world.filter.cached_entries(), 0);
    }
}

/// Of several readings the one that decides tells its failure.
#[test]
fn the_deciding_reading_tells_its_failure() {
    let actions = "error_action: block\n    error_actions: {timeout: pass}";
    let policy = POLICY.replacen("error_action: block", actions, 1);
    for (first, second, expected) in [
        (AskError::Timeout, AskError::Status, AskError::Status),
        (AskError::Status, AskError::Timeout, AskError::Status),
    ] {
        let mut world = World::new();
        world.reload(&policy);
        let question = world.ask("child", TWO_READINGS);
        let answers = vec![Err(first), Err(second)];
        let (rules, now) = (&world.rules, world.now);
        let decision = world.filter.finish(rules, question, answers, now);
        assert_eq!(
            (show(&decision).as_str(), decision.failure),
            ("block error", Some(expected))
        );
    }
}

#[test]
fn an_address_that_is_bypassed_passes_whatever_is_asked_for() {
    let readings = Readings::parse(b"http://casino.example/").unwrap();
    for (address, expected) in [
        ("192.0.2.7", "pass bypass"),
        ("::ffff:192.0.2.7", "pass bypass"),
        ("192.0.3.7", "block block_list [casino.example]"),
    ] {
        let request = Request {
            profile: Some("child"),
            target: Target::Uri(&readings),
            destination: Some(address.parse().unwrap()),
        };
        let mut world = World::new();
        let step = world.filter.begin(&world.rules, request, world.now);
        assert_eq!(show(&unasked(step)), expected);
    }
}

#[test]
fn what_cannot_be_judged_takes_the_undecidable_action() {
    let bypassed = Some("192.0.2.1".parse().unwrap());
    for (profile, destination, expected) in [
        (Some("child"), None, "block undecidable"),
        (Some("strict"), None, "pass undecidable"),
        (
            Some("moving"),
            None,
            ">http://new.example/?undecidable undecidable",
        ),
        (Some("child"), bypassed, "pass bypass"),
        (Some("removed"), None, "pass no_profile"),
        (None, None, "pass no_profile"),
    ] {
        let mut world = World::new();
        let request = Request {
            profile,
            target: Target::Undecidable(Undecidable::NoSni),
            destination,
        };
        let decision = unasked(world.filter.begin(&world.rules, request, world.now));
        assert_eq!(show(&decision), expected);
        let reason = (decision.source == Source::Undecidable).then_some(Undecidable::NoSni);
        assert_eq!(decision.undecidable, reason);
        assert_eq!(world.filter.cached_entries(), 0);
    }
}

/// Else a tunnel to any host that passes would open every other that its address serves.
#[test]
fn what_is_known_of_a_uri_beside_a_doubt_applies() {
    let doubt = Undecidable::AuthorityMismatch;
    for (profile, host, says, expected) in [
        ("quiet", "a.example", "", "block unknown"),
        ("quiet", "school.example", "", "pass undecidable"),
        ("strict", "a.example", "adult", "block icap [adult]"),
        ("strict", "a.example", "news", "pass undecidable"),
        ("child", "school.example", "", "block undecidable"),
        ("child", "casino.example", "", "block undecidable"),
    ] {
        let mut world = World::new();
        let readings = Readings::parse(format!("http://{host}/").as_bytes()).unwrap();
        let request = Request {
            profile: Some(profile),
            target: Target::Doubtful(&readings, doubt),
            destination: None,
        };
        let decision = match world.filter.begin(&world.rules, request, world.now) {
            Step::Decided(decision) => decision,
            Step::Ask(question) => world.finish(question, &[Categories(says)]),
        };
        assert_eq!(show(&decision), expected, "{profile} {host}");
        assert_eq!(decision.undecidable, Some(doubt));
    }
}

/// Else a client could add what makes its path ambiguous to any URI that is blocked.
#[test]
fn what_is_known_of_a_path_with_too_many_readings_applies() {
    for (profile, host, says, expected) in [
        ("quiet", "a.example", "", "block unknown"),
        ("quiet", "school.example", "", "pass undecidable"),
        ("strict", "a.example", "adult", "block icap [adult]"),
        ("strict", "a.example", "news", "pass undecidable"),
        ("child", "a.example", "news", "block undecidable"),
        ("child", "casino.example", "", "block undecidable"),
        (
            "child",
            "old.example",
            "",
            ">http://new.example/ redirect_list [http://old.example/]",
        ),
    ] {
        let mut world = World::new();
        let uri = format!("http://{host}/a;b%2f..%5c%252e%3f%00");
        let decision = world.judge(profile, &uri, &Categories(says));
        assert_eq!(show(&decision), expected, "{profile} {host}");
        assert_eq!(decision.undecidable, Some(Undecidable::Ambiguous));
    }
}

#[test]
fn a_session_without_a_profile_passes() {
    let mut world = World::new();
    let request = Request {
        profile: None,
        target: Target::Uri(&Readings::parse(b"http://casino.example/").unwrap()),
        destination: None,
    };
    let decision = unasked(world.filter.begin(&world.rules, request, world.now));
    assert_eq!(show(&decision), "pass no_profile");
    assert_eq!(decision.profile, None);
}

#[test]
fn a_decision_says_how_to_enforce_it() {
    let mut world = World::new();
    let adult = &Categories("adult");
    for (profile, uri, on_http, on_tls) in [
        (
            "child",
            "http://a.example/",
            Enforcement::Forbid,
            Enforcement::Forbid,
        ),
        (
            "strict",
            "http://a.example/",
            Enforcement::Discard,
            Enforcement::Discard,
        ),
        (
            "quiet",
            "http://a.example/",
            Enforcement::Reset,
            Enforcement::Reset,
        ),
        (
            "quiet",
            "http://school.example/",
            Enforcement::Forward,
            Enforcement::Forward,
        ),
        // S4 3.1: a redirect of TLS is a block.
        (
            "child",
            "http://old.example/",
            Enforcement::Redirect,
            Enforcement::Forbid,
        ),
    ] {
        let decision = world.judge(profile, uri, adult);
        assert_eq!(
            decision.enforcement(Protocol::Http),
            on_http,
            "{profile} {uri}"
        );
        assert_eq!(
            decision.enforcement(Protocol::Tls),
            on_tls,
            "{profile} {uri}"
        );
        assert_eq!(decision.profile.as_deref(), Some(profile));
    }
    let decision = Decision::unfiltered();
    assert_eq!(show(&decision), "pass unfiltered");
    assert_eq!(decision.enforcement(Protocol::Tls), Enforcement::Forward);
}

/// S4 7.1: a category that redirects, then the request for the destination, resolved locally.
#[test]
fn s4_7_1_the_redirected_request_is_resolved_locally() {
    let mut world = World::new();
    let decision = world.judge("child", "http://play.example/", &Categories("gambling"));
    let facts = RedirectFacts {
        imsi: "10020000000007",
        uri: b"http://play.example/",
        ..RedirectFacts::default()
    };
    let location = decision.location(facts).unwrap();
    assert_eq!(
        location,
        "http://notice.example/?first&imsi=10020000000007&uri=http%3A%2F%2Fplay.example%2F"
    );
    let decision = unasked(world.begin("child", &location));
    assert_eq!(show(&decision), "pass pass_list [http://notice.example/]");
}

#[test]
fn the_most_restrictive_reading_decides() {
    check_readings(
        Categories("news"),
        Categories("adult"),
        "block icap [adult]",
    );
    check_readings(
        Categories("adult"),
        Categories("news"),
        "block icap [adult]",
    );
    check_readings(
        Nothing,
        Categories("dating"),
        ">http://notice.example/?second icap [dating]",
    );
    check_readings(
        Categories("news"),
        Categories(""),
        ">http://new.example/?unknown unknown",
    );
    check_readings(Categories("news"), Nothing, "block error");
    // Among equals the normal form.
    check_readings(
        Categories("adult"),
        Categories("violence"),
        "block icap [adult]",
    );
    check_readings(Categories("adult"), Nothing, "block icap [adult]");
    check_readings(Nothing, Categories("adult"), "block error");
}

#[test]
fn a_reading_that_a_list_decides_is_not_asked_about() {
    let mut world = World::new();
    world.reload(&POLICY.replace("[casino.example]", r#"["http://a.example/p"]"#));
    let question = world.ask("child", TWO_READINGS);
    assert_eq!(question.uris().len(), 1);
    let decision = world.finish(question, &[Categories("news")]);
    assert_eq!(show(&decision), "block block_list [http://a.example/p]");
}

#[track_caller]
fn check_categories(profile: &str, categories: &'static str, expected: &str) {
    check(
        profile,
        "http://a.example/",
        &Categories(categories),
        expected,
    );
}

#[track_caller]
fn check(profile: &str, uri: &str, says: &Says, expected: &str) {
    for mut world in [World::new(), World::with_entries(0)] {
        let decision = world.judge(profile, uri, says);
        assert_eq!(show(&decision), expected, "{profile} {uri}");
    }
}

#[track_caller]
fn check_readings(normal: Says, other: Says, expected: &str) {
    let mut world = World::new();
    let question = world.ask("child", TWO_READINGS);
    let readings = Readings::parse(TWO_READINGS.as_bytes()).unwrap();
    assert!(question.uris().iter().eq(readings.iter()), "in their order");
    let decision = world.finish(question, &[normal, other]);
    assert_eq!(show(&decision), expected);
}
