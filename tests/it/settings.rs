//! Each key of `proxy:` and `sessions:` does what the page of the configuration says.

use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use tests::client::{Client, End};
use tests::gateway::{Gateway, Setup};
use tests::icap_peer::{IcapPeer, Reply};
use tests::origin::Origin;
use tests::program::Program;
use tests::tls::{self, TlsOrigin};

mod sessions;

const POLICY: &str = r#"
lists:
  banned: [blocked.test]
  moved: [moved.test]
policies:
  family: {block: [adult]}
profiles:
  child:
    icap: ICAP
    policy: family
    block_list: [banned]
    redirect_list: [{to: "http://notice.test/?imsi=%S&msisdn=%M", lists: [moved]}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: forbidden
  open: {default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
default_profile: child
"#;

/// A setup without categorizer.
fn lists_alone(origin: &Origin) -> Setup {
    hosts(Setup::new(&POLICY.replace("ICAP", "false")), origin)
}

/// A setup that asks a peer.
fn asking(origin: &Origin, peer: &IcapPeer) -> Setup {
    hosts(Setup::new(&POLICY.replace("ICAP", "true")), origin)
        .icap(peer.address)
        .icap_line("deadline_ms: 5000")
}

fn hosts(setup: Setup, origin: &Origin) -> Setup {
    let names = ["a.test", "b.test", "blocked.test", "moved.test"];
    names
        .into_iter()
        .fold(setup, |setup, name| setup.host(name, origin.address))
}

/// Starts a gateway whose configuration has other values in the place of the harness's own.
#[track_caller]
fn start_with(setup: &Setup, icap: &str, values: &[(&str, &str)]) -> Gateway {
    let mut config = setup.config();
    for (from, to) in values {
        assert!(config.contains(from), "{from} is in:\n{config}");
        config = config.replace(from, to);
    }
    let policy = POLICY.replace("ICAP", icap);
    let files = [("weir.yaml", config.as_str()), ("policy.yaml", &policy)];
    let mut program = Program::start(&["proxy", "--config", "weir.yaml"], &files);
    let address = program.address("explicit", 0);
    Gateway { program, address }
}

fn news(lines: &[&str]) -> Reply {
    let lines = ["X-Attribute: news"].iter().chain(lines);
    Reply::Lines(lines.map(ToString::to_string).collect())
}

/// Asks for each URI in turn on one connection, and returns what the peer was asked.
#[track_caller]
fn asked(gateway: &Gateway, peer: &IcapPeer, uris: &[&str]) -> usize {
    let mut client = gateway.client();
    for uri in uris {
        assert_eq!(client.get(uri).status, 200, "{uri}");
    }
    peer.asked().len()
}

#[test]
fn admin_serves_metrics_and_ready() {
    let origin = Origin::start("web");
    let mut gateway = lists_alone(&origin).start();
    let admin = gateway.program.address("proxy_admin", 0);
    let mut client = Client::connect(admin);
    client.send("GET /ready HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let mut client = Client::connect(admin);
    client.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(client.response().text().contains("# EOF"));
    let gateway = start_with(
        &lists_alone(&origin),
        "false",
        &[("  admin: 127.0.0.1:0\n", "")],
    );
    gateway.program.wait_for_line(&["configuration in force"]);
    assert!(!gateway.program.log().contains("proxy_admin"));
}

#[test]
fn every_listener_serves() {
    let origin = Origin::start("web");
    let second = "listen: [{mode: explicit, address: '[::1]:0'}, ";
    let gateway = start_with(&lists_alone(&origin), "false", &[("listen: [", second)]);
    let mut program = gateway.program;
    for nth in [0, 1] {
        let address = program.address("explicit", nth);
        assert_eq!(Client::connect(address).get("http://a.test/").status, 200);
    }
}

#[test]
fn clients_that_are_not_listed_are_refused() {
    let origin = Origin::start("web");
    for (clients, served) in [("127.0.0.1/32", true), ("127.0.0.2/32", false)] {
        let listed = format!("mode: explicit, clients: [\"{clients}\"]");
        let values = [("mode: explicit", listed.as_str())];
        let gateway = start_with(&lists_alone(&origin), "false", &values);
        let mut client = gateway.client();
        client.try_send("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let status = client.try_response("GET").map(|answer| answer.status);
        assert_eq!(status, served.then_some(200), "{clients}");
    }
}

#[test]
fn ports_say_what_a_tunnel_may_carry() {
    let origin = Origin::start("web");
    let port = origin.address.port();
    let authority = format!("a.test:{port}");
    let neither = lists_alone(&origin).start();
    assert_eq!(neither.connect(&authority).1, 403);
    let http = lists_alone(&origin).http_port(port).start();
    let (mut client, status) = http.connect(&authority);
    assert_eq!(status, 200);
    assert_eq!(client.get(&format!("http://a.test:{port}/")).status, 200);
    let tls = lists_alone(&origin).tls_port(port).start();
    let (mut client, status) = tls.connect(&authority);
    assert_eq!(status, 200);
    client.send(format!("GET / HTTP/1.1\r\nHost: {authority}\r\n\r\n"));
    assert_ne!(client.rest().0, b"", "an alert: HTTP is no TLS");
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn tls_filtering_off_leaves_the_authority_of_a_tunnel_judged() {
    let (web, secure) = (
        Origin::start("web"),
        TlsOrigin::start(&["secure.test"], "secure"),
    );
    let port = secure.address.port();
    let gateway = lists_alone(&web)
        .host("secure.test", secure.address)
        .tls_port(port)
        .proxy_line("tls_filtering: false")
        .start();
    let (client, status) = gateway.connect(&format!("secure.test:{port}"));
    assert_eq!(status, 200);
    let answer = tls::get(client.into_socket(), "secure.test", &secure, "/");
    assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(gateway.connect(&format!("blocked.test:{port}")).1, 403);
}

#[test]
fn workers_are_as_many_as_configured() {
    let origin = Origin::start("web");
    for count in [1, 3] {
        let workers = format!("workers: {count}");
        let gateway = start_with(&lists_alone(&origin), "false", &[("workers: 2", &workers)]);
        let tasks = format!("/proc/{}/task", gateway.program.id());
        let names = std::fs::read_dir(tasks).unwrap().filter_map(|task| {
            let name = std::fs::read_to_string(task.ok()?.path().join("comm"));
            name.ok().filter(|name| name.starts_with("worker-"))
        });
        assert_eq!(names.count(), count);
    }
}

#[test]
fn the_cache_can_be_off_small_or_short() {
    let origin = Origin::start("web");
    let (a, b) = ("http://a.test/", "http://b.test/");
    for (cache, expected) in [
        ("{enabled: true}", 2),
        ("{enabled: false}", 4),
        ("{entries_per_worker: 1}", 3),
    ] {
        let peer = IcapPeer::start(|_| news(&[]));
        let gateway = asking(&origin, &peer)
            .proxy_line(&format!("cache: {cache}"))
            .start();
        assert_eq!(asked(&gateway, &peer, &[a, b, b, a]), expected, "{cache}");
    }
    let peer = IcapPeer::start(|_| news(&[]));
    let gateway = asking(&origin, &peer)
        .proxy_line("cache: {lifetime_s: 1}")
        .start();
    let start = Instant::now();
    let mut client = gateway.client();
    tests::wait_for("the entry to end", || {
        client.get(a);
        (peer.asked().len() > 1).then_some(())
    });
    assert!(start.elapsed() > Duration::from_millis(900));
}

#[test]
fn client_hello_limits_are_those_configured() {
    let secure = TlsOrigin::start(&["secure.test"], "secure");
    let gateway = lists_alone(&Origin::start("web"))
        .host("secure.test", secure.address)
        .tls_port(secure.address.port())
        .proxy_line("client_hello: {bytes_max: 512, deadline_ms: 100}")
        .start();
    let authority = format!("secure.test:{}", secure.address.port());
    let name = format!("{}.test", vec!["x".repeat(60); 9].join("."));
    let short = tls::records(&tls::hello(Some(b"secure.test")), 16384);
    let long = tls::records(&tls::hello(Some(name.as_bytes())), 16384);
    for (bytes, reason) in [
        (long.as_slice(), "hello_too_long"),
        (short.get(..9).unwrap(), "hello_too_late"),
    ] {
        let (mut client, status) = gateway.connect(&authority);
        assert_eq!(status, 200);
        let start = Instant::now();
        client.send(bytes);
        client.rest();
        assert!(start.elapsed() < Duration::from_millis(2500), "{reason}");
        gateway.program.wait_for_line(&["\"undecidable\"", reason]);
    }
    assert_eq!(secure.bytes_received(), 0);
}

#[test]
fn http_head_limits_are_those_configured() {
    let origin = Origin::start("web");
    let gateway = lists_alone(&origin)
        .proxy_line("http_head: {bytes_max: 8192, deadline_ms: 100}")
        .start();
    let head = |len: usize| {
        let start = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX-Long: ";
        format!("{start}{}\r\n\r\n", "x".repeat(len - start.len() - 4))
    };
    for (len, expected) in [(8192, 200), (8193, 431)] {
        let mut client = gateway.client();
        client.send(head(len));
        assert_eq!(client.response().status, expected, "{len}");
    }
    let mut client = gateway.client();
    let start = Instant::now();
    client.send("GET http://a.test/ HTTP/1.1\r\n");
    client.rest();
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_access_log_leaves_out_what_it_is_told() {
    let origin = Origin::start("web");
    let session = "sessions:\n  static: [{clients: ['127.0.0.0/8'], msisdn: '111220000001', \
                   imsi: '10020000000007'}]";
    for (redact, query, subscriber) in [
        ("[]", true, true),
        ("[query]", false, true),
        ("[subscriber]", true, false),
        ("[subscriber, query]", false, false),
    ] {
        let log = format!("access_log: {{path: decisions.log, redact: {redact}}}");
        let setup = lists_alone(&origin).line(session);
        let values = [("access_log: {path: \"-\"}", log.as_str())];
        let gateway = start_with(&setup, "false", &values);
        assert_eq!(gateway.client().get("http://a.test/x?secret=1").status, 200);
        let path = gateway.program.dir.path().join("decisions.log");
        let line = tests::wait_for("the line", || {
            let text = std::fs::read_to_string(&path).ok()?;
            text.contains("http://a.test/x").then_some(text)
        });
        assert_eq!(line.contains("secret"), query, "{redact}: {line}");
        for number in ["111220000001", "10020000000007"] {
            assert_eq!(line.contains(number), subscriber, "{redact}: {line}");
        }
    }
}

#[test]
fn drain_is_over_when_its_time_is() {
    let origin = Origin::start("web");
    let mut gateway = start_with(
        &lists_alone(&origin),
        "false",
        &[("drain_s: 5", "drain_s: 1")],
    );
    let mut client = gateway.client();
    client.send("GET http://a.test/slow/15000 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    origin.wait_for_requests(1);
    let start = Instant::now();
    assert_eq!(gateway.program.stop(), 0);
    let took = start.elapsed();
    assert!(took > Duration::from_millis(900), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(client.rest().0, b"");
}

#[test]
fn services_are_asked_in_order_and_over_a_unix_socket() {
    let origin = Origin::start("web");
    let peer = IcapPeer::start(|_| news(&[]));
    let gone = IcapPeer::start(|_| news(&[]));
    let dead = gone.address;
    drop(gone);
    let setup = hosts(Setup::new(&POLICY.replace("ICAP", "true")), &origin);
    let gateway = setup
        .clone()
        .icap(dead)
        .icap(peer.address)
        .icap_line("deadline_ms: 5000")
        .start();
    assert_eq!(asked(&gateway, &peer, &["http://a.test/"]), 1);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("icap.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let address = peer.address;
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(address).unwrap();
            join(near.try_clone().unwrap(), far.try_clone().unwrap());
            join(far, near);
        }
    });
    let service = format!("unix:{}#categorize", path.display());
    let gateway = setup
        .proxy_line(&format!(
            "icap: {{services: [\"{service}\"], deadline_ms: 5000}}"
        ))
        .start();
    assert_eq!(asked(&gateway, &peer, &["http://b.test/"]), 2);
}

/// Copies bytes one way until either side ends.
fn join(
    mut from: impl std::io::Read + Send + 'static,
    mut to: impl std::io::Write + Send + 'static,
) {
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(len @ 1..) = from.read(&mut bytes) {
            if to.write_all(&bytes[..len]).is_err() {
                return;
            }
        }
    });
}

#[test]
fn cache_control_of_answers_counts_only_where_it_is_honoured() {
    let origin = Origin::start("web");
    for (setting, directive, expected) in [
        ("ignore", "no-store", 1),
        ("honor", "no-store", 2),
        ("honor", "max-age=0", 2),
        ("honor", "max-age=600", 1),
    ] {
        let directive = format!("Cache-Control: {directive}");
        let line = directive.clone();
        let peer = IcapPeer::start(move |_| news(&[&line]));
        let gateway = asking(&origin, &peer)
            .icap_line(&format!("cache_control: {setting}"))
            .start();
        let uris = ["http://a.test/", "http://a.test/"];
        let count = asked(&gateway, &peer, &uris);
        assert_eq!(count, expected, "{setting}, {directive}");
    }
}

#[test]
fn prefix_unit_says_what_is_counted() {
    let origin = Origin::start("web");
    for (unit, prefix, expected) in [
        ("uri", "16", 2),
        ("uri", "14", 1),
        ("path", "1", 1),
        ("path", "3", 2),
        ("ignore", "14", 2),
    ] {
        let line = format!("X-Attribute-Prefix: {prefix}");
        let peer = IcapPeer::start(move |_| news(&[&line]));
        let gateway = asking(&origin, &peer)
            .icap_line(&format!("prefix_unit: {unit}"))
            .start();
        let uris = ["http://a.test/1/x", "http://a.test/2/y"];
        assert_eq!(asked(&gateway, &peer, &uris), expected, "{unit}, {prefix}");
    }
}

#[test]
fn the_subscriber_is_sent_only_as_configured() {
    let origin = Origin::start("web");
    let session = "sessions:\n  static: [{clients: ['127.0.0.0/8'], msisdn: '111220000001', \
                   imsi: '10020000000007'}]";
    for (send, expected) in [
        ("none", None),
        ("msisdn", Some("111220000001")),
        ("imsi", Some("10020000000007")),
    ] {
        let peer = IcapPeer::start(|_| news(&[]));
        let gateway = asking(&origin, &peer)
            .icap_line(&format!("send_subscriber: {send}"))
            .line(session)
            .start();
        asked(&gateway, &peer, &["http://a.test/"]);
        let question = peer.requests().remove(0);
        let sent = question
            .split("\r\n")
            .find_map(|line| line.strip_prefix("X-Subscriber-ID: "));
        assert_eq!(sent, expected, "{send}");
    }
}

#[test]
fn settings_that_may_change_do_so_at_a_reload() {
    let origin = Origin::start("web");
    let setup = lists_alone(&origin);
    let gateway = setup.start();
    let mut client = gateway.client();
    assert_eq!(client.get("http://blocked.test/").status, 403);
    let session = "sessions:\n  static: [{clients: ['127.0.0.0/8'], profile: open}]";
    let changed = setup.line(session).config();
    gateway.program.write("weir.yaml", &changed);
    gateway.reload(&POLICY.replace("ICAP", "false"));
    assert_eq!(gateway.client().get("http://blocked.test/").status, 200);
    let moved = changed.replace("workers: 2", "workers: 1");
    gateway.program.write("weir.yaml", &moved);
    gateway.reload(&POLICY.replace("ICAP", "false"));
    gateway
        .program
        .wait_for_line(&["needs a restart", "workers"]);
    let mut client = gateway.client();
    client.finish();
    assert_eq!(client.rest(), (Vec::new(), End::Closed));
}
