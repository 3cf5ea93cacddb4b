//! All cases against one service.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::case::{Case, Level, Need};
use super::exchange::{Verdict, run};
use super::target::Target;

/// Cases under way at once. Most of the time of a failing case is a wait.
const LANES: usize = 16;

/// What came of the cases, in their order.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One for each case.
    pub verdicts: Vec<Verdict>,
}

/// Runs the cases, each on a connection of its own.
///
/// # Panics
///
/// Fails if a thread of it did.
pub fn judge(cases: &[Case], target: &Target) -> Outcome {
    let verdicts: Vec<Mutex<Option<Verdict>>> = cases.iter().map(|_| Mutex::new(None)).collect();
    let settle = |index: usize| {
        let verdict = run(&cases[index], target);
        *verdicts[index].lock().expect("no panic while settling") = Some(verdict);
    };
    // One that takes all connections would take those of the others.
    let (alone, mut together): (Vec<usize>, Vec<usize>) =
        (0..cases.len()).partition(|index| cases[*index].need == Need::FewConnections);
    together.sort_by_key(|index| !cases[*index].slow);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some(index) = together.get(next.fetch_add(1, Ordering::Relaxed)) {
                    settle(*index);
                }
            });
        }
    });
    alone.into_iter().for_each(settle);
    let verdicts = verdicts.into_iter().map(|verdict| {
        let verdict = verdict.into_inner().expect("no panic while settling");
        verdict.expect("every case was run")
    });
    Outcome {
        verdicts: verdicts.collect(),
    }
}

/// Like [`judge`], after which every case whose connection was closed is run again, alone, and
/// judged by that: a server that fails as a whole closes the connections of other cases, too.
pub fn judge_apart(cases: &[Case], target: &Target) -> Outcome {
    let mut outcome = judge(cases, target);
    for (case, verdict) in cases.iter().zip(&mut outcome.verdicts) {
        if verdict.is_by_closing() && !case.slow {
            *verdict = run(case, target);
        }
    }
    outcome
}

impl Outcome {
    /// Returns the cases of a level that failed, each with what was got.
    pub fn failed<'a>(&'a self, cases: &'a [Case], level: Level) -> Vec<(&'a Case, &'a str)> {
        let pairs = cases.iter().zip(&self.verdicts);
        pairs
            .filter(|(case, _)| case.rule.level == level)
            .filter_map(|(case, verdict)| match verdict {
                Verdict::Failed(got) => Some((case, got.as_str())),
                Verdict::Met(_) | Verdict::NotJudged(_) => None,
            })
            .collect()
    }

    /// Returns the requirements of a level of which a case failed.
    pub fn broken(&self, cases: &[Case], level: Level) -> Vec<&'static str> {
        let mut claims: Vec<&str> = Vec::new();
        for (case, _) in self.failed(cases, level) {
            if !claims.contains(&case.rule.claim) {
                claims.push(case.rule.claim);
            }
        }
        claims
    }
}

/// Returns the requirements of a level, each once.
pub fn claims(cases: &[Case], level: Level) -> Vec<&'static str> {
    let mut claims: Vec<&str> = Vec::new();
    for case in cases.iter().filter(|case| case.rule.level == level) {
        if !claims.contains(&case.rule.claim) {
            claims.push(case.rule.claim);
        }
    }
    claims
}
