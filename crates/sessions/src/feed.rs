//! What a directory of sessions and a policy server have to say to each other.

use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;

use crate::{GxProfile, Origin, Pending, Selected, Selection};

/// Names a session towards a policy server for as long as the directory runs: a new session has
/// a new key, also where address and subscriber are those of an old one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionKey(pub u64);

/// Who a session is for, as the access network says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Subscriber {
    /// The subscriber's number, decimal digits.
    pub msisdn: Option<Box<str>>,
    /// The subscriber's identity, decimal digits.
    pub imsi: Option<Box<str>>,
    /// The access point name.
    pub apn: Option<Box<str>>,
    /// Addresses and prefixes of the session.
    pub ranges: Vec<IpNet>,
}

/// What became of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SessionEvent {
    /// There is a new one.
    Opened(SessionKey, Arc<Subscriber>),
    /// An open one is for this subscriber now, or at these addresses.
    Changed(SessionKey, Arc<Subscriber>),
    /// Somebody else changed an open one. It may have ended here before this is told: then it is
    /// no news.
    ChangedElsewhere(SessionKey, Arc<Subscriber>),
    /// Who had chosen the profile of an open one leaves the choice to the policy server again:
    /// what it said last is selected.
    Unselected(SessionKey, Arc<Subscriber>),
    /// It has ended.
    Closed(SessionKey),
}

/// What is known from the policy server about the profile of a session, all of it at once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ProfileFacts {
    /// What it said.
    Said {
        /// Content-Filtering-Profile-Id; none: it names no profile in this way.
        id: Option<u32>,
        /// The installed charging rules and groups of rules by name, in order, each once.
        rules: Vec<Box<str>>,
    },
    /// It did not answer in time, or not with a decision.
    Unanswered(Fallback),
}

/// What becomes of a session whose policy server does not answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Fallback {
    /// The default of its access point, then the policy's default.
    #[default]
    NextSource,
    /// It is not filtered.
    Off,
    /// It gets this profile, by name.
    Profile(Arc<str>),
}

/// A policy server hears of sessions.
pub trait PolicyServer: fmt::Debug + Send + Sync {
    /// Returns whether there is room for what a change has to tell. Whoever changes sessions
    /// looks here first, and changes nothing while there is none.
    fn has_room(&self) -> bool;

    /// Tells what became of a session. Does not wait. What is known about the profile comes by
    /// [`Reselect`], and within a time that is configured it does come, be it that there is no
    /// answer; until then the directory selects without.
    ///
    /// # Errors
    ///
    /// Fails if the queue to the policy server is full. Nothing was taken then: the caller may
    /// try again, and must not call the session known to the policy server.
    fn tell(&self, event: SessionEvent) -> Result<(), Busy>;
}

/// A directory selects anew.
pub trait Reselect: Send + Sync {
    /// Selects the profile of a session by what the policy server says now, for requests that
    /// come later. A session that has ended meanwhile is none of its business. Does not wait
    /// itself: what it returns completes when the selection is in force, or cannot be, which is
    /// then told of. Selections of one session come in force in the order of the calls.
    fn reselect(&self, session: SessionKey, facts: ProfileFacts) -> Pending<()>;
}

/// The queue to the policy server is full.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Busy;

impl Selection {
    /// Selects the profile of a session by what the policy server says. `by_id` finds the name
    /// of the profile with an id; an id of no profile turns filtering off (S4 4.1.1).
    #[must_use]
    pub fn select_by(
        &self,
        facts: &ProfileFacts,
        by_id: impl FnOnce(u32) -> Option<Arc<str>>,
        apn: Option<&str>,
    ) -> Selected {
        match facts {
            ProfileFacts::Unanswered(Fallback::Off) => Selected::Off,
            ProfileFacts::Unanswered(Fallback::Profile(name)) => {
                Selected::Profile(Arc::clone(name))
            }
            ProfileFacts::Unanswered(Fallback::NextSource) => {
                self.select(GxProfile::Unnamed, [], apn)
            }
            ProfileFacts::Said { id, rules } => {
                let named = id.map(by_id);
                let gx = match &named {
                    None => GxProfile::Unnamed,
                    Some(None) => GxProfile::Off,
                    Some(Some(profile)) => GxProfile::Named(profile),
                };
                self.select(gx, rules.iter().map(AsRef::as_ref), apn)
            }
        }
    }
}

impl ProfileFacts {
    /// Returns who selects where these facts do.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self {
            Self::Unanswered(_) => Origin::Fallback,
            Self::Said { id: Some(_), .. } => Origin::ProfileId,
            Self::Said { id: None, .. } => Origin::ChargingRule,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProfileRule;

    #[test]
    fn what_the_policy_server_says_selects() {
        check(&said(Some(7), &["acr-teen"]), "child");
        check(&said(None, &["acr-teen"]), "teen");
        check(&said(None, &["acr-other"]), "adult");
        check(&said(None, &[]), "adult");
    }

    #[test]
    fn an_id_of_no_profile_turns_filtering_off() {
        check(&said(Some(8), &["acr-teen"]), "(off)");
        check(&said(Some(u32::MAX), &["acr-teen"]), "(off)");
    }

    #[test]
    fn without_an_answer_the_configuration_says() {
        let unanswered = ProfileFacts::Unanswered;
        check(&unanswered(Fallback::NextSource), "adult");
        check(&unanswered(Fallback::Off), "(off)");
        check(&unanswered(Fallback::Profile("strict".into())), "strict");
    }

    fn said(id: Option<u32>, rules: &[&str]) -> ProfileFacts {
        ProfileFacts::Said {
            id,
            rules: rules.iter().map(|rule| Box::from(*rule)).collect(),
        }
    }

    #[track_caller]
    fn check(facts: &ProfileFacts, expected: &str) {
        let rule = ProfileRule {
            rule: "acr-teen".into(),
            profile: "teen".into(),
            priority: 1,
        };
        let selection = Selection::new([("internet".to_owned(), "adult".into())], vec![rule]);
        let by_id = |id| (id == 7).then(|| Arc::from("child"));
        let selected = match selection.select_by(facts, by_id, Some("internet")) {
            Selected::Profile(name) => name.to_string(),
            Selected::Default => "(default)".to_owned(),
            Selected::Off => "(off)".to_owned(),
        };
        assert_eq!(selected, expected);
    }
}
