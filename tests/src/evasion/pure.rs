//! A run through the pure crates: no socket, no clock.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client_hello::{ClientHello, Detector, HELLO_LEN_MAX, Peek, Unreadable};
use filter::{CacheLimits, Decision, Filter, Request, Rules, Source, Step, Target, Undecidable};
use http_head::{Body, Head, Limits, Reach, Target as Form, Verdict};
use policy::Action;
use uri::{InvalidUri, NormalUri, Readings, Scheme};

use super::Mode;
use super::attempt::{Attempt, Intent, Way};
use super::case::Sending;
use super::finding::{Arrival, Finding, Seen, find};
use super::outcome::Outcome;

/// As long as the proxy waits for a Client Hello unless told otherwise.
const HELLO_WAIT: Duration = Duration::from_secs(10);
/// As long as a head may be unless configured otherwise.
const HEAD_LEN_MAX: usize = 64 * 1024;

/// The pure crates under one of the policies.
#[derive(Debug)]
pub struct Pure {
    rules: Rules,
    filter: Filter,
    mode: Mode,
}

impl Pure {
    /// Compiles the policy of a mode.
    ///
    /// # Panics
    ///
    /// Fails the test if the policy has a mistake.
    pub fn new(mode: Mode) -> Self {
        Self::under(mode, &mode.policy())
    }

    /// Compiles another policy, to be measured as one of a mode.
    ///
    /// # Panics
    ///
    /// Fails the test if the policy has a mistake.
    pub fn under(mode: Mode, policy: &str) -> Self {
        let none = |_: &str| Err("no list files here".to_owned());
        let policy = policy::compile(mode.as_str(), policy, &none);
        let policy = Arc::new(policy.expect("a good policy").set);
        let rules = Rules {
            policy,
            policy_generation: 0,
            icap_generation: 0,
            now: None,
        };
        let limits = CacheLimits {
            entries_max: NonZeroUsize::new(1024),
            lifetime: Duration::from_secs(3600),
        };
        Self {
            rules,
            filter: Filter::new(limits),
            mode,
        }
    }

    /// Judges one sending. What passes is taken to arrive with the judged authority and the path
    /// as written; the other fields are a matter of the run over sockets.
    pub fn run(&mut self, attempt: &Attempt) -> (Vec<Outcome>, Finding) {
        let mut seen = Seen::default();
        match attempt.way {
            Way::Tls => seen.outcomes.push(self.tls(&attempt.sending)),
            Way::Alone => {
                let readings = Readings::parse(&attempt.sending.bytes());
                seen.outcomes.push(self.uri(readings.as_ref()));
            }
            Way::Http | Way::Explicit => {
                let line = Line {
                    way: attempt.way,
                    destination: attempt.destination,
                    tunnel: None,
                };
                self.http(&line, &attempt.sending.bytes(), &mut seen);
            }
        }
        let passed = Outcome::of_all(&seen.outcomes) == Some(Outcome::Passed);
        match (attempt.way, attempt.intent) {
            (Way::Alone, Intent::Evasion) if passed => {
                return (seen.outcomes, Finding::Bypass("the URI passes".to_owned()));
            }
            (Way::Tls, _) if passed => seen.arrivals.push(Arrival {
                at: attempt.destination,
                bytes: attempt.sending.bytes(),
            }),
            (Way::Http | Way::Explicit, Intent::Honest) if passed => {
                seen.answer = b"HTTP/1.1 200 ".to_vec();
            }
            (_, _) => {}
        }
        let finding = find(attempt, self.mode, &seen);
        (seen.outcomes, finding)
    }

    fn uri(&mut self, readings: Result<&Readings, &InvalidUri>) -> Outcome {
        match readings {
            Ok(readings) => self.decide(Target::Uri(readings)),
            Err(why) => self.decide(Target::Undecidable(Undecidable::from(why))),
        }
    }

    fn decide(&mut self, target: Target<'_>) -> Outcome {
        let request = Request {
            profile: Some("all"),
            target,
            destination: None,
        };
        let step = self.filter.begin(&self.rules, request, Instant::now());
        let Step::Decided(decision) = step else {
            panic!("the policies of the corpus ask no ICAP server");
        };
        outcome(&decision)
    }

    fn tls(&mut self, sending: &Sending) -> Outcome {
        match read_hello(sending) {
            Ok(ClientHello { sni: None, .. }) => {
                self.decide(Target::Undecidable(Undecidable::NoSni))
            }
            Ok(ClientHello {
                sni: Some(name), ..
            }) => self.uri(Readings::of_sni(&name, 443).as_ref()),
            Err(why) => self.decide(Target::Undecidable(why)),
        }
    }

    /// Judges one request after another, up to the first that does not pass.
    fn http(&mut self, line: &Line, bytes: &[u8], seen: &mut Seen) {
        let mut rest = bytes;
        let mut is_first = true;
        while !rest.is_empty() {
            let (outcome, head) = self.head(line, rest, is_first);
            is_first = false;
            let passed = outcome == Outcome::Passed;
            seen.outcomes.push(outcome);
            let Some(head) = head.filter(|_| passed) else {
                return;
            };
            let after = &rest[head.len()..];
            if let Form::Authority(_) = head.target() {
                return self.tunnel(line, &head, after, seen);
            }
            seen.arrivals.push(Arrival {
                at: line.destination,
                bytes: forwarded(&head, line.destination),
            });
            match body_len(&head, after) {
                Ok(len) => rest = &after[len..],
                Err(refused) => return seen.outcomes.push(refused),
            }
        }
    }

    /// Judges what is inside a tunnel that was judged and passed.
    fn tunnel(&mut self, line: &Line, connect: &Head, bytes: &[u8], seen: &mut Seen) {
        let Ok(authority) = line.readings(connect) else {
            return;
        };
        let authority = authority.normal().clone();
        if bytes.is_empty() {
            return;
        }
        if authority.port() == 443 {
            let inside = Sending::cut(bytes, &[], Duration::ZERO);
            return seen.outcomes.push(self.tls(&inside));
        }
        let line = Line {
            way: Way::Http,
            tunnel: Some(authority),
            ..*line
        };
        self.http(&line, bytes, seen);
    }

    fn head(&mut self, line: &Line, bytes: &[u8], is_first: bool) -> (Outcome, Option<Box<Head>>) {
        let limits = Limits {
            head_len_max: HEAD_LEN_MAX,
        };
        let refused = |why: &str| (Outcome::Refused(why.to_owned()), None);
        let foreign = match http_head::judge(bytes, &limits) {
            Verdict::NeedMore => return refused("truncated"),
            Verdict::Bad(bad) => return refused(bad.as_str()),
            Verdict::Head(head) => {
                return match line.route(&head) {
                    Err(why) => refused(why),
                    Ok(()) => (self.request(line, &head), Some(head)),
                };
            }
            Verdict::NotHttp => Undecidable::NotHttp,
            Verdict::Http2Preface => Undecidable::Http2Preface,
        };
        if is_first && line.way == Way::Http {
            (self.decide(Target::Undecidable(foreign)), None)
        } else {
            refused("not_http")
        }
    }

    fn request(&mut self, line: &Line, head: &Head) -> Outcome {
        let readings = line.readings(head);
        match (&readings, &line.tunnel) {
            (Ok(readings), Some(tunnel)) if tunnel.host() != readings.normal().host() => {
                self.decide(Target::Doubtful(readings, Undecidable::AuthorityMismatch))
            }
            (_, _) => self.uri(readings.as_ref()),
        }
    }
}

/// The connection of a client, as far as judging goes.
#[derive(Debug)]
struct Line {
    way: Way,
    destination: SocketAddr,
    tunnel: Option<NormalUri>,
}

impl Line {
    /// Refuses what has no place on this kind of connection, as the proxy does.
    fn route(&self, head: &Head) -> Result<(), &'static str> {
        match (self.way, head.target()) {
            (Way::Explicit, Form::Authority(_)) => match port_of(head) {
                None => Err("connect_port"),
                Some(80 | 8080 | 443) => Ok(()),
                Some(_) => Err("port_refused"),
            },
            (_, Form::Authority(_)) => Err("connect"),
            (Way::Explicit, Form::Origin | Form::Asterisk) => Err("not_proxied"),
            (_, Form::Absolute { scheme, .. }) if *scheme != Some(Scheme::Http) => Err("scheme"),
            (_, _) => Ok(()),
        }
    }

    fn readings(&self, head: &Head) -> Result<Readings, InvalidUri> {
        let scheme = match head.target() {
            Form::Authority(_) if port_of(head) == Some(443) => Scheme::Https,
            Form::Authority(_) | Form::Origin | Form::Absolute { .. } | Form::Asterisk => {
                Scheme::Http
            }
        };
        let port = (self.way == Way::Http).then_some(self.destination.port());
        let fallback = self.destination.to_string();
        let authority = head.authority().unwrap_or(fallback.as_bytes());
        Readings::of_request(scheme, authority, head.path_and_query(), port)
    }
}

fn port_of(connect: &Head) -> Option<u16> {
    let authority = String::from_utf8_lossy(connect.authority()?).into_owned();
    authority.rsplit_once(':')?.1.parse().ok()
}

fn outcome(decision: &Decision) -> Outcome {
    match (decision.action, decision.undecidable) {
        (Action::Pass, _) => Outcome::Passed,
        // Of an ambiguous URI the normal form may be listed all the same.
        (_, Some(why)) if decision.source == Source::Undecidable => {
            Outcome::Undecidable(why.as_str().to_owned())
        }
        (Action::Block | Action::Redirect(_), _) => Outcome::Blocked,
    }
}

fn read_hello(sending: &Sending) -> Result<ClientHello, Undecidable> {
    let mut detector = Detector::new(HELLO_LEN_MAX);
    let mut waited = Duration::ZERO;
    let mut bytes = Vec::new();
    for piece in &sending.pieces {
        if waited >= HELLO_WAIT {
            return Err(Undecidable::HelloTooLate);
        }
        bytes.extend(piece);
        match detector.look(&bytes) {
            Peek::NeedMore => {}
            Peek::Hello(hello) => return Ok(hello),
            Peek::NotTls => return Err(Undecidable::NotTls),
            Peek::Unreadable(Unreadable::TooLong) => return Err(Undecidable::HelloTooLong),
            Peek::Unreadable(Unreadable::Malformed) => return Err(Undecidable::HelloMalformed),
            Peek::Unreadable(Unreadable::TwoNames) => return Err(Undecidable::TwoNames),
            Peek::Unreadable(Unreadable::Sslv2) => return Err(Undecidable::Sslv2Hello),
        }
        waited += sending.pause;
    }
    Err(Undecidable::HelloMalformed)
}

/// Returns the length of the body, or why it is refused.
fn body_len(head: &Head, after: &[u8]) -> Result<usize, Outcome> {
    let Some(mut body) = Body::of(head.framing()) else {
        return Ok(0);
    };
    match body.take(after) {
        Ok(Reach::End(len)) => Ok(len),
        Ok(Reach::All) => Err(Outcome::Refused("truncated".to_owned())),
        Err(_) => Err(Outcome::Refused("body".to_owned())),
    }
}

fn forwarded(head: &Head, destination: SocketAddr) -> Vec<u8> {
    let fallback = destination.to_string();
    let authority = head.authority().unwrap_or(fallback.as_bytes());
    let path = match head.path_and_query() {
        [] => b"/",
        path => path,
    };
    let method = head.method().as_bytes();
    [
        method,
        b" ",
        path,
        b" HTTP/1.1\r\nHost: ",
        authority,
        b"\r\n\r\n",
    ]
    .concat()
}
