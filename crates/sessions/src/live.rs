//! Subscriber sessions as the network reports them while the program runs.
//!
//! Whoever reports takes turns; who looks up waits for nobody. Time comes in as seconds since 1970.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use crate::store::Effect;
use crate::{Digits, Origin, Session, SessionKey};

mod change;
mod closed;
mod facts;
mod line;
mod numbered;
mod plan;
mod record;
mod shards;
mod slots;
mod snapshot;
mod stored;
#[cfg(test)]
mod tests;
mod writer;

pub use change::Switched;
pub use closed::CLOSED_MAX;
pub use plan::{Ended, Plan, View};
pub use record::{Nas, Record, SESSION_ID_LEN_MAX, SessionId};
pub use shards::LENGTHS_MAX;
pub use snapshot::{BadSnapshot, SNAPSHOT_RECORD_LEN_MAX};
pub use stored::{Names, owner_of};
pub use writer::{APNS_MAX, NAMES_MAX, NAS_MAX};

use facts::{Common, Facts};
use shards::Shards;
use writer::Writer;

/// Sessions of a table at most, whatever it is told.
pub const SESSIONS_MAX: usize = 1 << 24;

/// Addresses and prefixes of one session at most.
pub const RANGES_MAX: usize = 4;

/// Sessions on one page of a list at most.
pub const PAGE_MAX: usize = 1_000;

/// Shards that one [`LiveSessions::sweep`] looks at, at least: small tables at once.
const SWEPT_MIN: usize = 1_024;

/// Calls of [`LiveSessions::sweep`] after which a large table was looked through.
const SWEEPS: usize = 64;

/// The table of open sessions, bounded, shared by all who report and all who look up.
#[derive(Debug)]
pub struct LiveSessions {
    shards: Shards,
    common: Common,
    /// Nobody who looks up takes it.
    writer: Mutex<Writer>,
    stored: AtomicUsize,
    limits: LiveLimits,
}

/// Limits of a table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LiveLimits {
    /// Sessions at most; up to [`SESSIONS_MAX`].
    pub sessions_max: usize,
    /// How long a session lives after it was last reported, in seconds.
    pub lifetime_s: u32,
}

/// What a NAS reports of an open session.
#[derive(Clone, Debug)]
pub struct Report {
    /// Who reports: an address or a name.
    pub nas: Box<str>,
    /// What it calls the session.
    pub id: SessionId,
    /// Addresses and prefixes; none: those that were reported before.
    pub ranges: Vec<IpNet>,
    /// The subscriber's number, if reported.
    pub msisdn: Option<Digits>,
    /// The subscriber's identity, if reported.
    pub imsi: Option<Digits>,
    /// The access point name, if reported.
    pub apn: Option<Box<str>>,
    /// The profile that an attribute of the report stands for, by name.
    pub profile: Option<Arc<str>>,
    /// When it happened, in seconds since 1970.
    pub event_s: u32,
}

/// What an operator says about the session at a range.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Assignment {
    /// The subscriber's number.
    pub msisdn: Option<Digits>,
    /// The subscriber's identity.
    pub imsi: Option<Digits>,
    /// The access point name.
    pub apn: Option<Box<str>>,
    /// The profile by name; none: what the configuration selects.
    pub profile: Option<Arc<str>>,
}

/// What became of a report.
#[derive(Clone, Debug)]
pub enum Applied {
    /// There is a new session.
    Opened(Arc<Record>),
    /// A session is as reported now.
    Changed(Arc<Record>),
    /// A session has ended.
    Closed(Arc<Record>),
    /// All sessions of a NAS have ended.
    Switched,
    /// Something later is known: nothing changed.
    Stale,
    /// There is no such session: nothing changed.
    Unknown,
}

impl From<Applied> for Effect {
    fn from(applied: Applied) -> Self {
        Self {
            applied,
            ended: Vec::new(),
        }
    }
}

/// Why a report could not be taken. Nothing changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// As many sessions are open as there may be.
    #[error("there are as many sessions as `sessions.live.sessions_max` allows")]
    Full,
    /// As many names of access points and profiles were there as there may be.
    #[error(
        "sessions have had more than {} profiles since the program began; restart it",
        NAMES_MAX - APNS_MAX
    )]
    ManyNames,
    /// As many NAS have reported as there may be.
    #[error("more than {NAS_MAX} NAS report sessions; use at most so many")]
    ManyNas,
    /// Too many lengths of prefixes.
    #[error("sessions have more than {LENGTHS_MAX} lengths of prefixes; use at most so many")]
    ManyLengths,
    /// Too many ranges in one report.
    #[error("a session has more than {RANGES_MAX} addresses and prefixes; use at most so many")]
    ManyRanges,
}

impl LiveSessions {
    /// Creates an empty table.
    #[must_use]
    pub fn new(limits: LiveLimits) -> Self {
        let sessions_max = limits.sessions_max.min(SESSIONS_MAX);
        Self {
            shards: Shards::new(sessions_max),
            common: Common::new(),
            writer: Mutex::new(Writer::default()),
            stored: AtomicUsize::new(0),
            limits: LiveLimits {
                sessions_max,
                ..limits
            },
        }
    }

    /// Returns the session of the longest range that holds `client`, without a lock. IPv4-mapped
    /// addresses are IPv4.
    #[must_use]
    pub fn lookup(&self, client: IpAddr) -> Option<Session> {
        let open = |facts: Facts| self.common.open_session(&facts);
        self.shards.lookup(client, open)
    }

    /// Returns what is kept of the session that [`lookup`](Self::lookup) finds. It takes turns
    /// with those who report.
    #[must_use]
    pub fn behind(&self, client: IpAddr) -> Option<Arc<Record>> {
        let writer = self.writer();
        let record = |facts: Facts| self.record(&writer, &facts).filter(Record::is_open);
        self.shards.lookup(client, record).map(Arc::new)
    }

    /// Returns the session of exactly this range. It takes turns with those who report.
    #[must_use]
    pub fn get(&self, range: IpNet) -> Option<Arc<Record>> {
        let range = crate::unmapped(range).trunc();
        let record = self.at(&self.writer(), &range);
        record.filter(Record::is_open).map(Arc::new)
    }

    /// Returns the key of a session of this table: for as long as the table lives no other has it.
    #[must_use]
    pub fn key(&self, record: &Record) -> SessionKey {
        self.key_of(record.ranges(), record.serial)
    }

    /// Returns how many sessions are kept. Those of a NAS that was switched off are counted until
    /// they are swept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stored.load(Ordering::Relaxed)
    }

    /// Returns whether no session is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the limits.
    #[must_use]
    pub fn limits(&self) -> LiveLimits {
        self.limits
    }

    /// Returns a page of open sessions of at most `count` and [`PAGE_MAX`], from the place where
    /// another page ended, and the place where this one ends; none: these were the last. A session
    /// that stays is on exactly one page.
    #[must_use]
    pub fn page(&self, from: Option<u64>, count: usize) -> (Vec<Arc<Record>>, Option<u64>) {
        let count = count.clamp(1, PAGE_MAX);
        let mut page: Vec<Arc<Record>> = Vec::new();
        let mut last = None;
        let first = from.map_or(0, |tag| self.shards.place_of(tag));
        for place in first..self.shards.count() {
            // What moves meanwhile could be missed. Who reports has a turn after every few sessions.
            let writer = self.writer();
            for entry in self.shards.entries(place) {
                if from.is_some_and(|from| entry.tag <= from) {
                    continue;
                }
                // Those with one tag stay together, so that none is between two pages.
                if page.len() >= count && last != Some(entry.tag) {
                    return (page, last);
                }
                let record = self.record(&writer, &entry.facts);
                let record = record.filter(Record::is_open);
                if let Some(record) = record.filter(|it| Shards::is_first(it.ranges(), entry.tag)) {
                    page.push(Arc::new(record));
                    last = Some(entry.tag);
                }
            }
        }
        (page, None)
    }

    /// Returns the session of exactly this range, whether or not it is open.
    fn at(&self, writer: &Writer, range: &IpNet) -> Option<Record> {
        self.record(writer, &self.shards.get(range)?)
    }

    /// Returns all that is kept of a session.
    fn record(&self, writer: &Writer, facts: &Facts) -> Option<Record> {
        let rest = writer.rest(facts.place)?;
        Some(Record {
            nas: self.common.nas.get(facts.nas).cloned()?,
            session: self.common.session(facts),
            ranges: rest.ranges.clone(),
            id: rest.id.clone(),
            serial: rest.serial,
            expires_s: rest.expires_s,
        })
    }

    fn key_of(&self, ranges: &[IpNet], serial: u32) -> SessionKey {
        let place = ranges.first().map_or(0, |range| self.shards.place(range));
        let place = u64::try_from(place).unwrap_or_default();
        SessionKey(place << u32::BITS | u64::from(serial))
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Takes over what was reported before and is not now.
    fn filled_from(mut self, old: &Self) -> Self {
        self.msisdn = self.msisdn.or(old.msisdn);
        self.imsi = self.imsi.or(old.imsi);
        self.apn = self.apn.or_else(|| old.apn.clone());
        let keeps = match old.origin {
            Origin::Configuration => false,
            Origin::Attribute => self.profile.is_none(),
            Origin::ChargingRule | Origin::ProfileId | Origin::Fallback | Origin::Admin => true,
        };
        if keeps {
            self.profile = old.profile.clone();
            self.origin = old.origin;
        }
        self
    }
}
