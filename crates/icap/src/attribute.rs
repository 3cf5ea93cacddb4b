use crate::fields::{Fields, digits};

/// Categories in one answer.
pub const CATEGORIES_MAX: usize = 256;

/// Bytes of one category.
pub const CATEGORY_LEN_MAX: usize = 256;

/// The value of X-Attribute-Prefix. What it counts is the service's business.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PrefixLength {
    /// Not sent.
    Absent,
    /// A number.
    Number(u64),
    /// Something else, or two of them.
    Malformed,
}

/// For whom an answer may be reused (draft-stecher-icap-subid 4.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cacheability {
    /// For everybody: the default.
    All,
    /// For one user or group, or for somebody that we do not know.
    Limited,
}

/// What Cache-Control and Pragma in the ICAP head say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CacheDirective {
    /// Nothing.
    Absent,
    /// Not to be kept.
    NoStore,
    /// To be kept for so many seconds.
    MaxAge(u64),
}

/// Returns the categories of an X-Attribute field in lower case, each once, or nothing if there
/// is no such field. Err: there are too many, or one is too long.
///
/// c-icap writes `list{category}` for lists that have several: both names count, since a policy
/// may know either.
pub(crate) fn categories(fields: Fields<'_, '_>) -> Result<Option<Vec<String>>, ()> {
    fields
        .first("X-Attribute")
        .map(|_| named(fields))
        .transpose()
}

fn named(fields: Fields<'_, '_>) -> Result<Vec<String>, ()> {
    let mut names: Vec<String> = Vec::new();
    let tokens = fields
        .all("X-Attribute")
        .flat_map(|value| value.split(|byte| b",{}".contains(byte)))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty());
    for token in tokens {
        let name = String::from_utf8_lossy(token).to_lowercase();
        if names.contains(&name) {
            continue;
        }
        if names.len() == CATEGORIES_MAX || name.len() > CATEGORY_LEN_MAX {
            return Err(());
        }
        names.push(name);
    }
    Ok(names)
}

pub(crate) fn prefix_length(fields: Fields<'_, '_>) -> PrefixLength {
    match fields.single("X-Attribute-Prefix") {
        Ok(None) => PrefixLength::Absent,
        Ok(Some(value)) => digits(value).map_or(PrefixLength::Malformed, PrefixLength::Number),
        Err(_) => PrefixLength::Malformed,
    }
}

pub(crate) fn cacheability(fields: Fields<'_, '_>) -> Cacheability {
    let mut values = fields.all("X-Attribute-Cacheability");
    if values.all(|value| value.eq_ignore_ascii_case(b"all")) {
        Cacheability::All
    } else {
        Cacheability::Limited
    }
}

pub(crate) fn cache_directive(fields: Fields<'_, '_>) -> CacheDirective {
    let mut found = CacheDirective::Absent;
    for element in fields.list("Cache-Control") {
        let mut halves = element
            .splitn(2, |byte| *byte == b'=')
            .map(<[u8]>::trim_ascii);
        let name = halves.next().unwrap_or_default().to_ascii_lowercase();
        match name.as_slice() {
            b"no-store" | b"no-cache" | b"private" => return CacheDirective::NoStore,
            // A lifetime that cannot be read counts as over (RFC 9111 section 4.2.1).
            b"max-age" | b"s-maxage" => match (halves.next().and_then(lifetime), found) {
                (None | Some(0), _) => return CacheDirective::NoStore,
                (Some(age), CacheDirective::MaxAge(before)) => {
                    found = CacheDirective::MaxAge(age.min(before));
                }
                (Some(age), CacheDirective::Absent | CacheDirective::NoStore) => {
                    found = CacheDirective::MaxAge(age);
                }
            },
            _ => {}
        }
    }
    if fields.lists("Pragma", "no-cache") {
        return CacheDirective::NoStore;
    }
    match found {
        CacheDirective::Absent => expires(fields),
        CacheDirective::NoStore | CacheDirective::MaxAge(_) => found,
    }
}

/// The lifetime that Expires and Date give (RFC 9111 section 4.2.1). Without a Date, or with an
/// Expires that is no date, the answer counts as expired: nothing here knows the time.
fn expires(fields: Fields<'_, '_>) -> CacheDirective {
    let Some(expires) = fields.first("Expires") else {
        return CacheDirective::Absent;
    };
    let read = |value: &[u8]| httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok();
    let lifetime = read(expires)
        .zip(fields.first("Date").and_then(read))
        .and_then(|(expires, date)| expires.duration_since(date).ok());
    match lifetime.map(|lifetime| lifetime.as_secs()) {
        None | Some(0) => CacheDirective::NoStore,
        Some(seconds) => CacheDirective::MaxAge(seconds),
    }
}

fn lifetime(value: &[u8]) -> Option<u64> {
    match value {
        [b'"', number @ .., b'"'] => digits(number),
        number => digits(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::slots;

    #[test]
    fn categories_are_separated_and_lower_case() {
        check("", None);
        check("X-Attribute:\r\n", Some(&[]));
        check("X-Attribute: Sport, ALL\r\n", Some(&["sport", "all"]));
        check(
            "X-Attribute: a ,, 17\r\nx-attribute: A,b\r\n",
            Some(&["a", "17", "b"]),
        );
        check(
            "X-Attribute: sg{adult}, news\r\n",
            Some(&["sg", "adult", "news"]),
        );
        check("X-Attribute: sg{adult,\r\n", Some(&["sg", "adult"]));
        check("X-Attribute: Écoles\r\n", Some(&["écoles"]));
    }

    #[test]
    fn categories_are_bounded() {
        let line = |count: usize| {
            let names: Vec<String> = (0..count).map(|number| number.to_string()).collect();
            format!("X-Attribute: {}\r\n", names.join(","))
        };
        assert!(with(&line(CATEGORIES_MAX), categories).is_ok());
        assert!(with(&line(CATEGORIES_MAX + 1), categories).is_err());
        let line = |len: usize| format!("X-Attribute: {}\r\n", "a".repeat(len));
        assert!(with(&line(CATEGORY_LEN_MAX), categories).is_ok());
        assert!(with(&line(CATEGORY_LEN_MAX + 1), categories).is_err());
        // Some letters are longer in lower case.
        let line = |letters: usize| format!("X-Attribute: {}\r\n", "İ".repeat(letters));
        assert!(with(&line(CATEGORY_LEN_MAX / 3), categories).is_ok());
        assert!(with(&line(CATEGORY_LEN_MAX / 3 + 1), categories).is_err());
    }

    #[test]
    fn prefix_lengths() {
        for (lines, expected) in [
            ("", PrefixLength::Absent),
            ("X-Attribute-Prefix: 24\r\n", PrefixLength::Number(24)),
            ("X-Attribute-Prefix: -1\r\n", PrefixLength::Malformed),
            ("X-Attribute-Prefix: 1 2\r\n", PrefixLength::Malformed),
            ("X-Attribute-Prefix:\r\n", PrefixLength::Malformed),
            (
                "X-Attribute-Prefix: 1\r\nX-Attribute-Prefix: 1\r\n",
                PrefixLength::Malformed,
            ),
        ] {
            assert_eq!(with(lines, prefix_length), expected, "{lines}");
        }
    }

    #[test]
    fn only_all_means_everybody() {
        for (lines, expected) in [
            ("", Cacheability::All),
            ("X-Attribute-Cacheability: ALL\r\n", Cacheability::All),
            (
                "X-Attribute-Cacheability: user=bWlrZQ==\r\n",
                Cacheability::Limited,
            ),
            (
                "X-Attribute-Cacheability: group=x\r\n",
                Cacheability::Limited,
            ),
            ("X-Attribute-Cacheability: whom\r\n", Cacheability::Limited),
        ] {
            assert_eq!(with(lines, cacheability), expected, "{lines}");
        }
    }

    #[test]
    fn cache_directives() {
        for (lines, expected) in [
            ("", CacheDirective::Absent),
            ("Cache-Control: public\r\n", CacheDirective::Absent),
            ("Cache-Control: max-age=60\r\n", CacheDirective::MaxAge(60)),
            (
                "Cache-Control: Max-Age=\"60\", x\r\n",
                CacheDirective::MaxAge(60),
            ),
            (
                "Cache-Control: max-age=60, max-age=5\r\n",
                CacheDirective::MaxAge(5),
            ),
            (
                "Cache-Control: max-age=60, no-store\r\n",
                CacheDirective::NoStore,
            ),
            ("Cache-Control: max-age=0\r\n", CacheDirective::NoStore),
            ("Cache-Control: max-age=soon\r\n", CacheDirective::NoStore),
            ("Cache-Control: no-cache\r\n", CacheDirective::NoStore),
            ("Cache-Control: private\r\n", CacheDirective::NoStore),
            ("Pragma: no-cache\r\n", CacheDirective::NoStore),
            (
                "Date: Sat, 21 Nov 2026 15:00:00 GMT\r\nExpires: Sat, 21 Nov 2026 15:01:40 GMT\r\n",
                CacheDirective::MaxAge(100),
            ),
            (
                "Date: Sat, 21 Nov 2026 15:00:00 GMT\r\nExpires: Sat, 21 Nov 2026 15:00:00 GMT\r\n",
                CacheDirective::NoStore,
            ),
            (
                "Date: Sat, 21 Nov 2026 15:00:00 GMT\r\nExpires: Sat, 21 Nov 2026 14:00:00 GMT\r\n",
                CacheDirective::NoStore,
            ),
            (
                "Date: Sat, 21 Nov 2026 15:00:00 GMT\r\nExpires: 0\r\n",
                CacheDirective::NoStore,
            ),
            (
                "Expires: Sat, 21 Nov 2026 15:01:40 GMT\r\n",
                CacheDirective::NoStore,
            ),
            ("Expires: Fri, 99 Xyz\r\n", CacheDirective::NoStore),
            (
                "Expires: 0\r\nCache-Control: max-age=7\r\n",
                CacheDirective::MaxAge(7),
            ),
            (
                "Cache-Control: s-maxage=5, max-age=9\r\n",
                CacheDirective::MaxAge(5),
            ),
        ] {
            assert_eq!(with(lines, cache_directive), expected, "{lines}");
        }
    }

    #[track_caller]
    fn check(lines: &str, expected: Option<&[&str]>) {
        let found = with(lines, categories).unwrap();
        let expected = expected.map(|names| names.iter().map(ToString::to_string).collect());
        assert_eq!(found, expected, "{lines}");
    }

    fn with<T>(lines: &str, read: impl Fn(Fields<'_, '_>) -> T) -> T {
        let block = format!("{lines}\r\n");
        read(Fields::parse(block.as_bytes(), &mut slots()).unwrap())
    }
}
