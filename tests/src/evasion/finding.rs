//! What a sending came to, measured at the origin.

use std::net::{IpAddr, SocketAddr};

use super::attempt::{Attempt, Intent, Way};
use super::outcome::Outcome;
use super::reach::{Place, places};
use super::{BLOCKED_ADDRESS, BLOCKED_ADDRESS_V6, Mode};

/// A connection that arrived at the origin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arrival {
    /// The origin's address and port that were dialled.
    pub at: SocketAddr,
    /// Every byte that came.
    pub bytes: Vec<u8>,
}

/// What was seen of one sending.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// At the origin.
    pub arrivals: Vec<Arrival>,
    /// Bytes that the client got.
    pub answer: Vec<u8>,
    /// What the filter itself says that it did, if it says so: requests in their order.
    pub outcomes: Vec<Outcome>,
}

/// What a sending came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Finding {
    /// An evasion reached nothing; an honest request got where it should.
    Good,
    /// Something was reached that may not be.
    Bypass(String),
    /// An honest request did not get through.
    Broken(String),
    /// The outcome is not the one that the case pins.
    Unexpected(String),
}

/// Compares what was seen of a sending with what it may come to.
pub fn find(attempt: &Attempt, mode: Mode, seen: &Seen) -> Finding {
    if let Some(reached) = reached(attempt, mode, &seen.arrivals) {
        return Finding::Bypass(reached);
    }
    match attempt.intent {
        Intent::Evasion => {
            unexpected(attempt, mode, &seen.outcomes).map_or(Finding::Good, Finding::Unexpected)
        }
        Intent::Honest => broken(attempt, seen).map_or(Finding::Good, Finding::Broken),
    }
}

/// Returns what was reached that may not be, as some origin could understand the bytes.
fn reached(attempt: &Attempt, mode: Mode, arrivals: &[Arrival]) -> Option<String> {
    let mut arrivals = arrivals.iter();
    match (attempt.way, attempt.intent) {
        (Way::Tls, Intent::Honest) | (Way::Alone, _) => None,
        (Way::Tls, Intent::Evasion) => arrivals
            .find(|arrival| !arrival.bytes.is_empty())
            .map(|arrival| format!("{} bytes of the hello", arrival.bytes.len())),
        (Way::Http | Way::Explicit, _) => arrivals.find_map(|arrival| {
            if attempt.way == Way::Explicit && is_blocked(arrival.at.ip()) {
                return Some(format!("a connection to {}", arrival.at));
            }
            let places = places(&arrival.bytes, arrival.at.ip());
            let wrong = |place: &&Place| match mode {
                Mode::Deny => place.is_blocked(),
                Mode::Allow => !place.is_allowed(),
            };
            places.iter().find(wrong).map(ToString::to_string)
        }),
    }
}

fn is_blocked(address: IpAddr) -> bool {
    [BLOCKED_ADDRESS, BLOCKED_ADDRESS_V6].contains(&address.to_canonical().to_string().as_str())
}

/// Returns how an outcome is not the pinned one. Under the allow list it need not be the same, but
/// what is stopped under the deny list may not pass.
pub fn unexpected(attempt: &Attempt, mode: Mode, outcomes: &[Outcome]) -> Option<String> {
    let (pinned, found) = (attempt.verdict.as_ref()?, Outcome::of_all(outcomes)?);
    let good = match mode {
        Mode::Deny => found == *pinned,
        Mode::Allow => *pinned == Outcome::Passed || found != Outcome::Passed,
    };
    (!good).then(|| format!("{found}, not {pinned}"))
}

fn broken(attempt: &Attempt, seen: &Seen) -> Option<String> {
    if let Some(stopped) = seen.outcomes.iter().find(|o| **o != Outcome::Passed) {
        return Some(stopped.to_string());
    }
    match attempt.way {
        Way::Alone => None,
        Way::Tls => {
            let sent = attempt.sending.bytes();
            let whole = seen.arrivals.iter().any(|arrival| arrival.bytes == sent);
            (!whole).then(|| {
                let lengths: Vec<_> = seen.arrivals.iter().map(|a| a.bytes.len()).collect();
                format!("{} bytes were sent, {lengths:?} arrived", sent.len())
            })
        }
        Way::Http | Way::Explicit => {
            let statuses = statuses(&seen.answer);
            let good = statuses.contains(&200) && statuses.iter().all(|s| [100, 200].contains(s));
            (!good).then(|| format!("answered {statuses:?}"))
        }
    }
}

/// Returns the statuses in the bytes that a client got. No body of the recording origin, nor of a
/// refusal, looks like a status line.
fn statuses(answer: &[u8]) -> Vec<u16> {
    String::from_utf8_lossy(answer)
        .split("HTTP/1.")
        .skip(1)
        .filter_map(|text| text.get(2..5)?.parse().ok())
        .collect()
}
