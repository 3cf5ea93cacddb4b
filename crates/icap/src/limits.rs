use crate::{CHUNK_LINE_LEN_MAX, FIELDS_MAX, HEAD_LEN_MAX, HTTP_HEADS_LEN_MAX, TRAILER_LEN_MAX};

/// How much of one request is read. The default is what the constants of this crate say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestLimits {
    /// Bytes of an ICAP head: request line and header lines, the empty line included.
    pub head_len_max: usize,
    /// Header lines of an ICAP head; more than [`FIELDS_MAX`] are never read.
    pub fields_max: usize,
    /// Bytes of the HTTP heads inside.
    pub http_heads_len_max: u32,
    /// The chunks of the body.
    pub chunks: ChunkLimits,
}

/// How much of a chunked body is read besides its bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ChunkLimits {
    /// Bytes of one chunk-size line, extensions and line end included.
    pub line_len_max: usize,
    /// Bytes of the trailer after the last chunk, its empty line included.
    pub trailer_len_max: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            head_len_max: HEAD_LEN_MAX,
            fields_max: FIELDS_MAX,
            http_heads_len_max: HTTP_HEADS_LEN_MAX,
            chunks: ChunkLimits::default(),
        }
    }
}

impl Default for ChunkLimits {
    fn default() -> Self {
        Self {
            line_len_max: CHUNK_LINE_LEN_MAX,
            trailer_len_max: TRAILER_LEN_MAX,
        }
    }
}
