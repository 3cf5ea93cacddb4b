use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use policy::SniCheck;
use uri::Readings;

use super::*;
use crate::{
    Answer, CacheLimits, Decision, Filter, Request, Rules, Source, Step, Target, Undecidable,
};

const POLICY: &str = "
lists: {good: [good.example], bad: [bad.example], moved: [moved.example]}
policies:
  family: {pass: [news], block: [adult]}
profiles:
  child:
    icap: true
    policy: family
    pass_list: [good]
    block_list: [bad]
    redirect_list: [{to: 'https://good.example/', lists: [moved]}]
    default_action: pass
    unknown_action: pass
    error_action: pass
    undecidable_action: $undecidable
    sni_check: $mode
bypass: [192.0.2.0/24]
";

#[test]
fn addresses_are_compared_in_their_plain_form() {
    check_addresses("198.51.100.1", "198.51.100.1", Binding::Match);
    check_addresses("198.51.100.1", "198.51.100.2 198.51.100.1", Binding::Match);
    check_addresses("198.51.100.1", "198.51.100.2", Binding::Mismatch);
    check_addresses("198.51.100.1", "", Binding::Unresolved);
    check_addresses("::ffff:198.51.100.1", "198.51.100.1", Binding::Match);
    check_addresses("198.51.100.1", "::ffff:198.51.100.1", Binding::Match);
    check_addresses("64:ff9b::198.51.100.1", "198.51.100.1", Binding::Match);
    check_addresses("64:ff9b::198.51.100.1", "198.51.100.2", Binding::Mismatch);
    check_addresses("198.51.100.1", "64:ff9b::198.51.100.1", Binding::Match);
    check_addresses("64:ff9b:1::c633:6401", "198.51.100.1", Binding::Mismatch);
    check_addresses("64:ff9b::1:c633:6401", "198.51.100.1", Binding::Mismatch);
    check_addresses("2001:db8::1", "2001:db8:0::1", Binding::Match);
    check_addresses("2001:db8::1", "2001:db8::2 198.51.100.1", Binding::Mismatch);
    check_addresses("::1", "0.0.0.1", Binding::Mismatch);
}

#[test]
fn only_a_pass_that_a_list_or_a_category_gave_is_checked() {
    for mode in ["log", "require"] {
        let checked = match mode {
            "log" => SniCheck::Log,
            _ => SniCheck::Require,
        };
        let rows = [
            ("good.example", None, Source::PassList, checked),
            ("bad.example", None, Source::BlockList, SniCheck::Off),
            ("moved.example", None, Source::RedirectList, SniCheck::Off),
            ("a.example", Some("news"), Source::Icap, checked),
            ("b.example", Some("News,other"), Source::Icap, checked),
            ("c.example", Some("other"), Source::Default, SniCheck::Off),
            ("d.example", Some("news,adult"), Source::Icap, SniCheck::Off),
            ("e.example", Some(""), Source::Unknown, SniCheck::Off),
            ("f.example", None, Source::Error, SniCheck::Off),
        ];
        let mut world = World::new(mode, "block");
        for (host, categories, source, expected) in rows {
            let uri = format!("http://{host}/");
            let decision = world.decide(&uri, categories, None);
            assert_eq!(decision.source, source, "{host}");
            assert_eq!(decision.sni_check, expected, "{host} {mode}");
        }
    }
}

#[test]
fn what_is_not_judged_is_not_checked() {
    let mut world = World::new("require", "pass");
    let bypass = "192.0.2.1".parse().ok();
    let decision = world.decide("http://good.example/", None, bypass);
    assert_eq!(
        (decision.source, decision.sni_check),
        (Source::Bypass, SniCheck::Off)
    );
    assert_eq!(Decision::unfiltered().sni_check, SniCheck::Off);
    let request = Request {
        profile: Some("child"),
        target: Target::Undecidable(Undecidable::NoSni),
        destination: None,
    };
    let Step::Decided(decision) = world.filter.begin(&world.rules, request, now()) else {
        panic!("nothing to ask about");
    };
    assert_eq!(
        (decision.source, decision.sni_check),
        (Source::Undecidable, SniCheck::Off)
    );
}

#[test]
fn the_cache_keeps_what_is_checked_and_no_result() {
    let mut world = World::new("require", "block");
    for (uri, categories, expected) in [
        ("http://good.example/", None, SniCheck::Require),
        ("http://a.example/", Some("news"), SniCheck::Require),
        ("http://c.example/", Some("other"), SniCheck::Off),
        ("http://bad.example/", None, SniCheck::Off),
    ] {
        let first = world.decide(uri, categories, None);
        let _ = first.bound(&world.rules.policy, Binding::Mismatch);
        let again = world.decide(uri, None, None);
        assert_eq!(again.source, Source::Cache, "{uri}");
        assert_eq!(again.sni_check, expected, "{uri}");
    }
}

#[test]
fn a_pass_that_needs_a_named_reading_is_checked() {
    // The normal form is `/p`, decoded once it is `/%70`: two readings, and both must pass.
    let readings = Readings::parse(b"http://a.example/%2570").unwrap();
    for (answers, expected) in [
        (["", "news"], SniCheck::Require),
        (["news", ""], SniCheck::Require),
        (["", "other"], SniCheck::Off),
        (["", ""], SniCheck::Off),
        (["news", "adult"], SniCheck::Off),
    ] {
        let mut world = World::new("require", "block");
        let request = Request {
            profile: Some("child"),
            target: Target::Uri(&readings),
            destination: None,
        };
        let Step::Ask(question) = world.filter.begin(&world.rules, request, now()) else {
            panic!("the categorizer is asked");
        };
        let answers = answers.map(|names| Ok(answer(names))).to_vec();
        let decision = world.filter.finish(&world.rules, question, answers, now());
        assert_eq!(decision.sni_check, expected);
    }
}

#[test]
fn what_becomes_of_a_pass() {
    use Binding::{Match, Mismatch, Unresolved};
    for mode in ["off", "log"] {
        for binding in [Match, Mismatch, Unresolved] {
            check_bound((mode, "block"), binding, (Source::PassList, None));
        }
    }
    let refused = |why| (Source::Undecidable, Some(why));
    check_bound(("require", "block"), Match, (Source::PassList, None));
    for undecidable in ["block", "pass", "{redirect: 'https://good.example/'}"] {
        let how = ("require", undecidable);
        let why = Undecidable::DestinationMismatch;
        check_bound(how, Mismatch, refused(why));
        let why = Undecidable::DestinationUnresolved;
        check_bound(how, Unresolved, refused(why));
    }
}

#[test]
fn a_block_stays_what_it_is() {
    for mode in ["off", "log", "require"] {
        for binding in [Binding::Match, Binding::Mismatch, Binding::Unresolved] {
            let mut world = World::new(mode, "pass");
            for (host, source) in [
                ("bad.example", Source::BlockList),
                ("moved.example", Source::RedirectList),
            ] {
                let decision = world.decide(&format!("http://{host}/"), None, None);
                let action = decision.action;
                let bound = decision.bound(&world.rules.policy, binding);
                assert_eq!((bound.action, bound.source), (action, source));
                assert_eq!(bound.undecidable, None);
            }
        }
    }
}

/// A filter with a policy.
struct World {
    filter: Filter,
    rules: Rules,
}

impl World {
    fn new(mode: &str, undecidable: &str) -> Self {
        Self::of(POLICY, mode, undecidable)
    }

    fn of(text: &str, mode: &str, undecidable: &str) -> Self {
        let text = text
            .replace("$mode", mode)
            .replace("$undecidable", undecidable);
        let compiled = policy::compile("p.yaml", &text, &|path| Err(path.to_owned())).unwrap();
        Self {
            filter: Filter::new(CacheLimits {
                entries_max: NonZeroUsize::new(100),
                lifetime: Duration::from_secs(60),
            }),
            rules: Rules {
                policy: Arc::new(compiled.set),
                policy_generation: 0,
                icap_generation: 0,
                now: None,
            },
        }
    }

    /// Decides, and lets the categorizer answer these categories, or not at all.
    fn decide(
        &mut self,
        uri: &str,
        categories: Option<&str>,
        destination: Option<IpAddr>,
    ) -> Decision {
        let readings = Readings::parse(uri.as_bytes()).unwrap();
        let request = Request {
            profile: Some("child"),
            target: Target::Uri(&readings),
            destination,
        };
        let question = match self.filter.begin(&self.rules, request, now()) {
            Step::Decided(decision) => return decision,
            Step::Ask(question) => question,
        };
        let answer = categories.map(answer);
        let answers = question
            .uris()
            .iter()
            .map(|_| answer.clone().ok_or(crate::AskError::Timeout))
            .collect();
        self.filter.finish(&self.rules, question, answers, now())
    }
}

/// Returns an answer with these categories.
fn answer(names: &str) -> Answer {
    let names = names.split(',').filter(|name| !name.is_empty());
    Answer {
        categories: names.map(|name| name.to_lowercase().into()).collect(),
        verdict: None,
        prefix: None,
        lifetime: None,
    }
}

#[track_caller]
fn check_addresses(dialled: &str, addresses: &str, expected: Binding) {
    let dialled = dialled.parse().unwrap();
    let addresses = addresses.split_whitespace().map(|ip| ip.parse().unwrap());
    assert_eq!(Binding::of(dialled, addresses), expected);
}

#[track_caller]
fn check_bound(
    (mode, undecidable): (&str, &str),
    binding: Binding,
    expected: (Source, Option<Undecidable>),
) {
    let mut world = World::new(mode, undecidable);
    let decision = world.decide("http://good.example/", None, None);
    let bound = decision.bound(&world.rules.policy, binding);
    assert_eq!((bound.source, bound.undecidable), expected);
    assert_eq!(bound.rule.as_deref(), Some("good.example"), "the log tells");
    let profile = world.rules.policy.profile("child").unwrap();
    let action = match bound.undecidable {
        Some(_) => profile.undecidable_action,
        None => policy::Action::Pass,
    };
    assert_eq!(bound.action, action);
    assert_eq!(
        bound.destination.is_some(),
        matches!(action, policy::Action::Redirect(_))
    );
}

#[expect(clippy::disallowed_methods, reason = "a moment to start from")]
fn now() -> Instant {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    *START
}
