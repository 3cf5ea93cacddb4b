//! What is remembered of a file that was fetched, beside it: `FILE.pulled`.

use std::io;
use std::path::{Path, PathBuf};

use icap_server::config::Pull;
use serde_json::{Value, json};

use super::fetch::Validators;
use super::stamp::Stamp;
use crate::files::{Files, Readers, write_whole};

/// Bytes of a state that is read.
const STATE_LEN_MAX: usize = 16 * 1024;

/// What is remembered. It outlives restarts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct State {
    /// Where the file came from.
    pub(super) url: String,
    /// Whose signature it had.
    pub(super) key: Option<String>,
    /// When the signature was made, as it says.
    pub(super) signed_at: Option<u64>,
    /// What the server called it.
    pub(super) validators: Validators,
    /// The file as it was put in place. One that was put there since is another.
    pub(super) stamp: String,
}

impl State {
    /// Reads the state beside a file. A state that cannot be read is none.
    pub(super) fn read(file: &Path) -> Option<Self> {
        let text = Files::Disk.text(&path(file), STATE_LEN_MAX).ok()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        Some(Self {
            url: text("url")?,
            key: text("minisign_key"),
            signed_at: value.get("signed_at").and_then(Value::as_u64),
            validators: Validators {
                etag: text("etag"),
                last_modified: text("last_modified"),
            },
            stamp: text("file")?,
        })
    }

    /// Writes the state beside a file, whole or not at all, by way of a file beside `partial`, which
    /// nobody else has.
    pub(super) fn write(&self, file: &Path, partial: &Path) -> io::Result<()> {
        let value = json!({
            "url": self.url, "minisign_key": self.key, "signed_at": self.signed_at,
            "etag": self.validators.etag, "last_modified": self.validators.last_modified,
            "file": self.stamp,
        });
        let mut next = partial.as_os_str().to_owned();
        next.push(".state");
        // What is not on the disk makes an older file as good as a new one.
        write_whole(
            &path(file),
            Path::new(&next),
            format!("{value}\n").as_bytes(),
            Readers::All,
        )
    }

    /// Returns what the server called the file, if the file is still the one that it sent, and was
    /// looked at in the way that it would be now.
    pub(super) fn known(&self, pull: &Pull, file: &Path) -> Option<&Validators> {
        let same = self.url == pull.url
            && self.key == pull.minisign_key
            && self.stamp == Stamp::of(&[file]).as_str();
        let validators = Some(&self.validators);
        validators.filter(|it| same && (it.etag.is_some() || it.last_modified.is_some()))
    }

    /// Returns when the last signature of this key was made.
    pub(super) fn signed_at(&self, pull: &Pull) -> Option<u64> {
        self.signed_at.filter(|_| self.key == pull.minisign_key)
    }
}

fn path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".pulled");
    name.into()
}
