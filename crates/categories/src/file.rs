//! The file around the sections: what it is, which version, whole or not.

use xxhash_rust::xxh3::xxh3_64;

use crate::bytes::{Cursor, push_u32, push_u64};

/// The version of the layout and of the normal form that keys are in. Another version is
/// refused: lists are compiled again.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"weircat\n";

/// Magic, version, length of all, checksum of what follows.
const HEADER_LEN: usize = 8 + 4 + 8 + 8;

/// Sections of a file. Their lengths stand after the header, then they follow in order.
pub(crate) const SECTIONS: usize = 8;

/// The parts of a database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Section {
    /// Content tag, categories and counts.
    Summary,
    /// Sets of categories.
    Sets,
    /// Keys and values of both tables.
    Records,
    /// Domains.
    DomainSlots,
    /// Hosts of URL rules.
    HostSlots,
    /// URL rules.
    Urls,
    /// Their paths.
    Paths,
    /// Expressions and their sets.
    Expressions,
}

/// Where the sections of a verified file are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout([(usize, usize); SECTIONS]);

/// Joins sections, in the order of [`Section`], to a file.
pub(crate) fn join(sections: &[&[u8]; SECTIONS]) -> Vec<u8> {
    let body: usize = sections.iter().map(|section| 8 + section.len()).sum();
    let mut bytes = Vec::with_capacity(HEADER_LEN + body);
    bytes.resize(HEADER_LEN, 0);
    for section in sections {
        push_u64(&mut bytes, section.len() as u64);
    }
    for section in sections {
        bytes.extend_from_slice(section);
    }
    let mut header = Vec::with_capacity(HEADER_LEN);
    header.extend_from_slice(MAGIC);
    push_u32(&mut header, FORMAT_VERSION);
    push_u64(&mut header, bytes.len() as u64);
    push_u64(
        &mut header,
        xxh3_64(bytes.get(HEADER_LEN..).unwrap_or_default()),
    );
    if let Some(start) = bytes.get_mut(..HEADER_LEN) {
        start.copy_from_slice(&header);
    }
    bytes
}

impl Layout {
    /// Verifies a file and finds its sections.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, InvalidDatabase> {
        if !bytes.starts_with(MAGIC) {
            return Err(InvalidDatabase::NotADatabase);
        }
        let (header, body) = bytes
            .split_at_checked(HEADER_LEN)
            .ok_or(InvalidDatabase::Truncated)?;
        let mut header = Cursor(header.get(MAGIC.len()..).unwrap_or_default());
        let version = header.u32()?;
        if version != FORMAT_VERSION {
            return Err(InvalidDatabase::Version(version));
        }
        let len = header.u64()?;
        if len > bytes.len() as u64 {
            return Err(InvalidDatabase::Truncated);
        }
        if len < bytes.len() as u64 || header.u64()? != xxh3_64(body) {
            return Err(InvalidDatabase::Damaged);
        }
        Self::of_body(body, bytes.len())
    }

    fn of_body(body: &[u8], file_len: usize) -> Result<Self, InvalidDatabase> {
        let mut lengths = Cursor(body);
        let mut places = [(0, 0); SECTIONS];
        let mut start = HEADER_LEN + SECTIONS * 8;
        for place in &mut places {
            let len = usize::try_from(lengths.u64()?).map_err(|_| InvalidDatabase::Inconsistent)?;
            let end = start.checked_add(len).filter(|end| *end <= file_len);
            let end = end.ok_or(InvalidDatabase::Inconsistent)?;
            *place = (start, end);
            start = end;
        }
        if start != file_len {
            return Err(InvalidDatabase::Inconsistent);
        }
        Ok(Self(places))
    }

    /// Returns a section of the file.
    pub(crate) fn section<'a>(&self, bytes: &'a [u8], section: Section) -> &'a [u8] {
        let place = self.0.get(section as usize).copied().unwrap_or_default();
        bytes.get(place.0..place.1).unwrap_or_default()
    }
}

/// Why bytes are no database.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDatabase {
    /// Something else.
    #[error("this is no category database; make one with `weir categories build`")]
    NotADatabase,
    /// Made by another release.
    #[error(
        "the category database has version {0}, and {FORMAT_VERSION} is read here; build it again"
    )]
    Version(u32),
    /// Shorter than it says.
    #[error("the category database is cut off; copy or build it again")]
    Truncated,
    /// Not the bytes that were written.
    #[error("the category database is damaged: its checksum differs; copy or build it again")]
    Damaged,
    /// Whole, but not made as a builder makes it.
    #[error("the category database contradicts itself; build it again")]
    Inconsistent,
    /// The expressions are good one by one and too big together.
    #[error("the expressions of the category database do not compile")]
    Expressions(#[from] regex::Error),
}
