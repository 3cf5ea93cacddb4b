use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use filter::{
    Answer, CacheLimits, Decision, Filter, Question, Request, Rules, SharedPrefix, Step, Target,
};
use policy::{Action, PolicySet, compile};
use uri::{NormalUri, Readings};

/// Requests at most: with the entries of the cache, so few that it fills up.
const REQUESTS_MAX: usize = 64;

/// Entries of the cache: fewer than requests, so that some are thrown out.
const CACHE_ENTRIES: NonZeroUsize = NonZeroUsize::new(6).unwrap();

/// Lists and requests, line by line: `+`, `-` and `=` before an entry of a pass, block or redirect
/// list, `>` before a URI that is requested, `!` for a new ISTag. A cache changes no decision, and
/// what is blocked in one reading never passes.
pub fn decision(bytes: &[u8]) {
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines: Vec<(u8, &[u8])> = lines
        .filter_map(|line| line.split_first().map(|(sign, text)| (*sign, text)))
        .collect();
    let Some(policy) = policy(&lines) else {
        return;
    };
    let mut rules = Rules {
        policy: Arc::new(policy),
        policy_generation: 0,
        icap_generation: 0,
        now: None,
    };
    let limits = |entries_max| CacheLimits {
        entries_max,
        lifetime: Duration::from_secs(3600),
    };
    let now = Instant::now();
    let mut cached = Filter::new(limits(Some(CACHE_ENTRIES)));
    let mut plain = Filter::new(limits(None));
    for (sign, text) in lines.iter().take(REQUESTS_MAX) {
        if *sign == b'!' {
            rules.icap_generation += 1;
        }
        let (b'>', Ok(readings)) = (sign, Readings::parse_typed(text)) else {
            continue;
        };
        let with = decided(&mut cached, &rules, &readings, now);
        let without = decided(&mut plain, &rules, &readings, now);
        assert_eq!(facts(&with), facts(&without), "{readings:?}");
        assert!(cached.cached_entries() <= CACHE_ENTRIES.get());
        is_not_open_in_another_reading(&rules, &readings, &without);
    }
}

/// Returns the policy with these entries, if they are some.
fn policy(lines: &[(u8, &[u8])]) -> Option<PolicySet> {
    const TEXT: &str = r#"
lists: {pass: {file: "+"}, block: {file: "-"}, redirect: {file: "="}}
policies: {p: {block: [adult]}}
profiles:
  p:
    icap: true
    policy: p
    pass_list: [pass]
    block_list: [block]
    redirect_list: [{to: "http://new.example/", lists: [redirect]}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
"#;
    let read = |name: &str| {
        let of_list = lines.iter().filter(|(sign, _)| name.as_bytes() == [*sign]);
        let text: Vec<&[u8]> = of_list.map(|(_, text)| *text).collect();
        String::from_utf8(text.join(&b'\n')).map_err(|error| error.to_string())
    };
    compile("p.yaml", TEXT, &read).ok().map(|it| it.set)
}

fn decided(filter: &mut Filter, rules: &Rules, readings: &Readings, now: Instant) -> Decision {
    let request = Request {
        profile: Some("p"),
        target: Target::Uri(readings),
        destination: None,
    };
    match filter.begin(rules, request, now) {
        Step::Decided(decision) => decision,
        Step::Ask(question) => {
            let answers = answers(&question);
            filter.finish(rules, question, answers, now)
        }
    }
}

fn answers(question: &Question) -> Vec<Result<Answer, filter::AskError>> {
    let answers = question.uris().iter().map(answer);
    answers.map(Ok).collect()
}

/// Says `adult` of every path that begins with a `b`, and how far that holds.
fn answer(uri: &NormalUri) -> Answer {
    let first = uri.path_and_query().as_bytes().get(1);
    let category = match first {
        Some(b'b') => "adult",
        Some(_) | None => "news",
    };
    Answer {
        categories: [category.into()].into(),
        verdict: None,
        prefix: first.map(|_| SharedPrefix::Uri(uri.origin_len() as u64 + 1)),
        lifetime: None,
    }
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
    )
}

fn is_not_open_in_another_reading(rules: &Rules, readings: &Readings, decision: &Decision) {
    let profile = rules.policy.profile("p").unwrap();
    for uri in readings.iter() {
        match profile
            .lists
            .find(uri, policy::Active::NONE)
            .map(|hit| hit.action)
        {
            Some(Action::Block | Action::Redirect(_)) => {
                assert_ne!(decision.action, Action::Pass, "{uri}");
            }
            Some(Action::Pass) => {}
            None if answer(uri).categories[0].as_ref() == "adult" => {
                assert_ne!(decision.action, Action::Pass, "{uri}");
            }
            None => {}
        }
    }
}
