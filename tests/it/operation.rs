//! What operators see and do: one file for two programs, metrics, access log, limits, a drain.

use std::collections::BTreeSet;
use std::fs;

use tests::client::{Client, End};
use tests::gateway::{Gateway, Setup};
use tests::icap_peer::{IcapPeer, Reply};
use tests::origin::Origin;
use tests::program::{Program, run, write_files};
use tests::tls::{self, TlsOrigin};

const POLICY: &str = r#"
lists: {open: ["http://list.test/"]}
policies:
  family:
    pass: [news]
    block: [adult]
    redirect: [{to: "http://notice.test/?imsi=%S", categories: [gambling]}]
profiles:
  child:
    icap: true
    policy: family
    pass_list: [open]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: forbidden
default_profile: child
"#;

fn by_path(uri: &str) -> Reply {
    match uri.rsplit('/').next() {
        Some("failing") => Reply::Close,
        Some(name) => Reply::Lines(vec![format!("X-Attribute: {name}")]),
        None => Reply::Lines(Vec::new()),
    }
}

fn start(peer: &IcapPeer) -> (Gateway, Origin) {
    let origin = Origin::start("web");
    let gateway = Setup::new(POLICY)
        .workers(1)
        .host("web.test", origin.address)
        .host("list.test", origin.address)
        .icap(peer.address)
        .icap_line("deadline_ms: 5000")
        .line("sessions: {static: [{clients: [\"127.0.0.0/8\"], imsi: \"10020000000007\"}]}")
        .start();
    (gateway, origin)
}

/// Fetches a page of the admin endpoint.
#[track_caller]
fn admin(gateway: &mut Gateway, path: &str) -> (u16, String) {
    let mut client = Client::connect(gateway.program.address("proxy_admin", 0));
    client.send(format!("GET {path} HTTP/1.1\r\nHost: admin\r\n\r\n"));
    let response = client.response();
    (response.status, response.text())
}

#[test]
fn one_file_serves_both_programs_with_a_built_database() {
    let lists = tempfile::tempdir().unwrap();
    let files = [
        ("lists/adult/domains", "adult.test\n"),
        ("lists/news/domains", "news.test\n"),
    ];
    write_files(lists.path(), &files);
    let built = lists.path().join("built.db");
    let built = built.to_str().unwrap();
    let output = run(lists.path(), &["categories", "build", "lists", "-o", built]);
    assert!(output.status.success(), "{output:?}");

    let origin = Origin::start("web");
    let config = |service: &str| {
        format!(
            "policy: policy.yaml
proxy:
  listen: [{{mode: explicit, address: \"127.0.0.1:0\"}}]
  hosts: {{news.test: \"{web}\", www.adult.test: \"{web}\"}}
  icap: {{services: [\"icap://{service}/categorize\"], deadline_ms: 5000}}
icap_server: {{listen: [\"127.0.0.1:0\"], categories: {built}}}
",
            web = origin.address
        )
    };
    let begin = |command: &str, service: &str| {
        let config = config(service);
        let files = [("weir.yaml", config.as_str()), ("policy.yaml", POLICY)];
        Program::start(&[command, "--config", "weir.yaml"], &files)
    };
    // Only the proxy reads the service's address, which the first start finds out.
    let mut server = begin("icap-server", "127.0.0.1:1344");
    let service = server.address("icap", 0).to_string();
    let mut proxy = begin("proxy", &service);
    let mut client = Client::connect(proxy.address("explicit", 0));
    assert_eq!(client.get("http://news.test/").status, 200);
    assert_eq!(client.get("http://www.adult.test/").status, 403);
    assert_eq!((proxy.stop(), server.stop()), (0, 0));
}

#[test]
fn metrics_count_what_was_decided_and_name_nobody() {
    let peer = IcapPeer::start(by_path);
    let (mut gateway, _origin) = start(&peer);
    let mut client = gateway.client();
    for (uri, status) in [
        ("http://web.test/news", 200),
        ("http://web.test/news", 200),
        ("http://web.test/adult", 403),
        ("http://web.test/gambling", 302),
        ("http://list.test/page", 200),
        ("http://web.test/failing", 403),
    ] {
        assert_eq!(client.get(uri).status, status, "{uri}");
    }
    gateway.reload(POLICY);
    let (status, text) = admin(&mut gateway, "/metrics");
    assert_eq!(status, 200);
    for row in [
        "weir_decisions_total{action=\"pass\",source=\"icap\",protocol=\"http\"} 1",
        "weir_decisions_total{action=\"pass\",source=\"cache\",protocol=\"http\"} 1",
        "weir_decisions_total{action=\"block\",source=\"icap\",protocol=\"http\"} 1",
        "weir_decisions_total{action=\"redirect\",source=\"icap\",protocol=\"http\"} 1",
        "weir_decisions_total{action=\"pass\",source=\"pass_list\",protocol=\"http\"} 1",
        "weir_decisions_total{action=\"block\",source=\"error\",protocol=\"http\"} 1",
        "weir_decision_seconds_count 6",
        "weir_connections_total{listener=\"explicit\"} 2",
        "weir_icap_questions_total{outcome=\"answer\"} 3",
        "weir_reloads_total 1",
    ] {
        assert!(text.lines().any(|line| line == row), "{row} in:\n{text}");
    }
    for secret in ["web.test", "list.test", "10020000000007", "127.0.0.1"] {
        assert!(!text.contains(secret), "{secret} in:\n{text}");
    }
}

#[test]
fn a_line_of_the_access_log_has_what_was_asked_and_decided() {
    let peer = IcapPeer::start(by_path);
    let (gateway, _origin) = start(&peer);
    let mut client = gateway.client();
    client.send(
        "POST http://web.test/news HTTP/1.1\r\nHost: web.test\r\nContent-Length: 4\r\n\r\nbody",
    );
    let answer = client.response();
    let line = crate::wait_for_decisions(&gateway, &["http://web.test/news"], 1).remove(0);
    let fields: BTreeSet<&str> = line
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "action",
        "bytes_in",
        "bytes_out",
        "categories",
        "client",
        "decision_us",
        "duration_us",
        "enforcement",
        "icap_us",
        "imsi",
        "kind",
        "listener",
        "method",
        "profile",
        "rule",
        "source",
        "status",
        "time",
        "uri",
    ];
    assert_eq!(fields, BTreeSet::from(expected), "{line}");
    for (field, value) in [
        ("action", "pass"),
        (
            "client",
            client.socket.local_addr().unwrap().to_string().as_str(),
        ),
        ("enforcement", "forward"),
        ("imsi", "10020000000007"),
        ("method", "POST"),
        ("profile", "child"),
        ("rule", "news"),
        ("source", "icap"),
        ("uri", "http://web.test/news"),
    ] {
        assert_eq!(line[field], value, "{field} in {line}");
    }
    assert_eq!(line["categories"], serde_json::json!(["news"]));
    assert_eq!(line["status"], 200);
    assert_eq!(line["bytes_in"], 4);
    assert_eq!(line["bytes_out"], answer.body.len());
    let micros = |field: &str| line[field].as_u64().unwrap();
    assert!(micros("icap_us") <= micros("decision_us"), "{line}");
    assert!(micros("decision_us") <= micros("duration_us"), "{line}");
}

#[test]
fn ready_ends_when_a_drain_begins() {
    let peer = IcapPeer::start(by_path);
    let (mut gateway, origin) = start(&peer);
    assert_eq!(admin(&mut gateway, "/ready").0, 200);
    let mut client = gateway.client();
    client.send("GET http://list.test/gated HTTP/1.1\r\nHost: list.test\r\n\r\n");
    origin.wait_for_requests(1);
    gateway.program.signal("TERM");
    tests::wait_for("the drain", || {
        (admin(&mut gateway, "/ready").0 == 503).then_some(())
    });
    origin.open_gate();
    assert_eq!(client.response().text(), "origin web: GET /gated\n");
    assert_eq!(gateway.program.stop_status(), 0);
}

#[test]
fn an_origin_connection_is_never_shared_by_clients() {
    let peer = IcapPeer::start(by_path);
    let (gateway, origin) = start(&peer);
    let mut clients: Vec<Client> = (0..3).map(|_| gateway.client()).collect();
    for (client, field) in clients.iter_mut().zip([
        "Authorization: NTLM TlRMTVNTUAAB\r\n",
        "Authorization: Negotiate YII=\r\n",
        "",
    ]) {
        for _ in 0..2 {
            client.send(format!(
                "GET http://list.test/ HTTP/1.1\r\nHost: list.test\r\n{field}\r\n"
            ));
            assert_eq!(client.response().status, 200);
        }
    }
    assert_eq!(origin.requests().len(), 6);
    assert_eq!(origin.connections(), 3, "one for each client");
    // What a client leaves behind goes to nobody.
    drop(clients);
    assert_eq!(gateway.client().get("http://list.test/").status, 200);
    assert_eq!(origin.connections(), 4);
}

#[test]
fn a_client_hello_of_the_limit_passes_and_one_byte_more_does_not() {
    let secure = TlsOrigin::start(&["secure.test"], "secure");
    let policy = POLICY.replace("icap: true", "icap: false");
    let gateway = Setup::new(&policy)
        .host("secure.test", secure.address)
        .proxy_line("client_hello: {bytes_max: 1024}")
        .start();
    for (len, reached) in [(1024, true), (1025, false)] {
        let before = secure.bytes_received();
        let (mut client, status) = gateway.connect("secure.test:443");
        assert_eq!(status, 200, "{len}");
        let hello = tls::hello_of(b"secure.test", len);
        assert_eq!(hello.len(), len);
        client.send(tls::records(&hello, 300));
        if reached {
            tests::wait_for("the hello at the origin", || {
                (secure.bytes_received() >= before + len).then_some(())
            });
        } else {
            assert_eq!(client.rest().1, End::Closed);
            assert_eq!(secure.bytes_received(), before);
        }
    }
    let lines = crate::wait_for_decisions(&gateway, &["hello_too_long"], 1);
    assert_eq!(lines.len(), 1);
}

#[test]
fn a_wrong_file_at_a_reload_changes_nothing_and_a_good_one_does() {
    let peer = IcapPeer::start(by_path);
    let (mut gateway, _origin) = start(&peer);
    let folder = gateway.program.dir.path().to_owned();
    let good = fs::read_to_string(folder.join("weir.yaml")).unwrap();
    for (file, wrong) in [
        ("policy.yaml", "profiles: ["),
        ("policy.yaml", "lists: {a: [\"no uri\"]}"),
        ("weir.yaml", "policy: policy.yaml\nprox: {}\n"),
        ("weir.yaml", "policy: gone.yaml\n"),
    ] {
        let kept = gateway.program.lines().len();
        gateway.program.write(file, wrong);
        gateway.program.signal("HUP");
        tests::wait_for("word of the wrong file", || {
            let lines = gateway.program.lines();
            let mut new = lines.iter().skip(kept);
            new.any(|line| line.contains("stays in force"))
                .then_some(())
        });
        assert!(gateway.program.runs(), "{wrong}");
        let mut client = gateway.client();
        assert_eq!(client.get("http://web.test/adult").status, 403, "{wrong}");
        assert_eq!(client.get("http://web.test/news").status, 200, "{wrong}");
        gateway.program.write("weir.yaml", &good);
        gateway.program.write("policy.yaml", POLICY);
    }
    gateway.reload(
        &POLICY
            .replace("block: [adult]", "block: [adult, news]")
            .replace("pass: [news]", "pass: []"),
    );
    assert_eq!(gateway.client().get("http://web.test/news").status, 403);
}
