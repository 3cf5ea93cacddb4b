//! The one thread that writes, and the bounded queue before it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write, stdout};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing::warn;

use crate::config::AccessLog;
use crate::metrics::Metrics;

/// Lines that wait to be written; further ones are dropped and counted.
pub(crate) const QUEUE_LEN_MAX: usize = 16 * 1024;

/// Bytes that wait to be written; further lines are dropped and counted.
pub(crate) const QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long the last lines may take to be written when the proxy stops.
pub(crate) const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Writes access log lines through a bounded queue, so that a slow disk slows no connection.
#[derive(Clone, Debug)]
pub(crate) struct AccessLogger {
    messages: SyncSender<Message>,
    shared: Arc<Queue>,
}

/// Where lines go.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Nowhere.
    Nowhere,
    /// Standard output.
    Stdout,
    /// A file that lines are appended to.
    File(File),
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// There is something new in the queue's other fields.
    Look,
}

#[derive(Debug)]
struct Queue {
    bytes: AtomicUsize,
    dropped: Counter,
    /// What to write to from now on.
    next: Mutex<Option<Sink>>,
    closing: AtomicBool,
    /// The writer holds the other end until it has written everything.
    ended: Mutex<Receiver<()>>,
}

impl Sink {
    /// Opens what the configuration names.
    pub(crate) fn open(config: Option<&AccessLog>) -> io::Result<Self> {
        match config.map(|log| log.path.as_deref()) {
            None => Ok(Self::Nowhere),
            Some(None) => Ok(Self::Stdout),
            Some(Some(path)) => Self::append_to(path),
        }
    }

    fn append_to(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self::File(file))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Nowhere => Ok(bytes.len()),
            Self::Stdout => stdout().write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Stdout => stdout().flush(),
            Self::File(file) => file.flush(),
        }
    }
}

impl AccessLogger {
    /// Starts the thread that writes.
    ///
    /// # Errors
    ///
    /// Fails if the system has no thread to give.
    pub(crate) fn start(sink: Sink, metrics: &Metrics) -> io::Result<Self> {
        let (messages, queued) = sync_channel(QUEUE_LEN_MAX);
        let (end, ended) = sync_channel(1);
        let shared = Arc::new(Queue {
            bytes: AtomicUsize::new(0),
            dropped: metrics.access_log_dropped.clone(),
            next: Mutex::new(None),
            closing: AtomicBool::new(false),
            ended: Mutex::new(ended),
        });
        let queue = Arc::clone(&shared);
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                write_all(&queued, &queue, sink);
                drop(end);
            })?;
        Ok(Self { messages, shared })
    }

    /// Queues a line, or drops and counts it.
    pub(crate) fn write(&self, line: Vec<u8>) {
        let len = line.len();
        let before = self.shared.bytes.fetch_add(len, Ordering::Relaxed);
        let queued = before.saturating_add(len) <= QUEUE_BYTES_MAX
            && self.messages.try_send(Message::Line(line)).is_ok();
        if !queued {
            self.shared.bytes.fetch_sub(len, Ordering::Relaxed);
            self.dropped();
        }
    }

    /// Counts a line that was not written.
    pub(crate) fn dropped(&self) {
        self.shared.dropped.inc();
    }

    /// Writes to another sink from now on: another path, or the same path after the file there
    /// was moved away.
    pub(crate) fn reopen(&self, sink: Sink) {
        let next = self.shared.next.lock();
        *next.unwrap_or_else(PoisonError::into_inner) = Some(sink);
        // A full queue wakes the writer as well.
        let _ = self.messages.try_send(Message::Look);
    }

    /// Waits until everything queued is written, for at most [`CLOSE_WAIT`]. Blocks.
    pub(crate) fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
        let _ = self.messages.try_send(Message::Look);
        let ended = self.shared.ended.lock();
        let ended = ended.unwrap_or_else(PoisonError::into_inner);
        // It fails when the writer has ended, which is what is waited for, or when it is late.
        let _ = ended.recv_timeout(CLOSE_WAIT);
    }
}

/// Writes lines until the queue is closed and empty.
fn write_all(queued: &Receiver<Message>, queue: &Queue, sink: Sink) {
    let mut out = BufWriter::new(sink);
    let mut failing = false;
    loop {
        let message = match queued.try_recv() {
            Ok(message) => message,
            Err(TryRecvError::Empty) => {
                note(out.flush(), &mut failing, queue);
                if queue.closing.load(Ordering::Acquire) {
                    return;
                }
                let Ok(message) = queued.recv() else { return };
                message
            }
            Err(TryRecvError::Disconnected) => return,
        };
        let next = queue.next.lock();
        let next = next.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sink) = next {
            note(out.flush(), &mut failing, queue);
            out = BufWriter::new(sink);
        }
        if let Message::Line(line) = message {
            queue.bytes.fetch_sub(line.len(), Ordering::Relaxed);
            note(out.write_all(&line), &mut failing, queue);
        }
    }
}

/// Counts a failure to write, and warns at the first of a row of them.
fn note(result: io::Result<()>, failing: &mut bool, queue: &Queue) {
    match result {
        Ok(()) => *failing = false,
        Err(error) => {
            queue.dropped.inc();
            if !std::mem::replace(failing, true) {
                warn!(%error, "cannot write the access log");
            }
        }
    }
}
