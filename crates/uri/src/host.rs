//! Hosts as browsers understand them, in one spelling.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use url::Host;

use crate::InvalidUri;
use crate::escape::decode_until_stable;
use crate::normal::shown;

/// Bytes of a host name (RFC 1035, without the root's dot).
pub const HOST_LEN_MAX: usize = 253;

/// Bytes of one label of a host name.
pub const LABEL_LEN_MAX: usize = 63;

/// Bytes of a host before IDNA. A name within [`HOST_LEN_MAX`] is shorter than this in any
/// spelling that is not padded with ignored characters.
const RAW_HOST_LEN_MAX: usize = 4 * HOST_LEN_MAX;

/// Returns `host` and the domains above it, longest first. An IP address has nothing above it.
pub fn suffixes(host: &str) -> impl Iterator<Item = &str> {
    let is_address = is_address(host);
    std::iter::successors(Some(host), move |name| {
        if is_address {
            return None;
        }
        let dot = name.bytes().position(|b| b == b'.')?;
        name.get(dot + 1..)
    })
}

/// Returns whether a host in normal form is an IP address: names never end in a label of digits.
#[must_use]
pub fn is_address(host: &str) -> bool {
    if !host.bytes().next_back().is_some_and(|b| b.is_ascii_digit()) {
        return host.starts_with('[');
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    host.starts_with('[') || (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
}

/// Appends the normal form of a host to `out`.
pub(crate) fn push_host(out: &mut String, raw: &[u8]) -> Result<(), InvalidUri> {
    if raw.is_empty() {
        return Err(InvalidUri::HostEmpty);
    }
    if is_plain_name(raw, Case::Any) {
        let start = out.len();
        out.push_str(&String::from_utf8_lossy(raw));
        if let Some(name) = out.get_mut(start..) {
            name.make_ascii_lowercase();
        }
        return Ok(());
    }
    let invalid = || InvalidUri::Host(shown(raw));
    let mut decoded = Vec::with_capacity(raw.len());
    decode_until_stable(raw, &mut decoded);
    if decoded.len() > RAW_HOST_LEN_MAX {
        return Err(invalid());
    }
    let decoded = str::from_utf8(&decoded).map_err(|_| invalid())?;
    let name = without_extra_dots(decoded);
    if name.is_empty() {
        return Err(InvalidUri::HostEmpty);
    }
    match parse(&name).ok_or_else(invalid)? {
        Host::Domain(name) => out.push_str(&name),
        Host::Ipv4(address) => push_ipv4(out, address),
        Host::Ipv6(address) => push_ipv6(out, address),
    }
    Ok(())
}

/// Whether upper case letters are plain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Case {
    Any,
    Lower,
}

/// Returns whether `host` is a name that only needs lower case: letters, digits, `-` and `_` in
/// labels, no A-label (those are checked), and no address.
pub(crate) fn is_plain_name(host: &[u8], case: Case) -> bool {
    let is_plain_label = |label: &[u8]| {
        (1..=LABEL_LEN_MAX).contains(&label.len())
            && !label
                .get(..4)
                .is_some_and(|xn| xn.eq_ignore_ascii_case(b"xn--"))
    };
    let mut last = host;
    let mut labels = host.split(|&b| b == b'.').inspect(|label| last = label);
    host.len() <= HOST_LEN_MAX
        && host.iter().fold(true, |plain, &b| plain & is_plain_byte(b, case))
        && labels.all(is_plain_label)
        // A number begins with a digit, also the hexadecimal one.
        && last.first().is_some_and(u8::is_ascii_alphabetic)
}

fn is_plain_byte(byte: u8, case: Case) -> bool {
    let letter = match case {
        Case::Any => byte.is_ascii_alphabetic(),
        Case::Lower => byte.is_ascii_lowercase(),
    };
    letter | byte.is_ascii_digit() | matches!(byte, b'-' | b'_' | b'.')
}

/// Parses a decoded host. Mapping may leave dots at the ends or side by side, and what it yields
/// must mean itself when it is parsed again.
fn parse(name: &str) -> Option<Host> {
    let host = Host::parse(name).ok()?;
    let Host::Domain(mapped) = &host else {
        return Some(host);
    };
    let tidy = without_extra_dots(mapped);
    let host = if tidy == *name {
        host
    } else {
        let again = Host::parse(&tidy).ok()?;
        if let Host::Domain(again) = &again
            && *again != tidy
        {
            return None;
        }
        again
    };
    match &host {
        Host::Domain(name) if !is_within_limits(name) => None,
        Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_) => Some(host),
    }
}

fn is_within_limits(name: &str) -> bool {
    let labels = || name.split('.');
    name.len() <= HOST_LEN_MAX && labels().all(|l| (1..=LABEL_LEN_MAX).contains(&l.len()))
}

/// Removes leading, trailing and repeated dots, the other full stops of IDNA included.
fn without_extra_dots(name: &str) -> Cow<'_, str> {
    let is_dot = |c| matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}');
    let tidy =
        name.is_ascii() && !name.starts_with('.') && !name.ends_with('.') && !name.contains("..");
    if tidy {
        return Cow::Borrowed(name);
    }
    let labels: Vec<&str> = name.split(is_dot).filter(|l| !l.is_empty()).collect();
    Cow::Owned(labels.join("."))
}

fn push_ipv4(out: &mut String, address: Ipv4Addr) {
    // Writing to a string does not fail.
    let _ = write!(out, "{address}");
}

fn push_ipv6(out: &mut String, address: Ipv6Addr) {
    match address.segments() {
        // IPv4-mapped, and the NAT64 prefix of RFC 6052.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let bits = u32::from(high) << 16 | u32::from(low);
            push_ipv4(out, Ipv4Addr::from_bits(bits));
        }
        _ => {
            // `url` writes addresses as RFC 5952 does but for the mapped ones, which are gone.
            let _ = write!(out, "{}", Host::<&str>::Ipv6(address));
        }
    }
}
