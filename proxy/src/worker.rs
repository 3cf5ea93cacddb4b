use std::cell::RefCell;
use std::sync::Arc;

use filter::Filter;
use service::Drain;

use crate::state::Shared;

/// One thread with its own listeners, connections and cache. Nothing in it is locked.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) filter: RefCell<Filter>,
    pub(crate) drain: Drain,
}
