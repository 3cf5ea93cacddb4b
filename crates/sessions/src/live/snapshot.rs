//! The table as bytes, so that a restart forgets nobody.

use std::sync::Arc;

use ipnet::IpNet;

use super::record::{Ranges, Record, SessionId};
use super::{LiveSessions, RANGES_MAX};
use crate::{Digits, Name, Origin, Session};

/// What a snapshot begins with.
const MAGIC: &[u8; 16] = b"weir sessions 1\n";

/// Bytes of the checksum at the end.
const SUM_LEN: usize = 32;

/// Bytes of one session in a snapshot at most; a snapshot that is longer than that for every
/// session of the table, and for every NAS, is none.
pub const SNAPSHOT_RECORD_LEN_MAX: usize = 1_280;

/// Why bytes are no snapshot. Nothing was taken from them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadSnapshot {
    /// It begins otherwise.
    #[error("it is not a snapshot of sessions that this program wrote; remove it")]
    Magic,
    /// The checksum is another one.
    #[error("its checksum does not fit: it is damaged or not whole; remove it")]
    Checksum,
    /// A part of it has no meaning, though the checksum fits.
    #[error("a session in it cannot be read; remove it")]
    Record,
}

impl LiveSessions {
    /// Returns all open sessions as bytes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let writer = self.writer();
        let mut bytes = MAGIC.to_vec();
        let nas: Vec<_> = writer.all_nas().collect();
        put_count(&mut bytes, nas.len());
        for nas in nas.into_iter().filter_map(|it| self.common.nas.get(it)) {
            put(&mut bytes, nas.name.as_bytes());
            bytes.extend(nas.cleared_s().to_le_bytes());
        }
        let counted = bytes.len();
        put_count(&mut bytes, 0);
        let mut count = 0;
        for rest in writer.all() {
            let first = rest.ranges.all().first();
            let record = first.and_then(|first| self.at(&writer, first));
            if let Some(record) = record.filter(Record::is_open) {
                put_record(&mut bytes, &record);
                count += 1;
            }
        }
        let mut written = Vec::new();
        put_count(&mut written, count);
        for (to, byte) in bytes.iter_mut().skip(counted).zip(written) {
            *to = byte;
        }
        let sum = blake3::hash(&bytes);
        bytes.extend(sum.as_bytes());
        bytes
    }

    /// Takes the sessions of a snapshot that have not ended since, as many as there is room for,
    /// and returns how many these are and how many there was no room for.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are no whole snapshot. Nothing is taken then.
    pub fn restore(&self, bytes: &[u8], now_s: u32) -> Result<(usize, usize), BadSnapshot> {
        if !bytes.starts_with(MAGIC) {
            return Err(BadSnapshot::Magic);
        }
        let summed = bytes.len().checked_sub(SUM_LEN);
        let (bytes, sum) = summed
            .and_then(|len| bytes.split_at_checked(len))
            .ok_or(BadSnapshot::Checksum)?;
        if blake3::hash(bytes).as_bytes() != sum {
            return Err(BadSnapshot::Checksum);
        }
        let mut input = Input(bytes.get(MAGIC.len()..).unwrap_or_default());
        self.restore_all(&mut input, now_s)
            .ok_or(BadSnapshot::Record)
    }

    fn restore_all(&self, input: &mut Input<'_>, now_s: u32) -> Option<(usize, usize)> {
        let mut switched = Vec::new();
        for _ in 0..input.count()? {
            switched.push((input.text()?, input.number()?));
        }
        // What is told of a time before that is too old by itself, and a NAS that is gone takes no
        // place from another.
        switched.retain(|(_, cleared_s)| cleared_s.saturating_add(self.limits.lifetime_s) > now_s);
        let mut written = Vec::new();
        for _ in 0..input.count()? {
            written.push(input.record()?);
        }
        if !input.0.is_empty() {
            return None;
        }
        let mut writer = self.writer();
        for (name, cleared_s) in switched {
            if let Some(nas) = writer.nas(name, &self.common) {
                nas.clear(cleared_s);
            }
        }
        let (mut taken, mut left_out) = (0, 0);
        for Kept {
            session,
            nas,
            id,
            ranges,
            expires_s,
        } in written
        {
            let Some(nas) = writer.nas(nas, &self.common) else {
                left_out += 1;
                continue;
            };
            let serial = writer.serial();
            let record = Record {
                session,
                id,
                ranges,
                nas,
                serial,
                expires_s,
            };
            if !record.is_open_at(now_s) {
                continue;
            }
            match self.store(&mut writer, Arc::new(record), now_s) {
                Ok(_) => taken += 1,
                Err(_) => left_out += 1,
            }
        }
        Some((taken, left_out))
    }
}

/// A session as a snapshot has it.
pub(super) struct Kept<'a> {
    pub(super) session: Session,
    pub(super) nas: &'a str,
    pub(super) id: SessionId,
    pub(super) ranges: Ranges,
    pub(super) expires_s: u32,
}

/// The rest of the bytes. Every reading returns nothing if they are too few.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = u16::from_le_bytes(self.take()?);
        let (bytes, rest) = self.0.split_at_checked(usize::from(len))?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// Reads a text, where an empty one is none.
    fn filled(&mut self) -> Option<Option<&'a str>> {
        let text = self.text()?;
        Some((!text.is_empty()).then_some(text))
    }

    fn digits(&mut self) -> Option<Option<Digits>> {
        match self.filled()? {
            Some(text) => Digits::new(text).map(Some),
            None => Some(None),
        }
    }

    pub(super) fn record(&mut self) -> Option<Kept<'a>> {
        let nas = self.text()?;
        let id = SessionId::new(self.bytes()?)?;
        let mut ranges: Vec<IpNet> = Vec::new();
        for _ in 0..self.count()?.min(RANGES_MAX + 1) {
            ranges.push(self.text()?.parse().ok()?);
        }
        if ranges.len() > RANGES_MAX {
            return None;
        }
        let session = Session {
            msisdn: self.digits()?,
            imsi: self.digits()?,
            apn: self.filled()?.map(Name::from),
            profile: self.filled()?.map(Name::from),
            origin: {
                let [byte] = self.take()?;
                Origin::of_byte(byte)?
            },
            changed_s: self.number()?,
        };
        Some(Kept {
            session,
            nas,
            id,
            ranges: Ranges::new(&ranges)?,
            expires_s: self.number()?,
        })
    }
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    let len = u16::try_from(part.len()).unwrap_or_default();
    bytes.extend(len.to_le_bytes());
    bytes.extend_from_slice(part.get(..usize::from(len)).unwrap_or_default());
}

pub(super) fn put_record(bytes: &mut Vec<u8>, record: &Record) {
    let session = &record.session;
    put(bytes, record.nas.name.as_bytes());
    put(bytes, record.id.bytes());
    put_count(bytes, record.ranges().len());
    for range in record.ranges() {
        put(bytes, range.to_string().as_bytes());
    }
    for digits in [session.msisdn, session.imsi] {
        let text = digits.map(Digits::text);
        put(bytes, text.as_deref().unwrap_or_default().as_bytes());
    }
    for name in [&session.apn, &session.profile] {
        put(bytes, name.as_deref().unwrap_or_default().as_bytes());
    }
    bytes.push(session.origin.byte());
    bytes.extend(session.changed_s.to_le_bytes());
    bytes.extend(record.expires_s.to_le_bytes());
}
