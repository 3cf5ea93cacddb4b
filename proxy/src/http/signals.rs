//! What the gate, the service and the loop around them tell each other. They run in one task.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use filter::Undecidable;
use http_head::{BadHead, Head};

use super::ending::Ending;
use super::interim::Interim;
use crate::limit::Limit;

/// The state that the parts of one client connection share.
#[derive(Debug, Default)]
pub(super) struct Signals {
    arrived: RefCell<VecDeque<Arrived>>,
    ending: RefCell<Option<Ending>>,
    hold: RefCell<Hold>,
    /// Informational answers on their way to the client.
    pub(super) interim: Arc<Interim>,
    /// Bytes that hyper wants to send wait for the client to read.
    pub(super) unsent: Cell<bool>,
    /// Something was sent on the connection.
    pub(super) answered: Cell<bool>,
    /// A body in progress was refused.
    pub(super) body_refused: Cell<bool>,
    /// The client sends nothing more.
    pub(super) client_done: Cell<bool>,
    /// The client owes the next head and nothing else is under way.
    pub(super) awaits_head: Cell<bool>,
    /// The client was idle for too long.
    pub(super) idled: Cell<bool>,
    /// Why the conversation broke off, if not by an origin or by what the client sent.
    pub(super) broken: Cell<Option<&'static str>>,
    /// Counts reads and writes on both sides that moved bytes. Standing still, it tells a stall.
    moved: Cell<u64>,
    /// Counts writes to the client.
    sent: Cell<u64>,
}

/// What has moved up to a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Movement {
    moved: u64,
    sent: u64,
}

/// Something that the gate let through, in the order in which hyper is given its request.
#[derive(Debug)]
pub(super) enum Arrived {
    /// A request with one reading.
    Request {
        head: Box<Head>,
        /// Bytes of the body came with it.
        body_follows: bool,
    },
    /// A request to answer with a status, whatever the profile.
    Bad(BadRequest),
    /// Not HTTP/1.
    Foreign(Undecidable),
}

/// Why a request is refused whatever the profile.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BadRequest {
    /// Its head.
    Head(BadHead),
    /// Its head was not whole in time.
    Late,
    /// The connection ended within its head.
    Truncated,
    /// Its body.
    Body,
    /// Not HTTP/1, where nothing else can be forwarded.
    NotHttp,
    /// CONNECT outside explicit mode.
    Connect,
    /// CONNECT without a port.
    ConnectPort,
    /// CONNECT to a port that is not filtered.
    PortRefused,
    /// A request that this proxy has already forwarded.
    Loop,
    /// In explicit mode, a target that names no origin.
    NotProxied,
    /// A scheme that is not forwarded.
    Scheme,
}

#[derive(Debug, Default)]
enum Hold {
    #[default]
    Open,
    Held(Option<Waker>),
}

impl Signals {
    pub(super) fn push(&self, arrived: Arrived) {
        self.arrived.borrow_mut().push_back(arrived);
    }

    pub(super) fn pop(&self) -> Option<Arrived> {
        self.arrived.borrow_mut().pop_front()
    }

    /// Asks the loop to end the connection once earlier answers are sent.
    pub(super) fn end(&self, ending: Ending) {
        self.ending.borrow_mut().get_or_insert(ending);
    }

    /// Returns the ending that was asked for. An upgrade is one when hyper has sent its answer.
    pub(super) fn take_ending(&self, hyper_is_done: bool) -> Option<Ending> {
        let mut ending = self.ending.borrow_mut();
        match *ending {
            Some(Ending::Upgraded(_)) if !hyper_is_done => None,
            Some(_) | None => ending.take(),
        }
    }

    /// Gives hyper nothing more until it is known which protocol follows.
    pub(super) fn hold(&self) {
        *self.hold.borrow_mut() = Hold::Held(None);
    }

    /// HTTP goes on.
    pub(super) fn release(&self) {
        if let Hold::Held(Some(waker)) = self.hold.take() {
            waker.wake();
        }
    }

    pub(super) fn is_held(&self, waker: &Waker) -> bool {
        match &mut *self.hold.borrow_mut() {
            Hold::Open => false,
            Hold::Held(waiting) => {
                *waiting = Some(waker.clone());
                true
            }
        }
    }

    pub(super) fn moved(&self) -> u64 {
        self.moved.get()
    }

    /// Counts bytes that the client took.
    pub(super) fn note_sent(&self) {
        self.sent.set(self.sent.get().wrapping_add(1));
        self.note_move();
    }

    /// Returns what moved so far, to be compared with what has moved later.
    pub(super) fn movement(&self) -> Movement {
        Movement {
            moved: self.moved.get(),
            sent: self.sent.get(),
        }
    }

    /// Returns whether something should have moved since then and did not.
    pub(super) fn is_stalled_since(&self, then: Movement) -> bool {
        let now = self.movement();
        if self.unsent.get() {
            // Whatever else moves: a client that takes nothing keeps buffers full.
            return now.sent == then.sent;
        }
        now.moved == then.moved && !self.awaits_head.get()
    }

    pub(super) fn note_move(&self) {
        self.moved.set(self.moved.get().wrapping_add(1));
    }
}

impl BadRequest {
    /// Returns the limit that was reached, if one was.
    pub(super) fn limit(self) -> Option<Limit> {
        let limits = [
            (Self::Late, Limit::HeadDeadline),
            (Self::Head(BadHead::TooLong), Limit::HeadBytes),
            (Self::Head(BadHead::TargetTooLong), Limit::HeadBytes),
        ];
        let found = limits.into_iter().find(|(bad, _)| *bad == self);
        found.map(|(_, limit)| limit)
    }

    /// Returns the status to answer with.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Head(bad) => bad.status(),
            Self::Late => 408,
            Self::PortRefused => 403,
            Self::Connect => 405,
            Self::Loop => 508,
            Self::Truncated
            | Self::Body
            | Self::NotHttp
            | Self::ConnectPort
            | Self::NotProxied
            | Self::Scheme => 400,
        }
    }

    /// Returns the word for the log.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Head(bad) => bad.as_str(),
            Self::Late => "late",
            Self::Truncated => "truncated",
            Self::Body => "body",
            Self::NotHttp => "not_http",
            Self::Connect => "connect",
            Self::ConnectPort => "connect_port",
            Self::PortRefused => "port_refused",
            Self::Loop => "loop",
            Self::NotProxied => "not_proxied",
            Self::Scheme => "scheme",
        }
    }

    /// Returns what to tell the client.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Head(bad) => bad.to_string(),
            Self::Late => "the request did not arrive in time".to_owned(),
            Self::Truncated => "the connection ended within the request".to_owned(),
            Self::Body => "the chunked body is malformed".to_owned(),
            Self::NotHttp => "this is not HTTP/1.1".to_owned(),
            Self::Connect => "CONNECT is for proxies that a client is configured with".to_owned(),
            Self::ConnectPort => "CONNECT needs a port, as in `www.example:443`".to_owned(),
            Self::PortRefused => "CONNECT to this port is not allowed".to_owned(),
            Self::Loop => "the request went through this proxy before".to_owned(),
            Self::NotProxied => "this is a proxy, not a web site; configure it as the HTTP proxy \
                of the client, or try `curl -x`"
                .to_owned(),
            Self::Scheme => "only `http:` URIs are forwarded; use CONNECT for `https:`".to_owned(),
        }
    }
}
