//! Expressions: POSIX as they are written, one set of Rust's as they are run.

use std::iter::Peekable;
use std::str::Chars;

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

/// Rewrites an extended regular expression of POSIX, as glibc reads it, for Rust. They differ in
/// bracket expressions, in what a backslash makes of a letter, in `?` behind another repetition
/// (lazy in Rust, a repetition in POSIX), in `{,n}`, in a `)` that closes nothing, and in `(?`.
fn as_rust_reads(posix: &str) -> String {
    let mut writer = Writer {
        out: String::with_capacity(posix.len() * 2),
        rest: posix.chars().peekable(),
        opened: Vec::new(),
        atom: None,
        repeated: Repeated::Once,
    };
    while let Some(c) = writer.rest.next() {
        writer.push(c);
    }
    writer.out
}

struct Writer<'a> {
    out: String,
    rest: Peekable<Chars<'a>>,
    /// Where the groups that are still open begin.
    opened: Vec<usize>,
    /// Where begins what a repetition would repeat.
    atom: Option<usize>,
    repeated: Repeated,
}

/// Whether the last atom has a repetition already.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Repeated {
    Once,
    Already,
}

impl Writer<'_> {
    fn push(&mut self, c: char) {
        match c {
            '*' | '+' | '?' => self.repeat(&c.to_string()),
            '{' => self.interval(),
            '(' => {
                self.opened.push(self.out.len());
                self.out.push('(');
                // Rust's own groups begin with `(?`; POSIX has nothing to repeat there.
                if self.rest.next_if_eq(&'?').is_some() {
                    self.out.push_str("(*");
                }
                self.atom = None;
            }
            ')' => match self.opened.pop() {
                Some(start) => {
                    self.out.push(')');
                    self.is_atom(start);
                }
                None => self.literal(')'),
            },
            '|' | '^' => {
                self.out.push(c);
                self.atom = None;
                self.repeated = Repeated::Once;
            }
            '[' => {
                let start = self.out.len();
                push_bracket(&mut self.out, &mut self.rest);
                self.is_atom(start);
            }
            '\\' => self.escaped(),
            _ => {
                let start = self.out.len();
                self.out.push(c);
                self.is_atom(start);
            }
        }
    }

    fn is_atom(&mut self, start: usize) {
        self.atom = Some(start);
        self.repeated = Repeated::Once;
    }

    fn literal(&mut self, c: char) {
        let start = self.out.len();
        push_literal(&mut self.out, c);
        self.is_atom(start);
    }

    fn repeat(&mut self, repetition: &str) {
        if let (Some(atom), Repeated::Already) = (self.atom, self.repeated) {
            self.out.insert_str(atom, "(?:");
            self.out.push(')');
        }
        self.out.push_str(repetition);
        self.repeated = Repeated::Already;
    }

    /// Copies `{n,m}`; what is no interval is left for Rust to refuse.
    fn interval(&mut self) {
        let mut interval = String::from("{");
        if self.rest.peek() == Some(&',') {
            interval.push('0');
        }
        while let Some(c) = self.rest.next_if(|c| c.is_ascii_digit() || *c == ',') {
            interval.push(c);
        }
        interval.extend(self.rest.next_if_eq(&'}'));
        self.repeat(&interval);
    }

    fn escaped(&mut self) {
        let start = self.out.len();
        match self.rest.next() {
            // What glibc adds to POSIX, and Rust has too.
            Some(c @ ('w' | 'W' | 's' | 'S' | 'b' | 'B' | '<' | '>' | '1'..='9')) => {
                self.out.extend(['\\', c]);
                self.is_atom(start);
            }
            Some('`') => self.out.push_str("\\A"),
            Some('\'') => self.out.push_str("\\z"),
            Some(c) => self.literal(c),
            None => self.out.push('\\'),
        }
    }
}

/// Copies a bracket expression from behind its opening. In it a backslash is a backslash, and
/// nothing nests but `[:class:]`, `[.x.]` and `[=x=]`.
fn push_bracket(out: &mut String, rest: &mut Peekable<Chars<'_>>) {
    out.push('[');
    out.extend(rest.next_if_eq(&'^'));
    let mut first = true;
    while let Some(c) = rest.next() {
        match c {
            ']' if !first => {
                out.push(']');
                return;
            }
            '[' if rest.peek() == Some(&':') => {
                out.push('[');
                for c in rest.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '[' if matches!(rest.peek(), Some('.' | '=')) => {
                let mark = rest.next();
                out.extend(rest.next().map(literal).unwrap_or_default());
                // More than one character is an element that no locale here has; a range that
                // ends before it begins is refused.
                if rest.next() != mark || rest.next() != Some(']') {
                    out.push_str("z-a");
                }
            }
            // Between two ends it makes a range; at the beginning or the end it is itself.
            '-' if !first && rest.peek() != Some(&']') => {
                out.push('-');
                if let Some(end) = rest.next_if(|c| *c != '[') {
                    push_literal(out, end);
                }
            }
            _ => push_literal(out, c),
        }
        first = false;
    }
}

fn push_literal(out: &mut String, c: char) {
    out.extend(literal(c));
}

/// Returns what means one character in Rust, in brackets and outside.
fn literal(c: char) -> Vec<char> {
    match c {
        '<' | '>' | '`' | '\'' => vec![c],
        _ if c.is_ascii_punctuation() => vec!['\\', c],
        _ => vec![c],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_read_as_posix_reads_them() {
        matches(
            r"^[-\?+=/_]$",
            &["-", r"\", "?", "+", "=", "/", "_"],
            &["a", "", ",", "."],
        );
        matches(r"^[]a]$", &["]", "a"], &["[", "]a"]);
        matches(r"^[^]a]b$", &["xb"], &["]b", "ab"]);
        matches(r"^[[:alpha:]_]$", &["q", "_"], &[":", "1"]);
        matches(
            r"^[a&&b~~c[]$",
            &["a", "&", "b", "~", "c", "["],
            &["d", "]"],
        );
        matches(r"^[--/]$", &["-", ".", "/"], &["0", ","]);
        matches(r"^[+--]$", &["+", ",", "-"], &["*", "."]);
        matches(r"^[a-c-]$", &["a", "b", "-"], &["d"]);
        matches(r"^[[.-.]a[=b=]]$", &["-", "a", "b"], &[".", "="]);
        matches(r"a\[b\.c", &["xa[b.cx"], &["a[bxc"]);
        matches(r"^(a|b)+\.c{2,3}$", &["abb.ccc"], &["ab.c", ".cc"]);
    }

    #[test]
    fn letters_behind_a_backslash_are_letters() {
        matches(r"^\d\n\t\x$", &["dntx"], &["1"]);
        matches(r"^\w\s\W$", &["a -"], &["w s"]);
        matches(r"\<ad\>", &["x ad y", "ad"], &["bad", "add"]);
        matches(r"^\*\+\?\{\(\)\|$", &["*+?{()|"], &["a"]);
    }

    #[test]
    fn a_question_mark_behind_a_repetition_repeats_it() {
        matches("^a+?$", &["", "a", "aa"], &["b"]);
        matches("^(ab){2}?$", &["", "abab"], &["ab"]);
        matches("^xa*?$", &["x", "xaa"], &["y"]);
        matches("^[ab]{,2}c$", &["c", "ac", "abc"], &["abac"]);
        matches("^a{2}{2}$", &["aaaa"], &["aa", "aaa"]);
    }

    #[test]
    fn a_lone_closing_parenthesis_is_itself() {
        matches("^a)$", &["a)"], &["a"]);
        matches("^(a)b)$", &["ab)"], &["ab"]);
    }

    #[test]
    fn case_is_ignored() {
        matches(
            "/Banner/",
            &["a.example/banner/", "a.example/BANNER/"],
            &["banner"],
        );
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        for posix in [
            "((a{1000}){1000}){1000}",
            "(",
            "[a",
            "a{x",
            "(?i)a",
            "(?:a)",
            r"(a)\1",
            r"a\",
            "[[.ch.]]",
            "[b-a]",
        ] {
            assert!(compile([posix].into_iter()).is_err(), "{posix}");
        }
    }

    #[track_caller]
    fn matches(posix: &str, good: &[&str], bad: &[&str]) {
        let set = compile([posix].into_iter()).unwrap();
        for text in good {
            assert!(set.is_match(text.as_bytes()), "{posix} and {text:?}");
        }
        for text in bad {
            assert!(!set.is_match(text.as_bytes()), "{posix} and {text:?}");
        }
    }
}
