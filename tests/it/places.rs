//! Where the proxy will not go: over real sockets, for clients that are not on loopback.

use std::net::SocketAddr;

use tests::client::{Client, End};
use tests::dns::Dns;
use tests::lab::{self, GATEWAY, GATEWAY_OUTSIDE, Lab, ORIGIN};
use tests::origin::Origin;
use tests::program::{Program, weir};
use tests::{tls, wait_for};

const POLICY: &str = "
profiles:
  all: {default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
default_profile: all
";

/// Of the gateway: explicit listener, admin, ICAP and its admin.
const OWN_PORTS: [u16; 4] = [3128, 9090, 1344, 9091];

/// The configuration of the proxy. The ICAP server of the file is not run by the same process,
/// here by nobody but a listener that counts.
const CONFIG: &str = r#"
policy: policy.yaml
proxy:
  admin: "[::]:9090"
  listen: [{mode: explicit, address: "[::]:3128", clients: ["10.71.1.0/24", "fd71:1::/64", "127.0.0.0/8"]}]
  ports: {http: [3128, 9090, 9091, 1344, 8181]}
  forbidden: ["10.71.2.9", "fd71:2::9"]
  access_log: {path: "-"}
icap_server:
  admin: "[::]:9091"
  listen: ["[::]:1344"]
  categories: categories
"#;

/// This machine, this link, groups, and what is forbidden, in all spellings.
const NEAR: &[&str] = &[
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.1",
    "127.1",
    "127.0.0.1.",
    "%31%32%37.0.0.1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[2002:7f00:1::]",
    "[2001:db8::5efe:127.0.0.1]",
    "localhost",
    "LOCALHOST.",
    "loop4.test",
    "loop6.test",
    "mapped.test",
    "nat64.test",
    "sixtofour.test",
    "0.0.0.0",
    "0",
    "0.0.0.1",
    "[::]",
    "zero.test",
    "169.254.169.254",
    "[fe80::1]",
    "[::ffff:169.254.169.254]",
    "metadata.test",
    "224.0.0.1",
    "255.255.255.255",
    "[ff02::1]",
    "group.test",
    "10.71.2.9",
    "[fd71:2::9]",
    "kept.test",
];

struct Set {
    lab: Lab,
    proxy: Program,
    origin: Origin,
    dns: Dns,
    /// Listeners on every address of the gateway where nobody shall arrive.
    traps: Vec<Origin>,
}

fn start() -> Set {
    let lab = Lab::new();
    let at = |ip: &str, port: u16| SocketAddr::new(ip.parse().unwrap(), port);
    let (origin, dns) = lab.within(&lab.origin, || {
        let origin = Origin::start_at(at(ORIGIN[0], 80), "far");
        (origin, Dns::start_at(at(ORIGIN[0], 53)))
    });
    dns.name("far.test", &[ORIGIN[0]]);
    lab.resolve_by(ORIGIN[0]);
    let traps = lab.within(&lab.gateway, || {
        let ports = [80, 443, 1344, 9091, 8181].iter();
        ports
            .map(|port| Origin::start_at(at("::", *port), "trap"))
            .collect()
    });
    let mut command = lab.command(&lab.gateway, weir());
    command.arg("proxy");
    let files = [("weir.yaml", CONFIG), ("policy.yaml", POLICY)];
    let proxy = Program::start_by(command, &["--config", "weir.yaml"], &files);
    proxy.wait_for_line(&["\"listener\":\"proxy_admin\""]);
    Set {
        lab,
        proxy,
        origin,
        dns,
        traps,
    }
}

impl Set {
    fn client(&self) -> Client {
        let proxy = SocketAddr::new(GATEWAY[0].parse().unwrap(), 3128);
        self.lab.within(&self.lab.client, || Client::connect(proxy))
    }

    /// Sends a request for `authority` in each way that names one, and returns the statuses. 0:
    /// the connection ended without an answer.
    fn ask(&self, authority: &str) -> Vec<u16> {
        let has_port = authority.rsplit(']').next().unwrap().contains(':');
        let with_port = match has_port {
            true => authority.to_owned(),
            false => format!("{authority}:80"),
        };
        let requests = [
            format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n\r\n"),
            format!("GET http://{authority}/ HTTP/1.1\r\nHost: far.test\r\n\r\n"),
            format!("CONNECT {with_port} HTTP/1.1\r\nHost: far.test\r\n\r\n"),
        ];
        let mut statuses = Vec::new();
        for request in requests {
            let mut client = self.client();
            client.send(&request);
            let mut method = request.split(' ').next().unwrap();
            let mut status = client.try_response(method).map_or(0, |it| it.status);
            if (method, status) == ("CONNECT", 200) {
                method = "GET";
                client.send(format!("GET / HTTP/1.1\r\nHost: {authority}\r\n\r\n"));
                status = client.try_response(method).map_or(0, |it| it.status);
            }
            statuses.push(status);
        }
        statuses
    }

    #[track_caller]
    fn nobody_arrived(&self) {
        for trap in &self.traps {
            assert_eq!(trap.connections(), 0, "at {}", trap.address);
        }
    }
}

fn skip() -> bool {
    tests::tier_missing("transparent", lab::missing())
}

#[test]
fn clients_off_loopback_reach_nothing_of_this_machine() {
    if skip() {
        return;
    }
    let set = start();
    assert_eq!(set.ask("far.test"), [200, 200, 200]);
    set.dns.name("loop4.test", &["127.0.0.1"]);
    set.dns.name("loop6.test", &["::1"]);
    set.dns.name("mapped.test", &["::ffff:127.0.0.1"]);
    set.dns.name("nat64.test", &["64:ff9b::7f00:1"]);
    set.dns.name("sixtofour.test", &["2002:7f00:1::1"]);
    set.dns.name("metadata.test", &["169.254.169.254"]);
    set.dns.name("zero.test", &["0.0.0.0", "::"]);
    set.dns.name("group.test", &["224.0.0.1", "ff02::1"]);
    set.dns.name("kept.test", &["10.71.2.9", "fd71:2::9"]);
    let mut refused = 0;
    for host in NEAR {
        assert_eq!(set.ask(host), [403, 403, 403], "{host}");
        refused += 3;
        wait_for("the access log", || {
            let lines = set.proxy.decisions(&["\"failure\":\"forbidden\""]);
            (lines.len() >= refused).then_some(())
        });
    }
    // A zone is no part of a host of a URI that has a normal form.
    for host in ["[fe80::1%25g0]", "[fe80::1%g0]", "[::1%25lo]"] {
        let statuses = set.ask(host);
        assert!(!statuses.contains(&200), "{host}: {statuses:?}");
    }
    set.nobody_arrived();
}

#[test]
fn no_client_reaches_the_gateways_own_sockets() {
    if skip() {
        return;
    }
    let set = start();
    set.dns.name("gateway.test", &[GATEWAY[0], GATEWAY[1]]);
    let hosts = [GATEWAY[0], GATEWAY_OUTSIDE[0]].map(str::to_owned);
    let hosts6 = [GATEWAY[1], GATEWAY_OUTSIDE[1]].map(|ip| format!("[{ip}]"));
    let names = ["gateway.test", "127.0.0.1", "localhost", "[::1]"].map(str::to_owned);
    for host in hosts.iter().chain(&hosts6).chain(&names) {
        for port in OWN_PORTS {
            let found = set.ask(&format!("{host}:{port}"));
            assert_eq!(found, [403, 403, 403], "{host}:{port}");
        }
    }
    set.nobody_arrived();
    // Another program's service on an address that the client can reach is for everyone.
    assert_eq!(set.ask(&format!("{}:8181", GATEWAY[0])), [200, 200, 200]);
}

#[test]
fn a_name_that_moves_to_loopback_between_two_look_ups_leads_nowhere() {
    if skip() {
        return;
    }
    let set = start();
    for near in [
        &["127.0.0.1"][..],
        &["::1"],
        &["127.0.0.1", "::1"],
        &["0.0.0.0"],
    ] {
        // One client, one connection: the first request keeps a connection to the origin.
        set.dns.script("moves.test", &[&[ORIGIN[0]], near]);
        let before = set.origin.connections();
        let mut client = set.client();
        assert_eq!(client.get("http://moves.test/close").status, 200);
        assert_eq!(client.get("http://moves.test/").status, 403);
        assert_eq!(set.dns.look_ups("moves.test"), 2);
        assert_eq!(set.origin.connections(), before + 1);
        // What passed as a tunnel's name is looked up when the tunnel is used.
        set.dns.script("moves.test", &[&[ORIGIN[0]], near]);
        assert_eq!(set.ask("moves.test"), [200, 403, 403]);
    }
    // Both at once: the far one is gone to, the near one never.
    set.dns.name("both.test", &["127.0.0.1", ORIGIN[0], "::1"]);
    assert_eq!(set.ask("both.test"), [200, 200, 200]);
    set.nobody_arrived();
}

#[test]
fn a_tunnel_of_tls_leads_nowhere_near() {
    if skip() {
        return;
    }
    let set = start();
    let near = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254"];
    for (at, near) in near.into_iter().enumerate() {
        set.dns.name("near.test", &[near]);
        let mut client = set.client();
        client.send("CONNECT near.test:443 HTTP/1.1\r\nHost: near.test\r\n\r\n");
        assert_eq!(client.response_to("CONNECT").status, 200);
        client.send(tls::records(&tls::hello(Some(b"near.test")), 16_384));
        assert_eq!(client.rest(), (Vec::new(), End::Reset), "{near}");
        wait_for("the access log", || {
            let lines = set.proxy.decisions(&["near.test", "\"sni\"", "forbidden"]);
            (lines.len() > at).then_some(())
        });
    }
    set.nobody_arrived();
}

#[test]
fn a_redirect_leads_nowhere_near() {
    if skip() {
        return;
    }
    let set = start();
    for target in ["127.0.0.1", "localhost", "2130706433"] {
        let location = format!("/location/http://{target}/");
        let output = set.lab.curl(&[
            "--location",
            "--proxy",
            &format!("http://{}:3128", GATEWAY[0]),
            "--write-out",
            "%{http_code}",
            "--output",
            "/dev/null",
            &format!("http://far.test{location}"),
        ]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "403", "{target}");
    }
    set.nobody_arrived();
}
