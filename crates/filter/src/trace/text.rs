//! A trace as lines of a label and a text.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use policy::SniCheck;
use policy::written::{quote, visible};

use super::{ListTrace, ReadingTrace, ScheduleTrace, SessionFacts, Times, Trace};
use crate::{Enforcement, Protocol};

/// Width of the first column.
const LABEL_LEN: usize = 18;

/// How moments are shown: as `--now` takes them.
const MOMENT: &str = "%Y-%m-%dT%H:%M[%Q]";

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "requested", &quote(&self.requested))?;
        match (&self.normal_form, &self.no_normal_form) {
            (None, Some(why)) => line(f, "normal form", &format!("none: {why}"))?,
            (normal, _) => line(f, "normal form", normal.as_deref().unwrap_or_default())?,
        }
        for other in &self.also_read_as {
            line(f, "also read as", other)?;
        }
        if self.more_readings {
            line(f, "also read", "in more ways than are judged")?;
        }
        if let Some(session) = &self.session {
            session.write(f)?;
        }
        self.steps(f)
    }
}

impl Trace {
    /// Returns the steps without what was requested, for whoever expected another end of them.
    #[must_use]
    pub fn to_steps(&self) -> String {
        struct Steps<'a>(&'a Trace);
        impl fmt::Display for Steps<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if let Some(normal) = &self.0.normal_form {
                    line(f, "normal form", normal)?;
                }
                self.0.steps(f)
            }
        }
        Steps(self).to_string()
    }

    fn steps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "profile", self.profile.as_deref().unwrap_or("none"))?;
        self.times.write(f)?;
        if let Some(fault) = &self.icap_fault {
            line(f, "ICAP failed", fault)?;
        }
        let several = self.readings.len() > 1;
        for reading in &self.readings {
            if several {
                line(f, "reading", &reading.uri)?;
            }
            self.cached(f, reading)?;
            reading.write(f)?;
        }
        self.conclusion(f)
    }

    fn cached(&self, f: &mut fmt::Formatter<'_>, reading: &ReadingTrace) -> fmt::Result {
        let Some(workers) = &self.workers else {
            return Ok(());
        };
        let mut label = "cache";
        if workers.answered < workers.running {
            let late = workers.running - workers.answered;
            let text = format!(
                "{late} of {} workers did not answer in time",
                workers.running
            );
            line(f, label, &text)?;
            label = "";
        }
        if reading.cached.is_empty() {
            let text = format!("no entry at {} workers", workers.answered);
            return line(f, label, &text);
        }
        for cached in &reading.cached {
            let entry = &cached.entry;
            let names = match entry.categories.is_empty() {
                true => entry
                    .rule
                    .clone()
                    .unwrap_or_else(|| "no category".to_owned()),
                false => entry.categories.join(", "),
            };
            let doubt = match cached.agrees {
                true => "",
                false => "; not what is decided now",
            };
            let text = format!(
                "{} of {} workers: {} entry {} ({names}): {}, for {} s{doubt}",
                cached.workers,
                workers.answered,
                entry.extent,
                entry.uri,
                entry.action,
                entry.ends_in_s,
            );
            line(f, label, &text)?;
            label = "";
        }
        Ok(())
    }

    fn conclusion(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = &self.decision;
        if let Some(reason) = decision.undecidable {
            line(f, "undecidable", reason)?;
        }
        let rule = decision.rule.as_ref().map(|rule| format!(" ({rule})"));
        let rule = rule.unwrap_or_default();
        let reported = match decision.enforced {
            true => "",
            false => ", only reported",
        };
        let text = format!(
            "{}, from {}{rule}{reported}",
            decision.action, decision.source
        );
        line(f, "decision", &text)?;
        match decision.sni_check {
            SniCheck::Off => {}
            SniCheck::Log => line(
                f,
                "sni check",
                "log: intercepted, the address dialled is compared with those of the name",
            )?,
            SniCheck::Require => line(
                f,
                "sni check",
                "require: intercepted, the address dialled must be one of the name's",
            )?,
        }
        let done = match (decision.enforcement, self.protocol) {
            (Enforcement::Forward, _) => "forwarded",
            (Enforcement::Discard, _) => "closed without a byte",
            (Enforcement::Reset, _) => "TCP reset",
            (Enforcement::Forbid, Protocol::Http) => "403 with the block page",
            (Enforcement::Forbid, Protocol::Tls) => "TLS alert access_denied",
            (Enforcement::Redirect, _) => "302",
        };
        line(f, "enforcement", done)?;
        match &decision.location {
            Some(location) => line(f, "location", location),
            None => Ok(()),
        }
    }
}

impl SessionFacts {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "client", &self.client)?;
        let facts = [
            ("msisdn", &self.msisdn),
            ("imsi", &self.imsi),
            ("apn", &self.apn),
        ];
        let facts: Vec<String> = facts
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name} {}", quote(value.as_ref()?))))
            .collect();
        let text = match (self.known, facts.is_empty()) {
            (false, _) => "none is known".to_owned(),
            (true, true) => "known".to_owned(),
            (true, false) => facts.join(", "),
        };
        line(f, "session", &text)
    }
}

impl Times {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(time), Some(first)) = (self.time, self.schedules.first()) {
            line(f, "time", &shown(time, &first.zone))?;
        }
        let mut label = "schedules";
        for schedule in &self.schedules {
            line(f, label, &schedule.text())?;
            label = "";
        }
        if let Some(instead) = &self.instead {
            line(f, "in its place", &instead.text())?;
        }
        match &self.policy {
            Some(policy) if self.policy_changes => line(f, "policy", &policy.text()),
            None if self.policy_changes => line(f, "policy", "none holds"),
            Some(_) | None => Ok(()),
        }
    }
}

impl super::Holding {
    fn text(&self) -> String {
        format!("{}{}", self.name, by(self.schedule.as_ref()))
    }
}

impl ScheduleTrace {
    fn text(&self) -> String {
        let state = match self.active {
            true => "active",
            false => "not active",
        };
        let until = match self.until {
            Some(until) => format!("until {}", shown(until, &self.zone)),
            None => "for a week and longer".to_owned(),
        };
        format!("{}: {state} {until}", self.name)
    }
}

impl ReadingTrace {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.list {
            Some(list) => line(f, "lists", &list.text())?,
            None => line(
                f,
                "lists",
                "no entry in pass_list, block_list and redirect_list",
            )?,
        }
        if let Some(list) = &self.list_at_other_times {
            line(f, "", &format!("at other times: {}", list.text()))?;
        }
        match (self.icap_failure, self.asked) {
            (Some(class), _) => {
                let text = format!("the categorizer failed: {class}");
                line(f, "categories", &text)?;
            }
            (None, true) if self.named.is_empty() => line(f, "categories", "none")?,
            (None, true) => line(f, "categories", &self.named.join(", "))?,
            (None, false) if self.list.is_some() => {}
            (None, false) => {
                line(f, "categories", "not asked; the profile has `icap: false`")?;
            }
        }
        for step in &self.categories {
            let by = match step.by {
                "policy" => "the policy",
                other => other,
            };
            let text = format!("{}: {}, by {by}", step.category, step.action);
            line(f, "", &text)?;
        }
        let label = match self.categories.is_empty() {
            true => "action",
            false => "most restrictive",
        };
        line(f, label, &format!("{}, from {}", self.action, self.source))
    }
}

impl ListTrace {
    fn text(&self) -> String {
        let by = by(self.schedule.as_ref());
        format!("{} in {}{by}: {}", self.entry, self.list, self.action)
    }
}

/// Names the schedule by which something holds.
fn by(schedule: Option<&String>) -> String {
    schedule
        .map(|name| format!(", by schedule `{name}`"))
        .unwrap_or_default()
}

fn shown(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime(MOMENT).to_string()
}

fn line(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    // What a client or a categorizer says is not to reach a terminal as it is.
    writeln!(f, "{label:LABEL_LEN$}{}", visible(text))
}
