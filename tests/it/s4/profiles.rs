//! S4 3.3 and 4: the actions of a profile, and which profile a session gets.

use std::sync::{Arc, Mutex};

use tests::gateway::{Gateway, Setup};
use tests::icap_peer::{IcapPeer, Reply};
use tests::origin::Origin;

use super::categories;

/// Each action leads somewhere else, so that an answer names what decided.
const POLICY: &str = r#"
lists: {open: ["http://web.test/open"]}
policies: {family: {pass: [news]}}
profiles:
  child:
    icap: true
    policy: family
    pass_list: [open]
    default_action: {redirect: "http://default.test/"}
    unknown_action: {redirect: "http://unknown.test/"}
    error_action: {redirect: "http://error.test/"}
    undecidable_action: block
  local:
    pass_list: [open]
    default_action: block
    unknown_action: {redirect: "http://local.test/"}
    error_action: block
    undecidable_action: block
default_profile: child
"#;

const SESSIONS: &str = "sessions:\n  static: [{clients: [\"127.0.0.2/32\"], profile: local}]";

fn start(policy: &str, lines: &str, peer: &IcapPeer) -> (Gateway, Origin) {
    let origin = Origin::start("web");
    let gateway = Setup::new(policy)
        .host("web.test", origin.address)
        .icap(peer.address)
        .icap_line("deadline_ms: 10000")
        .line(lines)
        .start();
    (gateway, origin)
}

/// Asks for a URI from an address; returns where the client is sent, or `passed`.
#[track_caller]
fn ask(gateway: &Gateway, source: &str, path: &str) -> String {
    let response = gateway
        .client_at(source)
        .get(&format!("http://web.test/{path}"));
    let location = response.header("location").map(str::to_owned);
    location.unwrap_or_else(|| {
        assert_eq!(response.status, 200, "{source} {path}");
        "passed".to_owned()
    })
}

fn by_path(uri: &str) -> Reply {
    match uri.rsplit('/').next() {
        Some("news") => categories("news"),
        Some("shopping") => categories("shopping"),
        Some("failing") => Reply::Close,
        Some(_) | None => categories(""),
    }
}

#[test]
fn s4_3_3_default_unknown_and_error_action() {
    let peer = IcapPeer::start(by_path);
    let policy = POLICY;
    let (gateway, _) = start(policy, SESSIONS, &peer);
    for (source, path, expected, decided_by) in [
        ("127.0.0.1", "news", "passed", "icap"),
        ("127.0.0.1", "shopping", "http://default.test/", "default"),
        ("127.0.0.1", "nothing", "http://unknown.test/", "unknown"),
        ("127.0.0.1", "failing", "http://error.test/", "error"),
        ("127.0.0.2", "open/list", "passed", "pass_list"),
        ("127.0.0.2", "elsewhere", "http://local.test/", "unknown"),
    ] {
        assert_eq!(ask(&gateway, source, path), expected, "{path}");
        let uri = format!("http://web.test/{path}");
        assert_eq!(super::sources(&gateway, &uri, 1), [decided_by], "{path}");
    }
    let asked = peer.asked();
    assert!(
        !asked
            .iter()
            .any(|uri| uri.contains("elsewhere") || uri.contains("open")),
        "the second profile asks nobody: {asked:?}"
    );
}

#[test]
fn s4_3_3_error_action_while_nobody_can_be_asked() {
    let peer = IcapPeer::start(by_path);
    let (gateway, _) = start(POLICY, SESSIONS, &peer);
    assert_eq!(ask(&gateway, "127.0.0.1", "news"), "passed");
    peer.kill();
    assert_eq!(ask(&gateway, "127.0.0.1", "nothing"), "http://error.test/");
    assert_eq!(ask(&gateway, "127.0.0.2", "nothing"), "http://local.test/");
    assert_eq!(
        ask(&gateway, "127.0.0.1", "open"),
        "passed",
        "lists need nobody"
    );
}

#[test]
fn s4_3_3_a_removed_profile_passes_until_the_next_selection() {
    let gate = Arc::new(Mutex::new(false));
    let opened = Arc::clone(&gate);
    let peer = IcapPeer::start(move |_| {
        Reply::Gated(
            vec!["X-Attribute: shopping".to_owned()],
            Arc::clone(&opened),
        )
    });
    let policy = POLICY;
    let (gateway, _) = start(policy, "", &peer);
    let mut waiting = gateway.client();
    waiting.send("GET http://web.test/waiting HTTP/1.1\r\nHost: web.test\r\n\r\n");
    tests::wait_for("the question", || (!peer.asked().is_empty()).then_some(()));
    let only_local = policy
        .replace("  child:", "  renamed:")
        .replace("default_profile: child", "");
    gateway.reload(&only_local);
    *gate.lock().unwrap() = true;
    assert_eq!(waiting.response().status, 200);
    assert_eq!(ask(&gateway, "127.0.0.1", "later"), "passed");
    assert_eq!(
        super::sources(&gateway, "web.test/later", 1),
        ["no_profile"]
    );
    gateway.reload(&format!("{only_local}default_profile: local\n"));
    assert_eq!(ask(&gateway, "127.0.0.1", "selected"), "http://local.test/");
}

const SELECTION: &str = r#"
profiles:
  named: {unknown_action: {redirect: "http://named.test/"}, default_action: block, error_action: block, undecidable_action: block}
  access: {unknown_action: {redirect: "http://access.test/"}, default_action: block, error_action: block, undecidable_action: block}
  basic: {unknown_action: {redirect: "http://basic.test/"}, default_action: block, error_action: block, undecidable_action: block}
"#;

#[test]
fn s4_4_the_session_then_the_access_point_then_the_default_then_no_filtering() {
    let origin = Origin::start("web");
    let sessions = "sessions:
  static:
    - {clients: [\"127.0.0.2/32\"], profile: named, apn: kids}
    - {clients: [\"127.0.0.3/32\"], apn: Kids}
    - {clients: [\"127.0.0.4/32\"], apn: other}
  apn_defaults: {kids: access}";
    let gateway = Setup::new(&format!("{SELECTION}default_profile: basic\n"))
        .host("web.test", origin.address)
        .line(sessions)
        .start();
    for (source, expected) in [
        ("127.0.0.2", "http://named.test/"),
        ("127.0.0.3", "http://access.test/"),
        ("127.0.0.4", "http://basic.test/"),
        ("127.0.0.5", "http://basic.test/"),
    ] {
        assert_eq!(ask(&gateway, source, "first"), expected, "{source}");
    }
    assert_eq!(origin.connections(), 0);
    gateway.reload(SELECTION);
    for (source, expected) in [
        ("127.0.0.2", "http://named.test/"),
        ("127.0.0.3", "http://access.test/"),
        ("127.0.0.4", "passed"),
        ("127.0.0.5", "passed"),
    ] {
        assert_eq!(ask(&gateway, source, "second"), expected, "{source}");
    }
    let lines = crate::wait_for_decisions(&gateway, &["no_profile"], 2);
    assert!(
        lines.iter().all(|line| line.get("profile").is_none()),
        "{lines:?}"
    );
}
