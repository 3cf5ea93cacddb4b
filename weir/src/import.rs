//! Reads lists into a builder: one thread reads and decompresses, the others parse.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use categories::{BuildError, Builder, LINE_LEN_MAX, ListKind, Parsed, Report};

mod folder;
mod input;
mod progress;
pub mod sources;

pub use input::{LIST_LEN_MAX, MEMBERS_MAX, XZ_MEMORY_MAX, ZSTD_WINDOW_MAX};
pub use progress::Progress;
pub use sources::{Canary, Format, Source, Sources};

/// Bytes of a list that are parsed at once. What waits to be parsed is twice as much for each
/// thread.
pub const BLOCK_LEN: usize = 2 * 1024 * 1024;

/// Threads that parse and compile at most.
pub const THREADS_MAX: usize = 16;

/// Why lists cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file or folder cannot be read.
    #[error("cannot read `{0}`")]
    Read(PathBuf, #[source] io::Error),
    /// Over [`LIST_LEN_MAX`].
    #[error("`{0}` has more than {LIST_LEN_MAX} bytes; use at most so many")]
    TooLong(String),
    /// Over [`MEMBERS_MAX`].
    #[error("`{0}` has more than {MEMBERS_MAX} files; use at most so many")]
    TooMany(PathBuf),
    /// A folder or an archive without lists.
    #[error("`{0}` has no folder with a file `domains`, `urls` or `expressions`")]
    Empty(PathBuf),
    /// A list of its own that is in no folder of a category.
    #[error("`{0}` needs a category; say `category: NAME` beside its path")]
    NoCategory(PathBuf),
    /// An archive in an archive's place.
    #[error(
        "`{0}` is no folder and no archive of lists; give a folder in squidGuard's layout, a tar \
             file of one, or a file of sources that ends in .yaml"
    )]
    NoLayout(PathBuf),
    /// The lists do not fit.
    #[error("cannot compile the lists")]
    Build(#[from] BuildError),
}

/// What was read.
#[derive(Debug, Default)]
pub struct Imported {
    /// With all rules.
    pub builder: Builder,
    /// What was said about each list that has something to say, by its name.
    pub reports: BTreeMap<String, Report>,
    /// Categories that their publisher means to be passed and not blocked.
    pub white: Vec<String>,
    /// Lists that were read.
    pub lists: usize,
}

/// One list: where its remarks belong, and what its rules are.
#[derive(Clone, Debug, Eq, PartialEq)]
struct List {
    name: String,
    category: String,
    kind: ListKind,
}

/// Whole lines of a list.
struct Block {
    list: Arc<List>,
    first_line: usize,
    text: Vec<u8>,
}

/// Reads all that `sources` name.
///
/// # Errors
///
/// Fails at the first source that cannot be read, or if the rules do not fit.
pub fn import(sources: &Sources, progress: &mut Progress) -> Result<Imported, ImportError> {
    let threads = threads();
    let (sender, receiver) = sync_channel(threads);
    let receiver = Mutex::new(receiver);
    let joined = Mutex::new(Ok(Imported::default()));
    let read = thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| parse_blocks(&receiver, &joined));
        }
        let mut feed = Feed {
            sender,
            progress,
            aliases: BTreeMap::new(),
            white: Vec::new(),
            lists: 0,
        };
        let read = sources
            .list
            .iter()
            .try_for_each(|source| feed.source(source));
        // The threads end when the channel does.
        drop(feed.sender);
        read.map(|()| (feed.aliases, feed.white, feed.lists))
    });
    let imported = joined.into_inner().unwrap_or_else(PoisonError::into_inner);
    // What could not be parsed is the reason why nothing was taken any more.
    let mut imported = imported?;
    let (aliases, white, lists) = read?;
    for (alias, category) in aliases.iter().chain(&sources.aliases) {
        imported.builder.add_alias(alias, category)?;
    }
    imported.white = white;
    imported.lists = lists;
    Ok(imported)
}

/// Returns on how many threads lists are parsed and compiled.
#[must_use]
pub fn threads() -> usize {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    threads.min(THREADS_MAX)
}

fn parse_blocks(receiver: &Mutex<Receiver<Block>>, joined: &Mutex<Result<Imported, BuildError>>) {
    loop {
        // The lock is held while waiting: the others wait for the same.
        let block = receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(Block {
            list,
            first_line,
            text,
        }) = block
        else {
            return;
        };
        let parsed = Parsed::read(list.kind, &list.name, first_line, &text);
        drop(text);
        let mut joined = joined.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(imported) = joined.as_mut() else {
            continue;
        };
        let added = parsed.and_then(|parsed| imported.builder.add_parsed(&list.category, parsed));
        match added {
            Ok(report) => imported
                .reports
                .entry(list.name.clone())
                .or_default()
                .merge(report),
            Err(error) => *joined = Err(error),
        }
    }
}

/// Reads files and hands their lines on.
struct Feed<'a> {
    sender: SyncSender<Block>,
    progress: &'a mut Progress,
    aliases: BTreeMap<String, String>,
    white: Vec<String>,
    lists: usize,
}

impl Feed<'_> {
    fn source(&mut self, source: &Source) -> Result<(), ImportError> {
        let before = self.lists;
        let path = source.path.as_path();
        let kind = std::fs::metadata(path);
        if kind
            .map_err(|cause| ImportError::Read(path.to_owned(), cause))?
            .is_dir()
        {
            self.folder(source)?;
        } else {
            self.file(source)?;
        }
        if self.lists == before {
            return Err(ImportError::Empty(path.to_owned()));
        }
        Ok(())
    }

    /// Cuts a list into blocks at the ends of lines.
    fn list(&mut self, list: List, input: &mut dyn Read, path: &Path) -> Result<(), ImportError> {
        self.lists += 1;
        let list = Arc::new(list);
        let mut input = input.take(LIST_LEN_MAX + 1);
        let (mut first_line, mut read) = (1, 0);
        let mut rest = Vec::new();
        loop {
            let mut text = Vec::with_capacity(rest.len() + BLOCK_LEN);
            text.append(&mut rest);
            let len = input.by_ref().take(BLOCK_LEN as u64).read_to_end(&mut text);
            let len = len.map_err(|cause| ImportError::Read(path.to_owned(), cause))?;
            read += len as u64;
            if read > LIST_LEN_MAX {
                return Err(ImportError::TooLong(list.name.clone()));
            }
            if len > 0 {
                rest = after_last_line(&mut text);
            }
            let lines = text.iter().filter(|b| **b == b'\n').count();
            let block = Block {
                list: Arc::clone(&list),
                first_line,
                text,
            };
            // Nobody takes it where a thread panicked, which the scope tells.
            let _ = self.sender.send(block);
            first_line += lines;
            self.progress.read(lines as u64, self.lists);
            if len == 0 {
                return Ok(());
            }
        }
    }
}

/// Cuts what follows the last end of a line off. Of a line that is too long for a rule, only so
/// much is kept that it still is.
fn after_last_line(text: &mut Vec<u8>) -> Vec<u8> {
    let end = text
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    let mut rest = text.split_off(end);
    rest.truncate(LINE_LEN_MAX + 1);
    rest
}

#[cfg(test)]
mod tests;
