//! What changes the table. Everything here takes the writer's turn for a few lines.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ipnet::IpNet;

use super::facts::Facts;
use super::plan::{Plan, View};
use super::record::{Nas, Record, SessionId, owner_hash};
use super::shards::Shards;
use super::slots::Entry;
use super::writer::Writer;
use super::{Applied, Assignment, LiveSessions, Refused, Report, SWEEPS, SWEPT_MIN};
use crate::store::{Change, Effect};
use crate::{Name, Origin, Selected, Session, SessionKey};

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

/// The table as it is while a writer has its turn.
struct Table<'a> {
    live: &'a LiveSessions,
    writer: &'a mut Writer,
}

impl LiveSessions {
    /// Puts a change in force.
    ///
    /// # Errors
    ///
    /// Fails without a change if there is no room.
    pub fn apply(&self, change: &Change, now_s: u32) -> Result<Effect, Refused> {
        let mut writer = self.writer();
        let plan = Plan::new(
            change,
            &mut self.table(&mut writer),
            self.limits.lifetime_s,
            now_s,
        )?;
        self.enact(&mut writer, plan)
    }

    /// Opens a session, or takes what is reported of one that is open. Others at its addresses
    /// end, unless something later is known of them: then these addresses stay theirs.
    ///
    /// # Errors
    ///
    /// Fails without a change if there is no room.
    pub fn report(&self, report: &Report, now_s: u32) -> Result<Applied, Refused> {
        Ok(self.apply(&Change::Report(report.clone()), now_s)?.applied)
    }

    /// Ends a session, if it is still the one that has this id.
    pub fn close(&self, nas: &str, id: &SessionId, event_s: u32) -> Applied {
        let close = Change::Close {
            nas: nas.into(),
            id: id.clone(),
            event_s,
        };
        self.applied(&close, event_s)
    }

    /// Ends all sessions of a NAS that was switched on or off, however many. Tells whether this
    /// is news.
    ///
    /// # Errors
    ///
    /// Fails without a change if there is no room for a further NAS.
    pub fn switched(&self, nas: &str, switched: Switched, event_s: u32) -> Result<bool, Refused> {
        let switch = Change::Switch {
            nas: nas.into(),
            switched,
            event_s,
        };
        let effect = self.apply(&switch, event_s)?;
        Ok(matches!(effect.applied, Applied::Switched))
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
        let assign = Change::Assign(range, assignment.clone());
        Ok(self.apply(&assign, now_s)?.applied)
    }

    /// Ends the session at a range, whoever reported it.
    pub fn remove_at(&self, range: IpNet, now_s: u32) -> Applied {
        self.applied(&Change::Remove(range), now_s)
    }

    /// Gives a session the profile that a policy server selects, for requests that come later.
    /// A profile that an operator gave stays. Where the policy server selects none, one that an
    /// attribute of a report stands for stays too.
    pub fn select(&self, key: SessionKey, selected: &Selected, origin: Origin) -> Applied {
        let select = Change::Select {
            session: key,
            selected: selected.clone(),
            origin,
        };
        self.applied(&select, 0)
    }

    /// Drops sessions that have ended by themselves, of a part of the table, and returns them.
    /// Called once a second, it goes through all in about a minute.
    pub fn sweep(&self, now_s: u32) -> Vec<Arc<Record>> {
        let mut writer = self.writer();
        let count = (self.shards.count() / SWEEPS).max(SWEPT_MIN);
        let mut ended = Vec::new();
        for _ in 0..count.min(self.shards.count()) {
            for entry in self.shards.entries(writer.swept) {
                if !self.is_over(&writer, &entry, now_s) {
                    continue;
                }
                if let Some(record) = self.record(&writer, &entry.facts).map(Arc::new) {
                    let event_s = record.changed_s;
                    self.write(&mut writer, Plan::end(Arc::clone(&record), event_s), None);
                    ended.push(record);
                }
            }
            writer.swept = (writer.swept + 1) % self.shards.count();
        }
        ended
    }

    /// Returns whether a session has ended by itself, where its first range is.
    fn is_over(&self, writer: &Writer, entry: &Entry, now_s: u32) -> bool {
        writer.rest(entry.facts.place).is_some_and(|rest| {
            (now_s >= rest.expires_s || !self.common.is_open(&entry.facts))
                && Shards::is_first(rest.ranges.all(), entry.tag)
        })
    }

    /// Keeps a session in place of all that have its ranges.
    pub(super) fn store(
        &self,
        writer: &mut Writer,
        record: Arc<Record>,
        now_s: u32,
    ) -> Result<Effect, Refused> {
        let plan = Plan::put(record, &mut self.table(writer), now_s)?;
        self.enact(writer, plan)
    }

    /// Makes a change for which no room is needed.
    fn applied(&self, change: &Change, now_s: u32) -> Applied {
        let effect = self.apply(change, now_s);
        effect.map_or(Applied::Unknown, |effect| effect.applied)
    }

    fn table<'a>(&'a self, writer: &'a mut Writer) -> Table<'a> {
        Table { live: self, writer }
    }

    fn enact(&self, writer: &mut Writer, plan: Plan) -> Result<Effect, Refused> {
        let put = plan.put.as_ref();
        let facts = put.map(|put| writer.facts(put, &self.common).ok_or(Refused::ManyNames));
        let facts = facts.transpose()?;
        Ok(self.write(writer, plan, facts))
    }

    fn write(&self, writer: &mut Writer, plan: Plan, facts: Option<Facts>) -> Effect {
        // First the new one, so that who looks up in between finds one of the two.
        if let Some((record, mut facts)) = plan.put.as_ref().zip(facts) {
            facts.place = writer.own(record, facts.nas);
            for range in record.ranges() {
                self.shards.put(range, &facts);
            }
        }
        for range in &plan.freed {
            self.shards.remove(range);
        }
        for ended in &plan.ended {
            writer.disown(&ended.nas, &ended.id);
            let owner = owner_hash(&ended.nas, &ended.id);
            writer.closed.add(owner, ended.event_s);
        }
        if let Some((nas, cleared_s)) = &plan.cleared {
            nas.clear(*cleared_s);
        }
        self.stored.store(writer.len(), Ordering::Relaxed);
        debug_assert!(writer.len() <= self.limits.sessions_max);
        plan.effect
    }
}

impl View for Table<'_> {
    fn owned(&mut self, nas: &str, id: &SessionId) -> Option<Arc<Record>> {
        let rest = self.writer.owned(nas, id)?;
        let first = rest.ranges.all().first()?;
        self.live.at(self.writer, first).map(Arc::new)
    }

    fn has_ended(&mut self, nas: &str, id: &SessionId, event_s: u32) -> bool {
        self.writer.closed.covers(owner_hash(nas, id), event_s)
    }

    fn at(&mut self, range: &IpNet) -> Option<Arc<Record>> {
        self.live.at(self.writer, range).map(Arc::new)
    }

    fn keyed(&mut self, key: SessionKey) -> Option<Arc<Record>> {
        let place = usize::try_from(key.0 >> u32::BITS).ok();
        let place = place.filter(|place| *place < self.live.shards.count())?;
        let mut entries = self.live.shards.entries(place).into_iter();
        let entry = entries.find(|entry| {
            let rest = self.writer.rest(entry.facts.place);
            rest.is_some_and(|rest| self.live.key_of(rest.ranges.all(), rest.serial) == key)
                && self.live.common.is_open(&entry.facts)
        });
        self.live.record(self.writer, &entry?.facts).map(Arc::new)
    }

    fn nas(&mut self, name: &str) -> Option<Arc<Nas>> {
        self.writer.nas(name, &self.live.common)
    }

    fn name(&mut self, name: &str) -> Name {
        let known = self.writer.name(name).cloned();
        known.unwrap_or_else(|| name.into())
    }

    fn serial(&mut self) -> u32 {
        self.writer.serial()
    }

    fn has_room(&mut self) -> bool {
        self.writer.len() < self.live.limits.sessions_max
    }

    fn admits(&mut self, range: &IpNet) -> bool {
        self.live.shards.admit(range)
    }
}

impl Record {
    /// Returns the same session with other facts.
    pub(super) fn with(&self, session: Session) -> Self {
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
