/// Returns the name in an X-Authenticated-User field, which comes in three forms: base64 of
/// `Scheme://name` (draft-stecher-icap-subid), base64 of the bare name (Squid), or the bare name.
pub(crate) fn authenticated_user(value: &[u8]) -> Option<String> {
    let value = value.trim_ascii();
    let name = match base64_text(value) {
        Some(decoded) => match decoded.split_once("://") {
            Some((_, name)) => name.to_owned(),
            None => decoded,
        },
        None => String::from_utf8_lossy(value).into_owned(),
    };
    (!name.is_empty()).then_some(name)
}

/// Decodes base64 that holds text. A bare name that happens to be base64 rarely does: its bytes
/// are no UTF-8 or have control characters.
pub(crate) fn base64_text(value: &[u8]) -> Option<String> {
    let text = String::from_utf8(base64(value)?).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

fn base64(value: &[u8]) -> Option<Vec<u8>> {
    let digits = match value {
        [digits @ .., b'=', b'='] | [digits @ .., b'='] if value.len().is_multiple_of(4) => digits,
        digits => digits,
    };
    let mut decoded = Vec::with_capacity(value.len());
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            bits = bits << 6 | u32::from(sextet(*digit)?);
        }
        // What does not fill a byte is zero; a bare name of that many letters rarely has it so.
        let (spare, bits) = match group.len() {
            4 => (0, bits),
            3 => (bits & 0b11, bits << 6),
            2 => (bits & 0b1111, bits << 12),
            _ => return None,
        };
        if spare != 0 {
            return None;
        }
        let [_, bytes @ ..] = bits.to_be_bytes();
        decoded.extend(bytes.iter().take(group.len() - 1));
    }
    Some(decoded)
}

fn sextet(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms() {
        check("bWlrZS5zbWl0aA==", Some("mike.smith"));
        check("TG9jYWw6Ly9taWtl", Some("mike"));
        check("V2luTlQ6Ly9kb21haW4vdXNlcg==", Some("domain/user"));
        check("mike.smith", Some("mike.smith"));
        check("mike", Some("mike"));
        check("bWlrZQ", Some("mike"));
        check("", None);
        check("TG9jYWw6Ly8=", None);
    }

    #[test]
    fn what_is_not_base64_is_a_name() {
        for name in [
            "a",
            "a=",
            "====",
            "ab=c",
            "x y",
            "mike@example.com",
            "ann",
            "jo",
        ] {
            check(name, Some(name));
        }
    }

    #[track_caller]
    fn check(value: &str, expected: Option<&str>) {
        assert_eq!(authenticated_user(value.as_bytes()).as_deref(), expected);
    }
}
