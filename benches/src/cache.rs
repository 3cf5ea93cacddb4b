//! What a worker does for a request: cache, lists, question.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use filter::{Answer, CacheLimits, Decision, Filter, Request, Rules, Source, Step, Target};
use uri::Readings;

use crate::turns::Turns;
use crate::{Subject, list};

/// Entries of a cache with its default size.
const ENTRIES: usize = 65_536;

/// Exact entries that are looked up in turn.
const CACHED: usize = 10_000;

pub(crate) fn subjects() -> Vec<Subject> {
    let rules = Rules {
        policy: Arc::new(list::policy()),
        policy_generation: 1,
        icap_generation: 1,
        now: None,
    };
    let worker = |profile, entries| Worker::new(rules.clone(), profile, entries);
    vec![
        exact_hit("cache/exact hit, one URI", worker("asking", ENTRIES), 1),
        exact_hit(
            "cache/exact hit, 10 000 in turn",
            worker("asking", ENTRIES),
            CACHED,
        ),
        prefix_hit(worker("local", ENTRIES)),
        miss_without_icap(worker("local", ENTRIES)),
        question(worker("asking", ENTRIES)),
        answer(worker("asking", CACHED / 2)),
    ]
}

fn exact_hit(name: &'static str, mut worker: Worker, count: usize) -> Subject {
    let mut pages = pages(count);
    for page in pages.iter() {
        assert_eq!(worker.ask(page).source, Source::Icap);
    }
    assert_eq!(worker.local(pages.take()).source, Source::Cache);
    Subject::new(name, move || worker.local(pages.take()))
}

fn prefix_hit(mut worker: Worker) -> Subject {
    let mut pages = readings(
        list::domain_hits()
            .iter()
            .map(|uri| uri.as_str().to_owned()),
    );
    for page in pages.iter() {
        assert_eq!(worker.local(page).source, Source::BlockList);
    }
    assert_eq!(worker.local(pages.take()).source, Source::Cache);
    Subject::new("cache/prefix hit, 1 000 in turn", move || {
        worker.local(pages.take())
    })
}

/// Nothing is remembered of what is in no list, so it is a miss every time.
fn miss_without_icap(mut worker: Worker) -> Subject {
    let mut pages = readings(list::misses().iter().map(|uri| uri.as_str().to_owned()));
    assert_eq!(worker.local(pages.take()).source, Source::Unknown);
    Subject::new("cache/miss, ICAP off", move || worker.local(pages.take()))
}

fn question(mut worker: Worker) -> Subject {
    let mut pages = pages(CACHED);
    assert!(matches!(worker.begin(pages.take()), Step::Ask(_)));
    Subject::new("cache/miss, question", move || worker.begin(pages.take()))
}

/// There are more pages than entries, so every answer is a new one that drives out an old one.
fn answer(mut worker: Worker) -> Subject {
    let mut pages = pages(CACHED);
    for page in pages.iter() {
        assert_eq!(worker.ask(page).source, Source::Icap);
    }
    Subject::new("cache/miss, question and answer", move || {
        worker.ask(pages.take())
    })
}

/// One worker's filter, and what every request of it has in common.
pub(crate) struct Worker {
    filter: Filter,
    rules: Rules,
    profile: Box<str>,
    now: Instant,
    categories: Arc<[Arc<str>]>,
}

impl Worker {
    pub(crate) fn new(rules: Rules, profile: &str, entries: usize) -> Self {
        Self {
            filter: Filter::new(CacheLimits {
                entries_max: NonZeroUsize::new(entries),
                lifetime: Duration::from_secs(3600),
            }),
            rules,
            profile: profile.into(),
            now: Instant::now(),
            categories: Arc::new(["news".into()]),
        }
    }

    pub(crate) fn begin(&mut self, readings: &Readings) -> Step {
        let request = Request {
            profile: Some(&self.profile),
            target: Target::Uri(readings),
            destination: Some([192, 0, 2, 1].into()),
        };
        self.filter.begin(&self.rules, request, self.now)
    }

    /// Decides without a question.
    pub(crate) fn local(&mut self, readings: &Readings) -> Decision {
        match self.begin(readings) {
            Step::Decided(decision) => decision,
            Step::Ask(_) => panic!("{readings:?} is a question"),
        }
    }

    /// Decides by an answer that holds for this URI alone.
    pub(crate) fn ask(&mut self, readings: &Readings) -> Decision {
        let Step::Ask(question) = self.begin(readings) else {
            panic!("{readings:?} is no question");
        };
        let answer = Answer {
            categories: Arc::clone(&self.categories),
            verdict: None,
            prefix: None,
            lifetime: None,
        };
        self.filter
            .finish(&self.rules, question, vec![Ok(answer)], self.now)
    }
}

fn pages(count: usize) -> Turns<Readings> {
    readings((0..count).map(|n| format!("http://www.page{n}.example/news/article{n}.html?id={n}")))
}

fn readings(texts: impl Iterator<Item = String>) -> Turns<Readings> {
    Turns::of(texts.map(|text| Readings::parse(text.as_bytes()).unwrap()))
}
