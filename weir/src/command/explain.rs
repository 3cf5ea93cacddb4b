//! `weir explain`: shows every step of one decision.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;

use filter::{
    ActionOrigin, Answer, Decision, Enforcement, Explanation, Protocol, ReadingSteps, Request,
    Rules, explain,
};
use jiff::Timestamp;
use policy::written::{or, quote};
use policy::{Action, ListKind, PolicySet, RedirectFacts, SniCheck, Verb};
use service::exit;
use uri::NormalUri;

use super::test::answer_of;
use crate::cli::Explain;
use crate::failure::one_line;
use crate::files::Files;
use crate::requested::Requested;
use crate::{Failure, ask, load};

/// Width of the first column.
const LABEL_LEN: usize = 18;

/// Lines of a label and a text.
struct Page(String);

/// Explains the decision about one URI or server name.
pub(crate) fn run(options: &Explain, out: &mut dyn Write) -> Result<u8, Failure> {
    let compiled = load::policy(Files::Disk, &options.policy).map_err(Failure::Configuration)?;
    let policy = Arc::new(compiled.set);
    let profile = profile(options, &policy)?;
    let requested = requested(options)?;
    let request = Request {
        profile: profile.as_ref(),
        target: requested.target(),
        destination: requested.address(),
    };
    let rules = Rules {
        policy: Arc::clone(&policy),
        policy_generation: 0,
        icap_generation: 0,
        now: Some(options.now.unwrap_or_else(Timestamp::now)),
    };
    let service = options
        .icap
        .as_deref()
        .map(ask::Service::parse)
        .transpose()?;
    let names = categories(options);
    let mut fault = None;
    let mut answer = |uri: &NormalUri| match &service {
        Some(service) => service.ask(uri).map_err(|error| {
            let kind = error.kind();
            fault = Some(error);
            kind
        }),
        None => match options.icap_failure {
            Some(class) => Err(class),
            None => Ok(answer_of(&names)),
        },
    };
    let explanation = explain(&rules, request, &mut answer);
    let mut page = Page(String::new());
    page.request(options, &requested, profile.as_deref());
    if let Some(fault) = fault {
        page.line("ICAP failed", &one_line(&fault));
    }
    page.steps(&explanation);
    page.conclusion(&explanation.decision, &requested);
    out.write_all(page.0.as_bytes())?;
    Ok(exit::SUCCESS)
}

/// Returns the names as an answer's list would be read: without spaces, and empty ones are none.
fn categories(options: &Explain) -> Vec<String> {
    let names = options.categories.iter().flatten();
    names
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

fn profile(options: &Explain, policy: &PolicySet) -> Result<Option<Arc<str>>, Failure> {
    let Some(name) = &options.profile else {
        return Ok(policy
            .default_profile()
            .map(|profile| Arc::clone(&profile.name)));
    };
    let names: Vec<&str> = policy
        .profiles()
        .iter()
        .map(|profile| &*profile.name)
        .collect();
    let known = policy
        .profile(name)
        .map(|profile| Some(Arc::clone(&profile.name)));
    known.ok_or_else(|| {
        Failure::Usage(format!(
            "no profile is called `{}`; use {}",
            quote(name),
            or(&names)
        ))
    })
}

fn requested(options: &Explain) -> Result<Requested, Failure> {
    let with_scheme = options.uri.contains("://");
    if !with_scheme && !options.tls {
        return Err(Failure::Usage(format!(
            "`{0}` has no scheme; use `http://{0}`, or --tls for a server name",
            quote(&options.uri)
        )));
    }
    if !with_scheme {
        return Ok(Requested::server_name(&options.uri));
    }
    let requested = Requested::uri(&options.uri);
    if options.tls && requested.protocol == Protocol::Http {
        let text = "--tls goes with a server name or an https URI";
        return Err(Failure::Usage(text.to_owned()));
    }
    Ok(requested)
}

/// Returns the steps of a decision as lines, for whoever expected another.
pub(crate) fn trace(explanation: &Explanation, requested: &Requested) -> String {
    let mut page = Page(String::new());
    if let Ok(readings) = &requested.readings {
        page.line("normal form", readings.normal().as_str());
    }
    let profile = explanation.decision.profile.as_deref();
    page.line("profile", profile.unwrap_or("none"));
    page.steps(explanation);
    page.conclusion(&explanation.decision, requested);
    page.0
}

impl Page {
    fn line(&mut self, label: &str, text: &str) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.0, "{label:LABEL_LEN$}{text}");
    }

    fn request(&mut self, options: &Explain, requested: &Requested, profile: Option<&str>) {
        self.line("requested", &quote(&options.uri));
        match &requested.readings {
            Ok(readings) => {
                self.line("normal form", readings.normal().as_str());
                for other in readings.others() {
                    self.line("also read as", other.as_str());
                }
                if !readings.are_all() {
                    self.line("also read", "in more ways than are judged");
                }
            }
            Err(error) => self.line("normal form", &format!("none: {error}")),
        }
        self.line("profile", profile.unwrap_or("none"));
    }

    fn steps(&mut self, explanation: &Explanation) {
        let several = explanation.readings.len() > 1;
        for reading in &explanation.readings {
            if several {
                self.line("reading", reading.uri.as_str());
            }
            self.reading(reading);
        }
        if let Some(reason) = explanation.decision.undecidable {
            self.line("undecidable", reason.as_str());
        }
    }

    fn reading(&mut self, reading: &ReadingSteps) {
        match &reading.listed {
            Some(hit) => {
                let list = match hit.kind {
                    ListKind::Pass => "pass_list",
                    ListKind::Block => "block_list",
                    ListKind::Redirect => "redirect_list",
                };
                self.line(
                    "lists",
                    &format!("{} in {list}: {}", hit.rule, word(hit.action)),
                );
            }
            None => self.line(
                "lists",
                "no entry in pass_list, block_list and redirect_list",
            ),
        }
        match &reading.answer {
            Some(Ok(answer)) => self.line("categories", &named(answer)),
            Some(Err(error)) => {
                self.line(
                    "categories",
                    &format!("the categorizer failed: {}", error.as_str()),
                );
            }
            None if reading.listed.is_some() => {}
            None => self.line("categories", "not asked; the profile has `icap: false`"),
        }
        for step in &reading.categories {
            let origin = match step.origin {
                ActionOrigin::Policy => "the policy",
                ActionOrigin::Default => "default_action",
            };
            let text = format!("{}: {}, by {origin}", step.category, word(step.action));
            self.line("", &text);
        }
        let label = match reading.categories.is_empty() {
            true => "action",
            false => "most restrictive",
        };
        let text = format!("{}, from {}", word(reading.action), reading.source.as_str());
        self.line(label, &text);
    }

    fn conclusion(&mut self, decision: &Decision, requested: &Requested) {
        let rule = decision
            .rule
            .as_ref()
            .map(|rule| format!(" ({rule})"))
            .unwrap_or_default();
        let text = format!(
            "{}, from {}{rule}",
            word(decision.action),
            decision.source.as_str()
        );
        self.line("decision", &text);
        match decision.sni_check {
            SniCheck::Off => {}
            SniCheck::Log => self.line(
                "sni check",
                "log: intercepted, the address dialled is compared with those of the name",
            ),
            SniCheck::Require => self.line(
                "sni check",
                "require: intercepted, the address dialled must be one of the name's",
            ),
        }
        self.line("enforcement", enforcement(decision, requested.protocol));
        let facts = RedirectFacts {
            uri: requested.as_received(),
            ..RedirectFacts::default()
        };
        if decision.enforcement(requested.protocol) == Enforcement::Redirect {
            self.line("location", &decision.location(facts).unwrap_or_default());
        }
    }
}

fn named(answer: &Answer) -> String {
    match answer.categories.is_empty() {
        true => "none".to_owned(),
        false => answer.categories.join(", "),
    }
}

fn word(action: Action) -> &'static str {
    Verb::of(action).as_str()
}

fn enforcement(decision: &Decision, protocol: Protocol) -> &'static str {
    match (decision.enforcement(protocol), protocol) {
        (Enforcement::Forward, _) => "forwarded",
        (Enforcement::Discard, _) => "closed without a byte",
        (Enforcement::Reset, _) => "TCP reset",
        (Enforcement::Forbid, Protocol::Http) => "403 with the block page",
        (Enforcement::Forbid, Protocol::Tls) => "TLS alert access_denied",
        (Enforcement::Redirect, _) => "302",
    }
}

#[cfg(test)]
mod tests;
