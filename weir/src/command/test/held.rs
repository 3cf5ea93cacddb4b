//! What decided a request because of the time.

use std::sync::Arc;

use filter::{Decision, Requested, Rules, Source};
use policy::{ListKind, Profile, ScheduledUse, When};

/// Something that a profile names, and that held by a schedule.
pub(super) struct Held {
    profile: Arc<str>,
    key: &'static str,
    /// The policy or the profile, or the entry of a list.
    name: Arc<str>,
    /// What the file calls the schedule.
    schedules: Vec<Arc<str>>,
}

impl Held {
    /// Returns whether this is that use. `has` says whether a list has an entry.
    pub(super) fn is(&self, wanted: &ScheduledUse, has: impl Fn(&str, &str) -> bool) -> bool {
        let named = match wanted.key {
            "policy" | "instead" => *self.name == *wanted.name,
            _ => has(&wanted.name, &self.name),
        };
        let mut schedules = self.schedules.iter();
        named
            && self.key == wanted.key
            && *self.profile == *wanted.profile
            && schedules.any(|schedule| **schedule == *wanted.schedule)
    }
}

/// Returns what decided a request of a session of `selected` because of the time.
pub(super) fn held(
    rules: &Rules,
    selected: Option<&Arc<Profile>>,
    requested: &Requested,
    decision: &Decision,
) -> Vec<Held> {
    let active = rules.active();
    let mut all = Vec::new();
    let mut add = |profile: &Arc<str>, key, name: &Arc<str>, when| match when {
        When::Always => {}
        When::During(id) => all.push(Held {
            profile: Arc::clone(profile),
            key,
            name: Arc::clone(name),
            schedules: rules.policy.timetable().names(id).to_vec(),
        }),
    };
    // Without a profile nothing of one decided.
    let decides = decision.profile.as_ref();
    let Some((selected, decides)) = selected.zip(decides) else {
        return all;
    };
    let mut instead = selected.instead.iter();
    if let Some((when, name)) = instead.find(|(when, _)| when.holds(active)) {
        add(&selected.name, "instead", name, *when);
    }
    let Some(profile) = rules.policy.profile(decides) else {
        return all;
    };
    let mut policies = profile.policies.iter();
    if let (Source::Icap, Some((when, policy))) = (
        decision.source,
        policies.find(|(when, _)| when.holds(active)),
    ) {
        add(&profile.name, "policy", &policy.name, *when);
    }
    if let (Some(kind), Ok(readings)) = (list_of(decision.source), &requested.readings) {
        let hits = readings
            .iter()
            .filter_map(|uri| profile.lists.find(uri, active));
        for hit in hits.filter(|hit| hit.kind == kind && Some(&hit.rule) == decision.rule.as_ref())
        {
            add(&profile.name, kind.key(), &hit.rule, hit.when);
        }
    }
    all
}

fn list_of(source: Source) -> Option<ListKind> {
    match source {
        Source::PassList => Some(ListKind::Pass),
        Source::BlockList => Some(ListKind::Block),
        Source::RedirectList => Some(ListKind::Redirect),
        Source::Unfiltered
        | Source::Bypass
        | Source::NoProfile
        | Source::Cache
        | Source::Icap
        | Source::Default
        | Source::Unknown
        | Source::Error
        | Source::Undecidable => None,
    }
}
