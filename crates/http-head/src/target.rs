use std::ops::Range;

use uri::Scheme;

use crate::BadHead;
use crate::authority::refuse_other_than_host_and_port;

/// Bytes of a request target. hyper, which reads the head after us, refuses longer ones.
pub const TARGET_LEN_MAX: usize = 65_534;

/// Bytes by which a target may grow by the escapes of its stray bytes: each becomes three, and the
/// longest target has no room for more.
pub const TARGET_GROWTH_MAX: usize = TARGET_LEN_MAX / 3 * 2;

/// The form of a request target (RFC 9112 section 3.2). Ranges are places in the head.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// A path, and perhaps a query.
    Origin,
    /// An absolute URI.
    Absolute {
        /// `http` or `https`; nothing else is filtered.
        scheme: Option<Scheme>,
        /// Host and port; userinfo is not in it.
        authority: Range<usize>,
    },
    /// Host and port, of CONNECT.
    Authority(Range<usize>),
    /// `*`, of OPTIONS.
    Asterisk,
}

/// Reads the target at `at` in the head; returns its form, and where its path and query are.
pub(crate) fn read(
    method: &[u8],
    text: &[u8],
    at: Range<usize>,
) -> Result<(Target, Range<usize>), BadHead> {
    let target = text.get(at.clone()).unwrap_or_default();
    if target.len() > TARGET_LEN_MAX {
        return Err(BadHead::TargetTooLong);
    }
    let nothing = at.end..at.end;
    match (method, target) {
        (b"CONNECT", [] | [b':', ..]) => Err(BadHead::Target),
        (b"CONNECT", authority) => {
            refuse_other_than_host_and_port(authority)?;
            Ok((Target::Authority(at), nothing))
        }
        (b"OPTIONS", b"*") => Ok((Target::Asterisk, nothing)),
        (_, [b'/', ..]) => {
            refuse_stray_bytes(target)?;
            Ok((Target::Origin, at))
        }
        (_, _) => absolute(target, at.start),
    }
}

/// Returns the head with those bytes of its target escaped that no URI may have, that clients send
/// all the same, and that every origin reads like their escapes: `<`, `>`, quotation marks, and
/// bytes that are not UTF-8. None: there are none.
///
/// RFC 9112 section 3.2 warns of mending a target, lest it gets past a filter. Here the mended
/// target is what is judged, and what is forwarded.
pub(crate) fn with_stray_bytes_escaped(text: &[u8], at: &Range<usize>) -> Option<Vec<u8>> {
    let target = text.get(at.clone())?;
    let start = at.start + path_start(target)?;
    let (before, rest) = text.split_at_checked(start)?;
    let (path_and_query, after) = rest.split_at_checked(at.end - start)?;
    let is_text = path_and_query.is_ascii() || std::str::from_utf8(path_and_query).is_ok();
    let query_start = path_and_query.iter().position(|byte| *byte == b'?');
    let query_start = query_start.unwrap_or(path_and_query.len());
    let is_stray = |(at, byte): (usize, &u8)| match byte {
        b'<' | b'>' => true,
        b'`' => at < query_start,
        b'"' => at > query_start,
        0x80.. => !is_text,
        _ => false,
    };
    if !path_and_query.iter().enumerate().any(is_stray) {
        return None;
    }
    let mut escaped = before.to_vec();
    for (at, byte) in path_and_query.iter().enumerate() {
        if is_stray((at, byte)) {
            escaped.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            escaped.push(*byte);
        }
    }
    escaped.extend_from_slice(after);
    Some(escaped)
}

/// Returns where path and query begin in a target, if it has them.
fn path_start(target: &[u8]) -> Option<usize> {
    if target.starts_with(b"/") {
        return Some(0);
    }
    let authority = target.windows(3).position(|text| text == b"://")? + 3;
    let rest = target.get(authority..)?;
    let len = rest.iter().position(|byte| matches!(byte, b'/' | b'?'))?;
    Some(authority + len)
}

fn absolute(target: &[u8], start: usize) -> Result<(Target, Range<usize>), BadHead> {
    let colon = target.iter().position(|byte| *byte == b':');
    let (scheme, rest) = colon
        .and_then(|colon| target.split_at_checked(colon))
        .ok_or(BadHead::Target)?;
    let after = rest.strip_prefix(b"://").ok_or(BadHead::Target)?;
    let [first, others @ ..] = scheme else {
        return Err(BadHead::Target);
    };
    let in_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    if !first.is_ascii_alphabetic() || !others.iter().all(in_scheme) {
        return Err(BadHead::Target);
    }
    let end = after.iter().position(|byte| matches!(byte, b'/' | b'?'));
    let (whole, path) = after
        .split_at_checked(end.unwrap_or(after.len()))
        .ok_or(BadHead::Target)?;
    let authority = without_userinfo(whole)?;
    if authority.is_empty() {
        // RFC 9110 section 4.2.1: an empty host must be rejected.
        return Err(BadHead::Authority);
    }
    refuse_other_than_host_and_port(authority)?;
    refuse_stray_bytes(path)?;
    let path_start = start + target.len() - path.len();
    let form = Target::Absolute {
        scheme: web_scheme(scheme),
        authority: path_start - authority.len()..path_start,
    };
    Ok((form, path_start..path_start + path.len()))
}

/// Drops `user:password@`. With two of them it is unclear which starts the host.
fn without_userinfo(authority: &[u8]) -> Result<&[u8], BadHead> {
    let mut parts = authority.split(|byte| *byte == b'@');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(authority), None, None) => Ok(authority),
        // Not a backslash, which some read as the slash that ends the authority.
        (Some(userinfo), Some(authority), None) if userinfo.iter().all(is_in_userinfo) => {
            Ok(authority)
        }
        (_, _, _) => Err(BadHead::Authority),
    }
}

fn is_in_userinfo(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:".contains(byte)
}

fn web_scheme(scheme: &[u8]) -> Option<Scheme> {
    if scheme.eq_ignore_ascii_case(b"http") {
        Some(Scheme::Http)
    } else if scheme.eq_ignore_ascii_case(b"https") {
        Some(Scheme::Https)
    } else {
        None
    }
}

/// Refuses what `http::Uri` refuses: it reads the same target again, here and towards the origin.
/// Of that only a number sign is left once stray bytes are escaped. A fragment is refused too, since `http::Uri` drops it in silence.
fn refuse_stray_bytes(path_and_query: &[u8]) -> Result<(), BadHead> {
    let mut parts = path_and_query.splitn(2, |byte| *byte == b'?');
    let path = parts.next().unwrap_or_default();
    let query = parts.next().unwrap_or_default();
    let good = path.iter().copied().all(is_in_a_path)
        && query.iter().copied().all(is_in_a_query)
        && (path_and_query.is_ascii() || std::str::from_utf8(path_and_query).is_ok());
    good.then_some(()).ok_or(BadHead::Target)
}

fn is_in_a_path(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e | 0x80..) && !b"#<>?`".contains(&byte)
}

fn is_in_a_query(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e | 0x80..) && !b"\"#<>".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A later `http` crate that reads another set of bytes must not go unseen.
    #[test]
    fn the_second_reader_takes_what_is_taken_here() {
        for byte in 0..=u8::MAX {
            if byte == b'#' {
                continue;
            }
            let around = |before: &[u8]| [before, &[byte], b"z"].concat();
            for text in [around(b"/a"), around(b"/a?b")] {
                let theirs = http::uri::PathAndQuery::try_from(text.as_slice()).is_ok();
                assert_eq!(refuse_stray_bytes(&text).is_ok(), theirs, "{text:?}");
            }
        }
        assert_eq!(refuse_stray_bytes("/b\u{fc}cher".as_bytes()), Ok(()));
    }

    #[test]
    fn stray_bytes_are_escaped() {
        escape(b"/a<b>\"`?<>\"`", Some(b"/a%3Cb%3E\"%60?%3C%3E%22`"));
        escape(b"/\xff?\xfc\xc3\xbc", Some(b"/%FF?%FC%C3%BC"));
        escape(b"http://a/<", Some(b"http://a/%3C"));
        escape(b"http://a?<", Some(b"http://a?%3C"));
        // Honest to every reader as they are.
        escape(b"/\xc3\xbc{}|\\^[]\"~'?`{}|\\^[]'\xc3\xbc", None);
        // Nothing of an authority is mended, and no fragment.
        escape(b"http://a<b\xff/", None);
        escape(b"a<b:443", None);
        escape(b"/a#b", None);
    }

    #[track_caller]
    fn escape(target: &[u8], expected: Option<&[u8]>) {
        let text = [b"GET ", target, b" HTTP/1.1\r\n\r\n"].concat();
        let found = with_stray_bytes_escaped(&text, &(4..4 + target.len()));
        let expected = expected.map(|target| [b"GET ", target, b" HTTP/1.1\r\n\r\n"].concat());
        assert_eq!(found, expected, "{}", target.escape_ascii());
    }

    /// What the escapes leave, the second reader takes.
    #[test]
    fn every_graphic_byte_but_the_number_sign_is_taken() {
        for byte in (0x21..=u8::MAX).filter(|byte| !matches!(byte, 0x7f | b'#')) {
            for target in [&[b'/', byte][..], &[b'/', b'?', byte]] {
                let text = [b"GET ", target].concat();
                let at = 4..text.len();
                let mended = with_stray_bytes_escaped(&text, &at).unwrap_or(text);
                assert_eq!(
                    refuse_stray_bytes(mended.get(4..).unwrap()),
                    Ok(()),
                    "{byte}"
                );
            }
        }
    }

    #[test]
    fn forms() {
        check("GET", "/a?b", "origin  /a?b");
        check("GET", "//a/b", "origin  //a/b");
        check("GET", "http://a.example/x?y", "http a.example /x?y");
        check("GET", "HTTP://A.example:80", "http A.example:80 ");
        check("GET", "http://a.example?x", "http a.example ?x");
        check("GET", "http://u:p@a.example/", "http a.example /");
        check("GET", "https://a.example/", "https a.example /");
        check("GET", "ftp://a.example/", "other a.example /");
        check("CONNECT", "a.example:443", "authority a.example:443 ");
        check(
            "CONNECT",
            "[2001:db8::1]:443",
            "authority [2001:db8::1]:443 ",
        );
        check("OPTIONS", "*", "asterisk  ");
    }

    #[test]
    fn refused() {
        check("GET", "*", "target");
        check("GET", "a.example:443", "target");
        check("GET", "a.example/x", "target");
        check("GET", "http:/a.example/", "target");
        check("GET", "http:a", "target");
        check("GET", "://a/", "target");
        check("GET", "http:///x", "authority");
        check("GET", "http://u@/", "authority");
        check("GET", "http://a@b@c/", "authority");
        check("GET", "http://a\\@b/", "authority");
        check("GET", "http://a\\.b/", "authority");
        check("GET", "http://a#b/", "authority");
        check("GET", "/a#b", "target");

        check("CONNECT", "/", "authority");
        check("CONNECT", ":443", "target");
        check("CONNECT", "http://a.example/", "authority");
        check("CONNECT", "u@a.example:443", "authority");
        check(
            "GET",
            &format!("/{}", "a".repeat(TARGET_LEN_MAX)),
            "target_too_long",
        );
    }

    #[track_caller]
    fn check(method: &str, target: &str, expected: &str) {
        let slice = |at: Range<usize>| target.get(at).unwrap();
        let found = match read(method.as_bytes(), target.as_bytes(), 0..target.len()) {
            Err(bad) => bad.as_str().to_owned(),
            Ok((form, path)) => {
                let path = slice(path);
                match form {
                    Target::Origin => format!("origin  {path}"),
                    Target::Absolute { scheme, authority } => {
                        let scheme = scheme.map_or("other", Scheme::as_str);
                        format!("{scheme} {} {path}", slice(authority))
                    }
                    Target::Authority(at) => format!("authority {} {path}", slice(at)),
                    Target::Asterisk => format!("asterisk  {path}"),
                }
            }
        };
        assert_eq!(found, expected, "{method} {target}");
    }
}
