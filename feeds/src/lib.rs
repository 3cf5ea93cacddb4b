//! What tells of subscriber sessions, or of their profiles, while the program runs.

pub mod api;
pub mod gx;
mod metrics;
pub mod radius;
pub mod shared;
mod subscribers;

use std::task::{Context, Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use sessions::Pending;

pub use metrics::Metrics;
pub use subscribers::{Basis, Subscribers, UNDER_WAY_MAX, Unchanged};

/// Returns the seconds since 1970.
#[must_use]
pub fn now_s() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u32::try_from(now.as_secs()).unwrap_or(u32::MAX))
}

/// Returns what is there already, without waiting. Whoever gets nothing has to wait for it.
fn at_once<T>(pending: &mut Pending<T>) -> Poll<T> {
    let mut context = Context::from_waker(Waker::noop());
    pending.as_mut().poll(&mut context)
}
