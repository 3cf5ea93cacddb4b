use super::*;

/// Every minute of some days, by the wall clock that the reader of the test has.
#[test]
fn a_window_opens_and_closes_at_its_times_and_starts_on_its_days() {
    let weekdays = Days::NONE.with(Weekday::Monday, Weekday::Friday);
    let night = window("Europe/Madrid", weekdays, (21, 0), (7, 0));
    for (moment, open) in [
        ("2026-11-20T20:59:59+01", false),
        ("2026-11-20T21:00:00+01", true),
        ("2026-11-20T23:59:59+01", true),
        ("2026-11-21T00:00:00+01", true),
        ("2026-11-21T06:59:59+01", true),
        ("2026-11-21T07:00:00+01", false),
        // Saturday night is none, nor is the night to Monday.
        ("2026-11-21T22:00:00+01", false),
        ("2026-11-23T03:00:00+01", false),
        ("2026-11-23T21:00:00+01", true),
    ] {
        check(&night, moment, open);
    }
}

#[test]
fn whole_days_last_from_midnight_to_midnight() {
    let saturday = Days::NONE.with(Weekday::Saturday, Weekday::Saturday);
    let whole = window("America/New_York", saturday, (0, 0), (24, 0));
    for (moment, open) in [
        ("2026-11-20T23:59:59-05", false),
        ("2026-11-21T00:00:00-05", true),
        ("2026-11-21T23:59:59-05", true),
        ("2026-11-22T00:00:00-05", false),
    ] {
        check(&whole, moment, open);
    }
}

#[test]
fn ranges_of_days_go_over_the_end_of_the_week() {
    let days = Days::NONE.with(Weekday::Friday, Weekday::Monday);
    let has: Vec<bool> = Weekday::Monday
        .cycle_forward()
        .take(7)
        .map(|day| days.contains(day))
        .collect();
    assert_eq!(has, [true, false, false, false, true, true, true]);
    assert_eq!(
        Days::NONE.with(Weekday::Tuesday, Weekday::Monday),
        Days::ALL
    );
}

/// Europe/Madrid, 2026-03-29: at 02:00 the clock goes to 03:00.
#[test]
fn a_time_that_the_clock_skips_is_the_moment_of_the_skip() {
    let zone = "Europe/Madrid";
    let opens = window(zone, Days::ALL, (2, 30), (5, 0));
    check(&opens, "2026-03-29T01:59:59+01", false);
    check(&opens, "2026-03-29T03:00:00+02", true);
    check(&opens, "2026-03-29T04:59:59+02", true);
    check(&opens, "2026-03-29T05:00:00+02", false);
    let closes = window(zone, Days::ALL, (1, 0), (2, 30));
    check(&closes, "2026-03-29T01:59:59+01", true);
    check(&closes, "2026-03-29T03:00:00+02", false);
    let skipped = window(zone, Days::ALL, (2, 10), (2, 50));
    for moment in ["2026-03-29T01:59:59+01", "2026-03-29T03:00:00+02"] {
        check(&skipped, moment, false);
    }
    check(&skipped, "2026-03-30T02:10:00+02", true);
}

/// Europe/Madrid, 2026-10-25: at 03:00 the clock goes back to 02:00.
#[test]
fn of_a_time_that_comes_twice_the_first_opens_and_the_second_closes() {
    let zone = "Europe/Madrid";
    let opens = window(zone, Days::ALL, (2, 30), (5, 0));
    check(&opens, "2026-10-25T02:29:59+02", false);
    check(&opens, "2026-10-25T02:30:00+02", true);
    check(&opens, "2026-10-25T02:15:00+01", true);
    check(&opens, "2026-10-25T04:59:59+01", true);
    check(&opens, "2026-10-25T05:00:00+01", false);
    let closes = window(zone, Days::ALL, (1, 0), (2, 30));
    check(&closes, "2026-10-25T02:45:00+02", true);
    check(&closes, "2026-10-25T02:29:59+01", true);
    check(&closes, "2026-10-25T02:30:00+01", false);
}

/// Lord Howe: at 02:00 the clock goes half an hour, to 02:30 in October and back in April.
#[test]
fn half_hours_are_skipped_and_come_twice_too() {
    let zone = "Australia/Lord_Howe";
    let skips = window(zone, Days::ALL, (2, 15), (3, 0));
    check(&skips, "2026-10-04T01:59:59+10:30", false);
    check(&skips, "2026-10-04T02:30:00+11", true);
    check(&skips, "2026-10-04T03:00:00+11", false);
    let twice = window(zone, Days::ALL, (1, 45), (1, 50));
    check(&twice, "2026-04-05T01:44:59+11", false);
    check(&twice, "2026-04-05T01:45:00+11", true);
    check(&twice, "2026-04-05T01:55:00+11", true);
    check(&twice, "2026-04-05T01:49:59+10:30", true);
    check(&twice, "2026-04-05T01:50:00+10:30", false);
}

#[test]
fn moments_have_an_offset_or_a_zone() {
    for (text, expected) in [
        ("2026-11-20T21:30:00+01:00", Some("2026-11-20T20:30:00Z")),
        ("2026-11-20T20:30:00Z", Some("2026-11-20T20:30:00Z")),
        (
            "2026-11-20T21:30[Europe/Madrid]",
            Some("2026-11-20T20:30:00Z"),
        ),
        (
            "2026-10-25T02:30[Europe/Madrid]",
            Some("2026-10-25T00:30:00Z"),
        ),
        ("2026-11-20T21:30", None),
        ("2026-11-20", None),
        ("2026-11-20T21:30[Europe/Madird]", None),
        ("now", None),
        ("", None),
    ] {
        let expected = expected.map(|it| it.parse::<Timestamp>().unwrap());
        assert_eq!(moment(text).ok(), expected, "{text}");
    }
    let told = "`now` is no moment; use the form `2026-11-20T21:30:00+01:00` or \
                `2026-11-20T21:30[Europe/Madrid]`";
    assert_eq!(moment("now").unwrap_err(), told);
}

#[test]
fn at_most_so_many_schedules_and_equal_ones_are_one() {
    let mut timetable = Timetable::default();
    for minute in 0..64 {
        let window = window("UTC", Days::ALL, (0, 0), (1 + minute / 60, minute % 60));
        let id = timetable.add(Schedule::new(vec![window]), "it").unwrap();
        assert_eq!(
            id,
            timetable
                .schedules
                .iter()
                .zip(0..)
                .last()
                .map(|(_, i)| ScheduleId(i))
                .unwrap()
        );
    }
    let first = window("UTC", Days::ALL, (0, 0), (1, 0));
    assert_eq!(
        timetable.add(Schedule::new(vec![first]), "it"),
        Some(ScheduleId(0))
    );
    let another = window("UTC", Days::ALL, (0, 0), (3, 0));
    assert_eq!(timetable.add(Schedule::new(vec![another]), "it"), None);
    let all = timetable.active("2026-11-21T00:30:00Z".parse().unwrap());
    assert_eq!(all, Active::ALL);
}

#[test]
fn a_span_goes_back_no_further_than_was_looked() {
    let mut timetable = Timetable::default();
    let friday = Days(1 << 4);
    let night = window("America/Sao_Paulo", friday, (11, 30), (8, 0));
    let id = timetable.add(Schedule::new(vec![night]), "it").unwrap();
    let other = window("Pacific/Apia", Days(0b10_1010), (0, 0), (0, 1));
    timetable.add(Schedule::new(vec![other]), "it").unwrap();
    let monday = timetable.span("2026-07-27T03:00:00Z".parse().unwrap());
    let friday_night = "2026-07-24T19:45:43Z".parse().unwrap();
    assert!(timetable.active(friday_night).contains(id));
    assert!(!monday.covers(friday_night), "{monday:?}");
}

#[test]
fn windows_that_meet_are_one() {
    let day = |days, from, to| window("Europe/Madrid", Days(days), from, to);
    // From Friday evening to Monday morning, through midnights.
    let weekend = Schedule::new(vec![
        day(1 << 4, (18, 0), (24, 0)),
        day(0b110_0000, (0, 0), (24, 0)),
        day(1, (0, 0), (7, 0)),
    ]);
    let until = |text: &str| {
        let outlook = weekend.outlook(moment(text).unwrap());
        (outlook.active, outlook.until.map(|it| it.to_string()))
    };
    let monday = "2026-11-23T06:00:00Z".to_owned();
    assert_eq!(until("2026-11-20T18:00:00+01"), (true, Some(monday)));
    let friday = "2026-11-20T17:00:00Z".to_owned();
    assert_eq!(until("2026-11-20T17:59:59+01"), (false, Some(friday)));
    let always = Schedule::new(vec![day(0b111_1111, (0, 0), (24, 0))]);
    let now = moment("2026-11-20T18:00:00+01").unwrap();
    let outlook = always.outlook(now);
    assert_eq!((outlook.active, outlook.until), (true, None));
}

#[test]
fn equal_schedules_keep_their_names() {
    let mut timetable = Timetable::default();
    let night = || Schedule::new(vec![window("UTC", Days::ALL, (21, 0), (7, 0))]);
    let id = timetable.add(night(), "night").unwrap();
    for name in ["bedtime", "night"] {
        assert_eq!(timetable.add(night(), name), Some(id));
    }
    assert_eq!(timetable.name(id), "night = bedtime");
    let now = moment("2026-11-20T23:00:00Z").unwrap();
    let mut outlooks = timetable.outlooks(Active::ALL, now);
    assert!(outlooks.next().unwrap().1.active);
    assert_eq!(outlooks.next(), None);
    assert_eq!(timetable.outlooks(Active::NONE, now).count(), 0);
}

proptest::proptest! {
    /// An outlook holds until its end, and not longer.
    #[test]
    fn an_outlook_is_true_until_it_ends(
        windows in proptest::collection::vec((0..4_usize, 1..128_u8, 0..24_i8, 0..60_i8, 0..24_i8, 0..60_i8), 1..6),
        start in 1_767_225_600..1_798_761_600_i64,
        parts in proptest::collection::vec(0..1_000_i64, 8),
    ) {
        let zones = ["Europe/Madrid", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo"];
        let windows = windows.into_iter().filter(|(_, _, h1, m1, h2, m2)| (h1, m1) != (h2, m2));
        let windows = windows.map(|(zone, days, h1, m1, h2, m2)| {
            Window { days: Days(days), ..window(zones[zone], Days::ALL, (h1, m1), (h2, m2)) }
        });
        let schedule = Schedule::new(windows.collect());
        let now = Timestamp::from_second(start).unwrap();
        let outlook = schedule.outlook(now);
        proptest::prop_assert_eq!(schedule.at(now).0, outlook.active);
        let end = outlook.until.map_or(start + 7 * 24 * 3_600, Timestamp::as_second);
        for part in parts {
            let within = start + (end - start - 1) * part / 1_000;
            let moment = Timestamp::from_second(within).unwrap();
            proptest::prop_assert_eq!(schedule.at(moment).0, outlook.active, "{}", moment);
        }
        if let Some(until) = outlook.until {
            proptest::prop_assert_ne!(schedule.at(until).0, outlook.active, "{}", until);
        }
    }

    /// Whatever the schedules, a span says of every moment in it what that moment says itself.
    #[test]
    fn nothing_changes_within_a_span(
        windows in proptest::collection::vec((0..4_usize, 1..128_u8, 0..24_i8, 0..60_i8, 0..24_i8, 0..60_i8), 1..6),
        start in 1_767_225_600..1_798_761_600_i64,
        parts in proptest::collection::vec(0.0..1.0_f64, 8),
    ) {
        let zones = ["Europe/Madrid", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo"];
        let mut timetable = Timetable::default();
        for (zone, days, h1, m1, h2, m2) in windows {
            if (h1, m1) == (h2, m2) {
                continue;
            }
            let window = Window { days: Days(days), ..window(zones[zone], Days::ALL, (h1, m1), (h2, m2)) };
            timetable.add(Schedule::new(vec![window]), "it").unwrap();
        }
        let now = Timestamp::from_second(start).unwrap();
        let span = timetable.span(now);
        proptest::prop_assert!(span.covers(now), "{span:?}");
        if timetable.is_empty() {
            return Ok(());
        }
        let len = span.until.as_second() - span.since.as_second();
        for part in parts {
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "days as seconds")]
            let within = (len as f64 * part) as i64;
            let moment = Timestamp::from_second(span.since.as_second() + within).unwrap();
            proptest::prop_assert_eq!(timetable.active(moment), span.active, "{}", moment);
        }
    }
}

fn window(zone: &str, days: Days, from: (i8, i8), to: (i8, i8)) -> Window {
    let from = Time::constant(from.0, from.1, 0, 0);
    let to = match to {
        (24, 0) => To::NextDay(Time::midnight()),
        (hour, minute) => {
            let to = Time::constant(hour, minute, 0, 0);
            if to > from {
                To::SameDay(to)
            } else {
                To::NextDay(to)
            }
        }
    };
    let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
    Window {
        days,
        from,
        to,
        zone,
    }
}

#[track_caller]
fn check(window: &Window, moment: &str, open: bool) {
    let mut timetable = Timetable::default();
    let id = timetable
        .add(Schedule::new(vec![window.clone()]), "it")
        .unwrap();
    let now: Timestamp = moment.parse().unwrap();
    let span = timetable.span(now);
    assert_eq!(span.active.contains(id), open, "{moment}");
    assert!(span.covers(now), "{moment}: {span:?}");
}
