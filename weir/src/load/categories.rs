//! Categories: a folder of lists in the layout of squidGuard, or a built file.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use categories::{BuildError, Builder, Database, InvalidDatabase, ListKind, Overrides, Report};
use policy::{Diagnostic, Place, Severity, Warning};

use super::error;
use crate::config::IcapServer;
use crate::failure::one_line;
use crate::files::Files;
use crate::import::{ImportError, Progress, Sources, import};

/// Bytes of a file of overrides.
pub const OVERRIDES_LEN_MAX: usize = 16 * 1024 * 1024;

/// Bytes of a built file at most.
pub const CATEGORY_FILE_LEN_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Bytes that are asked for to read a file into, at least: over 32 MiB glibc's allocator makes a
/// mapping of its own and gives it back when it is freed. A smaller one may come from a heap, of
/// which as much stays in use for ever as a replaced file had. What is not written takes no memory.
const ROOM_LEN_MIN: usize = 33 * 1024 * 1024;

/// The bundled files of a category, by name.
const KINDS: [(&str, ListKind); 3] = [
    ("domains", ListKind::Domains),
    ("urls", ListKind::Urls),
    ("expressions", ListKind::Expressions),
];

/// Why there are no categories.
#[derive(Debug, thiserror::Error)]
pub enum CategoriesError {
    /// A file cannot be read.
    #[error("cannot read `{0}`")]
    Read(PathBuf, #[source] io::Error),
    /// Over [`CATEGORY_FILE_LEN_MAX`].
    #[error("`{0}` has more than {CATEGORY_FILE_LEN_MAX} bytes; use at most so many")]
    TooLong(PathBuf),
    /// The lists cannot be read.
    #[error("cannot use the lists of `{0}`")]
    Import(PathBuf, #[source] ImportError),
    /// The lists, or overrides, do not fit.
    #[error("cannot compile the lists of `{0}`")]
    Build(PathBuf, #[source] BuildError),
    /// The file is none that was built.
    #[error("cannot use `{0}`")]
    Invalid(PathBuf, #[source] InvalidDatabase),
}

/// Reads the categories of an ICAP server, with remarks about lines that are no rules.
///
/// # Errors
///
/// Fails with a remark about the configuration file at `path` if there are no categories.
pub fn categories(
    files: Files,
    path: &Path,
    server: &IcapServer,
) -> Result<(Database, Vec<Diagnostic>), Vec<Diagnostic>> {
    let source = &server.categories;
    let read = match files {
        Files::Disk => category_source(&source.path),
        Files::Bundled(files) => bundled(&source.path, files),
    };
    let (database, mut remarks) =
        read.map_err(|cause| vec![error(path, Some(source.place), one_line(&cause))])?;
    let (database, more) = overrides(files, path, server, database)?;
    remarks.extend(more);
    Ok((database, remarks))
}

/// Puts the overrides of an ICAP server on a database, with remarks about lines that are none.
///
/// # Errors
///
/// Fails with a remark about the configuration file at `path` if they cannot be used.
pub fn overrides(
    files: Files,
    path: &Path,
    server: &IcapServer,
    database: Database,
) -> Result<(Database, Vec<Diagnostic>), Vec<Diagnostic>> {
    let Some((local, place)) = &server.overrides else {
        return Ok((database, Vec::new()));
    };
    let wrong = |text: String| vec![error(path, Some(*place), text)];
    let text = files.text(local, OVERRIDES_LEN_MAX).map_err(|why| {
        wrong(format!(
            "cannot read the overrides `{}`: {why}",
            local.display()
        ))
    })?;
    overridden(database, local, &text).map_err(|cause| wrong(one_line(&cause)))
}

/// Puts the overrides of a file on a database, with remarks about lines that are none.
///
/// # Errors
///
/// Fails if there are too many categories with those of the overrides.
pub fn overridden(
    database: Database,
    path: &Path,
    text: &str,
) -> Result<(Database, Vec<Diagnostic>), CategoriesError> {
    let (overrides, report) = Overrides::read(&path.display().to_string(), text.as_bytes());
    let database = database.with_overrides(overrides);
    let database = database.map_err(|cause| CategoriesError::Build(path.to_owned(), cause))?;
    Ok((database, remarks(&path.display().to_string(), report)))
}

/// Reads a folder of lists or a built file, with remarks about lines that are no rules.
///
/// # Errors
///
/// Fails if the path is neither, or the lists do not fit into a database.
pub fn category_source(path: &Path) -> Result<(Database, Vec<Diagnostic>), CategoriesError> {
    let kind = fs::metadata(path).map_err(|cause| CategoriesError::Read(path.to_owned(), cause))?;
    if kind.is_dir() {
        return folder(path);
    }
    let bytes = category_file(path)?;
    let database = Database::from_bytes(bytes)
        .map_err(|cause| CategoriesError::Invalid(path.to_owned(), cause))?;
    Ok((database, Vec::new()))
}

fn folder(path: &Path) -> Result<(Database, Vec<Diagnostic>), CategoriesError> {
    let sources = Sources::squidguard(path);
    let imported = import(&sources, &mut Progress::hidden())
        .map_err(|cause| CategoriesError::Import(path.to_owned(), cause))?;
    let remarks = imported
        .reports
        .into_iter()
        .flat_map(|(name, report)| remarks(&name, report));
    let remarks = remarks.collect();
    let database = imported.builder.build();
    let database = database.map_err(|cause| CategoriesError::Build(path.to_owned(), cause))?;
    Ok((database, remarks))
}

fn bundled(
    path: &Path,
    files: &[(&str, &str)],
) -> Result<(Database, Vec<Diagnostic>), CategoriesError> {
    let mut builder = Builder::new();
    let mut all = Vec::new();
    let failed = |cause| CategoriesError::Build(path.to_owned(), cause);
    for (file, text) in files {
        let name = *file;
        let file = Path::new(file);
        let category = file.parent().filter(|folder| folder.parent() == Some(path));
        let kind = KINDS
            .iter()
            .find(|(name, _)| file.file_name() == Some(OsStr::new(name)));
        if let (Some(category), Some((_, kind))) = (category.and_then(Path::file_name), kind) {
            let category = category.to_string_lossy();
            let report = builder.add_file(&category, *kind, name, text.as_bytes());
            all.extend(remarks(name, report.map_err(failed)?));
        }
    }
    Ok((builder.build().map_err(failed)?, all))
}

/// Published lists have broken lines; they are told and do not keep the rest from being used.
pub(crate) fn remarks(file: &str, report: Report) -> Vec<Diagnostic> {
    let skipped = report.bad + report.left_out;
    let unshown = skipped.saturating_sub(report.bad_lines.len());
    let mut remarks: Vec<Diagnostic> = report
        .bad_lines
        .into_iter()
        .map(|bad| Diagnostic {
            file: bad.file,
            place: Some(Place {
                line: u64::try_from(bad.line).unwrap_or(u64::MAX),
                column: 1,
            }),
            severity: Severity::Warning,
            text: format!("{}; the line is left out", bad.fault),
            warning: Some(Warning::BadCategoryLine),
        })
        .collect();
    if unshown > 0 {
        let text = format!("{unshown} more lines are left out");
        let mut remark = error(Path::new(file), None, text);
        remark.severity = Severity::Warning;
        remark.warning = Some(Warning::BadCategoryLine);
        remarks.push(remark);
    }
    remarks
}

/// Reads a built file, without a look at what is in it.
///
/// # Errors
///
/// Fails if it cannot be read, or is too long.
pub fn category_file(path: &Path) -> Result<Vec<u8>, CategoriesError> {
    let failed = |cause| CategoriesError::Read(path.to_owned(), cause);
    // To open a pipe waits for whoever writes to it, perhaps for ever.
    let kind = fs::metadata(path).map_err(failed)?;
    if !kind.is_file() {
        return Err(failed(io::Error::other("it is no file")));
    }
    let file = fs::File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    // All at once: what grows is copied, and a built file is large.
    let len = metadata.len().min(CATEGORY_FILE_LEN_MAX);
    let len = usize::try_from(len).unwrap_or_default();
    let mut bytes = Vec::with_capacity(len.max(ROOM_LEN_MIN));
    let mut limited = file.take(CATEGORY_FILE_LEN_MAX + 1);
    let len = limited.read_to_end(&mut bytes).map_err(failed)?;
    match u64::try_from(len) {
        Ok(len) if len <= CATEGORY_FILE_LEN_MAX => Ok(bytes),
        Ok(_) | Err(_) => Err(CategoriesError::TooLong(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_folder_of_lists_becomes_a_database() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("README", "not a list");
        write("news/domains", "news.example\n# a comment\nno host\n");
        write("news/usage", "not a list either");
        write("games/urls", "portal.example/games\n");
        std::os::unix::fs::symlink("news", folder.path().join("press")).unwrap();
        std::os::unix::fs::symlink("nothing", folder.path().join("broken")).unwrap();
        let (database, remarks) = category_source(folder.path()).unwrap();
        assert_eq!(
            database.categories().collect::<Vec<_>>(),
            ["games", "news", "press"]
        );
        let prefix = format!("{}/", folder.path().display());
        let lines: String = remarks.iter().map(|it| format!("{it}\n")).collect();
        expect![[r#"
            news/domains:3:1: warning: `no host` is not a host name or an IP address; a line of `domains` is a host name such as `host.example` or an IP address; the line is left out [bad_category_line]
        "#]].assert_eq(&lines.replace(&prefix, ""));
        let built = folder.path().join("built");
        fs::write(&built, database.as_bytes()).unwrap();
        let (again, _) = category_source(&built).unwrap();
        assert_eq!(again.tag(), database.tag());
    }

    #[test]
    fn what_has_no_categories_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let told = |path: &Path| {
            let text = service::describe(&category_source(path).unwrap_err());
            text.replace(&folder.path().display().to_string(), "F")
        };
        expect![[r#"
            error: cannot use the lists of `F`
              because: `F` has no folder with a file `domains`, `urls` or `expressions`
        "#]]
        .assert_eq(&told(folder.path()));
        let file = folder.path().join("file");
        expect![[r#"
            error: cannot read `F/file`
              because: No such file or directory (os error 2)
        "#]]
        .assert_eq(&told(&file));
        let made = std::process::Command::new("mkfifo").arg(&file).status();
        assert!(made.unwrap().success());
        expect![[r#"
            error: cannot read `F/file`
              because: it is no file
        "#]]
        .assert_eq(&told(&file));
        fs::remove_file(&file).unwrap();
        fs::write(&file, "news.example\n").unwrap();
        expect![[r#"
            error: cannot use `F/file`
              because: this is no category database; make one with `weir categories build`
        "#]]
        .assert_eq(&told(&file));
    }
}
