use std::net::Ipv4Addr;

use expect_test::{Expect, expect};
use sessions::Digits;

use super::*;

mod admin;
mod gx;

const POLICY: &str = "
profiles:
  child: {id: 7, icap: true, default_action: pass, unknown_action: pass, error_action: block,
          undecidable_action: block}
  open: {default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
";

#[test]
fn the_whole_example_is_read() {
    let loaded = read(
        r#"
policy: family.yaml
proxy:
  admin: 127.0.0.1:9090
  listen:
    - {mode: tproxy, address: "[::]:3129"}
    - {mode: redirect, address: "[::]:3130"}
    - {mode: explicit, address: "127.0.0.1:3128", clients: ["127.0.0.0/8", "::1/128"]}
  ports: {http: [8000], tls: [8443]}
  tls_filtering: true
  upstream_source: local
  workers: 0
  cache: {enabled: true, entries_per_worker: 65536, lifetime_s: 3600}
  client_hello: {bytes_max: 65536, deadline_ms: 10000}
  http_head: {bytes_max: 65536, deadline_ms: 10000}
  access_log: {path: "-"}
  drain_s: 30
  icap:
    services: ["icap://127.0.0.1:1344/categorize"]
    deadline_ms: 250
    cache_control: ignore
    prefix_unit: uri
    send_subscriber: none
icap_server:
  admin: 127.0.0.1:9091
  listen: ["127.0.0.1:1344"]
  categories: categories
  overload: "503"
sessions:
  static:
    - {clients: ["10.1.0.0/16"], profile: child, msisdn: "111220000001", imsi: "10020000000007", apn: internet}
  apn_defaults: {internet: child}
  rules: [{rule: acr-child, profile: child, priority: 10}]
  users:
    Mike: {profile: open, msisdn: "111220000002"}
    SCHOOL/lea: {}
"#,
    )
    .unwrap();
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    let mike = config.sessions.user("mike").unwrap();
    assert_eq!(mike.profile.as_deref(), Some("open"));
    assert_eq!(mike.msisdn, Digits::new("111220000002"));
    assert!(config.sessions.user("school/LEA").is_some());
    let session = config
        .sessions
        .configured("10.1.2.3".parse().unwrap())
        .unwrap();
    assert_eq!(session.msisdn, Digits::new("111220000001"));
    assert_eq!(session.profile.as_deref(), Some("child"));
    assert!(
        config
            .sessions
            .configured("10.2.0.0".parse().unwrap())
            .is_none()
    );
    assert!(
        config
            .icap_server
            .unwrap()
            .categories
            .path
            .ends_with("categories")
    );
    assert_eq!(config.proxy.unwrap().listen.len(), 3);
}

#[test]
fn a_server_for_categories_alone_needs_no_policy() {
    let loaded = read("icap_server: {listen: ['127.0.0.1:0'], categories: lists}").unwrap();
    assert!(loaded.config.policy.is_none());
}

#[test]
fn the_tag_follows_every_text() {
    let tag = |text: &str| read(text).unwrap().config.tag;
    let server = "{policy: family.yaml, icap_server: {listen: ['127.0.0.1:0'], categories: a}}";
    assert_eq!(tag(server), tag(server));
    assert_ne!(tag(server), tag(&format!("{server} ")));
    assert_ne!(
        tag(server),
        tag(&server.replace("policy: family.yaml, ", ""))
    );
}

#[test]
fn everything_wrong_is_told_at_once() {
    check(
        "",
        expect![[r#"
        weir.yaml:1:1: error: neither `proxy` nor `icap_server` is here; add one of them
    "#]],
    );
    check(
        "policies: {}",
        expect![[r#"
        weir.yaml:1:1: error: `policies` is not a key here; use `policy`, `proxy`, `icap_server` or `sessions`
    "#]],
    );
    check(
        "{policy: missing.yaml, proxy: {listen: []}}",
        expect![[r#"
        weir.yaml:1:10: error: cannot read the policy file `missing.yaml`: no such file or directory
        weir.yaml:1:40: error: 0 listeners are here; use 1 to 64
    "#]],
    );
    check(
        "proxy: {listen: [{mode: explicit, address: '127.0.0.1:0'}]}",
        expect![[r#"
            weir.yaml:1:8: error: the proxy decides by a policy; name its file with the key `policy`
        "#]],
    );
    check(
        "{policy: family.yaml, proxy: {listen: [{mode: explicit, address: '127.0.0.1:0'}]}}",
        expect![[r#"
            weir.yaml:1:30: error: the profile `child` says `icap: true` and there is no `icap` here; add `icap` with its `services`, or say `icap: false`
        "#]],
    );
    check(
        r#"
policy: family.yaml
icap_server: {listen: ["127.0.0.1:0"], categories: lists}
sessions:
  static:
    - {clients: ["10.1.0.0/16", "10.1.0.1/16"], profile: chld, msisdn: "+11", imsi: "1234567890123456"}
    - {clients: ["10.1.0.0/16"], profile: open, apn: "a b"}
    - {clients: [], profile: open}
  apn_defaults: {internet: nobody, Internet: open, INTERNET: child}
  rules:
    - {rule: acr, profile: nobody, priority: 65536}
    - {rule: acr, profile: open}
"#,
        expect![[r#"
            weir.yaml:6:33: error: `10.1.0.1/16` has bits set behind its length; use `10.1.0.0/16`
            weir.yaml:6:58: error: no profile is called `chld`; use `child` or `open`
            weir.yaml:6:72: error: `+11` is not a number of 1 to 15 digits
            weir.yaml:6:85: error: `1234567890123456` is not a number of 1 to 15 digits
            weir.yaml:7:18: error: `10.1.0.0/16` is here twice; keep one
            weir.yaml:7:54: error: `a b` is not an access point name; use letters, digits, `-` and `.`, at most 100
            weir.yaml:8:17: error: 0 ranges are here; use 1 to 100000
            weir.yaml:9:28: error: no profile is called `nobody`; use `child` or `open`
            weir.yaml:9:52: error: `INTERNET` is here twice; keep one
            weir.yaml:11:28: error: no profile is called `nobody`; use `child` or `open`
            weir.yaml:11:46: error: `65536` is not a priority; use 0 to 65535
            weir.yaml:12:14: error: the rule `acr` is here twice; keep one
        "#]],
    );
    check(
        "icap_server: {listen: [], categories: a}\nsessions: {statics: []}",
        expect![[r#"
            weir.yaml:2:12: error: `statics` is not a key here; did you mean `static`?
        "#]],
    );
}

#[test]
fn there_are_only_so_many_of_each() {
    let server = "icap_server: {listen: ['127.0.0.1:0'], categories: lists}";
    let proxy = "proxy: {listen: [{mode: explicit, address: '127.0.0.1:0'}], \
                 icap: {services: ['icap://a/b']}, hosts: {";
    let many = |count: usize, one: &dyn Fn(usize) -> String| -> String {
        (0..count).map(|nth| one(nth) + ", ").collect()
    };
    let sessions = many(file::STATIC_SESSIONS_MAX + 1, &|nth| {
        let address = Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(nth).unwrap());
        format!("{{clients: [{address}], profile: open}}")
    });
    check(
        &format!("policy: family.yaml\n{server}\nsessions: {{static: [{sessions}]}}"),
        expect![[r#"
            weir.yaml:3:1703829: error: too much for one file; use at most 16777216 bytes, 250000 values and 32 levels, and files of their own for long lists
        "#]],
    );
    let users = many(file::USERS_MAX + 1, &|nth| {
        format!("u{nth}: {{profile: open}}")
    });
    check(
        &format!("policy: family.yaml\n{server}\nsessions: {{users: {{{users}}}}}"),
        expect![[r#"
            weir.yaml:3:1488910: error: more than 60000 users; use at most so many
        "#]],
    );
    let hosts = many(1_025, &|nth| format!("h{nth}.example: '192.0.2.1:80'"));
    check(
        &format!("policy: family.yaml\n{proxy}{hosts}}}}}"),
        expect![[r#"
            weir.yaml:2:30737: error: 1025 hosts are too many; use at most 1024
        "#]],
    );
}

#[test]
fn a_command_says_which_section_it_lacks() {
    let lacks = |section| Loaded::lacks(Path::new("weir.yaml"), section).to_string();
    expect![[r#"
        weir.yaml: error: the key `proxy` is missing; `weir proxy` needs it
        weir.yaml: error: the key `icap_server` is missing; `weir icap-server` needs it"#]]
    .assert_eq(&[lacks("proxy"), lacks("icap_server")].join("\n"));
}

#[test]
fn users_are_named_once() {
    check(
        r#"
policy: family.yaml
icap_server: {listen: ["127.0.0.1:0"], categories: lists}
sessions:
  users: {mike: {profile: nobody, imsi: x}, Mike: {profile: open}, "": {}}
"#,
        expect![[r#"
            weir.yaml:5:27: error: no profile is called `nobody`; use `child` or `open`
            weir.yaml:5:41: error: `x` is not a number of 1 to 15 digits
            weir.yaml:5:45: error: the user `Mike` is here twice, as case does not matter; keep one
            weir.yaml:5:68: error: `` is not a user name; use 1 to 256 bytes
        "#]],
    );
}

#[track_caller]
fn check(text: &str, expected: Expect) {
    let lines: String = read(text)
        .unwrap_err()
        .iter()
        .map(|it| format!("{it}\n"))
        .collect();
    expected.assert_eq(&lines);
}

/// Reads a configuration beside the policy; the folder is left out of remarks.
fn read(text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    read_beside(text, &[])
}

/// Reads a configuration beside the policy, which files may replace, and further files.
#[expect(clippy::unwrap_in_result, reason = "the result is what is tested")]
fn read_beside(text: &str, files: &[(&str, &str)]) -> Result<Loaded, Vec<Diagnostic>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("family.yaml", POLICY)].iter().chain(files) {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().join("weir.yaml");
    std::fs::write(&path, text).unwrap();
    let prefix = format!("{}/", folder.path().display());
    load(Files::Disk, &path).map_err(|mut remarks| {
        for remark in &mut remarks {
            remark.file = remark.file.replace(&prefix, "");
            remark.text = remark.text.replace(&prefix, "");
        }
        remarks
    })
}
