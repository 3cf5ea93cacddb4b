//! Schedules as files have them.

use super::*;

const SCHEDULES: &str = "schedules:
  night: {from: '21:00', to: '07:00', timezone: Europe/Madrid}
  weekend: [{days: [sat, sun], timezone: Europe/Madrid}]
lists: {l: [a.example], m: [m.example]}
policies: {a: {block: [x]}, b: {pass: [x]}}";

#[test]
fn a_schedule_is_a_name_a_window_or_a_list_of_them() {
    let keys = "policy: [{policy: a, when: [night, weekend, {days: [wed], to: '12:00', timezone: UTC}]}, {policy: b}]
    block_list: [{list: l, when: weekend}, {list: m}]
    pass_list: [{list: l, when: {from: 21:00, to: 07:00, timezone: Europe/Madrid, days: [mon-sun]}}, l]";
    let set = compiled(&profile_with(SCHEDULES, keys)).set;
    let profile = set.profile("p").unwrap();
    let uri = uri::NormalUri::parse(b"http://a.example/").unwrap();
    for (moment, policy, action) in [
        ("2026-11-20T20:59:59+01", "b", Action::Pass),
        ("2026-11-20T21:00:00+01", "a", Action::Pass),
        // Saturday and night: the more restrictive of two that hold.
        ("2026-11-21T06:59:59+01", "a", Action::Block),
        ("2026-11-22T23:59:59+01", "a", Action::Block),
        ("2026-11-23T00:00:00+01", "a", Action::Pass),
        ("2026-11-23T07:00:00+01", "b", Action::Pass),
        ("2026-11-25T11:59:59Z", "a", Action::Pass),
        ("2026-11-25T12:00:00Z", "b", Action::Pass),
    ] {
        let active = set.timetable().active(moment.parse().unwrap());
        assert_eq!(&*profile.policy(active).unwrap().name, policy, "{moment}");
        let hit = profile.lists.find(&uri, active).unwrap();
        assert_eq!(hit.action, action, "{moment}");
    }
}

/// What stands behind `when:`.
const WINDOWS: [&str; 12] = [
    "nigt",
    "{from: '21:00', to: '07:00'}",
    "{from: '21:00', to: '21:00', timezone: UTC}",
    "{from: '24:00', timezone: UTC}",
    "{from: 7:00, to: '25:00', timezone: UTC}",
    "{days: [], timezone: UTC}",
    "{days: [monday, fri-son], timezone: UTC}",
    "{timezone: Europe/Madird}",
    "{timezone: Here}",
    "{at: night}",
    "[[night]]",
    "",
];

/// Keys of a profile.
const KEYS: [&str; 7] = [
    "policy: [a, {policy: b, when: night}]",
    "policy: [{policy: c, when: night}]",
    "pass_list: [{list: l, when: night}]\n    block_list: [{list: l, when: night}]",
    "pass_list: [{list: l, when: night}, {list: l, when: night}]",
    "instead: [{profile: p, when: night}, {profile: x, when: night}]",
    "instead: [{profile: p}]",
    "enforce: no",
];

#[test]
fn errors_of_schedules() {
    let window = |window: &str| {
        profile_with(
            SCHEDULES,
            &format!("pass_list: [{{list: l, when: {window}}}]"),
        )
    };
    let mut rows: Vec<(&str, String)> = WINDOWS.map(|row| (row, window(row))).into();
    for keys in KEYS {
        rows.push((keys, profile_with(SCHEDULES, keys)));
    }
    check_named(
        rows.iter().map(|(name, text)| (*name, text.as_str())),
        expect![[r#"
            nigt
              p.yaml:12:33: error: no schedule is called `nigt`; did you mean `night`?
            {from: \'21:00\', to: \'07:00\'}
              p.yaml:12:33: error: the key `timezone` is missing; use a name such as `Europe/Madrid`
            {from: \'21:00\', to: \'21:00\', timezone: UTC}
              p.yaml:12:53: error: `from` and `to` are the same time; for whole days leave both out
            {from: \'24:00\', timezone: UTC}
              p.yaml:12:40: error: `24:00` is not a time of the day; use the form `07:30`, from 00:00 to 23:59, or 24:00 as an end
            {from: 7:00, to: \'25:00\', timezone: UTC}
              p.yaml:12:40: error: `7:00` is not a time of the day; use the form `07:30`, from 00:00 to 23:59, or 24:00 as an end
              p.yaml:12:50: error: `25:00` is not a time of the day; use the form `07:30`, from 00:00 to 23:59, or 24:00 as an end
            {days: [], timezone: UTC}
              p.yaml:12:33: error: `days` is empty; leave it out for every day
            {days: [monday, fri-son], timezone: UTC}
              p.yaml:12:41: error: `monday` is not a day; use mon, tue, wed, thu, fri, sat or sun, or a range such as mon-fri
              p.yaml:12:49: error: `fri-son` is not a day; use mon, tue, wed, thu, fri, sat or sun, or a range such as mon-fri
            {timezone: Europe/Madird}
              p.yaml:12:44: error: `Europe/Madird` is no time zone; did you mean `Europe/Madrid`?
            {timezone: Here}
              p.yaml:12:44: error: `Here` is no time zone; did you mean `Eire`?
            {at: night}
              p.yaml:12:34: error: `at` is not a key here; use `days`, `from`, `to` or `timezone`
            [[night]]
              p.yaml:12:34: error: use the name of a schedule, or `{days: [mon-fri], from: "21:00", to: "07:00", timezone: Europe/Madrid}`

              p.yaml:12:31: error: use the name of a schedule, or `{days: [mon-fri], from: "21:00", to: "07:00", timezone: Europe/Madrid}`
            policy: [a, {policy: b, when: night}]
              p.yaml:12:26: error: `b` is never reached, since the policy at 12:14 holds at all times; put policies with `when` first
            policy: [{policy: c, when: night}]
              p.yaml:12:23: error: no policy is called `c`; the file has `a`, `b`
            pass_list: [{list: l, when: night}]\n    block_list: [{list: l, when: night}]
              p.yaml:13:25: error: list `l` has two actions: `block_list` here and `pass_list` at p.yaml:12:24; keep one
            pass_list: [{list: l, when: night}, {list: l, when: night}]
              p.yaml:12:48: warning: list `l` is already named at p.yaml:12:24; once is enough [listed_twice]
            instead: [{profile: p, when: night}, {profile: x, when: night}]
              p.yaml:12:25: error: `p` is this profile; name another
              p.yaml:12:52: error: no profile is called `x`; the file has `p`
            instead: [{profile: p}]
              p.yaml:12:16: error: the key `when` is missing
            enforce: no
              p.yaml:12:14: error: `no` is not known here; use `true` or `false`
        "#]],
    );
}

#[test]
fn too_many_schedules_and_windows() {
    let uses: Vec<String> = (0..65)
        .map(|minute| {
            format!(
                "{{list: l, when: {{from: '01:{:02}', to: '0{}:00', timezone: UTC}}}}",
                minute % 60,
                3 + minute / 60
            )
        })
        .collect();
    let windows = vec!["night"; 33].join(", ");
    let rows = [
        (
            "65 schedules",
            profile_with(SCHEDULES, &format!("pass_list: [{}]", uses.join(", "))),
        ),
        (
            "64 schedules",
            profile_with(SCHEDULES, &format!("pass_list: [{}]", uses[1..].join(", "))),
        ),
        (
            "33 windows",
            profile_with(
                SCHEDULES,
                &format!("pass_list: [{{list: l, when: [{windows}]}}]"),
            ),
        ),
    ];
    check_named(
        rows.iter().map(|(name, text)| (*name, text.as_str())),
        expect![[r#"
            65 schedules
              p.yaml:12:4001: error: more than 64 different schedules; use fewer
            64 schedules
            33 windows
              p.yaml:12:33: error: 33 windows are too many; use at most 32
        "#]],
    );
}
