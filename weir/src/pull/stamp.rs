//! Whether files changed, without reading them.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Folders below one another that are looked into.
const DEPTH_MAX: usize = 4;

/// Differs when a file was replaced or written, or a folder has other files: made from inode,
/// length and time of change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Stamp(String);

impl Stamp {
    /// Looks at files, and at all files below folders. What is not there has a stamp too.
    pub(crate) fn of(paths: &[&Path]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for path in paths {
            look(path, 0, &mut hasher);
        }
        Self(hasher.finalize().to_hex().to_string())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn look(path: &Path, depth: usize, hasher: &mut blake3::Hasher) {
    let Ok(metadata) = fs::metadata(path) else {
        hasher.update(b"none");
        return;
    };
    add(&metadata, hasher);
    if !metadata.is_dir() || depth == DEPTH_MAX {
        return;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
    names.sort();
    for name in names {
        let bytes = name.as_encoded_bytes();
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
        look(&path.join(name), depth + 1, hasher);
    }
}

fn add(metadata: &Metadata, hasher: &mut blake3::Hasher) {
    for number in [metadata.ino(), metadata.len()] {
        hasher.update(&number.to_le_bytes());
    }
    for number in [metadata.mtime(), metadata.mtime_nsec()] {
        hasher.update(&number.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let mut seen = vec![Stamp::of(&[path])];
        let mut changed = || {
            let stamp = Stamp::of(&[path]);
            assert!(!seen.contains(&stamp));
            assert_eq!(stamp, Stamp::of(&[path]));
            seen.push(stamp);
        };
        fs::create_dir(path.join("news")).unwrap();
        changed();
        fs::write(path.join("news/domains"), "a.example\n").unwrap();
        changed();
        fs::write(path.join("news/domains"), "a.example\nb.example\n").unwrap();
        changed();
        fs::write(path.join("news/new"), "a.example\nb.example\n").unwrap();
        changed();
        fs::rename(path.join("news/new"), path.join("news/domains")).unwrap();
        changed();
        fs::remove_dir_all(path).unwrap();
        changed();
    }
}
