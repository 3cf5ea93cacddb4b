use crate::records::content;
use crate::{ClientHello, Peek, RAW_PER_HANDSHAKE_BYTE_MAX, RAW_SLACK_LEN, Unreadable};

/// The record type of handshake messages (RFC 8446 section 5.1).
const HANDSHAKE_RECORD: u8 = 22;
/// The first byte of every record version from SSL 3.0 to TLS 1.3; the second is to be ignored.
const VERSION_MAJOR: u8 = 3;
/// Bytes of a record that is not encrypted (RFC 8446 section 5.1).
const RECORD_LEN_MAX: usize = 16 * 1024;
/// The handshake message type of a Client Hello.
const CLIENT_HELLO: u8 = 1;
/// Bytes of a handshake header: type and length.
const MESSAGE_HEADER_LEN: usize = 4;

/// The least first byte of a message in the manner of SSL 2.0 (RFC 5246 appendix E.2): the bit
/// that says that two bytes of length come first, and not three.
const SSLV2_FIRST_MIN: u8 = 0x80;

/// Puts a Client Hello together by handshake length, over any number of TCP segments and TLS
/// records. It keeps no bytes: its caller has them, to send them on. Each byte is looked at once,
/// and once more when the message is whole.
#[derive(Debug)]
pub struct Detector {
    hello_len_max: usize,
    raw_len_max: usize,
    /// Bytes of the connection that were looked at.
    seen: usize,
    next: Next,
    /// The first bytes of the message: its header, as far as it is there.
    header: [u8; MESSAGE_HEADER_LEN],
    /// Bytes of the message that were looked at, its header included: never more than the limit.
    message_seen: usize,
    /// Whether the first bytes were those of TLS, so that what follows is TLS gone wrong.
    is_tls: bool,
    verdict: Option<Peek>,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// The first of a connection.
    First,
    /// After the first byte of a message in the manner of SSL 2.0.
    Sslv2Length,
    Sslv2Type,
    /// In a record.
    Type,
    Major,
    Minor,
    LengthHigh,
    LengthLow(u8),
    Content(usize),
}

impl Detector {
    /// Creates a detector that gives up over `hello_len_max` bytes of handshake, or over
    /// [`RAW_PER_HANDSHAKE_BYTE_MAX`] × that + [`RAW_SLACK_LEN`] raw bytes.
    #[must_use]
    pub fn new(hello_len_max: usize) -> Self {
        Self {
            hello_len_max,
            raw_len_max: hello_len_max
                .saturating_mul(RAW_PER_HANDSHAKE_BYTE_MAX)
                .saturating_add(RAW_SLACK_LEN),
            seen: 0,
            next: Next::First,
            header: [0; MESSAGE_HEADER_LEN],
            message_seen: 0,
            is_tls: false,
            verdict: None,
        }
    }

    /// Looks at the connection's bytes: all of them so far, at each call. A verdict stays as it
    /// is, whatever follows.
    pub fn look(&mut self, bytes: &[u8]) -> Peek {
        while self.verdict.is_none() {
            let Some(rest) = bytes.get(self.seen..).filter(|rest| !rest.is_empty()) else {
                return Peek::NeedMore;
            };
            match self.step(rest) {
                Ok(used) => {
                    debug_assert!(used <= rest.len(), "a step stays within what it was given");
                    self.seen += used;
                    debug_assert!(self.seen <= self.raw_len_max);
                    if self.is_whole() {
                        self.verdict = Some(self.whole(bytes));
                    }
                }
                Err(verdict) => self.verdict = Some(verdict),
            }
        }
        self.verdict.clone().unwrap_or(Peek::NeedMore)
    }

    /// Takes one byte of a record header, or as much content as belongs together, and returns how
    /// many bytes that was.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Peek> {
        if self.seen == self.raw_len_max {
            return Err(Peek::Unreadable(Unreadable::TooLong));
        }
        if let Next::Content(left) = self.next {
            return self.content(bytes, left);
        }
        let Some(byte) = bytes.first().copied() else {
            return Ok(0);
        };
        self.next = match self.next {
            Next::First if byte >= SSLV2_FIRST_MIN => Next::Sslv2Length,
            Next::Sslv2Length => Next::Sslv2Type,
            Next::Sslv2Type if byte == CLIENT_HELLO => {
                return Err(Peek::Unreadable(Unreadable::Sslv2));
            }
            Next::First | Next::Type if byte == HANDSHAKE_RECORD => Next::Major,
            Next::Major if byte == VERSION_MAJOR => Next::Minor,
            Next::First | Next::Sslv2Type | Next::Type | Next::Major => return Err(self.foreign()),
            Next::Minor => Next::LengthHigh,
            Next::LengthHigh => {
                self.is_tls = true;
                Next::LengthLow(byte)
            }
            Next::LengthLow(high) => match usize::from(u16::from_be_bytes([high, byte])) {
                // Empty records are not allowed, but there are origins that read over them.
                0 => Next::Type,
                len if len > RECORD_LEN_MAX => {
                    return Err(Peek::Unreadable(Unreadable::Malformed));
                }
                len => Next::Content(len),
            },
            Next::Content(left) => Next::Content(left),
        };
        Ok(1)
    }

    /// Takes content up to the end of the record, of the message header or of the message,
    /// whichever is first.
    fn content(&mut self, bytes: &[u8], left: usize) -> Result<usize, Peek> {
        let end = self.message_len().unwrap_or(MESSAGE_HEADER_LEN);
        let used = (end - self.message_seen)
            .min(left)
            .min(bytes.len())
            .min(self.raw_len_max - self.seen);
        let header = self.header.iter_mut().skip(self.message_seen);
        for (kept, byte) in header.zip(bytes.iter().take(used)) {
            *kept = *byte;
        }
        self.message_seen += used;
        self.next = match left - used {
            0 => Next::Type,
            left => Next::Content(left),
        };
        if self.message_seen > 0 && self.header[0] != CLIENT_HELLO {
            return Err(Peek::Unreadable(Unreadable::Malformed));
        }
        match self.message_len() {
            Some(len) if len > self.hello_len_max => Err(Peek::Unreadable(Unreadable::TooLong)),
            Some(_) | None => Ok(used),
        }
    }

    /// Returns the length of the whole message, header included, once the header is there.
    fn message_len(&self) -> Option<usize> {
        let [_, high, middle, low] = self.header;
        let len = usize::try_from(u32::from_be_bytes([0, high, middle, low]));
        (self.message_seen >= MESSAGE_HEADER_LEN)
            .then(|| len.unwrap_or(usize::MAX).saturating_add(MESSAGE_HEADER_LEN))
    }

    fn is_whole(&self) -> bool {
        self.message_len() == Some(self.message_seen)
    }

    /// Reads the message that is now whole.
    fn whole(&self, bytes: &[u8]) -> Peek {
        let message = content(bytes, self.message_seen);
        let body = message.get(MESSAGE_HEADER_LEN..).unwrap_or_default();
        match ClientHello::parse(body) {
            Ok(hello) => Peek::Hello(hello),
            Err(why) => Peek::Unreadable(why),
        }
    }

    /// Returns what a byte means that no handshake record has at its place.
    fn foreign(&self) -> Peek {
        if self.is_tls {
            Peek::Unreadable(Unreadable::Malformed)
        } else {
            Peek::NotTls
        }
    }
}
