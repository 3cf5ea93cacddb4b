//! Schedules by the real clock, and profiles that only report, on every way through the gateway.

use std::time::SystemTime;

use tests::client::Client;
use tests::gateway::{Gateway, Setup};
use tests::icap_server;
use tests::origin::Origin;
use tests::tls::{self, TlsOrigin};

use crate::{transparent, wait_for_decisions};

/// `NOW` is a window around this moment, `OTHER` a day that is far from it.
const SCHEDULED: &str = r#"
schedules:
  now: NOW
  other: OTHER
lists: {active: [active.test], inactive: [inactive.test]}
policies: {strict: {block: [games]}, mild: {pass: [games]}}
profiles:
  child:
    icap: ICAP
    policy: [{policy: mild, when: other}, {policy: strict, when: now}]
    block_list: [{list: active, when: now}, {list: inactive, when: other}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: forbidden
default_profile: child
"#;

/// Nothing is written but who stands in at which time.
const INSTEAD: &str = r#"
schedules: {now: NOW, other: OTHER}
profiles:
  child:
    instead: [{profile: never, when: other}, {profile: asleep, when: now}]
    default_action: pass
    unknown_action: pass
    error_action: pass
    undecidable_action: pass
  asleep: {default_action: block, unknown_action: block, error_action: block, undecidable_action: block, block_response: forbidden}
  never: {default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
default_profile: child
"#;

const REPORTED: &str = r#"
lists: {banned: [active.test], moved: [inactive.test]}
profiles:
  trial:
    enforce: false
    block_list: [banned]
    redirect_list: [{to: "https://notice.test/", lists: [moved]}]
    default_action: pass
    unknown_action: pass
    error_action: pass
    undecidable_action: block
    block_response: forbidden
default_profile: trial
"#;

const NAMES: [&str; 2] = ["active.test", "inactive.test"];

/// An explicit gateway, and the origins of both names.
struct Set {
    gateway: Gateway,
    plain: Origin,
    secure: TlsOrigin,
}

#[test]
fn a_schedule_goes_by_the_clock() {
    let set = Set::start(&at_this_time(SCHEDULED));
    for (name, status) in NAMES.into_iter().zip([403, 200]) {
        let found = set.gateway.client().get(&format!("http://{name}/")).status;
        assert_eq!(found, status, "{name}");
        let authority = format!("www.{name}:{}", set.secure.address.port());
        assert_eq!(set.gateway.connect(&authority).1, status, "{name}");
    }
    assert_eq!(set.plain.requests().len(), 1);
    let lines = wait_for_decisions(&set.gateway, &["active.test", "\"action\":\"block\""], 2);
    for line in lines {
        assert_eq!(
            (&line["action"], &line["source"]),
            (&"block".into(), &"block_list".into())
        );
    }
    // The name inside a tunnel to an address.
    let (mut client, status) = set.gateway.connect(&set.secure.address.to_string());
    assert_eq!(status, 200);
    client.send(tls::records(&tls::hello(Some(b"active.test")), 16384));
    assert_eq!(
        client.rest().0,
        [0x15, 3, 3, 0, 2, 2, 49],
        "the alert access_denied"
    );
    let (client, _) = set.gateway.connect(&set.secure.address.to_string());
    let answer = tls::get(client.into_socket(), "inactive.test", &set.secure, "/").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn another_profile_stands_in_by_the_clock() {
    let set = Set::start(&at_this_time(INSTEAD));
    assert_eq!(set.gateway.client().get("http://active.test/").status, 403);
    let line = &wait_for_decisions(&set.gateway, &["//active.test"], 1)[0];
    assert_eq!(
        (&line["profile"], &line["source"]),
        (&"asleep".into(), &"unknown".into())
    );
    set.gateway
        .reload(&at_this_time(&INSTEAD.replace("when: now", "when: other")));
    assert_eq!(set.gateway.client().get("http://active.test/").status, 200);
    let line = &wait_for_decisions(&set.gateway, &["//active.test"], 2)[1];
    assert_eq!(line["profile"], "child");
}

#[test]
fn filter_goes_by_the_clock() {
    let server = icap_server::Setup::new(&at_this_time(
        &SCHEDULED.replace("icap: ICAP", "icap: true"),
    ))
    .category("games/domains", "play.test\n")
    .start();
    for (host, status) in [
        ("active.test", 200),
        ("inactive.test", 204),
        ("play.test", 200),
        ("a.test", 204),
    ] {
        assert_eq!(filter(&server, host), status, "{host}");
    }
    assert_eq!(server.decisions("block", "block_list"), 1);
    assert_eq!(server.decisions("block", "icap"), 1);
}

#[test]
fn an_intercepted_connection_goes_by_the_clock() {
    if transparent::skip() {
        return;
    }
    let policy = at_this_time(&SCHEDULED.replace("icap: ICAP", "icap: false"));
    let set = transparent::start_with(&policy, "redirect", 15080, "");
    for (name, status) in NAMES.into_iter().zip(["403", "200"]) {
        let seen = transparent::fetch(&set, 0, "http", name, "/");
        assert!(seen.ends_with(&format!("{status} ")), "{name}: {seen}");
    }
    let blocked = transparent::fetch(&set, 0, "https", NAMES[0], "/");
    assert_eq!(blocked, "000 ", "the handshake fails");
    let passed = transparent::fetch(&set, 0, "https", NAMES[1], "/");
    assert!(passed.ends_with("200 "), "{passed}");
}

#[test]
fn what_is_only_reported_passes() {
    let mut set = Set::start(REPORTED);
    for name in NAMES {
        assert_eq!(
            set.gateway.client().get(&format!("http://{name}/")).status,
            200,
            "{name}"
        );
        let authority = format!("www.{name}:{}", set.secure.address.port());
        let (client, status) = set.gateway.connect(&authority);
        assert_eq!(status, 200, "{name}");
        let answer = tls::get(
            client.into_socket(),
            &format!("www.{name}"),
            &set.secure,
            "/",
        )
        .unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    for (name, action) in NAMES.into_iter().zip(["block", "redirect"]) {
        // A tunnel is judged by its authority, and by what is inside.
        for (uri, count) in [
            (format!("\"http://{name}/"), 1),
            (format!("\"https://www.{name}"), 2),
        ] {
            for line in wait_for_decisions(&set.gateway, &[&uri], count) {
                assert_eq!(line["action"], action, "{line}");
                let done = (&line["enforced"], &line["enforcement"]);
                assert_eq!(done, (&false.into(), &"forward".into()), "{line}");
            }
        }
    }
    let rows = [
        "action=\"block\",source=\"block_list\"",
        "action=\"redirect\",source=\"redirect_list\"",
    ];
    for row in rows {
        let row = format!("weir_decisions_not_enforced_total{{{row},protocol=\"http\"}}");
        assert_eq!(set.gateway.metric(&row), 1, "{row}");
    }
    assert_eq!(set.gateway.metric("weir_decisions_total"), 0);
    // What no profile decides stays refused.
    set.gateway
        .reload(&REPORTED.replace("enforce: false", "enforce: true"));
    assert_eq!(set.gateway.client().get("http://active.test/").status, 403);
}

#[test]
fn filter_passes_what_is_only_reported() {
    let server = icap_server::Setup::new(REPORTED)
        .category("games/domains", "play.test\n")
        .start();
    assert_eq!(filter(&server, "active.test"), 204);
    let row = "decisions_not_enforced{action=\"block\",source=\"block_list\"}";
    assert_eq!(server.count(row), 1);
    server.reload(&REPORTED.replace("enforce: false", "enforce: true"));
    assert_eq!(filter(&server, "active.test"), 200);
}

#[test]
fn intercepted_connections_pass_where_a_profile_only_reports() {
    if transparent::skip() {
        return;
    }
    let set = transparent::start_with(REPORTED, "redirect", 15080, "");
    for name in NAMES {
        for scheme in ["http", "https"] {
            let seen = transparent::fetch(&set, 0, scheme, name, "/");
            assert!(seen.ends_with("200 "), "{scheme} {name}: {seen}");
        }
    }
    let lines = tests::wait_for("lines", || {
        let lines = set.proxy.decisions(&["\"enforced\":false"]);
        (lines.len() >= 4).then_some(lines)
    });
    assert!(
        lines.iter().all(|line| line["enforcement"] == "forward"),
        "{lines:?}"
    );
}

impl Set {
    fn start(policy: &str) -> Self {
        let plain = Origin::start("plain");
        let secure = TlsOrigin::start(
            &["www.active.test", "www.inactive.test", "inactive.test"],
            "secure",
        );
        let gateway = Setup::new(&policy.replace("icap: ICAP", "icap: false"))
            .host(NAMES[0], plain.address)
            .host(NAMES[1], plain.address)
            .host("www.active.test", secure.address)
            .host("www.inactive.test", secure.address)
            .tls_port(secure.address.port());
        Self {
            gateway: gateway.start(),
            plain,
            secure,
        }
    }
}

/// Asks `/filter` about the host, and returns the status.
fn filter(server: &icap_server::IcapServer, host: &str) -> u16 {
    let http = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut client = Client::connect(server.address);
    client.send(format!(
        "REQMOD {} ICAP/1.0\r\nHost: x\r\nAllow: 204\r\nConnection: close\r\nEncapsulated: req-hdr=0, null-body={}\r\n\r\n{http}",
        server.service("filter"),
        http.len()
    ));
    let answer = String::from_utf8(client.rest().0).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Puts windows in that are right for the next hours, whenever this runs: one from an hour ago to
/// two hours ahead, and one on a day that is neither this one nor one beside it.
fn at_this_time(policy: &str) -> String {
    const DAYS: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let minutes = now.as_secs() / 60;
    let clock = |minutes: u64| format!("'{:02}:{:02}'", minutes / 60 % 24, minutes % 60);
    let (from, to) = (clock(minutes - 60), clock(minutes + 120));
    let day = usize::try_from(minutes / (24 * 60) % 7).unwrap();
    let around = format!("{{from: {from}, to: {to}, timezone: UTC}}");
    let far = format!("{{days: [{}], timezone: UTC}}", DAYS[(day + 3) % 7]);
    policy.replace("NOW", &around).replace("OTHER", &far)
}
