use std::fmt;

use crate::Warning;
use crate::written::visible;

/// Characters of a remark that are shown. What is quoted in it may be as long as its file.
const TEXT_LEN_MAX: usize = 2_000;

/// Where in a file, counted from one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
}

/// Whether the file can be used all the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is used.
    Warning,
}

/// One remark about a file, for the person who wrote it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// The file as named by the caller.
    pub file: String,
    /// Where, if the reader knows.
    pub place: Option<Place>,
    /// Whether the file can be used all the same.
    pub severity: Severity,
    /// What was found, and what is accepted.
    pub text: String,
    /// Which kind of warning it is, by which it can be silenced.
    pub warning: Option<Warning>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Writes one line, whatever is quoted in it.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&visible(&self.file))?;
        if let Some(place) = self.place {
            write!(f, ":{place}")?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let shown: String = self.text.chars().take(TEXT_LEN_MAX).collect();
        write!(f, ": {severity}: {}", visible(&shown))?;
        if shown.len() < self.text.len() {
            f.write_str("…")?;
        }
        match self.warning {
            Some(warning) => write!(f, " [{}]", warning.as_str()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_is_one_line_of_bounded_length() {
        check("`a\n\u{1b}b` is wrong", "`a\\n\\u{1b}b` is wrong");
        check(&"é".repeat(TEXT_LEN_MAX), &"é".repeat(TEXT_LEN_MAX));
        let cut = format!("{}…", "é".repeat(TEXT_LEN_MAX));
        check(&"é".repeat(TEXT_LEN_MAX + 1), &cut);
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let remark = Diagnostic {
            file: "a\rb.yaml".to_owned(),
            place: Some(Place { line: 2, column: 3 }),
            severity: Severity::Error,
            text: text.to_owned(),
            warning: None,
        };
        assert_eq!(
            remark.to_string(),
            format!("a\\rb.yaml:2:3: error: {expected}")
        );
    }
}
