use crate::BadHead;

/// Refuses an authority that is not `host [":" port]` of RFC 3986: with userinfo, a list, or bytes
/// that no host has. Whether the host is a good one is for its normal form to say; an empty one
/// is let through for that.
pub(crate) fn refuse_other_than_host_and_port(authority: &[u8]) -> Result<(), BadHead> {
    let (host, port) = split(authority)?;
    let escapes_are_whole = host.iter().enumerate().all(|(at, byte)| {
        *byte != b'%'
            || host
                .get(at + 1..at + 3)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if escapes_are_whole && is_port(port) {
        Ok(())
    } else {
        Err(BadHead::Authority)
    }
}

/// Nothing, or a number that is a port. With any other an origin that does not look at the port
/// serves the host, and the host has no normal form by which to judge it.
fn is_port(digits: &[u8]) -> bool {
    let number = digits.iter().try_fold(0_u16, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        number
            .checked_mul(10)?
            .checked_add(u16::try_from(digit).ok()?)
    });
    number.is_some()
}

/// Splits at the colon of the port, and refuses colons, brackets and other bytes out of place.
fn split(authority: &[u8]) -> Result<(&[u8], &[u8]), BadHead> {
    if let Some(literal) = authority.strip_prefix(b"[") {
        let end = literal.iter().position(|byte| *byte == b']');
        let (address, rest) = end
            .and_then(|end| literal.split_at_checked(end))
            .ok_or(BadHead::Authority)?;
        let in_literal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'.');
        return match rest {
            [b']'] if address.iter().all(in_literal) => Ok((address, b"")),
            [b']', b':', port @ ..] if address.iter().all(in_literal) => Ok((address, port)),
            _ => Err(BadHead::Authority),
        };
    }
    let mut parts = authority.splitn(2, |byte| *byte == b':');
    let host = parts.next().unwrap_or_default();
    if host.iter().copied().all(is_in_a_name) {
        Ok((host, parts.next().unwrap_or_default()))
    } else {
        Err(BadHead::Authority)
    }
}

/// The bytes of `reg-name` (RFC 3986 section 3.2.2), without the comma: a list of hosts is no
/// host.
fn is_in_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port() {
        for good in [
            "",
            "a.example",
            "a.example:",
            "a.example:80",
            "a.example:065535",
            "A_b.example.",
            "%62locked.test",
            "192.0.2.1:8080",
            "[2001:db8::1]",
            "[::ffff:192.0.2.1]:80",
        ] {
            check(good, Ok(()));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "user@a.example",
            "a.example, b.example",
            "a.example,b.example",
            "a b",
            "a\tb",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a:80:80",
            "a:8o",
            "a:+80",
            "a:65536",
            "[::1]:99999",
            "a%zz",
            "a%2",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "[a%25eth0]",
            "::1",
            "a]",
            "b\u{fc}cher.example",
            "\"a\"",
        ] {
            check(bad, Err(BadHead::Authority));
        }
    }

    #[track_caller]
    fn check(authority: &str, expected: Result<(), BadHead>) {
        let found = refuse_other_than_host_and_port(authority.as_bytes());
        assert_eq!(found, expected, "{authority}");
    }
}
