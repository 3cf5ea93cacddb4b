//! The evasion corpus: nothing that may not be reached is reached, and nothing honest is broken.

use tests::evasion::Mode;
use tests::evasion::attempt::Attempt;
use tests::evasion::case::Corpus;
use tests::evasion::finding::Finding;
use tests::evasion::outcome::Outcome;
use tests::evasion::pure::Pure;
use tests::evasion::table::Table;
use tests::evasion::wire::Wire;

/// Cases that there are at least.
const CASES_MIN: usize = 150;

#[test]
fn nothing_slips_past_the_pure_crates() {
    let attempts = Corpus::read().attempts();
    let mut report = Report::default();
    for mode in Mode::ALL {
        let mut pure = Pure::new(mode);
        for attempt in &attempts {
            let (outcomes, finding) = pure.run(attempt);
            report.add(attempt, mode, &outcomes, &finding);
        }
    }
    report.conclude("pure crates");
}

/// A run that finds nothing is worth what it would find.
#[test]
fn what_a_list_blocks_is_a_bypass_without_the_list() {
    let policy = Mode::Deny.policy().replace("block_list: [blocked]", "");
    let mut open = Pure::under(Mode::Deny, &policy);
    for attempt in Corpus::read().attempts() {
        if attempt.verdict != Some(Outcome::Blocked) {
            continue;
        }
        let (outcomes, finding) = open.run(&attempt);
        // A tunnel that opens has nothing in it.
        let is_bypass =
            matches!(finding, Finding::Bypass(_)) || attempt.case.starts_with("CONNECT");
        assert!(
            is_bypass,
            "{:?}: {finding:?} after {outcomes:?}",
            attempt.case
        );
    }
}

#[test]
fn nothing_slips_past_the_gateway() {
    if tests::tier_missing("transparent", tests::lab::missing()) {
        return;
    }
    let attempts = Corpus::read().attempts();
    let mut report = Report::default();
    for mode in Mode::ALL {
        let results = Wire::start(mode).run(&attempts);
        for (attempt, result) in attempts.iter().zip(results) {
            if let Some(result) = result {
                report.add(attempt, mode, &result.outcomes, &result.finding);
            }
        }
    }
    report.conclude("gateway");
}

/// What came of all sendings.
#[derive(Default)]
struct Report {
    table: Table,
    faults: Vec<String>,
}

impl Report {
    fn add(&mut self, attempt: &Attempt, mode: Mode, outcomes: &[Outcome], finding: &Finding) {
        self.table.add(attempt, mode, outcomes, finding);
        if *finding != Finding::Good {
            self.faults.push(format!(
                "{} {:?}, {:?} {}, {mode:?}: {finding:?} after {outcomes:?}: {}",
                attempt.kind.as_str(),
                attempt.case,
                attempt.intent,
                attempt.way.as_str(),
                attempt
                    .sending
                    .bytes()
                    .escape_ascii()
                    .to_string()
                    .chars()
                    .take(300)
                    .collect::<String>(),
            ));
        }
    }

    #[track_caller]
    fn conclude(self, run: &str) {
        self.table.print(run);
        let cases = self.table.totals().cases;
        assert!(cases >= CASES_MIN, "{cases} cases, not {CASES_MIN}");
        assert!(
            self.faults.is_empty(),
            "{}:\n{}",
            self.table.totals(),
            self.faults.join("\n")
        );
    }
}
