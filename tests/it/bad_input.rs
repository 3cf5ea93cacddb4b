//! What `weir` says about files that are wrong: place, what was found, what is accepted.

#![expect(
    clippy::too_many_lines,
    reason = "pinned texts are as long as they are"
)]

use std::collections::BTreeSet;
use std::path::Path;

use expect_test::expect;
use tests::program::{Program, run, write_files};

mod damages;

use damages::DAMAGES;

/// A configuration that is good, to be made wrong a line at a time.
const CONFIG: &str = "\
policy: policy.yaml
proxy:
  listen: [{mode: explicit, address: '127.0.0.1:0'}]
  ports: {http: [8000], tls: [8443]}
  icap: {services: ['icap://127.0.0.1:1344/categorize']}
icap_server: {listen: ['127.0.0.1:0'], categories: categories}
sessions: {apn_defaults: {internet: child}}
";

const POLICY: &str = "\
lists: {school: ['http://school.example/', 'https://school.example/'], banned: {file: lists/banned.txt}}
policies: {family: {block: [adult]}}
profiles:
  child:
    icap: true
    policy: family
    pass_list: [school]
    block_list: [banned]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
default_profile: child
";

const TESTS: &str = "\
policy: policy.yaml
profile: child
cases:
  - {name: one, uri: 'http://school.example/', expect: {action: pass}}
";

#[test]
fn each_wrong_file_is_told_with_place_and_remedy() {
    let mut told = String::new();
    for damage in DAMAGES {
        let (file, from, to) = damage;
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), Some(damage));
        let start = match *file {
            "policy.test.yaml" => "policy.test.yaml",
            _ => "weir.yaml",
        };
        let output = run(folder.path(), &["check", start]);
        assert_eq!(output.status.code(), Some(78), "{file}: {from} -> {to}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(
            !errors.is_empty() && !errors.contains("panicked"),
            "{errors}"
        );
        told += &format!("{file}: {from:?} -> {to:?}\n");
        told.extend(errors.lines().map(|line| format!("  {line}\n")));
    }
    expect![[r##"
        weir.yaml: "proxy:" -> "prox:"
          weir.yaml:2:1: error: `prox` is not a key here; did you mean `proxy`?
           2 | prox:
             | ^^^^
        weir.yaml: "listen: [{" -> "listens: [{"
          weir.yaml:3:3: error: `listens` is not a key here; did you mean `listen`?
           3 |   listens: [{mode: explicit, address: '127.0.0.1:0'}]
             |   ^^^^^^^
        weir.yaml: "mode:" -> "mod:"
          weir.yaml:3:13: error: `mod` is not a key here; did you mean `mode`?
           3 |   listen: [{mod: explicit, address: '127.0.0.1:0'}]
             |             ^^^
        weir.yaml: "http:" -> "htp:"
          weir.yaml:4:11: error: `htp` is not a key here; did you mean `http`?
           4 |   ports: {htp: [8000], tls: [8443]}
             |           ^^^
        weir.yaml: "services:" -> "service:"
          weir.yaml:5:10: error: `service` is not a key here; did you mean `services`?
           5 |   icap: {service: ['icap://127.0.0.1:1344/categorize']}
             |          ^^^^^^^
        weir.yaml: "categories: c" -> "category: c"
          weir.yaml:6:40: error: `category` is not a key here; use `admin`, `listen`, `categories`, `overrides`, `overload`, `prefix_unit`, `max_age_s`, `connections_max`, `limits`, `workers` or `drain_s`
           6 | icap_server: {listen: ['127.0.0.1:0'], category: categories}
             |                                        ^^^^^^^^
        weir.yaml: "apn_defaults" -> "apns"
          weir.yaml:7:12: error: `apns` is not a key here; use `static`, `apn_defaults`, `rules`, `users`, `live`, `radius`, `gx`, `redis` or `admin`
           7 | sessions: {apns: {internet: child}}
             |            ^^^^
        policy.yaml: "lists: {" -> "list: {"
          policy.yaml:1:1: error: `list` is not a key here; did you mean `lists`?
           1 | list: {school: ['http://school.example/', 'https://school.example/'], banned: {file: lists/banned.txt}}
             | ^^^^
        policy.yaml: "block: [" -> "blok: ["
          policy.yaml:2:21: error: `blok` is not a key here; did you mean `block`?
           2 | policies: {family: {blok: [adult]}}
             |                     ^^^^
        policy.yaml: "    icap" -> "    icp"
          policy.yaml:5:5: error: `icp` is not a key here; did you mean `icap`?
           5 |     icp: true
             |     ^^^
        policy.yaml: "file:" -> "path:"
          policy.yaml:1:81: error: `path` is not a key here; use `file`
           1 | lists: {school: ['http://school.example/', 'https://school.example/'], banned: {path: lists/banned.txt}}
             |                                                                                 ^^^^
        policy.test.yaml: "cases" -> "case"
          policy.test.yaml:3:1: error: `case` is not a key here; did you mean `cases`?
           3 | case:
             | ^^^^
        policy.test.yaml: "uri:" -> "url:"
          policy.test.yaml:4:17: error: `url` is not a key here; did you mean `uri`?
           4 |   - {name: one, url: 'http://school.example/', expect: {action: pass}}
             |                 ^^^
        weir.yaml: "policy: policy.yaml" -> "policy: policy.yaml\npolicy: policy.yaml"
          weir.yaml:2:1: error: the key `policy` is here twice; keep one
           2 | policy: policy.yaml
             | ^^^^^^
        weir.yaml: "  ports:" -> "  workers: 1\n  workers: 2\n  ports:"
          weir.yaml:5:3: error: the key `workers` is here twice; keep one
           5 |   workers: 2
             |   ^^^^^^^
        policy.yaml: "    policy: family" -> "    policy: family\n    policy: family"
          policy.yaml:7:5: error: the key `policy` is here twice; keep one
           7 |     policy: family
             |     ^^^^^^
        policy.yaml: "lists: {" -> "lists: {school: [], "
          policy.yaml:1:21: error: the key `school` is here twice; keep one
           1 | lists: {school: [], school: ['http://school.example/', 'https://school.example/'], banned: {file: lists/banned.txt}}
             |                     ^^^^^^
        weir.yaml: "[{mode: explicit, address: '127.0.0.1:0'}]" -> "127.0.0.1:3128"
          weir.yaml:3:11: error: `127.0.0.1:3128` stands here; use a list (`[a, b]`, or lines that start with `-`)
           3 |   listen: 127.0.0.1:3128
             |           ^^^^^^^^^^^^^^
        weir.yaml: "[8000]" -> "8000"
          weir.yaml:4:17: error: `8000, tls: [8443]}` stands here; use a list (`[a, b]`, or lines that start with `-`)
           4 |   ports: {http: 8000, tls: [8443]}
             |                 ^^^^
        weir.yaml: "8443" -> "https"
          weir.yaml:4:31: error: `https` is not a port; use 1 to 65535
           4 |   ports: {http: [8000], tls: [https]}
             |                               ^^^^^
        weir.yaml: "policy: policy.yaml" -> "policy: [policy.yaml]"
          weir.yaml:1:9: error: `[policy.yaml]` stands here; use a single value
           1 | policy: [policy.yaml]
             |         ^^^^^^^^^^^^^
        policy.yaml: "icap: true" -> "icap: yes"
          policy.yaml:5:11: error: `yes` is not known here; use `true` or `false`
           5 |     icap: yes
             |           ^^^
        policy.yaml: "pass_list: [school]" -> "pass_list: school"
          policy.yaml:7:16: error: `school` stands here; use a list (`[a, b]`, or lines that start with `-`)
           7 |     pass_list: school
             |                ^^^^^^
        policy.yaml: "default_action: pass" -> "default_action: [pass]"
          policy.yaml:9:21: error: a list is not an action; use pass, block or {redirect: "http://…"}
           9 |     default_action: [pass]
             |                     ^^^^^^
        policy.yaml: "default_action: pass" -> "default_action: allow"
          policy.yaml:9:21: error: `allow` is not an action; use pass, block or {redirect: "http://…"}
           9 |     default_action: allow
             |                     ^^^^^
        policy.test.yaml: "action: pass" -> "action: allow"
          policy.test.yaml:4:65: error: `allow` is not an action; use pass, block or redirect
           4 |   - {name: one, uri: 'http://school.example/', expect: {action: allow}}
             |                                                                 ^^^^^
        weir.yaml: "8000" -> "65536"
          weir.yaml:4:18: error: `65536` is not a port; use 1 to 65535
           4 |   ports: {http: [65536], tls: [8443]}
             |                  ^^^^^
        weir.yaml: "  ports:" -> "  workers: 257\n  ports:"
          weir.yaml:4:12: error: `257` is not a number of threads; use 0 to 256
           4 |   workers: 257
             |            ^^^
        weir.yaml: "  ports:" -> "  client_hello: {bytes_max: 511}\n  ports:"
          weir.yaml:4:29: error: `511` is not a number of bytes; use 512 to 1048576
           4 |   client_hello: {bytes_max: 511}
             |                             ^^^
        policy.yaml: "    icap" -> "    id: 4294967295\n    icap"
          policy.yaml:5:9: error: `4294967295` is not a profile id; use 0 to 4294967294
           5 |     id: 4294967295
             |         ^^^^^^^^^^
        weir.yaml: "8443" -> "8000"
          weir.yaml:4:31: error: `8000` is an HTTP port and cannot be a TLS port too; keep one
           4 |   ports: {http: [8000], tls: [8000]}
             |                               ^^^^
        weir.yaml: "8443" -> "8080"
          weir.yaml:4:31: error: `8080` is an HTTP port and cannot be a TLS port too; keep one
           4 |   ports: {http: [8000], tls: [8080]}
             |                               ^^^^
        weir.yaml: "listen: [{mode: explicit, address: '127.0.0.1:0'}]" -> "listen: []"
          weir.yaml:3:11: error: 0 listeners are here; use 1 to 64
           3 |   listen: []
             |           ^^
        weir.yaml: "  ports:" -> "  upstream_source: client\n  ports:"
          weir.yaml:4:20: error: `client` needs a listener with `mode: tproxy`; add one, or use `local`
           4 |   upstream_source: client
             |                    ^^^^^^
        weir.yaml: "  icap: {services: ['icap://127.0.0.1:1344/categorize']}\n" -> ""
          weir.yaml:3:3: error: the profile `child` says `icap: true` and there is no `icap` here; add `icap` with its `services`, or say `icap: false`
           3 |   listen: [{mode: explicit, address: '127.0.0.1:0'}]
             |   ^^^^^^
        weir.yaml: "icap://" -> "http://"
          weir.yaml:5:21: error: `http://127.0.0.1:1344/categorize` is not an ICAP service; use the form `icap://host:1344/service`, `icaps://host:11344/service` or `unix:/path/of/socket#service`
           5 |   icap: {services: ['http://127.0.0.1:1344/categorize']}
             |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        weir.yaml: "internet: child" -> "internet: chld"
          weir.yaml:7:37: error: no profile is called `chld`; use `child`
           7 | sessions: {apn_defaults: {internet: chld}}
             |                                     ^^^^
        policy.yaml: "policy: family" -> "policy: famly"
          policy.yaml:6:13: error: no policy is called `famly`; did you mean `family`?
           6 |     policy: famly
             |             ^^^^^
        policy.yaml: "[school]" -> "[scool]"
          policy.yaml:7:17: error: no list is called `scool`; did you mean `school`?
           7 |     pass_list: [scool]
             |                 ^^^^^
        policy.yaml: "default_profile: child" -> "default_profile: adult"
          policy.yaml:13:18: error: no profile is called `adult`; the file has `child`
           13 | default_profile: adult
              |                  ^^^^^
        policy.test.yaml: "profile: child" -> "profile: chld"
          policy.test.yaml:2:10: error: no profile of `policy.yaml` is called `chld`; use `child`
           2 | profile: chld
             |          ^^^^
        weir.yaml: "policy: policy.yaml\n" -> ""
          weir.yaml:2:3: error: the proxy decides by a policy; name its file with the key `policy`
           2 |   listen: [{mode: explicit, address: '127.0.0.1:0'}]
             |   ^^^^^^
        weir.yaml: ", categories: categories" -> ""
          weir.yaml:6:15: error: the key `categories` is missing
           6 | icap_server: {listen: ['127.0.0.1:0']}
             |               ^^^^^^
        policy.yaml: "    error_action: block\n" -> ""
          policy.yaml:4:3: error: profile `child` has no `error_action`; use pass, block or {redirect: "http://…"}
           4 |   child:
             |   ^^^^^
        policy.test.yaml: ", expect: {action: pass}" -> ""
          policy.test.yaml:4:17: error: the key `expect` is missing
           4 |   - {name: one, uri: 'http://school.example/'}
             |                 ^^^
        weir.yaml: "policy.yaml" -> "missing.yaml"
          weir.yaml:1:9: error: cannot read the policy file `missing.yaml`: no such file or directory
           1 | policy: missing.yaml
             |         ^^^^^^^^^^^^
        weir.yaml: "categories: categories" -> "categories: missing"
          weir.yaml:6:52: error: cannot read `missing`: No such file or directory (os error 2)
           6 | icap_server: {listen: ['127.0.0.1:0'], categories: missing}
             |                                                    ^^^^^^^
        policy.yaml: "banned.txt" -> "missing.txt"
          policy.yaml:1:87: error: list file `lists/missing.txt`: no such file or directory
           1 | lists: {school: ['http://school.example/', 'https://school.example/'], banned: {file: lists/missing.txt}}
             |                                                                                       ^^^^^^^^^^^^^^^^^
        policy.test.yaml: "policy.yaml" -> "missing.yaml"
          policy.test.yaml:1:9: error: cannot read the policy file `missing.yaml`: no such file or directory
           1 | policy: missing.yaml
             |         ^^^^^^^^^^^^
        policy.yaml: "'http://school.example/'" -> "'ftp://school.example/'"
          policy.yaml:1:18: error: `ftp://school.example/` is no list entry; use a URI prefix such as `http://host.example/path` or a domain such as `host.example`: scheme `ftp` is not http or https; an absolute URI begins with `http://` or `https://`
           1 | lists: {school: ['ftp://school.example/', 'https://school.example/'], banned: {file: lists/banned.txt}}
             |                  ^^^^^^^^^^^^^^^^^^^^^^^
        policy.yaml: "'http://school.example/'" -> "'http://school example/'"
          policy.yaml:1:18: error: `http://school example/` is no list entry; use a URI prefix such as `http://host.example/path` or a domain such as `host.example`: `school example` is not a host name or an IP address
           1 | lists: {school: ['http://school example/', 'https://school.example/'], banned: {file: lists/banned.txt}}
             |                  ^^^^^^^^^^^^^^^^^^^^^^^^
        lists/banned.txt: "casino.example" -> "# a comment\n\ncasino..example:http\n"
          lists/banned.txt:3:1: error: `casino..example:http` is no list entry; use a URI prefix such as `http://host.example/path` or a domain such as `host.example`: a domain has no port, it covers all; for one port write the scheme too
           3 | casino..example:http
             | ^^^^^^^^^^^^^^^^^^^^
        weir.yaml: "proxy:" -> "proxy: ["
          weir.yaml:2:8: error: `[` stands here; use keys with values (`key: value`)
           2 | proxy: [
             |        ^
        policy.yaml: "profiles:" -> "profiles: \""
          policy.yaml:13:1: error: invalid indentation in multiline quoted scalar
           13 | default_profile: child
              | ^^^^^^^^^^^^^^^
        policy.test.yaml: "cases:" -> "cases: }"
          policy.test.yaml:3:8: error: misplaced bracket
           3 | cases: }
             |        ^
        weir.yaml: "policy: policy.yaml" -> "policy: &a [*a]"
          weir.yaml:1:12: error: `[*a]` stands here; use a single value
           1 | policy: &a [*a]
             |            ^^^^
    "##]].assert_eq(&told);
}

#[test]
fn good_files_are_good() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), None);
    let output = run(
        folder.path(),
        &["check", "weir.yaml", "policy.yaml", "policy.test.yaml"],
    );
    assert_eq!(output.status.code(), Some(0));
    expect![[r#"
        weir.yaml: configuration, good
        policy.yaml: policy, good
        policy.test.yaml: tests, good
    "#]]
    .assert_eq(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(output.stderr, b"");
}

#[test]
fn a_start_says_the_same_as_check() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), Some(&("weir.yaml", "8443", "8000")));
    let told: BTreeSet<String> = ["proxy", "icap-server", "up"]
        .map(|command| {
            let output = run(folder.path(), &[command, "--config", "weir.yaml"]);
            assert_eq!(output.status.code(), Some(78), "{command}");
            without_log(output.stderr)
        })
        .into();
    let told: String = told.into_iter().collect();
    expect![[r#"
        weir.yaml:4:31: error: `8000` is an HTTP port and cannot be a TLS port too; keep one
         4 |   ports: {http: [8000], tls: [8000]}
           |                               ^^^^
        error: 1 error in the files; correct it and try again
    "#]]
    .assert_eq(&told);
}

#[test]
fn a_taken_address_is_told_with_a_remedy() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(
        Path::new("."),
        &[
            "up",
            "--icap",
            &address,
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
        ],
    );
    assert_eq!(output.status.code(), Some(71));
    let errors = without_log(output.stderr).replace(&address, "ADDRESS");
    expect![[r#"
        error: the ICAP server did not start; end what uses the address, or give others with --listen, --icap and --admin
          because: cannot listen on ADDRESS
          because: Address already in use (os error 98)
    "#]].assert_eq(&errors);
}

#[test]
fn a_running_gateway_keeps_what_is_in_force_when_a_file_is_wrong() {
    let policy = POLICY.replace("{file: lists/banned.txt}", "[casino.example]");
    let config =
        "policy: policy.yaml\nproxy:\n  listen: [{mode: explicit, address: '127.0.0.1:0'}]\n";
    let policy = policy.replace("icap: true", "icap: false");
    let files = [("weir.yaml", config), ("policy.yaml", policy.as_str())];
    let mut program = Program::start(&["proxy", "--config", "weir.yaml"], &files);
    program.address("explicit", 0);
    program.wait_for_line(&["configuration in force"]);
    program.write(
        "policy.yaml",
        &policy.replace("default_action: pass", "default_action: allow"),
    );
    program.signal("HUP");
    program.wait_for_line(&["policy.yaml:9:21", "use"]);
    program.wait_for_line(&["stays in force"]);
    assert!(program.runs());
    assert_eq!(program.stop(), 0);
}

/// Writes the good files, one of them damaged.
fn write(folder: &Path, damage: Option<&(&str, &str, &str)>) {
    for (name, text) in [
        ("weir.yaml", CONFIG),
        ("policy.yaml", POLICY),
        ("policy.test.yaml", TESTS),
        ("lists/banned.txt", "casino.example\n"),
        ("categories/adult/domains", "adult.example\n"),
        ("categories/news/domains", "news.example\n"),
    ] {
        let damaged = match damage {
            Some((file, from, to)) if *file == name => {
                assert!(text.contains(from), "{file} has {from}");
                text.replacen(from, to, 1)
            }
            Some(_) | None => text.to_owned(),
        };
        write_files(folder, &[(name, &damaged)]);
    }
}

/// Returns what is written for people on standard error.
fn without_log(errors: Vec<u8>) -> String {
    let errors = String::from_utf8(errors).unwrap();
    let lines = errors.lines().filter(|line| !line.contains("\"level\""));
    lines.map(|line| format!("{line}\n")).collect()
}
