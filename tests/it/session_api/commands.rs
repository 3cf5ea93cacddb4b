//! `weir sessions` as operators run it.

use expect_test::{Expect, expect};
use tests::program::run;

use super::*;

/// Runs `weir sessions` with a file of tokens; returns exit status, output and what is wrong.
fn sessions(world: &World, tokens: &str, arguments: &[&str]) -> (i32, String, String) {
    let admin = format!("http://{}", world.admin);
    let endpoint = ["--admin", &admin, "--token-file", tokens];
    let (command, rest) = arguments.split_first().unwrap();
    let arguments = [&["sessions", command][..], &endpoint, rest].concat();
    let output = run(world.files.path(), &arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let wrong = text(output.stderr).replace(&admin, "ADMIN");
    (output.status.code().unwrap(), text(output.stdout), wrong)
}

#[test]
fn operators_see_and_change_sessions() {
    let world = World::start();
    let ask = |arguments: &[&str]| {
        let (status, out, wrong) = sessions(&world, "tokens", arguments);
        assert_eq!((status, wrong.as_str()), (0, ""), "{arguments:?}");
        out
    };
    assert_eq!(ask(&["list"]), "");
    let child = [
        "--profile",
        "child",
        "--msisdn",
        "111220000001",
        "--imsi",
        "10020000000007",
    ];
    let put = ask(&[&["put", SUBSCRIBER, "--apn", "internet"][..], &child].concat());
    let (put, changed) = put.split_once("changed ").unwrap();
    let expected = "ranges            127.0.0.2/32\nprofile           child\norigin            admin\n\
                    msisdn            111220000001\nimsi              10020000000007\n\
                    apn               internet\n";
    assert_eq!(put, expected);
    assert!(changed.ends_with("Z\n"), "{changed}");
    assert_eq!(
        world.browse(),
        "http://child.test/?m=111220000001&i=10020000000007"
    );
    assert!(ask(&["get", SUBSCRIBER]).starts_with(expected));
    assert_eq!(
        ask(&["put", "2001:db8:7::/64"]).lines().next(),
        Some("ranges            2001:db8:7::/64")
    );
    let list = ask(&["list"]);
    let mut lines: Vec<&str> = list.lines().collect();
    lines.sort_unstable();
    let columns = "127.0.0.2/32\tchild\tadmin\t111220000001\t10020000000007\tinternet\t-\t-";
    assert_eq!(
        lines,
        [columns, "2001:db8:7::/64\t-\tconfiguration\t-\t-\t-\t-\t-"]
    );
    let behind = ask(&["list", "--client", "2001:db8:7::9", "--json"]);
    let behind: Value = serde_json::from_str(&behind).unwrap();
    assert_eq!(behind["ranges"], json!(["2001:db8:7::/64"]));
    assert_eq!(ask(&["delete", "127.0.0.2/32"]), "");
    assert_eq!(world.browse(), "passed");
}

#[test]
fn a_long_list_is_printed_whole() {
    const COUNT: usize = 1_100;
    let world = World::start();
    for n in 0..COUNT {
        assert_eq!(
            world
                .put(&format!("10.0.{}.{}", n / 250, n % 250), &json!({}))
                .status,
            201
        );
    }
    let (status, out, _) = sessions(&world, "readers", &["list", "--json"]);
    let ranges = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut ranges: Vec<String> = ranges.map(|it| it["ranges"][0].to_string()).collect();
    ranges.sort();
    ranges.dedup();
    assert_eq!((status, ranges.len()), (0, COUNT));
}

#[test]
fn what_is_refused_is_told() {
    let world = World::start();
    let wrong = "wrong-wrong-wrong-wrong-wrong-wrong-wrong";
    std::fs::write(world.files.path().join("wrong"), wrong).unwrap();
    std::fs::write(world.files.path().join("short"), "secret").unwrap();
    let mut told = String::new();
    for (tokens, arguments) in [
        ("tokens", &["get", "10.0.0.7"][..]),
        ("tokens", &["get", "10.0.0.7/24"]),
        ("tokens", &["put", "somebody"]),
        ("tokens", &["put", "10.0.0.7", "--profile", "chlid"]),
        ("tokens", &["put", "10.0.0.7", "--msisdn", "+111"]),
        ("tokens", &["delete", "10.0.0.7"]),
        ("readers", &["delete", "10.0.0.7"]),
        ("wrong", &["list"]),
        ("short", &["list"]),
        ("none", &["list"]),
    ] {
        let (status, out, wrong) = sessions(&world, tokens, arguments);
        assert_eq!(out, "");
        told += &format!("{tokens} {arguments:?}: {status}\n{wrong}");
    }
    check(
        &told,
        &expect![[r#"
        tokens ["get", "10.0.0.7"]: 1
        error: no live session has exactly the range `10.0.0.7/32`; `/sessions?client=ADDRESS` finds who has an address
        tokens ["get", "10.0.0.7/24"]: 64
        error: `10.0.0.7/24` has bits set behind its length; use `10.0.0.0/24`
        tokens ["put", "somebody"]: 64
        error: `somebody` is not a range of addresses; use the form `192.0.2.7`, `192.0.2.0/24` or `2001:db8:7::/64`
        tokens ["put", "10.0.0.7", "--profile", "chlid"]: 64
        error: no profile is called `chlid`; use `child` or `teen`
        tokens ["put", "10.0.0.7", "--msisdn", "+111"]: 64
        error: `+111` is not an MSISDN; use 1 to 15 digits
        tokens ["delete", "10.0.0.7"]: 1
        error: no live session has exactly the range `10.0.0.7/32`; `/sessions?client=ADDRESS` finds who has an address
        readers ["delete", "10.0.0.7"]: 1
        error: the token is for reading; use one of `sessions.admin.token_file`
        wrong ["list"]: 1
        error: the token is not known; send one that `sessions.admin` names
        short ["list"]: 78
        error: cannot use `short`; give a file with a token of `sessions.admin`
          because: its line 1 is no token; use 32 to 256 letters, digits and `-._~+/=`, such as `openssl rand -hex 32` prints
        none ["list"]: 78
        error: cannot use `none`; give a file with a token of `sessions.admin`
          because: no such file or directory
    "#]],
    );
    assert!(!told.contains(wrong) && !told.contains("secret"), "{told}");
}

#[test]
fn a_gateway_without_the_api_says_so() {
    let mut world = World::start();
    let origin = Origin::start("web");
    world.gateway = Setup::new(POLICY).host("web.test", origin.address).start();
    world.admin = world.gateway.program.address("proxy_admin", 0);
    let (status, _, told) = sessions(&world, "tokens", &["list"]);
    let expected = "error: the gateway has no admin API for sessions; add `sessions.admin` to its \
                    configuration\n";
    assert_eq!((status, told.as_str()), (1, expected));
    assert_eq!(world.gateway.program.stop(), 0);
    let (status, _, told) = sessions(&world, "tokens", &["list"]);
    let expected = "error: no answer from the gateway at `ADMIN`; give the `proxy.admin` address of \
                    one that runs\n";
    assert!(told.starts_with(expected), "{told}");
    assert_eq!(status, 71);
}

#[track_caller]
fn check(told: &str, expected: &Expect) {
    expected.assert_eq(told);
}
