//! Expressions: POSIX as they are written, one set of Rust's as they are run.

use regex::bytes::{RegexSet, RegexSetBuilder};

/// Expressions of one database.
pub const EXPRESSIONS_MAX: usize = 4096;

/// Bytes that all compiled expressions may take.
const COMPILED_LEN_MAX: usize = 32 * 1024 * 1024;

/// Compiles expressions that are matched against host, path and query, in any case.
pub(crate) fn compile<'a>(
    expressions: impl Iterator<Item = &'a str>,
) -> Result<RegexSet, regex::Error> {
    RegexSetBuilder::new(expressions.map(as_rust_reads))
        .case_insensitive(true)
        .unicode(false)
        .size_limit(COMPILED_LEN_MAX)
        .build()
}

/// Rewrites the bracket expressions of POSIX, in which a backslash is a backslash and nothing
/// but `[:class:]` nests.
fn as_rust_reads(posix: &str) -> String {
    let mut out = String::with_capacity(posix.len());
    let mut rest = posix.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        match c {
            '\\' => out.extend(rest.next()),
            '[' => push_bracket(&mut out, &mut rest),
            _ => {}
        }
    }
    out
}

/// Copies a bracket expression from behind its opening.
fn push_bracket(out: &mut String, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    out.extend(rest.next_if_eq(&'^'));
    let mut first = true;
    while let Some(c) = rest.next() {
        match c {
            ']' if !first => {
                out.push(c);
                return;
            }
            '[' if rest.peek() == Some(&':') => {
                out.push(c);
                for c in rest.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            // Rust's own set notation, and what it escapes.
            '\\' | '[' | ']' | '&' | '~' => out.extend(['\\', c]),
            _ => out.push(c),
        }
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_read_as_posix_reads_them() {
        rewritten(r"[-\?+=/_]", r"[-\\?+=/_]");
        rewritten(r"[]a]", r"[\]a]");
        rewritten(r"[^]a]b", r"[^\]a]b");
        rewritten(r"[[:alpha:]_]", r"[[:alpha:]_]");
        rewritten(r"[a&&b~~c[]", r"[a\&\&b\~\~c\[]");
        rewritten(r"a\[b\.c", r"a\[b\.c");
        rewritten(r"^(a|b)+\.c{2,3}$", r"^(a|b)+\.c{2,3}$");
    }

    #[test]
    fn case_is_ignored() {
        let set = compile(["/Banner/"].into_iter()).unwrap();
        assert!(set.is_match(b"a.example/banner/"));
        assert!(set.is_match(b"a.example/BANNER/"));
    }

    #[test]
    fn what_explodes_is_refused() {
        assert!(compile(["((a{1000}){1000}){1000}"].into_iter()).is_err());
        assert!(compile(["("].into_iter()).is_err());
    }

    #[track_caller]
    fn rewritten(posix: &str, expected: &str) {
        assert_eq!(as_rust_reads(posix), expected);
        compile([posix].into_iter()).unwrap();
    }
}
