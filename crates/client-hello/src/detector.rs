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

/// Puts a Client Hello together by handshake length, over any number of TCP segments and TLS
/// records. Work is linear in the bytes fed.
#[derive(Debug)]
pub struct Detector {
    hello_len_max: usize,
    /// Bytes that may still be looked at.
    raw_left: usize,
    record: Record,
    /// Content of the records so far: never more than one message, nor more than the limit.
    handshake: Vec<u8>,
    /// Whether the first two bytes were those of TLS, so that what follows is TLS gone wrong.
    is_tls: bool,
    verdict: Option<Peek>,
}

/// Where in a record the next byte is.
#[derive(Clone, Copy, Debug)]
enum Record {
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
            raw_left: hello_len_max
                .saturating_mul(RAW_PER_HANDSHAKE_BYTE_MAX)
                .saturating_add(RAW_SLACK_LEN),
            record: Record::Type,
            handshake: Vec::new(),
            is_tls: false,
            verdict: None,
        }
    }

    /// Reads further bytes of the connection: only those that were not fed before. A verdict
    /// stays as it is, whatever follows.
    pub fn feed(&mut self, bytes: &[u8]) -> Peek {
        let mut rest = bytes;
        while self.verdict.is_none() && !rest.is_empty() {
            match self.step(rest) {
                Ok(used) => {
                    debug_assert!(used <= rest.len(), "a step stays within what it was given");
                    self.raw_left -= used;
                    rest = rest.get(used..).unwrap_or_default();
                }
                Err(verdict) => {
                    self.handshake = Vec::new();
                    self.verdict = Some(verdict);
                }
            }
        }
        self.verdict.clone().unwrap_or(Peek::NeedMore)
    }

    /// Takes one byte of a record header, or as much content as belongs together, and returns how
    /// many bytes that was.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Peek> {
        if self.raw_left == 0 {
            return Err(Peek::Unreadable(Unreadable::TooLong));
        }
        if let Record::Content(left) = self.record {
            return self.content(bytes, left);
        }
        let Some(byte) = bytes.first().copied() else {
            return Ok(0);
        };
        self.record = match self.record {
            Record::Type if byte == HANDSHAKE_RECORD => Record::Major,
            Record::Major if byte == VERSION_MAJOR => Record::Minor,
            Record::Type | Record::Major => return Err(self.foreign()),
            Record::Minor => Record::LengthHigh,
            Record::LengthHigh => {
                self.is_tls = true;
                Record::LengthLow(byte)
            }
            Record::LengthLow(high) => match usize::from(u16::from_be_bytes([high, byte])) {
                // Empty records are not allowed, but there are origins that read over them.
                0 => Record::Type,
                len if len > RECORD_LEN_MAX => {
                    return Err(Peek::Unreadable(Unreadable::Malformed));
                }
                len => Record::Content(len),
            },
            Record::Content(left) => Record::Content(left),
        };
        Ok(1)
    }

    /// Takes content up to the end of the record, of the message header or of the message,
    /// whichever is first.
    fn content(&mut self, bytes: &[u8], left: usize) -> Result<usize, Peek> {
        let wanted = self.message_len()?.unwrap_or(MESSAGE_HEADER_LEN) - self.handshake.len();
        let used = wanted.min(left).min(bytes.len()).min(self.raw_left);
        self.handshake
            .extend_from_slice(bytes.get(..used).unwrap_or_default());
        debug_assert!(self.handshake.len() <= self.hello_len_max.max(MESSAGE_HEADER_LEN));
        self.record = match left - used {
            0 => Record::Type,
            left => Record::Content(left),
        };
        match self.message_len()? {
            Some(len) if len == self.handshake.len() => Err(self.whole()),
            Some(_) | None => Ok(used),
        }
    }

    /// Returns the length of the whole message, header included, once the header is there.
    fn message_len(&self) -> Result<Option<usize>, Peek> {
        if self
            .handshake
            .first()
            .is_some_and(|kind| *kind != CLIENT_HELLO)
        {
            return Err(Peek::Unreadable(Unreadable::Malformed));
        }
        let Some([_, high, middle, low]) = self.handshake.first_chunk() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes([0, *high, *middle, *low]);
        let len = usize::try_from(len)
            .unwrap_or(usize::MAX)
            .saturating_add(MESSAGE_HEADER_LEN);
        if len > self.hello_len_max {
            return Err(Peek::Unreadable(Unreadable::TooLong));
        }
        Ok(Some(len))
    }

    /// Reads the message that is now whole.
    fn whole(&self) -> Peek {
        let body = self.handshake.get(MESSAGE_HEADER_LEN..).unwrap_or_default();
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
