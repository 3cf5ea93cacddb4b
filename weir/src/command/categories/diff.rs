//! `weir categories diff`: what differs between two databases.

use std::io::{self, Write};

use categories::{CategoryChange, Change, Listed};
use service::exit;

use super::{Form, json, open};
use crate::Failure;
use crate::cli::Diff;

pub(super) fn run(options: &Diff, out: &mut dyn Write) -> Result<u8, Failure> {
    let (old, new) = (open(&options.old)?, open(&options.new)?);
    let form = Form::of(options.json);
    let mut out = io::BufWriter::new(out);
    // A look-up tells every rule; writing may fail before the last one.
    let mut written = Ok(());
    let counts = old.diff(&new, &mut |change| {
        if !options.summary && written.is_ok() {
            written = rule(&change, form, &mut out);
        }
    });
    written?;
    for count in counts {
        category(&count, form, &mut out)?;
    }
    out.flush()?;
    Ok(exit::SUCCESS)
}

/// Writes one rule: `+` came, `-` went, `~` has other categories.
fn rule(change: &Change<'_>, form: Form, out: &mut dyn Write) -> io::Result<()> {
    let word = match (&change.old, &change.new) {
        (None, _) => ("+", "added"),
        (Some(_), None) => ("-", "removed"),
        (Some(_), Some(_)) => ("~", "moved"),
    };
    if form == Form::Json {
        let listed = |listed: &Option<Listed<'_>>| {
            listed
                .as_ref()
                .map(|it| serde_json::json!({"categories": it.categories, "below": it.below}))
        };
        let (old, new) = (listed(&change.old), listed(&change.new));
        return json(
            out,
            &serde_json::json!({"change": word.1, "rule": change.rule, "old": old, "new": new}),
        );
    }
    write!(out, "{} {}", word.0, change.rule)?;
    for listed in [&change.old, &change.new].into_iter().flatten() {
        write!(out, "\t{}", text(listed))?;
    }
    writeln!(out)
}

/// Names categories, and those of what is below where they are others.
fn text(listed: &Listed<'_>) -> String {
    let named = |names: &[&str]| match names.is_empty() {
        true => "-".to_owned(),
        false => names.join(","),
    };
    match listed.below == listed.categories {
        true => named(&listed.categories),
        false => format!(
            "{} (below: {})",
            named(&listed.categories),
            named(&listed.below)
        ),
    }
}

fn category(count: &CategoryChange, form: Form, out: &mut dyn Write) -> io::Result<()> {
    let CategoryChange {
        name,
        old,
        new,
        added,
        removed,
    } = count;
    match form {
        Form::Json => json(
            out,
            &serde_json::json!({
                "category": name, "old": old, "new": new, "added": added, "removed": removed,
            }),
        ),
        Form::Text => writeln!(
            out,
            "{name}: {old} to {new}, {added} added, {removed} removed"
        ),
    }
}
