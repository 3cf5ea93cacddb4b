//! What happens in one case, as numbers that shrink.

use std::sync::Arc;
use std::time::Duration;

use policy::PolicySet;
use proptest::collection::vec;
use proptest::prelude::*;

/// What a list may hold: nested, beside each other, across ports, ending inside hosts.
pub(crate) const ENTRIES: [&str; 16] = [
    "http://a.test/",
    "http://a.test",
    "http://a.test/p",
    "http://a.test/p/",
    "http://a.test/p/q",
    "http://a.test/p?x",
    "http://a.te",
    "http://a.test:8080/p",
    "http://x.",
    "https://a.test/",
    "https://x.a",
    "http://b.test/p",
    "a.test",
    "x.a.test",
    "b.test",
    "test",
];

/// What the categorizer knows: the category holds for every URI that starts so.
pub(crate) const KNOWN: [&str; 12] = [
    "http://",
    "https://a.test/",
    "http://a.test/",
    "http://a.test/p",
    "http://a.test/p/q",
    "http://a.test/%2570",
    "http://a.test/p?",
    "http://a.test:8080/",
    "http://x.a.test/p/",
    "http://b.test/",
    "http://b.test/p/q",
    "http://a.test/p;v",
];

pub(crate) const CATEGORIES: [&str; 4] = ["news", "adult", "gambling", "games"];

pub(crate) const ORIGINS: [&str; 6] = [
    "http://a.test",
    "http://a.test:8080",
    "https://a.test",
    "http://x.a.test",
    "http://b.test",
    "http://a.test.net",
];

/// Some have two readings.
pub(crate) const PATHS: [&str; 13] = [
    "/", "/p", "/p/", "/p/q", "/p/qq", "/p/r", "/pp", "/p?x", "/p?xy", "/z", "/%2570", "/p;v/q",
    "/p%2fq",
];

pub(crate) const ACTIONS: [&str; 4] = [
    "pass",
    "block",
    "{redirect: \"http://one.test/\"}",
    "{redirect: \"http://two.test/\"}",
];

pub(crate) const PROFILES: [&str; 3] = ["one", "two", "removed"];

/// Schedules of every file, by name: they overlap, and one has two windows.
const SCHEDULES: &str = "
  night: {from: \"21:00\", to: \"07:00\", timezone: Europe/Madrid}
  dusk: {days: [mon-fri], from: \"18:30\", to: \"22:30\", timezone: Europe/Madrid}
  odd: [{days: [tue], timezone: UTC}, {from: \"06:00\", to: \"06:01\", timezone: UTC}]
";

pub(crate) const LIFETIME: Duration = Duration::from_millis(200);

/// A policy file, as numbers that shrink.
#[derive(Clone, Debug)]
pub(crate) struct PolicyPlan {
    pub(crate) profiles: [ProfilePlan; 2],
    pub(crate) bypass: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct ProfilePlan {
    pub(crate) asks: bool,
    /// The action of each entry, or none.
    pub(crate) listed: Vec<Option<usize>>,
    /// The action of each category, or none.
    pub(crate) categories: Vec<Option<usize>>,
    pub(crate) default: usize,
    pub(crate) unknown: usize,
    pub(crate) error: usize,
    /// Which of its parts have a schedule: a bit each.
    pub(crate) timed: u8,
}

/// Which category each thing that the categorizer knows has.
pub(crate) type Knowledge = Vec<(usize, usize)>;

#[derive(Clone, Debug)]
pub(crate) enum Event {
    Request(RequestPlan),
    /// The answers of one waiting question arrive.
    Finish(usize),
    /// The categorizer changes, and its ISTag with it.
    NewTag(Knowledge),
    /// Another of the policies is put in force.
    Reload(usize),
    Wait(u64),
    /// The clock on the wall shows so many minutes after the beginning of the week.
    Clock(i64),
}

#[derive(Clone, Debug)]
pub(crate) struct RequestPlan {
    pub(crate) origin: usize,
    pub(crate) path: usize,
    pub(crate) profile: usize,
    pub(crate) prefix: PrefixPlan,
    pub(crate) lifetime: Option<u64>,
    pub(crate) fate: Fate,
}

#[derive(Clone, Debug)]
pub(crate) enum PrefixPlan {
    None,
    Sound(usize),
    SoundPath(usize),
    Hostile(usize),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Answered,
    Late,
    Fails,
}

impl PolicyPlan {
    pub(crate) fn compile(&self) -> Arc<PolicySet> {
        let mut lists = Vec::new();
        let mut policies = Vec::new();
        let mut profiles = Vec::new();
        for (name, plan) in PROFILES.iter().zip(&self.profiles) {
            let entries = by_action(&plan.listed, &ENTRIES);
            lists.extend(entries.map(|(action, words)| format!("{name}_{action}: [{words}]")));
            lists.push(format!(
                "{name}_extra: [\"{}\"]",
                ENTRIES[usize::from(plan.timed % 16)]
            ));
            policies.push(plan.policy(name));
            profiles.push(plan.profile(name));
        }
        let (lists, policies) = (lists.join(", "), policies.join(", "));
        let profiles = profiles.join(", ");
        let bypass = if self.bypass {
            "192.0.2.0/24"
        } else {
            "198.51.100.0/24"
        };
        let text = format!(
            "lists: {{{lists}}}\npolicies: {{{policies}}}\nschedules:{SCHEDULES}profiles: \
             {{{profiles}}}\nbypass: [\"{bypass}\"]\n"
        );
        match policy::compile("plan.yaml", &text, &|path| Err(path.to_owned())) {
            Ok(compiled) => Arc::new(compiled.set),
            Err(diagnostics) => panic!("{diagnostics:?} in\n{text}"),
        }
    }
}

impl ProfilePlan {
    /// Writes what categories ask for. Nothing empty is written, here and below, as reading the
    /// file is most of a case's time.
    fn policy(&self, name: &str) -> String {
        let mut keys = Vec::new();
        let mut redirects = Vec::new();
        for (action, words) in by_action(&self.categories, &CATEGORIES) {
            match action {
                0 => keys.push(format!("pass: [{words}]")),
                1 => keys.push(format!("block: [{words}]")),
                _ => redirects.push(format!(
                    "{{to: \"http://c{action}.test/\", categories: [{words}]}}"
                )),
            }
        }
        if !redirects.is_empty() {
            keys.push(format!("redirect: [{}]", redirects.join(", ")));
        }
        format!("{name}: {{{}}}", keys.join(", "))
    }

    /// Returns the schedule of a part of the profile, as the end of a map.
    fn when(&self, bit: u8, schedule: &str) -> String {
        match self.timed >> bit & 1 {
            0 => String::new(),
            _ => format!(", when: {schedule}"),
        }
    }

    fn profile(&self, name: &str) -> String {
        let night = |bit| self.when(bit, "night");
        let dusk = |bit| self.when(bit, "dusk");
        let mut blocked = Vec::new();
        if self.timed & 1 != 0 {
            blocked.push(format!("{{list: {name}_extra, when: odd}}"));
        }
        let mut keys = vec![
            format!("icap: {}", self.asks),
            format!("policy: [{{policy: {name}{}}}]", dusk(1)),
            format!("default_action: {}", ACTIONS[self.default]),
            format!("unknown_action: {}", ACTIONS[self.unknown]),
            format!("error_action: {}", ACTIONS[self.error]),
            "undecidable_action: block".to_owned(),
        ];
        let mut redirects = Vec::new();
        for (action, _) in by_action(&self.listed, &ENTRIES) {
            match action {
                0 => keys.push(format!("pass_list: [{{list: {name}_0{}}}]", night(2))),
                1 => blocked.push(format!("{{list: {name}_1{}}}", dusk(3))),
                _ => redirects.push(format!(
                    "{{to: \"http://l{action}.test/\", lists: [{name}_{action}]{}}}",
                    night(4)
                )),
            }
        }
        if !redirects.is_empty() {
            keys.push(format!("redirect_list: [{}]", redirects.join(", ")));
        }
        if !blocked.is_empty() {
            keys.push(format!("block_list: [{}]", blocked.join(", ")));
        }
        if name == PROFILES[0] && self.timed >> 5 & 1 != 0 {
            keys.push("instead: [{profile: two, when: odd}]".to_owned());
        }
        format!("{name}: {{{}}}", keys.join(", "))
    }
}

/// Returns each action that is given to a word, with its words as the inside of a YAML list.
fn by_action(given: &[Option<usize>], words: &[&str]) -> impl Iterator<Item = (usize, String)> {
    (0..ACTIONS.len()).filter_map(move |action| {
        let mut found = Vec::new();
        for (word, given) in words.iter().zip(given) {
            if *given == Some(action) {
                found.push(format!("\"{word}\""));
            }
        }
        (!found.is_empty()).then(|| (action, found.join(", ")))
    })
}

pub(crate) fn policy_plan() -> impl Strategy<Value = PolicyPlan> {
    (profile_plan(), profile_plan(), prop::bool::weighted(0.1)).prop_map(|(one, two, bypass)| {
        PolicyPlan {
            profiles: [one, two],
            bypass,
        }
    })
}

fn profile_plan() -> impl Strategy<Value = ProfilePlan> {
    let action = || 0..ACTIONS.len();
    (
        prop::bool::weighted(0.9),
        vec(prop::option::weighted(0.2, action()), ENTRIES.len()),
        vec(prop::option::weighted(0.7, action()), CATEGORIES.len()),
        (action(), action(), action()),
        0..64_u8,
    )
        .prop_map(
            |(asks, listed, categories, (default, unknown, error), timed)| ProfilePlan {
                asks,
                listed,
                categories,
                default,
                unknown,
                error,
                timed,
            },
        )
}

pub(crate) fn knowledge() -> impl Strategy<Value = Knowledge> {
    vec((0..KNOWN.len(), 0..CATEGORIES.len()), 0..6)
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        40 => request_plan().prop_map(Event::Request),
        8 => (0..100_usize).prop_map(Event::Finish),
        2 => knowledge().prop_map(Event::NewTag),
        1 => (0..3_usize).prop_map(Event::Reload),
        2 => (1..150_u64).prop_map(Event::Wait),
        4 => (0..7 * 24 * 60_i64).prop_map(Event::Clock),
    ]
}

fn request_plan() -> impl Strategy<Value = RequestPlan> {
    // Most requests go to one origin for one profile, so that they meet in the cache.
    let origin = prop_oneof![3 => Just(0), 1 => 0..ORIGINS.len()];
    // The last profile is in no policy.
    let profile = prop_oneof![20 => Just(0), 8 => Just(1), 1 => Just(2)];
    let prefix = prop_oneof![
        1 => Just(PrefixPlan::None),
        4 => (0..32_usize).prop_map(PrefixPlan::Sound),
        2 => (0..32_usize).prop_map(PrefixPlan::SoundPath),
        1 => (0..8_usize).prop_map(PrefixPlan::Hostile),
    ];
    let lifetime = prop::option::weighted(0.2, 0..150_u64);
    let fate = prop_oneof![
        6 => Just(Fate::Answered),
        3 => Just(Fate::Late),
        1 => Just(Fate::Fails),
    ];
    let plan = (origin, 0..PATHS.len(), profile, prefix, lifetime, fate);
    plan.prop_map(
        |(origin, path, profile, prefix, lifetime, fate)| RequestPlan {
            origin,
            path,
            profile,
            prefix,
            lifetime,
            fate,
        },
    )
}
