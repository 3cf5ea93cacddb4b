//! Test files below directories.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Failure;

/// How a test file's name ends.
const ENDING: &str = ".test.yaml";

/// Folders below each other that are looked into.
const DEPTH_MAX: usize = 32;

/// Test files of one run.
const FILES_MAX: usize = 10_000;

/// Returns the files among `paths` and the test files below its directories, in order of names.
/// Names that begin with a dot are left alone, and links to directories are not followed.
pub(super) fn test_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        look(path, DEPTH_MAX, &mut files)?;
        if files.len() == before {
            let text = format!("no file `*{ENDING}` is below `{}`", path.display());
            return Err(Failure::Usage(text));
        }
    }
    let mut seen = std::collections::HashSet::new();
    files.retain(|file| seen.insert(file.clone()));
    Ok(files)
}

fn look(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let refused = |source| Failure::File {
        path: folder.to_owned(),
        hint: "a directory of tests must be readable",
        source: Box::new(source),
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        entries.push((entry.path(), entry.file_type().map_err(refused)?));
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (path, kind) in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            if depth == 0 {
                let text = format!("`{}` has more than {DEPTH_MAX} levels", folder.display());
                return Err(Failure::Usage(text));
            }
            look(&path, depth - 1, files)?;
        } else if name.ends_with(ENDING) {
            if files.len() == FILES_MAX {
                let text = format!("more than {FILES_MAX} test files; run fewer at once");
                return Err(Failure::Usage(text));
            }
            files.push(path);
        }
    }
    Ok(())
}
