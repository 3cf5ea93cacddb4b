//! What is kept of one session.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ipnet::IpNet;
use xxhash_rust::xxh3::Xxh3;

use super::change::ADMIN;
use crate::Session;

/// Bytes of an Acct-Session-Id at most: those of a RADIUS attribute.
pub const SESSION_ID_LEN_MAX: usize = 253;

/// Bytes of a session id that are kept without memory of their own.
const SESSION_ID_INLINE: usize = 22;

/// One session while it is open. A change makes a new record, so that whoever holds the old one
/// sees no change.
#[derive(Debug)]
pub struct Record {
    pub(super) nas: Arc<Nas>,
    pub(super) session: Session,
    pub(super) ranges: Ranges,
    pub(super) id: SessionId,
    /// Tells sessions apart that follow each other at one address.
    pub(super) serial: u32,
    /// Seconds since 1970.
    pub(super) expires_s: u32,
}

/// The id that a NAS gave a session: bytes, mostly text.
#[derive(Clone, Eq, PartialEq)]
pub struct SessionId(Id);

#[derive(Clone, Eq, PartialEq)]
enum Id {
    Short(u8, [u8; SESSION_ID_INLINE]),
    Long(Box<[u8]>),
}

/// The addresses and prefixes of a session; one for most.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Ranges {
    One(IpNet),
    Several(Box<[IpNet]>),
}

/// Who reports sessions: a network access server, or the admin API.
#[derive(Debug)]
pub struct Nas {
    pub(super) name: Box<str>,
    /// Sessions told of before this have ended, in seconds since 1970: it was switched on or off.
    cleared_s: AtomicU32,
}

impl Record {
    /// Returns the addresses and prefixes of the session.
    #[must_use]
    pub fn ranges(&self) -> &[IpNet] {
        self.ranges.all()
    }

    /// Returns the facts that requests are about.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the id that the NAS gave it.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Returns the name of the NAS that reported it; none: an operator did.
    #[must_use]
    pub fn nas(&self) -> Option<&str> {
        (*self.nas.name != *ADMIN).then_some(&*self.nas.name)
    }

    /// Returns when it ends unless it is reported again, in seconds since 1970; none: never.
    #[must_use]
    pub fn expires_s(&self) -> Option<u32> {
        (self.expires_s != u32::MAX).then_some(self.expires_s)
    }

    pub(super) fn is_open_at(&self, now_s: u32) -> bool {
        self.is_open() && now_s < self.expires_s
    }

    pub(super) fn is_owned_by(&self, nas: &str, id: &SessionId) -> bool {
        self.id == *id && *self.nas.name == *nas
    }
}

impl Nas {
    /// Creates a NAS that was not switched yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            cleared_s: AtomicU32::new(0),
        }
    }

    /// Returns its name; that of the admin API is empty.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns before which time what is told of its sessions is over, in seconds since 1970.
    #[must_use]
    pub fn cleared_s(&self) -> u32 {
        self.cleared_s.load(Ordering::Relaxed)
    }

    /// Ends its sessions from before a time, unless later ones have ended already.
    pub fn clear(&self, cleared_s: u32) {
        self.cleared_s.fetch_max(cleared_s, Ordering::Relaxed);
    }
}

impl Deref for Record {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl SessionId {
    /// Takes an id; none if it is empty or longer than [`SESSION_ID_LEN_MAX`].
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || bytes.len() > SESSION_ID_LEN_MAX {
            return None;
        }
        let mut inline = [0; SESSION_ID_INLINE];
        let id = match inline.get_mut(..bytes.len()) {
            Some(part) => {
                part.copy_from_slice(bytes);
                Id::Short(u8::try_from(bytes.len()).ok()?, inline)
            }
            None => Id::Long(bytes.into()),
        };
        Some(Self(id))
    }

    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Id::Short(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Id::Long(bytes) => bytes,
        }
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({})", self.bytes().escape_ascii())
    }
}

impl Ranges {
    /// Takes at least one range.
    pub(super) fn new(ranges: &[IpNet]) -> Option<Self> {
        match ranges {
            [] => None,
            [one] => Some(Self::One(*one)),
            several => Some(Self::Several(several.into())),
        }
    }

    pub(super) fn all(&self) -> &[IpNet] {
        match self {
            Self::One(range) => std::slice::from_ref(range),
            Self::Several(ranges) => ranges,
        }
    }
}

/// Returns the place of a session among those of all who report.
pub(super) fn owner_hash(nas: &str, id: &SessionId) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(id.bytes());
    hasher.update(&[0]);
    hasher.update(nas.as_bytes());
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_whatever_their_length() {
        for len in [
            1,
            SESSION_ID_INLINE,
            SESSION_ID_INLINE + 1,
            SESSION_ID_LEN_MAX,
        ] {
            let bytes = vec![b'7'; len];
            assert_eq!(SessionId::new(&bytes).unwrap().bytes(), bytes);
        }
        assert_eq!(SessionId::new(b""), None);
        assert_eq!(SessionId::new(&[b'7'; SESSION_ID_LEN_MAX + 1]), None);
    }
}
