//! The steps of one decision for people and programs: what `weir explain` shows.

use std::sync::Arc;

use jiff::Timestamp;
use policy::{Active, ListHit, Outlook, Profile, RedirectFacts, SniCheck, Timetable, Verb, When};
use serde::Serialize;

use crate::{
    ActionOrigin, CachedEntry, Decision, Enforcement, Explanation, Protocol, ReadingSteps,
    Requested, Rules,
};

mod text;

/// The steps of one decision, as `weir explain --json` prints them: docs/schema/explain.json.
#[derive(Clone, Debug, Serialize)]
pub struct Trace {
    /// The URI or server name, as given.
    requested: String,
    #[serde(serialize_with = "protocol")]
    protocol: Protocol,
    #[serde(skip_serializing_if = "Option::is_none")]
    normal_form: Option<String>,
    /// Why there is no normal form.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_normal_form: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also_read_as: Vec<String>,
    /// Whether it can be read in more ways than are judged.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more_readings: bool,
    /// Who asks, if a gateway was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionFacts>,
    /// The profile of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(flatten)]
    times: Times,
    /// Whose caches were looked at, if a gateway was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<WorkersAsked>,
    /// Why the categorizer did not answer, in the words of who asked it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icap_fault: Option<String>,
    readings: Vec<ReadingTrace>,
    decision: DecisionTrace,
}

/// Who is behind an address.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct SessionFacts {
    /// The address.
    pub client: String,
    /// Whether a session is known for it.
    pub known: bool,
    /// The subscriber's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msisdn: Option<String>,
    /// The subscriber's identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imsi: Option<String>,
    /// The access point name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apn: Option<String>,
}

/// How many workers a gateway has, and how many of them told what their caches hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct WorkersAsked {
    /// All.
    pub running: usize,
    /// Those that answered in time.
    pub answered: usize,
}

/// What the moment has to do with it.
#[derive(Clone, Debug, Default, Serialize)]
struct Times {
    /// The moment, where anything depends on it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "moment")]
    time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    schedules: Vec<ScheduleTrace>,
    /// The profile in place of the session's.
    #[serde(skip_serializing_if = "Option::is_none")]
    instead: Option<Holding>,
    /// The policy that gives categories their actions.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Holding>,
    #[serde(skip)]
    policy_changes: bool,
}

#[derive(Clone, Debug, Serialize)]
struct ScheduleTrace {
    name: String,
    active: bool,
    /// When that changes; absent: not within a week.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "moment")]
    until: Option<Timestamp>,
    #[serde(skip)]
    zone: jiff::tz::TimeZone,
}

/// What holds, and by which schedule.
#[derive(Clone, Debug, Serialize)]
struct Holding {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct ReadingTrace {
    uri: String,
    /// What caches have of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cached: Vec<CachedTrace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<ListTrace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list_at_other_times: Option<ListTrace>,
    /// Whether the categorizer was asked.
    asked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    icap_failure: Option<&'static str>,
    categories: Vec<CategoryTrace>,
    action: &'static str,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// The names as the categorizer gave them.
    #[serde(skip)]
    named: Vec<String>,
}

/// An entry that workers have.
#[derive(Clone, Debug, Serialize)]
struct CachedTrace {
    workers: usize,
    #[serde(flatten)]
    entry: CachedEntry,
    /// Whether it leads to what is decided without it.
    agrees: bool,
}

#[derive(Clone, Debug, Serialize)]
struct ListTrace {
    list: &'static str,
    entry: String,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct CategoryTrace {
    category: String,
    action: &'static str,
    by: &'static str,
}

#[derive(Clone, Debug, Serialize)]
struct DecisionTrace {
    action: &'static str,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undecidable: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icap_failure: Option<&'static str>,
    /// Whether the action is done, and not only told.
    enforced: bool,
    #[serde(serialize_with = "enforcement")]
    enforcement: Enforcement,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(serialize_with = "sni_check")]
    sni_check: SniCheck,
}

impl Trace {
    /// Tells what was explained under `rules` for a session of `profile`. `facts` fill the
    /// location of a redirect.
    #[must_use]
    pub fn new(
        rules: &Rules,
        profile: Option<&str>,
        requested: &Requested,
        explanation: &Explanation,
        facts: RedirectFacts<'_>,
    ) -> Self {
        let readings = requested.readings.as_ref();
        let timetable = rules.policy.timetable();
        let steps = explanation.readings.iter();
        Self {
            requested: requested.given().to_owned(),
            protocol: requested.protocol,
            normal_form: readings
                .ok()
                .map(|readings| readings.normal().as_str().to_owned()),
            no_normal_form: readings.err().map(ToString::to_string),
            also_read_as: readings
                .ok()
                .into_iter()
                .flat_map(|readings| readings.others())
                .map(|uri| uri.as_str().to_owned())
                .collect(),
            more_readings: readings.is_ok_and(|readings| !readings.are_all()),
            session: None,
            profile: profile.map(str::to_owned),
            times: Times::new(rules, profile),
            workers: None,
            icap_fault: None,
            readings: steps
                .map(|reading| ReadingTrace::new(reading, timetable))
                .collect(),
            decision: DecisionTrace::new(&explanation.decision, requested.protocol, facts),
        }
    }

    /// Adds what one worker's cache has of each reading, in their order.
    pub fn add_cached(&mut self, found: Vec<Option<CachedEntry>>) {
        for (reading, entry) in self.readings.iter_mut().zip(found) {
            let Some(entry) = entry else { continue };
            let known = reading.cached.iter_mut();
            match known
                .map(|cached| (cached.entry.is_like(&entry), cached))
                .find(|(alike, _)| *alike)
            {
                Some((_, cached)) => {
                    cached.workers += 1;
                    cached.entry.ends_in_s = cached.entry.ends_in_s.max(entry.ends_in_s);
                }
                None => reading.cached.push(CachedTrace {
                    workers: 1,
                    agrees: entry.action == reading.action,
                    entry,
                }),
            }
        }
    }
}

impl Times {
    fn new(rules: &Rules, profile: Option<&str>) -> Self {
        let (policy, timetable) = (&rules.policy, rules.policy.timetable());
        let active = rules.active();
        let Some(selected) = profile.and_then(|name| policy.profile(name)) else {
            return Self::default();
        };
        let in_force = policy.in_force(selected, active);
        let wanted = depends_on(selected, in_force);
        let outlooks = rules.now.map(|now| timetable.outlooks(wanted, now));
        let by = |(when, name): (&When, &Arc<str>)| Holding {
            name: name.to_string(),
            schedule: schedule(timetable, *when),
        };
        let instead = selected.instead.iter().find(|(when, _)| when.holds(active));
        let policies = &in_force.policies;
        let held = policies.iter().find(|(when, _)| when.holds(active));
        Self {
            time: rules.now.filter(|_| wanted != Active::NONE),
            schedules: outlooks
                .into_iter()
                .flatten()
                .map(ScheduleTrace::from)
                .collect(),
            instead: instead.map(|(when, name)| by((when, name))),
            policy: held.map(|(when, policy)| by((when, &policy.name))),
            policy_changes: policies.iter().any(|(when, _)| *when != When::Always),
        }
    }
}

impl From<(String, Outlook)> for ScheduleTrace {
    fn from((name, outlook): (String, Outlook)) -> Self {
        Self {
            name,
            active: outlook.active,
            until: outlook.until,
            zone: outlook.zone,
        }
    }
}

impl ReadingTrace {
    fn new(steps: &ReadingSteps, timetable: &Timetable) -> Self {
        let answer = steps.answer.as_ref();
        let named = answer.and_then(|answer| Some(&answer.as_ref().ok()?.categories));
        let list = |hit: &ListHit| ListTrace {
            list: hit.kind.key(),
            entry: hit.rule.to_string(),
            action: Verb::of(hit.action).as_str(),
            schedule: schedule(timetable, hit.when),
        };
        Self {
            uri: steps.uri.as_str().to_owned(),
            cached: Vec::new(),
            list: steps.listed.as_ref().map(list),
            list_at_other_times: steps.at_other_times.as_ref().map(list),
            asked: answer.is_some(),
            icap_failure: answer.and_then(|answer| Some(answer.as_ref().err()?.as_str())),
            categories: steps
                .categories
                .iter()
                .map(|step| CategoryTrace {
                    category: step.category.to_string(),
                    action: Verb::of(step.action).as_str(),
                    by: match step.origin {
                        ActionOrigin::Policy => "policy",
                        ActionOrigin::Default => "default_action",
                    },
                })
                .collect(),
            action: Verb::of(steps.action).as_str(),
            source: steps.source.as_str(),
            rule: steps.rule.as_ref().map(ToString::to_string),
            named: named
                .into_iter()
                .flat_map(|names| names.iter())
                .map(ToString::to_string)
                .collect(),
        }
    }
}

impl DecisionTrace {
    fn new(decision: &Decision, protocol: Protocol, facts: RedirectFacts<'_>) -> Self {
        let enforcement = decision.enforcement(protocol);
        let location = match enforcement {
            Enforcement::Redirect => decision.location(facts),
            Enforcement::Forward
            | Enforcement::Discard
            | Enforcement::Reset
            | Enforcement::Forbid => None,
        };
        Self {
            action: Verb::of(decision.action).as_str(),
            source: decision.source.as_str(),
            rule: decision.rule.as_ref().map(ToString::to_string),
            profile: decision.profile.as_ref().map(ToString::to_string),
            undecidable: decision.undecidable.map(|reason| reason.as_str()),
            icap_failure: decision.failure.map(|class| class.as_str()),
            enforced: !decision.is_only_reported(),
            enforcement,
            location,
            sni_check: decision.sni_check,
        }
    }
}

/// Returns the schedules that a profile depends on, and the one in its place.
fn depends_on(selected: &Profile, in_force: &Profile) -> Active {
    let instead = selected.instead.iter().map(|(when, _)| *when);
    let policies = in_force.policies.iter().map(|(when, _)| *when);
    let whens = instead.chain(policies);
    whens.fold(in_force.lists.times(), Active::with)
}

fn schedule(timetable: &Timetable, when: When) -> Option<String> {
    match when {
        When::Always => None,
        When::During(id) => Some(timetable.name(id)),
    }
}

fn moment<S: serde::Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    let whole = at.and_then(|at| Timestamp::from_second(at.as_second()).ok());
    whole.map(|at| at.to_string()).serialize(serializer)
}

fn protocol<S: serde::Serializer>(protocol: &Protocol, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match protocol {
        Protocol::Http => "http",
        Protocol::Tls => "tls",
    })
}

fn enforcement<S: serde::Serializer>(it: &Enforcement, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(it.as_str())
}

fn sni_check<S: serde::Serializer>(it: &SniCheck, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(it.as_str())
}
