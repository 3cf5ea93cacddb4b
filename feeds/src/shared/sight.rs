//! What a change sees of the store: what was read, and what is taken to be there until the store
//! says otherwise.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use ipnet::IpNet;
use sessions::{Change, Name, Nas, Plan, Record, Refused, SessionId, SessionKey, View};

use super::Shared;
use super::keys::Kept;
use super::lengths::Written;
use super::script::{Request, Write};

/// How much longer than sessions live it is kept when one ended, or when its NAS was switched: the
/// clocks of those who report may be that far ahead. In seconds.
const ENDS_LONGER_S: u32 = 3_600;

/// What the store said has which value; an empty one is none.
pub(super) type Read = HashMap<Vec<u8>, Vec<u8>>;

struct Sight<'a> {
    shared: &'a Shared,
    read: &'a Read,
    /// What the plan is made by.
    expects: Vec<(Vec<u8>, Vec<u8>)>,
    /// Before which time all that is told of a session is over, by its key.
    over_s: HashMap<Vec<u8>, u32>,
    lengths: Option<Written>,
}

/// A change as it is to be made.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) request: Request,
    /// Before which time all that is told of the session that is put is over.
    pub(super) over_s: u32,
    /// The lengths in use, if there are more now.
    pub(super) lengths: Option<Written>,
}

/// Plans a change by what was read of the store.
pub(super) fn plan(
    shared: &Shared,
    change: &Change,
    read: &Read,
    now_s: u32,
) -> Result<Planned, Refused> {
    let mut sight = Sight {
        shared,
        read,
        expects: Vec::new(),
        over_s: HashMap::new(),
        lengths: None,
    };
    let plan = Plan::new(change, &mut sight, shared.config.lifetime_s, now_s)?;
    let over_s = plan.put.as_ref().map_or(0, |record| {
        let owner = shared.keys.owner(record.reporter().name(), record.id());
        sight.over_s.get(&owner).copied().unwrap_or(0)
    });
    Ok(Planned {
        lengths: sight.lengths.clone(),
        request: sight.request(&plan, now_s),
        plan,
        over_s,
    })
}

impl Sight<'_> {
    /// Returns what a key has, or what it is taken to have.
    fn look(&mut self, key: Vec<u8>, assumed: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        if let Some((_, value)) = self.expects.iter().find(|(it, _)| *it == key) {
            return value.clone();
        }
        let value = self.read.get(&key).cloned().unwrap_or_else(assumed);
        self.expects.push((key, value.clone()));
        value
    }

    fn kept(&mut self, key: Vec<u8>, assumed: impl FnOnce() -> Vec<u8>) -> Option<Kept> {
        let value = self.look(key, assumed);
        let kept = Kept::read(&value, &mut &self.shared.interned)?;
        if let Kept::Open(record, over_s) = &kept {
            let nas = record.reporter();
            let owner = self.shared.keys.owner(nas.name(), record.id());
            self.over_s.insert(owner, *over_s);
            self.look_at(nas);
        }
        Some(kept)
    }

    /// Lets the plan hold only as long as the NAS is not switched again.
    fn look_at(&mut self, nas: &Nas) {
        // An operator is never switched.
        if nas.name().is_empty() {
            return;
        }
        let key = self.shared.keys.nas(nas.name());
        let cleared_s = cleared_s(&self.look(key, || cleared(nas.cleared_s())));
        nas.clear(cleared_s);
    }

    fn request(mut self, plan: &Plan, now_s: u32) -> Request {
        let keys = &self.shared.keys;
        let ends_s = self.shared.config.lifetime_s.saturating_add(ENDS_LONGER_S);
        let mut writes = Vec::new();
        if !plan.freed.is_empty() {
            writes.push(Write {
                keys: plan.freed.iter().map(|range| keys.range(range)).collect(),
                value: Vec::new(),
                lifetime_s: None,
            });
        }
        for ended in &plan.ended {
            let key = keys.owner(&ended.nas, &ended.id);
            let before_s = self.over_s.get(&key).copied().unwrap_or(0);
            writes.push(Write {
                keys: vec![key],
                value: Kept::Ended(ended.event_s.saturating_add(1).max(before_s)).to_bytes(),
                lifetime_s: Some(ends_s),
            });
        }
        if let Some(record) = &plan.put {
            let owner = keys.owner(record.reporter().name(), record.id());
            let over_s = self.over_s.get(&owner).copied().unwrap_or(0);
            let lifetime_s = record.expires_s().map(|it| it.saturating_sub(now_s).max(1));
            let ranges = record.ranges().iter().map(|range| keys.range(range));
            writes.push(Write {
                keys: ranges.chain([owner]).collect(),
                value: Kept::Open(Arc::clone(record), over_s).to_bytes(),
                lifetime_s,
            });
        }
        if let Some((nas, cleared_s)) = &plan.cleared {
            writes.push(Write {
                keys: vec![keys.nas(nas.name())],
                value: cleared(*cleared_s),
                lifetime_s: Some(ends_s),
            });
        }
        if let Some(lengths) = self.lengths.take() {
            writes.push(Write {
                keys: vec![keys.lengths()],
                value: lengths.to_text().into_bytes(),
                lifetime_s: None,
            });
        }
        Request {
            expects: self.expects,
            writes,
        }
    }
}

impl View for Sight<'_> {
    fn owned(&mut self, nas: &str, id: &SessionId) -> Option<Arc<Record>> {
        let key = self.shared.keys.owner(nas, id);
        match self.kept(key, Vec::new)? {
            Kept::Open(record, _) => Some(record),
            Kept::Ended(_) => None,
        }
    }

    fn has_ended(&mut self, nas: &str, id: &SessionId, event_s: u32) -> bool {
        let key = self.shared.keys.owner(nas, id);
        let Some(kept) = self.kept(key.clone(), Vec::new) else {
            return false;
        };
        self.over_s.insert(key, kept.over_s());
        event_s < kept.over_s()
    }

    fn at(&mut self, range: &IpNet) -> Option<Arc<Record>> {
        let key = self.shared.keys.range(range);
        match self.kept(key, Vec::new)? {
            Kept::Open(record, _) => Some(record),
            Kept::Ended(_) => None,
        }
    }

    fn keyed(&mut self, key: SessionKey) -> Option<Arc<Record>> {
        let (held, over_s) = self.shared.held.get(key)?;
        let first = self.shared.keys.range(held.ranges().first()?);
        let assumed = || Kept::Open(held, over_s).to_bytes();
        let Some(Kept::Open(record, _)) = self.kept(first, assumed) else {
            return None;
        };
        (record.stored_key() == key && record.is_open()).then_some(record)
    }

    fn nas(&mut self, name: &str) -> Option<Arc<Nas>> {
        let nas = self.shared.interned.reporter(name)?;
        self.look_at(&nas);
        Some(nas)
    }

    fn name(&mut self, name: &str) -> Name {
        sessions::Names::name(&mut &self.shared.interned, name)
    }

    fn serial(&mut self) -> u32 {
        let [a, b, c, d, ..] = RandomState::new().hash_one(()).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    fn has_room(&mut self) -> bool {
        true
    }

    fn admits(&mut self, range: &IpNet) -> bool {
        if self.lengths.is_none() && self.shared.lengths.contains(range) {
            return true;
        }
        let mut lengths = match self.lengths.take() {
            Some(lengths) => lengths,
            None => {
                let key = self.shared.keys.lengths();
                Written::read(Some(&self.look(key, Vec::new)))
            }
        };
        let is_admitted = lengths.add(range);
        self.lengths = Some(lengths);
        is_admitted
    }
}

/// Returns the value for a NAS that was switched at this time, or 0.
fn cleared(cleared_s: u32) -> Vec<u8> {
    match cleared_s {
        0 => Vec::new(),
        cleared_s => cleared_s.to_string().into_bytes(),
    }
}

/// Reads the value for a NAS; 0 if there is none.
pub(super) fn cleared_s(value: &[u8]) -> u32 {
    let text = std::str::from_utf8(value).ok();
    text.and_then(|it| it.parse().ok()).unwrap_or(0)
}
