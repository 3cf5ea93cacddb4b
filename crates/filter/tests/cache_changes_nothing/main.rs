//! A cache never changes a decision: the same events go to a filter with a small cache and to one
//! without, and whatever happens they decide alike.
#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a panic is how a test fails"
)]

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use filter::{
    Answer, AskError, CacheLimits, CachedEntry, Decision, Filter, Question, Request, Rules,
    SharedPrefix, Source, Step, Target,
};
use jiff::{SignedDuration, Timestamp};
use policy::Verb;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, TestCaseError, prop_assert, prop_assert_eq};
use proptest::test_runner::TestRunner;
use uri::{NormalUri, Readings};

use plan::{CATEGORIES, KNOWN, LIFETIME, ORIGINS, PATHS, PROFILES};
use plan::{Event, Fate, Knowledge, PolicyPlan, PrefixPlan, RequestPlan};

mod plan;

/// 2026-03-23, before the clocks of Madrid change.
const MONDAY: Timestamp = Timestamp::constant(1_774_220_400, 0);

#[test]
fn a_cache_never_changes_a_decision() {
    let config = ProptestConfig {
        cases: 2500,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let plans = (
        vec(plan::policy_plan(), 1..4),
        plan::knowledge(),
        vec(plan::event(), 1..60),
        1..12_usize,
    );
    let (hits, late) = (Cell::new(0), Cell::new(0));
    TestRunner::new(config)
        .run(&plans, |(policies, knowledge, events, entries_max)| {
            let mut pair = Pair::new(policies, knowledge, entries_max);
            for event in &events {
                pair.play(event)?;
            }
            while !pair.waiting.is_empty() {
                pair.finish_late(0)?;
            }
            hits.set(hits.get() + pair.hits);
            late.set(late.get() + pair.late);
            Ok(())
        })
        .unwrap();
    println!("{} hits, {} late answers", hits.get(), late.get());
    assert!(hits.get() > 5000, "the cache was hardly used");
    assert!(late.get() > 1000, "hardly an answer was late");
}

/// A filter with a cache, one without, and the world around both.
struct Pair {
    cached: Filter,
    plain: Filter,
    rules: Rules,
    policies: Vec<PolicyPlan>,
    knowledge: Knowledge,
    now: Instant,
    waiting: Vec<Waiting>,
    hits: usize,
    late: usize,
}

struct Waiting {
    cached: (Question, Answers),
    plain: (Question, Answers),
}

type Answers = Vec<Result<Answer, AskError>>;

impl Pair {
    fn new(policies: Vec<PolicyPlan>, knowledge: Knowledge, entries_max: usize) -> Self {
        let limits = CacheLimits {
            entries_max: NonZeroUsize::new(entries_max),
            lifetime: LIFETIME,
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "an instant comes from nowhere else"
        )]
        let now = Instant::now();
        Self {
            cached: Filter::new(limits),
            plain: Filter::new(CacheLimits {
                entries_max: None,
                ..limits
            }),
            rules: Rules {
                policy: policies[0].compile(),
                policy_generation: 0,
                icap_generation: 0,
                now: None,
            },
            policies,
            knowledge,
            now,
            waiting: Vec::new(),
            hits: 0,
            late: 0,
        }
    }

    fn play(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match event {
            Event::Request(plan) => self.request(plan)?,
            Event::Finish(which) => {
                if let Some(which) = which.checked_rem(self.waiting.len()) {
                    self.finish_late(which)?;
                }
            }
            Event::NewTag(knowledge) => {
                self.knowledge.clone_from(knowledge);
                self.rules.icap_generation += 1;
            }
            Event::Reload(which) => {
                self.rules.policy = self.policies[which % self.policies.len()].compile();
                self.rules.policy_generation += 1;
            }
            Event::Clock(minutes) => {
                let minutes = SignedDuration::from_mins(*minutes);
                self.rules.now = Some(MONDAY.checked_add(minutes).unwrap());
            }
            Event::Wait(ms) => self.now += Duration::from_millis(*ms),
        }
        Ok(())
    }

    fn request(&mut self, plan: &RequestPlan) -> Result<(), TestCaseError> {
        let text = format!("{}{}", ORIGINS[plan.origin], PATHS[plan.path]);
        let readings = Readings::parse(text.as_bytes()).unwrap();
        let request = Request {
            profile: Some(PROFILES[plan.profile]),
            target: Target::Uri(&readings),
            destination: Some([192, 0, 2, 1].into()),
        };
        let peeked = self.cached.peek(&self.rules, request, self.now);
        let cached = self.cached.begin(&self.rules, request, self.now);
        compare_peeked(&peeked, &readings, &cached)?;
        let plain = self.plain.begin(&self.rules, request, self.now);
        match (cached, plain) {
            (Step::Decided(cached), Step::Decided(plain)) => self.compare(&cached, &plain),
            // The cache knows what the categorizer would say.
            (Step::Decided(cached), Step::Ask(plain)) => {
                let answers = self.answers(&plain, plan);
                let plain = self.plain.finish(&self.rules, plain, answers, self.now);
                self.compare(&cached, &plain)
            }
            (Step::Ask(cached), Step::Ask(plain)) => {
                let mut asked = plain.uris().iter();
                prop_assert!(
                    cached.uris().iter().all(|uri| asked.any(|it| it == uri)),
                    "asks about what nobody asks about without a cache"
                );
                self.asked(cached, plain, plan)
            }
            (Step::Ask(cached), Step::Decided(plain)) => Err(TestCaseError::fail(format!(
                "asks about {:?} where {plain:?} needs no answer",
                cached.uris()
            ))),
        }
    }

    fn asked(
        &mut self,
        cached: Question,
        plain: Question,
        plan: &RequestPlan,
    ) -> Result<(), TestCaseError> {
        match plan.fate {
            Fate::Answered => {
                let answers = (self.answers(&cached, plan), self.answers(&plain, plan));
                self.finish(Waiting {
                    cached: (cached, answers.0),
                    plain: (plain, answers.1),
                })
            }
            Fate::Late => {
                let answers = (self.answers(&cached, plan), self.answers(&plain, plan));
                self.waiting.push(Waiting {
                    cached: (cached, answers.0),
                    plain: (plain, answers.1),
                });
                Ok(())
            }
            // Nothing is compared: a cache may know a reading that cannot be asked about. What
            // counts is that nothing of it is remembered.
            Fate::Fails => {
                for (filter, question) in [(&mut self.cached, cached), (&mut self.plain, plain)] {
                    let answers = vec![Err(AskError::Timeout); question.uris().len()];
                    filter.finish(&self.rules, question, answers, self.now);
                }
                Ok(())
            }
        }
    }

    fn finish(&mut self, Waiting { cached, plain }: Waiting) -> Result<(), TestCaseError> {
        let cached = self
            .cached
            .finish(&self.rules, cached.0, cached.1, self.now);
        let plain = self.plain.finish(&self.rules, plain.0, plain.1, self.now);
        self.compare(&cached, &plain)
    }

    fn finish_late(&mut self, which: usize) -> Result<(), TestCaseError> {
        self.late += 1;
        let waiting = self.waiting.remove(which);
        self.finish(waiting)
    }

    fn compare(&mut self, cached: &Decision, plain: &Decision) -> Result<(), TestCaseError> {
        if cached.source == Source::Cache {
            self.hits += 1;
        } else {
            prop_assert_eq!(cached.source, plain.source);
        }
        prop_assert_eq!(facts(cached), facts(plain));
        Ok(())
    }

    /// What the categorizer says now; it may arrive later.
    fn answers(&self, question: &Question, plan: &RequestPlan) -> Answers {
        let uris = question.uris().iter();
        uris.map(|uri| Ok(self.answer(uri, plan))).collect()
    }

    fn answer(&self, uri: &NormalUri, plan: &RequestPlan) -> Answer {
        let text = uri.as_str();
        let matching = self.knowledge.iter();
        let matching = matching.filter(|(known, _)| text.starts_with(KNOWN[*known]));
        let sound: Vec<usize> = (uri.origin_len()..=text.len())
            .filter(|len| self.is_sound(text, *len))
            .collect();
        let pick = |which: usize| sound.get(which % sound.len().max(1));
        let path_start = uri.origin_len() - 1;
        let path_end = text.find('?').unwrap_or(text.len());
        let prefix = match plan.prefix {
            PrefixPlan::None => None,
            PrefixPlan::Sound(which) => pick(which).map(|len| SharedPrefix::Uri(*len as u64)),
            PrefixPlan::SoundPath(which) => pick(which)
                .filter(|len| **len <= path_end)
                .map(|len| SharedPrefix::Path((len - path_start) as u64)),
            PrefixPlan::Hostile(which) => Some(hostile(uri)[which]),
        };
        Answer {
            categories: matching.map(|(_, it)| CATEGORIES[*it].into()).collect(),
            verdict: None,
            prefix,
            lifetime: plan.lifetime.map(Duration::from_millis),
        }
    }

    /// Whether every URI that shares so much is known in the same way.
    fn is_sound(&self, text: &str, len: usize) -> bool {
        let prefix = &text[..len];
        let mut knowledge = self.knowledge.iter().map(|(known, _)| KNOWN[*known]);
        !knowledge.any(|known| known.len() > len && known.starts_with(prefix))
    }
}

/// Lengths that no answer can hold for.
fn hostile(uri: &NormalUri) -> [SharedPrefix; 8] {
    [
        SharedPrefix::Uri(uri.origin_len() as u64 - 1),
        SharedPrefix::Uri(0),
        SharedPrefix::Uri(1),
        SharedPrefix::Uri(uri.as_str().len() as u64 + 1),
        SharedPrefix::Uri(99_999),
        SharedPrefix::Path(0),
        SharedPrefix::Path(99_999),
        SharedPrefix::Malformed,
    ]
}

/// Everything of a decision but where it came from.
fn facts(decision: &Decision) -> impl PartialEq + std::fmt::Debug + '_ {
    (
        decision.action,
        decision.destination.as_ref().map(|it| it.as_str()),
        decision.undecidable,
        decision.rule.as_deref(),
        &decision.categories,
        decision.block_response,
        decision.profile.as_deref(),
    )
}

/// What was only looked at is what the cache then answers.
fn compare_peeked(
    peeked: &[Option<CachedEntry>],
    readings: &Readings,
    step: &Step,
) -> Result<(), TestCaseError> {
    match step {
        // Of several readings one that is remembered may push another out.
        Step::Ask(_) if readings.others().is_empty() => {
            prop_assert!(peeked.iter().all(Option::is_none), "{peeked:?}");
        }
        Step::Ask(_) => {}
        Step::Decided(decision) if decision.source == Source::Cache => {
            let action = Verb::of(decision.action).as_str();
            let rule = decision.rule.as_deref();
            let decides =
                |entry: &CachedEntry| entry.action == action && entry.rule.as_deref() == rule;
            // What is found for one reading is remembered, and may hold for the next.
            let by_another = !readings.others().is_empty() && peeked.iter().any(Option::is_none);
            prop_assert!(
                by_another || peeked.iter().flatten().any(decides),
                "{peeked:?}"
            );
        }
        // One reading that a list or an action of the profile decides has no entry.
        Step::Decided(_) if readings.others().is_empty() => {
            prop_assert!(peeked.iter().all(Option::is_none), "{peeked:?}");
        }
        Step::Decided(_) => {}
    }
    Ok(())
}
