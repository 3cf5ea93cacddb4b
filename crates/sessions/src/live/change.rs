//! What changes the table. Everything here takes the writer's turn for a few lines.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ipnet::IpNet;

use super::record::{Ranges, Record, SessionId, owner_hash};
use super::writer::Writer;
use super::{Applied, Assignment, LiveSessions, RANGES_MAX, Refused, Report, SWEEPS, SWEPT_MIN};
use crate::store::{Change, Effect};
use crate::{Origin, Selected, Session, SessionKey};

/// Under whose name sessions are kept that an operator made: a NAS has a name that is not empty.
pub(super) const ADMIN: &str = "";

/// When the NAS was switched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Switched {
    /// It has begun to work: what happened before is over.
    On,
    /// It ends its work: what happened until now is over.
    Off,
}

impl LiveSessions {
    /// Puts a change in force.
    ///
    /// # Errors
    ///
    /// Fails without a change if there is no room.
    pub fn apply(&self, change: &Change, now_s: u32) -> Result<Effect, Refused> {
        match change {
            Change::Report(report) => self.reported(report, now_s),
            Change::Close { nas, id, event_s } => Ok(self.close(nas, id, *event_s).into()),
            Change::Switch {
                nas,
                switched,
                event_s,
            } => match self.switched(nas, *switched, *event_s)? {
                true => Ok(Applied::Switched.into()),
                false => Ok(Applied::Stale.into()),
            },
            Change::Assign(range, assignment) => self.assigned(*range, assignment, now_s),
            Change::Remove(range) => Ok(self.remove_at(*range, now_s).into()),
            Change::Select {
                session,
                selected,
                origin,
            } => Ok(self.select(*session, selected, *origin).into()),
        }
    }

    /// Opens a session, or takes what is reported of one that is open. Others at its addresses
    /// end, unless something later is known of them: then these addresses stay theirs.
    ///
    /// # Errors
    ///
    /// Fails without a change if there is no room.
    pub fn report(&self, report: &Report, now_s: u32) -> Result<Applied, Refused> {
        Ok(self.reported(report, now_s)?.applied)
    }

    fn reported(&self, report: &Report, now_s: u32) -> Result<Effect, Refused> {
        let mut writer = self.writer();
        let event_s = report.event_s;
        let old = writer.owned(&report.nas, &report.id).cloned();
        let old = old.filter(|old| old.is_open_at(now_s));
        if writer
            .closed
            .covers(owner_hash(&report.nas, &report.id), event_s)
            || old.as_ref().is_some_and(|old| event_s < old.changed_s)
            // What was so long ago has ended since, and may be a replay.
            || event_s.saturating_add(self.limits.lifetime_s) <= now_s
        {
            return Ok(Applied::Stale.into());
        }
        let nas = writer.nas(&report.nas).ok_or(Refused::ManyNas)?;
        if event_s < nas.cleared_s.load(Ordering::Relaxed) {
            return Ok(Applied::Stale.into());
        }
        let ranges = match (&*report.ranges, &old) {
            ([], Some(old)) => old.ranges.clone(),
            (ranges, _) => match self.claim(ranges, report, now_s)? {
                Some(ranges) => ranges,
                None if ranges.is_empty() => return Ok(Applied::Unknown.into()),
                None => return Ok(Applied::Stale.into()),
            },
        };
        let session = Session {
            msisdn: report.msisdn,
            imsi: report.imsi,
            apn: report.apn.as_deref().map(|apn| writer.name(apn)),
            profile: report.profile.clone(),
            origin: match report.profile {
                Some(_) => Origin::Attribute,
                None => Origin::Configuration,
            },
            changed_s: event_s,
        };
        let session = match &old {
            Some(old) => session.filled_from(old),
            None => session,
        };
        let serial = old
            .as_ref()
            .map_or_else(|| writer.serial(), |old| old.serial);
        let record = Record {
            session,
            id: report.id.clone(),
            ranges,
            nas,
            serial,
            expires_s: now_s.saturating_add(self.limits.lifetime_s),
        };
        self.store(&mut writer, Arc::new(record), now_s)
    }

    /// Ends a session, if it is still the one that has this id.
    pub fn close(&self, nas: &str, id: &SessionId, event_s: u32) -> Applied {
        let mut writer = self.writer();
        let Some(record) = writer.owned(nas, id).cloned() else {
            writer.closed.add(owner_hash(nas, id), event_s);
            return Applied::Unknown;
        };
        if event_s < record.changed_s {
            return Applied::Stale;
        }
        self.remove(&mut writer, &record, event_s);
        Applied::Closed(record)
    }

    /// Ends all sessions of a NAS that was switched on or off, however many. Tells whether this
    /// is news.
    ///
    /// # Errors
    ///
    /// Fails without a change if there is no room for a further NAS.
    pub fn switched(&self, nas: &str, switched: Switched, event_s: u32) -> Result<bool, Refused> {
        let cleared_s = match switched {
            Switched::On => event_s,
            // Its last reports may be of the same second.
            Switched::Off => event_s.saturating_add(1),
        };
        let nas = self.writer().nas(nas).ok_or(Refused::ManyNas)?;
        Ok(nas.cleared_s.fetch_max(cleared_s, Ordering::Relaxed) < cleared_s)
    }

    /// Puts in force what an operator says about the session at a range: about the one that is
    /// open there, else about a new one, which stays until it is removed. The profile given here
    /// comes before all that is reported later of the session.
    ///
    /// # Errors
    ///
    /// Fails without a change if there is no room.
    pub fn assign(
        &self,
        range: IpNet,
        assignment: &Assignment,
        now_s: u32,
    ) -> Result<Applied, Refused> {
        Ok(self.assigned(range, assignment, now_s)?.applied)
    }

    fn assigned(
        &self,
        range: IpNet,
        assignment: &Assignment,
        now_s: u32,
    ) -> Result<Effect, Refused> {
        let range = crate::unmapped(range).trunc();
        let mut writer = self.writer();
        let old = self.shards.get(&range);
        let old = old.filter(|old| old.is_open_at(now_s));
        let session = Session {
            msisdn: assignment.msisdn,
            imsi: assignment.imsi,
            apn: assignment.apn.as_deref().map(|apn| writer.name(apn)),
            profile: assignment.profile.clone(),
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
                let id = SessionId::new(name.as_bytes()).ok_or(Refused::ManyRanges)?;
                Record {
                    session,
                    id,
                    ranges: Ranges::One(range),
                    nas: writer.nas(ADMIN).ok_or(Refused::ManyNas)?,
                    serial: writer.serial(),
                    expires_s: u32::MAX,
                }
            }
        };
        self.store(&mut writer, Arc::new(record), now_s)
    }

    /// Ends the session at a range, whoever reported it.
    pub fn remove_at(&self, range: IpNet, now_s: u32) -> Applied {
        let range = crate::unmapped(range).trunc();
        let mut writer = self.writer();
        match self.shards.get(&range) {
            Some(record) if record.is_open_at(now_s) => {
                let event_s = record.changed_s;
                self.remove(&mut writer, &record, event_s);
                Applied::Closed(record)
            }
            Some(_) | None => Applied::Unknown,
        }
    }

    /// Gives a session the profile that a policy server selects, for requests that come later.
    /// A profile that an operator gave stays. Where the policy server selects none, one that an
    /// attribute of a report stands for stays too.
    pub fn select(&self, key: SessionKey, selected: &Selected, origin: Origin) -> Applied {
        let mut writer = self.writer();
        let Some(old) = self.shards.keyed(key) else {
            return Applied::Unknown;
        };
        let (profile, origin) = match (selected, old.origin) {
            (_, Origin::Admin) | (Selected::Default, Origin::Attribute) => {
                return Applied::Changed(old);
            }
            (Selected::Default, _) => (None, Origin::Configuration),
            (Selected::Off, _) => (None, origin),
            (Selected::Profile(name), _) => (Some(Arc::clone(name)), origin),
        };
        let record = Arc::new(old.with(Session {
            profile,
            origin,
            ..old.session.clone()
        }));
        for range in record.ranges() {
            self.shards.put(range, &record);
        }
        writer.own(&record);
        Applied::Changed(record)
    }

    /// Drops sessions that have ended by themselves, of a part of the table, and returns them.
    /// Called once a second, it goes through all in about a minute.
    pub fn sweep(&self, now_s: u32) -> Vec<Arc<Record>> {
        let mut writer = self.writer();
        let count = (self.shards.count() / SWEEPS).max(SWEPT_MIN);
        let mut ended = Vec::new();
        for _ in 0..count.min(self.shards.count()) {
            let entries = self.shards.entries(writer.swept).unwrap_or_default();
            for entry in entries {
                let record = entry.record;
                if !record.is_open_at(now_s) && self.shards.is_first(&record, entry.hash) {
                    let event_s = record.changed_s;
                    self.remove(&mut writer, &record, event_s);
                    ended.push(record);
                }
            }
            writer.swept = (writer.swept + 1) % self.shards.count();
        }
        ended
    }

    /// Returns those of the ranges that no session has of which something later is known.
    fn claim(
        &self,
        ranges: &[IpNet],
        report: &Report,
        now_s: u32,
    ) -> Result<Option<Ranges>, Refused> {
        if ranges.len() > RANGES_MAX {
            return Err(Refused::ManyRanges);
        }
        let mut claimed: Vec<IpNet> = ranges
            .iter()
            .map(|range| crate::unmapped(*range).trunc())
            .collect();
        claimed.sort_unstable();
        claimed.dedup();
        claimed.retain(|range| {
            let other = self.shards.get(range);
            let other = other.filter(|other| {
                other.is_open_at(now_s) && !other.is_owned_by(&report.nas, &report.id)
            });
            other.is_none_or(|other| other.changed_s <= report.event_s)
        });
        Ok(Ranges::new(&claimed))
    }

    pub(super) fn store(
        &self,
        writer: &mut Writer,
        record: Arc<Record>,
        now_s: u32,
    ) -> Result<Effect, Refused> {
        let old = writer.owned(&record.nas.name, &record.id).cloned();
        let mut ended: Vec<Arc<Record>> = Vec::new();
        for other in record.ranges().iter().filter_map(|it| self.shards.get(it)) {
            let is_own = other.is_owned_by(&record.nas.name, &record.id);
            if !is_own && !ended.iter().any(|it| Arc::ptr_eq(it, &other)) {
                ended.push(other);
            }
        }
        if old.is_none() && ended.is_empty() && writer.len() >= self.limits.sessions_max {
            return Err(Refused::Full);
        }
        if !record.ranges().iter().all(|range| self.shards.admit(range)) {
            return Err(Refused::ManyLengths);
        }
        // First the new one, so that who looks up in between finds one of the two.
        for range in record.ranges() {
            self.shards.put(range, &record);
        }
        for other in &ended {
            self.remove_but(writer, other, record.ranges(), record.changed_s);
        }
        let gone = old.iter().flat_map(|old| old.ranges());
        for range in gone.filter(|range| !record.ranges().contains(range)) {
            self.shards.remove(range);
        }
        writer.own(&record);
        self.stored.store(writer.len(), Ordering::Relaxed);
        debug_assert!(writer.len() <= self.limits.sessions_max);
        let applied = match old {
            Some(old) if old.is_open_at(now_s) => Applied::Changed(record),
            Some(old) => {
                // It had ended, and nobody had noticed.
                ended.push(old);
                Applied::Opened(record)
            }
            None => Applied::Opened(record),
        };
        Ok(Effect { applied, ended })
    }

    fn remove(&self, writer: &mut Writer, record: &Record, event_s: u32) {
        self.remove_but(writer, record, &[], event_s);
    }

    /// Ends a session, and leaves what is at the ranges in `taken`.
    fn remove_but(&self, writer: &mut Writer, record: &Record, taken: &[IpNet], event_s: u32) {
        let ranges = record.ranges().iter();
        for range in ranges.filter(|range| !taken.contains(range)) {
            self.shards.remove(range);
        }
        writer.disown(record);
        let owner = owner_hash(&record.nas.name, &record.id);
        writer.closed.add(owner, event_s);
        self.stored.store(writer.len(), Ordering::Relaxed);
    }
}

impl Record {
    /// Returns the same session with other facts.
    fn with(&self, session: Session) -> Self {
        Self {
            session,
            id: self.id.clone(),
            ranges: self.ranges.clone(),
            nas: Arc::clone(&self.nas),
            serial: self.serial,
            expires_s: self.expires_s,
        }
    }
}
