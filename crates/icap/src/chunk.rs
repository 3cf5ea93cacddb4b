use crate::ChunkLimits;
use crate::fields::{Fields, LineScan, Scanned, digits, slots};

/// Bytes of one chunk-size line, extensions and line end included.
pub const CHUNK_LINE_LEN_MAX: usize = 1024;

/// Bytes of the trailer after the last chunk, its empty line included.
pub const TRAILER_LEN_MAX: usize = 16 * 1024;

/// Reads a chunked body piece by piece (RFC 3507 sections 4.4.3 and 4.5).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ChunkDecoder {
    state: State,
    limits: ChunkLimits,
}

/// What a [`ChunkDecoder`] read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Chunk<'a> {
    /// More bytes are needed.
    NeedMore,
    /// Bytes of the body; never empty.
    Bytes(&'a [u8]),
    /// The end of the body.
    Last(LastChunk<'a>),
}

/// The chunk of size zero and what came with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LastChunk<'a> {
    /// Whether `ieof` says that a preview was the whole body.
    pub ieof: bool,
    /// Where the rest of the original body is to be appended (206).
    pub use_original_body: Option<u64>,
    /// The trailer's lines as sent, without the empty line.
    pub trailers: &'a [u8],
}

/// Why a chunked body cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadChunk {
    /// Not hexadecimal digits, or too many of them.
    #[error("`{0}` is not a chunk size")]
    Size(String),
    /// An extension that does not end.
    #[error("a chunk-size line is longer than {0} bytes")]
    LineTooLong(usize),
    /// LF alone, or other bytes where a chunk ends.
    #[error("a chunk does not end with CRLF")]
    LineEnd,
    /// Not header lines, or too many of them.
    #[error("a trailer line is malformed")]
    Trailer,
    /// More than is kept.
    #[error("the trailer is longer than {0} bytes")]
    TrailerTooLong(usize),
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    Size,
    Bytes(u64),
    BytesEnd,
    Trailer(Extensions, LineScan),
    Done,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Extensions {
    ieof: bool,
    use_original_body: Option<u64>,
}

impl ChunkDecoder {
    /// Creates a decoder that reads no more than this.
    #[must_use]
    pub fn new(limits: ChunkLimits) -> Self {
        Self {
            state: State::default(),
            limits,
        }
    }

    /// Reads the next piece from `received`, which starts where the last piece ended. Returns
    /// how many bytes were used, also with [`Chunk::NeedMore`].
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a chunked body, or over a limit.
    pub fn read<'a>(&mut self, received: &'a [u8]) -> Result<(usize, Chunk<'a>), BadChunk> {
        let mut rest = received;
        loop {
            let before = rest.len();
            if let Some(chunk) = self.step(&mut rest)? {
                return Ok((received.len() - rest.len(), chunk));
            }
            if rest.len() == before {
                return Ok((received.len() - rest.len(), Chunk::NeedMore));
            }
        }
    }

    /// Returns whether the last chunk was read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Reads one element. None and nothing taken: more bytes are needed.
    fn step<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Option<Chunk<'a>>, BadChunk> {
        match &mut self.state {
            State::Size => {
                if let Some(line) = take_line(rest, self.limits.line_len_max)? {
                    self.state = size_line(line)?;
                }
                Ok(None)
            }
            State::Bytes(left) => {
                let len = usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                let (bytes, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
                *left -= bytes.len() as u64;
                if *left == 0 {
                    self.state = State::BytesEnd;
                }
                *rest = after;
                Ok((!bytes.is_empty()).then_some(Chunk::Bytes(bytes)))
            }
            State::BytesEnd => {
                match rest {
                    [b'\r', b'\n', after @ ..] => {
                        *rest = after;
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => {}
                    _ => return Err(BadChunk::LineEnd),
                }
                Ok(None)
            }
            State::Trailer(extensions, scan) => {
                let len_max = self.limits.trailer_len_max;
                let Some(trailers) = take_trailer(scan, rest, len_max)? else {
                    return Ok(None);
                };
                let Extensions {
                    ieof,
                    use_original_body,
                } = *extensions;
                self.state = State::Done;
                Ok(Some(Chunk::Last(LastChunk {
                    ieof,
                    use_original_body,
                    trailers,
                })))
            }
            State::Done => Ok(None),
        }
    }
}

fn take_line<'a>(rest: &mut &'a [u8], len_max: usize) -> Result<Option<&'a [u8]>, BadChunk> {
    let bytes: &'a [u8] = rest;
    let window = bytes.get(..len_max).unwrap_or(bytes);
    let Some(at) = window.iter().position(|byte| *byte == b'\n') else {
        if window.len() == len_max {
            return Err(BadChunk::LineTooLong(len_max));
        }
        return Ok(None);
    };
    let (line, after) = bytes.split_at_checked(at + 1).unwrap_or((bytes, &[]));
    *rest = after;
    line.strip_suffix(b"\r\n")
        .ok_or(BadChunk::LineEnd)
        .map(Some)
}

fn take_trailer<'a>(
    scan: &mut LineScan,
    rest: &mut &'a [u8],
    len_max: usize,
) -> Result<Option<&'a [u8]>, BadChunk> {
    let bytes: &'a [u8] = rest;
    let end = match scan.find(bytes, len_max) {
        Scanned::NeedMore => return Ok(None),
        Scanned::End(end) => end,
        Scanned::TooLong => return Err(BadChunk::TrailerTooLong(len_max)),
        Scanned::BareLineFeed => return Err(BadChunk::LineEnd),
    };
    let (block, after) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    let lines = block.strip_suffix(b"\r\n").unwrap_or(block);
    if !lines.is_empty() {
        Fields::parse(block, &mut slots()).map_err(|_| BadChunk::Trailer)?;
    }
    *rest = after;
    Ok(Some(lines))
}

/// Parses `size; extension; name=value`.
fn size_line(line: &[u8]) -> Result<State, BadChunk> {
    let mut parts = Extensions::split(line);
    let size = parts.next().unwrap_or_default();
    let bad = || BadChunk::Size(size.get(..32).unwrap_or(size).escape_ascii().to_string());
    if size.is_empty() || !size.iter().all(u8::is_ascii_hexdigit) {
        return Err(bad());
    }
    let size = str::from_utf8(size)
        .ok()
        .and_then(|size| u64::from_str_radix(size, 16).ok())
        .ok_or_else(bad)?;
    if size > 0 {
        return Ok(State::Bytes(size));
    }
    let mut extensions = Extensions::default();
    parts.for_each(|part| extensions.note(part));
    Ok(State::Trailer(extensions, LineScan::default()))
}

impl Extensions {
    /// Splits at semicolons that are not in a quoted string.
    fn split(line: &[u8]) -> impl Iterator<Item = &[u8]> {
        let mut quoted = false;
        let mut escaped = false;
        line.split(move |byte| {
            let literal = escaped;
            escaped = quoted && !literal && *byte == b'\\';
            if *byte == b'"' && !literal {
                quoted = !quoted;
            }
            *byte == b';' && !quoted
        })
        .map(<[u8]>::trim_ascii)
    }

    fn note(&mut self, extension: &[u8]) {
        let mut halves = extension
            .splitn(2, |byte| *byte == b'=')
            .map(<[u8]>::trim_ascii);
        let name = halves.next().unwrap_or_default();
        match halves.next() {
            None if name.eq_ignore_ascii_case(b"ieof") => self.ieof = true,
            Some(value) if name.eq_ignore_ascii_case(b"use-original-body") => {
                self.use_original_body = digits(value);
            }
            None | Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_and_their_end() {
        check("3\r\nabc\r\n0\r\n\r\n", "abc", false, "");
        check("1\r\na\r\n002\r\nbc\r\n000\r\n\r\n", "abc", false, "");
        check("A\r\n0123456789\r\n0\r\n\r\n", "0123456789", false, "");
        check("0\r\n\r\n", "", false, "");
    }

    #[test]
    fn extensions_are_read_and_ignored() {
        check("0; ieof\r\n\r\n", "", true, "");
        check("0;IEOF\r\n\r\n", "", true, "");
        check("0 ; a=b ; ieof\r\n\r\n", "", true, "");
        check("0; ieof=1\r\n\r\n", "", false, "");
        check("0; note=\"x; ieof\"\r\n\r\n", "", false, "");
        check("0; note=\"x\\\"; ieof\"; ieof\r\n\r\n", "", true, "");
        check("1;ieof\r\na\r\n0\r\n\r\n", "a", false, "");
        check("1;name=\"v\"\r\na\r\n0;x\r\n\r\n", "a", false, "");
    }

    #[test]
    fn use_original_body_is_read() {
        let mut decoder = ChunkDecoder::default();
        let (_, chunk) = decoder.read(b"0; use-original-body=12\r\n\r\n").unwrap();
        let Chunk::Last(last) = chunk else {
            panic!("{chunk:?}")
        };
        assert_eq!(last.use_original_body, Some(12));
    }

    #[test]
    fn trailers_are_kept_as_sent() {
        check("0\r\nX-a: 1\r\nb:2\r\n\r\n", "", false, "X-a: 1\r\nb:2\r\n");
    }

    #[test]
    fn refused() {
        let size = |text: &str| BadChunk::Size(text.to_owned());
        check_err("\r\n", size(""));
        check_err("x\r\n", size("x"));
        check_err("-1\r\n", size("-1"));
        check_err("+1\r\n", size("+1"));
        check_err("0x1\r\n", size("0x1"));
        check_err("10000000000000000\r\n", size("10000000000000000"));
        check_err("1\n", BadChunk::LineEnd);
        check_err("1\r\nab\r\n", BadChunk::LineEnd);
        check_err("1\r\na\n", BadChunk::LineEnd);
        check_err("0\r\nno colon\r\n\r\n", BadChunk::Trailer);
        check_err("0\r\na: b\n\r\n", BadChunk::LineEnd);
    }

    #[test]
    fn limits() {
        let line = |len: usize| format!("0;{}\r\n\r\n", "a".repeat(len - 4));
        check(&line(CHUNK_LINE_LEN_MAX), "", false, "");
        check_err(
            &line(CHUNK_LINE_LEN_MAX + 1),
            BadChunk::LineTooLong(CHUNK_LINE_LEN_MAX),
        );
        let trailer = |len: usize| format!("a:{}\r\n", "b".repeat(len - 4));
        let longest = trailer(TRAILER_LEN_MAX - 2);
        check(&format!("0\r\n{longest}\r\n"), "", false, &longest);
        let longer = trailer(TRAILER_LEN_MAX - 1);
        check_err(
            &format!("0\r\n{longer}\r\n"),
            BadChunk::TrailerTooLong(TRAILER_LEN_MAX),
        );
    }

    #[test]
    fn limits_can_be_set() {
        let limits = ChunkLimits {
            line_len_max: 32,
            trailer_len_max: 40,
        };
        let read = |body: &str| {
            let mut decoder = ChunkDecoder::new(limits);
            decoder.read(body.as_bytes()).map(|(used, _)| used)
        };
        let line = |len: usize| format!("0;{}\r\n\r\n", "a".repeat(len - 4));
        assert_eq!(read(&line(32)), Ok(34));
        assert_eq!(read(&line(33)), Err(BadChunk::LineTooLong(32)));
        let trailer = |len: usize| format!("0\r\na:{}\r\n\r\n", "b".repeat(len - 6));
        assert_eq!(read(&trailer(40)), Ok(43));
        assert_eq!(read(&trailer(41)), Err(BadChunk::TrailerTooLong(40)));
    }

    /// Checks a body that arrives whole, in two parts cut anywhere, and byte by byte.
    #[track_caller]
    fn check(body: &str, expected: &str, ieof: bool, trailers: &str) {
        let expected = (
            expected.as_bytes().to_vec(),
            ieof,
            trailers.as_bytes().to_vec(),
            body.len(),
        );
        let next = b"REQMOD next";
        let whole = [body.as_bytes(), next].concat();
        for cut in (0..=body.len()).step_by(1 + body.len() / 100) {
            assert_eq!(
                read(&[cut, whole.len()], &whole),
                Ok(expected.clone()),
                "cut at {cut}"
            );
        }
        let ends: Vec<usize> = (0..=whole.len()).collect();
        assert_eq!(read(&ends, &whole), Ok(expected));
    }

    #[track_caller]
    fn check_err(body: &str, expected: BadChunk) {
        assert_eq!(read(&[body.len()], body.as_bytes()), Err(expected.clone()));
        let ends: Vec<usize> = (0..=body.len()).collect();
        assert_eq!(read(&ends, body.as_bytes()), Err(expected), "byte by byte");
    }

    /// Body, `ieof`, trailer, and bytes used.
    type Read = (Vec<u8>, bool, Vec<u8>, usize);

    fn read(ends: &[usize], bytes: &[u8]) -> Result<Read, BadChunk> {
        let mut decoder = ChunkDecoder::default();
        let (mut used, mut body) = (0, Vec::new());
        for end in ends {
            loop {
                let (more, chunk) = decoder.read(&bytes[used.min(*end)..*end])?;
                used += more;
                match chunk {
                    Chunk::NeedMore => break,
                    Chunk::Bytes(bytes) => body.extend(bytes),
                    Chunk::Last(last) => {
                        return Ok((body, last.ieof, last.trailers.to_vec(), used));
                    }
                }
            }
        }
        Ok((body, false, Vec::new(), usize::MAX))
    }
}
