use crate::ChunkLimits;
use crate::chunk::{Chunk, ChunkDecoder};
use crate::request::BadRequest;

/// What follows the heads of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Body {
    /// Nothing, whatever a `Preview` field says.
    None,
    /// A chunked body, whole.
    Whole,
    /// A chunked body of which at most so many bytes come before the answer.
    Preview(u64),
}

/// Reads the body of a request, with or without preview (RFC 3507 section 4.5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BodyReader {
    stage: Stage,
    chunks: ChunkDecoder,
    limits: ChunkLimits,
}

/// What a [`BodyReader`] read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyPiece<'a> {
    /// More bytes are needed.
    NeedMore,
    /// Bytes of the body; never empty.
    Bytes(&'a [u8]),
    /// The preview is over and the client waits: for a final answer, which ends the exchange, or
    /// for 100 Continue, after which [`BodyReader::proceed`] lets the rest be read.
    PreviewEnd,
    /// The body is over. No 100 Continue may be sent from here on.
    End {
        /// The trailer's lines as sent, without the empty line.
        trailers: &'a [u8],
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Preview(u64),
    Waiting,
    Rest,
    Done,
}

impl BodyReader {
    /// Creates a reader for what follows a request's heads.
    #[must_use]
    pub fn new(body: Body) -> Self {
        Self::within(body, ChunkLimits::default())
    }

    /// Like [`new`](Self::new), with other limits than the usual ones.
    #[must_use]
    pub fn within(body: Body, limits: ChunkLimits) -> Self {
        let stage = match body {
            Body::None => Stage::Done,
            Body::Whole => Stage::Rest,
            Body::Preview(len) => Stage::Preview(len),
        };
        Self {
            stage,
            chunks: ChunkDecoder::new(limits),
            limits,
        }
    }

    /// Reads the next piece from `received`, which starts where the last piece ended. Returns
    /// how many bytes were used, also with [`BodyPiece::NeedMore`].
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a chunked body, over a limit, or a longer preview than
    /// announced.
    pub fn read<'a>(&mut self, received: &'a [u8]) -> Result<(usize, BodyPiece<'a>), BadRequest> {
        match self.stage {
            Stage::Waiting => return Ok((0, BodyPiece::PreviewEnd)),
            Stage::Done => return Ok((0, BodyPiece::End { trailers: &[] })),
            Stage::Preview(_) | Stage::Rest => {}
        }
        let (used, chunk) = self.chunks.read(received)?;
        let piece = match chunk {
            Chunk::NeedMore => BodyPiece::NeedMore,
            Chunk::Bytes(bytes) => {
                self.count(bytes.len())?;
                BodyPiece::Bytes(bytes)
            }
            Chunk::Last(last) => match self.stage {
                Stage::Preview(_) if !last.ieof => {
                    self.stage = Stage::Waiting;
                    BodyPiece::PreviewEnd
                }
                Stage::Preview(_) | Stage::Rest | Stage::Waiting | Stage::Done => {
                    self.stage = Stage::Done;
                    BodyPiece::End {
                        trailers: last.trailers,
                    }
                }
            },
        };
        Ok((used, piece))
    }

    /// Continues after a preview: 100 Continue was sent. Does nothing at any other time.
    pub fn proceed(&mut self) {
        if self.stage == Stage::Waiting {
            self.stage = Stage::Rest;
            self.chunks = ChunkDecoder::new(self.limits);
        }
    }

    fn count(&mut self, len: usize) -> Result<(), BadRequest> {
        if let Stage::Preview(left) = &mut self.stage {
            *left = left
                .checked_sub(len as u64)
                .ok_or(BadRequest::PreviewTooLong)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_a_null_body() {
        check(Body::None, "REQMOD", "E", 0);
    }

    #[test]
    fn a_whole_body_ends_once() {
        check(Body::Whole, "2\r\nab\r\n0\r\n\r\nX", "abE", 12);
        check(Body::Whole, "0; ieof\r\n\r\nX", "E", 11);
    }

    #[test]
    fn a_preview_that_was_everything_is_the_end() {
        check(Body::Preview(30), "2\r\nab\r\n0; ieof\r\n\r\nX", "abE", 18);
        check(Body::Preview(0), "0; ieof\r\n\r\nX", "E", 11);
    }

    #[test]
    fn after_a_preview_the_rest_is_another_stream() {
        check(
            Body::Preview(2),
            "2\r\nab\r\n0\r\n\r\n1\r\nc\r\n0\r\nt:1\r\n\r\nX",
            "ab|cEt:1\r\n",
            28,
        );
        check(Body::Preview(0), "0\r\n\r\n1\r\nc\r\n0\r\n\r\n", "|cE", 16);
    }

    #[test]
    fn a_preview_keeps_its_length() {
        let mut reader = BodyReader::new(Body::Preview(1));
        assert_eq!(reader.read(b"2\r\nab\r\n"), Err(BadRequest::PreviewTooLong));
    }

    /// Reads a body; `|` marks where the client waited, `E` the end, before the trailer.
    #[track_caller]
    fn check(body: Body, bytes: &str, expected: &str, used: usize) {
        for step in [1, bytes.len()] {
            let mut reader = BodyReader::new(body);
            let (mut at, mut end, mut read) = (0, 0, String::new());
            loop {
                let (more, piece) = reader.read(&bytes.as_bytes()[at..end]).unwrap();
                at += more;
                match piece {
                    BodyPiece::NeedMore => end += step,
                    BodyPiece::Bytes(bytes) => read += str::from_utf8(bytes).unwrap(),
                    BodyPiece::PreviewEnd => {
                        read.push('|');
                        reader.proceed();
                    }
                    BodyPiece::End { trailers } => {
                        read.push('E');
                        read += str::from_utf8(trailers).unwrap();
                        break;
                    }
                }
            }
            assert_eq!((read.as_str(), at), (expected, used));
        }
    }
}
