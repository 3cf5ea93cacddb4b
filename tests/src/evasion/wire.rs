//! A run over sockets: clients and an origin in namespaces of their own, the real gateway between.

pub mod client;
pub mod recorder;

mod log;

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::attempt::{Attempt, Way};
use super::finding::{Arrival, Finding, Seen, find, unexpected};
use super::outcome::Outcome;
use super::{ALLOWED_HOST, BLOCKED_HOST, MIXED_HOST, Mode, ORIGIN_ADDRESS};
use crate::lab::{GATEWAY, GATEWAY_OUTSIDE, Lab};
use crate::program::{Program, weir};
use client::{Ending, exchange};
use http_head::{Body, Limits, Reach, Verdict, judge};
use log::{AccessLog, Line};
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
        let arrivals = self.origin.take(&seen_from);
        // Lines are written a little later than what they are about.
        let lines = self.log.lines(exchanged.client, |lines| {
            let outcomes = outcomes(lines);
            !outcomes.is_empty()
                && unexpected(attempt, self.mode, &outcomes).is_none()
                && unjudged(attempt, &arrivals, lines).is_none()
        });
        let seen = Seen {
            arrivals,
            answer: exchanged.answer,
            outcomes: outcomes(&lines),
        };
        let mut finding = match exchanged.end {
            client::End::Ended => find(attempt, self.mode, &seen),
            client::End::Hung => Finding::Broken("the connection hangs".to_owned()),
        };
        if let (Finding::Good, Some(unjudged)) =
            (&finding, unjudged(attempt, &seen.arrivals, &lines))
        {
            finding = Finding::Unexpected(format!("{unjudged} was not judged"));
        }
        Result {
            outcomes: seen.outcomes,
            finding,
        }
    }
}

fn outcomes(lines: &[Line]) -> Vec<Outcome> {
    lines.iter().map(|line| line.outcome.clone()).collect()
}

/// Returns a URI that the origin was asked for, as this product reads what arrived there, and
/// that is none of those it judged.
fn unjudged(attempt: &Attempt, arrivals: &[Arrival], lines: &[Line]) -> Option<String> {
    if attempt.way == Way::Tls {
        return None;
    }
    let judged: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.uri.as_deref())
        .collect();
    // The log cuts what is long.
    let is = |uri: &str, judged: &str| {
        judged
            .strip_suffix('\u{2026}')
            .map_or(uri == judged, |start| uri.starts_with(start))
    };
    let asked = arrivals.iter().flat_map(|arrival| asked(&arrival.bytes));
    let mut unjudged = asked.filter(|uri| !judged.iter().any(|judged| is(uri, judged)));
    unjudged.next()
}

/// Reads the requests that arrived as the product reads requests.
fn asked(bytes: &[u8]) -> Vec<String> {
    let limits = Limits {
        head_len_max: usize::MAX,
    };
    let mut uris = Vec::new();
    let mut rest = bytes;
    while let Verdict::Head(head) = judge(rest, &limits) {
        let readings = head.readings(None);
        uris.push(readings.map_or_else(|why| why.to_string(), |r| r.normal().as_str().to_owned()));
        rest = &rest[head.len()..];
        match Body::of(head.framing()).map(|mut body| body.take(rest)) {
            None => {}
            Some(Ok(Reach::End(len))) => rest = &rest[len..],
            Some(Ok(Reach::All)) => rest = &[],
            Some(Err(_)) => uris.push("a body that is none".to_owned()),
        }
    }
    if !rest.is_empty() {
        uris.push("bytes that are no request".to_owned());
    }
    uris
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
