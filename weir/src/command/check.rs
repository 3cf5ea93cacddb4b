//! `weir check`: reads files as a start would, and tells all that is wrong.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use policy::{Diagnostic, FileKind, Severity, TestFile};
use service::exit;

use crate::failure::one_line;
use crate::files::Files;
use crate::{Failure, config, failure, load};

/// Reads every file, writes what is wrong to standard error and one line for each file to `out`.
pub(crate) fn run(paths: &[PathBuf], out: &mut dyn Write) -> Result<u8, Failure> {
    let mut told = HashSet::new();
    let mut usable = true;
    for path in paths {
        let (kind, remarks) = examine(path);
        let errors = count(&remarks, Severity::Error);
        let warnings = count(&remarks, Severity::Warning);
        usable &= errors == 0;
        // A policy may be given by itself and be named by a configuration too.
        let fresh = remarks.into_iter().filter(|it| told.insert(it.to_string()));
        failure::print(&fresh.collect::<Vec<Diagnostic>>());
        writeln!(
            out,
            "{}: {kind}, {}",
            path.display(),
            verdict(errors, warnings)
        )?;
    }
    Ok(if usable {
        exit::SUCCESS
    } else {
        exit::CONFIGURATION
    })
}

/// Reads one file as what its keys say it is. Returns what that is, and the remarks.
pub(crate) fn examine(path: &Path) -> (&'static str, Vec<Diagnostic>) {
    let text = match load::text(Files::Disk, path) {
        Ok(text) => text,
        Err(remark) => return ("unreadable", vec![remark]),
    };
    match FileKind::of(&text) {
        Some(FileKind::Config) => ("configuration", examine_config(path)),
        Some(FileKind::Policy) => {
            let compiled = load::compile(Files::Disk, path, &text);
            (
                "policy",
                compiled.map_or_else(|remarks| remarks, |compiled| compiled.warnings),
            )
        }
        Some(FileKind::Test) => ("tests", examine_tests(path, &text)),
        None => ("unknown", vec![unknown(path)]),
    }
}

fn examine_config(path: &Path) -> Vec<Diagnostic> {
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
    if let Some(server) = &loaded.config.icap_server {
        if let Err(errors) = load::tls(path, server) {
            remarks.extend(errors);
        }
        match load::categories(Files::Disk, path, server) {
            Ok((_, warnings)) => remarks.extend(warnings),
            Err(errors) => remarks.extend(errors),
        }
    }
    remarks
}

fn examine_tests(path: &Path, text: &str) -> Vec<Diagnostic> {
    let tests = match TestFile::parse(&path.display().to_string(), text) {
        Ok(tests) => tests,
        Err(remarks) => return remarks,
    };
    match load::tested_policy(Files::Disk, path, &tests) {
        Ok(compiled) => compiled.warnings,
        Err(remarks) => remarks,
    }
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
