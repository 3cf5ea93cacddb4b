//! The file around the sections: what it is, which version, whole or not.
//!
//! Little-endian. The header has [`HEADER_LEN`] bytes: magic (8), version (4), count of sections
//! (4), length of the file (8), seed of the hashes (8), checksum of the rest of the header (8), and
//! for each section its length (8) and its checksum (8). The sections follow in the order of
//! [`Section`], each filled up with zeros to a multiple of [`ALIGNMENT`], which its checksum covers.

use xxhash_rust::xxh3::xxh3_64;

use crate::bytes::{Cursor, push_u32, push_u64};

/// The version of the layout and of the normal form that keys are in. Another version is
/// refused: lists are compiled again.
pub const FORMAT_VERSION: u32 = 3;

const MAGIC: &[u8; 8] = b"weircat\n";

/// Sections of a file.
pub(crate) const SECTIONS: usize = 10;

/// Where every section begins a multiple of: a line of the processor's cache.
const ALIGNMENT: usize = 64;

/// Where the checksum of the header is.
const CHECKSUM: std::ops::Range<usize> = 32..40;

/// Bytes of the header.
const HEADER_LEN: usize = (CHECKSUM.end + SECTIONS * 16).next_multiple_of(ALIGNMENT);

/// The parts of a database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Section {
    /// Content tag, categories and counts.
    Summary,
    /// Sets of categories.
    Sets,
    /// What names have themselves, and what names below them have, as numbers of sets.
    Pairs,
    /// The groups of the table of domains.
    Domains,
    /// Its keys and values.
    DomainBlocks,
    /// The groups of the table of hosts of URL rules.
    Hosts,
    /// Its keys and values.
    HostBlocks,
    /// URL rules.
    Urls,
    /// Their paths.
    Paths,
    /// Expressions and their sets.
    Expressions,
}

/// What errors call the sections.
const NAMES: [&str; SECTIONS] = [
    "summary",
    "category sets",
    "pairs of sets",
    "domain groups",
    "domain blocks",
    "host groups",
    "host blocks",
    "URL rules",
    "URL paths",
    "expressions",
];

/// Where the sections of a verified file are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    places: [(usize, usize); SECTIONS],
    seed: u64,
}

/// A compiled database that is not yet one run of bytes.
#[derive(Debug)]
pub struct Compiled {
    header: Vec<u8>,
    sections: [Vec<u8>; SECTIONS],
}

impl Compiled {
    pub(crate) fn new(mut sections: [Vec<u8>; SECTIONS], seed: u64) -> Self {
        let mut table = Vec::with_capacity(HEADER_LEN);
        let mut len = HEADER_LEN;
        for section in &mut sections {
            push_u64(&mut table, section.len() as u64);
            section.resize(section.len().next_multiple_of(ALIGNMENT), 0);
            push_u64(&mut table, xxh3_64(section));
            len += section.len();
        }
        let header = header(len as u64, seed, &table);
        Self { header, sections }
    }

    /// Returns the bytes of the file in runs, one after the other.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.header.as_slice()).chain(self.sections.iter().map(Vec::as_slice))
    }

    /// Returns the bytes of the file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.chunks().collect::<Vec<_>>().concat()
    }
}

fn header(file_len: u64, seed: u64, table: &[u8]) -> Vec<u8> {
    let mut before = Vec::with_capacity(HEADER_LEN);
    before.extend_from_slice(MAGIC);
    push_u32(&mut before, FORMAT_VERSION);
    push_u32(&mut before, u32::try_from(SECTIONS).unwrap_or_default());
    push_u64(&mut before, file_len);
    push_u64(&mut before, seed);
    let mut after = table.to_vec();
    after.resize(HEADER_LEN - CHECKSUM.end, 0);
    let checksum = header_checksum(&before, &after);
    [before, checksum.to_le_bytes().to_vec(), after].concat()
}

fn header_checksum(before: &[u8], after: &[u8]) -> u64 {
    xxh3_64(&[before, after].concat())
}

/// Returns `bytes` with all checksums as the lengths in them ask for, and what else a header needs
/// to be believed. It makes no good database of bytes that are none: it is for tests that look
/// behind the checksums.
#[doc(hidden)]
#[must_use]
pub fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().max(HEADER_LEN).next_multiple_of(ALIGNMENT), 0);
    let (head, body) = bytes.split_at_checked(HEADER_LEN).unwrap_or_default();
    let (_, lengths) = head.split_at_checked(CHECKSUM.end).unwrap_or_default();
    let mut lengths = Cursor(lengths);
    let mut table = Vec::new();
    let mut rest = body;
    for section in 0..SECTIONS {
        let len = usize::try_from(lengths.u64().unwrap_or_default()).unwrap_or(usize::MAX);
        let _ = lengths.u64();
        // The last section takes what is left, so that the lengths add up.
        let len = if section + 1 == SECTIONS {
            rest.len()
        } else {
            len.min(rest.len())
        };
        let padded = len.next_multiple_of(ALIGNMENT);
        let (own, after) = rest.split_at_checked(padded).unwrap_or((rest, &[]));
        push_u64(&mut table, len as u64);
        push_u64(&mut table, xxh3_64(own));
        rest = after;
    }
    let seed = Cursor(head.get(24..).unwrap_or_default()).u64();
    let header = header(bytes.len() as u64, seed.unwrap_or_default(), &table);
    [&header, body].concat()
}

impl Layout {
    /// Verifies a file and finds its sections.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, InvalidDatabase> {
        if !bytes.starts_with(MAGIC) {
            return Err(InvalidDatabase::NotADatabase);
        }
        let mut start = Cursor(bytes.get(MAGIC.len()..).unwrap_or_default());
        let version = start.u32().map_err(|_| InvalidDatabase::Truncated)?;
        if version != FORMAT_VERSION {
            return Err(InvalidDatabase::Version(version));
        }
        let (header, _) = bytes
            .split_at_checked(HEADER_LEN)
            .ok_or(InvalidDatabase::Truncated)?;
        let (before, after) = header
            .split_at_checked(CHECKSUM.start)
            .ok_or(InvalidDatabase::Truncated)?;
        let mut table = Cursor(after);
        let checksum = table.u64()?;
        if checksum != header_checksum(before, table.0) {
            return Err(InvalidDatabase::Damaged("header"));
        }
        let _sections = start.u32()?;
        let file_len = start.u64()?;
        if (bytes.len() as u64) < file_len {
            return Err(InvalidDatabase::Truncated);
        }
        if bytes.len() as u64 > file_len {
            return Err(InvalidDatabase::TooLong);
        }
        let seed = start.u64()?;
        let places = sections(bytes, table)?;
        Ok(Self { places, seed })
    }

    /// Returns a section of the file.
    #[inline]
    pub(crate) fn section<'a>(&self, bytes: &'a [u8], section: Section) -> &'a [u8] {
        let place = self.places.get(section as usize).copied();
        let (start, end) = place.unwrap_or_default();
        bytes.get(start..end).unwrap_or_default()
    }

    /// Returns the seed of the hashes.
    #[inline]
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }
}

/// Finds the sections behind the header, and compares their checksums.
fn sections(
    bytes: &[u8],
    mut table: Cursor<'_>,
) -> Result<[(usize, usize); SECTIONS], InvalidDatabase> {
    let mut places = [(0, 0); SECTIONS];
    let mut start = HEADER_LEN;
    for (place, name) in places.iter_mut().zip(NAMES) {
        let len = usize::try_from(table.u64()?).map_err(|_| InvalidDatabase::Inconsistent)?;
        let checksum = table.u64()?;
        let padded = len.checked_next_multiple_of(ALIGNMENT);
        let end = padded.and_then(|padded| start.checked_add(padded));
        let section = end.and_then(|end| bytes.get(start..end));
        let section = section.ok_or(InvalidDatabase::Inconsistent)?;
        if xxh3_64(section) != checksum {
            return Err(InvalidDatabase::Damaged(name));
        }
        *place = (start, start + len);
        start += section.len();
    }
    if start == bytes.len() {
        Ok(places)
    } else {
        Err(InvalidDatabase::Inconsistent)
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
    /// Longer than it says.
    #[error("the category database has bytes behind its end; copy or build it again")]
    TooLong,
    /// Not the bytes that were written; names the part.
    #[error(
        "the category database is damaged: the checksum of its {0} differs; copy or build it again"
    )]
    Damaged(&'static str),
    /// Whole, but not made as a builder makes it.
    #[error("the category database contradicts itself; build it again")]
    Inconsistent,
    /// The expressions are good one by one and too big together.
    #[error("the expressions of the category database do not compile")]
    Expressions(#[from] regex::Error),
}
