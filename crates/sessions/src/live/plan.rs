//! What a change does to sessions: the rules, wherever the sessions are kept.

use std::sync::Arc;

use ipnet::IpNet;

use super::change::{ADMIN, Switched};
use super::record::{Nas, Ranges, Record, SessionId};
use super::{Applied, Assignment, RANGES_MAX, Refused, Report};
use crate::store::{Change, Effect};
use crate::{Name, Origin, Selected, Session, SessionKey};

/// What is there. A store that has to ask for it may say what it takes to be there, and keep in
/// mind what it said.
pub trait View {
    /// Returns the session that a NAS calls by this id, be it that it has ended by itself.
    fn owned(&mut self, nas: &str, id: &SessionId) -> Option<Arc<Record>>;

    /// Returns whether the session with this id is known to have ended at this time or later.
    fn has_ended(&mut self, nas: &str, id: &SessionId, event_s: u32) -> bool;

    /// Returns the session at exactly this range, be it that it has ended by itself.
    fn at(&mut self, range: &IpNet) -> Option<Arc<Record>>;

    /// Returns the open session with this key.
    fn keyed(&mut self, key: SessionKey) -> Option<Arc<Record>>;

    /// Returns who reports under this name; none if there are too many.
    fn nas(&mut self, name: &str) -> Option<Arc<Nas>>;

    /// Returns one copy of a name for all who have it.
    fn name(&mut self, name: &str) -> Name;

    /// Returns a number that tells a new session from those with its addresses before it.
    fn serial(&mut self) -> u32;

    /// Returns whether there is room for one more session.
    fn has_room(&mut self) -> bool;

    /// Returns whether sessions can have ranges of this length.
    fn admits(&mut self, range: &IpNet) -> bool;
}

/// What is to be written for a change, all of it or nothing, and what has become of sessions then.
#[derive(Debug)]
pub struct Plan {
    /// What the change did once this is written.
    pub effect: Effect,
    /// The session that has all its ranges now, in place of any other.
    pub put: Option<Arc<Record>>,
    /// Ranges that no session has any more.
    pub freed: Vec<IpNet>,
    /// Sessions that are kept no more, if they were, and when they ended.
    pub ended: Vec<Ended>,
    /// A NAS whose sessions from before this time have ended, in seconds since 1970.
    pub cleared: Option<(Arc<Nas>, u32)>,
}

/// The end of a session, which keeps later news of it from opening it anew.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Who reported it.
    pub nas: Box<str>,
    /// What it was called.
    pub id: SessionId,
    /// When it ended, in seconds since 1970.
    pub event_s: u32,
}

impl Plan {
    /// Plans a change, where a session lives for `lifetime_s` after it was reported last.
    ///
    /// # Errors
    ///
    /// Fails if there is no room for it.
    pub fn new(
        change: &Change,
        view: &mut impl View,
        lifetime_s: u32,
        now_s: u32,
    ) -> Result<Self, Refused> {
        match change {
            Change::Report(report) => reported(report, view, lifetime_s, now_s),
            Change::Close { nas, id, event_s } => Ok(closed((nas, id), view, *event_s)),
            Change::Switch {
                nas,
                switched,
                event_s,
            } => self::switched(nas, view, *switched, *event_s),
            Change::Assign(range, assignment) => assigned(*range, view, assignment, now_s),
            Change::Remove(range) => Ok(removed(*range, view, now_s)),
            Change::Select {
                session,
                selected,
                origin,
            } => Ok(self::selected(*session, view, selected, *origin)),
        }
    }

    /// Plans to keep a session in place of all that have its ranges.
    pub(super) fn put(
        record: Arc<Record>,
        view: &mut impl View,
        now_s: u32,
    ) -> Result<Self, Refused> {
        let old = view.owned(&record.nas.name, &record.id);
        let mut others: Vec<Arc<Record>> = Vec::new();
        for range in record.ranges() {
            let other = view.at(range).filter(|other| !other.is_same(&record));
            if let Some(other) = other
                && !others.iter().any(|it| it.is_same(&other))
            {
                others.push(other);
            }
        }
        if old.is_none() && others.is_empty() && !view.has_room() {
            return Err(Refused::Full);
        }
        if !record.ranges().iter().all(|range| view.admits(range)) {
            return Err(Refused::ManyLengths);
        }
        let gone = others.iter().chain(&old).flat_map(|it| it.ranges());
        let freed = gone.filter(|range| !record.ranges().contains(range));
        let mut plan = Self {
            freed: freed.copied().collect(),
            ended: others
                .iter()
                .map(|it| Ended::of(it, record.changed_s))
                .collect(),
            put: Some(Arc::clone(&record)),
            ..Self::from(Applied::Opened(Arc::clone(&record)))
        };
        plan.effect.ended = others;
        match old {
            Some(old) if old.is_open_at(now_s) => plan.effect.applied = Applied::Changed(record),
            // It had ended, and nobody had noticed.
            Some(old) => plan.effect.ended.push(old),
            None => {}
        }
        Ok(plan)
    }

    /// Plans the end of a session that is kept.
    pub(super) fn end(record: Arc<Record>, event_s: u32) -> Self {
        Self {
            freed: record.ranges().to_vec(),
            ended: vec![Ended::of(&record, event_s)],
            ..Self::from(Applied::Closed(record))
        }
    }

    /// Returns whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.put.is_none()
            && self.freed.is_empty()
            && self.ended.is_empty()
            && self.cleared.is_none()
    }
}

impl From<Applied> for Plan {
    fn from(applied: Applied) -> Self {
        Self {
            effect: applied.into(),
            put: None,
            freed: Vec::new(),
            ended: Vec::new(),
            cleared: None,
        }
    }
}

impl Ended {
    fn of(record: &Record, event_s: u32) -> Self {
        Self {
            nas: record.nas.name.clone(),
            id: record.id.clone(),
            event_s,
        }
    }
}

/// Opens a session, or takes what is reported of one that is open. Others at its addresses end,
/// unless something later is known of them: then these addresses stay theirs.
fn reported(
    report: &Report,
    view: &mut impl View,
    lifetime_s: u32,
    now_s: u32,
) -> Result<Plan, Refused> {
    let event_s = report.event_s;
    let old = view.owned(&report.nas, &report.id);
    let old = old.filter(|old| old.is_open_at(now_s));
    if view.has_ended(&report.nas, &report.id, event_s)
        || old.as_ref().is_some_and(|old| event_s < old.changed_s)
        // What was so long ago has ended since, and may be a replay.
        || event_s.saturating_add(lifetime_s) <= now_s
    {
        return Ok(Applied::Stale.into());
    }
    let nas = view.nas(&report.nas).ok_or(Refused::ManyNas)?;
    if event_s < nas.cleared_s() {
        return Ok(Applied::Stale.into());
    }
    let ranges = match (&*report.ranges, &old) {
        ([], Some(old)) => old.ranges.clone(),
        (ranges, _) => match claimed(report, view, now_s)? {
            Some(ranges) => ranges,
            None if ranges.is_empty() => return Ok(Applied::Unknown.into()),
            None => return Ok(Applied::Stale.into()),
        },
    };
    let session = Session {
        msisdn: report.msisdn,
        imsi: report.imsi,
        apn: report.apn.as_deref().map(|apn| view.name(apn)),
        profile: report.profile.as_deref().map(|it| view.name(it)),
        origin: match report.profile {
            Some(_) => Origin::Attribute,
            None => Origin::Configuration,
        },
        changed_s: event_s,
    };
    let record = Record {
        session: match &old {
            Some(old) => session.filled_from(old),
            None => session,
        },
        id: report.id.clone(),
        ranges,
        nas,
        serial: match &old {
            Some(old) => old.serial,
            None => view.serial(),
        },
        expires_s: now_s.saturating_add(lifetime_s),
    };
    Plan::put(Arc::new(record), view, now_s)
}

/// Returns those of the ranges of a report that no session has of which something later is known,
/// or which an operator made.
fn claimed(report: &Report, view: &mut impl View, now_s: u32) -> Result<Option<Ranges>, Refused> {
    if report.ranges.len() > RANGES_MAX {
        return Err(Refused::ManyRanges);
    }
    let ranges = report.ranges.iter();
    let mut claimed: Vec<IpNet> = ranges
        .map(|range| crate::unmapped(*range).trunc())
        .collect();
    claimed.sort_unstable();
    claimed.dedup();
    claimed.retain(|range| {
        let other = view
            .at(range)
            .filter(|other| other.is_open_at(now_s) && !other.is_owned_by(&report.nas, &report.id));
        other.is_none_or(|other| other.nas().is_some() && other.changed_s <= report.event_s)
    });
    Ok(Ranges::new(&claimed))
}

/// Ends a session, if it is still the one that has this id.
fn closed((nas, id): (&str, &SessionId), view: &mut impl View, event_s: u32) -> Plan {
    match view.owned(nas, id) {
        None if view.has_ended(nas, id, event_s) => Applied::Unknown.into(),
        None => Plan {
            ended: vec![Ended {
                nas: nas.into(),
                id: id.clone(),
                event_s,
            }],
            ..Plan::from(Applied::Unknown)
        },
        Some(record) if event_s < record.changed_s => Applied::Stale.into(),
        Some(record) => Plan::end(record, event_s),
    }
}

/// Ends all sessions of a NAS that was switched on or off, however many.
fn switched(
    nas: &str,
    view: &mut impl View,
    switched: Switched,
    event_s: u32,
) -> Result<Plan, Refused> {
    let cleared_s = match switched {
        Switched::On => event_s,
        // Its last reports may be of the same second.
        Switched::Off => event_s.saturating_add(1),
    };
    let nas = view.nas(nas).ok_or(Refused::ManyNas)?;
    if cleared_s <= nas.cleared_s() {
        return Ok(Applied::Stale.into());
    }
    Ok(Plan {
        cleared: Some((nas, cleared_s)),
        ..Plan::from(Applied::Switched)
    })
}

/// Puts in force what an operator says about the session at a range: about the one that is open
/// there, else about a new one, which stays until it is removed.
fn assigned(
    range: IpNet,
    view: &mut impl View,
    assignment: &Assignment,
    now_s: u32,
) -> Result<Plan, Refused> {
    let range = crate::unmapped(range).trunc();
    let old = view.at(&range).filter(|old| old.is_open_at(now_s));
    let session = Session {
        msisdn: assignment.msisdn,
        imsi: assignment.imsi,
        apn: assignment.apn.as_deref().map(|apn| view.name(apn)),
        profile: assignment.profile.as_deref().map(|it| view.name(it)),
        origin: match assignment.profile {
            Some(_) => Origin::Admin,
            None => Origin::Configuration,
        },
        // The order of what its NAS reports is not touched.
        changed_s: old.as_ref().map_or(now_s, |old| old.changed_s),
    };
    let record = match &old {
        Some(old) => old.with(session),
        None => {
            let name = range.to_string();
            Record {
                session,
                id: SessionId::new(name.as_bytes()).ok_or(Refused::ManyRanges)?,
                ranges: Ranges::One(range),
                nas: view.nas(ADMIN).ok_or(Refused::ManyNas)?,
                serial: view.serial(),
                expires_s: u32::MAX,
            }
        }
    };
    Plan::put(Arc::new(record), view, now_s)
}

/// Ends the session at a range, whoever reported it.
fn removed(range: IpNet, view: &mut impl View, now_s: u32) -> Plan {
    let range = crate::unmapped(range).trunc();
    match view.at(&range) {
        Some(record) if record.is_open_at(now_s) => {
            let event_s = record.changed_s;
            Plan::end(record, event_s)
        }
        Some(_) | None => Applied::Unknown.into(),
    }
}

/// Gives a session the profile that a policy server selects. A profile that an operator gave
/// stays. Where the policy server selects none, one that an attribute of a report stands for
/// stays too.
fn selected(key: SessionKey, view: &mut impl View, selected: &Selected, origin: Origin) -> Plan {
    let Some(old) = view.keyed(key) else {
        return Applied::Unknown.into();
    };
    let (profile, origin) = match (selected, old.origin) {
        (_, Origin::Admin) | (Selected::Default, Origin::Attribute) => {
            return Applied::Changed(old).into();
        }
        (Selected::Default, _) => (None, Origin::Configuration),
        (Selected::Off, _) => (None, origin),
        (Selected::Profile(name), _) => (Some(view.name(name)), origin),
    };
    let record = Arc::new(old.with(Session {
        profile,
        origin,
        ..old.session.clone()
    }));
    Plan {
        put: Some(Arc::clone(&record)),
        ..Plan::from(Applied::Changed(record))
    }
}
