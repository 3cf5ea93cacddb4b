use std::num::NonZeroUsize;
use std::time::Duration;

/// Limits of a worker's cache.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// Exact and prefix entries of all profiles together. None: no cache.
    pub entries_max: Option<NonZeroUsize>,
    /// How long an entry lives at most.
    pub lifetime: Duration,
}
