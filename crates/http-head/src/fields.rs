use std::ops::Range;

use crate::authority::refuse_other_than_host_and_port;
use crate::{BadHead, Framing, Upgrade, Version};

/// Fields of one head; hyper, which reads the head after us, takes as many.
pub const FIELDS_MAX: usize = 100;

/// Bytes of a field name.
pub const FIELD_NAME_LEN_MAX: usize = 256;

/// A field: where its name and value are in the head. White space around the value is left out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: Range<usize>,
    pub(crate) value: Range<usize>,
}

/// What the fields say about the message.
#[derive(Debug)]
pub(crate) struct Meaning {
    pub(crate) host: Option<Range<usize>>,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) expect_continue: bool,
    pub(crate) upgrade: Upgrade,
}

/// Reads a field line of `text`, which has no control characters but tabs.
pub(crate) fn read_line(text: &[u8], line: Range<usize>) -> Result<Field, BadHead> {
    let bytes = text.get(line.clone()).unwrap_or_default();
    if matches!(bytes, [b' ' | b'\t', ..]) {
        return Err(BadHead::Folded);
    }
    let colon = bytes.iter().position(|byte| *byte == b':');
    let (name, value) = colon
        .and_then(|colon| bytes.split_at_checked(colon))
        .ok_or(BadHead::FieldName)?;
    if name.is_empty() || !name.iter().copied().all(is_in_a_token) {
        return Err(BadHead::FieldName);
    }
    if name.len() > FIELD_NAME_LEN_MAX {
        return Err(BadHead::TooLong);
    }
    if resembles_a_framing(name) {
        return Err(BadHead::FieldName);
    }
    let name_end = line.start + name.len();
    let after_colon = value.get(1..).unwrap_or_default();
    let value_start = line.end - trim_start(after_colon).len();
    let value_len = trim(after_colon).len();
    Ok(Field {
        name: line.start..name_end,
        value: value_start..value_start + value_len,
    })
}

/// Returns whether a name is that of a framing field but for characters such as `_` or `.` in the
/// place of the hyphen. CGI and its kind (RFC 3875 section 4.1.18) make one of all of them, so
/// that what is read behind them frames the body in another way.
fn resembles_a_framing(name: &[u8]) -> bool {
    let same_but_for_hyphens = |framing: &[u8]| {
        name.len() == framing.len()
            && name.iter().zip(framing).all(|(byte, wanted)| match wanted {
                b'-' => !byte.is_ascii_alphanumeric(),
                letter => byte.eq_ignore_ascii_case(letter),
            })
            && !name.eq_ignore_ascii_case(framing)
    };
    same_but_for_hyphens(b"content-length") || same_but_for_hyphens(b"transfer-encoding")
}

/// The characters of a token (RFC 9110 section 5.6.2).
pub(crate) fn is_in_a_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Reads what the fields say together, and refuses what they do not say with one voice.
pub(crate) fn read_meaning(
    text: &[u8],
    fields: &[Field],
    version: Version,
) -> Result<Meaning, BadHead> {
    let all = All { text, fields };
    let host = host(&all, version)?;
    let framing = framing(&all, version)?;
    Ok(Meaning {
        host,
        framing,
        keep_alive: keep_alive(&all, version),
        expect_continue: all
            .values("expect")
            .last()
            .is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"))
            && version == Version::Http11,
        upgrade: upgrade(&all, version, framing),
    })
}

struct All<'a> {
    text: &'a [u8],
    fields: &'a [Field],
}

impl<'a> All<'a> {
    fn ranges(&self, name: &'static str) -> impl Iterator<Item = &'a Range<usize>> {
        let text = self.text;
        self.fields
            .iter()
            .filter(move |field| {
                text.get(field.name.clone())
                    .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
            })
            .map(|field| &field.value)
    }

    fn values(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        let text = self.text;
        self.ranges(name)
            .map(move |value| text.get(value.clone()).unwrap_or_default())
    }

    /// Returns whether a comma list of one name has this member, in any case.
    fn has(&self, name: &'static str, member: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|found| trim(found).eq_ignore_ascii_case(member.as_bytes()))
    }
}

fn host(all: &All<'_>, version: Version) -> Result<Option<Range<usize>>, BadHead> {
    let mut hosts = all.ranges("host");
    let host = match (hosts.next(), hosts.next(), version) {
        (Some(_), Some(_), _) => return Err(BadHead::HostRepeated),
        (None, _, Version::Http11) => return Err(BadHead::HostMissing),
        (host, _, _) => host,
    };
    let Some(host) = host else {
        return Ok(None);
    };
    refuse_other_than_host_and_port(all.text.get(host.clone()).unwrap_or_default())?;
    Ok(Some(host.clone()))
}

fn framing(all: &All<'_>, version: Version) -> Result<Framing, BadHead> {
    let mut codings = all.values("transfer-encoding");
    let mut lengths = all.values("content-length");
    match (codings.next(), lengths.next()) {
        (None, None) => Ok(Framing::None),
        (Some(_), Some(_)) => Err(BadHead::TwoFramings),
        (Some(coding), None) => {
            let once = codings.next().is_none();
            if once && version == Version::Http11 && coding.eq_ignore_ascii_case(b"chunked") {
                Ok(Framing::Chunked)
            } else {
                Err(BadHead::TransferEncoding)
            }
        }
        (None, Some(length)) => match (number(length), lengths.next()) {
            (Some(0), None) => Ok(Framing::None),
            (Some(length), None) => Ok(Framing::Length(length)),
            (_, _) => Err(BadHead::ContentLength),
        },
    }
}

/// The largest lengths mean something else to hyper.
const LENGTH_MAX: u64 = u64::MAX - 2;

/// Reads digits and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })?;
    (number <= LENGTH_MAX).then_some(number)
}

fn keep_alive(all: &All<'_>, version: Version) -> bool {
    let close = all.has("connection", "close");
    match version {
        Version::Http11 => !close,
        Version::Http10 => !close && all.has("connection", "keep-alive"),
    }
}

fn upgrade(all: &All<'_>, version: Version, framing: Framing) -> Upgrade {
    let asked = all.has("upgrade", "websocket") && all.has("connection", "upgrade");
    if asked && version == Version::Http11 && framing == Framing::None {
        Upgrade::Websocket
    } else {
        Upgrade::None
    }
}

fn trim(value: &[u8]) -> &[u8] {
    let mut value = trim_start(value);
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn trim_start(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    value
}
