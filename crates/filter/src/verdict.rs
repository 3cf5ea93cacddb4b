use std::sync::Arc;

use policy::{
    Action, Active, AskError, DestinationId, ListHit, ListKind, Profile, RedirectTemplate,
    most_restrictive,
};
use uri::NormalUri;

use crate::{Answer, AnswerVerdict, Source};

/// A profile at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InForce<'a> {
    pub(crate) profile: &'a Profile,
    /// The schedules that are active.
    pub(crate) active: Active,
}

/// What may be remembered of a URI: the same for every subscriber of a profile. What an error
/// leads to is no fact, so the cache cannot hold it.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// A list entry decides it.
    Listed {
        action: Action,
        kind: ListKind,
        rule: Arc<str>,
    },
    /// The categorizer's answer.
    Told(Told),
}

/// What the categorizer said of a URI.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// None: not categorised.
    pub(crate) categories: Arc<[Arc<str>]>,
    /// What the categorizer itself wants done.
    pub(crate) verdict: Option<AnswerVerdict>,
}

/// What one reading of a request is judged by.
#[derive(Clone, Debug)]
pub(crate) enum Basis {
    /// A fact found for this request.
    Fresh(Fact),
    /// A fact found for an earlier request.
    Cached(Fact),
    /// In no list, and the profile does not ask.
    NotAsked,
    /// In no list, and the categorizer did not answer rightly in time. None: it was not asked,
    /// since a list of an earlier policy had an entry.
    Unanswered(Option<AskError>),
}

/// What a profile knows of a URI without cache and categorizer.
#[derive(Clone, Debug)]
pub(crate) enum Local {
    /// An entry of its lists decides.
    Listed(ListHit),
    /// In no list, and the profile does not ask.
    NotAsked,
    /// The categorizer must be asked.
    Ask,
}

/// What one reading of a request leads to, and why.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) action: Action,
    pub(crate) source: Source,
    pub(crate) rule: Option<Arc<str>>,
    pub(crate) categories: Arc<[Arc<str>]>,
    pub(crate) ground: Ground,
    /// Why the categorizer did not answer, if that decides.
    pub(crate) failure: Option<AskError>,
    /// Where the categorizer's own redirect goes.
    pub(crate) location: Option<Arc<RedirectTemplate>>,
}

/// Whether the action was meant for this URI: it survives the cache, which the source does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ground {
    /// A list entry, or a category that the policy names.
    Named,
    /// One of the profile's actions for what nobody named.
    Fallback,
}

/// Where the action of a category comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ActionOrigin {
    /// The profile's policy names the category.
    Policy,
    /// The profile's default action.
    Default,
}

/// One category and what it asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weighed<'a> {
    pub(crate) category: &'a Arc<str>,
    pub(crate) action: Action,
    pub(crate) origin: ActionOrigin,
}

impl Local {
    /// Looks `uri` up in the lists of the profile (S4 2).
    pub(crate) fn find(in_force: InForce<'_>, uri: &NormalUri) -> Self {
        let InForce { profile, active } = in_force;
        if let Some(hit) = profile.lists.find(uri, active) {
            Self::Listed(hit)
        } else if profile.icap {
            Self::Ask
        } else {
            Self::NotAsked
        }
    }
}

impl From<ListHit> for Fact {
    fn from(hit: ListHit) -> Self {
        Self::Listed {
            action: hit.action,
            kind: hit.kind,
            rule: hit.rule,
        }
    }
}

impl Basis {
    /// Returns what a reading is judged by once there is no more to wait for.
    pub(crate) fn settled(in_force: InForce<'_>, uri: &NormalUri, told: Option<Self>) -> Self {
        match Local::find(in_force, uri) {
            Local::Listed(hit) => Self::Fresh(hit.into()),
            Local::NotAsked => Self::NotAsked,
            Local::Ask => told.unwrap_or(Self::Unanswered(None)),
        }
    }

    /// Keeps what the categorizer said, now or earlier. It outlives a change of the policy, which
    /// what a list said does not.
    pub(crate) fn told(&self) -> Option<Self> {
        match self {
            Self::Fresh(Fact::Told(_)) | Self::Cached(Fact::Told(_)) => Some(self.clone()),
            Self::Fresh(Fact::Listed { .. })
            | Self::Cached(Fact::Listed { .. })
            | Self::NotAsked
            | Self::Unanswered(_) => None,
        }
    }

    /// Returns what the profile makes of it.
    pub(crate) fn judge(&self, in_force: InForce<'_>) -> Verdict {
        let profile = in_force.profile;
        match self {
            Self::Fresh(fact) => fact.judge(in_force),
            Self::Cached(fact) => Verdict {
                source: Source::Cache,
                ..fact.judge(in_force)
            },
            Self::NotAsked => Verdict::plain(profile.unknown_action, Source::Unknown),
            Self::Unanswered(failure) => Verdict {
                failure: *failure,
                ..Verdict::plain(profile.error_actions.action(*failure), Source::Error)
            },
        }
    }
}

impl Fact {
    fn judge(&self, in_force: InForce<'_>) -> Verdict {
        match self {
            Self::Listed { action, kind, rule } => Verdict {
                rule: Some(Arc::clone(rule)),
                ground: Ground::Named,
                ..Verdict::plain(*action, list_source(*kind))
            },
            Self::Told(told) => told.judge(in_force),
        }
    }
}

impl From<Answer> for Told {
    fn from(answer: Answer) -> Self {
        Self {
            categories: answer.categories,
            verdict: answer.verdict,
        }
    }
}

impl Told {
    /// The most restrictive of what the categories ask for and what the categorizer wants, the
    /// policy's action first among equals. Where there is a verdict and no category, nothing is
    /// unknown.
    fn judge(&self, in_force: InForce<'_>) -> Verdict {
        let by_categories = by_categories(in_force, &self.categories);
        let Some(wanted) = &self.verdict else {
            return by_categories;
        };
        let (action, location) = match wanted {
            AnswerVerdict::Block(_) => (Action::Block, None),
            AnswerVerdict::Redirect { location, .. } => {
                let action = Action::Redirect(DestinationId::OF_ANSWER);
                (action, Some(Arc::clone(location)))
            }
        };
        let wanted = Verdict {
            rule: Some(wanted.rule().into()),
            categories: Arc::clone(&self.categories),
            ground: Ground::Named,
            location,
            ..Verdict::plain(action, Source::Icap)
        };
        match self.categories.is_empty() {
            true => wanted,
            false => by_categories.or_stricter(wanted),
        }
    }
}

impl Verdict {
    /// Creates a verdict that no entry and no category stands behind.
    pub(crate) fn plain(action: Action, source: Source) -> Self {
        Self {
            action,
            source,
            rule: None,
            categories: Arc::default(),
            ground: Ground::Fallback,
            failure: None,
            location: None,
        }
    }

    /// Returns the more restrictive of two verdicts, this one if they are equally restrictive.
    /// Of two that pass, it takes both to pass, so it is named if one of them is.
    pub(crate) fn or_stricter(self, other: Self) -> Self {
        if is_stricter(other.action, self.action) {
            return other;
        }
        let ground = match (other.action == self.action, other.ground) {
            (true, Ground::Named) => Ground::Named,
            (true, Ground::Fallback) | (false, _) => self.ground,
        };
        Self { ground, ..self }
    }
}

/// Returns what each category asks for, in the order of the answer.
pub(crate) fn weigh<'a>(
    in_force: InForce<'a>,
    categories: &'a [Arc<str>],
) -> impl Iterator<Item = Weighed<'a>> {
    let InForce { profile, active } = in_force;
    let policy = profile.policy(active);
    categories.iter().map(
        move |category| match policy.and_then(|policy| policy.action(category)) {
            Some(action) => Weighed {
                category,
                action,
                origin: ActionOrigin::Policy,
            },
            None => Weighed {
                category,
                action: profile.default_action,
                origin: ActionOrigin::Default,
            },
        },
    )
}

/// The most restrictive action of all categories applies (S4 3.2); a category that the policy
/// does not name takes the default action, and no category at all the unknown action (S4 3.3).
fn by_categories(in_force: InForce<'_>, categories: &Arc<[Arc<str>]>) -> Verdict {
    let mut deciding: Option<Weighed<'_>> = None;
    let (mut source, mut ground) = (Source::Default, Ground::Fallback);
    for weighed in weigh(in_force, categories) {
        match weighed.origin {
            ActionOrigin::Policy => (source, ground) = (Source::Icap, Ground::Named),
            ActionOrigin::Default => {}
        }
        deciding = Some(match deciding {
            Some(before) => before.or_stricter(weighed),
            None => weighed,
        });
    }
    let Some(Weighed {
        category, action, ..
    }) = deciding
    else {
        return Verdict::plain(in_force.profile.unknown_action, Source::Unknown);
    };
    Verdict {
        action,
        source,
        rule: Some(Arc::clone(category)),
        categories: Arc::clone(categories),
        ground,
        failure: None,
        location: None,
    }
}

impl Weighed<'_> {
    /// Of equal actions the policy's stands before the default action, then the first.
    fn or_stricter(self, other: Self) -> Self {
        let named = match (self.origin, other.origin) {
            (ActionOrigin::Default, ActionOrigin::Policy) => self.action == other.action,
            (ActionOrigin::Default | ActionOrigin::Policy, _) => false,
        };
        if named || is_stricter(other.action, self.action) {
            other
        } else {
            self
        }
    }
}

/// Returns whether `new` is really more restrictive than `old`. Only equal actions tie.
fn is_stricter(new: Action, old: Action) -> bool {
    new != old && most_restrictive([old, new]) == Some(new)
}

fn list_source(kind: ListKind) -> Source {
    match kind {
        ListKind::Pass => Source::PassList,
        ListKind::Block => Source::BlockList,
        ListKind::Redirect => Source::RedirectList,
    }
}
