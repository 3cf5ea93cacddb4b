//! A network of namespaces: routers, gateways, hosts, each with links and routes of its own.
//!
//! Needs root and `ip`, as [`lab::missing`](crate::lab::missing) finds out. Everything is removed when
//! the network is dropped.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::lab::{enter, expect_success, sh};

/// Namespaces with names of their own for the whole machine.
#[derive(Debug)]
pub struct Network {
    id: String,
    spaces: Vec<String>,
}

impl Network {
    /// Makes namespaces, with loopback up and forwarding on.
    ///
    /// Their names are shell variables in [`script`](Self::script): letters, digits and underscores.
    ///
    /// # Panics
    ///
    /// Fails the test if the system refuses.
    #[track_caller]
    pub fn new(spaces: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let network = Self {
            id: format!(
                "{}x{}",
                std::process::id(),
                COUNT.fetch_add(1, Ordering::Relaxed)
            ),
            spaces: spaces.iter().map(|&space| space.to_owned()).collect(),
        };
        for space in spaces {
            let name = network.name(space);
            network.script(&format!(
                "ip netns add {name}; ip -n {name} link set lo up
                ip netns exec {name} sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 \
                  net.ipv4.conf.default.rp_filter=0 net.ipv4.fib_multipath_hash_policy=1"
            ));
        }
        network
    }

    /// Returns the name that the system knows a namespace by.
    pub fn name(&self, space: &str) -> String {
        format!("wn{}{space}", self.id)
    }

    /// Runs a shell script, to its end or to its first failure, in which `link A DEVICE ADDRESS/LEN
    /// B DEVICE ADDRESS/LEN` joins two namespaces and `$NAME` is the name of a namespace.
    ///
    /// # Panics
    ///
    /// Fails the test if the script fails.
    #[track_caller]
    pub fn script(&self, script: &str) {
        let mut whole = "set -eu\nlink() {
            ip link add $2 netns $1 type veth peer name $5 netns $4
            ip -n $1 addr add $3 dev $2; ip -n $4 addr add $6 dev $5
            ip -n $1 link set $2 up; ip -n $4 link set $5 up
        }\n"
        .to_owned();
        for space in &self.spaces {
            let _ = writeln!(whole, "{space}={}", self.name(space));
        }
        expect_success(&sh(&(whole + script)), script);
    }

    /// Returns a command that runs in a namespace.
    pub fn command(&self, space: &str, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name(space)])
            .arg(program.as_ref());
        command
    }

    /// Runs `work` on a thread inside a namespace. Sockets that it opens stay there.
    ///
    /// # Panics
    ///
    /// Fails the test if `work` panics.
    pub fn within<T: Send>(&self, space: &str, work: impl FnOnce() -> T + Send) -> T {
        let inside = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(&self.name(space));
                work()
            });
            thread.join()
        });
        inside.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for space in &self.spaces {
            let name = self.name(space);
            sh(&format!(
                "for p in $(ip netns pids {name}); do kill -9 $p; done; ip netns del {name}"
            ));
        }
    }
}
