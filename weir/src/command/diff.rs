//! `weir diff`: which decisions change from one policy to another, over requests that happened.

mod judge;
mod requests;
mod tally;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use categories::Database;
use policy::PolicySet;
use service::exit;

use crate::cli::PolicyDiff;
use crate::files::Files;
use crate::load::category_source;
use crate::{Failure, excerpt, load};
use judge::Judge;
pub use requests::Format;
use tally::Tally;

/// Bytes of a line at most; a longer one is no request.
pub(crate) const LINE_LEN_MAX: usize = 64 * 1024;

/// Bytes of lines that are handed to a worker together.
const BATCH_LEN: usize = 256 * 1024;

/// Batches that wait for a worker.
const BATCHES_WAITING: usize = 2;

/// Workers at most.
const WORKERS_MAX: usize = 8;

/// Both policies, with what requests do not say themselves.
#[derive(Debug)]
pub(crate) struct Sides {
    pub(crate) old: Arc<PolicySet>,
    pub(crate) new: Arc<PolicySet>,
    pub(crate) profile: Option<Arc<str>>,
    pub(crate) now: Option<jiff::Timestamp>,
    pub(crate) database: Option<Database>,
}

/// Lines of the file, the first of which has this number.
struct Batch {
    first: u64,
    lines: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
}

/// Replays requests through both policies and tells what changes.
pub(crate) fn run(options: &PolicyDiff, out: &mut dyn Write) -> Result<u8, Failure> {
    let sides = sides(options)?;
    let tally = if options.requests == Path::new("-") {
        replay(io::stdin().lock(), options.format, &sides)?
    } else {
        let read = File::open(&options.requests).and_then(|file| {
            let lines = BufReader::with_capacity(BATCH_LEN, file);
            replay(lines, options.format, &sides)
        });
        read.map_err(|error| Failure::File {
            path: options.requests.clone(),
            hint: "give a file of requests, or - for standard input",
            source: Box::new(error),
        })?
    };
    let text = match options.json {
        true => tally.json(options.examples),
        false => tally.text(options.examples),
    };
    out.write_all(text.as_bytes())?;
    Ok(match tally.changed() > 0 && options.exit_code {
        true => exit::FAILURE,
        false => exit::SUCCESS,
    })
}

fn sides(options: &PolicyDiff) -> Result<Sides, Failure> {
    let policy = |path: &Path| {
        let compiled = load::policy(Files::Disk, path).map_err(Failure::Configuration)?;
        Ok::<_, Failure>(Arc::new(compiled.set))
    };
    let (old, new) = (policy(&options.old)?, policy(&options.new)?);
    if let Some(name) = &options.profile {
        let known = |set: &PolicySet| set.profile(name).is_some();
        if !known(&old) && !known(&new) {
            return Err(Failure::Usage(old.no_profile(name)));
        }
    }
    let database = options.categories.as_deref().map(|path| {
        let read = category_source(path).map_err(|error| Failure::File {
            path: path.to_owned(),
            hint: "give a folder of lists, or a file from `weir categories build`",
            source: Box::new(error),
        });
        read.map(|(database, remarks)| {
            excerpt::print(&remarks);
            database
        })
    });
    Ok(Sides {
        old,
        new,
        profile: options.profile.as_deref().map(Arc::from),
        now: options.now,
        database: database.transpose()?,
    })
}

/// Reads lines on this thread and judges them on others. What is in memory is a few batches, and
/// what the tally keeps.
pub(crate) fn replay(
    mut lines: impl BufRead,
    format: Option<Format>,
    sides: &Sides,
) -> io::Result<Tally> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = workers.min(WORKERS_MAX);
    let Some(format) = format.map_or_else(|| Format::of(&mut lines), |it| Ok(Some(it)))? else {
        return Ok(Tally::default());
    };
    std::thread::scope(|scope| {
        let (senders, running): (Vec<_>, Vec<_>) = (0..workers)
            .map(|_| {
                let (sender, batches) = sync_channel(BATCHES_WAITING);
                (
                    sender,
                    scope.spawn(move || judge_all(&batches, format, sides)),
                )
            })
            .unzip();
        let read = hand_out(lines, &senders);
        drop(senders);
        let mut tally = Tally::default();
        for worker in running {
            match worker.join() {
                Ok(part) => tally.add(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        read?;
        Ok(tally)
    })
}

fn judge_all(batches: &Receiver<Batch>, format: Format, sides: &Sides) -> Tally {
    let mut judge = Judge::new(sides);
    let mut tally = Tally::default();
    for batch in batches {
        let mut start = 0;
        for (line, end) in (batch.first..).zip(&batch.ends) {
            let text = batch.lines.get(start..*end).unwrap_or_default();
            start = *end;
            judge.line(format, line, text, &mut tally);
        }
    }
    tally
}

/// Gives each batch to a worker that has room.
fn hand_out(mut lines: impl BufRead, workers: &[SyncSender<Batch>]) -> io::Result<()> {
    let mut turn = workers.iter().cycle();
    let mut first = 1;
    while let Some(batch) = next_batch(&mut lines, first)? {
        first += u64::try_from(batch.ends.len()).unwrap_or(u64::MAX);
        let mut waiting = Some(batch);
        for worker in turn.by_ref().take(workers.len()) {
            let Some(batch) = waiting.take() else { break };
            match worker.try_send(batch) {
                Ok(()) => {}
                Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => {
                    waiting = Some(batch);
                }
            }
        }
        if let (Some(batch), Some(worker)) = (waiting, turn.next()) {
            // A worker that is gone has panicked, which is told when it is joined.
            let _ = worker.send(batch);
        }
    }
    Ok(())
}

/// Reads whole lines. Of one that is too long a byte more than is allowed is kept.
fn next_batch(lines: &mut impl BufRead, first: u64) -> io::Result<Option<Batch>> {
    let mut batch = Batch {
        first,
        lines: Vec::with_capacity(BATCH_LEN + LINE_LEN_MAX),
        ends: Vec::new(),
    };
    while batch.lines.len() < BATCH_LEN {
        let before = batch.lines.len();
        let limit = u64::try_from(LINE_LEN_MAX + 2).unwrap_or(u64::MAX);
        let read = lines
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut batch.lines)?;
        if read == 0 {
            break;
        }
        if batch.lines.last() == Some(&b'\n') {
            batch.lines.pop();
        } else if read > LINE_LEN_MAX {
            lines.skip_until(b'\n')?;
        }
        batch
            .lines
            .truncate(batch.lines.len().min(before + LINE_LEN_MAX + 1));
        batch.ends.push(batch.lines.len());
    }
    Ok((!batch.ends.is_empty()).then_some(batch))
}

#[cfg(test)]
mod tests;
