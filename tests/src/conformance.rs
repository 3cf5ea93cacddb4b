//! RFC 3507 as an executable suite for ICAP servers.
//!
//! - `case`: what a case is: a requirement, what is sent, what is accepted.
//! - `cases`: the cases, as rows.
//! - `message`: what is sent.
//! - `answer`: what comes back, read strictly.
//! - `check`: what an answer must be.
//! - `exchange`: a case on a connection of its own.
//! - `target`: the service that is judged.
//! - `suite`: all cases against one service.
//! - `peer`: the servers that stand side by side.
//! - `page`: the table in `docs/ICAP-CONFORMANCE.md`.

use std::net::ToSocketAddrs as _;
use std::time::Instant;

pub mod answer;
pub mod case;
pub mod cases;
pub mod check;
pub mod exchange;
pub mod message;
pub mod page;
pub mod peer;
pub mod suite;
pub mod target;

use self::case::{Case, Level};
use self::exchange::Verdict;
use self::peer::Service;
use self::target::Target;

const USAGE: &str =
    "usage: conform [--case TEXT] [--address HOST:PORT --service NAME] [--only NAME]

  --address, --service  judge this service alone, and print every case
  --case TEXT           the cases with this in their name
  --only NAME           of weir, c-icap and icap-rs this one; may be repeated

With any of them, what came of it is printed and the page is not written.";

/// What was asked for.
#[derive(Debug, Default)]
struct Options {
    address: Option<String>,
    service: Option<String>,
    case: Option<String>,
    only: Vec<String>,
}

/// Runs the suite as the arguments say: against an address, or against this program and others.
///
/// # Errors
///
/// Says what is wrong with the arguments, or missing on this machine; or that a case of a MUST
/// failed where it should not.
pub fn run(arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let options = Options::read(arguments)?;
    let mut cases = cases::all();
    if let Some(text) = &options.case {
        cases.retain(|case| case.id.contains(text.as_str()));
    }
    match (&options.address, &options.service) {
        (Some(address), Some(service)) => judge_one(&cases, address, service),
        (None, None) => compare(&cases, &options),
        _ => Err(USAGE.to_owned()),
    }
}

fn judge_one(cases: &[Case], address: &str, service: &str) -> Result<(), String> {
    let wrong = |what: &dyn std::fmt::Display| format!("{address}: {what}");
    let mut addresses = address.to_socket_addrs().map_err(|error| wrong(&error))?;
    let found = addresses.next().ok_or_else(|| wrong(&"no address"))?;
    let target = Target::ask(found, service)?;
    let started = Instant::now();
    let outcome = suite::judge_apart(cases, &target);
    eprintln!("{} cases in {:.1?}", cases.len(), started.elapsed());
    print(cases, &outcome);
    match outcome.failed(cases, Level::Must).len() {
        0 => Ok(()),
        failed => Err(format!("{failed} cases of a MUST failed")),
    }
}

/// Judges the services side by side, each with a server of its own.
fn compare(cases: &[Case], options: &Options) -> Result<(), String> {
    let asked = |service: &Service| options.is_asked(*service);
    let services: Vec<Service> = Service::ALL.into_iter().filter(asked).collect();
    if let Some(missing) = services.iter().find_map(|service| service.missing()) {
        return Err(missing);
    }
    let mut columns = Vec::new();
    for service in services {
        let started = Instant::now();
        let mut running = service.start();
        let target = running.target(service)?;
        let outcome = suite::judge_apart(cases, &target);
        let (server, name) = (service.server(), service.name());
        eprintln!(
            "{server} {name}: {} cases in {:.1?}",
            cases.len(),
            started.elapsed()
        );
        if !options.is_whole() {
            print(cases, &outcome);
        }
        columns.push((service, outcome));
    }
    if options.is_whole() {
        page::write(&page::table(cases, &columns))?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it was asked for")]
fn print(cases: &[Case], outcome: &suite::Outcome) {
    for (case, verdict) in cases.iter().zip(&outcome.verdicts) {
        let (word, got) = match verdict {
            Verdict::Met(got) => ("ok", got),
            Verdict::Failed(got) => ("FAILED", got),
            Verdict::NotJudged(why) => ("-", why),
        };
        let level = case.rule.level.as_str();
        println!(
            "{word:6} {level:6} {:15} {}: {got}",
            case.rule.section, case.id
        );
    }
    for level in [Level::Must, Level::Should, Level::May] {
        let all = suite::claims(cases, level).len();
        let broken = outcome.broken(cases, level);
        println!(
            "{}: {} of {all} requirements broken",
            level.as_str(),
            broken.len()
        );
        for claim in &broken {
            println!("  {claim}");
        }
    }
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let value = Some(arguments.next().ok_or(USAGE)?);
            match argument.as_str() {
                "--address" => options.address = value,
                "--service" => options.service = value,
                "--case" => options.case = value,
                "--only" => options.only.extend(value),
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }

    fn is_asked(&self, service: Service) -> bool {
        let named = |name: &String| name.eq_ignore_ascii_case(service.server());
        self.only.is_empty() || self.only.iter().any(named)
    }

    fn is_whole(&self) -> bool {
        self.only.is_empty() && self.case.is_none()
    }
}
