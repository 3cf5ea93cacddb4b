//! Network namespaces: a client, a gateway and an origin, each with IPv4 and IPv6.
//!
//! Needs root, `ip` and `nft`. Names and addresses are the lab's own, so that labs can run side
//! by side; everything is removed when the lab is dropped.

use std::fs::File;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::ToEnd as _;
use crate::evasion::{BLOCKED_ADDRESS, BLOCKED_ADDRESS_V6, ORIGIN_ADDRESS, ORIGIN_ADDRESS_V6};

/// The client's addresses.
pub const CLIENT: [&str; 2] = ["10.71.1.2", "fd71:1::2"];
/// The gateway's addresses on the client's side.
pub const GATEWAY: [&str; 2] = ["10.71.1.1", "fd71:1::1"];
/// The gateway's addresses on the origin's side.
pub const GATEWAY_OUTSIDE: [&str; 2] = ["10.71.2.1", "fd71:2::1"];
/// The origin's addresses.
pub const ORIGIN: [&str; 2] = ["10.71.2.2", "fd71:2::2"];

/// Says why a lab cannot run here, if it cannot. It is found out once: probes side by side would
/// meet each other's namespace.
pub fn missing() -> Option<String> {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    MISSING.get_or_init(probe).clone()
}

fn probe() -> Option<String> {
    let tools = ["ip", "nft", "curl", "setpriv", "/usr/bin/python3"];
    if let Some(missing) = crate::program_missing(&tools) {
        return Some(missing);
    }
    let probe = format!("weirprobe{}", std::process::id());
    let made = sh(&format!("ip netns add {probe} && ip netns del {probe}"));
    (!made.status.success()).then(|| {
        format!(
            "no network namespace: {}",
            String::from_utf8_lossy(&made.stderr).trim()
        )
    })
}

/// Moves the calling thread into a namespace: sockets that it opens from now on are there.
///
/// # Panics
///
/// Fails the test if the system refuses.
#[track_caller]
pub fn enter(namespace: &str) {
    let file = File::open(format!("/run/netns/{namespace}")).expect("a namespace");
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .expect("leave to enter a namespace");
}

/// Returns the addresses of one of the further clients: see [`Lab::add_clients`].
pub fn client_addresses(nth: u8) -> [IpAddr; 2] {
    let last = 100 + u16::from(nth);
    [
        format!("10.71.1.{last}").parse().expect("an address"),
        format!("fd71:1::{last}").parse().expect("an address"),
    ]
}

/// Three namespaces: client, gateway, origin.
#[derive(Debug)]
pub struct Lab {
    /// Namespace of the client.
    pub client: String,
    /// Namespace of the gateway.
    pub gateway: String,
    /// Namespace of the origin.
    pub origin: String,
}

impl Lab {
    /// Makes the namespaces, their links, addresses and routes.
    ///
    /// # Panics
    ///
    /// Fails the test if the system refuses.
    #[track_caller]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!(
            "{}x{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let lab = Self {
            client: format!("wc{id}"),
            gateway: format!("wg{id}"),
            origin: format!("wo{id}"),
        };
        let script = format!(
            "set -e
            for n in {c} {g} {o}; do
                ip netns add $n; ip -n $n link set lo up
                ip netns exec $n sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
            done
            ip link add c0 netns {c} type veth peer name g0 netns {g}
            ip link add s0 netns {o} type veth peer name g1 netns {g}
            add() {{ ip -n $1 addr add $3 dev $2 $4; ip -n $1 link set $2 up; }}
            add {c} c0 10.71.1.2/24; add {c} c0 fd71:1::2/64 nodad
            add {g} g0 10.71.1.1/24; add {g} g0 fd71:1::1/64 nodad
            add {g} g1 10.71.2.1/24; add {g} g1 fd71:2::1/64 nodad
            add {o} s0 10.71.2.2/24; add {o} s0 fd71:2::2/64 nodad
            ip -n {c} route add default via 10.71.1.1; ip -n {c} -6 route add default via fd71:1::1
            ip -n {o} route add default via 10.71.2.1; ip -n {o} -6 route add default via fd71:2::1
            ip netns exec {g} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
            c = lab.client,
            g = lab.gateway,
            o = lab.origin,
        );
        expect_success(&sh(&script), "the namespaces");
        lab
    }

    /// Loads nftables rules in the gateway.
    #[track_caller]
    pub fn nft(&self, rules: &str) {
        let mut child = self
            .command(&self.gateway, "nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nft runs");
        child
            .stdin
            .take()
            .expect("piped")
            .write_all(rules.as_bytes())
            .expect("rules sent");
        expect_success(&child.wait_with_output().expect("nft ends"), "nft");
    }

    /// Sends the client's connections to ports 80 and 443 to this port of the gateway by TPROXY.
    /// What no socket takes is refused, never routed around the filter.
    #[track_caller]
    pub fn tproxy_to(&self, port: u16) {
        self.tproxy_to_each(port, port);
    }

    /// Like [`tproxy_to`](Self::tproxy_to), with a port for each of ports 80 and 443.
    #[track_caller]
    pub fn tproxy_to_each(&self, http: u16, tls: u16) {
        self.nft(&format!(
            "table inet weir {{
              chain divert {{
                meta mark set 0x1 accept
              }}
              chain pre {{
                type filter hook prerouting priority mangle; policy accept;
                meta l4proto tcp socket transparent 1 socket wildcard 0 jump divert
                fib daddr type local accept
                iifname \"g0\" tcp dport 80 tproxy to :{http} jump divert
                iifname \"g0\" tcp dport 443 tproxy to :{tls} jump divert
              }}
              chain forw {{
                type filter hook forward priority filter; policy accept;
                iifname \"g0\" tcp dport {{ 80, 443 }} reject with tcp reset
              }}
            }}"
        ));
        let g = &self.gateway;
        let routes = format!(
            "set -e
            ip -n {g} rule add fwmark 0x1 lookup 100; ip -n {g} route add local 0.0.0.0/0 dev lo table 100
            ip -n {g} -6 rule add fwmark 0x1 lookup 100; ip -n {g} -6 route add local ::/0 dev lo table 100"
        );
        expect_success(&sh(&routes), "the routes");
    }

    /// Sends the client's connections to ports 80 and 443 to this port of the gateway by REDIRECT.
    #[track_caller]
    pub fn redirect_to(&self, port: u16) {
        self.redirect_to_each(port, port);
    }

    /// Like [`redirect_to`](Self::redirect_to), with a port for each of ports 80 and 443.
    #[track_caller]
    pub fn redirect_to_each(&self, http: u16, tls: u16) {
        self.nft(&format!(
            "table inet weir_redirect {{
              chain pre {{
                type nat hook prerouting priority dstnat; policy accept;
                fib daddr type local accept
                iifname \"g0\" tcp dport 80 redirect to :{http}
                iifname \"g0\" tcp dport 443 redirect to :{tls}
              }}
            }}"
        ));
    }

    /// Runs `work` on a thread inside one of the namespaces. Sockets that it opens, and threads
    /// that it starts, stay in that namespace.
    ///
    /// # Panics
    ///
    /// Fails the test if `work` panics.
    #[track_caller]
    pub fn within<T: Send>(&self, namespace: &str, work: impl FnOnce() -> T + Send) -> T {
        let inside = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(namespace);
                work()
            });
            thread.join()
        });
        inside.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Lets programs in the gateway ask this resolver alone, on port 53. One that is silent is
    /// given up after a second.
    pub fn resolve_by(&self, resolver: &str) {
        let folder = self.own_files();
        std::fs::create_dir_all(&folder).expect("a folder for the gateway");
        let text = format!("nameserver {resolver}\noptions timeout:1 attempts:1\n");
        std::fs::write(folder.join("resolv.conf"), text).expect("a file for the gateway");
    }

    /// Returns the folder whose files `ip netns exec` shows under `/etc` in the gateway.
    fn own_files(&self) -> PathBuf {
        Path::new("/etc/netns").join(&self.gateway)
    }

    /// Gives the client's namespace addresses for so many clients, and one more.
    #[track_caller]
    pub fn add_clients(&self, count: u8) {
        let c = &self.client;
        for nth in 0..=count {
            let [v4, v6] = client_addresses(nth);
            let add = format!(
                "set -e; ip -n {c} addr add {v4}/24 dev c0; ip -n {c} addr add {v6}/64 dev c0 nodad"
            );
            expect_success(&sh(&add), "an address of a client");
        }
    }

    /// Gives the origin the addresses of the evasion corpus.
    #[track_caller]
    pub fn add_origin_addresses(&self) {
        let (g, o) = (&self.gateway, &self.origin);
        let [via_v4, via_v6] = ORIGIN;
        let script = format!(
            "set -e
            for a in {BLOCKED_ADDRESS} {ORIGIN_ADDRESS}; do
                ip -n {o} addr add $a/32 dev s0; ip -n {g} route add $a/32 via {via_v4}
            done
            for a in {BLOCKED_ADDRESS_V6} {ORIGIN_ADDRESS_V6}; do
                ip -n {o} addr add $a/128 dev s0 nodad; ip -n {g} -6 route add $a/128 via {via_v6}
            done"
        );
        expect_success(&sh(&script), "the addresses of the origin");
    }

    /// Returns a command that runs in one of the namespaces.
    pub fn command(&self, namespace: &str, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", namespace])
            .arg(program.as_ref());
        command
    }

    /// Runs curl in the client's namespace and returns all that it gave.
    pub fn curl(&self, arguments: &[&str]) -> Output {
        self.command(&self.client, "curl")
            .args(["--silent", "--globoff", "--max-time", "20"])
            .args(arguments)
            .to_end()
    }
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in [&self.client, &self.gateway, &self.origin] {
            sh(&format!(
                "for p in $(ip netns pids {namespace}); do kill -9 $p; done; ip netns del {namespace}"
            ));
        }
        // Most labs have none.
        let _ = std::fs::remove_dir_all(self.own_files());
    }
}

/// Runs a shell script.
pub(crate) fn sh(script: &str) -> Output {
    Command::new("sh").args(["-c", script]).to_end()
}

/// Fails the test with what a command printed, if it failed.
#[track_caller]
pub(crate) fn expect_success(output: &Output, what: &str) {
    assert!(
        output.status.success(),
        "{what}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
