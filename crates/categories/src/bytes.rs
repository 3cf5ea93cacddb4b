//! Numbers and text in files: little-endian, lengths before text.

use crate::{BuildError, InvalidDatabase};

/// Reads from the front of a section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn u16(&mut self) -> Result<u16, InvalidDatabase> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, InvalidDatabase> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, InvalidDatabase> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, InvalidDatabase> {
        let len = usize::from(self.u16()?);
        let (text, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(InvalidDatabase::Inconsistent)?;
        self.0 = rest;
        str::from_utf8(text).map_err(|_| InvalidDatabase::Inconsistent)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], InvalidDatabase> {
        let (array, rest) = self
            .0
            .split_first_chunk()
            .ok_or(InvalidDatabase::Inconsistent)?;
        self.0 = rest;
        Ok(*array)
    }
}

pub(crate) fn push_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

pub(crate) fn push_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

pub(crate) fn push_u16(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_le_bytes());
}

pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) -> Result<(), BuildError> {
    let len = u16::try_from(text.len()).map_err(|_| BuildError::TooBig)?;
    push_u16(out, len);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Returns a length or an offset as it is written.
pub(crate) fn small(number: usize) -> Result<u32, BuildError> {
    u32::try_from(number).map_err(|_| BuildError::TooBig)
}
