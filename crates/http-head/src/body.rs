//! Where a request body ends (RFC 9112 section 6.3), told from its bytes without changing them.
//!
//! hyper reads the same bytes again and is more patient. What it would read in another way is
//! refused here, so that both always agree on where the next request starts.

use crate::Framing;

/// Bytes of a line with a chunk size and its extensions.
pub const CHUNK_LINE_LEN_MAX: usize = 1024;

/// Bytes of a trailer section.
pub const TRAILER_LEN_MAX: usize = 8 * 1024;

/// Hexadecimal digits of a chunk size.
const SIZE_DIGITS_MAX: usize = 15;

/// What is left of a body.
#[derive(Debug)]
pub struct Body(Rest);

#[derive(Debug)]
enum Rest {
    Length(u64),
    Chunked(Chunks),
}

/// A chunked body that RFC 9112 section 7.1 does not allow, or one over a limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the chunks of the body are malformed or over a limit")]
pub struct BadBody;

/// How far a body goes in the bytes looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// All bytes are the body's, and more follow.
    All,
    /// The body ends after so many bytes.
    End(usize),
}

impl Body {
    /// Returns a body that has not started. None: there is no body.
    #[must_use]
    pub fn of(framing: Framing) -> Option<Self> {
        match framing {
            Framing::None => None,
            Framing::Length(length) => Some(Self(Rest::Length(length))),
            Framing::Chunked => Some(Self(Rest::Chunked(Chunks::default()))),
        }
    }

    /// Takes the body's part of `bytes`, which follow those of the last call, off what is left.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a body of this framing, or over a limit.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Reach, BadBody> {
        match &mut self.0 {
            Rest::Length(left) => match usize::try_from(*left) {
                Ok(len) if len <= bytes.len() => Ok(Reach::End(len)),
                Ok(_) | Err(_) => {
                    *left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                    Ok(Reach::All)
                }
            },
            Rest::Chunked(chunks) => chunks.take(bytes),
        }
    }
}

/// A chunked body in progress.
#[derive(Debug, Default)]
struct Chunks {
    place: Place,
    /// Of the chunk being read.
    size: u64,
    /// Bytes of the line or trailer section being read.
    len: usize,
}

/// Where in a chunked body the next byte is.
#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Size,
    /// White space that only an extension may follow.
    BeforeExtension,
    Extension,
    SizeLf,
    Content,
    ContentCr,
    ContentLf,
    FieldStart,
    Field,
    FieldLf,
    LastLf,
}

impl Chunks {
    fn take(&mut self, bytes: &[u8]) -> Result<Reach, BadBody> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if let Place::Content = self.place {
                let here = bytes.len() - at;
                let part = usize::try_from(self.size).map_or(here, |size| size.min(here));
                self.size -= u64::try_from(part).unwrap_or(self.size);
                at += part;
                if self.size == 0 {
                    self.place = Place::ContentCr;
                }
                continue;
            }
            at += 1;
            if self.step(*byte)? == Step::End {
                return Ok(Reach::End(at));
            }
        }
        Ok(Reach::All)
    }

    fn step(&mut self, byte: u8) -> Result<Step, BadBody> {
        self.len += 1;
        self.place = match (self.place, byte) {
            (Place::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte)?,
            (Place::Size, b'\r') if self.len > 1 => Place::SizeLf,
            (Place::Size, b';') if self.len > 1 => Place::Extension,
            (Place::Size, b' ' | b'\t') if self.len > 1 => Place::BeforeExtension,
            (Place::BeforeExtension, b' ' | b'\t') => self.within(CHUNK_LINE_LEN_MAX)?,
            (Place::BeforeExtension, b';') => Place::Extension,
            (Place::Extension, b'\r') => Place::SizeLf,
            (Place::Extension, byte) if is_text(byte) => self.within(CHUNK_LINE_LEN_MAX)?,
            (Place::SizeLf, b'\n') => {
                self.len = 0;
                if self.size == 0 {
                    Place::FieldStart
                } else {
                    Place::Content
                }
            }
            (Place::ContentCr, b'\r') => Place::ContentLf,
            (Place::ContentLf, b'\n') => {
                *self = Self::default();
                Place::Size
            }
            (Place::FieldStart, b'\r') => Place::LastLf,
            (Place::FieldStart, b' ' | b'\t') => return Err(BadBody),
            (Place::Field, b'\r') => Place::FieldLf,
            (Place::FieldStart | Place::Field, byte) if is_text(byte) => {
                self.within(TRAILER_LEN_MAX)?;
                Place::Field
            }
            (Place::FieldLf, b'\n') => Place::FieldStart,
            (Place::LastLf, b'\n') => return Ok(Step::End),
            (_, _) => return Err(BadBody),
        };
        Ok(Step::Next)
    }

    fn digit(&mut self, byte: u8) -> Result<Place, BadBody> {
        let digit = char::from(byte).to_digit(16).ok_or(BadBody)?;
        if self.len > SIZE_DIGITS_MAX {
            return Err(BadBody);
        }
        self.size = self.size * 16 + u64::from(digit);
        Ok(Place::Size)
    }

    fn within(&self, len_max: usize) -> Result<Place, BadBody> {
        if self.len > len_max {
            Err(BadBody)
        } else {
            Ok(self.place)
        }
    }
}

#[derive(Eq, PartialEq)]
enum Step {
    Next,
    End,
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_chunked_body() {
        end("0||", Ok("0||"));
        end("0||GET /", Ok("0||"));
        end("3|abc|0||x", Ok("3|abc|0||"));
        end("A|0123456789|00||", Ok("A|0123456789|00||"));
        end("3;a=b;c=\"d e\"|abc|0;x||", Ok("3;a=b;c=\"d e\"|abc|0;x||"));
        end("3 \t;a|abc|0||", Ok("3 \t;a|abc|0||"));
        end("0|X: y|Z: |||", Ok("0|X: y|Z: ||"));
        end("2|\r\n|0||", Ok("2|\r\n|0||"));
    }

    #[test]
    fn chunks_with_two_readings() {
        for bad in [
            "|",
            "x|",
            ";a|",
            " 3|abc|",
            "3 |abc|",
            "3\nabc",
            "3\r3",
            "3|abcd|",
            "3|abc\n",
            "3|abc\r\r",
            "0x3|abc|",
            "+3|abc|",
            "-3|",
            "3;\0|abc|",
            "3;a\nb",
            "0|\n",
            "0| X: y||",
            "0|X: y\n",
            "0|X: \0||",
            "0|\tX||",
            "ffffffffffffffff|",
            "0000000000000003|abc|",
        ] {
            end(bad, Err(BadBody));
        }
    }

    #[test]
    fn limits_on_both_sides() {
        let line = |len: usize| format!("1;{}|", "x".repeat(len - 2));
        end(
            &format!("{}a|0||", line(CHUNK_LINE_LEN_MAX)),
            Ok(&format!("{}a|0||", line(CHUNK_LINE_LEN_MAX))),
        );
        end(&line(CHUNK_LINE_LEN_MAX + 1), Err(BadBody));
        let trailer = |len: usize| format!("0|{}||", "x".repeat(len));
        end(&trailer(TRAILER_LEN_MAX), Ok(&trailer(TRAILER_LEN_MAX)));
        end(&trailer(TRAILER_LEN_MAX + 1), Err(BadBody));
    }

    #[test]
    fn the_end_of_a_counted_body() {
        let mut body = Body::of(Framing::Length(5)).unwrap();
        assert_eq!(body.take(b"ab"), Ok(Reach::All));
        assert_eq!(body.take(b"cdefg"), Ok(Reach::End(3)));
        assert!(Body::of(Framing::None).is_none());
    }

    /// Finds the end of the body, in one piece and byte by byte.
    #[track_caller]
    fn end(text: &str, expected: Result<&str, BadBody>) {
        let bytes = text.replace('|', "\r\n").into_bytes();
        let expected = expected.map(|body| Reach::End(body.replace('|', "\r\n").len()));
        assert_eq!(Chunks::default().take(&bytes), expected, "{text:?}");
        let mut chunks = Chunks::default();
        let mut found = Ok(Reach::All);
        for (at, byte) in bytes.iter().enumerate() {
            found = match chunks.take(&[*byte]) {
                Ok(Reach::All) => continue,
                Ok(Reach::End(len)) => Ok(Reach::End(at + len)),
                Err(bad) => Err(bad),
            };
            break;
        }
        assert_eq!(found, expected, "byte by byte: {text:?}");
    }
}
