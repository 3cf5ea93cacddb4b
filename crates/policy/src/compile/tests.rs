use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::{
    Action, Active, AskError, BlockResponse, DestinationId, ErrorActions, FileKind,
    LOCATION_LEN_MAX, ListKind, TestFile, most_restrictive,
};

mod errors;
mod shapes;
mod times;
mod warnings;

const FAMILY: &str = r#"
lists:
  school: ["http://school.example/", "https://school.example/"]
  family: [kids.example]
  banned: [casino.example]
  moved: [old.example]
  notices: [notice.example, new.example]
policies:
  family:
    pass: [news, Education]
    block: [adult, violence]
    redirect:
      - {to: "https://notice.example/?imsi=%S&msisdn=%M&uri=%U", categories: [gambling]}
profiles:
  teen:
    default_action: {redirect: "https://new.example/teen"}
    unknown_action: block
    error_action: pass
    undecidable_action: pass
  child:
    id: 7
    icap: true
    policy: family
    pass_list: [school, family, notices]
    block_list: [banned]
    redirect_list: [{to: "https://new.example/", lists: [moved]}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: forbidden
default_profile: child
bypass: ["192.0.2.0/24", "2001:db8::/32", "198.51.100.1", "::ffff:203.0.113.0/120"]
"#;

#[test]
fn profiles_have_what_the_file_says() {
    let set = compiled(FAMILY).set;
    let child = set.profile("child").unwrap();
    assert_eq!(child.id, Some(7));
    assert!(child.icap);
    assert_eq!(child.error_actions, ErrorActions::all(Action::Block));
    assert_eq!(child.block_response, BlockResponse::Forbidden);
    let policy = child.policy(Active::NONE).unwrap();
    assert_eq!(&*policy.name, "family");
    assert_eq!(policy.action("education"), Some(Action::Pass));
    assert_eq!(policy.action("violence"), Some(Action::Block));
    assert_eq!(
        policy.action("gambling"),
        Some(Action::Redirect(DestinationId(0)))
    );
    assert_eq!(policy.action("sport"), None);
    let teen = set.profile("teen").unwrap();
    assert_eq!((teen.id, teen.icap), (None, false));
    assert!(teen.policy(Active::NONE).is_none());
    assert_eq!(teen.block_response, BlockResponse::Discard);
}

#[test]
fn profiles_are_found_by_name_and_id() {
    let set = compiled(FAMILY).set;
    let names: Vec<&str> = set
        .profiles()
        .iter()
        .map(|profile| &*profile.name)
        .collect();
    assert_eq!(names, ["child", "teen"]);
    assert_eq!(&*set.default_profile().unwrap().name, "child");
    assert_eq!(&*set.profile_by_id(7).unwrap().name, "child");
    assert!(set.profile_by_id(8).is_none());
    assert!(set.profile("adult").is_none());
}

#[test]
fn lists_decide_as_the_profile_says() {
    let set = compiled(FAMILY).set;
    let lists = &set.profile("child").unwrap().lists;
    let decide = |uri: &str| {
        let hit = lists.find(
            &uri::NormalUri::parse(uri.as_bytes()).unwrap(),
            Active::NONE,
        )?;
        Some((hit.action, hit.kind))
    };
    assert_eq!(
        decide("http://school.example/a"),
        Some((Action::Pass, ListKind::Pass))
    );
    assert_eq!(
        decide("http://www.casino.example/a"),
        Some((Action::Block, ListKind::Block))
    );
    let moved = Action::Redirect(DestinationId(2));
    assert_eq!(
        decide("http://old.example/"),
        Some((moved, ListKind::Redirect))
    );
    assert_eq!(decide("http://other.example/"), None);
}

#[test]
fn destinations_are_numbered_policies_first_then_in_the_order_of_the_file() {
    let set = compiled(FAMILY).set;
    let all: Vec<&str> = (0..)
        .map_while(|id| set.destination(DestinationId(id)))
        .map(|template| template.as_str())
        .collect();
    assert_eq!(
        all,
        [
            "https://notice.example/?imsi=%S&msisdn=%M&uri=%U",
            "https://new.example/teen",
            "https://new.example/",
        ]
    );
}

#[test]
fn redirects_within_a_profile_are_numbered_in_the_order_of_the_file() {
    let set = compiled(
        "lists: {l: [a.example]}
profiles:
  p:
    undecidable_action: {redirect: 'https://1.example/'}
    redirect_list: [{to: 'https://2.example/', lists: [l]}]
    unknown_action: pass
    error_action: {redirect: 'https://1.example/'}
    default_action: {redirect: 'https://3.example/'}
",
    )
    .set;
    let profile = set.profile("p").unwrap();
    let redirect = |id| Action::Redirect(DestinationId(id));
    assert_eq!(profile.undecidable_action, redirect(0));
    assert_eq!(profile.error_actions.otherwise, redirect(0));
    assert_eq!(profile.default_action, redirect(2));
}

#[test]
fn a_failure_has_the_action_of_its_class() {
    let policy = compiled(&profile_with(
        "",
        "error_actions: {timeout: block, overload: {redirect: 'https://1.example/'}}",
    ))
    .set;
    let actions = policy.profile("p").unwrap().error_actions;
    for class in AskError::ALL {
        let expected = match class {
            AskError::Timeout => Action::Block,
            AskError::Overload => Action::Redirect(DestinationId(0)),
            AskError::Connect | AskError::Protocol | AskError::Status | AskError::BreakerOpen => {
                Action::Pass
            }
        };
        assert_eq!(actions.action(Some(class)), expected, "{class:?}");
    }
}

#[test]
fn the_first_redirect_of_the_file_is_the_most_restrictive() {
    let redirect = |id| Action::Redirect(DestinationId(id));
    let pick = |actions: &[Action]| most_restrictive(actions.iter().copied());
    assert_eq!(pick(&[]), None);
    assert_eq!(pick(&[Action::Pass, Action::Block]), Some(Action::Block));
    assert_eq!(pick(&[redirect(1), Action::Block]), Some(redirect(1)));
    assert_eq!(
        pick(&[redirect(2), redirect(1), redirect(3)]),
        Some(redirect(1))
    );
}

#[test]
fn bypass_addresses() {
    let set = compiled(FAMILY).set;
    for (address, expected) in [
        ("192.0.2.0", true),
        ("192.0.2.255", true),
        ("192.0.3.0", false),
        ("198.51.100.1", true),
        ("198.51.100.2", false),
        ("203.0.113.9", true),
        ("::ffff:192.0.2.1", true),
        ("2001:db8::1", true),
        ("2001:db9::1", false),
        ("::1", false),
    ] {
        assert_eq!(
            set.bypasses(address.parse().unwrap()),
            expected,
            "{address}"
        );
    }
}

#[test]
fn lists_come_from_files() {
    let files = |path: &str| match path {
        "lists/a.txt" => {
            Ok("\u{feff}# news\n\nnews.example # all of it\r\n  http://a.example/b\n".to_owned())
        }
        _ => Err("no such file".to_owned()),
    };
    let text = profile_with("lists: {a: {file: lists/a.txt}, b: }", "block_list: [a, b]");
    let set = compile("policies/p.yaml", &text, &files).unwrap().set;
    let lists = &set.profile("p").unwrap().lists;
    let hit = |uri: &str| {
        let hit = lists.find(
            &uri::NormalUri::parse(uri.as_bytes()).unwrap(),
            Active::NONE,
        );
        hit.map(|hit| hit.rule.to_string())
    };
    assert_eq!(
        hit("https://x.news.example/").as_deref(),
        Some("news.example")
    );
    assert_eq!(
        hit("http://a.example/bc").as_deref(),
        Some("http://a.example/b")
    );
    assert_eq!(hit("http://a.example/"), None);
}

#[test]
fn the_length_of_a_list_file_is_limited() {
    let text = profile_with("lists: {a: {file: a.txt}}", "pass_list: [a]");
    let of_len = |len: usize| compile("p.yaml", &text, &move |_| Ok("#".repeat(len)));
    assert!(of_len(LIST_LEN_MAX).is_ok());
    let errors = of_len(LIST_LEN_MAX + 1).unwrap_err();
    assert_eq!(errors.len(), 1);
}

#[test]
fn a_redirect_has_a_place_for_long_destinations() {
    let to = format!("https://n.example/?{}", "a".repeat(LOCATION_LEN_MAX - 19));
    let with = |to: &str| profile_with("", &format!("redirect_list: [{{to: '{to}', lists: []}}]"));
    assert!(compile("p.yaml", &with(&to), &no_files).is_ok());
    assert!(compile("p.yaml", &with(&(to + "a")), &no_files).is_err());
}

#[test]
fn the_bundled_policy_has_no_warnings() {
    let text = include_str!("../../../../policies/family.yaml");
    assert_eq!(compiled(text).warnings, []);
    for text in [
        include_str!("../../../../policies/family.test.yaml"),
        include_str!("../../../../policies/homework.test.yaml"),
    ] {
        let file = TestFile::parse("t.test.yaml", text).unwrap();
        let set = compiled(include_str!("../../../../policies/family.yaml")).set;
        let named = file.cases.iter().filter_map(|case| case.profile.as_ref());
        assert!(named.clone().all(|name| set.profile(&name.text).is_some()));
        assert!(named.count() > 0);
    }
}

#[test]
fn the_guide_shows_files_that_work() {
    let guide = include_str!("../../../../docs/POLICY.md");
    let blocks = guide.split("\n```yaml\n").skip(1);
    let blocks: Vec<&str> = blocks
        .filter_map(|rest| rest.split("\n```").next())
        .collect();
    assert_eq!(blocks.len(), 7);
    for block in blocks {
        match FileKind::of(block) {
            Some(FileKind::Policy) => assert_eq!(compiled(block).warnings, [], "{block}"),
            Some(FileKind::Test) => assert!(TestFile::parse("t", block).is_ok(), "{block}"),
            Some(FileKind::Config) | None => panic!("{block}"),
        }
    }
}

proptest! {
    #[test]
    fn a_damaged_file_never_panics(
        start in 0..FAMILY.len(),
        len in 0_usize..40,
        new in "[a-z0-9:{}\\[\\]'\"#&*%/,. \n-]{0,8}",
    ) {
        let mut bytes = FAMILY.as_bytes().to_vec();
        let end = bytes.len().min(start + len);
        bytes.splice(start..end, new.bytes());
        let text = String::from_utf8(bytes).unwrap();
        if let Err(errors) = compile("p.yaml", &text, &no_files) {
            prop_assert!(!errors.is_empty());
            prop_assert!(errors.iter().all(|error| !error.text.is_empty()));
        }
    }
}

/// A file with one profile `p`, which starts on the line after `before`.
fn profile_with(before: &str, keys: &str) -> String {
    format!(
        "{before}\nprofiles:\n  p:\n    default_action: pass\n    unknown_action: pass\n    \
         error_action: pass\n    undecidable_action: pass\n    {keys}\n"
    )
}

#[track_caller]
fn compiled(text: &str) -> Compiled {
    match compile("p.yaml", text, &no_files) {
        Ok(compiled) => compiled,
        Err(errors) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            panic!("{}", errors.join("\n"));
        }
    }
}

fn no_files(_: &str) -> Result<String, String> {
    Err("no such file".to_owned())
}

/// Shows errors, or warnings if there is none, under each row's name.
fn check_named<'a>(rows: impl Iterator<Item = (&'a str, &'a str)>, expected: Expect) {
    // What the rows are not about.
    let unused = ["[unused_list]", "[unused_policy]"];
    check_all(rows, &unused, expected);
}

/// Like [`check_named`], and leaves warnings out that end so.
fn check_all<'a>(
    rows: impl Iterator<Item = (&'a str, &'a str)>,
    left_out: &[&str],
    expected: Expect,
) {
    let mut page = String::new();
    for (name, text) in rows {
        let remarks = match compile("p.yaml", text, &no_files) {
            Ok(compiled) => compiled.warnings,
            Err(errors) => errors,
        };
        page += &format!("{}\n", name.escape_debug());
        for remark in remarks.iter().map(ToString::to_string) {
            if !left_out.iter().any(|end| remark.ends_with(end)) {
                page += &format!("  {remark}\n");
            }
        }
    }
    expected.assert_eq(&page);
}
