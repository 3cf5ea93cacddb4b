use ipnet::IpNet;

use super::*;
use crate::{Change, ProfileFacts, ProfileRule, Selection};

mod agreement;
mod model;
mod readers;

use model::LIMITS;

#[test]
fn a_session_is_found_until_it_ends() {
    let live = LiveSessions::new(LIMITS);
    assert_eq!(id_at(&live, "10.0.0.1"), None);
    opened(&live, "a", &["10.0.0.1/32", "2001:db8:7::/64"], 10);
    assert_eq!(id_at(&live, "10.0.0.1").as_deref(), Some("a"));
    assert_eq!(id_at(&live, "::ffff:10.0.0.1").as_deref(), Some("a"));
    assert_eq!(id_at(&live, "2001:db8:7::99").as_deref(), Some("a"));
    assert_eq!(id_at(&live, "2001:db8:8::99"), None);
    assert_eq!(live.len(), 1);
    assert!(matches!(close(&live, "a", 20), Applied::Closed(_)));
    assert_eq!(id_at(&live, "10.0.0.1"), None);
    assert_eq!(id_at(&live, "2001:db8:7::99"), None);
    assert!(live.is_empty());
}

#[test]
fn the_longest_range_wins() {
    let live = LiveSessions::new(LIMITS);
    opened(&live, "net", &["2001:db8::/56"], 10);
    opened(&live, "link", &["2001:db8::/64"], 10);
    opened(&live, "one", &["2001:db8::1/128"], 10);
    assert_eq!(id_at(&live, "2001:db8::1").as_deref(), Some("one"));
    assert_eq!(id_at(&live, "2001:db8::2").as_deref(), Some("link"));
    assert_eq!(id_at(&live, "2001:db8:0:1::2").as_deref(), Some("net"));
}

#[test]
fn a_stop_ends_only_the_session_that_it_is_about() {
    let live = LiveSessions::new(LIMITS);
    opened(&live, "old", &["10.0.0.1/32"], 10);
    opened(&live, "new", &["10.0.0.1/32"], 11);
    assert!(matches!(close(&live, "old", 12), Applied::Unknown));
    assert_eq!(id_at(&live, "10.0.0.1").as_deref(), Some("new"));
}

#[test]
fn what_comes_late_changes_nothing() {
    let live = LiveSessions::new(LIMITS);
    opened(&live, "a", &["10.0.0.1/32"], 20);
    let late = report("b", &["10.0.0.1/32"], 19);
    assert!(matches!(live.report(&late, 0), Ok(Applied::Stale)));
    assert!(matches!(close(&live, "a", 19), Applied::Stale));
    assert_eq!(id_at(&live, "10.0.0.1").as_deref(), Some("a"));
    close(&live, "a", 30);
    let interim = report("a", &["10.0.0.1/32"], 25);
    assert!(matches!(live.report(&interim, 0), Ok(Applied::Stale)));
    assert_eq!(id_at(&live, "10.0.0.1"), None);
}

#[test]
fn a_stop_before_its_start_keeps_it_from_opening() {
    let live = LiveSessions::new(LIMITS);
    assert!(matches!(close(&live, "a", 30), Applied::Unknown));
    let start = report("a", &["10.0.0.1/32"], 20);
    assert!(matches!(live.report(&start, 0), Ok(Applied::Stale)));
}

#[test]
fn a_nas_that_is_switched_ends_what_was_before() {
    let live = LiveSessions::new(LIMITS);
    opened(&live, "a", &["10.0.0.1/32"], 10);
    opened(&live, "b", &["10.0.0.2/32"], 20);
    assert_eq!(live.switched("nas", Switched::On, 20), Ok(true));
    assert_eq!(live.switched("nas", Switched::On, 20), Ok(false), "again");
    assert_eq!(id_at(&live, "10.0.0.1"), None);
    assert_eq!(id_at(&live, "10.0.0.2").as_deref(), Some("b"));
    assert_eq!(live.switched("nas", Switched::Off, 20), Ok(true));
    assert_eq!(id_at(&live, "10.0.0.2"), None);
    assert_eq!(live.sweep(20).len(), 2);
    assert!(live.is_empty());
}

#[test]
fn a_session_that_nobody_reports_any_more_ends() {
    let live = LiveSessions::new(LIMITS);
    opened(&live, "a", &["10.0.0.1/32"], 10);
    assert!(live.sweep(99).is_empty());
    assert_eq!(live.sweep(100).len(), 1);
    assert_eq!(id_at(&live, "10.0.0.1"), None);
}

#[test]
fn a_report_of_long_ago_opens_nothing() {
    let live = LiveSessions::new(LIMITS);
    let old = report("a", &["10.0.0.1/32"], 10);
    assert!(matches!(live.report(&old, 110), Ok(Applied::Stale)));
    assert!(matches!(live.report(&old, 109), Ok(Applied::Opened(_))));
}

#[test]
fn a_full_table_takes_no_more_and_loses_nothing() {
    let limits = LiveLimits {
        sessions_max: 2,
        ..LIMITS
    };
    let live = LiveSessions::new(limits);
    opened(&live, "a", &["10.0.0.1/32"], 10);
    opened(&live, "b", &["10.0.0.2/32"], 10);
    let more = report("c", &["10.0.0.3/32"], 10);
    assert_eq!(live.report(&more, 0).unwrap_err(), Refused::Full);
    // At an address that is taken there is room.
    opened(&live, "c", &["10.0.0.2/32"], 11);
    opened(&live, "a", &["10.0.0.4/32"], 11);
    assert_eq!(id_at(&live, "10.0.0.4").as_deref(), Some("a"));
    assert_eq!(id_at(&live, "10.0.0.1"), None, "it moved");
    assert_eq!(live.len(), 2);
}

#[test]
fn limits_of_one_report() {
    let live = LiveSessions::new(LIMITS);
    let ranges: Vec<String> = (0..=RANGES_MAX).map(|n| format!("10.0.0.{n}/32")).collect();
    let ranges: Vec<&str> = ranges.iter().map(AsRef::as_ref).collect();
    let many = live.report(&report("a", &ranges, 10), 0);
    assert_eq!(many.unwrap_err(), Refused::ManyRanges);
    opened(&live, "a", &ranges[1..], 10);
    for n in 0..LENGTHS_MAX {
        opened(&live, "b", &[&format!("2001:db8::/{}", 40 + n)], 10);
    }
    let many = live.report(&report("c", &["2001:db9::/128"], 10), 0);
    assert_eq!(many.unwrap_err(), Refused::ManyLengths);
    for n in 1..NAS_MAX {
        let nas = format!("nas{n}");
        assert_eq!(live.switched(&nas, Switched::On, 1), Ok(true));
    }
    let many = live.switched("one more", Switched::On, 1);
    assert_eq!(many, Err(Refused::ManyNas));
    let apn = |n| Report {
        apn: Some(format!("apn{n}").into()),
        ..report("a", &[], 11)
    };
    let kept = || live.lookup("10.0.0.1".parse().unwrap()).unwrap();
    for n in 0..APNS_MAX {
        live.report(&apn(n), 0).unwrap();
    }
    let last = format!("apn{}", APNS_MAX - 1);
    assert_eq!(kept().apn.as_deref(), Some(last.as_str()));
    live.report(&apn(APNS_MAX), 0).unwrap();
    assert_eq!(kept().apn, None);
    let profile = |n| Report {
        profile: Some(format!("profile{n}").into()),
        ..report("a", &[], 11)
    };
    for n in APNS_MAX..NAMES_MAX {
        live.report(&profile(n), 0).unwrap();
    }
    let many = live.report(&profile(NAMES_MAX), 0);
    assert_eq!(many.unwrap_err(), Refused::ManyNames);
    let last = format!("profile{}", NAMES_MAX - 1);
    assert_eq!(kept().profile.as_deref(), Some(last.as_str()));
}

#[test]
fn what_a_report_lacks_stays() {
    let live = LiveSessions::new(LIMITS);
    let mut full = report("a", &["10.0.0.1/32"], 10);
    full.msisdn = Digits::new("111220000001");
    full.apn = Some("internet".into());
    full.profile = Some("child".into());
    live.report(&full, 0).unwrap();
    live.report(&report("a", &[], 11), 0).unwrap();
    let known = live.lookup("10.0.0.1".parse().unwrap()).unwrap();
    assert_eq!(known.msisdn, full.msisdn);
    assert_eq!(known.apn.as_deref(), Some("internet"));
    assert_eq!(known.profile.as_deref(), Some("child"));
    let names = [&known.apn, &known.profile];
    assert!(names.into_iter().flatten().all(crate::Name::is_lasting));
    assert_eq!(known.changed_s, 11);
}

#[test]
fn the_profile_of_an_operator_comes_before_what_is_reported() {
    let live = LiveSessions::new(LIMITS);
    opened(&live, "a", &["10.0.0.1/32"], 10);
    let held = live.behind("10.0.0.1".parse().unwrap()).unwrap();
    let key = live.key(&held);
    let teen = ProfileFacts::Said {
        id: Some(7),
        rules: Vec::new(),
    };
    let unknown = ProfileFacts::Said {
        id: Some(u32::MAX),
        rules: Vec::new(),
    };
    let ruled = ProfileFacts::Said {
        id: None,
        rules: vec!["acr-kid".into()],
    };
    let nothing = ProfileFacts::Said {
        id: None,
        rules: Vec::new(),
    };
    assert!(reselect(&live, key, &ruled));
    check_profile(&live, Some("kid"), Origin::ChargingRule);
    assert!(reselect(&live, key, &teen));
    check_profile(&live, Some("teen"), Origin::ProfileId);
    let mut hinted = report("a", &[], 11);
    hinted.profile = Some("child".into());
    live.report(&hinted, 0).unwrap();
    check_profile(&live, Some("teen"), Origin::ProfileId);
    assert!(reselect(&live, key, &unknown));
    check_profile(&live, None, Origin::ProfileId);
    assert!(reselect(&live, key, &nothing));
    live.report(&hinted, 0).unwrap();
    check_profile(&live, Some("child"), Origin::Attribute);
    assert!(reselect(&live, key, &nothing));
    check_profile(&live, Some("child"), Origin::Attribute);
    let strict = Assignment {
        profile: Some("strict".into()),
        ..Assignment::default()
    };
    live.assign(net("10.0.0.1/32"), &strict, 12).unwrap();
    assert!(reselect(&live, key, &teen));
    live.report(&hinted, 0).unwrap();
    check_profile(&live, Some("strict"), Origin::Admin);
    assert_eq!(held.profile, None, "a request under way keeps what it saw");
    close(&live, "a", 13);
    assert!(!reselect(&live, key, &teen));
}

#[test]
fn what_an_operator_opened_stays_until_it_is_removed() {
    let live = LiveSessions::new(LIMITS);
    let range = net("10.0.0.1/32");
    live.assign(range, &Assignment::default(), 10).unwrap();
    assert!(live.sweep(u32::MAX - 1).is_empty());
    let record = live.get(range).unwrap();
    assert_eq!((record.nas(), record.expires_s()), (None, None));
    let reported = live.report(&report("a", &["10.0.0.1/32"], 11), 11);
    assert!(matches!(reported, Ok(Applied::Stale)));
    opened(&live, "b", &["10.0.0.1/32", "10.0.0.2/32"], 11);
    let other = live.behind("10.0.0.2".parse().unwrap()).unwrap();
    assert_eq!(other.ranges(), [net("10.0.0.2/32")]);
    assert_eq!(live.get(range).unwrap().to_bytes(), record.to_bytes());
    assert!(matches!(live.remove_at(range, 11), Applied::Closed(_)));
    assert!(matches!(live.remove_at(range, 11), Applied::Unknown));
}

#[test]
fn pages_have_every_session_once() {
    let live = LiveSessions::new(LIMITS);
    for n in 0..100 {
        let (ipv4, ipv6) = (format!("10.0.0.{n}/32"), format!("2001:db8:0:{n}::/64"));
        opened(&live, &format!("s{n}"), &[&ipv4, &ipv6], 10);
    }
    for size in [1, 7, 99, 100, 1_000] {
        let mut seen = Vec::new();
        let mut from = None;
        loop {
            let (page, next) = live.page(from, size);
            assert!(page.len() <= size);
            seen.extend(page.iter().map(|it| it.id().bytes().to_vec()));
            from = next;
            if from.is_none() {
                break;
            }
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 100, "pages of {size}");
    }
}

#[test]
fn a_restart_forgets_a_nas_without_sessions_when_its_reports_are_too_old() {
    let live = LiveSessions::new(LIMITS);
    for nas in 0..NAS_MAX {
        let name = format!("gone {nas}");
        live.switched(&name, Switched::On, 10).unwrap();
    }
    let full = live.report(&report("new", &["10.0.0.1/32"], 50), 50);
    assert_eq!(full.unwrap_err(), Refused::ManyNas);
    for (now_s, expected) in [(109, Some(Refused::ManyNas)), (110, None)] {
        let again = LiveSessions::new(LIMITS);
        again.restore(&live.snapshot(), now_s).unwrap();
        let reported = again.report(&report("new", &["10.0.0.1/32"], 105), now_s);
        assert_eq!(reported.err(), expected, "at {now_s}");
    }
}

#[test]
fn a_snapshot_restores_what_is_open() {
    let live = LiveSessions::new(LIMITS);
    let mut full = report("a", &["10.0.0.1/32", "2001:db8::/64"], 10);
    full.imsi = Digits::new("10020000000007");
    full.apn = Some("internet".into());
    full.profile = Some("child".into());
    live.report(&full, 0).unwrap();
    live.report(&report("b", &["10.0.0.2/32"], 5), 0).unwrap();
    live.switched("nas", Switched::On, 6).unwrap();
    live.assign(net("10.0.0.3/32"), &Assignment::default(), 50)
        .unwrap();
    let bytes = live.snapshot();
    let again = LiveSessions::new(LIMITS);
    assert_eq!(again.restore(&bytes, 50), Ok((2, 0)));
    let (old, new) = (live.page(None, 9).0, again.page(None, 9).0);
    assert_eq!(old.len(), 2);
    for (old, new) in old.iter().zip(new) {
        assert_eq!(old.session, new.session);
        assert_eq!((&old.ranges, &old.id), (&new.ranges, &new.id));
        assert_eq!(old.expires_s, new.expires_s);
    }
    assert!(matches!(
        again.report(&report("b", &["10.0.0.2/32"], 5), 50),
        Ok(Applied::Stale)
    ));
    let late = LiveSessions::new(LIMITS);
    assert_eq!(late.restore(&bytes, 100), Ok((1, 0)), "one has expired");
    let small = LiveSessions::new(LiveLimits {
        sessions_max: 1,
        ..LIMITS
    });
    assert_eq!(small.restore(&bytes, 50), Ok((1, 1)));
}

#[test]
fn a_damaged_snapshot_is_refused_whole() {
    let live = LiveSessions::new(LIMITS);
    opened(&live, "a", &["10.0.0.1/32"], 10);
    let good = live.snapshot();
    let again = LiveSessions::new(LIMITS);
    for len in 0..good.len() {
        assert!(again.restore(&good[..len], 0).is_err(), "{len} bytes");
        let mut bytes = good.clone();
        bytes[len] ^= 1;
        assert!(again.restore(&bytes, 0).is_err(), "bit of byte {len}");
        let mut resummed = bytes[..good.len() - 32].to_vec();
        resummed.extend(blake3::hash(&resummed.clone()).as_bytes());
        // Whatever it says now, it is read without a panic.
        let _ = LiveSessions::new(LIMITS).restore(&resummed, 0);
    }
    assert!(again.is_empty());
    assert_eq!(again.restore(b"", 0), Err(BadSnapshot::Magic));
    assert!(good.len() <= 100 + SNAPSHOT_RECORD_LEN_MAX);
}

#[test]
fn every_session_that_ends_is_told_of_once() {
    let live = LiveSessions::new(LIMITS);
    opened(&live, "a", &["10.0.0.1/32", "10.0.0.3/32"], 10);
    opened(&live, "b", &["10.0.0.2/32"], 10);
    let ended = |change: &Change, now_s| {
        let ended = live.apply(change, now_s).unwrap().ended.into_iter();
        let ids = ended.map(|it| it.id().bytes().to_vec()).collect::<Vec<_>>();
        String::from_utf8(ids.join(&b' ')).unwrap()
    };
    let three = ["10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32"];
    let all = Change::Report(report("c", &three, 11));
    assert_eq!(ended(&all, 11), "a b");
    assert_eq!(ended(&all, 11), "");
    let again = Change::Report(report("c", &three, 200));
    assert_eq!(ended(&again, 200), "c", "it had ended by itself");
    assert_eq!(live.sweep(200).len(), 0);
    let strict = Change::Assign(net("10.0.0.2/32"), Assignment::default());
    assert_eq!(ended(&strict, 200), "");
    assert_eq!(live.len(), 1);
}

#[test]
fn every_session_may_have_all_ranges() {
    let live = LiveSessions::new(LIMITS);
    let ranges = |n: usize| -> Vec<String> {
        let ranges = (0..RANGES_MAX).map(|nth| format!("2001:db8:{n:x}:{nth}::/64"));
        ranges.collect()
    };
    for n in 0..LIMITS.sessions_max {
        let ranges = ranges(n);
        let ranges: Vec<&str> = ranges.iter().map(AsRef::as_ref).collect();
        opened(&live, &format!("s{n}"), &ranges, 1);
    }
    for n in 0..LIMITS.sessions_max {
        for range in ranges(n) {
            let client = net(&range).addr().to_string();
            assert_eq!(id_at(&live, &client), Some(format!("s{n}")), "{range}");
        }
    }
    for n in 0..LIMITS.sessions_max {
        close(&live, &format!("s{n}"), 2);
        let client = net(&ranges(n)[RANGES_MAX - 1]).addr().to_string();
        assert_eq!(id_at(&live, &client), None);
    }
    assert!(live.is_empty());
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn report(id: &str, ranges: &[&str], event_s: u32) -> Report {
    Report {
        nas: "nas".into(),
        id: SessionId::new(id.as_bytes()).unwrap(),
        ranges: ranges.iter().map(|range| net(range)).collect(),
        msisdn: None,
        imsi: None,
        apn: None,
        profile: None,
        event_s,
    }
}

fn opened(live: &LiveSessions, id: &str, ranges: &[&str], event_s: u32) {
    let applied = live.report(&report(id, ranges, event_s), 0).unwrap();
    assert!(
        matches!(applied, Applied::Opened(_) | Applied::Changed(_)),
        "{applied:?}"
    );
}

fn close(live: &LiveSessions, id: &str, event_s: u32) -> Applied {
    live.close("nas", &SessionId::new(id.as_bytes()).unwrap(), event_s)
}

fn id_at(live: &LiveSessions, client: &str) -> Option<String> {
    let client = client.parse().unwrap();
    let record = live.behind(client);
    let session = record.as_ref().map(|record| record.session().clone());
    assert_eq!(live.lookup(client), session, "{client}");
    let record = record?;
    Some(String::from_utf8(record.id().bytes().to_vec()).unwrap())
}

/// Selects with a policy that has the profile `teen` with the id 7.
fn reselect(live: &LiveSessions, key: SessionKey, facts: &ProfileFacts) -> bool {
    let rule = ProfileRule {
        rule: "acr-kid".into(),
        profile: "kid".into(),
        priority: 1,
    };
    let selection = Selection::new([], vec![rule]);
    let by_id = |id| (id == 7).then(|| "teen".into());
    let selected = selection.select_by(facts, by_id, None);
    matches!(
        live.select(key, &selected, facts.origin()),
        Applied::Changed(_)
    )
}

#[track_caller]
fn check_profile(live: &LiveSessions, profile: Option<&str>, origin: Origin) {
    let known = live.lookup("10.0.0.1".parse().unwrap()).unwrap();
    assert_eq!((known.profile.as_deref(), known.origin), (profile, origin));
}
