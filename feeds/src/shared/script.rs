//! What is written to the store at once, if all that it was planned by is still there.
//!
//! A change is a row of cells: a key, what is expected there, what is to be there. Nearly all
//! changes of a batch have the same shape and only other keys and values, so that the shape is told
//! once.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use redis::{Cmd, Value as Answer};
use xxhash_rust::xxh3::xxh3_64;

/// Changes that one call of the script makes at most: it holds up all others that long. A byte
/// says which shape a change has.
pub(super) const CHANGES_MAX: usize = 128;

/// Keys: those that changes have in common, then those of each change. Arguments: the shape of each
/// change, a byte each; how many shapes and values they have in common, and how many keys; the
/// shapes; these values; the values of each change. A shape is numbers: how many keys it has in
/// common with others, each with the value that is expected there; then for each key of its own
/// what is expected, what is to be there, and for how long. 0 is nothing, -1 is any value and no
/// more value. Answers with the changes that were not made, and what their keys have.
pub(super) const SCRIPT: &str = r"
local keys, args, call = KEYS, ARGV, redis.call
local at = call('MGET', unpack(keys))
local order, common = args[1], 4 + args[2]
local shapes = {}
for s = 1, args[2] do
  local numbers = {}
  for number in string.gmatch(args[4 + s], '-?%d+') do numbers[#numbers + 1] = number + 0 end
  local guards, fits, cells, values = {}, true, 2 + numbers[1] * 2, 0
  for i = 2, cells - 1, 2 do
    local key, value = numbers[i], numbers[i + 1]
    guards[#guards + 1] = key
    fits = fits and at[key] == (value > 0 and args[common + value])
  end
  local expected, new, seconds = {}, {}, {}
  for i = cells, #numbers, 3 do
    local ttl = numbers[i + 2]
    expected[#expected + 1], new[#new + 1] = numbers[i], numbers[i + 1]
    seconds[#seconds + 1] = ttl > 0 and args[common + ttl]
    values = math.max(values, numbers[i], numbers[i + 1])
  end
  shapes[s] = {guards, fits, expected, new, seconds, values}
end
local k, a, told = args[4] + 0, common + args[3], {}
for change = 1, #order do
  local shape = shapes[string.byte(order, change)]
  local fits, expected, new, seconds = shape[2], shape[3], shape[4], shape[5]
  local cells = #expected
  for c = 1, cells do
    local value = expected[c]
    fits = fits and (value < 0 or at[k + c] == (value > 0 and args[a + value]))
  end
  if fits then
    for c = 1, cells do
      local value = new[c]
      if value > 0 then
        if seconds[c] then call('SETEX', keys[k + c], seconds[c], args[a + value])
        else call('SET', keys[k + c], args[a + value]) end
      elseif value < 0 then call('DEL', keys[k + c]) end
    end
  else
    local now = {change}
    for _, key in ipairs(shape[1]) do now[#now + 1] = at[key] end
    for c = 1, cells do now[#now + 1] = at[k + c] end
    told[#told + 1] = now
  end
  k, a = k + cells, a + shape[6]
end
return told
";

/// A value of the store.
pub(super) type Value = Arc<[u8]>;

/// One change: all that it writes, or nothing.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// Keys that it does not write, with what it expects there: others may expect it too.
    pub(super) guards: Vec<(Vec<u8>, Option<Value>)>,
    pub(super) cells: Vec<Cell>,
}

/// A key of a change.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) key: Vec<u8>,
    pub(super) expected: Expected,
    pub(super) new: New,
}

/// What a change expects at a key.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    Any,
    Is(Option<Value>),
}

/// What is to be at a key.
#[derive(Clone, Debug)]
pub(super) enum New {
    /// What is there.
    Same,
    Nothing,
    /// A value, and how long it is kept, in seconds; none: until it is deleted.
    Is(Value, Option<u32>),
}

/// Changes that go together. No key that one of them writes is a key of another.
#[derive(Debug, Default)]
pub(super) struct Batch {
    shared: Vec<Vec<u8>>,
    keys: Vec<Vec<u8>>,
    taken: HashSet<u64>,
    order: Vec<u8>,
    shapes: Vec<Shape>,
    common: Vec<Value>,
    /// Where the times are that values are kept, in seconds.
    lifetimes: Vec<(u32, isize)>,
    values: Vec<Value>,
    changes: Vec<Part>,
}

/// The numbers of a shape.
type Shape = Vec<isize>;

/// Where the keys of a change are.
#[derive(Debug)]
struct Part {
    guards: Vec<usize>,
    keys: Range<usize>,
}

/// What became of a change.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Told {
    Written,
    /// Nothing was written, as there is something else: at these keys.
    Differs(Vec<(Vec<u8>, Option<Value>)>),
}

impl Request {
    /// Returns whether there is nothing to look at and nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.guards.is_empty() && self.cells.is_empty()
    }
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Adds a change; gives it back if there is no room, or if it has a key that others write.
    pub(super) fn add(&mut self, request: Request) -> Result<(), Request> {
        let cells = request.cells.iter();
        let hashes: Vec<u64> = cells.map(|it| xxh3_64(&it.key)).collect();
        let is_own = |it: &u64| self.taken.contains(it);
        let is_free = self.len() < CHANGES_MAX
            && !hashes.iter().any(is_own)
            && !request.guards.iter().any(|it| is_own(&xxh3_64(&it.0)))
            && !request.cells.iter().any(|it| self.shared.contains(&it.key));
        if !is_free {
            return Err(request);
        }
        self.taken.extend(hashes);
        let mut shape = Shape::with_capacity(3 + 3 * request.cells.len());
        shape.push(number(request.guards.len()));
        let mut guards = Vec::with_capacity(request.guards.len());
        for (key, value) in request.guards {
            let key = place(&mut self.shared, key);
            let value = value.map_or(0, |it| place(&mut self.common, it));
            shape.extend([number(key), number(value)]);
            guards.push(key);
        }
        let (first_key, first_value) = (self.keys.len(), self.values.len());
        for Cell { key, expected, new } in request.cells {
            self.keys.push(key);
            shape.push(match expected {
                Expected::Any => -1,
                Expected::Is(None) => 0,
                Expected::Is(Some(value)) => self.own(first_value, value),
            });
            shape.extend(match new {
                New::Same => [0, 0],
                New::Nothing => [-1, 0],
                New::Is(value, seconds) => [
                    self.own(first_value, value),
                    seconds.map_or(0, |it| self.lifetime(it)),
                ],
            });
        }
        let shape = place(&mut self.shapes, shape);
        self.order.push(u8::try_from(shape).unwrap_or_default());
        self.changes.push(Part {
            guards,
            keys: first_key..self.keys.len(),
        });
        Ok(())
    }

    /// Returns the place of a value among those of a change.
    fn own(&mut self, first: usize, value: Value) -> isize {
        let mut own = self.values.iter().skip(first);
        let place = own.position(|it| *it == value);
        let place = place.unwrap_or_else(|| {
            self.values.push(value);
            self.values.len() - first - 1
        });
        number(place + 1)
    }

    /// Returns the place of a time that values are kept.
    fn lifetime(&mut self, seconds: u32) -> isize {
        if let Some((_, place)) = self.lifetimes.iter().find(|it| it.0 == seconds) {
            return *place;
        }
        let text = seconds.to_string().into_bytes();
        let place = number(place(&mut self.common, text.into()));
        self.lifetimes.push((seconds, place));
        place
    }

    /// Returns what to send. `call` is EVALSHA or EVAL, `script` what it takes.
    pub(super) fn command(&self, call: &str, script: &str) -> Cmd {
        let keys = self.shared.iter().chain(&self.keys);
        let values = self.common.iter().chain(&self.values);
        let len = |sum: usize, it: &[u8]| sum + it.len();
        let bytes = keys.clone().map(|it| &**it).fold(0, len)
            + values.clone().map(|it| &**it).fold(script.len(), len);
        let count = self.shared.len() + self.keys.len() + self.common.len() + self.values.len();
        // The shapes and the counts are a part of the rest.
        let mut command = Cmd::with_capacity(count + 16, bytes + 1_024);
        command.arg(call).arg(script);
        command.arg(self.shared.len() + self.keys.len());
        for key in keys {
            command.arg(key.as_slice());
        }
        command.arg(self.order.as_slice());
        command.arg(self.shapes.len()).arg(self.common.len());
        command.arg(self.shared.len());
        for shape in &self.shapes {
            let numbers: Vec<String> = shape.iter().map(ToString::to_string).collect();
            command.arg(numbers.join(" "));
        }
        for value in values {
            command.arg(&**value);
        }
        command
    }

    /// Reads what became of each change; none if the answer is something else.
    pub(super) fn told(&self, answer: Answer) -> Option<Vec<Told>> {
        let Answer::Array(differing) = answer else {
            return None;
        };
        let mut told: Vec<Told> = self.changes.iter().map(|_| Told::Written).collect();
        for one in differing {
            let Answer::Array(one) = one else {
                return None;
            };
            let mut one = one.into_iter();
            let Some(Answer::Int(change)) = one.next() else {
                return None;
            };
            let change = usize::try_from(change).ok()?.checked_sub(1)?;
            let part = self.changes.get(change)?;
            let guards = part.guards.iter().map(|it| self.shared.get(it - 1));
            let keys = guards.flatten().chain(self.keys.get(part.keys.clone())?);
            let values = one.map(|value| {
                let Answer::BulkString(bytes) = value else {
                    return None;
                };
                Some(Value::from(bytes))
            });
            *told.get_mut(change)? = Told::Differs(keys.cloned().zip(values).collect());
        }
        Some(told)
    }
}

/// Returns a count or place as a number of a shape.
fn number(count: usize) -> isize {
    isize::try_from(count).unwrap_or_default()
}

/// Returns the place of a thing among others, from 1 on, where it is put if it is not there.
fn place<T: PartialEq>(all: &mut Vec<T>, thing: T) -> usize {
    match all.iter().position(|it| *it == thing) {
        Some(place) => place + 1,
        None => {
            all.push(thing);
            all.len()
        }
    }
}
