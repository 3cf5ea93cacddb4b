//! What a request needs of a session, in few words.

use std::sync::Arc;

use super::numbered::Numbered;
use super::record::Nas;
use crate::{Digits, Name, Origin, Session};

/// Words of the facts of a session.
pub(super) const FACT_WORDS: usize = 4;

/// The facts of a session as a line has them; the byte that is not used may have anything. Who looks
/// a session up hands them on like this: a copy of [`Facts`] would be read, whole, from where its
/// parts were just written, and a processor waits for that.
pub(super) type FactWords = [u64; FACT_WORDS];

/// Where the number of the profile begins.
const PROFILE_SHIFT: u32 = 16;

/// Where the number of the NAS begins.
const NAS_SHIFT: u32 = 32;

/// Where the origin begins.
const ORIGIN_SHIFT: u32 = 48;

/// Where what is not used of the third word begins: one byte.
pub(super) const FREE_SHIFT: u32 = 56;

/// A session as a line keeps it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Facts {
    pub(super) msisdn: Option<Digits>,
    pub(super) imsi: Option<Digits>,
    pub(super) apn: u16,
    pub(super) profile: u16,
    pub(super) nas: u16,
    pub(super) origin: Origin,
    pub(super) changed_s: u32,
    /// Where the writer keeps the rest.
    pub(super) place: u32,
}

/// What many sessions have in common, by number. 0 is no name.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) names: Numbered<Name>,
    pub(super) nas: Numbered<Arc<Nas>>,
}

impl Facts {
    pub(super) fn words(&self) -> FactWords {
        [
            self.msisdn.map_or(0, Digits::bits),
            self.imsi.map_or(0, Digits::bits),
            u64::from(self.apn)
                | u64::from(self.profile) << PROFILE_SHIFT
                | u64::from(self.nas) << NAS_SHIFT
                | u64::from(self.origin.byte()) << ORIGIN_SHIFT,
            u64::from(self.changed_s) | u64::from(self.place) << u32::BITS,
        ]
    }

    #[inline]
    pub(super) fn of_words([msisdn, imsi, common, state]: FactWords) -> Self {
        let [a0, a1, p0, p1, n0, n1, origin, _] = common.to_le_bytes();
        let [c0, c1, c2, c3, place @ ..] = state.to_le_bytes();
        Self {
            msisdn: Digits::of_bits(msisdn),
            imsi: Digits::of_bits(imsi),
            apn: u16::from_le_bytes([a0, a1]),
            profile: u16::from_le_bytes([p0, p1]),
            nas: u16::from_le_bytes([n0, n1]),
            origin: Origin::of_byte(origin).unwrap_or_default(),
            changed_s: u32::from_le_bytes([c0, c1, c2, c3]),
            place: u32::from_le_bytes(place),
        }
    }
}

impl Common {
    pub(super) fn new() -> Self {
        Self {
            names: Numbered::new(),
            nas: Numbered::new(),
        }
    }

    /// Returns the session with these facts, if it is open.
    #[inline]
    pub(super) fn open_session(&self, facts: &Facts) -> Option<Session> {
        self.is_open(facts).then(|| self.session(facts))
    }

    #[inline]
    pub(super) fn session(&self, facts: &Facts) -> Session {
        Session {
            changed_s: facts.changed_s,
            origin: facts.origin,
            profile: self.names.get(facts.profile).cloned(),
            msisdn: facts.msisdn,
            imsi: facts.imsi,
            apn: self.names.get(facts.apn).cloned(),
        }
    }

    /// Returns whether the NAS of a session was not switched since it was reported.
    #[inline]
    pub(super) fn is_open(&self, facts: &Facts) -> bool {
        let nas = self.nas.get(facts.nas);
        nas.is_some_and(|nas| facts.changed_s >= nas.cleared_s())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_as_they_were_written() {
        for origin in Origin::ALL {
            let facts = Facts {
                msisdn: Digits::new("111220000001"),
                imsi: Digits::new("999999999999999"),
                apn: u16::MAX,
                profile: 1,
                nas: 0x1234,
                origin,
                changed_s: u32::MAX - 1,
                place: 0x00FE_DCBA,
            };
            assert_eq!(Facts::of_words(facts.words()), facts);
            assert_eq!(facts.words()[2] >> FREE_SHIFT, 0);
            let none = Facts {
                msisdn: None,
                imsi: None,
                apn: 0,
                ..facts
            };
            assert_eq!(Facts::of_words(none.words()), none);
        }
    }
}
