//! What is sent to each filter: the sendings of the corpus, and the row that each belongs to.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::evasion::attempt::{Attempt, Kind, Way};
use crate::evasion::case::Corpus;
use crate::evasion::reach::{Place, places};
use crate::evasion::{BLOCKED_ADDRESS, BLOCKED_ADDRESS_V6};
use crate::lab::GATEWAY;

/// The explicit listener of every filter that has one.
pub const EXPLICIT_PORT: u16 = 3128;

/// A case, by the row that it gets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// The file of the corpus.
    pub kind: Kind,
    /// The name of the case.
    pub case: String,
}

/// One sending.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Index of its row.
    pub row: usize,
    /// What is sent, and what for.
    pub attempt: Attempt,
    /// Where it is sent.
    pub to: SocketAddr,
}

impl Trial {
    /// Returns whether it is for an explicit listener.
    pub fn is_explicit(&self) -> bool {
        self.attempt.way == Way::Explicit
    }
}

/// Returns the rows and the trials of the corpus. What is only judged, and never sent, has none.
pub fn trials(corpus: &Corpus) -> (Vec<Row>, Vec<Trial>) {
    let mut rows: Vec<Row> = Vec::new();
    let mut trials = Vec::new();
    for attempt in corpus.attempts() {
        if attempt.way == Way::Alone {
            continue;
        }
        let row = Row {
            kind: attempt.kind,
            case: attempt.case.clone(),
        };
        if rows.last() != Some(&row) {
            rows.push(row);
        }
        trials.push(Trial {
            row: rows.len() - 1,
            to: to(&attempt),
            attempt,
        });
    }
    (rows, trials)
}

/// A request for the blocked address, however it is written, goes to that address, as a client's
/// would; a filter that compares destinations shall see it.
fn to(attempt: &Attempt) -> SocketAddr {
    let destination = attempt.destination;
    match attempt.way {
        Way::Explicit => SocketAddr::new(GATEWAY[0].parse().expect("an address"), EXPLICIT_PORT),
        Way::Tls | Way::Alone => destination,
        Way::Http => {
            let places = places(&attempt.sending.bytes(), destination.ip());
            let hosts: BTreeSet<&str> = places.iter().filter_map(host).collect();
            let blocked = [BLOCKED_ADDRESS, BLOCKED_ADDRESS_V6]
                .into_iter()
                .find(|address| hosts.contains(address));
            let address = blocked.map(|address| address.parse().expect("an address"));
            SocketAddr::new(
                address.unwrap_or_else(|| destination.ip()),
                destination.port(),
            )
        }
    }
}

fn host(place: &Place) -> Option<&str> {
    match place {
        Place::Of { host, .. } => Some(host),
        Place::Unread => None,
    }
}
