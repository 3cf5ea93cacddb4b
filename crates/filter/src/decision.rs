use std::sync::Arc;

use policy::{
    Action, AskError, BlockResponse, DestinationId, Effect, PolicySet, Profile, RedirectFacts,
    RedirectTemplate, SniCheck,
};
use uri::InvalidUri;

use crate::Binding;
use crate::verdict::{Ground, Verdict};

/// What was decided for one request, and why.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What to do, before the protocol is considered.
    pub action: Action,
    /// What the decision was based on.
    pub source: Source,
    /// Why the request could not be judged, if it could not.
    pub undecidable: Option<Undecidable>,
    /// Why the categorizer did not answer, if that decided.
    pub failure: Option<AskError>,
    /// The list entry or the category that decided, if one did; of a categorizer's own verdict
    /// `http_response` and its status.
    pub rule: Option<Arc<str>>,
    /// The categories that were found, in lower case.
    pub categories: Arc<[Arc<str>]>,
    /// Where a redirect goes.
    pub destination: Option<Arc<RedirectTemplate>>,
    /// What a blocked client gets.
    pub block_response: BlockResponse,
    /// The profile that was applied, by name.
    pub profile: Option<Arc<str>>,
    /// What is to be done if the name does not lead to the address that the client dialled: `Off`
    /// for all but a pass that a pass list or a category gave. A client that lies about the name
    /// gains nothing by any other decision.
    pub sni_check: SniCheck,
    /// Whether the action is done, or only told.
    pub effect: Effect,
    /// Whether the categorizer's answer carried a prefix length that was not valid.
    pub prefix_rejected: bool,
}

/// What a decision was based on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// A port, or TLS, that is not filtered.
    Unfiltered,
    /// A bypass address.
    Bypass,
    /// The session has no profile.
    NoProfile,
    /// An earlier decision.
    Cache,
    /// The profile's pass list.
    PassList,
    /// The profile's block list.
    BlockList,
    /// The profile's redirect list.
    RedirectList,
    /// The policy's action for a category, or what the categorizer itself wants.
    Icap,
    /// Every action came from the profile's default action.
    Default,
    /// The profile's unknown action.
    Unknown,
    /// The profile's error action.
    Error,
    /// The profile's undecidable action.
    Undecidable,
}

/// Why a request cannot be judged; each has its own place in log and metrics.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Undecidable {
    /// A Client Hello without a server name.
    NoSni,
    /// A Client Hello over the limit.
    HelloTooLong,
    /// No whole Client Hello, or no first bytes, before the deadline.
    HelloTooLate,
    /// A Client Hello that is not one.
    HelloMalformed,
    /// A Client Hello that needs more memory than all of them may hold together.
    HelloOverload,
    /// A Client Hello with two host names.
    TwoNames,
    /// A Client Hello in the manner of SSL 2.0, which has no place for a name.
    Sslv2Hello,
    /// Something else on a TLS port.
    NotTls,
    /// Something else on an HTTP port.
    NotHttp,
    /// An HTTP/2 preface, until HTTP/2 is filtered.
    Http2Preface,
    /// A host without a normal form.
    InvalidHost,
    /// A path that servers may read in more ways than are judged.
    Ambiguous,
    /// A name inside a tunnel that differs from the name in the authority.
    AuthorityMismatch,
    /// A name that does not lead to the address that the client dialled, where it must.
    DestinationMismatch,
    /// A name without an address to compare with, where it must lead to the one dialled.
    DestinationUnresolved,
}

/// The protocol that a decision is enforced on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Protocol {
    /// HTTP/1.
    Http,
    /// TLS, forwarded untouched.
    Tls,
}

/// What the proxy does to the connection (the contract's section 8).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Enforcement {
    /// Forward.
    Forward,
    /// Close without a byte.
    Discard,
    /// Reset.
    Reset,
    /// 403 with the block page, or the alert `access_denied`.
    Forbid,
    /// 302 to [`Decision::location`].
    Redirect,
}

impl Enforcement {
    /// Returns the word for it in the access log and in policy tests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Discard => "discard",
            Self::Reset => "reset",
            Self::Forbid => "forbid",
            Self::Redirect => "redirect",
        }
    }
}

impl Decision {
    /// Creates the decision for a port, or for TLS, that is not filtered.
    #[must_use]
    pub fn unfiltered() -> Self {
        Self::without_profile(Source::Unfiltered)
    }

    pub(crate) fn bypass() -> Self {
        Self::without_profile(Source::Bypass)
    }

    pub(crate) fn no_profile() -> Self {
        Self::without_profile(Source::NoProfile)
    }

    pub(crate) fn undecidable(policy: &PolicySet, profile: &Profile, reason: Undecidable) -> Self {
        let verdict = Verdict::plain(profile.undecidable_action, Source::Undecidable);
        Self {
            undecidable: Some(reason),
            ..Self::judged(policy, profile, verdict)
        }
    }

    /// Something was not judged: what it may be is undecidable, what is known still applies.
    pub(crate) fn doubtful(
        policy: &PolicySet,
        profile: &Profile,
        known: Verdict,
        reason: Undecidable,
    ) -> Self {
        let unread = Verdict::plain(profile.undecidable_action, Source::Undecidable);
        Self {
            undecidable: Some(reason),
            ..Self::judged(policy, profile, unread.or_stricter(known))
        }
    }

    pub(crate) fn judged(policy: &PolicySet, profile: &Profile, verdict: Verdict) -> Self {
        let destination = match verdict.action {
            Action::Redirect(DestinationId::OF_ANSWER) => verdict.location,
            Action::Redirect(id) => policy.destination(id).cloned(),
            Action::Pass | Action::Block => None,
        };
        Self {
            action: verdict.action,
            source: verdict.source,
            undecidable: None,
            failure: verdict.failure,
            rule: verdict.rule,
            categories: verdict.categories,
            destination,
            block_response: profile.block_response,
            profile: Some(Arc::clone(&profile.name)),
            sni_check: match (verdict.action, verdict.ground) {
                (Action::Pass, Ground::Named) => profile.sni_check,
                (Action::Pass, Ground::Fallback) | (Action::Block | Action::Redirect(_), _) => {
                    SniCheck::Off
                }
            },
            effect: profile.effect,
            prefix_rejected: false,
        }
    }

    fn without_profile(source: Source) -> Self {
        Self {
            action: Action::Pass,
            source,
            undecidable: None,
            failure: None,
            rule: None,
            categories: Arc::default(),
            destination: None,
            block_response: BlockResponse::default(),
            profile: None,
            sni_check: SniCheck::Off,
            effect: Effect::Enforced,
            prefix_rejected: false,
        }
    }

    /// Returns what becomes of the decision once DNS was asked about the name and the address
    /// that the client dialled. `policy` is the one that was decided under.
    ///
    /// The rule stays, so that the log tells which pass did not hold.
    #[must_use]
    pub fn bound(self, policy: &PolicySet, binding: Binding) -> Self {
        let reason = match (self.sni_check, binding) {
            (SniCheck::Off | SniCheck::Log, _) | (SniCheck::Require, Binding::Match) => {
                return self;
            }
            (SniCheck::Require, Binding::Mismatch) => Undecidable::DestinationMismatch,
            (SniCheck::Require, Binding::Unresolved) => Undecidable::DestinationUnresolved,
        };
        let profile = self.profile.as_ref();
        let Some(profile) = profile.and_then(|name| policy.profile(name)) else {
            return self;
        };
        Self {
            rule: self.rule,
            categories: self.categories,
            prefix_rejected: self.prefix_rejected,
            ..Self::undecidable(policy, profile, reason)
        }
    }

    /// Returns the action on a connection of this protocol, were it done. On TLS a redirect is a
    /// block.
    #[must_use]
    pub fn action_on(&self, protocol: Protocol) -> Action {
        match protocol {
            Protocol::Http => self.action,
            Protocol::Tls => self.action.for_tls(),
        }
    }

    /// Returns whether the profile only reports what it would have blocked or redirected.
    #[must_use]
    pub fn is_only_reported(&self) -> bool {
        self.effect == Effect::Reported && self.action != Action::Pass
    }

    /// Returns what to do on a connection of this protocol. Of a profile that only reports, that
    /// is to forward.
    #[must_use]
    pub fn enforcement(&self, protocol: Protocol) -> Enforcement {
        let action = match self.effect {
            Effect::Enforced => self.action_on(protocol),
            Effect::Reported => Action::Pass,
        };
        match (action, self.block_response) {
            (Action::Pass, _) => Enforcement::Forward,
            (Action::Redirect(_), _) => Enforcement::Redirect,
            (Action::Block, BlockResponse::Discard) => Enforcement::Discard,
            (Action::Block, BlockResponse::Reset) => Enforcement::Reset,
            (Action::Block, BlockResponse::Forbidden) => Enforcement::Forbid,
        }
    }

    /// Returns where a redirect sends this client, or nothing if the decision is no redirect.
    #[must_use]
    pub fn location(&self, facts: RedirectFacts<'_>) -> Option<String> {
        Some(self.destination.as_ref()?.format(facts))
    }
}

impl Source {
    /// Returns the word for logs, metrics and policy tests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unfiltered => "unfiltered",
            Self::Bypass => "bypass",
            Self::NoProfile => "no_profile",
            Self::Cache => "cache",
            Self::PassList => "pass_list",
            Self::BlockList => "block_list",
            Self::RedirectList => "redirect_list",
            Self::Icap => "icap",
            Self::Default => "default",
            Self::Unknown => "unknown",
            Self::Error => "error",
            Self::Undecidable => "undecidable",
        }
    }
}

impl From<&InvalidUri> for Undecidable {
    fn from(why: &InvalidUri) -> Self {
        match why {
            InvalidUri::TooLong => Self::Ambiguous,
            InvalidUri::Scheme(_)
            | InvalidUri::HostEmpty
            | InvalidUri::Host(_)
            | InvalidUri::Port(_) => Self::InvalidHost,
        }
    }
}

impl Undecidable {
    /// Returns the word for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSni => "no_sni",
            Self::HelloTooLong => "hello_too_long",
            Self::HelloTooLate => "hello_too_late",
            Self::HelloMalformed => "hello_malformed",
            Self::HelloOverload => "hello_overload",
            Self::TwoNames => "two_names",
            Self::Sslv2Hello => "sslv2_hello",
            Self::NotTls => "not_tls",
            Self::NotHttp => "not_http",
            Self::Http2Preface => "http2_preface",
            Self::InvalidHost => "invalid_host",
            Self::Ambiguous => "ambiguous",
            Self::AuthorityMismatch => "authority_mismatch",
            Self::DestinationMismatch => "destination_mismatch",
            Self::DestinationUnresolved => "destination_unresolved",
        }
    }
}
