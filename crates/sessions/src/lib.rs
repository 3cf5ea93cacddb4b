//! Who is behind an address, and which profile that session has (S4 4).

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

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
    ranges: Vec<(IpNet, Arc<Session>)>,
}

impl Directory {
    /// Returns the session of the longest range that holds `client`. IPv4-mapped addresses are
    /// IPv4.
    #[must_use]
    pub fn lookup(&self, _client: IpAddr) -> Option<&Arc<Session>> {
        let _ = &self.ranges;
        todo!()
    }

    /// Returns the name of the profile for a session, in the order of S4 4: what the session was
    /// given, the default of its access point, nothing (the caller then takes the policy's
    /// default profile).
    #[must_use]
    pub fn profile_name<'a>(&'a self, _session: Option<&'a Session>) -> Option<&'a Arc<str>> {
        todo!()
    }
}
