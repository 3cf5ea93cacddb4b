/// What happens to one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// The request goes to the origin.
    Pass,
    /// The request is refused, as the profile's block response says.
    Block,
    /// The client is sent to another URI.
    Redirect(DestinationId),
}

/// Index of a redirect destination in its [`PolicySet`](crate::PolicySet), in the order of the
/// policy file with the destinations of `policies` before those of profiles.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct DestinationId(pub u32);

impl DestinationId {
    /// The destination that a categorizer's answer names itself: behind those of every policy,
    /// whose files cannot have as many.
    pub const OF_ANSWER: Self = Self(u32::MAX);
}

/// What a blocked client gets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BlockResponse {
    /// No byte; the connection is closed (S4 3.1).
    #[default]
    Discard,
    /// A TCP reset.
    Reset,
    /// 403 with the block page; on TLS the alert `access_denied`.
    Forbidden,
}

/// What is done about a name that passes and does not lead to the address that the client dialled.
///
/// Only a pass that a pass list or a category gave is checked: a block needs no DNS.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SniCheck {
    /// Nothing: DNS is not asked.
    Off,
    /// It passes, and is logged and counted.
    #[default]
    Log,
    /// It takes the undecidable action.
    Require,
}

/// Whether what a profile decides is done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Effect {
    /// It is.
    #[default]
    Enforced,
    /// It is logged and counted, and every request passes.
    Reported,
}

impl SniCheck {
    /// Returns the word of files, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Log => "log",
            Self::Require => "require",
        }
    }
}

impl Action {
    /// Returns the action to take on a TLS connection, which cannot be redirected (S4 3.1).
    #[must_use]
    pub fn for_tls(self) -> Self {
        match self {
            Self::Pass => Self::Pass,
            Self::Block | Self::Redirect(_) => Self::Block,
        }
    }

    pub(crate) fn rank(self) -> (u8, std::cmp::Reverse<u32>) {
        match self {
            Self::Pass => (0, std::cmp::Reverse(0)),
            Self::Block => (1, std::cmp::Reverse(0)),
            Self::Redirect(DestinationId(order)) => (2, std::cmp::Reverse(order)),
        }
    }
}

/// Picks the most restrictive action: pass is least, then block, then redirect; of two redirects
/// the one that stands first in the policy file.
pub fn most_restrictive(actions: impl IntoIterator<Item = Action>) -> Option<Action> {
    actions.into_iter().max_by_key(|action| action.rank())
}
