use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;

/// Returns an error and its causes as the lines that people read: `error: …`, then one
/// `  because: …` a cause. Further lines of a text are indented below its first.
#[must_use]
pub fn describe(error: &(dyn Error + 'static)) -> String {
    let mut lines = String::new();
    let mut next = Some(error);
    let mut lead = "error: ";
    while let Some(error) = next {
        let indented = format!("\n{:width$}", "", width = lead.len());
        let text = error.to_string().replace('\n', &indented);
        // Writing to a `String` cannot fail.
        let _ = writeln!(lines, "{lead}{text}");
        lead = "  because: ";
        next = error.source();
    }
    lines
}

/// Writes an error and its causes to standard error.
pub fn report(error: &(dyn Error + 'static)) {
    // Nobody is left to tell if standard error is closed.
    let _ = std::io::stderr().write_all(describe(error).as_bytes());
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot start")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("first line\nsecond line")]
    struct Inner(#[source] std::io::Error);

    #[test]
    fn each_cause_has_its_line() {
        let cause = std::io::Error::other("address in use");
        expect![[r"
            error: cannot start
              because: first line
                       second line
              because: address in use
        "]]
        .assert_eq(&describe(&Outer(Inner(cause))));
    }
}
