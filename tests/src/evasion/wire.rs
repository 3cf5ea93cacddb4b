//! A run over sockets: clients and an origin in namespaces of their own, the real gateway between.

pub mod client;
pub mod recorder;

mod log;

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::attempt::{Attempt, Way};
use super::finding::{Finding, Seen, find, unexpected};
use super::outcome::Outcome;
use super::{ALLOWED_HOST, BLOCKED_HOST, MIXED_HOST, Mode, ORIGIN_ADDRESS};
use crate::lab::{GATEWAY, GATEWAY_OUTSIDE, Lab};
use crate::program::{Program, weir};
use client::{Ending, exchange};
use log::AccessLog;
use recorder::Recorder;

/// Clients at the same time, each with addresses of its own.
const CLIENTS: u8 = 8;
const TPROXY_PORT: u16 = 15080;
const EXPLICIT_PORT: u16 = 3128;

/// A gateway under one of the policies, with clients on one side and an origin on the other.
#[derive(Debug)]
pub struct Wire {
    lab: Lab,
    gateway: Program,
    log: AccessLog,
    origin: Recorder,
    mode: Mode,
}

/// What one sending came to.
#[derive(Debug)]
pub struct Result {
    /// What the access log says.
    pub outcomes: Vec<Outcome>,
    /// What was measured.
    pub finding: Finding,
}

impl Wire {
    /// Starts everything.
    #[track_caller]
    pub fn start(mode: Mode) -> Self {
        let lab = Lab::new();
        lab.add_clients(CLIENTS);
        lab.add_origin_addresses();
        let origin = Recorder::start(&lab.origin);
        let config = config();
        let policy = mode.policy();
        let files = [
            ("weir.yaml", config.as_str()),
            ("policy.yaml", policy.as_str()),
        ];
        let command = lab.command(&lab.gateway, weir());
        let gateway = Program::start_by(command, &["proxy", "--config", "weir.yaml"], &files);
        gateway.wait_for_line(&["\"listener\":\"tproxy\""]);
        gateway.wait_for_line(&["\"listener\":\"explicit\""]);
        lab.tproxy_to(TPROXY_PORT);
        Self {
            log: AccessLog::of(gateway.dir.path().join("access.log")),
            lab,
            gateway,
            origin,
            mode,
        }
    }

    /// Sends everything, a few at the same time; the results are in the order of the attempts.
    ///
    /// # Panics
    ///
    /// Fails the test if the gateway ends.
    pub fn run(&mut self, attempts: &[Attempt]) -> Vec<Option<Result>> {
        let results = Mutex::new(Vec::new());
        results.lock().unwrap().resize_with(attempts.len(), || None);
        // What an explicit client sends arrives from the gateway's address, so one at a time.
        let is_explicit = |attempt: &Attempt| attempt.way == Way::Explicit;
        let next = AtomicUsize::new(0);
        let this = &*self;
        std::thread::scope(|scope| {
            for client in 0..=CLIENTS {
                let (next, results) = (&next, &results);
                scope.spawn(move || {
                    crate::lab::enter(&this.lab.client);
                    let mut own = 0;
                    loop {
                        let at = if client == CLIENTS {
                            own += 1;
                            own - 1
                        } else {
                            next.fetch_add(1, Ordering::Relaxed)
                        };
                        let Some(attempt) = attempts.get(at) else {
                            break;
                        };
                        let mine = is_explicit(attempt) == (client == CLIENTS);
                        if mine && attempt.way != Way::Alone {
                            let result = this.one(attempt, client);
                            results.lock().unwrap()[at] = Some(result);
                        }
                    }
                });
            }
        });
        assert!(self.gateway.runs(), "the gateway ended");
        results.into_inner().unwrap()
    }

    fn one(&self, attempt: &Attempt, client: u8) -> Result {
        let (to, seen_from): (SocketAddr, Vec<IpAddr>) = match attempt.way {
            Way::Explicit => (
                SocketAddr::new(GATEWAY[0].parse().unwrap(), EXPLICIT_PORT),
                GATEWAY_OUTSIDE.map(|a| a.parse().unwrap()).to_vec(),
            ),
            Way::Tls | Way::Http | Way::Alone => (
                attempt.destination,
                vec![source(client, attempt.destination.ip())],
            ),
        };
        let exchanged = exchange(
            source(client, to.ip()),
            to,
            &attempt.sending,
            Ending::Halved,
        );
        let outcomes = self.log.outcomes(exchanged.client, |outcomes| {
            !outcomes.is_empty() && unexpected(attempt, self.mode, outcomes).is_none()
        });
        let seen = Seen {
            arrivals: self.origin.take(&seen_from),
            answer: exchanged.answer,
            outcomes,
        };
        let finding = match exchanged.end {
            client::End::Ended => find(attempt, self.mode, &seen),
            client::End::Hung => Finding::Broken("the connection hangs".to_owned()),
        };
        Result {
            outcomes: seen.outcomes,
            finding,
        }
    }
}

/// Returns the address of a client in the family of where it goes.
fn source(client: u8, to: IpAddr) -> IpAddr {
    let [v4, v6] = crate::lab::client_addresses(client);
    if to.is_ipv4() { v4 } else { v6 }
}

fn config() -> String {
    let deep = "a.".repeat(120);
    let below = |host: &str| {
        let labels = [
            "",
            "a.b.c.",
            "my_shop.",
            "xn--bcher-kva.",
            "r3---sn-abc.",
            &deep,
        ];
        labels.map(|labels| format!("{labels}{host}"))
    };
    let hosts: String = [ALLOWED_HOST, BLOCKED_HOST, MIXED_HOST]
        .into_iter()
        .flat_map(below)
        .map(|host| format!("    {host}: \"{ORIGIN_ADDRESS}:80\"\n"))
        .collect();
    format!(
        "policy: policy.yaml\nproxy:\n  listen:\n    - {{mode: tproxy, address: \
         \"[::]:{TPROXY_PORT}\"}}\n    - {{mode: explicit, address: \"[::]:{EXPLICIT_PORT}\", \
         clients: [\"10.71.0.0/16\"]}}\n  upstream_source: client\n  workers: 2\n  \
         access_log: {{path: access.log}}\n  hosts:\n{hosts}"
    )
}
