//! Reads the files that others name: policies with their lists, and categories.

use std::path::Path;

use policy::written::{FILE_LEN_MAX, or, quote};
use policy::{Compiled, Diagnostic, Outline, PROFILES_SHOWN_MAX, Place, Severity, TestFile};

use crate::config::IcapServer;
use crate::failure::one_line;
use crate::files::{Files, beside};

mod categories;

pub(crate) use categories::remarks;
pub use categories::{
    CATEGORY_FILE_LEN_MAX, CategoriesError, OVERRIDES_LEN_MAX, categories, category_file,
    category_source, overridden, overrides,
};

/// Reads a configuration, policy or test file.
///
/// # Errors
///
/// Fails with a remark about the file if it cannot be read.
pub fn text(files: Files, path: &Path) -> Result<String, Diagnostic> {
    files
        .text(path, FILE_LEN_MAX)
        .map_err(|wrong| error(path, None, format!("cannot read the file: {wrong}")))
}

/// Makes the text of the policy file at `path` ready to decide with. Its lists are relative to it.
///
/// # Errors
///
/// Fails with everything that is wrong with the policy and its lists.
pub fn compile(files: Files, path: &Path, text: &str) -> Result<Compiled, Vec<Diagnostic>> {
    let list = |name: &str| files.text(&beside(path, name), policy::LIST_LEN_MAX);
    policy::compile(&path.display().to_string(), text, &list)
}

/// Reads the policy file at `path`.
///
/// # Errors
///
/// Fails with everything that is wrong with the policy and its lists.
pub fn policy(files: Files, path: &Path) -> Result<Compiled, Vec<Diagnostic>> {
    let text = text(files, path).map_err(|remark| vec![remark])?;
    compile(files, path, &text)
}

/// Reads what can decide in the policy file at `path`.
///
/// # Errors
///
/// Fails if the file cannot be read, or has not the shape of a policy file.
pub fn outline(files: Files, path: &Path) -> Result<Outline, Diagnostic> {
    let text = text(files, path)?;
    let list = |name: &str| files.text(&beside(path, name), policy::LIST_LEN_MAX);
    Outline::read(&path.display().to_string(), &text, &list)
}

/// Reads the policy that the test file at `path` names, and looks its profiles up.
///
/// # Errors
///
/// Fails with everything that is wrong with the policy, or if it lacks a profile.
pub fn tested_policy(
    files: Files,
    path: &Path,
    tests: &TestFile,
) -> Result<Compiled, Vec<Diagnostic>> {
    let policy_path = beside(path, &tests.policy);
    let text = files.text(&policy_path, FILE_LEN_MAX).map_err(|wrong| {
        let text = format!(
            "cannot read the policy file `{}`: {wrong}",
            policy_path.display()
        );
        vec![error(path, Some(tests.policy_place), text)]
    })?;
    let compiled = compile(files, &policy_path, &text)?;
    let named = tests.cases.iter().filter_map(|case| case.profile.as_ref());
    let unknown = named.filter(|name| compiled.set.profile(&name.text).is_none());
    let names: Vec<&str> = compiled
        .set
        .profiles()
        .iter()
        .take(PROFILES_SHOWN_MAX)
        .map(|profile| &*profile.name)
        .collect();
    let mut wrong: Vec<Diagnostic> = unknown
        .map(|name| {
            let text = format!(
                "no profile of `{}` is called `{}`; use {}",
                policy_path.display(),
                quote(&name.text),
                or(&names)
            );
            error(path, Some(name.place), text)
        })
        .collect();
    wrong.dedup();
    if wrong.is_empty() {
        Ok(compiled)
    } else {
        Err(wrong)
    }
}

/// Reads the files of an ICAP server's TLS listeners, to know whether they can be used.
///
/// # Errors
///
/// Fails with a remark about the configuration file at `path` if one cannot.
pub fn tls(path: &Path, server: &IcapServer) -> Result<(), Vec<Diagnostic>> {
    icap_server::check_tls(&server.config).map_err(|wrong| tls_remarks(path, &wrong))
}

/// Returns what is wrong with the files of TLS listeners.
#[must_use]
pub fn tls_remarks(path: &Path, wrong: &icap_server::TlsError) -> Vec<Diagnostic> {
    vec![error(path, Some(wrong.place), one_line(wrong))]
}

/// Returns an error about the file at `path`.
#[must_use]
pub fn error(path: &Path, place: Option<Place>, text: String) -> Diagnostic {
    let file = path.display().to_string();
    Diagnostic {
        file,
        place,
        severity: Severity::Error,
        text,
        warning: None,
    }
}
