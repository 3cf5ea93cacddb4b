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
use super::script::{Cell, Expected, New, Request, Value};

/// How much longer than sessions live it is kept when one ended, or when its NAS was switched: the
/// clocks of those who report may be that far ahead. In seconds.
const ENDS_LONGER_S: u32 = 3_600;

/// What the store said has which value.
pub(super) type Read = HashMap<Vec<u8>, Option<Value>>;

struct Sight<'a> {
    shared: &'a Shared,
    read: &'a Read,
    /// What the plan is made by.
    seen: Vec<Seen>,
    lengths: Option<Written>,
}

/// A key with what it has, or is taken to have.
struct Seen {
    key: Vec<u8>,
    value: Option<Value>,
    kept: Option<Kept>,
    of: Of,
}

/// Whom a key is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Of {
    One,
    /// Many sessions depend on it.
    Many,
}

/// A change as it is to be made.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) request: Request,
    /// What is written of the session that is put.
    pub(super) put: Option<Put>,
    /// The lengths in use, if there are more now.
    pub(super) lengths: Option<Written>,
}

/// What is written of a session.
pub(super) struct Put {
    pub(super) value: Value,
    /// Before which time all that is told of it is over.
    pub(super) over_s: u32,
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
        seen: Vec::with_capacity(4),
        lengths: None,
    };
    let plan = Plan::new(change, &mut sight, shared.config.lifetime_s, now_s)?;
    let put = plan.put.as_ref().map(|record| {
        let over_s = sight.over_s(record.reporter().name(), record.id());
        let kept = Kept::Open(Arc::clone(record), over_s);
        Put {
            value: kept.to_bytes().into(),
            over_s,
        }
    });
    let lengths = sight.lengths.take();
    let writes = sight.writes(&plan, (put.as_ref(), lengths.as_ref()), now_s);
    Ok(Planned {
        plan,
        request: sight.request(writes),
        put,
        lengths,
    })
}

impl Sight<'_> {
    /// Returns what a key has, or what it is taken to have.
    fn look(
        &mut self,
        key: Vec<u8>,
        of: Of,
        assumed: impl FnOnce(&Self, &[u8]) -> Option<Value>,
    ) -> Option<Value> {
        if let Some(seen) = self.seen.iter().find(|it| it.key == key) {
            return seen.value.clone();
        }
        let value = match self.read.get(&key) {
            Some(value) => value.clone(),
            None => assumed(self, &key),
        };
        let seen = Seen {
            key,
            value: value.clone(),
            kept: None,
            of,
        };
        self.seen.push(seen);
        value
    }

    /// Returns the session that a key has, or its end.
    fn kept(
        &mut self,
        key: Vec<u8>,
        assumed: impl FnOnce(&Self, &[u8]) -> Option<Value>,
    ) -> Option<Kept> {
        let value = self.look(key, Of::One, assumed)?;
        // A session has the same value at all its keys.
        let same = |it: &&mut Seen| it.value.as_ref() == Some(&value);
        let known = self.seen.iter_mut().filter(same);
        let known = known.filter_map(|it| it.kept.clone()).next();
        let kept = match known {
            Some(kept) => kept,
            None => Kept::read(&value, &mut &self.shared.interned)?,
        };
        for seen in self.seen.iter_mut().filter(same) {
            seen.kept = Some(kept.clone());
        }
        if let Kept::Open(record, _) = &kept {
            self.look_at(record.reporter());
        }
        Some(kept)
    }

    /// Returns what is known of a session by its NAS and id.
    fn kept_of(&mut self, nas: &str, id: &SessionId) -> Option<Kept> {
        let key = self.shared.keys.owner(nas, id);
        self.kept(key, |sight, key| sight.shared.latest.get(key))
    }

    /// Returns what a range is taken to have: a session that was seen, or nothing.
    fn seen_at(&self, range: &IpNet) -> Option<Value> {
        let seen = self.seen.iter().find(|it| match &it.kept {
            Some(Kept::Open(record, _)) => record.ranges().contains(range),
            Some(Kept::Ended(_)) | None => false,
        });
        seen.and_then(|it| it.value.clone())
    }

    /// Lets the plan hold only as long as the NAS is not switched again.
    fn look_at(&mut self, nas: &Nas) {
        // An operator is never switched.
        if nas.name().is_empty() {
            return;
        }
        let key = self.shared.keys.nas(nas.name());
        let value = self.look(key, Of::Many, |_, _| cleared(nas.cleared_s()));
        nas.clear(cleared_s(value.as_deref()));
    }

    /// Returns before which time all that is told of a session is over, as far as it was seen.
    fn over_s(&self, nas: &str, id: &SessionId) -> u32 {
        let key = self.shared.keys.owner(nas, id);
        let over = self.seen.iter().filter_map(|it| match &it.kept {
            Some(Kept::Open(record, over_s)) => {
                (record.reporter().name() == nas && record.id() == id).then_some(*over_s)
            }
            Some(Kept::Ended(over_s)) => (it.key == key).then_some(*over_s),
            None => None,
        });
        over.max().unwrap_or(0)
    }

    /// Returns what is to be at which keys. Where the store is full, something has to go first.
    fn writes(
        &mut self,
        plan: &Plan,
        (put, lengths): (Option<&Put>, Option<&Written>),
        now_s: u32,
    ) -> Vec<(Vec<u8>, New)> {
        let shared = self.shared;
        let keys = &shared.keys;
        let ends_s = shared.config.lifetime_s.saturating_add(ENDS_LONGER_S);
        let mut writes = Vec::with_capacity(4);
        for range in &plan.freed {
            if self.is_freed(range, plan) {
                writes.push((keys.range(range), New::Nothing));
            }
        }
        for ended in &plan.ended {
            let before_s = self.over_s(&ended.nas, &ended.id);
            let over_s = ended.event_s.saturating_add(1).max(before_s);
            let value = Kept::Ended(over_s).to_bytes().into();
            let key = keys.owner(&ended.nas, &ended.id);
            writes.push((key, New::Is(value, Some(ends_s))));
        }
        if let (Some(record), Some(put)) = (&plan.put, put) {
            let lifetime_s = record.expires_s().map(|it| it.saturating_sub(now_s).max(1));
            let owner = keys.owner(record.reporter().name(), record.id());
            let ranges = record.ranges().iter().map(|range| keys.range(range));
            let value = || New::Is(Arc::clone(&put.value), lifetime_s);
            writes.extend(ranges.chain([owner]).map(|key| (key, value())));
        }
        if let Some((nas, cleared_s)) = &plan.cleared
            && let Some(value) = cleared(*cleared_s)
        {
            writes.push((keys.nas(nas.name()), New::Is(value, Some(ends_s))));
        }
        if let Some(lengths) = lengths {
            let value = lengths.to_text().into_bytes().into();
            writes.push((keys.lengths(), New::Is(value, None)));
        }
        writes
    }

    /// Returns whether a range still has a session of which the plan takes it.
    fn is_freed(&mut self, range: &IpNet, plan: &Plan) -> bool {
        let Some(record) = View::at(self, range) else {
            return false;
        };
        let (nas, id) = (record.reporter().name(), record.id());
        let mut ended = plan.ended.iter();
        ended.any(|it| *it.nas == *nas && it.id == *id)
            || plan.put.as_ref().is_some_and(|it| it.is_same(&record))
    }

    fn request(self, writes: Vec<(Vec<u8>, New)>) -> Request {
        let mut seen = self.seen;
        let mut request = Request::default();
        for (key, new) in writes {
            let place = seen.iter().position(|it| it.key == key);
            let expected = match place {
                Some(place) => Expected::Is(seen.swap_remove(place).value),
                None => Expected::Any,
            };
            request.cells.push(Cell { key, expected, new });
        }
        for Seen { key, value, of, .. } in seen {
            match of {
                Of::Many => request.guards.push((key, value)),
                Of::One => request.cells.push(Cell {
                    key,
                    expected: Expected::Is(value),
                    new: New::Same,
                }),
            }
        }
        request
    }
}

impl View for Sight<'_> {
    fn owned(&mut self, nas: &str, id: &SessionId) -> Option<Arc<Record>> {
        match self.kept_of(nas, id)? {
            Kept::Open(record, _) => Some(record),
            Kept::Ended(_) => None,
        }
    }

    fn has_ended(&mut self, nas: &str, id: &SessionId, event_s: u32) -> bool {
        let kept = self.kept_of(nas, id);
        kept.is_some_and(|kept| event_s < kept.over_s())
    }

    fn at(&mut self, range: &IpNet) -> Option<Arc<Record>> {
        let key = self.shared.keys.range(range);
        match self.kept(key, |sight, _| sight.seen_at(range))? {
            Kept::Open(record, _) => Some(record),
            Kept::Ended(_) => None,
        }
    }

    fn keyed(&mut self, key: SessionKey) -> Option<Arc<Record>> {
        let (held, over_s) = self.shared.held.get(key)?;
        let first = self.shared.keys.range(held.ranges().first()?);
        let assumed = |_: &Self, _: &[u8]| Some(Kept::Open(held, over_s).to_bytes().into());
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
                let value = self.look(key, Of::Many, |_, _| None);
                Written::read(value.as_deref())
            }
        };
        let is_admitted = lengths.add(range);
        self.lengths = Some(lengths);
        is_admitted
    }
}

/// Returns the value for a NAS that was switched at this time; none: it was not.
fn cleared(cleared_s: u32) -> Option<Value> {
    (cleared_s != 0).then(|| cleared_s.to_string().into_bytes().into())
}

/// Reads the value for a NAS; 0 if there is none.
pub(super) fn cleared_s(value: Option<&[u8]>) -> u32 {
    let text = value.and_then(|it| std::str::from_utf8(it).ok());
    text.and_then(|it| it.parse().ok()).unwrap_or(0)
}
