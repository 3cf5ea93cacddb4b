use std::time::{Duration, Instant};

use super::{Jitter, Standing};

/// The shortest watchdog interval (RFC 3539 section 3.4.1).
pub const WATCHDOG_MIN: Duration = Duration::from_secs(6);

/// The interval is longer or shorter by as much as this (RFC 3539 section 3.4.1).
const SPREAD: Duration = Duration::from_secs(2);

/// How many watchdogs a peer that was lost has to answer before it is trusted.
const ANSWERS_TO_REOPEN: i8 = 3;

/// The algorithm of RFC 3539 section 3.4.1 on an open connection.
#[derive(Debug)]
pub(super) struct Watchdog {
    interval: Duration,
    next: Instant,
    /// The hop-by-hop id of the DWR that is not answered.
    pending: Option<u32>,
    level: Level,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Level {
    Okay,
    Suspect,
    /// With the answers so far; -1 after one that did not come.
    Reopen(i8),
}

/// What was heard of the peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sign {
    /// The answer to the watchdog with this hop-by-hop id.
    Watchdog(u32),
    /// Anything else.
    Other,
}

/// What to do when the timer has expired.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Alarm {
    /// Wait on.
    None,
    /// Send a DWR, and say [`Watchdog::asked`].
    Ask,
    /// Give the connection up.
    Close,
}

impl Watchdog {
    pub(super) fn new(interval: Duration, now: Instant, jitter: &mut Jitter) -> Self {
        let mut watchdog = Self {
            interval: interval.max(WATCHDOG_MIN),
            next: now,
            pending: None,
            level: Level::Okay,
        };
        watchdog.set(now, jitter);
        watchdog
    }

    /// The peer was lost before: it is asked at once, and trusted later.
    pub(super) fn reopen(&mut self, now: Instant) {
        self.level = Level::Reopen(0);
        self.next = now;
    }

    pub(super) fn next(&self) -> Instant {
        self.next
    }

    pub(super) fn stands(&self) -> Standing {
        match self.level {
            Level::Okay => Standing::Ready,
            Level::Suspect => Standing::Suspect,
            Level::Reopen(_) => Standing::Reopening,
        }
    }

    pub(super) fn asked(&mut self, hop_by_hop: u32) {
        self.pending = Some(hop_by_hop);
    }

    pub(super) fn heard(&mut self, sign: Sign, now: Instant, jitter: &mut Jitter) {
        let answers = matches!(sign, Sign::Watchdog(hop) if self.pending == Some(hop));
        if answers {
            self.pending = None;
        }
        match self.level {
            Level::Okay => self.set(now, jitter),
            Level::Suspect => {
                self.level = Level::Okay;
                self.set(now, jitter);
            }
            Level::Reopen(count) if answers => {
                let count = count.saturating_add(1);
                self.level = match count {
                    ANSWERS_TO_REOPEN => Level::Okay,
                    count => Level::Reopen(count),
                };
            }
            Level::Reopen(_) => {}
        }
    }

    pub(super) fn expired(&mut self, now: Instant, jitter: &mut Jitter) -> Alarm {
        self.set(now, jitter);
        match (self.level, self.pending) {
            (Level::Okay | Level::Reopen(_), None) => Alarm::Ask,
            (Level::Okay, Some(_)) => {
                self.level = Level::Suspect;
                Alarm::None
            }
            (Level::Suspect, _) => Alarm::Close,
            (Level::Reopen(count), Some(_)) if count < 0 => Alarm::Close,
            (Level::Reopen(_), Some(_)) => {
                self.level = Level::Reopen(-1);
                Alarm::None
            }
        }
    }

    fn set(&mut self, now: Instant, jitter: &mut Jitter) {
        self.next = now + self.interval - SPREAD + jitter.below(SPREAD * 2);
    }
}
