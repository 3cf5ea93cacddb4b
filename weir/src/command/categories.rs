//! `weir categories`: builds, queries, counts and compares category files.

use std::io::{self, Write};
use std::path::Path;

use categories::Database;
use service::exit;

use crate::cli::Categories;
use crate::load::{CategoriesError, category_source};
use crate::{Failure, excerpt};

mod build;
mod diff;
mod lookup;

/// What a path to categories must be.
const HINT: &str = "give a folder of lists, or a file from `weir categories build`";

/// How results are printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    /// For people, and for tools that read columns.
    Text,
    /// JSON, one object a line.
    Json,
}

/// Runs one of the commands.
pub(crate) fn run(command: &Categories, out: &mut dyn Write) -> Result<u8, Failure> {
    match command {
        Categories::Build(options) => build::run(options, out),
        Categories::Lookup(options) => lookup::run(options, out),
        Categories::Stats { file, json } => stats(&open(file)?, Form::of(*json), out),
        Categories::Diff(options) => diff::run(options, out),
    }
}

impl Form {
    fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

fn open(path: &Path) -> Result<Database, Failure> {
    let (database, remarks) = category_source(path).map_err(|source| unusable(path, source))?;
    excerpt::print(&remarks);
    Ok(database)
}

fn unusable(path: &Path, source: CategoriesError) -> Failure {
    Failure::File {
        path: path.to_owned(),
        hint: HINT,
        source: Box::new(source),
    }
}

/// Writes one object as a line.
fn json(out: &mut dyn Write, value: &serde_json::Value) -> io::Result<()> {
    writeln!(out, "{value}")
}

fn stats(database: &Database, form: Form, out: &mut dyn Write) -> Result<u8, Failure> {
    let stats = database.stats();
    match form {
        Form::Json => {
            let categories = stats.categories.iter().map(|it| {
                serde_json::json!({
                    "category": it.name, "domains": it.domains, "urls": it.urls,
                    "expressions": it.expressions,
                })
            });
            let categories: Vec<_> = categories.collect();
            json(
                out,
                &serde_json::json!({
                    "categories": categories, "domains": stats.domains, "urls": stats.urls,
                    "expressions": stats.expressions, "bytes": stats.bytes,
                    "tag": database.tag(),
                }),
            )?;
        }
        Form::Text => table(database, out)?,
    }
    Ok(exit::SUCCESS)
}

fn table(database: &Database, out: &mut dyn Write) -> io::Result<()> {
    let stats = database.stats();
    writeln!(out, "category\tdomains\turls\texpressions")?;
    for category in &stats.categories {
        writeln!(
            out,
            "{}\t{}\t{}\t{}",
            category.name, category.domains, category.urls, category.expressions
        )?;
    }
    writeln!(
        out,
        "total\t{}\t{}\t{}",
        stats.domains, stats.urls, stats.expressions
    )?;
    writeln!(out, "bytes\t{}", stats.bytes)?;
    writeln!(out, "tag\t{}", database.tag())
}

#[cfg(test)]
mod tests;
