use icap::{BodyPiece, BodyReader, write_chunk, write_last_chunk};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::{COPY_WINDOW, Connection};
use crate::metrics::End;

/// How much of a body was read past.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Skipped {
    /// All that is there before an answer.
    Whole,
    /// As much as may be.
    TooLong,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Reads past a body, or past the preview of one, but for no more than `len_max` bytes.
    pub(super) async fn skip(
        &mut self,
        body: &mut BodyReader,
        len_max: usize,
    ) -> Result<Skipped, End> {
        let mut len = 0_usize;
        loop {
            let (used, piece) = body
                .read(self.wire.input.rest())
                .map_err(|_| End::BadRequest)?;
            let over = match piece {
                BodyPiece::PreviewEnd | BodyPiece::End { .. } => true,
                BodyPiece::NeedMore | BodyPiece::Bytes(_) => false,
            };
            let need_more = matches!(piece, BodyPiece::NeedMore);
            self.wire.input.advance(used);
            len = len.saturating_add(used);
            if len > len_max {
                return Ok(Skipped::TooLong);
            }
            if over {
                return Ok(Skipped::Whole);
            }
            if need_more {
                self.flush().await?;
                self.wire.read(Instant::now() + self.limits.stall).await?;
            }
        }
    }

    /// Sends a body back while it is read. Neither side waits for the other, and no more than
    /// about [`COPY_WINDOW`] is in memory.
    pub(super) async fn copy(&mut self, body: &mut BodyReader) -> Result<(), End> {
        loop {
            let stall = self.limits.stall;
            let wire = &mut self.wire;
            let (used, piece) = body.read(wire.input.rest()).map_err(|_| End::BadRequest)?;
            let mut need_more = false;
            match piece {
                BodyPiece::NeedMore => need_more = true,
                BodyPiece::Bytes(bytes) => write_chunk(bytes, wire.output.end()),
                BodyPiece::PreviewEnd | BodyPiece::End { trailers: [] } => {
                    write_last_chunk(&[], wire.output.end());
                    wire.input.advance(used);
                    return Ok(());
                }
                BodyPiece::End { trailers } => {
                    write_last_chunk(trailers, wire.output.end());
                    wire.input.advance(used);
                    return Ok(());
                }
            }
            wire.input.advance(used);
            if need_more {
                wire.exchange(COPY_WINDOW, Instant::now() + stall).await?;
            } else if wire.output.len() >= COPY_WINDOW {
                // Nothing is read while there is something left to copy: were it the end of the
                // connection, what is left would be lost.
                wire.send_some(stall).await?;
            }
        }
    }
}
