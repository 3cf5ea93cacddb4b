use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use policy::{Active, PolicySet, Profile, Span};
use uri::{NormalUri, Readings};

use crate::cache::{Cache, Entry, Extent};
use crate::per_reading::PerReading;
use crate::verdict::{Basis, Fact, InForce, Local, Verdict};
use crate::{
    Answer, AskError, CacheLimits, Decision, Question, Request, Step, Target, Undecidable,
};

#[cfg(test)]
mod tests;

/// What a worker decides with at one moment: read anew for every request.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The policy in force.
    pub policy: Arc<PolicySet>,
    /// Counts changes of configuration and policy.
    pub policy_generation: u64,
    /// Counts changes of the categorizer's state (its ISTag).
    pub icap_generation: u64,
    /// When it is, for the schedules of the policy. None: none of them is active.
    pub now: Option<Timestamp>,
}

impl Rules {
    /// Returns the schedules that are active. A [`Filter`] remembers them for as long as they are.
    #[must_use]
    pub fn active(&self) -> Active {
        let timetable = self.policy.timetable();
        self.now.map_or(Active::NONE, |now| timetable.active(now))
    }
}

/// One worker's cache and the order of precedence.
///
/// The order is, for every request (S4 2): a bypass address passes; a session without a profile
/// passes; what cannot be judged takes the undecidable action; then for each reading of the URI
/// the cache, the lists, and the categorizer's answer or, where none is asked, the unknown action.
/// The most restrictive reading decides.
#[derive(Debug)]
pub struct Filter {
    pub(crate) cache: Option<Cache>,
    seen: Option<Generations>,
    /// What is active of the policy's schedules, for as long as it is known.
    span: Option<Span>,
}

/// Which rules something was found under.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Generations {
    policy: u64,
    icap: u64,
}

impl Generations {
    fn of(rules: &Rules) -> Self {
        Self {
            policy: rules.policy_generation,
            icap: rules.icap_generation,
        }
    }
}

/// A request that a profile judges by its URI.
#[derive(Clone, Copy)]
pub(crate) struct Judging<'a> {
    /// The profile of the session.
    pub(crate) selected: &'a Profile,
    /// That profile, or the one in its place at this time.
    pub(crate) profile: &'a Arc<Profile>,
    /// The schedules that are active.
    pub(crate) active: Active,
    pub(crate) readings: &'a Readings,
    /// What beside the URI cannot be judged.
    pub(crate) doubt: Option<Undecidable>,
}

impl Filter {
    /// Creates a filter with an empty cache.
    #[must_use]
    pub fn new(limits: CacheLimits) -> Self {
        Self {
            cache: Cache::new(limits),
            seen: None,
            span: None,
        }
    }

    /// Returns how many entries the cache holds, exact and prefix entries together.
    #[must_use]
    pub fn cached_entries(&self) -> usize {
        self.cache.as_ref().map_or(0, Cache::len)
    }

    /// Starts on a request: everything that needs no answer from the categorizer.
    pub fn begin(&mut self, rules: &Rules, request: Request<'_>, now: Instant) -> Step {
        let (generations, active) = self.follow(rules);
        let judging = match admit(rules, request, active) {
            Ok(judging) => judging,
            Err(decision) => return Step::Decided(decision),
        };
        let known = PerReading::of(judging.readings, |uri| {
            self.look_up(judging, uri, now)
                .or_else(|| self.find_locally(judging, uri, now))
        });
        if let Some(bases) = known.complete() {
            return Step::Decided(decide(rules, judging, bases));
        }
        let readings = judging.readings.iter().zip(known.iter());
        Step::Ask(Question {
            uris: readings
                .filter(|(_, known)| known.is_none())
                .map(|(uri, _)| uri.clone())
                .collect(),
            profile: Arc::clone(&judging.selected.name),
            active,
            destination: request.destination,
            readings: judging.readings.clone(),
            doubt: judging.doubt,
            known,
            generations,
        })
    }

    /// Finishes a request with what the categorizer said about each URI of the question, under
    /// the rules now in force. Answers older than the last flush are used once and not cached.
    ///
    /// Where a new policy, or the change of a schedule, needs the categories of a reading that
    /// nobody was asked about, because a list decided it before, the error action applies: the
    /// time to ask is over.
    pub fn finish(
        &mut self,
        rules: &Rules,
        question: Question,
        answers: Vec<Result<Answer, AskError>>,
        now: Instant,
    ) -> Decision {
        debug_assert_eq!(question.uris.len(), answers.len(), "one answer for each");
        let (current, active) = self.follow(rules);
        let judging = match admit(rules, question.request(), active) {
            Ok(judging) => judging,
            Err(decision) => return decision,
        };
        let same_rules = question.generations.policy == current.policy && question.active == active;
        let mut known = question.known.iter();
        let mut answers = answers.into_iter();
        let mut prefix_rejected = false;
        let bases = PerReading::of(judging.readings, |uri| {
            if let Some(basis) = known.next().and_then(Option::as_ref) {
                return if same_rules {
                    basis.clone()
                } else {
                    Basis::settled(judging.in_force(), uri, basis.told())
                };
            }
            let told = answers.next().map(|answer| match answer {
                Ok(answer) => {
                    prefix_rejected |= answer.has_invalid_prefix(uri);
                    if question.generations == current && same_rules {
                        self.remember_answer(judging, uri, &answer, now);
                    }
                    Basis::Fresh(Fact::Told(answer.into()))
                }
                Err(failure) => Basis::Unanswered(Some(failure)),
            });
            Basis::settled(judging.in_force(), uri, told)
        });
        Decision {
            prefix_rejected,
            ..decide(rules, judging, bases)
        }
    }

    /// Returns the schedules that are active; they are looked at anew only when one may change.
    pub fn active(&mut self, rules: &Rules) -> Active {
        self.follow(rules).1
    }

    /// Takes up the rules and their time: empties the cache if it was filled under others
    /// (S4 6.1), and looks at the schedules if one may have changed.
    fn follow(&mut self, rules: &Rules) -> (Generations, Active) {
        let current = Generations::of(rules);
        if self.seen.replace(current) != Some(current) {
            self.span = None;
            if let Some(cache) = &mut self.cache {
                cache.flush();
            }
        }
        let timetable = rules.policy.timetable();
        let active = match rules.now.filter(|_| !timetable.is_empty()) {
            None => Active::NONE,
            Some(now) => {
                let known = self.span.filter(|span| span.covers(now));
                let span = known.unwrap_or_else(|| *self.span.insert(timetable.span(now)));
                span.active
            }
        };
        (current, active)
    }

    /// Returns the schedules that are active, and remembers nothing. Under the rules that were
    /// followed last it costs no look at the schedules.
    pub(crate) fn active_as_known(&self, rules: &Rules) -> Active {
        let covers = |span: &Span| rules.now.is_some_and(|now| span.covers(now));
        let known = self.span.filter(|_| self.is_filled_under(rules));
        let known = known.filter(covers).map(|span| span.active);
        known.unwrap_or_else(|| rules.active())
    }

    /// Returns whether the cache was filled under these rules.
    pub(crate) fn is_filled_under(&self, rules: &Rules) -> bool {
        self.seen == Some(Generations::of(rules))
    }

    /// Returns what the cache has for a reading, as far as it is worth anything now.
    fn look_up(&mut self, judging: Judging<'_>, uri: &NormalUri, now: Instant) -> Option<Basis> {
        let cache = self.cache.as_mut()?;
        let (fact, times) = cache.look_up(&judging.profile.name, uri, now)?;
        judging.worth(uri, Basis::Cached(fact), times)
    }

    /// Finds what the profile itself says of one reading. Only what a list says is worth
    /// remembering.
    fn find_locally(
        &mut self,
        judging: Judging<'_>,
        uri: &NormalUri,
        now: Instant,
    ) -> Option<Basis> {
        match Local::find(judging.in_force(), uri) {
            Local::Listed(hit) => {
                if let Some(cache) = &mut self.cache {
                    let extent = judging.extent(hit.prefix_len);
                    cache.insert(judging.entry(uri, extent), hit.clone().into(), None, now);
                }
                Some(Basis::Fresh(hit.into()))
            }
            Local::NotAsked => Some(Basis::NotAsked),
            Local::Ask => None,
        }
    }

    /// Remembers an answer for as much as it holds for, which is never more than what no list
    /// entry decides otherwise: a cache must not shadow a more specific entry.
    fn remember_answer(
        &mut self,
        judging: Judging<'_>,
        uri: &NormalUri,
        answer: &Answer,
        now: Instant,
    ) {
        let Some(cache) = &mut self.cache else {
            return;
        };
        let prefix = answer.prefix.filter(|_| answer.verdict.is_none());
        let prefix = prefix.and_then(|prefix| prefix.text_in(uri));
        let unlisted = prefix.filter(|prefix| !judging.profile.lists.has_below(prefix));
        let extent = judging.extent(unlisted.map(str::len));
        let fact = Fact::Told(answer.clone().into());
        cache.insert(judging.entry(uri, extent), fact, answer.lifetime, now);
    }
}

impl<'a> Judging<'a> {
    /// What was found by one of several readings holds for that URI alone.
    fn extent(self, prefix_len: Option<usize>) -> Extent {
        match prefix_len {
            Some(len) if self.readings.others().is_empty() && self.readings.are_all() => {
                Extent::Prefix(len)
            }
            Some(_) | None => Extent::Exact,
        }
    }

    /// Returns the profile with its schedules.
    pub(crate) fn in_force(self) -> InForce<'a> {
        InForce {
            profile: self.profile,
            active: self.active,
        }
    }

    /// Returns the active schedules that the profile's lists depend on.
    pub(crate) fn times(self) -> Active {
        self.active.among(self.profile.lists.times())
    }

    fn entry(self, uri: &'a NormalUri, extent: Extent) -> Entry<'a> {
        Entry {
            profile: &self.profile.name,
            uri,
            extent,
            times: self.times(),
        }
    }
}

/// The steps before any URI is looked at.
pub(crate) fn admit<'a>(
    rules: &'a Rules,
    request: Request<'a>,
    active: Active,
) -> Result<Judging<'a>, Decision> {
    let policy = &rules.policy;
    if request
        .destination
        .is_some_and(|address| policy.bypasses(address))
    {
        return Err(Decision::bypass());
    }
    let Some(selected) = request.profile.and_then(|name| policy.profile(name)) else {
        return Err(Decision::no_profile());
    };
    let profile = policy.in_force(selected, active);
    let (readings, doubt) = match request.target {
        Target::Undecidable(reason) => {
            return Err(Decision::undecidable(policy, profile, reason));
        }
        Target::Doubtful(readings, reason) => (readings, Some(reason)),
        Target::Uri(readings) => {
            let doubt = (!readings.are_all()).then_some(Undecidable::Ambiguous);
            (readings, doubt)
        }
    };
    Ok(Judging {
        selected,
        profile,
        active,
        readings,
        doubt,
    })
}

/// The most restrictive reading decides, the normal form first among equals. Where some are not
/// known, or something else cannot be judged, the undecidable action applies too.
pub(crate) fn decide<B: Borrow<Basis>>(
    rules: &Rules,
    judging: Judging<'_>,
    bases: PerReading<B>,
) -> Decision {
    let verdict = bases
        .map(|basis| basis.borrow().judge(judging.in_force()))
        .reduce(Verdict::or_stricter);
    match judging.doubt {
        None => Decision::judged(&rules.policy, judging.profile, verdict),
        Some(reason) => Decision::doubtful(&rules.policy, judging.profile, verdict, reason),
    }
}
