//! Remarks as a person reads them: the line of the file, and what is meant on it.

use std::collections::HashMap;
use std::env;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use policy::written::FILE_LEN_MAX;
use policy::{Diagnostic, Place, Severity};

use crate::files::Files;

/// Characters of a line that are shown around what is meant.
const WIDTH_MAX: usize = 120;

/// Characters shown before what is meant on a long line.
const BEFORE_MAX: usize = 40;

/// Whether colours are understood where a text goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Paint {
    Plain,
    Colours,
}

impl Paint {
    /// Returns what standard error takes: colours on a terminal, and never with `NO_COLOR`.
    pub(crate) fn of_stderr() -> Self {
        let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        match std::io::stderr().is_terminal() && !set("NO_COLOR") && !dumb {
            true => Self::Colours,
            false => Self::Plain,
        }
    }

    fn wrap(self, severity: Severity, text: &str) -> String {
        let colour = match severity {
            Severity::Error => "1;31",
            Severity::Warning => "1;33",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Colours => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
        }
    }
}

/// Writes remarks to standard error, each with its line of the file.
pub(crate) fn print(remarks: &[Diagnostic]) {
    let paint = Paint::of_stderr();
    let mut texts = HashMap::new();
    for remark in remarks {
        let text = texts.entry(remark.file.as_str()).or_insert_with(|| {
            let path = Path::new(&remark.file);
            let len_max = FILE_LEN_MAX.max(policy::LIST_LEN_MAX);
            // Without its file a remark is still a remark.
            Files::Disk.text(path, len_max).unwrap_or_default()
        });
        let page = page(remark, text, paint);
        // Nobody is left to tell if standard error is closed.
        let _ = std::io::stderr().write_all(page.as_bytes());
    }
}

/// Returns a remark about the file with this text, with the line that it is about.
pub(crate) fn page(remark: &Diagnostic, text: &str, paint: Paint) -> String {
    let line = remark.to_string();
    let word = match remark.severity {
        Severity::Error => ": error: ",
        Severity::Warning => ": warning: ",
    };
    // The name of the file is the only thing before the word, and has no colon and space.
    let head = match line.split_once(word) {
        Some((before, after)) => {
            let word = word.trim_matches([':', ' ']);
            format!("{before}: {}: {after}\n", paint.wrap(remark.severity, word))
        }
        None => format!("{line}\n"),
    };
    let excerpt = remark
        .place
        .and_then(|place| excerpt(text, place, remark.severity, paint));
    head + &excerpt.unwrap_or_default()
}

/// Returns the line at `place` with carets under what starts there.
fn excerpt(text: &str, place: Place, severity: Severity, paint: Paint) -> Option<String> {
    let line = usize::try_from(place.line).ok()?.checked_sub(1)?;
    let skip = usize::try_from(place.column).ok()?.checked_sub(1)?;
    let line: Vec<char> = text.lines().nth(line)?.chars().map(shown).collect();
    let span = span(&line, skip)?;
    let start = match line.len() > WIDTH_MAX {
        true => skip.saturating_sub(BEFORE_MAX),
        false => 0,
    };
    let mut part: String = line.iter().skip(start).take(WIDTH_MAX).collect();
    if start > 0 {
        part.insert(0, '…');
    }
    if line.len() > start + WIDTH_MAX {
        part.push('…');
    }
    let indent = skip - start + usize::from(start > 0);
    let carets = "^".repeat(span.min(WIDTH_MAX - (skip - start)).max(1));
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    Some(format!(
        " {number} | {}\n {margin} | {}{}\n",
        part.trim_end(),
        " ".repeat(indent),
        paint.wrap(severity, &carets)
    ))
}

/// A tab is as wide as a space here, so that carets stand under what they mean.
fn shown(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Returns how many characters the value, key or mapping has that starts at `start`, as far as
/// it is on this line. At least one.
fn span(line: &[char], start: usize) -> Option<usize> {
    let rest = line.get(start..).filter(|rest| !rest.is_empty());
    let Some(rest) = rest else {
        // Behind the end of a line something is missing.
        return (start <= line.len()).then_some(1);
    };
    match rest {
        [quote @ ('"' | '\''), inner @ ..] => {
            let mut escaped = false;
            let end = inner.iter().position(|c| {
                let ends = c == quote && !escaped;
                escaped = *c == '\\' && !escaped && *quote == '"';
                ends
            });
            Some(end.map_or(rest.len(), |end| end + 2))
        }
        ['[' | '{', ..] => Some(bracketed(rest)),
        _ => Some(plain(rest, in_brackets(line, start))),
    }
}

/// Returns the length of a list or mapping in brackets, or 1 if it goes on after the line.
fn bracketed(rest: &[char]) -> usize {
    let mut depth = 0_usize;
    for (at, c) in rest.iter().enumerate() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' if depth == 1 => return at + 1,
            ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    1
}

/// Returns the length of a value without quotes.
fn plain(rest: &[char], in_brackets: bool) -> usize {
    let ends = |at: usize| match rest.get(at..) {
        Some([':', ' ' | '\t', ..] | [':'] | [' ', '#', ..]) => true,
        Some([',' | ']' | '}', ..]) => in_brackets,
        Some(_) | None => false,
    };
    let len = (0..rest.len()).find(|at| ends(*at)).unwrap_or(rest.len());
    let value = rest.get(..len).unwrap_or(rest);
    let spaces = value.iter().rev().take_while(|c| c.is_whitespace()).count();
    (len - spaces).max(1)
}

/// Returns whether `start` lies in a list or mapping in brackets. One that began on an earlier
/// line is known by its end, or by the comma that ends the line.
fn in_brackets(line: &[char], start: usize) -> bool {
    let opens = |c: &&char| matches!(c, '[' | '{');
    let closes = |c: &&char| matches!(c, ']' | '}');
    let before = line.get(..start).unwrap_or_default();
    let rest = line.get(start..).unwrap_or_default();
    let open = before.iter().filter(opens).count() > before.iter().filter(closes).count();
    let closed = rest.iter().filter(closes).count() > rest.iter().filter(opens).count();
    let last = rest.iter().rev().find(|c| !c.is_whitespace());
    open || closed || last == Some(&',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_under_what_is_meant() {
        for (line, start, expected) in [
            ("policy: famly", 8, "famly"),
            ("policy: famly # a comment", 8, "famly"),
            ("a: [scool, other]", 4, "scool"),
            ("  scool, other]", 2, "scool"),
            ("  scool,", 2, "scool"),
            ("a: [\"b, c\", d]", 4, "\"b, c\""),
            ("a: \"b \\\" c\" # d", 3, "\"b \\\" c\""),
            ("a: 'b' ", 3, "'b'"),
            ("a: {b: [c]} ", 3, "{b: [c]}"),
            ("a: [b,", 3, "["),
            ("acton: block", 0, "acton"),
            ("http://a.example/ # b", 0, "http://a.example/"),
            ("- http://a.example/x,y", 2, "http://a.example/x,y"),
            ("é: ü ö", 3, "ü ö"),
            ("a:", 0, "a"),
        ] {
            let chars: Vec<char> = line.chars().collect();
            let len = span(&chars, start).unwrap();
            let found: String = chars.iter().skip(start).take(len).collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn what_lies_behind_the_end_is_one_caret() {
        assert_eq!(span(&['a', ':'], 2), Some(1));
        assert_eq!(span(&['a', ':'], 3), None);
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}wrong{}", "a ".repeat(100), " b".repeat(100));
        let place = Place {
            line: 1,
            column: 201,
        };
        let shown = excerpt(&text, place, Severity::Error, Paint::Plain).unwrap();
        let lines: Vec<&str> = shown.lines().collect();
        let at = lines[1].chars().position(|c| c == '^').unwrap();
        let under: String = lines[0].chars().skip(at).take(5).collect();
        assert_eq!(under, "wrong");
        assert!(
            lines
                .iter()
                .all(|line| line.chars().count() < WIDTH_MAX + 10)
        );
    }

    #[test]
    fn colours_are_for_the_word_and_the_carets() {
        let remark = Diagnostic {
            file: "p.yaml".to_owned(),
            place: Some(Place { line: 1, column: 4 }),
            severity: Severity::Warning,
            text: "odd".to_owned(),
            warning: Some(policy::Warning::UnusedList),
        };
        expect_test::expect![[r#"
            p.yaml:1:4: warning: odd [unused_list]
             1 | a: b
               |    ^
        "#]]
        .assert_eq(&page(&remark, "a: b", Paint::Plain));
        assert_eq!(
            page(&remark, "a: b", Paint::Colours),
            "p.yaml:1:4: \u{1b}[1;33mwarning\u{1b}[0m: odd [unused_list]\n 1 | a: b\n   |    \
             \u{1b}[1;33m^\u{1b}[0m\n"
        );
        // The file may be gone by now.
        assert_eq!(
            page(&remark, "", Paint::Plain),
            "p.yaml:1:4: warning: odd [unused_list]\n"
        );
    }
}
