//! Where files come from: the disk, or the program itself.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A place that files are read from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Files {
    /// The disk.
    Disk,
    /// Files that are part of the program: path and text, in the order of paths.
    Bundled(&'static [(&'static str, &'static str)]),
}

impl Files {
    /// Reads a text file of at most `len_max` bytes.
    ///
    /// # Errors
    ///
    /// Fails with what is wrong with the file, for a person.
    pub fn text(self, path: &Path, len_max: usize) -> Result<String, String> {
        match self {
            Self::Disk => disk_text(path, len_max),
            Self::Bundled(files) => files
                .iter()
                .find(|(name, _)| Path::new(name) == path)
                .map(|(_, text)| (*text).to_owned())
                .ok_or_else(|| "it is not part of the program".to_owned()),
        }
    }
}

/// Who may read a file that is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Readers {
    /// All that the umask lets.
    All,
    /// The user that the program runs as.
    Owner,
}

/// Writes a file whole, or not at all: by way of `draft`, which nobody else has, beside it.
///
/// # Errors
///
/// Fails if the system refuses. The file is then as it was, or has the bytes.
pub(crate) fn write_whole(
    path: &Path,
    draft: &Path,
    bytes: &[u8],
    readers: Readers,
) -> io::Result<()> {
    let mode = match readers {
        Readers::All => 0o666,
        Readers::Owner => 0o600,
    };
    let mut options = File::options();
    let options = options.write(true).create(true).truncate(true).mode(mode);
    let mut file = options.open(draft)?;
    if readers == Readers::Owner {
        // One that was left behind may have been readable.
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(draft, path)?;
    sync_folder_of(path)
}

/// Puts the folder of a file on the disk, so that a new name outlives a loss of power.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// Returns the path that `written` means in the file `path`: relative to its folder.
#[must_use]
pub fn beside(path: &Path, written: &str) -> PathBuf {
    match path.parent() {
        Some(folder) => folder.join(written),
        None => PathBuf::from(written),
    }
}

fn disk_text(path: &Path, len_max: usize) -> Result<String, String> {
    // A pipe or a device may never end; the type is looked at before the file is opened.
    let kind = fs::metadata(path).map_err(|error| plain(&error))?;
    if !kind.is_file() {
        return Err("it is no file".to_owned());
    }
    let file = File::open(path).map_err(|error| plain(&error))?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(len_max).unwrap_or(u64::MAX);
    let limited = &mut file.take(limit.saturating_add(1));
    limited
        .read_to_end(&mut bytes)
        .map_err(|error| plain(&error))?;
    if bytes.len() > len_max {
        return Err(format!(
            "it has more than {len_max} bytes; use at most so many"
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = 1 + error
            .as_bytes()
            .iter()
            .take(good)
            .filter(|byte| **byte == b'\n')
            .count();
        format!("line {line} is not UTF-8; save the file as UTF-8")
    })
}

/// Says what the system said, without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let text = |len_max| Files::Disk.text(&path, len_max);
        assert_eq!(text(9).unwrap_err(), "no such file or directory");
        fs::write(&path, "123456789").unwrap();
        assert_eq!(text(9).unwrap(), "123456789");
        assert_eq!(
            text(8).unwrap_err(),
            "it has more than 8 bytes; use at most so many"
        );
        fs::write(&path, b"a\nb\xff").unwrap();
        assert_eq!(
            text(9).unwrap_err(),
            "line 2 is not UTF-8; save the file as UTF-8"
        );
        let error = Files::Disk.text(folder.path(), 9).unwrap_err();
        assert_eq!(error, "it is no file");
    }

    #[test]
    fn what_is_for_the_owner_is_for_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let (path, draft) = (folder.path().join("file"), folder.path().join("draft"));
        fs::write(&draft, "left behind").unwrap();
        fs::set_permissions(&draft, Permissions::from_mode(0o644)).unwrap();
        write_whole(&path, &draft, b"msisdn", Readers::Owner).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"msisdn");
    }

    #[test]
    fn paths_are_relative_to_the_file_that_names_them() {
        let beside = |path, written| beside(Path::new(path), written).display().to_string();
        assert_eq!(beside("weir.yaml", "family.yaml"), "family.yaml");
        assert_eq!(
            beside("/etc/weir/weir.yaml", "family.yaml"),
            "/etc/weir/family.yaml"
        );
        assert_eq!(beside("etc/weir.yaml", "/family.yaml"), "/family.yaml");
    }
}
