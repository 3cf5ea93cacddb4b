use std::ops::Range;

use crate::fields::{self, FIELDS_MAX, Field};
use crate::foreign::{self, Start};
use crate::{BadHead, Framing, Head, TARGET_LEN_MAX, Target, Upgrade, Version, target};

/// Empty lines that may stand before a request line (RFC 9112 section 2.2).
pub const LEADING_LINES_MAX: usize = 4;

/// Bytes of a method. A longer word at the start is no method.
pub const METHOD_LEN_MAX: usize = 32;

/// Limits of a head.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes from the first one to the empty line, which is included.
    pub head_len_max: usize,
}

/// What is known about the first bytes of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// A prefix of a head; ask again with more bytes.
    NeedMore,
    /// Not HTTP/1, however many bytes follow.
    NotHttp,
    /// The preface of HTTP/2 (RFC 9113 section 3.4).
    Http2Preface,
    /// HTTP/1, and refused.
    Bad(BadHead),
    /// A whole head.
    Head(Box<Head>),
}

/// Reads the head at the start of `bytes`. The verdict on the whole is the verdict on each prefix
/// of it that has one.
#[must_use]
pub fn judge(bytes: &[u8], limits: &Limits) -> Verdict {
    let within = bytes.get(..limits.head_len_max).unwrap_or(bytes);
    let led = within.first() == Some(&b'\r');
    match read(within) {
        // Empty lines stand before a request, and before nothing else that has one reading.
        Err(Unread::NotHttp | Unread::Http2Preface) if led => Verdict::Bad(BadHead::RequestLine),
        Ok(head) => Verdict::Head(Box::new(head)),
        Err(Unread::Bad(bad)) => Verdict::Bad(bad),
        Err(Unread::NotHttp) => Verdict::NotHttp,
        Err(Unread::Http2Preface) => Verdict::Http2Preface,
        Err(Unread::NeedMore(_)) if within.len() < limits.head_len_max => Verdict::NeedMore,
        Err(Unread::NeedMore(Part::RequestLine)) => Verdict::Bad(BadHead::TargetTooLong),
        Err(Unread::NeedMore(Part::Start | Part::Fields)) => Verdict::Bad(BadHead::TooLong),
    }
}

/// Why there is no head.
#[derive(Debug)]
enum Unread {
    NeedMore(Part),
    NotHttp,
    Http2Preface,
    Bad(BadHead),
}

/// Where the bytes ended.
#[derive(Debug)]
enum Part {
    Start,
    RequestLine,
    Fields,
}

impl From<BadHead> for Unread {
    fn from(bad: BadHead) -> Self {
        Self::Bad(bad)
    }
}

fn read(bytes: &[u8]) -> Result<Head, Unread> {
    let text = after_empty_lines(bytes)?;
    look_for_a_method(text)?;
    let line = request_line(text)?;
    let (fields, end) = field_lines(text, line.end + CRLF_LEN)?;
    let len = bytes.len() - text.len() + end;
    let text = text.get(..end).unwrap_or_default();
    let Some(escaped) = target::with_stray_bytes_escaped(text, &line.target) else {
        return head(text, line, fields, len);
    };
    let line = request_line(&escaped)?;
    let (fields, _) = field_lines(&escaped, line.end + CRLF_LEN)?;
    head(&escaped, line, fields, len)
}

/// Reads what the lines of a head mean. `len` is how many bytes the client sent for it.
fn head(text: &[u8], line: RequestLine, fields: Vec<Field>, len: usize) -> Result<Head, Unread> {
    let method = text.get(line.method.clone()).unwrap_or_default();
    let (target, path_and_query) = target::read(method, text, line.target)?;
    let meaning = fields::read_meaning(text, &fields, line.version)?;
    if matches!(target, Target::Authority(_)) && meaning.framing != Framing::None {
        return Err(Unread::Bad(BadHead::ConnectBody));
    }
    refuse_a_second_reading(text, &fields)?;
    let may_upgrade = method == b"GET";
    Ok(Head {
        len,
        text: text.into(),
        method: line.method,
        target,
        path_and_query,
        fields_start: line.end + CRLF_LEN,
        fields,
        host: meaning.host,
        version: line.version,
        framing: meaning.framing,
        keep_alive: meaning.keep_alive,
        expect_continue: meaning.expect_continue,
        upgrade: if may_upgrade {
            meaning.upgrade
        } else {
            Upgrade::None
        },
    })
}

const CRLF_LEN: usize = 2;

fn after_empty_lines(mut bytes: &[u8]) -> Result<&[u8], Unread> {
    for _ in 0..LEADING_LINES_MAX {
        match bytes {
            [b'\r', b'\n', rest @ ..] => bytes = rest,
            [] | [b'\r'] => return Err(Unread::NeedMore(Part::Start)),
            [_, ..] => return Ok(bytes),
        }
    }
    match bytes {
        [] => Err(Unread::NeedMore(Part::Start)),
        [_, ..] => Ok(bytes),
    }
}

/// Tells HTTP from other protocols by the first bytes: a token and a space. What only looks like
/// another protocol, and may still be HTTP to an origin that reads with patience, is refused.
fn look_for_a_method(text: &[u8]) -> Result<(), Unread> {
    let word_len = text
        .iter()
        .take(METHOD_LEN_MAX + 1)
        .take_while(|byte| fields::is_in_a_token(**byte))
        .count();
    if word_len > METHOD_LEN_MAX {
        return Err(Unread::Bad(BadHead::RequestLine));
    }
    match text.get(word_len) {
        Some(b' ') if word_len > 0 => Ok(()),
        Some(_) | None => Err(match foreign::start(text) {
            Start::NeedMore => Unread::NeedMore(Part::Start),
            Start::Foreign => Unread::NotHttp,
            Start::LikeHttp => Unread::Bad(BadHead::RequestLine),
        }),
    }
}

struct RequestLine {
    method: Range<usize>,
    target: Range<usize>,
    version: Version,
    end: usize,
}

fn request_line(text: &[u8]) -> Result<RequestLine, Unread> {
    let end = match line_end(text, 0, Tab::IsControl) {
        LineEnd::NotYet => return Err(Unread::NeedMore(Part::RequestLine)),
        LineEnd::Bad(bad, at) => {
            let (line, rest) = text.split_at_checked(at).unwrap_or_default();
            let separates = |byte: &u8| *byte != b'\n' && foreign::is_white(*byte);
            let like_http =
                rest.first().is_some_and(separates) || foreign::is_like_a_request_line(line);
            return Err(match like_http {
                true => Unread::Bad(bad),
                false => Unread::NotHttp,
            });
        }
        LineEnd::At(end) => end,
    };
    let line = text.get(..end).unwrap_or_default();
    if line == b"PRI * HTTP/2.0" {
        match foreign::http2_preface(text) {
            Start::NeedMore => return Err(Unread::NeedMore(Part::Fields)),
            Start::Foreign => return Err(Unread::Http2Preface),
            Start::LikeHttp => {}
        }
    }
    if !foreign::is_like_a_request_line(line) {
        return Err(Unread::NotHttp);
    }
    let mut parts = line.split(|byte| *byte == b' ');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(method), Some(target), Some(version), None) if !target.is_empty() => {
            let version = read_version(version)?;
            let target_start = method.len() + 1;
            let target_end = target_start + target.len();
            if target.len() > TARGET_LEN_MAX {
                return Err(Unread::Bad(BadHead::TargetTooLong));
            }
            Ok(RequestLine {
                method: 0..method.len(),
                target: target_start..target_end,
                version,
                end,
            })
        }
        (Some(_), Some(_), None, None) => Err(Unread::Bad(BadHead::Version)),
        (_, _, _, _) => Err(Unread::Bad(BadHead::RequestLine)),
    }
}

fn read_version(version: &[u8]) -> Result<Version, BadHead> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(BadHead::VersionUnsupported)
        }
        _ => Err(BadHead::Version),
    }
}

/// Reads field lines from `at` on; returns the fields and where the head ends.
fn field_lines(text: &[u8], mut at: usize) -> Result<(Vec<Field>, usize), Unread> {
    let mut fields = Vec::new();
    loop {
        let end = match line_end(text, at, Tab::IsText) {
            LineEnd::NotYet => return Err(Unread::NeedMore(Part::Fields)),
            LineEnd::Bad(bad, _) => return Err(Unread::Bad(bad)),
            LineEnd::At(end) => end,
        };
        if end == at {
            return Ok((fields, end + CRLF_LEN));
        }
        if fields.len() == FIELDS_MAX {
            return Err(Unread::Bad(BadHead::TooLong));
        }
        fields.push(fields::read_line(text, at..end)?);
        at = end + CRLF_LEN;
    }
}

/// What a tab is in a line.
#[derive(Clone, Copy)]
enum Tab {
    IsText,
    IsControl,
}

enum LineEnd {
    NotYet,
    /// Where the CR is.
    At(usize),
    /// A control character that ends no line, and where it is.
    Bad(BadHead, usize),
}

fn line_end(text: &[u8], start: usize, tab: Tab) -> LineEnd {
    let rest = text.get(start..).unwrap_or_default();
    let control = match tab {
        Tab::IsText => first(rest, |byte| byte.is_ascii_control() & (byte != b'\t')),
        Tab::IsControl => first(rest, |byte| byte.is_ascii_control()),
    };
    let Some(len) = control else {
        return LineEnd::NotYet;
    };
    let at = start + len;
    match rest.get(len..).unwrap_or_default() {
        [b'\r'] => LineEnd::NotYet,
        [b'\r', b'\n', ..] => LineEnd::At(at),
        [b'\r', ..] => LineEnd::Bad(BadHead::BareCr, at),
        [b'\n', ..] => LineEnd::Bad(BadHead::BareLf, at),
        _ => LineEnd::Bad(BadHead::Control, at),
    }
}

/// Returns where the first byte of a kind is. Blocks without one are passed over as a whole: they
/// have no way out in the middle, so that many bytes are looked at in one step.
fn first(bytes: &[u8], is_wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks::<16>();
    let has_none =
        |block: &&[u8; 16]| !block.iter().fold(false, |any, byte| any | is_wanted(*byte));
    let passed = blocks.iter().take_while(has_none).count() * 16;
    let rest = bytes.get(passed..)?;
    let at = rest.iter().position(|byte| is_wanted(*byte))?;
    Some(passed + at)
}

/// Reads the head once more with the parser that hyper uses, so that hyper never meets a head
/// that it refuses or reads in another way.
fn refuse_a_second_reading(text: &[u8], fields: &[Field]) -> Result<(), BadHead> {
    let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let whole =
        matches!(request.parse(text), Ok(httparse::Status::Complete(len)) if len == text.len());
    let same = whole
        && request.headers.len() == fields.len()
        && request.headers.iter().zip(fields).all(|(theirs, ours)| {
            text.get(ours.name.clone()) == Some(theirs.name.as_bytes())
                && text.get(ours.value.clone()) == Some(theirs.value)
        });
    same.then_some(()).ok_or(BadHead::TwoReadings)
}

#[cfg(test)]
mod tests;
