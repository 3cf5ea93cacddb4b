use crate::header::HEADER_LEN;

/// Octets of a message at most. What a policy server sends for a session is a few thousand long.
pub const MESSAGE_LEN_MAX: usize = 64 * 1024;

/// What the first octets of a stream say about its first message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framed {
    /// The message is not here yet; ask again with more octets.
    NeedMore,
    /// The first so many octets are a message.
    Message(usize),
    /// No message starts here, and nobody can say where the next one does.
    Bad(BadFrame),
}

/// Why octets are no message. The connection cannot be used any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadFrame {
    /// Another protocol, or a later one.
    #[error("the message has version {0}; Diameter has version 1")]
    Version(u8),
    /// Shorter than a header, no multiple of four, or longer than what is read.
    #[error(
        "the message has {0} octets; use a multiple of 4 from {HEADER_LEN} to {MESSAGE_LEN_MAX}"
    )]
    Length(usize),
}

/// Finds the end of the first message of a stream. The verdict on bad octets comes with the
/// fourth, and does not wait for a message that will never be read.
#[must_use]
pub fn frame(bytes: &[u8]) -> Framed {
    match bytes {
        [] => Framed::NeedMore,
        [version, ..] if *version != 1 => Framed::Bad(BadFrame::Version(*version)),
        [_, l0, l1, l2, ..] => {
            let len = u32::from_be_bytes([0, *l0, *l1, *l2]);
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            let fits = (HEADER_LEN..=MESSAGE_LEN_MAX).contains(&len) && len.is_multiple_of(4);
            match fits {
                false => Framed::Bad(BadFrame::Length(len)),
                true if bytes.len() < len => Framed::NeedMore,
                true => Framed::Message(len),
            }
        }
        [_, ..] => Framed::NeedMore,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        check(&[1, 0, 0, 20], Framed::NeedMore);
        check(&[1, 0, 0, 16], Framed::Bad(BadFrame::Length(16)));
        check(&[1, 0, 0, 0], Framed::Bad(BadFrame::Length(0)));
        check(&[1, 0, 0, 21], Framed::Bad(BadFrame::Length(21)));
        check(&[1, 1, 0, 0], Framed::NeedMore);
        check(&[1, 1, 0, 4], Framed::Bad(BadFrame::Length(65_540)));
        check(
            &[1, 255, 255, 252],
            Framed::Bad(BadFrame::Length(16_777_212)),
        );
        check(&[1, 0, 0, 20].repeat(5), Framed::Message(20));
        check(&[1, 0, 0, 20].repeat(9), Framed::Message(20));
    }

    #[test]
    fn another_version_is_known_by_its_first_octet() {
        check(&[], Framed::NeedMore);
        check(&[1], Framed::NeedMore);
        check(&[0], Framed::Bad(BadFrame::Version(0)));
        check(b"GET / HTTP/1.1\r\n", Framed::Bad(BadFrame::Version(b'G')));
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: Framed) {
        assert_eq!(frame(bytes), expected);
    }
}
