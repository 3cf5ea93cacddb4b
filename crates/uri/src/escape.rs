//! Percent escapes: taken off once or until none is left, and put back in one spelling.

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

/// What a segment of a path escapes. The two slashes matter only where a reading keeps an encoded
/// one as part of a name; in the normal form both have become separators.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'%')
    .add(b'#')
    .add(b'?')
    .add(b'/')
    .add(b'\\');

/// How often escapes are taken off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Decoding {
    /// Until no escape is left.
    UntilStable,
    /// Once, as an origin does.
    Once,
    /// Twice, as a gateway and an origin behind it do.
    Twice,
}

/// Appends `segment` to `out` with everything escaped that the normal form of a path escapes.
pub(crate) fn push_segment(out: &mut String, segment: &[u8]) {
    out.extend(percent_encode(segment, SEGMENT));
}

/// Appends `query` to `out`: unreserved escapes decoded once, hex in upper case, and a `%` that
/// starts no escape escaped itself.
pub(crate) fn push_query(out: &mut String, query: &[u8]) {
    let mut rest = query;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, escaped_byte(byte, tail)) {
            (_, Some(value)) => {
                rest = tail.get(2..).unwrap_or_default();
                if is_unreserved(value) {
                    out.push(char::from(value));
                } else {
                    push_escape(out, value);
                }
            }
            (b'%' | b'#' | 0..=0x20 | 0x7f.., None) => push_escape(out, byte),
            (_, None) => out.push(char::from(byte)),
        }
    }
}

/// Returns `text` with its escapes taken off, and whether that left or uncovered further escapes
/// after the first time.
///
/// A decoded byte may end an escape that began before it (`%%32%35`), so bytes go on a stack whose
/// top three are looked at after each push. Escapes never overlap, so the order does not matter
/// and the work is linear, however deep they are nested.
pub(crate) fn decode_until_stable(text: &[u8], out: &mut Vec<u8>) -> Nesting {
    let mut nesting = Nesting::Flat;
    let mut newest_decoded = None;
    for &byte in text {
        out.push(byte);
        while let Some((head, [percent, tail @ ..])) = out.split_last_chunk::<3>() {
            let Some(value) = escaped_byte(*percent, tail) else {
                break;
            };
            let at = head.len();
            if newest_decoded >= Some(at) {
                nesting = Nesting::Nested;
            }
            newest_decoded = Some(at);
            out.truncate(at);
            out.push(value);
        }
    }
    nesting
}

/// Whether taking escapes off once leaves escapes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Nesting {
    Flat,
    Nested,
}

/// Appends `text` to `out` with its escapes taken off.
pub(crate) fn decode(text: &[u8], decoding: Decoding, out: &mut Vec<u8>) -> Nesting {
    match decoding {
        Decoding::UntilStable => decode_until_stable(text, out),
        Decoding::Once => {
            decode_once(text, out);
            Nesting::Flat
        }
        Decoding::Twice => {
            let mut once = Vec::with_capacity(text.len());
            decode_once(text, &mut once);
            decode_once(&once, out);
            Nesting::Flat
        }
    }
}

fn decode_once(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        if let Some(value) = escaped_byte(byte, tail) {
            out.push(value);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            out.push(byte);
            rest = tail;
        }
    }
}

/// Returns `text` with each `%uHHHH` as the escapes of its UTF-8. None: it has no such escape.
pub(crate) fn without_unicode_escapes(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(6).position(|w| unicode_escaped(w).is_some()) {
        let (before, escape) = rest.split_at_checked(at)?;
        let (escape, after) = escape.split_at_checked(6)?;
        out.extend_from_slice(before);
        // Half a surrogate pair is nothing that a path is compared with.
        let c = unicode_escaped(escape).and_then(char::from_u32);
        let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            out.extend_from_slice(percent_encoding::percent_encode_byte(byte).as_bytes());
        }
        rest = after;
    }
    if rest.len() == text.len() {
        return None;
    }
    out.extend_from_slice(rest);
    Some(out)
}

fn unicode_escaped(text: &[u8]) -> Option<u32> {
    let [b'%', b'u' | b'U', digits @ ..] = text else {
        return None;
    };
    digits.iter().try_fold(0, |value, &digit| {
        Some(value << 4 | u32::from(hex_value(digit)?))
    })
}

/// Returns `text` with ASCII that is spelled in two or three bytes, which UTF-8 forbids, in one.
/// None: there is none.
pub(crate) fn without_overlong_ascii(text: &[u8]) -> Option<Vec<u8>> {
    if !text.iter().any(|byte| matches!(byte, 0xc0 | 0xc1 | 0xe0)) {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    while let Some((&byte, tail)) = rest.split_first() {
        (found, rest) = match rest {
            &[lead @ (0xc0 | 0xc1), low @ 0x80..=0xbf, ref after @ ..]
            | &[
                0xe0,
                lead @ (0x80 | 0x81),
                low @ 0x80..=0xbf,
                ref after @ ..,
            ] => {
                out.push((lead & 1) << 6 | (low & 0x3f));
                (true, after)
            }
            _ => {
                out.push(byte);
                (found, tail)
            }
        };
    }
    found.then_some(out)
}

/// Returns the byte that `first` and the two bytes after it stand for, if they are an escape.
fn escaped_byte(first: u8, tail: &[u8]) -> Option<u8> {
    let [high, low, ..] = tail else {
        return None;
    };
    if first != b'%' {
        return None;
    }
    Some(hex_value(*high)? << 4 | hex_value(*low)?)
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn push_escape(out: &mut String, byte: u8) {
    out.push_str(percent_encoding::percent_encode_byte(byte));
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_come_off_until_none_is_left() {
        stable("a%62c", "abc", Nesting::Flat);
        stable("%%32%35", "%", Nesting::Nested);
        stable("%25%32%35", "%", Nesting::Nested);
        stable("%2%35", "%", Nesting::Nested);
        stable("%252525252561", "a", Nesting::Nested);
        stable("%zz%6", "%zz%6", Nesting::Flat);
        stable("%25zz", "%zz", Nesting::Flat);
        stable("%41%25", "A%", Nesting::Flat);
        stable("%2541%42", "AB", Nesting::Nested);
    }

    #[test]
    fn a_tower_of_escapes_is_linear() {
        let tower = format!("%{}41", "25".repeat(500_000));
        stable(&tower, "A", Nesting::Nested);
    }

    #[test]
    fn old_escapes() {
        unicode("/%u0062ad%U002f", Some("/%62ad%2F"));
        unicode("/%u00fc%ud800", Some("/%C3%BC%EF%BF%BD"));
        unicode("/%u006%uzzzz%u", None);
        overlong(b"/\xc0\xaf\xc1\xa1\xe0\x80\xae", Some(b"//a."));
        overlong(b"/\xc3\xbc\xc0", None);
    }

    #[track_caller]
    fn unicode(text: &str, expected: Option<&str>) {
        let found = without_unicode_escapes(text.as_bytes());
        assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{text}");
    }

    #[track_caller]
    fn overlong(text: &[u8], expected: Option<&[u8]>) {
        assert_eq!(without_overlong_ascii(text).as_deref(), expected);
    }

    #[track_caller]
    fn stable(text: &str, expected: &str, nesting: Nesting) {
        let mut out = Vec::new();
        let found = decode_until_stable(text.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{text}");
        assert_eq!(found, nesting, "{text}");
    }

    proptest! {
        #[test]
        fn the_stack_agrees_with_decoding_again_and_again(text in "[%2345abAB]{0,40}") {
            let mut stack = Vec::new();
            let nesting = decode_until_stable(text.as_bytes(), &mut stack);
            let (mut now, mut rounds) = (text.into_bytes(), 0);
            loop {
                let mut next = Vec::new();
                decode_once(&now, &mut next);
                if next == now {
                    break;
                }
                now = next;
                rounds += 1;
            }
            prop_assert_eq!(stack, now);
            prop_assert_eq!(nesting == Nesting::Nested, rounds > 1);
        }
    }
}
