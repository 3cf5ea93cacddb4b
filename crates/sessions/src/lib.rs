//! Who is behind an address, and which profile that session has (S4 4).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use prefix_trie::joint::JointPrefixMap;

mod digits;
mod feed;
mod live;
mod name;
mod select;
mod store;
#[cfg(test)]
mod tests;

pub use digits::{DIGITS_MAX, Digits, DigitsText};
pub use feed::{
    Busy, Fallback, PolicyServer, ProfileFacts, Reselect, SessionEvent, SessionKey, Subscriber,
};
pub use live::{
    APNS_MAX, Applied, Assignment, BadSnapshot, CLOSED_MAX, Ended, LENGTHS_MAX, LiveLimits,
    LiveSessions, NAMES_MAX, NAS_MAX, Names, Nas, PAGE_MAX, Plan, RANGES_MAX, Record, Refused,
    Report, SESSION_ID_LEN_MAX, SESSIONS_MAX, SNAPSHOT_RECORD_LEN_MAX, SessionId, Switched, View,
    owner_of,
};
pub use name::Name;
pub use select::{GxProfile, ProfileRule, Selected, Selection};
pub use store::{
    Change, Effect, Lookup, Noticed, Page, Pending, Reported, SessionStore, Unavailable, Unstored,
};

/// One subscriber session.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Session {
    /// When the event was that said so last, in seconds since 1970; 0: the configuration.
    pub changed_s: u32,
    /// Who selected the profile.
    pub origin: Origin,
    /// The profile that was selected for this session, by name.
    pub profile: Option<Name>,
    /// The subscriber's number.
    pub msisdn: Option<Digits>,
    /// The subscriber's identity.
    pub imsi: Option<Digits>,
    /// The access point name.
    pub apn: Option<Name>,
}

/// Who selected the profile of a session.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Origin {
    /// The configuration: for the range or user, or else the access point's or policy's default.
    #[default]
    Configuration,
    /// An attribute of what the NAS reported.
    Attribute,
    /// What stands in for a policy server that does not answer.
    Fallback,
    /// A charging rule of the policy server.
    ChargingRule,
    /// The profile id of the policy server.
    ProfileId,
    /// An operator.
    Admin,
}

impl Origin {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Configuration,
        Self::Attribute,
        Self::Fallback,
        Self::ChargingRule,
        Self::ProfileId,
        Self::Admin,
    ];

    /// Returns the word of logs and the admin API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Attribute => "attribute",
            Self::Fallback => "fallback",
            Self::ChargingRule => "charging_rule",
            Self::ProfileId => "profile_id",
            Self::Admin => "admin",
        }
    }

    /// Returns what stands for it in a snapshot.
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Configuration => 0,
            Self::Attribute => 1,
            Self::Fallback => 2,
            Self::ChargingRule => 3,
            Self::ProfileId => 4,
            Self::Admin => 5,
        }
    }

    /// Reads what [`byte`](Self::byte) returned.
    pub(crate) fn of_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

impl Session {
    /// Returns whether it was decided that this session is not filtered.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.profile.is_none() && self.origin != Origin::Configuration
    }
}

/// The session behind an address: of the configuration, or as the network reported it last.
#[derive(Clone, Debug)]
pub enum Known {
    /// Of the configuration.
    Fixed(Arc<Session>),
    /// Reported while the program runs. It stays as it is when something else is reported.
    Live(Session),
}

impl Deref for Known {
    type Target = Session;

    fn deref(&self) -> &Session {
        match self {
            Self::Fixed(session) => session,
            Self::Live(session) => session,
        }
    }
}

/// Sessions by client address, the longest range first, and the defaults of access points.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    ranges: JointPrefixMap<IpNet, Arc<Session>>,
    /// By name in lower case.
    users: BTreeMap<Box<str>, Arc<Session>>,
    selection: Selection,
    live: Option<Arc<dyn SessionStore>>,
    /// What becomes of clients whose session cannot be asked for; none: as if there were none.
    unavailable: Option<Arc<Session>>,
}

impl Directory {
    /// Creates the directory of the sessions given; of equal ranges the last is kept, since a
    /// later session replaces an earlier one. Address bits after a prefix do not matter, and
    /// IPv4-mapped ranges are IPv4.
    #[must_use]
    pub fn new(
        ranges: impl IntoIterator<Item = (IpNet, Arc<Session>)>,
        selection: Selection,
    ) -> Self {
        let ranges = ranges.into_iter();
        Self {
            ranges: ranges
                .map(|(range, session)| (unmapped(range).trunc(), session))
                .collect(),
            users: BTreeMap::new(),
            selection,
            live: None,
            unavailable: None,
        }
    }

    /// Adds the sessions that the network reports. They come before the ranges here. Where the
    /// store cannot be asked, `unavailable` says what becomes of a client.
    #[must_use]
    pub fn with_live(
        mut self,
        live: Option<Arc<dyn SessionStore>>,
        unavailable: &Fallback,
    ) -> Self {
        self.live = live;
        let profile = match unavailable {
            Fallback::NextSource => {
                self.unavailable = None;
                return self;
            }
            Fallback::Off => None,
            Fallback::Profile(name) => Some(Name::from(Arc::clone(name))),
        };
        self.unavailable = Some(Arc::new(Session {
            profile,
            origin: Origin::Fallback,
            ..Session::default()
        }));
        self
    }

    /// Adds the sessions of users, by the names that an ICAP client knows them by. Their case
    /// does not matter: the directories that ICAP clients ask about passwords mostly do not mind
    /// it either, and a user who writes the own name otherwise must not get another profile.
    #[must_use]
    pub fn with_users(mut self, users: impl IntoIterator<Item = (String, Arc<Session>)>) -> Self {
        let users = users.into_iter();
        self.users
            .extend(users.map(|(name, session)| (name.to_lowercase().into(), session)));
        self
    }

    /// Returns the session of a user.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&Arc<Session>> {
        if self.users.is_empty() {
            return None;
        }
        self.users.get(name.to_lowercase().as_str())
    }

    /// Returns the session of `client`: what the network reported, else that of the longest range
    /// here that holds it. IPv4-mapped addresses are IPv4. It waits only where the sessions that
    /// the network reports are elsewhere, and this one is not known here.
    pub async fn find(&self, client: IpAddr) -> Option<Known> {
        self.session(client, self.ask(client).answer().await)
    }

    /// Asks who is behind an address by what the network reported.
    #[must_use]
    pub fn ask(&self, client: IpAddr) -> Lookup {
        match &self.live {
            Some(live) => live.lookup(client),
            None => Lookup::Known(None),
        }
    }

    /// Returns the session of `client`, given the answer to [`ask`](Self::ask).
    #[must_use]
    pub fn session(&self, client: IpAddr, reported: Reported) -> Option<Known> {
        match (reported, &self.unavailable) {
            (Ok(Some(session)), _) => Some(Known::Live(session)),
            (Err(Unavailable), Some(instead)) => Some(Known::Fixed(Arc::clone(instead))),
            (Ok(None), _) | (Err(Unavailable), None) => {
                self.configured(client).cloned().map(Known::Fixed)
            }
        }
    }

    /// Returns the configured session of the longest range that holds `client`. IPv4-mapped
    /// addresses are IPv4.
    #[must_use]
    pub fn configured(&self, client: IpAddr) -> Option<&Arc<Session>> {
        let client = IpNet::from(client.to_canonical());
        let (_, session) = self.ranges.get_lpm(&client)?;
        Some(session)
    }

    /// Returns the name of the profile for a session, if it has one: its own or that of its
    /// access point, else `default`. A session that is not filtered has none.
    #[must_use]
    pub fn profile<'a>(
        &'a self,
        session: Option<&'a Session>,
        default: Option<&'a str>,
    ) -> Option<&'a str> {
        if session.is_some_and(Session::is_off) {
            return None;
        }
        self.profile_name(session).or(default)
    }

    /// Returns the name of the profile for a session, in the order of S4 4: what the session was
    /// given, the default of its access point, nothing (the caller then takes the policy's
    /// default profile).
    #[must_use]
    pub fn profile_name<'a>(&'a self, session: Option<&'a Session>) -> Option<&'a str> {
        let session = session?;
        if session.is_off() {
            return None;
        }
        let by_apn = || self.selection.apn_default(session.apn.as_deref()?);
        session
            .profile
            .as_deref()
            .or_else(|| by_apn().map(AsRef::as_ref))
    }

    /// Returns whether a session says itself, or by its access point, which profile it has or that
    /// it has none.
    #[must_use]
    pub fn decides(&self, session: Option<&Session>) -> bool {
        session.is_some_and(Session::is_off) || self.profile_name(session).is_some()
    }

    /// Returns all profiles that a session here can have, by name. Some come more than once.
    pub fn profiles(&self) -> impl Iterator<Item = &str> {
        let ranges = self.ranges.iter().map(|(_, session)| session);
        let sessions = ranges.chain(self.users.values());
        let own = sessions.filter_map(|session| session.profile.as_deref());
        own.chain(self.selection.profiles().map(AsRef::as_ref))
    }

    /// Returns how profiles are selected for the sessions that feeds report.
    #[must_use]
    pub fn selection(&self) -> &Selection {
        &self.selection
    }
}

/// Returns a range of IPv4 where it is a mapped one.
#[must_use]
pub fn unmapped(range: IpNet) -> IpNet {
    let IpNet::V6(v6) = range else {
        return range;
    };
    let mapped = v6.addr().to_ipv4_mapped();
    let length = v6.prefix_len().checked_sub(96);
    match mapped.zip(length) {
        Some((address, length)) => Ipv4Net::new(address, length).map_or(range, IpNet::V4),
        None => range,
    }
}
