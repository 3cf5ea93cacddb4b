//! What is written to the store at once, if all that it was planned by is still there.

use redis::{Cmd, Value};

/// Changes that one call of the script makes at most: it holds up all others that long.
pub(super) const CHANGES_MAX: usize = 128;

/// For each change: what it expects of which keys, then what to write. Answers for each change
/// that it is written, or what its keys have.
pub(super) const SCRIPT: &str = r"
local keys, args, call = KEYS, ARGV, redis.call
local at = call('MGET', unpack(keys))
local a, told = 2, {}
for change = 1, args[1] do
  local first, fits = a + 1, true
  local last = a + args[a] * 2
  for i = first, last, 2 do
    if (at[args[i] + 0] or '') ~= args[i + 1] then
      fits = false
      break
    end
  end
  a = last + 1
  local writes = args[a]
  for _ = 1, writes do
    local value, seconds, count = args[a + 1], args[a + 2], args[a + 3]
    a = a + 3
    if fits then
      for i = a + 1, a + count do
        local key = args[i] + 0
        at[key] = value
        if value == '' then call('DEL', keys[key])
        elseif seconds == '0' then call('SET', keys[key], value)
        else call('SETEX', keys[key], seconds, value) end
      end
    end
    a = a + count
  end
  a = a + 1
  if fits then told[change] = 1
  else
    local now = {}
    for i = first, last, 2 do now[#now + 1] = at[args[i] + 0] or '' end
    told[change] = now
  end
end
return told
";

/// One change: all that it writes, or nothing.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// What keys have to have; an empty value is none.
    pub(super) expects: Vec<(Vec<u8>, Vec<u8>)>,
    /// In this order: what makes room first, as a store that is full takes no more after it began
    /// with something else.
    pub(super) writes: Vec<Write>,
}

/// One value at some keys.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) keys: Vec<Vec<u8>>,
    /// Empty: there is to be none.
    pub(super) value: Vec<u8>,
    /// How long it is kept, in seconds; none: until it is deleted.
    pub(super) lifetime_s: Option<u32>,
}

/// What became of a change.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Told {
    Written,
    /// Nothing was written, as there is something else: at each key, in the order of the request.
    Differs(Vec<Vec<u8>>),
}

/// Returns what to send. `call` is EVALSHA or EVAL, `script` what it takes.
pub(super) fn command(requests: &[Request], call: &str, script: &str) -> Cmd {
    let mut keys: Vec<&[u8]> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for request in requests {
        let expected = request.expects.iter().map(|(key, _)| key);
        let written = request.writes.iter().flat_map(|it| &it.keys);
        for key in expected.chain(written) {
            places.entry(key.as_slice()).or_insert_with(|| {
                keys.push(key);
                keys.len()
            });
        }
    }
    let place = |key: &Vec<u8>| places.get(key.as_slice()).copied().unwrap_or_default();
    let mut command = redis::cmd(call);
    command.arg(script).arg(keys.len());
    for key in &keys {
        command.arg(*key);
    }
    command.arg(requests.len());
    for request in requests {
        command.arg(request.expects.len());
        for (key, value) in &request.expects {
            command.arg(place(key)).arg(value.as_slice());
        }
        command.arg(request.writes.len());
        for write in &request.writes {
            command.arg(write.value.as_slice());
            command.arg(write.lifetime_s.unwrap_or(0));
            command.arg(write.keys.len());
            for key in &write.keys {
                command.arg(place(key));
            }
        }
    }
    command
}

/// Reads the answer about so many changes; none if it is something else.
pub(super) fn answer(value: Value, requests: usize) -> Option<Vec<Told>> {
    let Value::Array(values) = value else {
        return None;
    };
    let told: Option<Vec<Told>> = values.into_iter().map(told).collect();
    told.filter(|told| told.len() == requests)
}

fn told(value: Value) -> Option<Told> {
    if value == Value::Int(1) {
        return Some(Told::Written);
    }
    let Value::Array(values) = value else {
        return None;
    };
    let bytes = values.into_iter().map(|value| {
        let Value::BulkString(bytes) = value else {
            return None;
        };
        Some(bytes)
    });
    bytes.collect::<Option<_>>().map(Told::Differs)
}
