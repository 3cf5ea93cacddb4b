use std::sync::Arc;
use std::time::Duration;

use diameter::{AvpName, Dictionary, Identity};
use sessions::Fallback;

/// How long a session whose policy server does not answer waits at most before it is asked for
/// again.
pub const RETRY_MAX: Duration = Duration::from_secs(15 * 60);

/// How Gx is spoken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Who asks.
    pub own: Identity,
    /// The realm that is asked.
    pub realm: Arc<str>,
    /// Changes when the program starts, and tells the policy server that sessions are gone.
    pub state: u32,
    /// The number of a Session-Id before the first: tells starts within a second apart.
    pub first_id: u32,
    /// The AVP that carries a profile's id: an Unsigned32.
    pub profile_avp: AvpName,
    /// How it is agreed that the AVP is used; none: it is used without.
    pub capability: Option<Capability>,
    /// Which rules apply to the AVP.
    pub release: Release,
    /// Which reports of a session the policy server is told of.
    pub updates: Updates,
    /// IP-CAN-Type: what kind of network the subscribers are on.
    pub network: u32,
    /// What becomes of sessions without an answer.
    pub fallback: Fallback,
    /// How long a session may be without a first answer before that happens.
    pub patience: Duration,
    /// How long a session without an answer waits before it is asked for again; twice as long
    /// each time, up to [`RETRY_MAX`].
    pub retry: Duration,
    /// Sessions at most, up to [`SESSIONS_MAX`](crate::SESSIONS_MAX).
    pub sessions_max: usize,
}

/// How both sides say that they use the AVP with the profile's id (S4 4.1.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Capability {
    /// The AVP that says so: an Unsigned32 of flags.
    pub avp: AvpName,
    /// What is sent.
    pub value: u32,
    /// The flags that have to be set in the answer to a CCR-I.
    pub mask: u32,
}

/// Which rules apply where a message comes without a profile's id (S4 4.1.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Release {
    /// Release 7: the policy server names no profile any more. A RAR never carries an id.
    Seven,
    /// Release 8 and later: what it said before stays.
    #[default]
    Eight,
}

/// Which reports of a session the policy server is told of while the session is open.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Updates {
    /// Those that say something else of the subscriber, the access point or the addresses.
    #[default]
    Changed,
    /// All of them.
    Reported,
}

impl Settings {
    /// Returns which AVPs are understood with these settings.
    #[must_use]
    pub fn dictionary(&self) -> Dictionary {
        let dictionary = Dictionary::default().with(self.profile_avp);
        match self.capability {
            Some(capability) => dictionary.with(capability.avp),
            None => dictionary,
        }
    }
}
