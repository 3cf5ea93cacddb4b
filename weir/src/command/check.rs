//! `weir check`: reads files as a start would, and tells all that is wrong.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::path::Path;

use policy::written::visible;
use policy::{Diagnostic, FileKind, Severity, TestFile};
use service::exit;

use crate::cli::{Check, Schema};
use crate::failure::one_line;
use crate::files::{Files, beside};
use crate::{Failure, config, excerpt, load};

mod beyond;

use beyond::Known;

/// The schemas, as they are published.
const POLICY_SCHEMA: &str = include_str!("../../../docs/schema/policy.json");
const TEST_SCHEMA: &str = include_str!("../../../docs/schema/test.json");
const CONFIG_SCHEMA: &str = include_str!("../../../docs/schema/config.json");

/// Reads every file, writes what is wrong to standard error and one line for each file to `out`.
pub(crate) fn run(options: &Check, out: &mut dyn Write) -> Result<u8, Failure> {
    if let Some(schema) = options.schema {
        out.write_all(text_of(schema).as_bytes())?;
        return Ok(exit::SUCCESS);
    }
    let known = options.categories.as_deref().map(Known::read);
    let known = known.transpose()?;
    let mut told = HashSet::new();
    let mut usable = true;
    for path in &options.files {
        let (kind, mut remarks) = examine(path, known.as_ref());
        let allowed = |remark: &Diagnostic| {
            let warning = remark.warning.as_ref();
            warning.is_some_and(|it| options.allow.contains(it))
        };
        remarks.retain(|remark| !allowed(remark));
        let errors = count(&remarks, Severity::Error);
        let warnings = count(&remarks, Severity::Warning);
        usable &= errors == 0 && (warnings == 0 || !options.deny_warnings);
        // A policy may be given by itself and be named by a configuration too.
        let fresh = remarks.into_iter().filter(|it| told.insert(it.to_string()));
        excerpt::print(&fresh.collect::<Vec<Diagnostic>>());
        let verdict = verdict(errors, warnings);
        let name = visible(&path.display().to_string());
        writeln!(out, "{name}: {kind}, {verdict}")?;
    }
    Ok(if usable {
        exit::SUCCESS
    } else {
        exit::CONFIGURATION
    })
}

/// Returns the JSON Schema of a kind of file.
pub(crate) fn text_of(schema: Schema) -> &'static str {
    match schema {
        Schema::Policy => POLICY_SCHEMA,
        Schema::Test => TEST_SCHEMA,
        Schema::Config => CONFIG_SCHEMA,
    }
}

/// Reads one file as what its keys say it is. Returns what that is, and the remarks.
pub(crate) fn examine(path: &Path, known: Option<&Known>) -> (&'static str, Vec<Diagnostic>) {
    let text = match load::text(Files::Disk, path) {
        Ok(text) => text,
        Err(remark) => return ("unreadable", vec![remark]),
    };
    match FileKind::of(&text) {
        Some(FileKind::Config) => ("configuration", examine_config(path, &text, known)),
        Some(FileKind::Policy) => ("policy", examine_policy(path, &text, known)),
        Some(FileKind::Test) => ("tests", examine_tests(path, &text, known)),
        None => ("unknown", vec![unknown(path)]),
    }
}

fn examine_policy(path: &Path, text: &str, known: Option<&Known>) -> Vec<Diagnostic> {
    let compiled = match load::compile(Files::Disk, path, text) {
        Ok(compiled) => compiled,
        Err(remarks) => return remarks,
    };
    let mut remarks = compiled.warnings;
    if let (Some(known), Ok(outline)) = (known, load::outline(Files::Disk, path)) {
        let found = known.unknown_in(&outline);
        remarks.extend(without(found, &compiled.allowed));
    }
    remarks
}

fn examine_config(path: &Path, text: &str, known: Option<&Known>) -> Vec<Diagnostic> {
    let loaded = match config::load(Files::Disk, path) {
        Ok(loaded) => loaded,
        Err(remarks) => return remarks,
    };
    let mut remarks = loaded.warnings;
    let icap = loaded
        .config
        .proxy
        .as_ref()
        .and_then(|proxy| proxy.icap.as_ref());
    if let Some(Err(wrong)) = icap.map(proxy::check_icap_tls) {
        remarks.push(load::error(path, None, one_line(&wrong)));
    }
    let mut own = None;
    if let Some(server) = &loaded.config.icap_server {
        if let Err(errors) = load::tls(path, server) {
            remarks.extend(errors);
        }
        let source = &server.categories;
        // What is fetched at the first start is not there before.
        if source.pull.is_none() || source.path.exists() {
            match load::categories(Files::Disk, path, server) {
                Ok((database, warnings)) => {
                    remarks.extend(warnings);
                    own = Some(Known::of(&database));
                }
                Err(errors) => remarks.extend(errors),
            }
        }
    }
    let file = policy::written::read::<config::file::File>("", text);
    let written = file.ok().and_then(|file| file.policy);
    let Some(policy_path) = written.map(|written| beside(path, &written.text)) else {
        return remarks;
    };
    let compiled = load::policy(Files::Disk, &policy_path);
    let outline = load::outline(Files::Disk, &policy_path);
    if let (Ok(compiled), Ok(outline)) = (compiled, outline) {
        let mut found = beyond::unselected(&loaded.config, &compiled.set, &outline);
        if let Some(known) = known.or(own.as_ref()) {
            found.extend(known.unknown_in(&outline));
        }
        remarks.extend(without(found, &compiled.allowed));
    }
    remarks
}

fn examine_tests(path: &Path, text: &str, known: Option<&Known>) -> Vec<Diagnostic> {
    let name = path.display().to_string();
    let tests = match TestFile::parse(&name, text) {
        Ok(tests) => tests,
        Err(remarks) => return remarks,
    };
    let compiled = match load::tested_policy(Files::Disk, path, &tests) {
        Ok(compiled) => compiled,
        Err(remarks) => return remarks,
    };
    let mut remarks = compiled.warnings;
    let outline = load::outline(Files::Disk, &beside(path, &tests.policy));
    if let (Some(known), Ok(outline)) = (known, outline) {
        let found = known.unknown_in_tests(&name, &tests, &outline);
        remarks.extend(without(found, &compiled.allowed));
    }
    remarks
}

/// Leaves out what the policy silences.
fn without(
    remarks: Vec<Diagnostic>,
    allowed: &BTreeSet<policy::Warning>,
) -> impl Iterator<Item = Diagnostic> {
    let silenced = |remark: &Diagnostic| remark.warning.is_some_and(|it| allowed.contains(&it));
    remarks.into_iter().filter(move |remark| !silenced(remark))
}

fn unknown(path: &Path) -> Diagnostic {
    let text = "none of its keys is known; a configuration has `proxy` or `icap_server`, a policy \
                file `profiles`, a test file `cases`";
    load::error(path, None, text.to_owned())
}

fn count(remarks: &[Diagnostic], severity: Severity) -> usize {
    remarks
        .iter()
        .filter(|remark| remark.severity == severity)
        .count()
}

fn verdict(errors: usize, warnings: usize) -> String {
    let plural = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        many => format!("{many} {word}s"),
    };
    match (errors, warnings) {
        (0, 0) => "good".to_owned(),
        (0, warnings) => format!("good, {}", plural(warnings, "warning")),
        (errors, 0) => plural(errors, "error"),
        (errors, warnings) => {
            format!(
                "{}, {}",
                plural(errors, "error"),
                plural(warnings, "warning")
            )
        }
    }
}

#[cfg(test)]
mod tests;
