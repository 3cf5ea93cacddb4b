//! Where answers end, found without keeping their bodies.

use crate::client::find;

/// Reads the answers on one connection.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// A head or a line of which the end is missing.
    begun: Vec<u8>,
    state: State,
    status: u16,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Head,
    /// So many bytes of encapsulated heads, then a body or none.
    Encapsulated(usize, Then),
    ChunkLine,
    /// So many bytes of a chunk and its line end.
    Chunk(usize),
    /// Lines up to an empty one.
    Trailer,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Body,
    Nothing,
}

impl Answers {
    /// Takes what came, and calls `each` with the status of every answer that ends in it.
    ///
    /// # Errors
    ///
    /// Fails if it is no ICAP answer, or one that says that the connection ends.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(u16),
    ) -> Result<(), String> {
        while !bytes.is_empty() {
            match self.state {
                State::Head => {
                    let Some(head) = self.until(b"\r\n\r\n", &mut bytes) else {
                        return Ok(());
                    };
                    self.state = self.head(&head)?;
                }
                State::Encapsulated(len, then) => {
                    let left = skip(len, &mut bytes);
                    self.state = State::Encapsulated(left, then);
                }
                State::ChunkLine => {
                    let Some(line) = self.until(b"\r\n", &mut bytes) else {
                        return Ok(());
                    };
                    let line = String::from_utf8_lossy(&line).into_owned();
                    let len = line.split(';').next().unwrap_or_default().trim();
                    let len = usize::from_str_radix(len, 16)
                        .map_err(|_| format!("`{line}` is no chunk"))?;
                    self.state = if len == 0 {
                        State::Trailer
                    } else {
                        State::Chunk(len + 2)
                    };
                }
                State::Chunk(len) => {
                    let left = skip(len, &mut bytes);
                    self.state = if left == 0 {
                        State::ChunkLine
                    } else {
                        State::Chunk(left)
                    };
                }
                State::Trailer => {
                    let Some(line) = self.until(b"\r\n", &mut bytes) else {
                        return Ok(());
                    };
                    if line == b"\r\n" {
                        self.state = State::Head;
                        each(self.status);
                    }
                }
            }
            match self.state {
                State::Encapsulated(0, Then::Nothing) => {
                    self.state = State::Head;
                    each(self.status);
                }
                State::Encapsulated(0, Then::Body) => self.state = State::ChunkLine,
                State::Head
                | State::Encapsulated(..)
                | State::ChunkLine
                | State::Chunk(_)
                | State::Trailer => {}
            }
        }
        Ok(())
    }

    /// Takes bytes up to and with `end`, or keeps them until it comes.
    fn until(&mut self, end: &[u8], bytes: &mut &[u8]) -> Option<Vec<u8>> {
        let before = self.begun.len();
        self.begun.extend_from_slice(bytes);
        let Some(at) = find(&self.begun, end) else {
            *bytes = &[];
            return None;
        };
        let mut taken = std::mem::take(&mut self.begun);
        taken.truncate(at + end.len());
        *bytes = &bytes[taken.len() - before..];
        Some(taken)
    }

    fn head(&mut self, head: &[u8]) -> Result<State, String> {
        let text = std::str::from_utf8(head).map_err(|_| "an answer is no text".to_owned())?;
        let status = text
            .strip_prefix("ICAP/1.0 ")
            .and_then(|rest| rest.get(..3)?.parse().ok());
        self.status = status.ok_or_else(|| format!("`{text}` is no answer"))?;
        let mut state = State::Encapsulated(0, Then::Nothing);
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            if name.eq_ignore_ascii_case("connection") && value.trim().eq_ignore_ascii_case("close")
            {
                return Err(format!("`{text}` ends the connection"));
            }
            if name.eq_ignore_ascii_case("encapsulated") {
                let last = value.rsplit(',').next().unwrap_or_default().trim();
                let (section, offset) = last.split_once('=').unwrap_or_default();
                let offset = offset
                    .parse()
                    .map_err(|_| format!("`{line}` has no offset"))?;
                let then = if section == "null-body" {
                    Then::Nothing
                } else {
                    Then::Body
                };
                state = State::Encapsulated(offset, then);
            }
        }
        Ok(state)
    }
}

/// Passes over as many of `len` bytes as there are, and returns how many are left.
fn skip(len: usize, bytes: &mut &[u8]) -> usize {
    let here = len.min(bytes.len());
    *bytes = &bytes[here..];
    len - here
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"ICAP/1.0 204 No Content\r\nISTag: \"a\"\r\n\r\n\
        ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, null-body=4\r\n\r\nabcd\
        ICAP/1.0 200 OK\r\nencapsulated: req-hdr=0, req-body=4\r\n\r\nabcd\
        3\r\n\r\n\r\r\n10;x=y\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n\
        ICAP/1.0 204 No Content\r\n\r\n";

    #[test]
    fn answers_end_where_they_end_however_they_are_cut() {
        for len in 1..=STREAM.len() {
            let (mut answers, mut statuses) = (Answers::default(), Vec::new());
            for part in STREAM.chunks(len) {
                answers.feed(part, |status| statuses.push(status)).unwrap();
            }
            assert_eq!(statuses, [204, 200, 200, 204], "cut every {len} bytes");
        }
    }

    #[test]
    fn what_cannot_be_measured_is_an_error() {
        for stream in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "ICAP/1.0 503 Overloaded\r\nConnection: close\r\n\r\n",
            "ICAP/1.0 200 OK\r\nEncapsulated: req-body=0\r\n\r\nx\r\n",
        ] {
            let fed = Answers::default().feed(stream.as_bytes(), |_| {});
            assert!(fed.is_err(), "{stream}");
        }
    }
}
