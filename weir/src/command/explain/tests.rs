#![expect(
    clippy::too_many_lines,
    reason = "pinned texts are as long as they are"
)]

use clap::Parser as _;
use expect_test::{Expect, expect};

use super::*;
use crate::cli::{Cli, Command};

mod json;
mod scheduled;

const POLICY: &str = r#"
lists:
  school: ["http://school.example/"]
policies:
  family:
    pass: [news]
    redirect: [{to: "http://notice.example/?uri=%U", categories: [gambling]}]
profiles:
  child:
    icap: true
    policy: family
    pass_list: [school]
    default_action: block
    unknown_action: pass
    error_action: block
    error_actions: {overload: pass}
    undecidable_action: block
    block_response: forbidden
  strict:
    pass_list: [school]
    default_action: block
    unknown_action: block
    error_action: block
    undecidable_action: block
    sni_check: require
  open: {default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
bypass: ["192.0.2.0/24"]
default_profile: child
"#;

#[test]
fn every_step_is_shown() {
    check(
        &["--categories", "games,gambling", "http://PLAY.example/a?b"],
        expect![[r#"
            requested         http://PLAY.example/a?b
            normal form       http://play.example/a?b
            profile           child
            lists             no entry in pass_list, block_list and redirect_list
            categories        games, gambling
                              games: block, by default_action
                              gambling: redirect, by the policy
            most restrictive  redirect, from icap
            decision          redirect, from icap (gambling)
            enforcement       302
            location          http://notice.example/?uri=http%3A%2F%2FPLAY.example%2Fa%3Fb
        "#]],
    );
    check(
        &["http://school.example/"],
        expect![[r#"
            requested         http://school.example/
            normal form       http://school.example/
            profile           child
            lists             http://school.example/ in pass_list: pass
            action            pass, from pass_list
            decision          pass, from pass_list (http://school.example/)
            sni check         log: intercepted, the address dialled is compared with those of the name
            enforcement       forwarded
        "#]],
    );
    check(
        &["--profile", "strict", "http://school.example/"],
        expect![[r#"
            requested         http://school.example/
            normal form       http://school.example/
            profile           strict
            lists             http://school.example/ in pass_list: pass
            action            pass, from pass_list
            decision          pass, from pass_list (http://school.example/)
            sni check         require: intercepted, the address dialled must be one of the name's
            enforcement       forwarded
        "#]],
    );
    check(
        &["--profile", "open", "http://other.example/"],
        expect![[r#"
            requested         http://other.example/
            normal form       http://other.example/
            profile           open
            lists             no entry in pass_list, block_list and redirect_list
            categories        not asked; the profile has `icap: false`
            action            pass, from unknown
            decision          pass, from unknown
            enforcement       forwarded
        "#]],
    );
    check(
        &["--categories", "gambling", "--tls", "play.example"],
        expect![[r#"
            requested         play.example
            normal form       https://play.example/
            profile           child
            lists             no entry in pass_list, block_list and redirect_list
            categories        gambling
                              gambling: redirect, by the policy
            most restrictive  redirect, from icap
            decision          redirect, from icap (gambling)
            enforcement       TLS alert access_denied
        "#]],
    );
    check(
        &["--categories", "gambling", "https://play.example/path"],
        expect![[r#"
            requested         https://play.example/path
            normal form       https://play.example/
            profile           child
            lists             no entry in pass_list, block_list and redirect_list
            categories        gambling
                              gambling: redirect, by the policy
            most restrictive  redirect, from icap
            decision          redirect, from icap (gambling)
            enforcement       TLS alert access_denied
        "#]],
    );
    check(
        &["http://a.example/%252e%252e/b"],
        expect![[r#"
            requested         http://a.example/%252e%252e/b
            normal form       http://a.example/b
            also read as      http://a.example/%252e%252e/b
            profile           child
            reading           http://a.example/b
            lists             no entry in pass_list, block_list and redirect_list
            categories        none
            action            pass, from unknown
            reading           http://a.example/%252e%252e/b
            lists             no entry in pass_list, block_list and redirect_list
            categories        none
            action            pass, from unknown
            decision          pass, from unknown
            enforcement       forwarded
        "#]],
    );
    check(
        &["http://192.0.2.1/"],
        expect![[r#"
            requested         http://192.0.2.1/
            normal form       http://192.0.2.1/
            profile           child
            decision          pass, from bypass
            enforcement       forwarded
        "#]],
    );
    check(
        &["http://a b/"],
        expect![[r#"
            requested         http://a b/
            normal form       none: `a b` is not a host name or an IP address
            profile           child
            undecidable       invalid_host
            decision          block, from undecidable
            enforcement       403 with the block page
        "#]],
    );
}

#[test]
fn spaces_and_empty_names_are_no_categories() {
    check(
        &["--categories", " games ,, Gambling", "http://play.example/"],
        expect![[r#"
            requested         http://play.example/
            normal form       http://play.example/
            profile           child
            lists             no entry in pass_list, block_list and redirect_list
            categories        games, gambling
                              games: block, by default_action
                              gambling: redirect, by the policy
            most restrictive  redirect, from icap
            decision          redirect, from icap (gambling)
            enforcement       302
            location          http://notice.example/?uri=http%3A%2F%2Fplay.example%2F
        "#]],
    );
    check(
        &["--categories", "", "http://play.example/"],
        expect![[r#"
        requested         http://play.example/
        normal form       http://play.example/
        profile           child
        lists             no entry in pass_list, block_list and redirect_list
        categories        none
        action            pass, from unknown
        decision          pass, from unknown
        enforcement       forwarded
    "#]],
    );
}

#[test]
fn a_failure_takes_the_action_of_its_class() {
    check(
        &["--icap-failure", "overload", "http://play.example/"],
        expect![[r#"
            requested         http://play.example/
            normal form       http://play.example/
            profile           child
            lists             no entry in pass_list, block_list and redirect_list
            categories        the categorizer failed: overload
            action            pass, from error
            decision          pass, from error
            enforcement       forwarded
        "#]],
    );
    check(
        &["--icap-failure", "timeout", "http://play.example/"],
        expect![[r#"
            requested         http://play.example/
            normal form       http://play.example/
            profile           child
            lists             no entry in pass_list, block_list and redirect_list
            categories        the categorizer failed: timeout
            action            block, from error
            decision          block, from error
            enforcement       403 with the block page
        "#]],
    );
}

#[test]
fn what_cannot_be_explained_is_told() {
    check(
        &["play.example"],
        expect![[r#"
        64 `play.example` has no scheme; use `http://play.example`, or --tls for a server name
    "#]],
    );
    check(
        &["--tls", "http://play.example/"],
        expect![[r#"
        64 --tls goes with a server name or an https URI
    "#]],
    );
    check(
        &["--profile", "chld", "http://play.example/"],
        expect![[r#"
            64 no profile is called `chld`; use `child`, `open` or `strict`
        "#]],
    );
    check(
        &["--icap", "http://a.example/", "http://play.example/"],
        expect![[r#"
            64 `http://a.example/` is not an ICAP service; use the form `icap://host:1344/service`, `icaps://host:11344/service` or `unix:/path/of/socket#service`
        "#]],
    );
}

#[track_caller]
fn check(arguments: &[&str], expected: Expect) {
    expected.assert_eq(&explained(POLICY, arguments));
}

/// Returns what is printed, JSON with a line for each value.
#[track_caller]
fn explained(policy: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("family.yaml");
    std::fs::write(&path, policy).unwrap();
    let start = ["weir", "explain", "--policy", path.to_str().unwrap()];
    let cli = Cli::try_parse_from(start.iter().chain(arguments)).unwrap();
    let Command::Explain(options) = cli.command else {
        panic!("it is `explain`");
    };
    let mut out = Vec::new();
    match run(&options, &mut out) {
        Ok(status) => {
            assert_eq!(status, exit::SUCCESS);
            let text = String::from_utf8(out).unwrap();
            match options.json {
                true => {
                    assert_eq!(text.matches('\n').count(), 1, "{text}");
                    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                    serde_json::to_string_pretty(&value).unwrap() + "\n"
                }
                false => text,
            }
        }
        Err(failure) => format!("{} {failure}\n", failure.status()),
    }
}
