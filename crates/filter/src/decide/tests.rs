use std::num::NonZeroUsize;
use std::sync::LazyLock;
use std::time::Duration;

use policy::RedirectFacts;

use super::*;
use crate::{CachedEntry, Enforcement, Protocol, SharedPrefix, Source, Undecidable};

mod cached;
mod reload;
mod scheduled;
mod sources;

const POLICY: &str = r#"
lists:
  school: ["http://school.example/", "https://school.example/"]
  games: ["http://school.example/games/"]
  half: ["http://www.example.co"]
  banned: [casino.example]
  moved: ["http://old.example/"]
  notice: ["http://notice.example/"]
policies:
  family:
    pass: [news, education]
    block: [adult, violence]
    redirect:
      - {to: "http://notice.example/?first&imsi=%S&uri=%U", categories: [gambling]}
      - {to: "http://notice.example/?second", categories: [dating]}
profiles:
  child:
    icap: true
    policy: family
    pass_list: [school, notice]
    block_list: [banned, games, half]
    redirect_list: [{to: "http://new.example/", lists: [moved]}]
    default_action: pass
    unknown_action: {redirect: "http://new.example/?unknown"}
    error_action: block
    undecidable_action: block
    block_response: forbidden
  strict:
    icap: true
    policy: family
    default_action: block
    unknown_action: pass
    error_action: {redirect: "http://new.example/?error"}
    undecidable_action: pass
  moving:
    icap: true
    policy: family
    default_action: {redirect: "http://new.example/?default"}
    unknown_action: block
    error_action: pass
    undecidable_action: {redirect: "http://new.example/?undecidable"}
  bare:
    icap: true
    default_action: block
    unknown_action: pass
    error_action: pass
    undecidable_action: pass
  quiet:
    policy: family
    pass_list: [school]
    default_action: pass
    unknown_action: block
    error_action: pass
    undecidable_action: pass
    block_response: reset
bypass: ["192.0.2.0/24"]
"#;

/// The normal form is `/p`, decoded once it is `/%70`.
const TWO_READINGS: &str = "http://a.example/%2570";

/// One filter and the rules around it.
struct World {
    filter: Filter,
    rules: Rules,
    now: Instant,
    /// Questions begun since the last look.
    asked: usize,
}

/// What the categorizer says in a test.
#[derive(Clone)]
enum Says {
    Categories(&'static str),
    Prefix(&'static str, SharedPrefix),
    For(&'static str, Duration),
    Nothing,
}

impl World {
    fn new() -> Self {
        Self::with_entries(1000)
    }

    fn with_entries(entries_max: usize) -> Self {
        Self {
            filter: Filter::new(CacheLimits {
                entries_max: NonZeroUsize::new(entries_max),
                lifetime: Duration::from_secs(3600),
            }),
            rules: Rules {
                policy: compile(POLICY),
                policy_generation: 1,
                icap_generation: 1,
                now: None,
            },
            now: start(),
            asked: 0,
        }
    }

    /// Puts another policy in force.
    fn reload(&mut self, text: &str) {
        self.rules.policy = compile(text);
        self.rules.policy_generation += 1;
    }

    fn peek(&self, profile: &str, uri: &str) -> Vec<Option<CachedEntry>> {
        let readings = Readings::parse(uri.as_bytes()).unwrap();
        let request = Request {
            profile: Some(profile),
            target: Target::Uri(&readings),
            destination: None,
        };
        self.filter.peek(&self.rules, request, self.now)
    }

    fn begin(&mut self, profile: &str, uri: &str) -> Step {
        let readings = Readings::parse(uri.as_bytes()).unwrap();
        let request = Request {
            profile: Some(profile),
            target: Target::Uri(&readings),
            destination: None,
        };
        self.filter.begin(&self.rules, request, self.now)
    }

    /// Begins a request that must be asked about.
    #[track_caller]
    fn ask(&mut self, profile: &str, uri: &str) -> Question {
        match self.begin(profile, uri) {
            Step::Ask(question) => question,
            Step::Decided(decision) => panic!("decided already: {}", show(&decision)),
        }
    }

    /// Begins a request that must be asked about, and no more.
    #[track_caller]
    fn asks(&mut self, profile: &str, uri: &str) {
        drop(self.ask(profile, uri));
    }

    fn finish(&mut self, question: Question, says: &[Says]) -> Decision {
        let answers = says.iter().map(Says::answer).collect();
        self.filter.finish(&self.rules, question, answers, self.now)
    }

    /// Begins and, if asked, says the same of every reading.
    fn judge(&mut self, profile: &str, uri: &str, says: &Says) -> Decision {
        match self.begin(profile, uri) {
            Step::Decided(decision) => decision,
            Step::Ask(question) => {
                self.asked += 1;
                let says = vec![says.clone(); question.uris().len()];
                self.finish(question, &says)
            }
        }
    }
}

/// Returns what was decided without asking.
#[track_caller]
fn unasked(step: Step) -> Decision {
    match step {
        Step::Decided(decision) => decision,
        Step::Ask(question) => panic!("asks about {:?}", question.uris()),
    }
}

impl Says {
    fn answer(&self) -> Result<Answer, AskError> {
        let (names, prefix, lifetime) = match *self {
            Self::Categories(names) => (names, None, None),
            Self::Prefix(names, prefix) => (names, Some(prefix), None),
            Self::For(names, lifetime) => (names, None, Some(lifetime)),
            Self::Nothing => return Err(AskError::Timeout),
        };
        Ok(Answer {
            categories: names.split_whitespace().map(Arc::from).collect(),
            verdict: None,
            prefix,
            lifetime,
        })
    }
}

/// Shows a decision as `action source [rule]`; a redirect as `>destination source [rule]`.
fn show(decision: &Decision) -> String {
    let action = match (decision.action, &decision.destination) {
        (policy::Action::Pass, None) => "pass".to_owned(),
        (policy::Action::Block, None) => "block".to_owned(),
        (policy::Action::Redirect(_), Some(to)) => format!(">{}", to.as_str()),
        (action, destination) => format!("{action:?} to {destination:?}"),
    };
    let mut shown = format!("{action} {}", decision.source.as_str());
    if let Some(rule) = &decision.rule {
        shown += &format!(" [{rule}]");
    }
    shown
}

fn compile(text: &str) -> Arc<PolicySet> {
    match policy::compile("test.yaml", text, &|path| Err(format!("no file `{path}`"))) {
        Ok(compiled) => Arc::new(compiled.set),
        Err(diagnostics) => panic!("{diagnostics:?}"),
    }
}

/// Any time will do, as long as it is the same in one test.
fn start() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant comes from nowhere else"
    )]
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    *START
}
