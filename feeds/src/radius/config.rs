//! What the listener is told.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use accounting::Hint;
use ipnet::IpNet;

/// Addresses where reports are taken, at most.
pub const LISTEN_MAX: usize = 16;

/// Clients at most.
pub const CLIENTS_MAX: usize = 1_024;

/// Values of attributes that stand for profiles, at most.
pub const PROFILES_MAX: usize = 4_096;

/// Everything the listener was told, already checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where reports are taken. Port 0: the system chooses.
    pub listen: Vec<SocketAddr>,
    /// Who may report; the longest range that holds an address counts.
    pub clients: Vec<Client>,
    /// Which values of attributes stand for which profiles.
    pub profiles: Vec<HintedProfile>,
}

/// Who may report.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where it sends from.
    pub range: IpNet,
    /// What it shares with us.
    pub secret: Secret,
}

/// A shared secret. It is never shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Arc<[u8]>);

/// A value of an attribute that stands for a profile.
#[derive(Clone, Debug)]
pub struct HintedProfile {
    /// Which attribute.
    pub hint: Hint,
    /// Its whole value.
    pub value: Box<[u8]>,
    /// The profile, by name.
    pub profile: Arc<str>,
    /// Of several that a report has the one with the highest priority counts, of equal ones the
    /// first here.
    pub priority: u32,
}

impl Config {
    /// Returns the secret of who sends from this address.
    pub(super) fn secret(&self, from: IpAddr) -> Option<&Secret> {
        let from = from.to_canonical();
        let holding = self.clients.iter().filter(|it| it.range.contains(&from));
        let longest = holding.max_by_key(|it| it.range.prefix_len())?;
        Some(&longest.secret)
    }

    /// Returns the profile that the attributes of a report stand for.
    pub(super) fn profile(&self, report: &accounting::Request) -> Option<&Arc<str>> {
        let values = |hint| report.hints(hint).collect::<Vec<_>>();
        let (classes, filters) = (values(Hint::Class), values(Hint::FilterId));
        let meant = self.profiles.iter().filter(|it| {
            let values = match it.hint {
                Hint::Class => &classes,
                Hint::FilterId => &filters,
            };
            values.iter().any(|value| **value == *it.value)
        });
        // The last of equal ones is the greatest, so the order is turned.
        let first = meant.rev().max_by_key(|it| it.priority)?;
        Some(&first.profile)
    }
}

impl Secret {
    /// Takes a secret of at least one byte.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (!bytes.is_empty()).then(|| Self(bytes.into()))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
