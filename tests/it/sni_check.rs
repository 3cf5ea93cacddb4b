//! Names that pass, compared with the addresses that clients dial: `sni_check`.

use std::net::{SocketAddr, TcpStream};

use tests::ToEnd as _;
use tests::client::Client;
use tests::dns::Dns;
use tests::icap_peer::{IcapPeer, Reply};
use tests::lab::{self, Lab, ORIGIN};
use tests::origin::Origin;
use tests::program::{Program, weir};
use tests::tls::{self, TlsOrigin};

const PORT: u16 = 15080;

/// Where forged names lead, and nobody dials.
const ELSEWHERE: &str = "192.0.2.9";

const CONFIG: &str = "policy: policy.yaml
proxy:
  admin: 127.0.0.1:9090
  listen: [{mode: redirect, address: '[::]:15080'}]
  workers: 2
  access_log: {path: '-'}
  drain_s: 1
  hosts: {fixed.good.test: '10.71.2.2:1', moved.good.test: '192.0.2.9:80'}
  icap: {services: ['icap://ICAP/categorize'], deadline_ms: 10000}
";

const POLICY: &str = "
lists: {good: [good.test], bad: [bad.test]}
policies:
  family: {pass: [news], block: [adult]}
profiles:
  child:
    icap: true
    policy: family
    pass_list: [good]
    block_list: [bad]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: forbidden
    sni_check: $mode
default_profile: child
";

/// What happens to a name in the modes `off`, `log` and `require`, and what the log says of it.
struct Row {
    name: &'static str,
    passes: [bool; 3],
    said: &'static str,
}

const fn row(name: &'static str, passes: [bool; 3], said: &'static str) -> Row {
    Row { name, passes, said }
}

const ALWAYS: [bool; 3] = [true; 3];
const NOT_IF_REQUIRED: [bool; 3] = [true, true, false];
const NEVER: [bool; 3] = [false; 3];

const ROWS: [Row; 12] = [
    row("good.test", ALWAYS, "match"),
    row("two.good.test", ALWAYS, "match"),
    row("forged.good.test", NOT_IF_REQUIRED, "mismatch"),
    row("absent.good.test", NOT_IF_REQUIRED, "unresolved"),
    row("silent.good.test", NOT_IF_REQUIRED, "unresolved"),
    row("fixed.good.test", ALWAYS, "match"),
    row("moved.good.test", NOT_IF_REQUIRED, "mismatch"),
    row("news.test", ALWAYS, "match"),
    row("forged.news.test", NOT_IF_REQUIRED, "mismatch"),
    // Nobody asks for these.
    row("forged.other.test", ALWAYS, ""),
    row("forged.unknown.test", ALWAYS, ""),
    row("forged.bad.test", NEVER, ""),
];

#[test]
fn a_pass_by_list_or_category_needs_its_address_where_required() {
    if skip() {
        return;
    }
    let set = Set::start();
    for (nth, mode) in ["off", "log", "require"].into_iter().enumerate() {
        set.reload(mode);
        for row in &ROWS {
            let passes = row.passes[nth];
            let status = if passes { 200 } else { 403 };
            assert_eq!(set.http(row.name), status, "{mode} {}", row.name);
            assert_eq!(set.https(row.name), passes, "{mode} {}", row.name);
            for scheme in ["http", "https"] {
                check_line(
                    &set.proxy,
                    &format!("\"{scheme}://{}/\"", row.name),
                    (nth, row),
                );
            }
        }
        for name in ROWS.iter().filter(|row| row.said.is_empty()) {
            assert_eq!(set.dns.look_ups(name.name), 0, "{}", name.name);
        }
    }
    let mut curl = set.lab.command(&set.lab.gateway, "curl");
    curl.args(["--silent", "http://127.0.0.1:9090/metrics"]);
    let metrics = curl.to_end();
    let metrics = String::from_utf8(metrics.stdout).unwrap();
    for mode in ["log", "require"] {
        let row = format!("weir_sni_checks_total{{mode=\"{mode}\",outcome=\"mismatch\"}} 6");
        assert!(metrics.contains(&row), "{row}\n{metrics}");
    }
    let log = set.proxy.log();
    assert!(!log.contains("hickory"), "its lines hold names: {log}");
}

/// Checks what the log says of a name in the `nth` mode.
#[track_caller]
fn check_line(proxy: &Program, uri: &str, (nth, row): (usize, &Row)) {
    let lines = tests::wait_for("the line", || {
        Some(proxy.decisions(&[uri])).filter(|lines| lines.len() > nth)
    });
    let line = &lines[nth];
    let (said, why) = match (nth, row.said) {
        (0, _) => ("", ""),
        (2, "mismatch") => ("mismatch", "destination_mismatch"),
        (2, "unresolved") => ("unresolved", "destination_unresolved"),
        (_, said) => (said, ""),
    };
    assert_eq!(line["sni_check"].as_str().unwrap_or(""), said, "{line}");
    assert_eq!(line["undecidable"].as_str().unwrap_or(""), why, "{line}");
}

#[test]
fn each_family_is_compared_with_its_own_addresses() {
    if skip() {
        return;
    }
    let set = Set::start();
    set.reload("require");
    let v6 = set.lab.within(&set.lab.origin, || {
        Origin::start_at(format!("[{}]:80", ORIGIN[1]).parse().unwrap(), "v6")
    });
    let dialled = v6.address;
    set.dns.name("both.good.test", &[ORIGIN[0], ORIGIN[1]]);
    set.dns.name("old.good.test", &[ORIGIN[0]]);
    assert_eq!(set.http_at(dialled, "both.good.test"), 200);
    assert_eq!(set.http_at(dialled, "old.good.test"), 403);
    assert_eq!(set.http("old.good.test"), 200);
    let turning = "turning.good.test";
    set.dns.script(turning, &[&[ELSEWHERE], &[ORIGIN[0]]]);
    assert_eq!(set.http(turning), 403);
    assert_eq!(set.http(turning), 200, "an answer lives as long as it says");
}

/// A gateway with everything around it.
struct Set {
    lab: Lab,
    dns: Dns,
    http: Origin,
    tls: TlsOrigin,
    proxy: Program,
    _icap: IcapPeer,
}

impl Set {
    fn start() -> Self {
        let lab = Lab::new();
        let at = |port: u16| SocketAddr::new(ORIGIN[0].parse().unwrap(), port);
        let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        let (dns, http, tls) = lab.within(&lab.origin, || {
            (
                Dns::start_at(at(53)),
                Origin::start_at(at(80), "plain"),
                TlsOrigin::start_at(at(443), &names, "tls"),
            )
        });
        for name in ["good.test", "news.test"] {
            dns.name(name, &[ORIGIN[0]]);
        }
        dns.name("two.good.test", &[ELSEWHERE, ORIGIN[0]]);
        for row in ROWS.iter().filter(|row| row.name.starts_with("forged.")) {
            dns.name(row.name, &[ELSEWHERE]);
        }
        dns.silence("silent.good.test");
        lab.resolve_by(ORIGIN[0]);
        let icap = lab.within(&lab.gateway, || IcapPeer::start(categories));
        let config = CONFIG.replace("ICAP", &icap.address.to_string());
        let policy = POLICY.replace("$mode", "off");
        let files = [("weir.yaml", &*config), ("policy.yaml", &*policy)];
        let command = lab.command(&lab.gateway, weir());
        let proxy = Program::start_by(command, &["proxy", "--config", "weir.yaml"], &files);
        proxy.wait_for_line(&["\"listener\":\"redirect\""]);
        lab.redirect_to(PORT);
        Self {
            lab,
            dns,
            http,
            tls,
            proxy,
            _icap: icap,
        }
    }

    /// Puts a mode in force.
    fn reload(&self, mode: &str) {
        self.proxy.wait_for_line(&["configuration in force"]);
        let count = || {
            let lines = self.proxy.lines();
            let lines = lines
                .iter()
                .filter(|line| line.contains("configuration in force"));
            lines.count()
        };
        let before = count();
        let policy = POLICY.replace("$mode", mode);
        self.proxy.write("policy.yaml", &policy);
        self.proxy.signal("HUP");
        tests::wait_for("the reload", || (count() > before).then_some(()));
    }

    /// Asks for a name at the origin, and returns the status.
    fn http(&self, name: &str) -> u16 {
        self.http_at(self.http.address, name)
    }

    fn http_at(&self, address: SocketAddr, name: &str) -> u16 {
        self.lab.within(&self.lab.client, || {
            let mut client = Client::connect(address);
            client.send(format!(
                "GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
            ));
            client.response().status
        })
    }

    /// Asks for a name at the origin by TLS, and returns whether it answers.
    fn https(&self, name: &str) -> bool {
        self.lab.within(&self.lab.client, || {
            let socket = TcpStream::connect(self.tls.address).unwrap();
            let answer = tls::get(socket, name, &self.tls, "/");
            answer.is_ok_and(|text| text.contains("origin tls: GET /"))
        })
    }
}

fn categories(uri: &str) -> Reply {
    let names = match uri {
        uri if uri.contains("news.test") => "news",
        uri if uri.contains("other.test") => "other",
        _ => return Reply::Lines(Vec::new()),
    };
    Reply::Lines(vec![format!("X-Attribute: {names}")])
}

/// Skips with a printed reason where namespaces are not to be had.
fn skip() -> bool {
    tests::tier_missing("transparent", lab::missing())
}
