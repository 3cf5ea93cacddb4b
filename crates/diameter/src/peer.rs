//! One connection to a peer, as a client sees it: capabilities, watchdog, disconnect, and the
//! way back (RFC 6733 section 5.6, RFC 3539 section 3.4). The peer is dialled, never accepted.
//!
//! The machine is told what happens, with the time, and says with [`Act`]s what to do.

mod back_off;
mod watchdog;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use back_off::{BackOff, Jitter};
pub use watchdog::WATCHDOG_MIN;

use crate::command::{
    Capabilities, CapabilitiesAnswer, DisconnectCause, DisconnectRequest, WatchdogRequest,
};
use crate::name::{self, application, command_code, result};
use crate::{Avp, Bad, Dictionary, Fields, Message, Refused};
use watchdog::{Alarm, Sign, Watchdog};

/// How a client treats a peer.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// What the client says of itself; its addresses are those of the connection.
    pub own: Capabilities,
    /// Who the peer has to be; none: whoever answers.
    pub host: Option<Arc<str>>,
    /// The application that both have to serve.
    pub application: u32,
    /// Which AVPs are understood.
    pub dictionary: Arc<Dictionary>,
    /// How long nothing may be heard before the peer is asked whether it is there; it is given
    /// up after twice as long. At least [`WATCHDOG_MIN`].
    pub watchdog: Duration,
    /// How long the transport, the CEA and the DPA may take, each.
    pub setup: Duration,
    /// How long to wait before it is dialled again.
    pub back_off: BackOff,
}

/// Whether requests may go to a peer, from worst to best.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Standing {
    /// There is no connection, or capabilities are not agreed.
    Down,
    /// The peer has not answered the watchdog; it may yet.
    Suspect,
    /// It is back, and has to answer the watchdog some times before others are left for it.
    Reopening,
    /// All is well.
    Ready,
}

/// What the driver is to do, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Act {
    /// Dial the peer, and then say [`connected`](Peer::connected) or [`lost`](Peer::lost).
    Connect,
    /// Send the message on the connection.
    Send(Message),
    /// Close the connection when everything is sent. It need not be told when that is done.
    Close(CloseReason),
    /// The peer is this host, with this Origin-State-Id; told of whenever it says so.
    Host(Arc<str>, u32),
    /// Requests may go to the peer now, or must not any more.
    Stands(Standing),
    /// The peer asks this of the application. Every mandatory AVP is known.
    Request(Message),
    /// The peer answers this to a request of the application, or to none.
    Answer(Message),
}

/// Why a connection is closed from this side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CloseReason {
    /// The program ends.
    Stopped,
    /// The peer wanted it.
    AskedTo,
    /// Transport, CEA or DPA took too long.
    SetupDeadline,
    /// The watchdog was not answered.
    Silent,
    /// The CEA refused us.
    Refused,
    /// The CEA is from somebody else than was dialled.
    OtherHost,
    /// The peer does not serve the application.
    NoCommonApplication,
    /// Something else came where a CEA had to.
    NoCapabilities,
}

/// A connection to a peer, or the lack of one.
#[derive(Debug)]
pub struct Peer {
    settings: Arc<PeerSettings>,
    state: State,
    stands: Standing,
    /// Whether there was a connection before, which is then trusted less.
    was_open: bool,
    failures: u32,
    hop_by_hop: u32,
    jitter: Jitter,
    acts: VecDeque<Act>,
}

#[derive(Debug)]
enum State {
    /// Until the time given, or for ever.
    Closed(Option<Instant>),
    Connecting(Instant),
    /// With the hop-by-hop id of the CER.
    WaitsForCapabilities(Instant, u32),
    Open(Watchdog),
    /// With the hop-by-hop id of the DPR.
    WaitsForGoodbye(Instant, u32),
}

impl Peer {
    /// Creates the machine; the first [`tick`](Self::tick) dials. `seed` spreads timers and ids
    /// of several clients.
    #[must_use]
    pub fn new(settings: Arc<PeerSettings>, seed: u64, now: Instant) -> Self {
        let mut jitter = Jitter::new(seed);
        Self {
            settings,
            state: State::Closed(Some(now)),
            stands: Standing::Down,
            was_open: false,
            failures: 0,
            hop_by_hop: jitter.number(),
            jitter,
            acts: VecDeque::new(),
        }
    }

    /// Returns what to do next.
    pub fn act(&mut self) -> Option<Act> {
        self.acts.pop_front()
    }

    /// Returns whether requests may go to the peer.
    #[must_use]
    pub fn stands(&self) -> Standing {
        self.stands
    }

    /// Returns when to [`tick`](Self::tick) at the latest.
    #[must_use]
    pub fn wakes(&self) -> Option<Instant> {
        match &self.state {
            State::Closed(at) => *at,
            State::Connecting(at)
            | State::WaitsForCapabilities(at, _)
            | State::WaitsForGoodbye(at, _) => Some(*at),
            State::Open(watchdog) => Some(watchdog.next()),
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        if self.wakes().is_none_or(|at| now < at) {
            return;
        }
        match &mut self.state {
            State::Closed(_) => {
                self.state = State::Connecting(now + self.settings.setup);
                self.acts.push_back(Act::Connect);
            }
            State::Connecting(_) | State::WaitsForCapabilities(..) => {
                self.close(CloseReason::SetupDeadline, now);
            }
            State::WaitsForGoodbye(..) => {
                self.acts.push_back(Act::Close(CloseReason::SetupDeadline));
                self.state = State::Closed(None);
            }
            State::Open(watchdog) => {
                let alarm = watchdog.expired(now, &mut self.jitter);
                self.alarm(alarm, now);
            }
        }
        self.tell();
    }

    /// The transport stands; `local` is its address on this side.
    pub fn connected(&mut self, local: IpAddr, now: Instant) {
        let State::Connecting(until) = self.state else {
            return;
        };
        let mut own = self.settings.own.clone();
        own.addresses = vec![local];
        let hop = self.send(own.request());
        self.state = State::WaitsForCapabilities(until.max(now), hop);
    }

    /// The transport is gone, or never came.
    pub fn lost(&mut self, now: Instant) {
        match self.state {
            State::Closed(_) => {}
            State::WaitsForGoodbye(..) => self.state = State::Closed(None),
            State::Connecting(_) | State::WaitsForCapabilities(..) | State::Open(_) => {
                self.retry(now);
            }
        }
        self.tell();
    }

    /// Sends a request of the application and returns its hop-by-hop id. Nothing is sent unless
    /// the connection stands.
    pub fn request(&mut self, message: Message) -> Option<u32> {
        match self.state {
            State::Open(_) => Some(self.send(message)),
            State::Closed(_)
            | State::Connecting(_)
            | State::WaitsForCapabilities(..)
            | State::WaitsForGoodbye(..) => None,
        }
    }

    /// Sends the answer to a request that came on this connection.
    pub fn answer(&mut self, message: Message) {
        debug_assert!(!message.header.is_request());
        self.acts.push_back(Act::Send(message));
    }

    /// Says goodbye, for good.
    pub fn stop(&mut self, now: Instant) {
        match self.state {
            State::Closed(_) | State::WaitsForGoodbye(..) => self.state = State::Closed(None),
            State::Connecting(_) | State::WaitsForCapabilities(..) => {
                self.acts.push_back(Act::Close(CloseReason::Stopped));
                self.state = State::Closed(None);
            }
            State::Open(_) => {
                let disconnect = DisconnectRequest {
                    origin: self.settings.own.identity.clone(),
                    cause: DisconnectCause::Rebooting,
                };
                let hop = self.send(disconnect.message());
                self.state = State::WaitsForGoodbye(now + self.settings.setup, hop);
            }
        }
        self.tell();
    }

    /// Returns whether the connection is closed for good.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(self.state, State::Closed(None))
    }

    /// A message came that cannot be used.
    pub fn refused(&mut self, refused: &Refused, now: Instant) {
        let answer = refused.answer(&self.settings.own.identity);
        match &mut self.state {
            State::Open(watchdog) => {
                watchdog.heard(Sign::Other, now, &mut self.jitter);
                self.acts.extend(answer.map(Act::Send));
            }
            State::WaitsForCapabilities(..) => self.close(CloseReason::NoCapabilities, now),
            State::Closed(_) | State::Connecting(_) | State::WaitsForGoodbye(..) => {}
        }
        self.tell();
    }

    /// A message came.
    pub fn received(&mut self, message: Message, now: Instant) {
        match &self.state {
            State::Closed(_) | State::Connecting(_) => {}
            State::WaitsForCapabilities(_, hop) => {
                let hop = *hop;
                self.capabilities(&message, hop, now);
            }
            State::Open(_) => self.while_open(message, now),
            State::WaitsForGoodbye(_, hop) => {
                let command = message.header.command;
                let is_answer = !message.header.is_request();
                match command {
                    command_code::DISCONNECT_PEER => {
                        if is_answer && message.header.hop_by_hop != *hop {
                            return;
                        }
                        if !is_answer {
                            self.reply(&message, result::SUCCESS);
                        }
                        self.acts.push_back(Act::Close(CloseReason::Stopped));
                        self.state = State::Closed(None);
                    }
                    _ if is_answer => self.acts.push_back(Act::Answer(message)),
                    _ => self.reply(&message, result::UNABLE_TO_DELIVER),
                }
            }
        }
        self.tell();
    }

    fn while_open(&mut self, message: Message, now: Instant) {
        let header = message.header;
        let sign = match (header.command, header.is_request()) {
            (command_code::DEVICE_WATCHDOG, false) => Sign::Watchdog(header.hop_by_hop),
            _ => Sign::Other,
        };
        if let State::Open(watchdog) = &mut self.state {
            watchdog.heard(sign, now, &mut self.jitter);
        }
        self.failures = 0;
        if header.command == command_code::DEVICE_WATCHDOG {
            self.acts.extend(host(&message.avps));
        }
        match (header.command, header.is_request()) {
            (command_code::DEVICE_WATCHDOG, false) => {}
            (_, false) => self.acts.push_back(Act::Answer(message)),
            (_, true) => self.asked(message, now),
        }
    }

    /// A request came on an open connection.
    fn asked(&mut self, message: Message, now: Instant) {
        if let Some(unknown) = message.first_unknown(&self.settings.dictionary) {
            return self.refuse(&message, Bad::Unknown(Box::new(unknown)));
        }
        let header = message.header;
        match header.command {
            command_code::DEVICE_WATCHDOG => match WatchdogRequest::read(&message) {
                Ok(_) => self.reply(&message, result::SUCCESS),
                Err(bad) => self.refuse(&message, bad),
            },
            command_code::DISCONNECT_PEER => match DisconnectRequest::read(&message) {
                Ok(goodbye) => {
                    self.reply(&message, result::SUCCESS);
                    self.acts.push_back(Act::Close(CloseReason::AskedTo));
                    self.retry(now);
                    // Who is busy, or does not want to talk, is left alone for as long as can be.
                    if goodbye.cause != DisconnectCause::Rebooting {
                        let longest = self.settings.back_off.max;
                        self.state = State::Closed(Some(now + longest));
                    }
                }
                Err(bad) => self.refuse(&message, bad),
            },
            command_code::CAPABILITIES_EXCHANGE => {
                let answer = self.settings.own.answer(&message, result::SUCCESS);
                self.acts.push_back(Act::Send(answer));
            }
            _ if header.application == self.settings.application => {
                self.acts.push_back(Act::Request(message));
            }
            _ if header.application == application::BASE => {
                self.reply(&message, result::COMMAND_UNSUPPORTED);
            }
            _ => self.reply(&message, result::APPLICATION_UNSUPPORTED),
        }
    }

    fn capabilities(&mut self, message: &Message, hop: u32, now: Instant) {
        let answer = CapabilitiesAnswer::read(message).ok();
        let answer = answer.filter(|_| message.header.hop_by_hop == hop);
        let Some(answer) = answer else {
            return self.close(CloseReason::NoCapabilities, now);
        };
        let Some(peer) = answer.capabilities else {
            return self.close(CloseReason::Refused, now);
        };
        let expected = self.settings.host.as_ref();
        if expected.is_some_and(|host| !host.eq_ignore_ascii_case(&peer.identity.host)) {
            return self.close(CloseReason::OtherHost, now);
        }
        if !peer.serves(self.settings.application) {
            return self.close(CloseReason::NoCommonApplication, now);
        }
        let mut watchdog = Watchdog::new(self.settings.watchdog, now, &mut self.jitter);
        if self.was_open {
            watchdog.reopen(now);
        }
        self.was_open = true;
        let host = peer.identity.host;
        self.acts
            .extend(peer.state.map(|state| Act::Host(host, state)));
        self.state = State::Open(watchdog);
    }

    fn alarm(&mut self, alarm: Alarm, now: Instant) {
        match alarm {
            Alarm::None => {}
            Alarm::Ask => {
                let ask = WatchdogRequest {
                    origin: self.settings.own.identity.clone(),
                    state: self.settings.own.state,
                };
                let hop = self.send(ask.message());
                if let State::Open(watchdog) = &mut self.state {
                    watchdog.asked(hop);
                }
            }
            Alarm::Close => self.close(CloseReason::Silent, now),
        }
    }

    fn close(&mut self, reason: CloseReason, now: Instant) {
        self.acts.push_back(Act::Close(reason));
        self.retry(now);
    }

    fn retry(&mut self, now: Instant) {
        let back_off = &self.settings.back_off;
        let wait = back_off.after(self.failures, &mut self.jitter);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Closed(Some(now + wait));
    }

    fn reply(&mut self, request: &Message, result: u32) {
        let own = &self.settings.own;
        let mut answer = request.answer(result, &own.identity);
        if request.header.command == command_code::DEVICE_WATCHDOG {
            let state = |state| Avp::mandatory(name::ORIGIN_STATE_ID, state);
            answer.avps.extend(own.state.map(state));
        }
        self.acts.push_back(Act::Send(answer));
    }

    fn refuse(&mut self, request: &Message, bad: Bad) {
        let answer = request.refuse(&bad, &self.settings.own.identity);
        self.acts.push_back(Act::Send(answer));
    }

    fn send(&mut self, mut message: Message) -> u32 {
        self.hop_by_hop = self.hop_by_hop.wrapping_add(1);
        message.header.hop_by_hop = self.hop_by_hop;
        if message.header.application == application::BASE {
            // What stays on one connection needs no id that is known beyond it.
            message.header.end_to_end = self.hop_by_hop;
        }
        self.acts.push_back(Act::Send(message));
        self.hop_by_hop
    }

    fn tell(&mut self) {
        let stands = match &self.state {
            State::Open(watchdog) => watchdog.stands(),
            State::Closed(_)
            | State::Connecting(_)
            | State::WaitsForCapabilities(..)
            | State::WaitsForGoodbye(..) => Standing::Down,
        };
        if stands != self.stands {
            self.stands = stands;
            self.acts.push_back(Act::Stands(stands));
        }
    }
}

/// Returns who speaks, and in which state it is, if it says both.
fn host(avps: &[Avp]) -> Option<Act> {
    let host = avps.optional(name::ORIGIN_HOST).ok()??.text().ok()?;
    let state = avps.optional(name::ORIGIN_STATE_ID).ok()??.number().ok()?;
    Some(Act::Host(host.into(), state))
}

#[cfg(test)]
mod tests;
