use crate::answer::BadAnswer;
use crate::chunk::{Chunk, ChunkDecoder};

/// Bytes of HTTP heads and body that are read past after an answer so that the connection can be
/// used again; with more it is cheaper to open another.
pub const SKIP_LEN_MAX: usize = 64 * 1024;

/// Reads past what follows the head of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skip {
    heads_left: usize,
    chunks: Option<ChunkDecoder>,
    budget: usize,
}

/// How far a [`Skip`] came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Skipped {
    /// More bytes are needed.
    NeedMore,
    /// The answer is over.
    Done,
}

impl Skip {
    pub(crate) fn new(heads_len: u32, chunks: Option<ChunkDecoder>) -> Self {
        Self {
            heads_left: heads_len as usize,
            chunks,
            budget: SKIP_LEN_MAX,
        }
    }

    /// Reads on in `received`, which starts where the last call ended. Returns how many bytes
    /// were used.
    ///
    /// # Errors
    ///
    /// Fails if the body is not chunked as it should be or if there is more than
    /// [`SKIP_LEN_MAX`]; the connection cannot be used again.
    pub fn feed(&mut self, received: &[u8]) -> Result<(usize, Skipped), BadAnswer> {
        let mut used = self.heads_left.min(received.len());
        self.heads_left -= used;
        self.spend(used)?;
        if self.heads_left > 0 {
            return Ok((used, Skipped::NeedMore));
        }
        let Some(mut chunks) = self.chunks.take() else {
            return Ok((used, Skipped::Done));
        };
        while !chunks.is_done() {
            let rest = received.get(used..).unwrap_or_default();
            let (more, chunk) = chunks.read(rest)?;
            used += more;
            self.spend(more)?;
            if chunk == Chunk::NeedMore {
                self.chunks = Some(chunks);
                return Ok((used, Skipped::NeedMore));
            }
        }
        Ok((used, Skipped::Done))
    }

    fn spend(&mut self, used: usize) -> Result<(), BadAnswer> {
        self.budget = self
            .budget
            .checked_sub(used)
            .ok_or(BadAnswer::BodyTooLong)?;
        Ok(())
    }
}
