//! Shapes and sizes of values that no other test is about.

use super::*;

const BEFORE: &str = "lists: {l: [a.example]}
schedules: {night: {timezone: UTC}}
policies: {a: {block: [x]}}";

#[test]
fn values_of_another_shape() {
    let rows = [
        "policy: [[a]]",
        "policy: 7",
        "policy:",
        "pass_list: [[l]]",
        "pass_list: [l, true]",
        "pass_list: [{list: l, when: {timezone: Utopia/Nowhere}}]",
        "redirect_list: [{to: 'https://a.example/?%LONG', lists: [l]}]",
    ];
    let long = "x".repeat(900);
    let rows = rows.map(|keys| (keys, profile_with(BEFORE, &keys.replace("%LONG", &long))));
    check_named(
        rows.iter().map(|(name, text)| (*name, text.as_str())),
        expect![[r#"
            policy: [[a]]
              p.yaml:10:14: error: use the name of a policy, or `{policy: NAME, when: …}`
            policy: 7
              p.yaml:10:13: error: no policy is called `7`; the file has `a`
            policy:
            pass_list: [[l]]
              p.yaml:10:17: error: use the name of a list, or `{list: NAME, when: …}`
            pass_list: [l, true]
              p.yaml:10:20: error: no list is called `true`; the file has `l`
            pass_list: [{list: l, when: {timezone: Utopia/Nowhere}}]
              p.yaml:10:44: error: `Utopia/Nowhere` is no time zone; use one of the tz database, such as `Europe/Madrid`
            redirect_list: [{to: \'https://a.example/?%LONG\', lists: [l]}]
              p.yaml:10:26: error: `https://a.example/?xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…`: 919 characters are too many; use at most 899
        "#]],
    );
}

#[test]
fn a_stand_in_has_no_stand_in() {
    let other = "  q:\n    default_action: pass\n    unknown_action: pass\n    error_action: pass\n    \
                 undecidable_action: pass\n    instead: [{profile: r, when: night}]\n";
    let third = other
        .replace("  q:", "  r:")
        .replace("    instead: [{profile: r, when: night}]\n", "");
    let text = profile_with(BEFORE, "instead: [{profile: q, when: night}]");
    let text = format!("{text}{other}{third}");
    check_named(
        [("q", text.as_str())].into_iter(),
        expect![[r#"
        q
          p.yaml:10:25: error: profile `q` has an `instead` of its own; name one that has none
    "#]],
    );
}

#[test]
fn files_over_a_limit() {
    let long = "a.example\n".repeat(LIST_LEN_MAX / 10 + 1);
    let read = |_: &str| Ok(long.clone());
    let text = profile_with("lists: {l: {file: l.txt}}", "pass_list: [l]");
    let errors = compile("p.yaml", &text, &read).unwrap_err();
    expect![
        "p.yaml:1:19: error: list file `l.txt`: 67108870 bytes are too many; use at most 67108864"
    ]
    .assert_eq(&errors[0].to_string());
    let many = format!("lists: {{l: [{}]}}", "a,".repeat(250_000));
    let errors = compile("p.yaml", &many, &no_files).unwrap_err();
    expect!["p.yaml:1:500003: error: too much for one file; use at most 16777216 bytes, 250000 values and 32 levels, and files of their own for long lists"].assert_eq(&errors[0].to_string());
}
