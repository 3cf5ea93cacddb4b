//! `weir test`: runs policy tests through the engine that decides requests.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use filter::{Answer, AskError, CacheLimits, Filter, Request, Rules, Step};
use policy::written::quote;
use policy::{Case, Categorized, RedirectFacts, TestFile, Verb};
use service::exit;

use crate::files::Files;
use crate::requested::Requested;
use crate::{Failure, load};

/// What became of one case.
struct Outcome {
    action: Verb,
    source: &'static str,
    location: Option<String>,
    rule: Option<Arc<str>>,
}

/// Runs the tests of every file and prints what passed and what did not.
pub(crate) fn run(paths: &[PathBuf], out: &mut dyn Write) -> Result<u8, Failure> {
    let mut passed = 0;
    let mut failed = 0;
    for path in paths {
        let text = load::text(Files::Disk, path);
        let text = text.map_err(|remark| Failure::Configuration(vec![remark]))?;
        let name = path.display().to_string();
        let tests = TestFile::parse(&name, &text).map_err(Failure::Configuration)?;
        let policy = load::tested_policy(Files::Disk, path, &tests);
        let policy = policy.map_err(Failure::Configuration)?.set;
        let rules = Rules {
            policy: Arc::new(policy),
            policy_generation: 0,
            icap_generation: 0,
            now: None,
        };
        writeln!(out, "{name}")?;
        for case in &tests.cases {
            let rules = Rules {
                now: case.now,
                ..rules.clone()
            };
            let faults = faults(case, &outcome(&rules, tests.profile.as_deref(), case));
            report(case, path, &faults, out)?;
            match faults.is_empty() {
                true => passed += 1,
                false => failed += 1,
            }
        }
    }
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(if failed == 0 {
        exit::SUCCESS
    } else {
        exit::FAILURE
    })
}

fn report(case: &Case, path: &Path, faults: &[String], out: &mut dyn Write) -> std::io::Result<()> {
    if faults.is_empty() {
        return writeln!(out, "  pass  {}", quote(&case.name));
    }
    writeln!(
        out,
        "  FAIL  {} ({}:{})",
        quote(&case.name),
        path.display(),
        case.expect.place
    )?;
    for fault in faults {
        writeln!(out, "          {fault}")?;
    }
    Ok(())
}

/// Decides the case as a gateway with an empty cache would.
fn outcome(rules: &Rules, profile: Option<&str>, case: &Case) -> Outcome {
    let requested = match &case.subject {
        policy::Subject::Uri(uri) => Requested::uri(uri),
        policy::Subject::Sni(name) => Requested::server_name(name),
    };
    let profile = match profile {
        Some(name) => rules.policy.profile(name),
        None => rules.policy.default_profile(),
    };
    let request = Request {
        profile: profile.map(|profile| &profile.name),
        target: requested.target(),
        destination: requested.address(),
    };
    let limits = CacheLimits {
        entries_max: NonZeroUsize::new(1),
        lifetime: Duration::ZERO,
    };
    let mut filter = Filter::new(limits);
    let now = Instant::now();
    let decision = match filter.begin(rules, request, now) {
        Step::Decided(decision) => decision,
        Step::Ask(question) => {
            let answers = question
                .uris()
                .iter()
                .map(|_| answer(&case.categorized))
                .collect();
            filter.finish(rules, question, answers, now)
        }
    };
    let facts = RedirectFacts {
        msisdn: case.subscriber.msisdn.as_deref().unwrap_or_default(),
        imsi: case.subscriber.imsi.as_deref().unwrap_or_default(),
        uri: requested.as_received(),
    };
    let enforced = requested.enforced(&decision);
    Outcome {
        action: enforced,
        source: decision.source.as_str(),
        location: decision
            .location(facts)
            .filter(|_| enforced == Verb::Redirect),
        rule: decision.rule,
    }
}

fn answer(categorized: &Categorized) -> Result<Answer, AskError> {
    match categorized {
        Categorized::Categories(names) => Ok(answer_of(names)),
        Categorized::Failed(class) => Err(*class),
    }
}

/// Returns the answer of a categorizer that names these categories.
pub(crate) fn answer_of(names: &[String]) -> Answer {
    let names = names.iter().map(|name| Arc::from(name.to_lowercase()));
    Answer {
        categories: names.collect(),
        verdict: None,
        prefix: None,
        lifetime: None,
    }
}

/// Says where the outcome is not what the case expects.
fn faults(case: &Case, outcome: &Outcome) -> Vec<String> {
    let expect = &case.expect;
    let mut faults = Vec::new();
    let mut compare = |what: &str, expected: Option<&str>, got: Option<&str>| {
        if expected.is_some() && expected != got {
            let expected = expected.unwrap_or_default();
            let got = got.map_or_else(|| "none".to_owned(), |got| format!("`{got}`"));
            faults.push(format!("{what}: expected `{expected}`, got {got}"));
        }
    };
    compare(
        "action",
        Some(expect.action.as_str()),
        Some(outcome.action.as_str()),
    );
    compare("source", expect.source.as_deref(), Some(outcome.source));
    compare(
        "location",
        expect.location.as_deref(),
        outcome.location.as_deref(),
    );
    compare("rule", expect.rule.as_deref(), outcome.rule.as_deref());
    faults
}

#[cfg(test)]
mod tests;
