//! `weir test`: runs policy tests through the engine that decides requests.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use filter::Answer;
use policy::{Case, Place, TestFile};
use service::exit;

use crate::cli::{ResultFormat, Test};
use crate::files::{Files, beside};
use crate::{Failure, load};
use coverage::Coverage;

mod case;
mod coverage;
mod find;
mod formats;
mod held;
mod watch;

/// What became of all cases.
#[derive(Debug, Default)]
pub(crate) struct Results {
    files: Vec<FileResults>,
    /// Of each policy, if asked for.
    coverage: Option<Coverage>,
    /// Percent that must be covered.
    fail_under: Option<u8>,
}

/// What became of the cases of one file.
#[derive(Debug)]
struct FileResults {
    name: String,
    cases: Vec<CaseResult>,
}

/// What became of one case.
#[derive(Debug)]
struct CaseResult {
    name: String,
    /// Where its expectation is.
    place: Place,
    /// Empty: it passed.
    faults: Vec<Fault>,
    /// Why the decision is what it is, of a case that failed.
    trace: String,
}

/// Something that is not as expected.
#[derive(Debug, Eq, PartialEq)]
struct Fault {
    what: &'static str,
    expected: String,
    got: Option<String>,
}

/// A test file with its policy.
struct Loaded {
    path: PathBuf,
    tests: TestFile,
    policy_path: PathBuf,
    rules: filter::Rules,
}

/// Runs the tests of every file and prints what passed and what did not.
pub(crate) fn run(options: &Test, out: &mut dyn Write) -> Result<u8, Failure> {
    if options.watch {
        if options.format != ResultFormat::Text {
            let text = "--watch is for people; leave --format out";
            return Err(Failure::Usage(text.to_owned()));
        }
        return watch::run(options, out);
    }
    once(options, out)
}

/// Runs the tests a single time.
fn once(options: &Test, out: &mut dyn Write) -> Result<u8, Failure> {
    let loaded = load_all(&find::test_files(&options.paths)?)?;
    let results = results(options, &loaded)?;
    formats::write(&results, options.format, out)?;
    Ok(if results.are_good() {
        exit::SUCCESS
    } else {
        exit::FAILURE
    })
}

/// Reads all files before the first case is run, so that everything wrong is told at once.
fn load_all(paths: &[PathBuf]) -> Result<Vec<Loaded>, Failure> {
    let mut loaded = Vec::new();
    let mut wrong = Vec::new();
    for path in paths {
        match load_one(path) {
            Ok(file) => loaded.push(file),
            Err(remarks) => wrong.extend(remarks),
        }
    }
    wrong.dedup();
    match wrong.is_empty() {
        true => Ok(loaded),
        false => Err(Failure::Configuration(wrong)),
    }
}

fn load_one(path: &Path) -> Result<Loaded, Vec<policy::Diagnostic>> {
    let text = load::text(Files::Disk, path).map_err(|remark| vec![remark])?;
    let tests = TestFile::parse(&path.display().to_string(), &text)?;
    let policy = load::tested_policy(Files::Disk, path, &tests)?.set;
    Ok(Loaded {
        path: path.to_owned(),
        policy_path: beside(path, &tests.policy),
        tests,
        rules: filter::Rules {
            policy: Arc::new(policy),
            policy_generation: 0,
            icap_generation: 0,
            now: None,
        },
    })
}

fn results(options: &Test, loaded: &[Loaded]) -> Result<Results, Failure> {
    let covers = options.coverage || options.fail_under.is_some();
    let mut results = Results {
        coverage: covers.then(Coverage::default),
        fail_under: options.fail_under,
        ..Results::default()
    };
    for Loaded {
        path,
        tests,
        policy_path,
        rules,
    } in loaded
    {
        if let Some(coverage) = &mut results.coverage {
            coverage.add_policy(policy_path)?;
        }
        let mut cases = Vec::new();
        for case in &tests.cases {
            let rules = &filter::Rules {
                now: case.now,
                ..rules.clone()
            };
            let outcome = case::Outcome::of(rules, case);
            if let Some(coverage) = &mut results.coverage {
                coverage.touch(policy_path, &outcome.touched);
            }
            cases.push(result(rules, case, &outcome));
        }
        results.files.push(FileResults {
            name: path.display().to_string(),
            cases,
        });
    }
    Ok(results)
}

fn result(rules: &filter::Rules, case: &Case, outcome: &case::Outcome) -> CaseResult {
    let faults = outcome.faults(case);
    CaseResult {
        name: case.name.clone(),
        place: case.expect.place,
        trace: match faults.is_empty() {
            true => String::new(),
            false => outcome.trace(rules, case),
        },
        faults,
    }
}

impl Results {
    fn passed(&self) -> usize {
        let cases = self.files.iter().flat_map(|file| &file.cases);
        cases.filter(|case| case.faults.is_empty()).count()
    }

    fn failed(&self) -> usize {
        let cases = self.files.iter().flat_map(|file| &file.cases);
        cases.filter(|case| !case.faults.is_empty()).count()
    }

    /// Returns whether enough is covered.
    fn covers_enough(&self) -> bool {
        let under = self.fail_under.unwrap_or_default();
        let coverage = self.coverage.as_ref();
        coverage.is_none_or(|coverage| coverage.is_at_least(under))
    }

    fn are_good(&self) -> bool {
        self.failed() == 0 && self.covers_enough()
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

#[cfg(test)]
mod tests;
