//! c-icap as categorizer behind the proxy.

use std::fmt::Write as _;

use tests::gateway::{Gateway, Setup};
use tests::origin::Origin;
use tests::peers;

const POLICY: &str = r#"
policies:
  family:
    block: [adult]
    redirect: [{to: "http://notice.test/?uri=%U", categories: [games]}]
profiles:
  child:
    policy: family
    icap: true
    default_action: pass
    unknown_action: pass
    error_action: redirect-to-error
    undecidable_action: block
    block_response: forbidden
default_profile: child
"#;

/// Where a failure leads, so that it cannot be taken for a verdict.
const FAILED: &str = "http://failed.test/";

const CATEGORIES: [(&str, &str); 2] = [("adult", "adult.test:\n"), ("games", "games.test:\n")];

fn missing() -> bool {
    let missing = tests::program_missing(&["c-icap", "unshare"]);
    tests::tier_missing("real peers", missing)
}

fn policy() -> String {
    POLICY.replace("redirect-to-error", &format!("{{redirect: \"{FAILED}\"}}"))
}

/// A proxy that asks the service at this address, for every request anew.
fn gateway(c_icap: std::net::SocketAddr, origin: &Origin) -> Gateway {
    let names = ["adult.test", "www.adult.test", "games.test", "news.test"];
    let setup = names.iter().fold(Setup::new(&policy()), |setup, name| {
        setup.host(name, origin.address)
    });
    setup
        .proxy_line("cache: {enabled: false}")
        .proxy_line(&format!(
            "icap: {{services: [\"icap://{c_icap}/url_check\"], deadline_ms: 5000, prefix_unit: ignore}}"
        ))
        .start()
}

/// What a user gets for one GET: the status, and where a redirect leads.
fn get(gateway: &Gateway, uri: &str) -> (u16, String) {
    let answer = gateway.client().get(uri);
    let location = answer.header("location").unwrap_or_default().to_owned();
    (answer.status, location)
}

fn answered(status: u16) -> (u16, String) {
    (status, String::new())
}

#[test]
fn its_categories_become_actions() {
    if missing() {
        return;
    }
    let (c_icap, origin) = (peers::c_icap(&CATEGORIES), Origin::start("web"));
    let mut gateway = gateway(c_icap.address, &origin);
    assert_eq!(get(&gateway, "http://news.test/a"), answered(200));
    assert_eq!(get(&gateway, "http://adult.test/a"), answered(403));
    assert_eq!(get(&gateway, "http://www.adult.test/a"), answered(403));
    let notice = "http://notice.test/?uri=http%3A%2F%2Fgames.test%2Fa".to_owned();
    assert_eq!(get(&gateway, "http://games.test/a"), (302, notice));
    let line = crate::wait_for_decisions(&gateway, &["http://adult.test/a"], 1).remove(0);
    assert_eq!(
        (line["source"].as_str(), line["rule"].as_str()),
        (Some("icap"), Some("adult"))
    );
    gateway.wait_for_metric("weir_icap_questions_total{outcome=\"answer\"}", |it| {
        it == 4
    });
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn bodies_are_not_its_business() {
    if missing() {
        return;
    }
    let (c_icap, origin) = (peers::c_icap(&CATEGORIES), Origin::start("web"));
    let gateway = gateway(c_icap.address, &origin);
    let body = "z".repeat(1024 * 1024);
    let mut chunked = String::new();
    for part in [&body, ""] {
        let _ = write!(chunked, "{:x}\r\n{part}\r\n", part.len());
    }
    let framings = [
        (format!("Content-Length: {}", body.len()), &body),
        ("Transfer-Encoding: chunked".to_owned(), &chunked),
    ];
    for (framing, bytes) in framings {
        for (name, status) in [("news.test", 200), ("adult.test", 403)] {
            let mut client = gateway.client();
            client.send(format!(
                "POST http://{name}/echo HTTP/1.1\r\nHost: {name}\r\n{framing}\r\n\r\n{bytes}"
            ));
            let answer = client.response();
            assert_eq!(answer.status, status, "{name} {framing}");
            assert!(status == 403 || answer.body == body.as_bytes(), "{framing}");
        }
    }
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn one_connection_serves_many_questions() {
    if missing() {
        return;
    }
    let (c_icap, origin) = (peers::c_icap(&CATEGORIES), Origin::start("web"));
    let mut gateway = gateway(c_icap.address, &origin);
    let mut client = gateway.client();
    for number in 0..50 {
        assert_eq!(
            client.get(&format!("http://news.test/{number}")).status,
            200
        );
        assert_eq!(
            client.get(&format!("http://adult.test/{number}")).status,
            403
        );
    }
    gateway.wait_for_metric("weir_icap_questions_total{outcome=\"answer\"}", |it| {
        it == 100
    });
    // OPTIONS have come over one, too.
    assert!(gateway.metric("weir_icap_connections_active") <= 2);
    assert_eq!(gateway.metric("weir_icap_retries_total"), 0);
}

#[test]
fn reloads_of_the_proxy_meanwhile_lose_no_request() {
    if missing() {
        return;
    }
    let (c_icap, origin) = (peers::c_icap(&CATEGORIES), Origin::start("web"));
    let mut gateway = gateway(c_icap.address, &origin);
    let stricter = policy().replace("default_action: pass", "default_action: block");
    let mut client = gateway.client();
    for number in 0..20 {
        let (policy, status) = match number % 2 {
            0 => (stricter.clone(), 403),
            _ => (policy(), 200),
        };
        gateway.reload(&policy);
        // c-icap has no category for it: `ALL`, which has no action in the policy.
        assert_eq!(client.get("http://news.test/").status, status, "{number}");
        assert_eq!(client.get("http://adult.test/").status, 403, "{number}");
    }
    gateway.wait_for_metric("weir_icap_questions_total{outcome=\"answer\"}", |it| {
        it == 40
    });
}

#[test]
fn while_it_is_down_the_error_action_holds_and_then_its_categories() {
    if missing() {
        return;
    }
    let origin = Origin::start("web");
    let address = peers::free_address();
    let failed = (302, FAILED.to_owned());
    let mut gateway = gateway(address, &origin);
    let down = |gateway: &Gateway, when: &str| {
        assert_eq!(get(gateway, "http://news.test/"), failed, "{when}");
        assert_eq!(get(gateway, "http://adult.test/"), failed, "{when}");
    };
    let up = |gateway: &Gateway| {
        tests::wait_for("an answer of c-icap", || {
            (get(gateway, "http://news.test/") == answered(200)).then_some(())
        });
        assert_eq!(get(gateway, "http://adult.test/"), answered(403));
        assert_eq!(get(gateway, "http://games.test/").0, 302);
    };
    down(&gateway, "before it is started");
    for times in 1..3 {
        let c_icap = peers::c_icap_at(address, &CATEGORIES);
        up(&gateway);
        drop(c_icap);
        down(&gateway, &format!("killed {times} times"));
    }
    assert!(gateway.metric("weir_icap_questions_total") >= 10);
    let lines = crate::wait_for_decisions(&gateway, &["\"error\""], 6);
    assert!(lines.iter().all(|line| line["status"] == 302), "{lines:?}");
}
