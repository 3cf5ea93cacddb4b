//! One request through both policies.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use filter::{
    Answer, AskError, CacheLimits, Decision, Filter, Protocol, Question, Request, Requested, Rules,
    Step, Target, Undecidable,
};
use policy::{Effect, PolicySet, Verb};
use uri::NormalUri;

use super::Sides;
use super::requests::{Format, Line, Replayed, Said};
use super::tally::{Change, Reached, Tally};
use crate::command::test::answer_of;

/// Different requests whose outcome a worker keeps; then it starts over.
const REMEMBERED_MAX: usize = 65_536;

/// Both engines of one worker, and what they said of requests before.
pub(super) struct Judge<'a> {
    sides: &'a Sides,
    filter: (Filter, Filter),
    rules: (Rules, Rules),
    now: Instant,
    /// By all of a request that matters.
    remembered: HashMap<Box<str>, Outcome>,
    key: String,
}

/// What becomes of a request.
#[derive(Clone)]
struct Outcome {
    /// Nothing: it is decided alike.
    change: Option<Arc<Change>>,
    /// Whether categories were needed that nobody gave.
    blind: bool,
}

impl<'a> Judge<'a> {
    pub(super) fn new(sides: &'a Sides) -> Self {
        let limits = CacheLimits {
            entries_max: None,
            lifetime: Duration::ZERO,
        };
        let rules = |policy: &Arc<PolicySet>| Rules {
            policy: Arc::clone(policy),
            policy_generation: 0,
            icap_generation: 0,
            now: sides.now,
        };
        Self {
            sides,
            filter: (Filter::new(limits), Filter::new(limits)),
            rules: (rules(&sides.old), rules(&sides.new)),
            now: Instant::now(),
            remembered: HashMap::new(),
            key: String::new(),
        }
    }

    /// Judges one line and counts what comes of it.
    pub(super) fn line(&mut self, format: Format, number: u64, text: &[u8], tally: &mut Tally) {
        let replayed = match format.read(text) {
            Line::Request(replayed) => replayed,
            Line::Skipped => return tally.skipped(),
            Line::Bad(reason) => return tally.bad(number, reason),
        };
        if let Some(uri) = replayed.uri.as_deref().filter(|uri| !uri.contains("://")) {
            let uri = policy::written::quote(uri);
            return tally.bad(number, format!("`{uri}` has no scheme; use `http://{uri}`"));
        }
        let outcome = self.outcome(&replayed);
        let uri = replayed.uri.as_deref().unwrap_or("(not known)");
        tally.judged(number, uri, outcome.change.as_ref(), outcome.blind);
    }

    fn outcome(&mut self, replayed: &Replayed<'_>) -> Outcome {
        let now = self.sides.now.or(replayed.time);
        self.rules.0.now = now;
        self.rules.1.now = now;
        self.make_key(replayed);
        if let Some(known) = self.remembered.get(self.key.as_str()) {
            return known.clone();
        }
        let outcome = self.decide(replayed);
        if self.remembered.len() >= REMEMBERED_MAX {
            self.remembered.clear();
        }
        let key = self.key.as_str().into();
        self.remembered.insert(key, outcome.clone());
        outcome
    }

    /// Writes everything that the outcome depends on. No part contains a line feed.
    fn make_key(&mut self, replayed: &Replayed<'_>) {
        let active = (
            self.filter.0.active(&self.rules.0).bits(),
            self.filter.1.active(&self.rules.1).bits(),
        );
        let key = &mut self.key;
        key.clear();
        key.push_str(replayed.uri.as_deref().unwrap_or_default());
        key.push('\n');
        key.push_str(replayed.profile.as_deref().unwrap_or_default());
        // Writing to a `String` cannot fail.
        let _ = write!(key, "\n{active:?}{:?}", replayed.destination);
        match &replayed.said {
            Said::Unknown => {}
            Said::NothingOrUnasked => key.push('?'),
            Said::Failed(class) => key.push_str(class.as_str()),
            Said::Categories(names) => {
                for name in names {
                    key.push('\n');
                    key.push_str(name);
                }
            }
        }
    }

    fn decide(&mut self, replayed: &Replayed<'_>) -> Outcome {
        let requested = replayed.uri.as_deref().map(Requested::uri);
        let profile = replayed.profile.as_deref().map(Arc::from);
        let profile = self.sides.profile.clone().or(profile);
        let mut blind = false;
        let asked = profile.as_ref().map_or_else(
            || self.sides.old.default_profile(),
            |name| self.sides.old.profile(name),
        );
        let none = Said::Categories(Vec::new());
        let said = if replayed.said == Said::NothingOrUnasked
            && asked.is_some_and(|profile| profile.icap)
        {
            &none
        } else {
            &replayed.said
        };
        let mut answers = |question: &Question| {
            let uris = question.uris().iter();
            uris.map(|uri| self.sides.answer(said, uri, &mut blind))
                .collect::<Vec<_>>()
        };
        let mut side = |filter: &mut Filter, rules: &Rules| {
            let default = rules.policy.default_profile().map(|it| &*it.name);
            let request = Request {
                profile: profile.as_deref().or(default),
                target: requested
                    .as_ref()
                    .map_or(Target::Undecidable(Undecidable::NotHttp), Requested::target),
                destination: replayed
                    .destination
                    .or_else(|| requested.as_ref().and_then(Requested::address)),
            };
            match filter.begin(rules, request, self.now) {
                Step::Decided(decision) => decision,
                Step::Ask(question) => {
                    let answers = answers(&question);
                    filter.finish(rules, question, answers, self.now)
                }
            }
        };
        let protocol = requested.as_ref().map_or(Protocol::Tls, |it| it.protocol);
        let old = side(&mut self.filter.0, &self.rules.0);
        let new = side(&mut self.filter.1, &self.rules.1);
        let (old, new) = (reached(&old, protocol), reached(&new, protocol));
        let change = (old.outcome() != new.outcome()).then(|| Arc::new(Change { old, new }));
        Outcome { change, blind }
    }
}

impl Sides {
    /// Returns what the categorizer says: as the line tells, else as the database does.
    fn answer(
        &self,
        said: &Said<'_>,
        uri: &NormalUri,
        blind: &mut bool,
    ) -> Result<Answer, AskError> {
        match (said, &self.database) {
            (Said::Failed(class), _) => Err(*class),
            (Said::Categories(names), _) => {
                let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
                Ok(answer_of(&names))
            }
            (Said::Unknown | Said::NothingOrUnasked, Some(database)) => {
                let found = database.lookup_uri(uri);
                let names: Vec<String> = found.categories().map(str::to_owned).collect();
                Ok(answer_of(&names))
            }
            (Said::Unknown | Said::NothingOrUnasked, None) => {
                *blind = true;
                Ok(answer_of(&[]))
            }
        }
    }
}

/// Returns what a client meets, and why.
fn reached(decision: &Decision, protocol: Protocol) -> Reached {
    let action = decision.action_on(protocol);
    let verb = Verb::of(action);
    Reached {
        action: verb.as_str(),
        to: match verb {
            Verb::Redirect => decision.destination.as_ref().map(|to| to.as_str().into()),
            Verb::Pass | Verb::Block => None,
        },
        enforced: match decision.effect {
            Effect::Enforced => true,
            Effect::Reported => verb == Verb::Pass,
        },
        source: decision.source.as_str(),
        rule: decision.rule.clone(),
        profile: decision.profile.clone(),
    }
}
