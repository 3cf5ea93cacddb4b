//! `weir categories build`: lists to one file, which is looked at before it takes its place.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use categories::{BAD_PERCENT_MAX, Compiled, Database, Sample, Stats};
use policy::{Diagnostic, Severity};
use service::exit;

use super::{Form, json};
use crate::cli::Build;
use crate::files::sync_folder_of;
use crate::import::{self, Canary, Imported, Progress, Sources, import};
use crate::load::{CategoriesError, category_source, error, remarks};
use crate::{Failure, excerpt, failure};

/// Rules that are looked up in the new file before it takes its place.
const SAMPLES: usize = 1_000;

/// Rules of a category that must be left of those before, in percent.
const LEFT_PERCENT_MIN: u64 = 90;

/// What to do about a path that lists cannot be read from.
const HINT: &str = "give a folder or a tar file of lists in squidGuard's layout, or a file of \
                    sources (docs/CATEGORIES.md)";

pub(super) fn run(options: &Build, out: &mut dyn Write) -> Result<u8, Failure> {
    let sources = Sources::of(&options.source).map_err(Failure::Configuration)?;
    let mut progress = Progress::on_terminal();
    let built = build(options, &sources, &mut progress);
    progress.end();
    let (database, told) = built?;
    report(options, &database, &told, out)?;
    Ok(exit::SUCCESS)
}

/// What is told of the lists when the rules themselves are gone.
struct Told {
    lists: usize,
    bad: usize,
    left_out: usize,
    white: Vec<String>,
}

fn build(
    options: &Build,
    sources: &Sources,
    progress: &mut Progress,
) -> Result<(Database, Told), Failure> {
    let imported = import(sources, progress).map_err(|source| Failure::File {
        path: options.source.clone(),
        hint: HINT,
        source: Box::new(source),
    })?;
    progress.end();
    let Imported {
        builder,
        reports,
        white,
        lists,
    } = imported;
    let mut told = Told {
        lists,
        bad: 0,
        left_out: 0,
        white,
    };
    let mut refused = Vec::new();
    for (name, report) in reports {
        told.bad += report.bad;
        told.left_out += report.left_out;
        if report.is_mostly_something_else() && !options.allow_bad {
            let text = format!(
                "{} of {} lines are bad, more than {BAD_PERCENT_MAX} %; is it of another format? \
                 --allow-bad builds without them",
                report.bad, report.rules
            );
            refused.push(error(Path::new(&name), None, text));
        }
        excerpt::print(&remarks(&name, report));
    }
    if !refused.is_empty() {
        return Err(Failure::Configuration(refused));
    }
    let samples = builder.samples(SAMPLES);
    progress.step("compiling");
    let compiled = builder
        .compile_on(import::threads())
        .map_err(|cause| Failure::File {
            path: options.source.clone(),
            hint: HINT,
            source: Box::new(cause),
        })?;
    progress.step("writing");
    let draft = Draft::write(&options.output, &compiled)?;
    drop(compiled);
    progress.step("looking at what was written");
    let database = draft.read()?;
    let mut faults = faults(&options.output, &database, &samples, &sources.canaries);
    if !options.force {
        faults.extend(shrunk(&options.output, &database));
    }
    if !faults.is_empty() {
        return Err(Failure::Configuration(faults));
    }
    draft.publish()?;
    Ok((database, told))
}

/// A file beside the one that it will replace. It goes when it is not published.
struct Draft<'a> {
    path: &'a Path,
    draft: std::path::PathBuf,
}

impl<'a> Draft<'a> {
    fn write(path: &'a Path, compiled: &Compiled) -> Result<Self, Failure> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let draft = Self {
            path,
            draft: path.with_file_name(name),
        };
        let written = File::create(&draft.draft).and_then(|mut file| {
            for chunk in compiled.chunks() {
                file.write_all(chunk)?;
            }
            file.sync_all()
        });
        written.map_err(|source| draft.failed(source))?;
        Ok(draft)
    }

    fn read(&self) -> Result<Database, Failure> {
        let read = category_source(&self.draft);
        let (database, _) =
            read.map_err(|cause: CategoriesError| self.failed(io::Error::other(cause)))?;
        Ok(database)
    }

    /// Puts the whole file in the place of the one before, so that nobody ever reads half of it,
    /// and the folder on the disk, so that the name outlives a loss of power.
    fn publish(self) -> Result<(), Failure> {
        let published = fs::rename(&self.draft, self.path).and_then(|()| sync_folder_of(self.path));
        published.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Failure {
        Failure::Write {
            path: self.path.to_owned(),
            source,
        }
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        // It is gone where it was published, and was never there where it could not be made.
        let _ = fs::remove_file(&self.draft);
    }
}

/// Returns what the new file answers otherwise than its rules and canaries say.
fn faults(
    path: &Path,
    database: &Database,
    samples: &[Sample],
    canaries: &[Canary],
) -> Vec<Diagnostic> {
    let lost = samples.iter().find(|sample| {
        let found = database.lookup_uri(&sample.uri);
        !found.categories().any(|name| name == sample.category)
    });
    let lost = lost.map(|sample| {
        let text = format!(
            "`{}` has lost its category `{}` in the new file; this is a fault of the program, please \
             report it",
            sample.uri, sample.category
        );
        error(path, None, text)
    });
    let canaries = canaries.iter().filter_map(|canary| {
        let found: Vec<&str> = database.lookup_uri(&canary.uri).categories().collect();
        let is_good = match canary.categories.is_empty() {
            true => found.is_empty(),
            false => canary
                .categories
                .iter()
                .all(|name| found.contains(&name.as_str())),
        };
        (!is_good).then(|| {
            let text = format!(
                "the canary `{}` has {} and not {}; look at the lists, or correct the canary",
                canary.uri,
                named(&found),
                named(&canary.categories)
            );
            error(path, None, text)
        })
    });
    lost.into_iter().chain(canaries).collect()
}

fn named(names: &[impl AsRef<str>]) -> String {
    if names.is_empty() {
        return "no category".to_owned();
    }
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    names.join(", ")
}

/// Returns the categories that lost too much of what they had in the file before.
fn shrunk(path: &Path, database: &Database) -> Vec<Diagnostic> {
    if !path.exists() {
        return Vec::new();
    }
    let before = match category_source(path) {
        Ok((before, _)) => before,
        Err(cause) => {
            // Nothing to compare with: a file of another release, or a damaged one.
            let text = format!(
                "the file before cannot be compared with: {}",
                failure::one_line(&cause)
            );
            let mut remark = error(path, None, text);
            remark.severity = Severity::Warning;
            excerpt::print(&[remark]);
            return Vec::new();
        }
    };
    let lost = lost(before.stats(), database.stats());
    lost.into_iter()
        .map(|(name, before, after)| {
            let text = format!(
                "the category `{name}` has {after} rules and had {before}; less than \
                 {LEFT_PERCENT_MIN} % are left. Look at its lists; --force replaces the file all the \
                 same"
            );
            error(path, None, text)
        })
        .collect()
}

/// Returns the categories with fewer than [`LEFT_PERCENT_MIN`] percent of their rules left, with
/// both counts.
fn lost(before: &Stats, after: &Stats) -> Vec<(String, u64, u64)> {
    let rules = |stats: &Stats, name: &str| {
        let category = stats.categories.iter().find(|it| it.name == name);
        category.map_or(0, |it| it.domains + it.urls + it.expressions)
    };
    let names = before.categories.iter().map(|it| it.name.clone());
    let counts = names.map(|name| {
        let counts = (rules(before, &name), rules(after, &name));
        (name, counts.0, counts.1)
    });
    counts
        .filter(|(_, before, after)| after * 100 < before * LEFT_PERCENT_MIN)
        .collect()
}

fn report(
    options: &Build,
    database: &Database,
    told: &Told,
    out: &mut dyn Write,
) -> io::Result<()> {
    let stats = database.stats();
    match Form::of(options.json) {
        Form::Json => json(
            out,
            &serde_json::json!({
                "file": options.output.display().to_string(), "lists": told.lists,
                "bad": told.bad, "left_out": told.left_out, "white": told.white,
                "categories": stats.categories.len(), "domains": stats.domains,
                "urls": stats.urls, "expressions": stats.expressions, "bytes": stats.bytes,
                "tag": database.tag(),
            }),
        ),
        Form::Text => {
            for category in &told.white {
                writeln!(out, "{category}: a list of what to pass, by its `usage`")?;
            }
            writeln!(
                out,
                "{}: {} categories, {} domains, {} urls, {} expressions, {} bytes; {} lists, {} bad lines, {} left out",
                options.output.display(),
                stats.categories.len(),
                stats.domains,
                stats.urls,
                stats.expressions,
                stats.bytes,
                told.lists,
                told.bad,
                told.left_out,
            )
        }
    }
}

#[cfg(test)]
mod tests;
