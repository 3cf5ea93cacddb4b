//! Where live sessions are kept: in this process, or in one place for several gateways.

use std::fmt;
use std::future::{Future, ready};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use ipnet::IpNet;

use crate::live::{
    Applied, Assignment, LiveSessions, Record, Refused, Report, SessionId, Switched,
};
use crate::{Origin, Selected, Session, SessionKey};

/// What a store answers, now or later.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Keeps live sessions. What changes one applies to requests that come later.
pub trait SessionStore: fmt::Debug + Send + Sync {
    /// Returns the open session of the longest range that holds `client`. Does not wait itself.
    /// IPv4-mapped addresses are IPv4.
    fn lookup(&self, client: IpAddr) -> Lookup {
        self.behind(client).into()
    }

    /// Returns what is kept of the session that [`lookup`](Self::lookup) finds. Not for requests:
    /// it may take turns with those who report.
    fn behind(&self, client: IpAddr) -> Lookup<Arc<Record>>;

    /// Puts a change in force. It is under way when this returns, whether or not the answer is
    /// waited for; two changes of one session come in force in the order in which they are asked
    /// for. What the answer says is kept as safely as the store keeps anything.
    ///
    /// Fails without a change if there is no room. If the store did not answer in time, nobody
    /// knows; whoever reported will do so again.
    fn change(&self, change: Change, now_s: u32) -> Pending<Result<Effect, Unstored>>;

    /// Returns the session of exactly this range.
    fn get(&self, range: IpNet) -> Pending<Reported<Arc<Record>>>;

    /// Returns a page of open sessions of about `count`, at most
    /// [`PAGE_MAX`](crate::PAGE_MAX), from where another page ended. A session that stays is on
    /// at least one page.
    fn page(&self, from: Option<u64>, count: usize) -> Pending<Result<Page, Unavailable>>;

    /// Returns what became of sessions without a change that was asked for here, since this was
    /// called last: they ended by themselves, or somebody else changed them. Called once a second.
    fn noticed(&self, now_s: u32) -> Pending<Noticed>;

    /// Returns the key of a session: one for as long as it is open.
    fn key(&self, record: &Record) -> SessionKey;

    /// Returns how many sessions are kept here, be it that there are more elsewhere.
    fn len(&self) -> usize;

    /// Returns whether no session is kept here.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Who is behind an address.
pub enum Lookup<T = Session> {
    /// It is known here: an open session, or that there is none.
    Known(Option<T>),
    /// The store has to be asked, which ends within a time that is configured.
    Asking(Pending<Reported<T>>),
}

/// The open session behind an address, if the network reported one.
pub type Reported<T = Session> = Result<Option<T>, Unavailable>;

impl<T> Lookup<T> {
    /// Returns the answer, and waits for it only where it is not known here.
    pub async fn answer(self) -> Reported<T> {
        match self {
            Self::Known(found) => Ok(found),
            Self::Asking(asking) => asking.await,
        }
    }
}

impl From<Lookup<Arc<Record>>> for Lookup {
    fn from(lookup: Lookup<Arc<Record>>) -> Self {
        let session = |found: Option<Arc<Record>>| found.map(|it| it.session().clone());
        match lookup {
            Lookup::Known(found) => Self::Known(session(found)),
            Lookup::Asking(asking) => {
                Self::Asking(Box::pin(async move { asking.await.map(session) }))
            }
        }
    }
}

/// What is to become of sessions.
#[derive(Clone, Debug)]
pub enum Change {
    /// A NAS reports an open session.
    Report(Report),
    /// A NAS reports the end of a session.
    Close {
        /// Who reports.
        nas: Box<str>,
        /// What it calls the session.
        id: SessionId,
        /// When it happened, in seconds since 1970.
        event_s: u32,
    },
    /// A NAS was switched on or off: all its sessions have ended.
    Switch {
        /// Who reports.
        nas: Box<str>,
        /// On or off.
        switched: Switched,
        /// When it happened, in seconds since 1970.
        event_s: u32,
    },
    /// An operator says what is behind a range.
    Assign(IpNet, Assignment),
    /// An operator ends the session at a range.
    Remove(IpNet),
    /// A policy server, or what stands in for it, selects the profile of a session.
    Select {
        /// Which session.
        session: SessionKey,
        /// What is selected.
        selected: Selected,
        /// Who selects it.
        origin: Origin,
    },
}

/// What a change did.
#[derive(Clone, Debug)]
pub struct Effect {
    /// What became of the session that it was about.
    pub applied: Applied,
    /// Other sessions that ended by it, as they had its addresses.
    pub ended: Vec<Arc<Record>>,
}

/// A page of sessions.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The sessions.
    pub sessions: Vec<Arc<Record>>,
    /// Where the page ends; none: these were the last.
    pub next: Option<u64>,
}

/// What became of sessions by itself, or by others.
#[derive(Clone, Debug, Default)]
pub struct Noticed {
    /// They have ended.
    pub ended: Vec<Arc<Record>>,
    /// They have other facts now.
    pub changed: Vec<Arc<Record>>,
}

/// A change was not put in force.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unstored {
    /// There is no room.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The store cannot be asked.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The store cannot be asked now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the store of sessions does not answer")]
pub struct Unavailable;

impl SessionStore for LiveSessions {
    fn lookup(&self, client: IpAddr) -> Lookup {
        Lookup::Known(Self::lookup(self, client))
    }

    fn behind(&self, client: IpAddr) -> Lookup<Arc<Record>> {
        Lookup::Known(Self::behind(self, client))
    }

    fn change(&self, change: Change, now_s: u32) -> Pending<Result<Effect, Unstored>> {
        Box::pin(ready(self.apply(&change, now_s).map_err(Unstored::from)))
    }

    fn get(&self, range: IpNet) -> Pending<Reported<Arc<Record>>> {
        Box::pin(ready(Ok(Self::get(self, range))))
    }

    fn page(&self, from: Option<u64>, count: usize) -> Pending<Result<Page, Unavailable>> {
        let (sessions, next) = Self::page(self, from, count);
        Box::pin(ready(Ok(Page { sessions, next })))
    }

    fn noticed(&self, now_s: u32) -> Pending<Noticed> {
        let ended = self.sweep(now_s);
        Box::pin(ready(Noticed {
            ended,
            changed: Vec::new(),
        }))
    }

    fn key(&self, record: &Record) -> SessionKey {
        Self::key(self, record)
    }

    fn len(&self) -> usize {
        Self::len(self)
    }
}

impl<T: fmt::Debug> fmt::Debug for Lookup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(record) => f.debug_tuple("Known").field(record).finish(),
            Self::Asking(_) => f.write_str("Asking"),
        }
    }
}
