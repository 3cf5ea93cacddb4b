use httparse::Header;

/// Bytes of an ICAP head: start line and header lines, the empty line included.
pub const HEAD_LEN_MAX: usize = 64 * 1024;

/// Header lines of an ICAP head, and of a trailer.
pub const FIELDS_MAX: usize = 128;

/// Whether the connection outlives the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Connection {
    /// It may carry another exchange.
    KeepAlive,
    /// Its sender closes it after this exchange.
    Close,
}

/// Why a head cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadHead {
    /// Neither end may guess where it would have ended.
    #[error("the head is longer than {0} bytes")]
    TooLong(usize),
    /// Recipients differ about a lone line feed, so it is no line end.
    #[error("a line ends with LF alone; use CRLF")]
    BareLineFeed,
    /// There is no start line.
    #[error("the head starts with an empty line")]
    Empty,
    /// More than an honest peer sends.
    #[error("the head has more than {0} header lines")]
    TooManyFields(usize),
    /// Folded, without a colon, or with characters that have no place there.
    #[error("a header line is malformed")]
    Field,
    /// Two values where the protocol has room for one.
    #[error("`{0}` is given twice")]
    Repeated(&'static str),
}

/// Looks for the empty line that ends a block of lines, and remembers how far it looked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct LineScan {
    line_start: usize,
    scanned: usize,
}

/// What a [`LineScan`] found.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Scanned {
    NeedMore,
    /// The block ends here, its empty line included.
    End(usize),
    TooLong,
    BareLineFeed,
}

impl LineScan {
    /// Scans a block that starts where `received` starts and is at most `len_max` long. The
    /// verdict depends on the first `len_max` bytes alone, so it is the same for every cut.
    pub(crate) fn find(&mut self, received: &[u8], len_max: usize) -> Scanned {
        let window = received.get(..len_max).unwrap_or(received);
        while let Some(line) = self.line(window) {
            match line {
                b"\r\n" => return Scanned::End(self.scanned),
                [.., b'\r', b'\n'] => {}
                _ => return Scanned::BareLineFeed,
            }
        }
        self.scanned = window.len();
        if window.len() == len_max {
            Scanned::TooLong
        } else {
            Scanned::NeedMore
        }
    }

    fn line<'a>(&mut self, window: &'a [u8]) -> Option<&'a [u8]> {
        let rest = window.get(self.scanned..)?;
        let at = rest.iter().position(|byte| *byte == b'\n')?;
        let end = self.scanned + at + 1;
        let line = window.get(self.line_start..end)?;
        self.scanned = end;
        self.line_start = end;
        Some(line)
    }
}

/// Returns how many bytes of empty lines `received` starts with. Some ICAP clients send one after
/// a body, and a recipient should ignore it (RFC 9112 section 2.2).
#[must_use]
pub fn empty_lines_len(received: &[u8]) -> usize {
    let lines = received.chunks(2).take_while(|line| *line == b"\r\n");
    lines.count() * 2
}

/// Finds the end of an ICAP head.
pub(crate) fn find_head(scan: &mut LineScan, received: &[u8]) -> Result<Option<usize>, BadHead> {
    find_head_within(scan, received, HEAD_LEN_MAX)
}

/// Finds the end of an ICAP head that is at most `len_max` bytes long.
pub(crate) fn find_head_within(
    scan: &mut LineScan,
    received: &[u8],
    len_max: usize,
) -> Result<Option<usize>, BadHead> {
    match scan.find(received, len_max) {
        Scanned::NeedMore => Ok(None),
        Scanned::End(2) => Err(BadHead::Empty),
        Scanned::End(end) => Ok(Some(end)),
        Scanned::TooLong => Err(BadHead::TooLong(len_max)),
        Scanned::BareLineFeed => Err(BadHead::BareLineFeed),
    }
}

/// Room for the header lines of one head.
pub(crate) type Slots<'b> = [Header<'b>; FIELDS_MAX];

/// Returns empty [`Slots`].
pub(crate) fn slots<'b>() -> Slots<'b> {
    [httparse::EMPTY_HEADER; FIELDS_MAX]
}

/// The header lines of one head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'h, 'b>(&'h [Header<'b>]);

impl<'h, 'b> Fields<'h, 'b> {
    /// Parses header lines up to and including the empty line, which must be the end of `block`.
    pub(crate) fn parse(block: &'b [u8], slots: &'h mut Slots<'b>) -> Result<Self, BadHead> {
        Self::parse_into(block, slots)
    }

    /// Parses as many header lines as there are slots.
    pub(crate) fn parse_into(
        block: &'b [u8],
        slots: &'h mut [Header<'b>],
    ) -> Result<Self, BadHead> {
        let fields_max = slots.len();
        match httparse::parse_headers(block, slots) {
            Ok(httparse::Status::Complete((len, fields))) if len == block.len() => Ok(Self(fields)),
            Err(httparse::Error::TooManyHeaders) => Err(BadHead::TooManyFields(fields_max)),
            Ok(_) | Err(_) => Err(BadHead::Field),
        }
    }

    /// Returns every value of a field, in order.
    pub(crate) fn all(self, name: &'static str) -> impl Iterator<Item = &'b [u8]> + use<'h, 'b> {
        self.0
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.trim_ascii())
    }

    /// Returns the first value of a field.
    pub(crate) fn first(self, name: &'static str) -> Option<&'b [u8]> {
        self.all(name).next()
    }

    /// Returns the value of a field that may be there once.
    pub(crate) fn single(self, name: &'static str) -> Result<Option<&'b [u8]>, BadHead> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(BadHead::Repeated(name)),
            (value, None) => Ok(value),
        }
    }

    /// Returns the first value of a field as text, if it has one that is not empty.
    pub(crate) fn text(self, name: &'static str) -> Option<String> {
        let value = self.first(name).filter(|value| !value.is_empty())?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Returns the elements of a field that is a comma-separated list.
    pub(crate) fn list(self, name: &'static str) -> impl Iterator<Item = &'b [u8]> + use<'h, 'b> {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
    }

    /// Returns whether a comma-separated list has this element, in any case.
    pub(crate) fn lists(self, name: &'static str, element: &str) -> bool {
        self.list(name)
            .any(|found| found.eq_ignore_ascii_case(element.as_bytes()))
    }

    /// Returns what the sender says about the connection.
    pub(crate) fn connection(self) -> Connection {
        if self.lists("Connection", "close") {
            Connection::Close
        } else {
            Connection::KeepAlive
        }
    }
}

/// Parses digits and nothing else: no sign, no space, no overflow.
pub(crate) fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_empty_line() {
        check(b"A\r\nB: c\r\n\r\nrest", Ok(Some(11)));
        check(b"A\r\n\r\n", Ok(Some(5)));
        check(b"A\r\nB: c\r\n", Ok(None));
        check(b"", Ok(None));
        check(b"A\r\nB: c\n\r\n", Err(BadHead::BareLineFeed));
        check(b"\r\nA\r\n\r\n", Err(BadHead::Empty));
        check(b"\n", Err(BadHead::BareLineFeed));
    }

    #[test]
    fn a_head_has_a_longest_length() {
        let mut head = vec![b'a'; HEAD_LEN_MAX - 4];
        head.extend(b"\r\n\r\n");
        check(&head, Ok(Some(HEAD_LEN_MAX)));
        head.insert(0, b'a');
        check(&head, Err(BadHead::TooLong(HEAD_LEN_MAX)));
    }

    #[test]
    fn empty_lines_before_a_head() {
        for (received, expected) in [
            (&b""[..], 0),
            (b"A\r\n", 0),
            (b"\r\nA\r\n\r\n", 2),
            (b"\r\n\r\n\r", 4),
            (b"\r", 0),
            (b"\n\r\n", 0),
            (b"\r\r\n", 0),
        ] {
            assert_eq!(empty_lines_len(received), expected, "{received:?}");
        }
    }

    #[test]
    fn header_lines_are_counted() {
        let lines = |count: usize| "a: b\r\n".repeat(count) + "\r\n";
        assert!(Fields::parse(lines(FIELDS_MAX).as_bytes(), &mut slots()).is_ok());
        assert_eq!(
            Fields::parse(lines(FIELDS_MAX + 1).as_bytes(), &mut slots()).unwrap_err(),
            BadHead::TooManyFields(FIELDS_MAX)
        );
    }

    #[test]
    fn lists_are_read_over_lines_and_in_any_case() {
        let block = b"allow: 204, 206\r\nALLOW:trailers ,,\r\n\r\n";
        let mut slots = slots();
        let fields = Fields::parse(block, &mut slots).unwrap();
        let found: Vec<_> = fields.list("Allow").collect();
        assert_eq!(found, [&b"204"[..], b"206", b"trailers"]);
        assert_eq!(fields.single("Allow"), Err(BadHead::Repeated("Allow")));
    }

    #[test]
    fn numbers_are_digits_only() {
        for (text, expected) in [
            ("0", Some(0)),
            ("0012", Some(12)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("+5", None),
            ("-1", None),
            (" 5", None),
            ("", None),
        ] {
            assert_eq!(digits(text.as_bytes()), expected, "{text}");
        }
    }

    #[track_caller]
    fn check(head: &[u8], expected: Result<Option<usize>, BadHead>) {
        assert_eq!(find_head(&mut LineScan::default(), head), expected);
        let mut scan = LineScan::default();
        let last = (0..=head.len())
            .map(|cut| find_head(&mut scan, &head[..cut]))
            .find(|found| *found != Ok(None));
        assert_eq!(last.unwrap_or(Ok(None)), expected, "byte by byte");
    }
}
