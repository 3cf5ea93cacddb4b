//! The compose file: HAProxy, two proxies, two ICAP servers, Valkey, from its own files.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use tests::client::Client;
use tests::containers::{Containers, HOST, ORIGIN, missing};
use tests::origin::Origin;
use tests::peers::radius::radclient;
use tests::program::Program;
use tests::{program_missing, tier_missing, wait_for};

use super::path;

const NAMES: [&str; 3] = ["web.example", "adult.example", "malware.example"];

/// What the operator writes.
const SECRETS: [(&str, &str); 3] = [
    ("secrets/nas", "nas-secret\n"),
    ("secrets/valkey-password", "open-sesame\n"),
    (
        "secrets/valkey-users",
        "user default off\nuser weir on >open-sesame ~weir:* &* +@all -@admin\n",
    ),
];

/// An address that the file gives the profile `child`, and one that it does not.
const CHILD: &str = "10.64.0.7";
const ADULT: &str = "10.128.0.7";

/// Where the proxies tell HAProxy that they are ready.
const ADMINS: [&str; 2] = ["172.30.0.11:9090", "172.30.0.12:9090"];

struct Layout {
    containers: Containers,
    origin: Origin,
    running: BTreeMap<String, Program>,
}

impl Layout {
    #[track_caller]
    fn start() -> Self {
        let containers = Containers::new(&path("compose/compose.yaml"), &NAMES, &SECRETS);
        let origin = containers.network.within("origin", || {
            Origin::start_at(SocketAddr::new(ORIGIN.parse().unwrap(), 80), "web")
        });
        let start = |name: &str| (name.to_owned(), containers.start(name));
        let running = containers.services().map(start).collect();
        let layout = Self {
            containers,
            origin,
            running,
        };
        for admin in ADMINS {
            layout.wait_for_peers(admin);
        }
        // Whom HAProxy found away when it started, it asks again after a second.
        wait_for("a way to both proxies", || {
            layout.get(ADULT, "http://web.example/start");
            let decided = |proxy: &str| layout.decided(proxy, "/start") > 0;
            (decided("proxy-1") && decided("proxy-2")).then_some(())
        });
        layout
    }

    /// Waits until a proxy asks both ICAP servers and Valkey.
    #[track_caller]
    fn wait_for_peers(&self, admin: &str) {
        wait_for("a proxy with two ICAP servers", || {
            let page = self.admin(admin, "/metrics")?;
            let has = |row: &str| page.lines().any(|line| line == row);
            (has("weir_icap_endpoints_up 2") && has("weir_session_store_up 1")).then_some(())
        });
    }

    /// Fetches a page of a proxy's admin address, as HAProxy does.
    fn admin(&self, admin: &str, path: &str) -> Option<String> {
        self.containers.network.within("haproxy", || {
            let source = "172.30.0.10:0".parse().unwrap();
            let mut check = Client::dial(source, admin.parse().unwrap()).ok()?;
            check.try_send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
            Some(check.try_response("GET")?.text())
        })
    }

    /// Fetches a page as this client through the published port; None if there is no answer.
    fn get(&self, client: &str, uri: &str) -> Option<u16> {
        let host = uri.split('/').nth(2)?;
        let client: IpAddr = client.parse().ok()?;
        let balancer = format!("{HOST}:3128").parse().ok()?;
        let mut connection = self
            .containers
            .network
            .within("client", || {
                Client::dial(SocketAddr::new(client, 0), balancer)
            })
            .ok()?;
        connection.try_send(format!("GET {uri} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        connection
            .try_response("GET")
            .map(|response| response.status)
    }

    /// Every client gets its own decisions, on as many new connections as it takes to meet every proxy
    /// and every ICAP server that is there; `turn` makes the URIs new to all caches.
    #[track_caller]
    fn decides(&self, turn: &str) {
        for nth in 0..20 {
            let page = format!("{turn}/{nth}");
            let rows = [
                (CHILD, "web.example", 200),
                (CHILD, "adult.example", 403),
                (ADULT, "adult.example", 200),
                (ADULT, "malware.example", 403),
                // An odd number, so that each row meets each proxy where they take turns.
                (CHILD, "malware.example", 403),
            ];
            for (client, host, status) in rows {
                let uri = format!("http://{host}/{page}");
                assert_eq!(self.get(client, &uri), Some(status), "{client} {uri}");
            }
        }
    }

    /// Returns how many of the decisions about URIs with this text a proxy logged.
    fn decided(&self, proxy: &str, turn: &str) -> usize {
        self.running[proxy].decisions(&[turn]).len()
    }

    /// Reports a session of [`ADULT`] that has the profile `child`, at this published port.
    #[track_caller]
    fn report(&self, port: u16, status: &str) {
        let report = format!(
            "Acct-Status-Type = {status}\nAcct-Session-Id = \"1\"\nNAS-IP-Address = 10.200.0.2\n\
             Framed-IP-Address = {ADULT}\nClass = 0x6b696473\n"
        );
        let proxy = format!("{HOST}:{port}").parse().unwrap();
        let network = &self.containers.network;
        let (answered, printed) =
            network.within("client", || radclient(proxy, "nas-secret", &report));
        assert!(answered, "{printed}");
    }

    /// Asks as [`ADULT`] until both proxies decided, each time as for a child.
    #[track_caller]
    fn is_child(&self, turn: &str) {
        wait_for("decisions of both proxies", || {
            let uri = format!("http://adult.example/{turn}");
            assert_eq!(self.get(ADULT, &uri), Some(403), "{uri}");
            let decided = |proxy: &str| self.decided(proxy, &uri) > 0;
            (decided("proxy-1") && decided("proxy-2")).then_some(())
        });
    }

    #[track_caller]
    fn kill(&mut self, name: &str) {
        let mut program = self.running.remove(name).unwrap();
        program.signal("KILL");
        program.stop_status();
    }
}

fn skip() -> bool {
    tier_missing("transparent", missing())
        || tier_missing("HAProxy", program_missing(&["haproxy"]))
        || tier_missing("Valkey", program_missing(&["redis-server"]))
}

#[test]
fn clients_behind_haproxy_are_served_whatever_dies() {
    if skip() {
        return;
    }
    let mut layout = Layout::start();
    layout.decides("all");
    for proxy in ["proxy-1", "proxy-2"] {
        wait_for("decisions of each proxy", || {
            (layout.decided(proxy, "/all/") > 0).then_some(())
        });
    }
    let line = layout.running["proxy-1"].wait_for_line(&["http://adult.example/all/", CHILD]);
    assert!(line.contains("\"profile\":\"child\""), "{line}");

    layout.kill("proxy-1");
    layout.decides("one-proxy");
    layout.kill("icap-1");
    layout.decides("one-of-each");
    wait_for("decisions of the proxy that is left", || {
        (layout.decided("proxy-2", "/one-of-each/") == 100).then_some(())
    });

    let again = layout.containers.start("proxy-1");
    layout.running.insert("proxy-1".to_owned(), again);
    wait_for("the proxy that came back", || {
        layout.get(CHILD, "http://web.example/back");
        (layout.decided("proxy-1", "/back") > 0).then_some(())
    });

    // A drain: once it has begun, nobody notices. (What is connected in the instant may be reset.)
    layout.running["proxy-2"].signal("TERM");
    let listener = "172.30.0.12:3128".parse().unwrap();
    wait_for("a listener that is closed", || {
        let dial = || Client::dial("172.30.0.10:0".parse().unwrap(), listener).is_err();
        let closed = layout.containers.network.within("haproxy", dial);
        closed.then_some(())
    });
    layout.decides("drain");
    let mut drained = layout.running.remove("proxy-2").unwrap();
    assert_eq!(drained.stop_status(), 0);
    assert!(layout.origin.connections() > 0);
}

#[test]
fn clients_do_not_reach_what_is_behind() {
    if skip() {
        return;
    }
    let layout = Layout::start();
    for place in [
        "172.30.0.11:9090",
        "172.30.0.12:9090",
        "172.30.1.21:9091",
        "172.30.1.22:1344",
    ] {
        let uri = format!("http://{place}/metrics");
        assert_eq!(layout.get(ADULT, &uri), Some(403), "{uri}");
    }
}

#[test]
fn what_the_network_reports_to_one_proxy_counts_at_both() {
    let skips = skip() || tier_missing("RADIUS", program_missing(&["radclient"]));
    if skips {
        return;
    }
    let mut layout = Layout::start();
    assert_eq!(layout.get(ADULT, "http://adult.example/"), Some(200));
    layout.report(1813, "Start");
    layout.is_child("both");
    // A proxy that starts knows what was reported to another, and what is reported to one alone ends it.
    layout.kill("proxy-1");
    let again = layout.containers.start("proxy-1");
    layout.running.insert("proxy-1".to_owned(), again);
    layout.wait_for_peers(ADMINS[0]);
    layout.is_child("again");
    layout.kill("proxy-1");
    layout.report(1814, "Stop");
    assert_eq!(layout.get(ADULT, "http://adult.example/end"), Some(200));
}
