//! The worker threads.

use std::io;
use std::net::TcpListener as StdListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use service::Drain;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::timeout;
use tracing::warn;

use crate::accept::{Door, accept_all};
use crate::dial::RESOLUTIONS_MAX;
use crate::explain::{LOOKS_WAITING_MAX, Look, answer_looks};
use crate::state::Shared;
use crate::worker::Worker;

/// How long a worker may take to end once its last connection has.
pub(crate) const WORKER_END_WAIT: Duration = Duration::from_secs(2);

/// The sockets of one worker, with the listener that each belongs to.
pub(super) type Sockets = Vec<(Door, StdListener)>;

/// A worker's thread, seen from outside.
#[derive(Debug)]
pub(super) struct WorkerThread {
    thread: JoinHandle<()>,
    /// Closed when the thread is at its end.
    ended: oneshot::Receiver<()>,
    /// Takes questions about what its cache holds.
    pub(super) looks: mpsc::Sender<Look>,
}

impl WorkerThread {
    /// Waits until the thread has ended, for at most [`WORKER_END_WAIT`].
    pub(super) async fn ended(self) {
        // The sender is dropped and never used, so the error is the end that is waited for.
        if timeout(WORKER_END_WAIT, self.ended).await.is_err() {
            warn!("a worker is stuck and is left behind");
        } else if self.thread.join().is_err() {
            warn!("a worker ended by a panic");
        }
    }
}

/// Starts one worker and waits until it accepts connections.
///
/// # Errors
///
/// Fails if the system has no thread, or none of what an event loop needs.
pub(super) async fn start(
    index: usize,
    shared: &Arc<Shared>,
    drain: &Drain,
    sockets: Sockets,
) -> io::Result<WorkerThread> {
    let (ready, is_ready) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let (shared, drain) = (Arc::clone(shared), drain.clone());
    let (looks, looked) = mpsc::channel(LOOKS_WAITING_MAX);
    let inside = Inside { sockets, looked };
    let thread = thread::Builder::new()
        .name(format!("worker-{index}"))
        .spawn(move || {
            run(shared, drain, inside, ready);
            drop(end);
        })?;
    match is_ready.await {
        Ok(Ok(())) => Ok(WorkerThread {
            thread,
            ended,
            looks,
        }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::other("the worker ended before it was ready")),
    }
}

/// What a worker is given beside what all share.
struct Inside {
    sockets: Sockets,
    looked: mpsc::Receiver<Look>,
}

fn run(shared: Arc<Shared>, drain: Drain, inside: Inside, ready: oneshot::Sender<io::Result<()>>) {
    let Inside { sockets, looked } = inside;
    let opened = runtime().and_then(|runtime| {
        let sockets = register(&runtime, sockets)?;
        Ok((runtime, sockets))
    });
    let (runtime, sockets) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            // Whoever started the worker has left if it fails.
            let _ = ready.send(Err(error));
            return;
        }
    };
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let worker = Rc::new(Worker::new(shared, drain.clone()));
        for (door, socket) in sockets {
            drain.spawn_local(accept_all(Rc::clone(&worker), door, socket));
        }
        drain.spawn_local(answer_looks(Rc::clone(&worker), looked));
        let _ = ready.send(Ok(()));
        drain.requested().await;
        drain.finished().await;
    });
    drop(local);
    // A look-up of a name may still be under way, and nobody waits for it any more.
    runtime.shutdown_background();
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(RESOLUTIONS_MAX)
        .build()
}

fn register(runtime: &Runtime, sockets: Sockets) -> io::Result<Vec<(Door, TcpListener)>> {
    let _inside = runtime.enter();
    sockets
        .into_iter()
        .map(|(door, socket)| Ok((door, TcpListener::from_std(socket)?)))
        .collect()
}
