//! Cuts the bytes of a URI into its parts as browsers do.

use std::borrow::Cow;

use crate::normal::shown;
use crate::{InvalidUri, Scheme};

/// Authority and the rest of a URI, both as written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority<'a>,
    /// From the first slash, question mark or number sign after the authority.
    pub(crate) target: &'a [u8],
}

/// Host and port as written, without userinfo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authority<'a> {
    pub(crate) host: &'a [u8],
    /// Absent: nothing after the colon, or no colon.
    pub(crate) port: Option<u16>,
}

/// Path and query of a URI, as written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Target<'a> {
    pub(crate) path: &'a [u8],
    pub(crate) query: Option<&'a [u8]>,
}

/// Removes what browsers remove: controls and spaces around, tabs and line ends anywhere.
pub(crate) fn cleaned(text: &[u8]) -> Cow<'_, [u8]> {
    let is_outer = |&b: &u8| b <= b' ';
    let is_inner = |b: &u8| matches!(b, b'\t' | b'\r' | b'\n');
    let start = text.iter().position(|b| !is_outer(b)).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|b| !is_outer(b))
        .map_or(start, |last| last + 1);
    let text = text.get(start..end).unwrap_or_default();
    if text.iter().any(is_inner) {
        Cow::Owned(text.iter().copied().filter(|b| !is_inner(b)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Cleans a URI that people typed: `http` is meant where no scheme is written.
pub(crate) fn typed(text: &[u8]) -> Cow<'_, [u8]> {
    let text = cleaned(text);
    let is_web = split_scheme(&text).is_ok();
    if is_web || begins_with_a_scheme(&text) {
        text
    } else {
        Cow::Owned([b"http://", &*text].concat())
    }
}

/// Returns whether the text begins with a scheme and `://`. One that stands in the path, as in the
/// URLs of archives and translators, belongs to the path.
fn begins_with_a_scheme(text: &[u8]) -> bool {
    let end = text.windows(3).position(|bytes| bytes == b"://");
    let scheme = end.and_then(|end| text.get(..end)).unwrap_or_default();
    let in_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    !scheme.is_empty() && scheme.iter().all(in_scheme)
}

/// Splits a cleaned absolute URI.
pub(crate) fn split(text: &[u8]) -> Result<Parts<'_>, InvalidUri> {
    let (scheme, rest) = split_scheme(text)?;
    let slashes = rest.iter().take_while(|&&b| is_slash(b)).count();
    let rest = rest.get(slashes..).unwrap_or_default();
    let ends_authority = |&b: &u8| is_slash(b) || matches!(b, b'?' | b'#');
    let end = rest.iter().position(ends_authority).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, &[]));
    Ok(Parts {
        scheme,
        authority: split_authority(authority)?,
        target,
    })
}

fn split_scheme(text: &[u8]) -> Result<(Scheme, &[u8]), InvalidUri> {
    let mut halves = text.splitn(2, |&b| b == b':');
    match (halves.next(), halves.next()) {
        (Some(scheme), Some(rest)) if scheme.eq_ignore_ascii_case(b"http") => {
            Ok((Scheme::Http, rest))
        }
        (Some(scheme), Some(rest)) if scheme.eq_ignore_ascii_case(b"https") => {
            Ok((Scheme::Https, rest))
        }
        (Some(scheme), Some(_)) => Err(InvalidUri::Scheme(shown(scheme))),
        _ => Err(InvalidUri::Scheme(String::new())),
    }
}

/// Splits `userinfo@host:port`. The last `@` ends the userinfo.
pub(crate) fn split_authority(text: &[u8]) -> Result<Authority<'_>, InvalidUri> {
    let text = text.rsplit(|&b| b == b'@').next().unwrap_or_default();
    let mut in_brackets = false;
    let colon = text.iter().position(|&b| {
        in_brackets = match b {
            b'[' => true,
            b']' => false,
            _ => in_brackets,
        };
        b == b':' && !in_brackets
    });
    let Some((host, colon_port)) = colon.and_then(|at| text.split_at_checked(at)) else {
        return Ok(Authority {
            host: text,
            port: None,
        });
    };
    Ok(Authority {
        host,
        port: port(colon_port.get(1..).unwrap_or_default())?,
    })
}

fn port(digits: &[u8]) -> Result<Option<u16>, InvalidUri> {
    if digits.is_empty() {
        return Ok(None);
    }
    let invalid = || InvalidUri::Port(shown(digits));
    let mut port = 0_u16;
    for digit in digits {
        let value = digit
            .checked_sub(b'0')
            .filter(|v| *v < 10)
            .ok_or_else(invalid)?;
        port = port
            .checked_mul(10)
            .and_then(|p| p.checked_add(u16::from(value)))
            .ok_or_else(invalid)?;
    }
    Ok(Some(port))
}

impl<'a> Target<'a> {
    /// Splits what follows the authority; a number sign begins the fragment, which is dropped.
    pub(crate) fn without_fragment(text: &'a [u8]) -> Self {
        Self::split(until(text, b'#'))
    }

    /// Splits what follows the authority as a server does that takes a number sign in the path
    /// for part of a name. None: no number sign there.
    pub(crate) fn with_number_sign(text: &'a [u8]) -> Option<Self> {
        let target = Self::split(text);
        target.path.contains(&b'#').then(|| Self {
            query: target.query.map(|query| until(query, b'#')),
            ..target
        })
    }

    /// Splits what follows the authority as a server does that parses the target as a relative
    /// reference, in which two slashes begin another authority (RFC 3986 section 4.2). None: there
    /// are no two.
    pub(crate) fn below_network_path(text: &'a [u8]) -> Option<Self> {
        Self::below_slashes(text, first)
    }

    /// Does the same as a server that decodes the target before it parses it.
    pub(crate) fn below_encoded_network_path(text: &'a [u8]) -> Option<Self> {
        Self::below_slashes(text, first_decoded)
    }

    /// Does the same as servers that, before they parse it, also drop an encoded NUL, or end the
    /// target there or at an encoded number sign.
    pub(crate) fn below_encoded_network_path_by_ends(text: &'a [u8]) -> impl Iterator<Item = Self> {
        let before = |end| {
            let at = text.windows(NUL.len()).position(|escape| escape == end)?;
            text.get(..at)
        };
        let dropped = before(NUL).and_then(|_| Self::below_slashes(text, first_decoded_but_nul));
        let ended = [NUL, NUMBER_SIGN].into_iter().filter_map(before);
        let ended = ended.filter_map(|text| Self::below_slashes(text, first_decoded));
        dropped.into_iter().chain(ended)
    }

    fn below_slashes(text: &'a [u8], first: First) -> Option<Self> {
        let mut rest = text;
        let mut slashes = 0;
        while let Some((_, after)) = first(rest).filter(|(first, _)| is_slash(*first)) {
            (rest, slashes) = (after, slashes + 1);
        }
        let rest = Some(rest).filter(|_| slashes > 1)?;
        let ends = |at: &usize| {
            let first = first(rest.get(*at..).unwrap_or_default());
            first.is_some_and(|(first, _)| is_slash(first) || matches!(first, b'?' | b'#'))
        };
        let authority = (0..rest.len()).find(ends).unwrap_or(rest.len());
        (authority > 0).then(|| Self::without_fragment(rest.get(authority..).unwrap_or_default()))
    }

    /// Returns the bytes of path and query together.
    pub(crate) fn len(self) -> usize {
        self.path.len() + self.query.map_or(0, <[u8]>::len)
    }

    fn split(text: &'a [u8]) -> Self {
        let path = until(text, b'?');
        Self {
            path,
            query: text.get(path.len() + 1..),
        }
    }
}

fn until(text: &[u8], end: u8) -> &[u8] {
    text.split(|&b| b == end).next().unwrap_or_default()
}

/// An encoded NUL.
const NUL: &[u8] = b"%00";

/// An encoded number sign.
const NUMBER_SIGN: &[u8] = b"%23";

/// A way to take the first byte off a text: that byte, and what follows it.
type First = fn(&[u8]) -> Option<(u8, &[u8])>;

/// Returns the first byte and what follows it.
fn first(text: &[u8]) -> Option<(u8, &[u8])> {
    text.split_first().map(|(first, rest)| (*first, rest))
}

/// Returns the first byte, decoded if it separates, and what follows it.
fn first_decoded(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'%', b'2', b'f' | b'F', rest @ ..] => Some((b'/', rest)),
        [b'%', b'5', b'c' | b'C', rest @ ..] => Some((b'\\', rest)),
        [b'%', b'3', b'f' | b'F', rest @ ..] => Some((b'?', rest)),
        [b'%', b'2', b'3', rest @ ..] => Some((b'#', rest)),
        _ => first(text),
    }
}

/// Does the same with what follows encoded NULs.
fn first_decoded_but_nul(mut text: &[u8]) -> Option<(u8, &[u8])> {
    while let Some(rest) = text.strip_prefix(NUL) {
        text = rest;
    }
    first_decoded(text)
}

pub(crate) fn is_slash(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}
