//! `weir test --watch`: runs again whenever a file changes.
//!
//! Folders are watched and not files, because many editors write a new file and rename it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use policy::TestFile;

use super::{find, once};
use crate::Failure;
use crate::cli::Test;
use crate::files::{Files, beside};
use crate::load;

/// An editor's changes are over when nothing came for so long.
const QUIET: Duration = Duration::from_millis(100);

/// Changes that never end are not waited for longer.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(2);

type Events = Receiver<notify::Result<Event>>;

/// Runs tests until the watcher ends.
pub(super) fn run(options: &Test, out: &mut dyn Write) -> Result<u8, Failure> {
    let (sender, events) = channel();
    let mut watched = Watched {
        watcher: notify::recommended_watcher(sender).map_err(refused)?,
        folders: BTreeSet::new(),
    };
    for path in options.paths.iter().filter(|path| path.is_dir()) {
        watched.add(path, RecursiveMode::Recursive)?;
    }
    loop {
        // What a file names is watched before it is read, so that no change is missed.
        for folder in folders(&options.paths) {
            watched.add(&folder, RecursiveMode::NonRecursive)?;
        }
        match once(options, out) {
            Ok(_) => {}
            Err(failure) => failure.report(),
        }
        writeln!(out, "watching; interrupt to end")?;
        out.flush()?;
        let Some(changed) = next_change(&events) else {
            let text = "the watch ended; start it again";
            return Err(Failure::Usage(text.to_owned()));
        };
        writeln!(out, "\n{} changed", changed.display())?;
    }
}

/// The folders that are watched.
struct Watched {
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
}

impl Watched {
    fn add(&mut self, folder: &Path, mode: RecursiveMode) -> Result<(), Failure> {
        if self.folders.insert(folder.to_owned()) {
            self.watcher.watch(folder, mode).map_err(refused)?;
        }
        Ok(())
    }
}

/// Returns the folders of everything that the tests read, as far as it can be read. Those that
/// are not there are left out.
fn folders(paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut files = find::test_files(paths).unwrap_or_else(|_| paths.to_vec());
    let mut named = Vec::new();
    for path in &files {
        let text = load::text(Files::Disk, path).unwrap_or_default();
        let Ok(tests) = TestFile::parse("", &text) else {
            continue;
        };
        let policy = beside(path, &tests.policy);
        if let Ok(outline) = load::outline(Files::Disk, &policy) {
            let lists = outline.list_files.iter();
            named.extend(lists.map(|list| beside(&policy, list)));
        }
        named.push(policy);
    }
    files.append(&mut named);
    let folders = files.iter().filter_map(|file| file.parent());
    let here = |folder: &Path| match folder.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => folder.to_owned(),
    };
    folders.map(here).filter(|folder| folder.is_dir()).collect()
}

/// Waits for a change and until changes are over. Returns what changed first, or nothing if no
/// change can come any more.
fn next_change(events: &Events) -> Option<PathBuf> {
    let first = loop {
        if let Some(path) = events.recv().ok().map(changed)? {
            break path;
        }
    };
    let start = Instant::now();
    while start.elapsed() < QUIET_WAIT_MAX {
        match events.recv_timeout(QUIET) {
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    Some(first)
}

/// Returns the file that an event is about, unless it was only read, or is an editor's own.
fn changed(event: notify::Result<Event>) -> Option<PathBuf> {
    // After a fault of the watcher something may have been missed.
    let Ok(event) = event else {
        return Some(PathBuf::from("something"));
    };
    if matches!(event.kind, EventKind::Access(_)) {
        return None;
    }
    let is_own = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with('.') || name.ends_with('~')
    };
    event.paths.into_iter().rev().find(|path| !is_own(path))
}

fn refused(cause: notify::Error) -> Failure {
    Failure::System(std::io::Error::other(cause))
}
