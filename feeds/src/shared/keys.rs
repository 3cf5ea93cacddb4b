//! What is where in the store.
//!
//! `r:RANGE` and `s:LENGTH:NAS:ID` have a session by its range and by its NAS and id, the same
//! bytes at all of them; `s:` has the end of a session for as long as a late report could open it
//! anew. `n:NAS` has the time before which the sessions of a NAS have ended, and `l` the lengths of
//! ranges in use.

use std::sync::Arc;

use ipnet::IpNet;
use sessions::{Names, Record, SessionId};

/// What all keys begin with.
const PREFIX: &str = "weir:";

/// What a session in the store begins with.
const OPEN: u8 = b'O';

/// What the end of a session in the store begins with.
const ENDED: u8 = b'E';

/// Bytes for which a value has room at first: enough for most.
const VALUE_LEN: usize = 160;

/// Bytes of an IPv4 range as text at most; the text of an IPv6 range makes its own room.
const RANGE_TEXT_LEN: usize = 18;

/// Makes the keys of a realm.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

/// What there is about a session.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    /// It is open, and whatever was told of its id before this time is over.
    Open(Arc<Record>, u32),
    /// It ended: whatever is told of it before this time is over.
    Ended(u32),
}

impl Keys {
    pub(super) fn new(realm: &str) -> Self {
        let prefix = match realm {
            "" => PREFIX.to_owned(),
            realm => format!("{PREFIX}{realm}:"),
        };
        Self { prefix }
    }

    pub(super) fn range(&self, range: &IpNet) -> Vec<u8> {
        let mut key = self.key(b"r:", RANGE_TEXT_LEN);
        match range {
            // Most are, and nothing general is as quick.
            IpNet::V4(range) => {
                let [a, b, c, d] = range.addr().octets();
                for (byte, end) in [(a, b'.'), (b, b'.'), (c, b'.'), (d, b'/')] {
                    put_digits(&mut key, byte);
                    key.push(end);
                }
                put_digits(&mut key, range.prefix_len());
            }
            IpNet::V6(range) => key.extend(range.to_string().into_bytes()),
        }
        key
    }

    /// Returns how a key begins, with room for so many bytes more.
    fn key(&self, kind: &[u8], more: usize) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.prefix.len() + kind.len() + more);
        key.extend_from_slice(self.prefix.as_bytes());
        key.extend_from_slice(kind);
        key
    }

    /// Returns what the keys of ranges match.
    pub(super) fn ranges(&self) -> Vec<u8> {
        let special = |it: char| matches!(it, '*' | '?' | '[' | ']' | '\\');
        let mut pattern = String::new();
        for it in self.prefix.chars() {
            if special(it) {
                pattern.push('\\');
            }
            pattern.push(it);
        }
        pattern.push_str("r:*");
        pattern.into_bytes()
    }

    pub(super) fn owner(&self, nas: &str, id: &SessionId) -> Vec<u8> {
        // The length keeps a name with a colon apart from an id with one.
        let mut key = self.key(b"s:", 5 + nas.len() + id.bytes().len());
        match u8::try_from(nas.len()) {
            Ok(len) => put_digits(&mut key, len),
            Err(_) => key.extend(nas.len().to_string().into_bytes()),
        }
        for part in [b":", nas.as_bytes(), b":", id.bytes()] {
            key.extend_from_slice(part);
        }
        key
    }

    pub(super) fn nas(&self, nas: &str) -> Vec<u8> {
        let mut key = self.key(b"n:", nas.len());
        key.extend_from_slice(nas.as_bytes());
        key
    }

    pub(super) fn lengths(&self) -> Vec<u8> {
        self.key(b"l", 0)
    }

    /// Returns what a key is about.
    pub(super) fn read<'a>(&self, key: &'a [u8]) -> Option<About<'a>> {
        let rest = key.strip_prefix(self.prefix.as_bytes())?;
        if let Some(owner) = rest.strip_prefix(b"s:") {
            return owner_in(owner).map(About::Owner);
        }
        let rest = std::str::from_utf8(rest).ok()?;
        if rest == "l" {
            return Some(About::Lengths);
        }
        match rest.split_once(':')? {
            ("r", range) => range.parse().ok().map(About::Range),
            ("n", nas) => Some(About::Nas(nas)),
            _ => None,
        }
    }
}

/// What a key is about that is kept here.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum About<'a> {
    Range(IpNet),
    Nas(&'a str),
    /// A session by its NAS and id, for which this number stands.
    Owner(u32),
    Lengths,
}

/// Writes a number in decimal digits.
fn put_digits(text: &mut Vec<u8>, number: u8) {
    if number >= 100 {
        text.push(b'0' + number / 100);
    }
    if number >= 10 {
        text.push(b'0' + number / 10 % 10);
    }
    text.push(b'0' + number % 10);
}

fn owner_in(key: &[u8]) -> Option<u32> {
    let colon = key.iter().position(|it| *it == b':')?;
    let (len, rest) = key.split_at_checked(colon)?;
    let len = std::str::from_utf8(len).ok()?.parse().ok()?;
    let (nas, id) = rest.get(1..)?.split_at_checked(len)?;
    let id = SessionId::new(id.strip_prefix(b":")?)?;
    Some(sessions::owner_of(std::str::from_utf8(nas).ok()?, &id))
}

impl Kept {
    /// Reads a value; none if it is something else.
    pub(super) fn read(bytes: &[u8], names: &mut impl Names) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (over_s, rest) = rest.split_first_chunk()?;
        let over_s = u32::from_le_bytes(*over_s);
        match *kind {
            OPEN => {
                let record = Record::from_bytes(rest, names)?;
                Some(Self::Open(Arc::new(record), over_s))
            }
            ENDED if rest.is_empty() => Some(Self::Ended(over_s)),
            _ => None,
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (kind, over_s) = match self {
            Self::Open(_, over_s) => (OPEN, over_s),
            Self::Ended(over_s) => (ENDED, over_s),
        };
        let mut bytes = Vec::with_capacity(VALUE_LEN);
        bytes.push(kind);
        bytes.extend(over_s.to_le_bytes());
        if let Self::Open(record, _) = self {
            record.put_bytes(&mut bytes);
        }
        bytes
    }

    /// Returns before which time all that is told of this id is over; 0: no such time is known.
    pub(super) fn over_s(&self) -> u32 {
        match self {
            Self::Open(_, over_s) | Self::Ended(over_s) => *over_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        for realm in ["", "north"] {
            let keys = Keys::new(realm);
            let range = "2001:db8::/64".parse().unwrap();
            assert_eq!(keys.read(&keys.range(&range)), Some(About::Range(range)));
            for text in ["0.0.0.0/0", "10.9.99.100/32", "255.200.10.0/24"] {
                let range = text.parse().unwrap();
                let key = format!("{}r:{text}", keys.prefix);
                assert_eq!(keys.range(&range), key.as_bytes());
                assert_eq!(keys.read(key.as_bytes()), Some(About::Range(range)));
            }
            assert_eq!(keys.read(&keys.nas("a:b")), Some(About::Nas("a:b")));
            assert_eq!(keys.read(&keys.lengths()), Some(About::Lengths));
            let id = SessionId::new(b"r:10.0.0.1/32").unwrap();
            let owner = sessions::owner_of("a:s", &id);
            assert_eq!(
                keys.read(&keys.owner("a:s", &id)),
                Some(About::Owner(owner))
            );
            assert_eq!(keys.read(&keys.owner("a:s", &id)[..12]), None);
            assert_eq!(keys.read(b"other:r:10.0.0.1/32"), None);
        }
        assert_eq!(Keys::new("a*").ranges(), br"weir:a\*:r:*");
    }

    #[test]
    fn no_two_owners_have_one_key() {
        let keys = Keys::new("");
        let id = |bytes: &[u8]| SessionId::new(bytes).unwrap();
        assert_ne!(keys.owner("a:b", &id(b"c")), keys.owner("a", &id(b"b:c")));
    }
}
