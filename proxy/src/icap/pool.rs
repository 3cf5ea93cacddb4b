//! The connections of one endpoint: how many may be open, and which are idle.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::exchange::Connection;

/// Connections to one endpoint, idle ones included, unless its OPTIONS allow fewer.
pub(super) const CONNECTIONS_MAX: usize = 64;

/// How long a connection stays idle before it is closed: less than the usual peer waits, so that
/// a question rarely meets a connection that is being closed.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// The connections of one endpoint.
#[derive(Debug)]
pub(super) struct Pool {
    slots: Arc<Slots>,
    /// The last one used comes first.
    idle: Mutex<Vec<Connection>>,
}

/// The right to use one connection.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    permit: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
struct Slots {
    free: Arc<Semaphore>,
    size: Mutex<Size>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Size {
    wanted: usize,
    /// More than wanted while slots are in use that there should no longer be.
    there: usize,
}

impl Default for Pool {
    fn default() -> Self {
        let size = Size {
            wanted: CONNECTIONS_MAX,
            there: CONNECTIONS_MAX,
        };
        Self {
            slots: Arc::new(Slots {
                free: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
                size: Mutex::new(size),
            }),
            idle: Mutex::default(),
        }
    }
}

impl Pool {
    /// Waits for the right to use a connection; first come, first served.
    pub(super) async fn slot(&self) -> Slot {
        let permit = Arc::clone(&self.slots.free).acquire_owned().await;
        Slot {
            slots: Arc::clone(&self.slots),
            // The semaphore is never closed.
            permit: permit.ok(),
        }
    }

    /// Changes how many connections may be open. None or zero: as many as usual.
    pub(super) fn limit(&self, connections_max: Option<u64>) {
        let allowed = connections_max
            .filter(|max| *max > 0)
            .and_then(|max| usize::try_from(max).ok())
            .unwrap_or(CONNECTIONS_MAX);
        let wanted = allowed.min(CONNECTIONS_MAX);
        self.slots.resize(wanted);
        locked(&self.idle).truncate(wanted);
    }

    /// Returns the idle connection that was used last, if it is still good.
    pub(super) fn take(&self) -> Option<Connection> {
        loop {
            let mut connection = locked(&self.idle).pop()?;
            if connection.is_quiet() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next question.
    pub(super) fn put(&self, connection: Connection) {
        let wanted = locked(&self.slots.size).wanted;
        let mut idle = locked(&self.idle);
        if idle.len() < wanted {
            idle.push(connection);
        }
    }

    /// Closes connections that the peer closed, that have something to say, or that were idle
    /// for too long.
    pub(super) fn sweep(&self, now: Instant) {
        locked(&self.idle).retain_mut(|connection| {
            now.duration_since(connection.used_at()) < IDLE_MAX && connection.is_quiet()
        });
    }

    /// Closes every idle connection.
    pub(super) fn clear(&self) {
        locked(&self.idle).clear();
    }
}

impl Slots {
    fn resize(&self, wanted: usize) {
        let mut size = locked(&self.size);
        size.wanted = wanted;
        if size.there < wanted {
            self.free.add_permits(wanted - size.there);
            size.there = wanted;
        } else {
            size.there -= self.free.forget_permits(size.there - wanted);
        }
    }

    fn give_back(&self, permit: OwnedSemaphorePermit) {
        let mut size = locked(&self.size);
        if size.there > size.wanted {
            size.there -= 1;
            permit.forget();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.slots.give_back(permit);
        }
    }
}

/// Locks for a few lines. What a panic left behind is still a set of connections or numbers.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn slots_follow_the_limit_while_they_are_in_use() {
        let pool = Pool::default();
        pool.limit(Some(2));
        assert_eq!(free(&pool), 2);
        let (first, second) = (pool.slot().await, pool.slot().await);
        pool.limit(Some(1));
        assert_eq!(free(&pool), 0);
        drop(first);
        assert_eq!(free(&pool), 0, "one was too many");
        drop(second);
        assert_eq!(free(&pool), 1);
        for max in [None, Some(0), Some(u64::MAX)] {
            pool.limit(max);
            assert_eq!(free(&pool), CONNECTIONS_MAX);
        }
    }

    fn free(pool: &Pool) -> usize {
        pool.slots.free.available_permits()
    }
}
