//! The filters that are compared: how each is started, and which connections it gets.

use std::process::Command;

use super::place::{Place, Running, folder, peer_file, wait_for_port};
use super::trial::EXPLICIT_PORT;
use crate::evasion::{BLOCKED_ADDRESS, BLOCKED_ADDRESS_V6, Mode};
use crate::program::weir;

/// Shows the program a `/dev/shm` of its own: Squid's shared memory has one name everywhere.
const OWN_MEMORY: &str = "mount -t tmpfs tmpfs /dev/shm && exec \"$@\"";

/// What decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Column {
    /// Nothing: straight to the origin, as control.
    Direct,
    /// `weir proxy`.
    Weir,
    /// Squid.
    Squid,
    /// HAProxy.
    Haproxy,
    /// nginx.
    Nginx,
}

impl Column {
    /// All of them, as on the page.
    pub const ALL: [Self; 5] = [
        Self::Direct,
        Self::Weir,
        Self::Squid,
        Self::Haproxy,
        Self::Nginx,
    ];

    /// Returns what it is called on the page.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "origin",
            Self::Weir => "weir",
            Self::Squid => "Squid",
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
        }
    }

    /// Returns whether it is an explicit proxy, too.
    pub fn is_explicit(self) -> bool {
        match self {
            Self::Weir | Self::Squid => true,
            Self::Direct | Self::Haproxy | Self::Nginx => false,
        }
    }

    /// Returns the program and the package that has it.
    pub fn program(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Direct | Self::Weir => None,
            Self::Squid => Some(("squid", "squid-openssl")),
            Self::Haproxy => Some(("haproxy", "haproxy")),
            Self::Nginx => Some(("nginx", "nginx and libnginx-mod-stream")),
        }
    }

    /// Returns the version of its program.
    pub fn version(self) -> String {
        let (program, option) = match self {
            Self::Direct => return String::new(),
            Self::Weir => (weir().display().to_string(), "--version"),
            Self::Squid => ("squid".to_owned(), "-v"),
            Self::Haproxy => ("haproxy".to_owned(), "-v"),
            Self::Nginx => ("nginx".to_owned(), "-v"),
        };
        let output = Command::new(program).arg(option).output();
        let output = output.expect("the program runs");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().next().unwrap_or_default();
        let number =
            |word: &&str| word.contains('.') && word.contains(|c: char| c.is_ascii_digit());
        let version = line.split([' ', '/']).find(number).unwrap_or_default();
        format!("{} {version}", self.name())
    }

    /// Starts it in the gateway, with the rules of this mode.
    pub fn start(self, place: &Place, mode: Mode) -> Option<Running> {
        let running = match self {
            Self::Direct => return None,
            Self::Weir => start_weir(place, mode),
            Self::Squid => {
                let rules = peer_file(&format!("squid.{}.conf", word(mode)));
                let files = [
                    ("squid.conf", peer_file("squid.conf")),
                    ("rules.conf", rules),
                ];
                start_peer(place, &files, &["squid", "-N", "-f", "squid.conf"])
            }
            Self::Haproxy => {
                let files = [("haproxy.cfg", peer_file("haproxy.cfg"))];
                let mode = format!("MODE={}", word(mode));
                start_peer(
                    place,
                    &files,
                    &["env", &mode, "haproxy", "-f", "haproxy.cfg"],
                )
            }
            Self::Nginx => {
                let rules = |of: &str| peer_file(&format!("nginx.{}.{of}.conf", word(mode)));
                let files = [
                    ("nginx.conf", peer_file("nginx.conf")),
                    ("http.conf", rules("http")),
                    ("stream.conf", rules("stream")),
                ];
                let nginx = ["nginx", "-p", ".", "-e", "stderr", "-c", "nginx.conf"];
                start_peer(place, &files, &nginx)
            }
        };
        place.lab.within(&place.lab.gateway, || {
            // One connection to Squid's intercepting port that was not redirected, and it accepts no
            // more there.
            let port = if self.is_explicit() {
                EXPLICIT_PORT
            } else {
                3129
            };
            wait_for_port("127.0.0.1", port, &running);
        });
        Some(running)
    }

    /// Returns the nftables rules that give it the client's connections.
    pub fn rules(self) -> String {
        let both = "tcp dport 80 redirect to :3129; tcp dport 443 redirect to :3130;";
        match self {
            Self::Direct => String::new(),
            Self::Weir => "tcp dport { 80, 443 } redirect to :3129;".to_owned(),
            Self::Squid | Self::Haproxy => both.to_owned(),
            Self::Nginx => format!(
                "ip daddr {BLOCKED_ADDRESS} tcp dport 80 redirect to :3131;
                 ip daddr {BLOCKED_ADDRESS} tcp dport 443 redirect to :3132;
                 ip6 daddr {BLOCKED_ADDRESS_V6} tcp dport 80 redirect to :3131;
                 ip6 daddr {BLOCKED_ADDRESS_V6} tcp dport 443 redirect to :3132;
                 {both}"
            ),
        }
    }
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Deny => "deny",
        Mode::Allow => "allow",
    }
}

fn start_peer(place: &Place, files: &[(&str, String)], program: &[&str]) -> Running {
    let mut files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    files.push(("both.pem", &place.certificate));
    let mut command = place.lab.command(&place.lab.gateway, "unshare");
    command
        .args(["--mount", "sh", "-c", OWN_MEMORY, "sh"])
        .args(program);
    Running::start(command, folder(&files))
}

fn start_weir(place: &Place, mode: Mode) -> Running {
    let files = [
        ("weir.yaml", peer_file("weir.yaml")),
        ("policy.yaml", mode.policy()),
    ];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let mut command = place.lab.command(&place.lab.gateway, weir());
    command.args(["proxy", "--config", "weir.yaml"]);
    Running::start(command, folder(&files))
}
