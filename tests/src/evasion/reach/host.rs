//! The names that some origin could take out of a `Host` or an authority.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::path::decoded;

/// Bytes at which somebody may cut a host.
const CUTS: &[u8] = b", \t\r\n\0\\/?#@\"";

/// Returns every name or address.
pub(super) fn names(authority: &[u8]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut level = authority.to_vec();
    loop {
        for part in level.split(|byte| CUTS.contains(byte)) {
            names.extend(plain(part));
        }
        let next = decoded(&level);
        if next == level {
            return names;
        }
        level = next;
    }
}

/// Returns what may be the host of `host:port`.
fn plain(part: &[u8]) -> Vec<String> {
    let text = folded(&String::from_utf8_lossy(part));
    if let Some(literal) = text.strip_prefix('[') {
        let address = literal.split([']', '%']).next().unwrap_or_default();
        let address = address.parse::<Ipv6Addr>().map(shown);
        return vec![address.unwrap_or_else(|_| text.clone())];
    }
    let before_port = text.split(':').next().unwrap_or_default();
    let labels: Vec<&str> = before_port.split('.').filter(|l| !l.is_empty()).collect();
    let name = labels.join(".");
    match number(&name) {
        Some(address) => vec![address.to_string()],
        None if name.is_empty() => Vec::new(),
        None => vec![name],
    }
}

/// Lower case, without what some drop, and with full-width forms as their narrow ones.
fn folded(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}'))
        .map(|c| match c {
            '\u{3002}' | '\u{ff61}' => '.',
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xff01 + 0x21).unwrap_or(c),
            other => other,
        })
        .flat_map(char::to_lowercase)
        .collect()
}

/// Writes an address; one that stands for an IPv4 address is that.
fn shown(address: Ipv6Addr) -> String {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = || {
        let ([g1, g2], [h1, h2]) = (g.to_be_bytes(), h.to_be_bytes());
        Ipv4Addr::new(g1, g2, h1, h2).to_string()
    };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => embedded(),
        _ => address.to_string(),
    }
}

/// Reads an IPv4 address as `inet_aton` does: one to four numbers, decimal, octal or hexadecimal.
fn number(name: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u64> = name.split('.').map(one).collect::<Option<_>>()?;
    let (last, firsts) = parts.split_last()?;
    if firsts.len() > 3 || firsts.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 8 * (4 - firsts.len());
    let high = firsts
        .iter()
        .enumerate()
        .map(|(at, part)| part << (24 - 8 * at))
        .sum::<u64>();
    (*last < 1 << room)
        .then(|| u32::try_from(high + last).ok())?
        .map(Ipv4Addr::from)
}

fn one(part: &str) -> Option<u64> {
    match part.strip_prefix("0x") {
        Some("") => Some(0),
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if part.len() > 1 && part.starts_with('0') => u64::from_str_radix(part, 8).ok(),
        None => part.parse().ok(),
    }
}
