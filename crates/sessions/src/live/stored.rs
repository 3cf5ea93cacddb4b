//! A session as a store of several gateways keeps it: bytes, and a key that all of them know.

use std::sync::Arc;

use super::record::{Nas, Record, SessionId, owner_hash};
use super::snapshot::{Input, Kept, put_record};
use crate::{Name, SessionKey};

/// What the bytes of a session begin with: how they are to be read.
const VERSION: u8 = 1;

/// Gives the names that sessions have in common one copy.
pub trait Names {
    /// Returns who reports under this name.
    fn nas(&mut self, name: &str) -> Arc<Nas>;

    /// Returns one copy of the name of an access point or profile.
    fn name(&mut self, name: &str) -> Name;
}

impl Record {
    /// Returns the session as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.put_bytes(&mut bytes);
        bytes
    }

    /// Adds the session as bytes.
    pub fn put_bytes(&self, bytes: &mut Vec<u8>) {
        bytes.push(VERSION);
        bytes.extend(self.serial.to_le_bytes());
        put_record(bytes, self);
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; none if it is something else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], names: &mut impl Names) -> Option<Self> {
        let (&VERSION, bytes) = bytes.split_first()? else {
            return None;
        };
        let mut input = Input(bytes);
        let serial = input.number()?;
        let Kept {
            mut session,
            nas,
            id,
            ranges,
            expires_s,
        } = input.record()?;
        if !input.0.is_empty() {
            return None;
        }
        session.apn = session.apn.map(|apn| names.name(&apn));
        session.profile = session.profile.map(|profile| names.name(&profile));
        Some(Self {
            session,
            id,
            ranges,
            nas: names.nas(nas),
            serial,
            expires_s,
        })
    }

    /// Returns the key of a session whose serial number was drawn at random, which is the same
    /// wherever it is read. Its upper half is [`owner_of`] its NAS and id.
    #[must_use]
    pub fn stored_key(&self) -> SessionKey {
        let owner = owner_of(&self.nas.name, &self.id);
        SessionKey(u64::from(owner) << u32::BITS | u64::from(self.serial))
    }

    /// Returns who reported it.
    #[must_use]
    pub fn reporter(&self) -> &Arc<Nas> {
        &self.nas
    }

    /// Returns whether its NAS has not been switched on or off since it was reported.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.changed_s >= self.nas.cleared_s()
    }

    /// Returns whether both are about one session, be it that it ended and was opened anew.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_owned_by(&other.nas.name, &other.id)
    }
}

/// Returns a number that stands for the id of a session at its NAS: most have one of their own.
#[must_use]
pub fn owner_of(nas: &str, id: &SessionId) -> u32 {
    let [a, b, c, d, ..] = owner_hash(nas, id).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digits, LiveLimits, LiveSessions, Report};

    struct Fresh;

    impl Names for Fresh {
        fn nas(&mut self, name: &str) -> Arc<Nas> {
            Arc::new(Nas::new(name))
        }

        fn name(&mut self, name: &str) -> Name {
            name.into()
        }
    }

    #[test]
    fn a_session_is_read_as_it_was_written() {
        let record = record();
        let bytes = record.to_bytes();
        assert!(bytes.len() <= 128, "{} bytes", bytes.len());
        let read = Record::from_bytes(&bytes, &mut Fresh).unwrap();
        assert_eq!(read.session, record.session);
        assert_eq!((read.ranges(), read.id()), (record.ranges(), record.id()));
        assert_eq!((read.nas(), read.expires_s()), (Some("nas"), Some(110)));
        assert_eq!(read.stored_key(), record.stored_key());
        assert_eq!(read.to_bytes(), bytes);
    }

    #[test]
    fn what_is_cut_or_of_another_version_is_no_session() {
        let bytes = record().to_bytes();
        for len in 0..bytes.len() {
            assert!(
                Record::from_bytes(&bytes[..len], &mut Fresh).is_none(),
                "{len} bytes"
            );
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(Record::from_bytes(&longer, &mut Fresh).is_none());
        let later = [&[VERSION + 1], &bytes[1..]].concat();
        assert!(Record::from_bytes(&later, &mut Fresh).is_none());
    }

    fn record() -> Arc<Record> {
        let live = LiveSessions::new(LiveLimits {
            sessions_max: 1,
            lifetime_s: 100,
        });
        let report = Report {
            nas: "nas".into(),
            id: SessionId::new(b"0A01").unwrap(),
            ranges: vec![
                "10.7.0.2/32".parse().unwrap(),
                "2001:db8:7::/64".parse().unwrap(),
            ],
            msisdn: Digits::new("111220000001"),
            imsi: Digits::new("10020000000007"),
            apn: Some("internet".into()),
            profile: Some("child".into()),
            event_s: 10,
        };
        live.report(&report, 10).unwrap();
        live.get("10.7.0.2/32".parse().unwrap()).unwrap()
    }
}
