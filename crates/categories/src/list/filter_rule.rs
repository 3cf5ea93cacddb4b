//! A line of a filter list for browsers, as far as it is about whole names.

use super::hosts_line;
use crate::report::LineFault;

/// Options after which a rule is still about a whole name.
const OPTIONS_KEPT: [&[u8]; 4] = [b"all", b"doc", b"document", b"important"];

/// A rule about a whole name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FilterRule<'a> {
    /// The name and its subdomains.
    Subtree(&'a [u8]),
    /// The name.
    Exact(&'a [u8]),
    /// A line of a hosts file.
    Hosts(&'a [u8]),
}

/// Returns whether a line is empty, a comment or the head of a list.
pub(super) fn is_comment(line: &[u8]) -> bool {
    // `##` and its like are rules about parts of pages; a comment has a blank.
    let is_remark = matches!(line, [b'#'] | [b'#', b' ' | b'\t', ..]);
    line.is_empty() || line.starts_with(b"!") || line.starts_with(b"[") || is_remark
}

impl<'a> FilterRule<'a> {
    pub(super) fn of(line: &'a [u8]) -> Result<Self, LineFault> {
        if line.starts_with(b"@@") {
            return Err(LineFault::Exception);
        }
        let Some(rest) = line.strip_prefix(b"||") else {
            return bare(line);
        };
        let end = rest.iter().position(|&b| b == b'^' || b == b'$');
        // `||host.example` is also the beginning of `host.example.org`.
        let end = end.ok_or(LineFault::Unsupported)?;
        let (name, options) = rest.split_at_checked(end).ok_or(LineFault::Unsupported)?;
        let options = options.strip_prefix(b"^").ok_or(LineFault::Unsupported)?;
        let options = options.strip_prefix(b"|").unwrap_or(options);
        let is_whole = match options.split_first() {
            None => true,
            Some((b'$', options)) => options
                .split(|&b| b == b',')
                .all(|option| OPTIONS_KEPT.contains(&option)),
            Some(_) => false,
        };
        let is_name = !name.iter().any(|b| matches!(b, b'*' | b'/' | b':' | b'|'));
        if is_whole && is_name {
            Ok(Self::Subtree(name))
        } else {
            Err(LineFault::Unsupported)
        }
    }
}

/// Reads a line without marks: a name, or a line of a hosts file.
fn bare(line: &[u8]) -> Result<FilterRule<'_>, LineFault> {
    if hosts_line::names(line).is_some() {
        return Ok(FilterRule::Hosts(line));
    }
    let is_plain =
        |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.') || !b.is_ascii();
    if line.iter().all(is_plain) {
        Ok(FilterRule::Exact(line))
    } else {
        Err(LineFault::Unsupported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_about_whole_names() {
        check("||a.example^", Ok(FilterRule::Subtree(b"a.example")));
        check("||a.example^|", Ok(FilterRule::Subtree(b"a.example")));
        check(
            "||a.example^$important",
            Ok(FilterRule::Subtree(b"a.example")),
        );
        check(
            "||a.example^$all,doc",
            Ok(FilterRule::Subtree(b"a.example")),
        );
        check("a.example", Ok(FilterRule::Exact(b"a.example")));
        check(
            "0.0.0.0 a.example",
            Ok(FilterRule::Hosts(b"0.0.0.0 a.example")),
        );
    }

    #[test]
    fn what_is_about_less_or_more_is_left_out() {
        for line in [
            "||a.example",
            "||a.example/path^",
            "||a.example^path",
            "||a.example^$third-party",
            "||a.example^$important,script",
            "||*.a.example^",
            "||a.example:8080^",
            "|http://a.example/",
            "/banner[0-9]+/",
            "a.example##.banner",
            "##.banner",
            "&ad=1",
            "*",
        ] {
            check(line, Err(LineFault::Unsupported));
        }
        check("@@||a.example^", Err(LineFault::Exception));
    }

    #[test]
    fn comments() {
        for line in ["", "! Title: x", "[Adblock Plus 2.0]", "# x", "#"] {
            assert!(is_comment(line.as_bytes()), "{line}");
        }
        assert!(!is_comment(b"##.banner"));
        assert!(!is_comment(b"||a.example^"));
    }

    #[track_caller]
    fn check(line: &str, expected: Result<FilterRule<'_>, LineFault>) {
        assert_eq!(FilterRule::of(line.as_bytes()), expected, "{line}");
    }
}
