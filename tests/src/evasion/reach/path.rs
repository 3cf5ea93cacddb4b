//! The paths that some origin could take out of a request target.

use std::collections::BTreeSet;

/// Readings looked at of one target; a target with more is one that was made for it.
const READINGS_MAX: usize = 4096;

/// Splits a target into its authority, if it has one, and the rest.
pub(super) fn split(target: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let is_in_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let scheme_len = target.iter().take_while(|byte| is_in_scheme(byte)).count();
    let Some(after) = target[scheme_len..].strip_prefix(b":") else {
        return (None, target);
    };
    let is_slash = |byte: &&u8| matches!(byte, b'/' | b'\\');
    let slashes = after.iter().take_while(is_slash).count();
    let rest = &after[slashes..];
    let end = rest.iter().position(|byte| b"/?#\\".contains(byte));
    let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
    (Some(authority), path)
}

type Step = fn(&[u8]) -> Vec<u8>;

/// Returns every path that an origin may serve for a path and query: after any of the steps that
/// servers take, in any order, at least one of them the decoding, and with dot segments resolved
/// and runs of slashes collapsed at the end.
pub(super) fn readings(target: &[u8]) -> BTreeSet<Vec<u8>> {
    let steps: [Step; 7] = [
        decoded,
        |path| before(path, 0),
        |path| path.iter().copied().filter(|byte| *byte != 0).collect(),
        without_parameters,
        |path| replaced(path, b'\\', b'/'),
        |path| before(path, b'?'),
        resolved,
    ];
    let path = before(&before(target, b'?'), b'#');
    let start = if path.first() == Some(&b'/') {
        path
    } else {
        [b"/", &path[..]].concat()
    };
    let mut seen = BTreeSet::from([(start.clone(), false)]);
    let mut left = vec![(start, false)];
    while let Some((path, is_decoded)) = left.pop() {
        for (at, step) in steps.iter().enumerate() {
            let next = (step(&path), is_decoded || at == 0);
            if seen.len() < READINGS_MAX && seen.insert(next.clone()) {
                left.push(next);
            }
        }
    }
    let decoded = seen.into_iter().filter(|(_, is_decoded)| *is_decoded);
    decoded
        .flat_map(|(path, _)| [collapsed(&resolved(&path)), resolved(&collapsed(&path))])
        .collect()
}

/// Undoes escapes once; what is no escape stays.
pub(super) fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                rest = &after[2..];
            }
            _ => out.push(*byte),
        }
    }
    out
}

fn before(path: &[u8], end: u8) -> Vec<u8> {
    let end = path.iter().position(|byte| *byte == end);
    path[..end.unwrap_or(path.len())].to_vec()
}

fn replaced(path: &[u8], from: u8, to: u8) -> Vec<u8> {
    path.iter()
        .map(|byte| if *byte == from { to } else { *byte })
        .collect()
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    path.split(|byte| *byte == b'/')
        .map(|segment| before(segment, b';'))
        .collect::<Vec<_>>()
        .join(&b'/')
}

fn resolved(path: &[u8]) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut parts = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            b"." => {}
            b".." => {
                segments.pop();
            }
            _ => {
                segments.push(part);
                continue;
            }
        }
        if is_last {
            segments.push(b"");
        }
    }
    [b"/", &segments.join(&b'/')[..]].concat()
}

fn collapsed(path: &[u8]) -> Vec<u8> {
    let mut out = path.to_vec();
    out.dedup_by(|next, before| *next == b'/' && *before == b'/');
    out
}
