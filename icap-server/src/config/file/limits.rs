//! The `limits:` section of `icap_server:`, as written.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use icap::{ChunkLimits, RequestLimits};
use policy::written::{Remarks, Written};
use serde::Deserialize;

use crate::config::Limits;

/// `limits.head_bytes`
pub const HEAD_BYTES: Bounds<usize> = Bounds::new(1_024, icap::HEAD_LEN_MAX, 1_048_576);
/// `limits.head_lines`
pub const HEAD_LINES: Bounds<usize> = Bounds::new(8, icap::FIELDS_MAX, icap::FIELDS_MAX);
/// `limits.http_heads_bytes`
pub const HTTP_HEADS_BYTES: Bounds<u32> = Bounds::new(1_024, icap::HTTP_HEADS_LEN_MAX, 16_777_216);
/// `limits.chunk_line_bytes`
pub const CHUNK_LINE_BYTES: Bounds<usize> = Bounds::new(32, icap::CHUNK_LINE_LEN_MAX, 65_536);
/// `limits.trailer_bytes`
pub const TRAILER_BYTES: Bounds<usize> = Bounds::new(2, icap::TRAILER_LEN_MAX, 1_048_576);
/// `limits.preview_bytes`
pub const PREVIEW_BYTES: Bounds<usize> = Bounds::new(0, 65_536, 1_073_741_824);
/// `limits.read_over_bytes`
pub const READ_OVER_BYTES: Bounds<usize> = Bounds::new(0, 67_108_864, 1_099_511_627_776);
/// `limits.head_s`
pub const HEAD_S: Bounds<u64> = Bounds::new(1, 10, 600);
/// `limits.stall_s`
pub const STALL_S: Bounds<u64> = Bounds::new(1, 30, 3_600);
/// `limits.idle_s`
pub const IDLE_S: Bounds<u64> = Bounds::new(1, 60, 86_400);

/// The least, the usual and the greatest value of a key.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<T> {
    /// The least that is accepted.
    pub min: T,
    /// What absence means.
    pub default: T,
    /// The most that is accepted.
    pub max: T,
}

/// The `limits:` section.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    head_bytes: Option<Written>,
    head_lines: Option<Written>,
    http_heads_bytes: Option<Written>,
    chunk_line_bytes: Option<Written>,
    trailer_bytes: Option<Written>,
    preview_bytes: Option<Written>,
    read_over_bytes: Option<Written>,
    head_s: Option<Written>,
    stall_s: Option<Written>,
    idle_s: Option<Written>,
}

impl Section {
    pub(super) fn resolve(&self, remarks: &mut Remarks) -> Limits {
        let heads = self.http_heads_bytes.as_ref();
        let lines = self.head_lines.as_ref();
        let http_heads_len_max = HTTP_HEADS_BYTES.read(heads, BYTES, remarks);
        let fields_max = HEAD_LINES.read(lines, "a number of lines", remarks);
        let mut bytes = |bounds: Bounds<usize>, written: &Option<Written>| {
            bounds.read(written.as_ref(), BYTES, remarks)
        };
        let request = RequestLimits {
            head_len_max: bytes(HEAD_BYTES, &self.head_bytes),
            fields_max,
            http_heads_len_max,
            chunks: ChunkLimits {
                line_len_max: bytes(CHUNK_LINE_BYTES, &self.chunk_line_bytes),
                trailer_len_max: bytes(TRAILER_BYTES, &self.trailer_bytes),
            },
        };
        let preview_len_max = bytes(PREVIEW_BYTES, &self.preview_bytes);
        let read_over_len_max = bytes(READ_OVER_BYTES, &self.read_over_bytes);
        let mut seconds = |bounds: Bounds<u64>, written: &Option<Written>| {
            Duration::from_secs(bounds.read(written.as_ref(), "a number of seconds", remarks))
        };
        Limits {
            request,
            preview_len_max,
            read_over_len_max,
            head: seconds(HEAD_S, &self.head_s),
            stall: seconds(STALL_S, &self.stall_s),
            idle: seconds(IDLE_S, &self.idle_s),
        }
    }
}

const BYTES: &str = "a number of bytes";

impl Default for Limits {
    fn default() -> Self {
        Section::default().resolve(&mut Remarks::new(""))
    }
}

impl<T: Copy + Display + FromStr + PartialOrd> Bounds<T> {
    const fn new(min: T, default: T, max: T) -> Self {
        Self { min, default, max }
    }

    fn range(self) -> RangeInclusive<T> {
        self.min..=self.max
    }

    /// Reads a key, or remarks what is accepted.
    fn read(self, written: Option<&Written>, what: &str, remarks: &mut Remarks) -> T {
        let number = written.and_then(|number| number.number(what, self.range(), remarks));
        number.unwrap_or(self.default)
    }
}
