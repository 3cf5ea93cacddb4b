//! A line of a table with commas (RFC 4180).

use std::borrow::Cow;

/// Returns the first field that is a web URL.
pub(super) fn url(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    fields(line).find(|field| {
        let begins = |scheme: &[u8]| {
            field
                .get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        begins(b"http://") || begins(b"https://")
    })
}

/// Returns whether a line names the fields of the lines below it.
pub(super) fn is_head(line: &[u8]) -> bool {
    url(line).is_none() && fields(line).any(|field| field.eq_ignore_ascii_case(b"url"))
}

fn fields(line: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let (field, after) = field(rest?);
        rest = after;
        Some(field)
    })
}

/// Returns the first field, and what follows its comma.
fn field(line: &[u8]) -> (Cow<'_, [u8]>, Option<&[u8]>) {
    let Some(quoted) = line.strip_prefix(b"\"") else {
        let end = line.iter().position(|&b| b == b',').unwrap_or(line.len());
        let (field, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
        return (Cow::Borrowed(field.trim_ascii()), rest.get(1..));
    };
    let mut field = Vec::new();
    let mut rest = quoted;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            // A quote inside is written twice.
            (b'"', [b'"', after @ ..]) => {
                field.push(b'"');
                rest = after;
            }
            (b'"', _) => break,
            (byte, _) => field.push(byte),
        }
    }
    let comma = rest.iter().position(|&b| b == b',');
    (Cow::Owned(field), comma.and_then(|at| rest.get(at + 1..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_url_of_a_line_is_meant() {
        check(
            r#""1","2026-11-20 10:00:00","http://a.example/x,y","online","https://list.example/1/""#,
            Some("http://a.example/x,y"),
        );
        check(
            "7,HTTPS://a.example/x,http://b.example/",
            Some("HTTPS://a.example/x"),
        );
        check(
            r#"1,"http://a.example/""x""#,
            Some(r#"http://a.example/"x"#),
        );
        check("1,,online", None);
        check("", None);
    }

    #[test]
    fn heads_name_a_field_url() {
        assert!(is_head(b"phish_id,url,phish_detail_url"));
        assert!(is_head(b"\"id\",\"URL\""));
        assert!(!is_head(b"url,http://a.example/"));
        assert!(!is_head(b"1,a.example"));
    }

    #[track_caller]
    fn check(line: &str, expected: Option<&str>) {
        assert_eq!(url(line.as_bytes()).as_deref(), expected.map(str::as_bytes));
    }
}
