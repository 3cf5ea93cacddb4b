use proptest::prelude::*;

use super::*;

#[test]
fn users_are_found_by_name_in_any_case() {
    let session = |profile: &str| {
        Arc::new(Session {
            profile: Some(profile.into()),
            ..Session::default()
        })
    };
    let directory = Directory::default().with_users([
        ("Mike".to_owned(), session("child")),
        ("SCHOOL\\ÉMILE".to_owned(), session("teen")),
    ]);
    for (name, expected) in [
        ("mike", Some("child")),
        ("MIKE", Some("child")),
        ("school\\émile", Some("teen")),
        ("mik", None),
        ("mike ", None),
        ("", None),
    ] {
        let found = directory.user(name).map(AsRef::as_ref);
        let profile = directory.profile_name(found);
        assert_eq!(profile, expected, "{name}");
    }
    assert_eq!(Directory::default().user("mike"), None);
}

#[test]
fn the_longest_range_wins() {
    let ranges = [
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.3/32",
        "2001:db8::/32",
        "2001:db8:1::/48",
    ];
    check(&ranges, "10.2.0.1", Some("10.0.0.0/8"));
    check(&ranges, "10.1.0.1", Some("10.1.0.0/16"));
    check(&ranges, "10.1.2.3", Some("10.1.2.3/32"));
    check(&ranges, "11.0.0.1", None);
    check(&ranges, "2001:db8:1::1", Some("2001:db8:1::/48"));
    check(&ranges, "2001:db8:2::1", Some("2001:db8::/32"));
    check(&ranges, "2001:db9::1", None);
    check(&["0.0.0.0/0"], "2001:db8::1", None);
    check(&["::/0"], "10.0.0.1", None);
}

#[test]
fn ipv4_mapped_is_ipv4() {
    check(&["10.0.0.0/8"], "::ffff:10.0.0.1", Some("10.0.0.0/8"));
    check(
        &["::ffff:10.0.0.0/104"],
        "10.0.0.1",
        Some("::ffff:10.0.0.0/104"),
    );
    check(
        &["::ffff:10.0.0.0/104"],
        "::ffff:10.0.0.1",
        Some("::ffff:10.0.0.0/104"),
    );
    check(&["::ffff:10.0.0.0/104"], "11.0.0.1", None);
}

#[test]
fn address_bits_behind_a_range_do_not_matter() {
    check(&["10.1.2.3/8"], "10.9.9.9", Some("10.1.2.3/8"));
}

#[test]
fn a_later_session_replaces_an_earlier_one() {
    check(
        &["10.0.0.0/8", "10.255.0.0/8"],
        "10.0.0.1",
        Some("10.255.0.0/8"),
    );
}

#[test]
fn profiles_in_the_order_of_s4() {
    let selection = Selection::new([("internet".to_owned(), Arc::from("adult"))], Vec::new());
    let directory = Directory::new([], selection);
    let name = |profile: Option<&str>, apn: Option<&str>| {
        let session = Session {
            profile: profile.map(Name::from),
            apn: apn.map(Name::from),
            ..Session::default()
        };
        directory
            .profile_name(Some(&session))
            .map(ToString::to_string)
    };
    assert_eq!(
        name(Some("child"), Some("internet")).as_deref(),
        Some("child")
    );
    assert_eq!(name(None, Some("internet")).as_deref(), Some("adult"));
    assert_eq!(name(None, Some("ims")), None);
    assert_eq!(name(None, None), None);
    assert_eq!(directory.profile_name(None), None);
}

proptest! {
    #[test]
    fn agrees_with_a_linear_search(
        ranges in proptest::collection::vec((0_u32..16, 24_u8..=32), 0..12),
        client in 0_u32..16,
    ) {
        let net = |(address, len): (u32, u8)| IpNet::new(IpAddr::V4(address.into()), len).unwrap().trunc();
        let ranges: Vec<IpNet> = ranges.into_iter().map(net).collect();
        let client = IpAddr::V4(client.into());
        let holding = ranges.iter().filter(|range| range.contains(&client));
        let expected = holding.max_by_key(|range| range.prefix_len()).map(ToString::to_string);
        let texts: Vec<String> = ranges.iter().map(ToString::to_string).collect();
        let found = directory(&texts).configured(client).map(|s| s.apn.clone().unwrap());
        prop_assert_eq!(found.as_deref(), expected.as_deref());
    }
}

#[test]
fn where_nobody_can_be_asked_the_configuration_says() {
    let client = "10.0.0.1".parse().unwrap();
    let store: Arc<dyn SessionStore> = Arc::new(LiveSessions::new(LiveLimits {
        sessions_max: 1,
        lifetime_s: 10,
    }));
    let found = |unavailable: &Fallback, reported| {
        let directory = directory(&["10.0.0.0/8"]).with_live(Some(Arc::clone(&store)), unavailable);
        let known = directory.session(client, reported).unwrap();
        (
            known.is_off(),
            known.profile.as_deref().map(str::to_owned),
            known.apn.is_some(),
        )
    };
    let strict = Fallback::Profile("strict".into());
    for fallback in [&Fallback::NextSource, &Fallback::Off, &strict] {
        assert_eq!(
            found(fallback, Ok(None)),
            (false, None, true),
            "nobody reported it"
        );
    }
    assert_eq!(
        found(&Fallback::NextSource, Err(Unavailable)),
        (false, None, true)
    );
    assert_eq!(found(&Fallback::Off, Err(Unavailable)), (true, None, false));
    assert_eq!(
        found(&strict, Err(Unavailable)),
        (false, Some("strict".to_owned()), false)
    );
}

fn directory<T: AsRef<str>>(ranges: &[T]) -> Directory {
    let sessions = ranges.iter().map(|range| {
        let range = range.as_ref();
        let session = Session {
            apn: Some(range.into()),
            ..Session::default()
        };
        (range.parse().unwrap(), Arc::new(session))
    });
    Directory::new(sessions, Selection::default())
}

#[track_caller]
fn check(ranges: &[&str], client: &str, expected: Option<&str>) {
    let directory = directory(ranges);
    let found = directory.configured(client.parse().unwrap());
    assert_eq!(
        found.as_ref().and_then(|session| session.apn.as_deref()),
        expected
    );
}
