//! One case through the engine.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use filter::{
    Answer, AskError, Binding, CacheLimits, Decision, Filter, Request, Requested, Rules,
    SharedPrefix, Source, Step, Trace, explain,
};
use policy::{Case, Categorized, Profile, RedirectFacts, Subject, Verb};

use super::held::{Held, held};
use super::{Fault, answer_of};

/// Without requests before it, a case has no cache.
const NO_CACHE: CacheLimits = CacheLimits {
    entries_max: None,
    lifetime: Duration::ZERO,
};

/// Room for all that a case may come after.
const CACHE: CacheLimits = CacheLimits {
    entries_max: NonZeroUsize::new(10_000),
    lifetime: Duration::from_secs(3_600),
};

/// What became of a case.
pub(super) struct Outcome {
    requested: Requested,
    decision: Decision,
    location: Option<String>,
    /// What decided the case, and the requests before it.
    pub(super) touched: Vec<Touched>,
}

/// What decided one request.
pub(super) struct Touched {
    pub(super) profile: Option<Arc<str>>,
    /// The policy of the profile at that time.
    pub(super) policy: Option<Arc<str>>,
    pub(super) source: Source,
    pub(super) rule: Option<Arc<str>>,
    pub(super) failure: Option<AskError>,
    pub(super) destination: Option<IpAddr>,
    /// What decided because of the time.
    pub(super) scheduled: Vec<Held>,
}

impl Outcome {
    /// Decides the requests before the case, and the case, as one worker of a gateway would.
    pub(super) fn of(rules: &Rules, case: &Case) -> Self {
        let mut worker = Worker {
            rules,
            profile: profile(rules, case),
            filter: Filter::new(match case.after.is_empty() {
                true => NO_CACHE,
                false => CACHE,
            }),
            now: Instant::now(),
        };
        let mut touched = Vec::new();
        for earlier in &case.after {
            let requested = requested(&earlier.subject);
            let destination = requested.address();
            let answer = answer(&earlier.categorized, earlier.prefix);
            let decision = worker.decide(&requested, destination, &answer);
            touched.push(Touched::by(&worker, &requested, &decision, destination));
        }
        let requested = requested(&case.subject);
        let destination = case.destination.or_else(|| requested.address());
        let answer = answer(&case.categorized, case.prefix);
        let decision = worker.decide(&requested, destination, &answer);
        let decision = match (case.destination, &case.resolves_to) {
            (Some(dialled), Some(addresses)) => {
                let binding = Binding::of(dialled, addresses.iter().copied());
                decision.bound(&rules.policy, binding)
            }
            (Some(_) | None, _) => decision,
        };
        touched.push(Touched::by(&worker, &requested, &decision, destination));
        let facts = RedirectFacts {
            msisdn: case.subscriber.msisdn.as_deref().unwrap_or_default(),
            imsi: case.subscriber.imsi.as_deref().unwrap_or_default(),
            uri: requested.as_received(),
        };
        let redirected = requested.enforced(&decision) == Verb::Redirect;
        Self {
            location: decision.location(facts).filter(|_| redirected),
            requested,
            decision,
            touched,
        }
    }

    /// Says where the outcome is not what the case expects.
    pub(super) fn faults(&self, case: &Case) -> Vec<Fault> {
        let expect = &case.expect;
        let decision = &self.decision;
        let enforcement = decision.enforcement(self.requested.protocol);
        let action = self.requested.enforced(decision).as_str();
        let rows = [
            ("action", Some(expect.action.as_str()), Some(action)),
            (
                "source",
                expect.source.as_deref(),
                Some(decision.source.as_str()),
            ),
            (
                "location",
                expect.location.as_deref(),
                self.location.as_deref(),
            ),
            ("rule", expect.rule.as_deref(), decision.rule.as_deref()),
            (
                "enforcement",
                expect.enforcement.as_deref(),
                Some(enforcement.as_str()),
            ),
        ];
        let rows = rows.into_iter();
        rows.filter_map(|(what, expected, got)| {
            let expected = expected.filter(|expected| Some(*expected) != got)?;
            Some(Fault {
                what,
                expected: expected.to_owned(),
                got: got.map(str::to_owned),
            })
        })
        .collect()
    }

    /// Returns the steps of the decision. Those of a cached one are the steps without a cache.
    pub(super) fn trace(&self, rules: &Rules, case: &Case) -> String {
        let profile = profile(rules, case);
        let request = Request {
            profile: profile.map(|profile| &*profile.name),
            target: self.requested.target(),
            destination: case.destination.or_else(|| self.requested.address()),
        };
        let answer = answer(&case.categorized, case.prefix);
        let mut explanation = explain(rules, request, &mut |_| answer.clone());
        let mut page = String::new();
        if self.decision.source == Source::Cache {
            let rule = self.decision.rule.as_deref().unwrap_or("no category");
            page += &format!("the cache had an answer ({rule}); without it:\n");
        }
        // What DNS said is no step of the engine's.
        if let Some(reason) = self.decision.undecidable
            && explanation.decision.undecidable.is_none()
        {
            explanation.decision = self.decision.clone();
            page += &format!("DNS answers otherwise: {}\n", reason.as_str());
        }
        let facts = RedirectFacts {
            uri: self.requested.as_received(),
            ..RedirectFacts::default()
        };
        let profile = profile.map(|profile| &*profile.name);
        let trace = Trace::new(rules, profile, &self.requested, &explanation, facts);
        page + &trace.to_steps()
    }
}

impl Touched {
    fn by(
        worker: &Worker<'_>,
        requested: &Requested,
        decision: &Decision,
        destination: Option<IpAddr>,
    ) -> Self {
        let rules = worker.rules;
        let profile = decision.profile.as_deref();
        let profile = profile.and_then(|name| rules.policy.profile(name));
        let policy = profile.and_then(|profile| profile.policy(rules.active()));
        Self {
            policy: policy.map(|policy| Arc::clone(&policy.name)),
            profile: decision.profile.clone(),
            source: decision.source,
            rule: decision.rule.clone(),
            failure: decision.failure,
            destination,
            scheduled: held(rules, worker.profile, requested, decision),
        }
    }
}

struct Worker<'a> {
    rules: &'a Rules,
    profile: Option<&'a Arc<Profile>>,
    filter: Filter,
    now: Instant,
}

impl Worker<'_> {
    fn decide(
        &mut self,
        requested: &Requested,
        destination: Option<IpAddr>,
        answer: &Result<Answer, AskError>,
    ) -> Decision {
        let request = Request {
            profile: self.profile.map(|profile| &*profile.name),
            target: requested.target(),
            destination,
        };
        match self.filter.begin(self.rules, request, self.now) {
            Step::Decided(decision) => decision,
            Step::Ask(question) => {
                let answers = question.uris().iter().map(|_| answer.clone()).collect();
                self.filter.finish(self.rules, question, answers, self.now)
            }
        }
    }
}

fn profile<'a>(rules: &'a Rules, case: &Case) -> Option<&'a Arc<Profile>> {
    match &case.profile {
        Some(name) => rules.policy.profile(&name.text),
        None => rules.policy.default_profile(),
    }
}

fn requested(subject: &Subject) -> Requested {
    match subject {
        Subject::Uri(uri) => Requested::uri(uri),
        Subject::Sni(name) => Requested::server_name(name),
    }
}

fn answer(categorized: &Categorized, prefix: Option<u64>) -> Result<Answer, AskError> {
    match categorized {
        Categorized::Categories(names) => Ok(Answer {
            prefix: prefix.map(SharedPrefix::Uri),
            ..answer_of(names)
        }),
        Categorized::Failed(class) => Err(*class),
    }
}
