use std::time::Duration;

use diameter::name::{GX_CAPABILITY_LIST, SN_CF_POLICY_ID, result};
use diameter::{Identity, Value};
use sessions::Fallback;

use super::*;
use crate::{Capability, Updates};

/// S4 4.1.1: the id before, what carries what, and the id after.
#[test]
fn the_table_of_s4() {
    use Carrier::{Initial, ReAuth, Update};
    use Release::{Eight, Seven};
    let rows = [
        // Release 7.
        (Seven, None, Initial, Some(7), Some(7)),
        (Seven, None, Initial, None, None),
        (Seven, Some(7), Update, Some(9), Some(9)),
        (Seven, Some(7), Update, None, None),
        (Seven, Some(7), ReAuth, Some(9), None),
        (Seven, Some(7), ReAuth, None, None),
        // Release 8 and later.
        (Eight, None, Initial, Some(7), Some(7)),
        (Eight, None, Initial, None, None),
        (Eight, Some(7), Update, Some(9), Some(9)),
        (Eight, Some(7), Update, None, Some(7)),
        (Eight, Some(7), ReAuth, Some(9), Some(9)),
        (Eight, Some(7), ReAuth, None, Some(7)),
        (Eight, Some(7), ReAuth, Some(u32::MAX), Some(u32::MAX)),
        (Eight, None, ReAuth, Some(9), Some(9)),
        // An initial answer says everything anew.
        (Seven, Some(7), Initial, None, None),
        (Eight, Some(7), Initial, None, None),
    ];
    for (release, before, carrier, received, expected) in rows {
        let settings = settings(release, None);
        let before = Facts {
            id: before,
            has_ids: true,
            ..Facts::default()
        };
        let avps: Vec<Avp> = received.into_iter().map(profile).collect();
        let after = before.after(carrier, &avps, &settings).unwrap();
        let row = format!("{release:?} {before:?} {carrier:?} {received:?}");
        assert_eq!(after.id, expected, "{row}");
    }
}

#[test]
fn ids_count_only_if_both_sides_say_so() {
    let rows: [(&[u32], Option<u32>); 6] = [
        (&[], None),
        (&[0], None),
        (&[1], Some(7)),
        (&[0x0003_0001], Some(7)),
        (&[2], None),
        (&[2, 1], Some(7)),
    ];
    for (flags, expected) in rows {
        let settings = settings(Release::Eight, Some(1));
        let mut avps = vec![profile(7)];
        let list = |flags: &u32| Avp::optional(GX_CAPABILITY_LIST, *flags);
        avps.extend(flags.iter().map(list));
        let facts = Facts::default();
        let facts = facts.after(Carrier::Initial, &avps, &settings).unwrap();
        assert_eq!(facts.id, expected, "{flags:?}");
        // What was agreed holds for the session.
        let later = facts
            .after(Carrier::ReAuth, &[profile(9)], &settings)
            .unwrap();
        assert_eq!(later.id, expected.map(|_| 9), "{flags:?}");
    }
}

#[test]
fn rules_are_installed_and_removed_by_name() {
    let facts = Facts::default();
    check(&facts, &[install(&[name("a"), name("b")])], &["a", "b"]);
    let facts = after(&facts, &[install(&[name("a")]), install(&[name("b")])]);
    check(&facts, &[], &["a", "b"]);
    check(&facts, &[remove(&[name("a")])], &["b"]);
    check(&facts, &[remove(&[name("other")])], &["a", "b"]);
    check(&facts, &[install(&[name("a")])], &["a", "b"]);
    check(
        &facts,
        &[install(&[name("a")]), remove(&[name("a")])],
        &["a", "b"],
    );
    check(
        &facts,
        &[install(&[name("c")]), remove(&[name("a")])],
        &["b", "c"],
    );
}

#[test]
fn a_definition_installs_its_rule() {
    let definition = Avp::mandatory(CHARGING_RULE_DEFINITION, vec![name("defined")]);
    check(&Facts::default(), &[install(&[definition])], &["defined"]);
}

#[test]
fn groups_of_rules_are_not_rules() {
    let group = |text: &str| Avp::mandatory(CHARGING_RULE_BASE_NAME, text);
    let facts = after(
        &Facts::default(),
        &[install(&[name("x"), group("x"), group("y")])],
    );
    check(&facts, &[], &["x", "y"]);
    check(&facts, &[remove(&[name("x")])], &["x", "y"]);
    check(&facts, &[remove(&[name("x"), group("x")])], &["y"]);
}

#[test]
fn an_initial_answer_forgets_earlier_rules() {
    let facts = after(&Facts::default(), &[install(&[name("a")])]);
    let settings = settings(Release::Eight, None);
    let facts = facts.after(Carrier::Initial, &[], &settings).unwrap();
    check(&facts, &[], &[]);
}

#[test]
fn names_without_a_spelling_are_no_rules() {
    let octets = Avp::mandatory(CHARGING_RULE_NAME, [0xff, 0xfe].as_slice());
    check(&Facts::default(), &[install(&[octets, name("a")])], &["a"]);
}

#[test]
fn rules_and_names_are_bounded() {
    let many = |count: usize| {
        let names: Vec<Avp> = (0..count).map(|n| name(&n.to_string())).collect();
        tried(&Facts::default(), &[install(&names)])
    };
    assert!(many(RULES_MAX).is_ok());
    assert_eq!(many(RULES_MAX + 1), Err(Bad::TooMany));
    let long = |len: usize| tried(&Facts::default(), &[install(&[name(&"x".repeat(len))])]);
    assert!(long(RULE_NAME_LEN_MAX).is_ok());
    let bad = long(RULE_NAME_LEN_MAX + 1).unwrap_err();
    assert_eq!(bad.result_code(), result::INVALID_AVP_VALUE);
}

#[test]
fn an_id_is_a_number_and_alone() {
    let short = Avp::optional(SN_CF_POLICY_ID, Value::Octets([0; 3].to_vec().into()));
    assert_eq!(
        tried(&Facts::default(), std::slice::from_ref(&short)),
        Err(Bad::Value(Box::new(short)))
    );
    let two = tried(&Facts::default(), &[profile(7), profile(9)]);
    assert_eq!(two, Err(Bad::Twice(Box::new(profile(9)))));
}

#[track_caller]
fn check(facts: &Facts, avps: &[Avp], expected: &[&str]) {
    let after = after(facts, avps);
    let ProfileFacts::Said { rules, .. } = after.profile() else {
        panic!("{after:?}");
    };
    let rules: Vec<&str> = rules.iter().map(AsRef::as_ref).collect();
    assert_eq!(rules, expected);
}

#[track_caller]
fn after(facts: &Facts, avps: &[Avp]) -> Facts {
    tried(facts, avps).unwrap()
}

fn tried(facts: &Facts, avps: &[Avp]) -> Result<Facts, Bad> {
    facts.after(Carrier::ReAuth, avps, &settings(Release::Eight, None))
}

fn profile(id: u32) -> Avp {
    Avp::optional(SN_CF_POLICY_ID, id)
}

fn name(text: &str) -> Avp {
    Avp::mandatory(CHARGING_RULE_NAME, text)
}

fn install(avps: &[Avp]) -> Avp {
    Avp::mandatory(CHARGING_RULE_INSTALL, avps.to_vec())
}

fn remove(avps: &[Avp]) -> Avp {
    Avp::mandatory(CHARGING_RULE_REMOVE, avps.to_vec())
}

pub(crate) fn settings(release: Release, mask: Option<u32>) -> Settings {
    Settings {
        own: Identity {
            host: "weir.policy.example".into(),
            realm: "policy.example".into(),
        },
        realm: "policy.example".into(),
        state: 77,
        first_id: 0,
        profile_avp: SN_CF_POLICY_ID,
        capability: mask.map(|mask| Capability {
            avp: GX_CAPABILITY_LIST,
            value: mask,
            mask,
        }),
        release,
        updates: Updates::Reported,
        network: 5,
        fallback: Fallback::NextSource,
        patience: Duration::from_secs(10),
        retry: Duration::from_secs(30),
        sessions_max: 4,
    }
}
