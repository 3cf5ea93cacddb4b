//! Who is behind an address, and which profile that session has (S4 4).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use prefix_trie::joint::JointPrefixMap;

mod feed;
mod select;
#[cfg(test)]
mod tests;

pub use feed::{
    Busy, Fallback, PolicyServer, ProfileFacts, Reselect, SessionEvent, SessionKey, Subscriber,
};
pub use select::{GxProfile, ProfileRule, Selected, Selection};

/// One subscriber session.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Session {
    /// The subscriber's number, decimal digits.
    pub msisdn: Option<Box<str>>,
    /// The subscriber's identity, decimal digits.
    pub imsi: Option<Box<str>>,
    /// The access point name.
    pub apn: Option<Box<str>>,
    /// The profile that a policy server or the configuration chose, by name.
    pub profile: Option<Arc<str>>,
}

/// Sessions by client address, the longest range first, and the defaults of access points.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    ranges: JointPrefixMap<IpNet, Arc<Session>>,
    /// By name in lower case.
    users: BTreeMap<Box<str>, Arc<Session>>,
    selection: Selection,
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
        }
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

    /// Returns the session of the longest range that holds `client`. IPv4-mapped addresses are
    /// IPv4.
    #[must_use]
    pub fn lookup(&self, client: IpAddr) -> Option<&Arc<Session>> {
        let client = IpNet::from(client.to_canonical());
        let (_, session) = self.ranges.get_lpm(&client)?;
        Some(session)
    }

    /// Returns the name of the profile for a session, in the order of S4 4: what the session was
    /// given, the default of its access point, nothing (the caller then takes the policy's
    /// default profile).
    #[must_use]
    pub fn profile_name<'a>(&'a self, session: Option<&'a Session>) -> Option<&'a Arc<str>> {
        let session = session?;
        let apn = session.apn.as_deref();
        session
            .profile
            .as_ref()
            .or_else(|| self.selection.apn_default(apn?))
    }

    /// Returns all profiles that a session here can have, by name. Some come more than once.
    pub fn profiles(&self) -> impl Iterator<Item = &Arc<str>> {
        let ranges = self.ranges.iter().map(|(_, session)| session);
        let sessions = ranges.chain(self.users.values());
        let own = sessions.filter_map(|session| session.profile.as_ref());
        own.chain(self.selection.profiles())
    }

    /// Returns how profiles are selected for the sessions that feeds report.
    #[must_use]
    pub fn selection(&self) -> &Selection {
        &self.selection
    }
}

fn unmapped(range: IpNet) -> IpNet {
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
