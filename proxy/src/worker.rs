//! One thread's part of the proxy.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use filter::Filter;
use service::Drain;

use crate::dial::Turns;
use crate::sni_check::LookUps;
use crate::splice::Pipes;
use crate::state::Shared;

/// One thread with its own listeners, connections and cache. Nothing in it is locked.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    /// Borrowed for the length of one call, never over an `.await`.
    pub(crate) filter: RefCell<Filter>,
    pub(crate) drain: Drain,
    /// Cache entries as counted last.
    pub(crate) cached_entries: Cell<i64>,
    /// Connections that are open.
    pub(crate) connections: Cell<usize>,
    /// Pipes that carry no bytes at the moment.
    pub(crate) pipes: Pipes,
    /// Look-ups of names that may be under way.
    pub(crate) resolutions: Turns,
    /// Look-ups of names that pass, to compare them with the addresses dialled.
    pub(crate) look_ups: LookUps,
}

impl Worker {
    /// Creates a worker with an empty cache. Its connections are counted by `drain`.
    pub(crate) fn new(shared: Arc<Shared>, drain: Drain) -> Self {
        let cache = shared.live.load().config.cache;
        Self {
            shared,
            filter: RefCell::new(Filter::new(cache)),
            drain,
            cached_entries: Cell::new(0),
            connections: Cell::new(0),
            pipes: Pipes::default(),
            resolutions: Turns::default(),
            look_ups: LookUps::default(),
        }
    }
}
