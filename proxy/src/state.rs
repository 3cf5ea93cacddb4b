use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;
use policy::PolicySet;
use sessions::Directory;

use crate::access_log::AccessLogger;
use crate::config::Config;
use crate::icap::IcapClient;
use crate::metrics::Metrics;

/// What a reload replaces: the policy, the sessions, and the settings that may change.
#[derive(Clone, Debug)]
pub struct Content {
    /// The policy in force.
    pub policy: Arc<PolicySet>,
    /// Who is behind an address.
    pub sessions: Directory,
}

/// One consistent view of everything that a reload replaces. Read once for every request.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) content: Content,
    pub(crate) config: Config,
    /// Counts reloads.
    pub(crate) generation: u64,
}

/// What belongs to the process and is shared by its workers.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) live: ArcSwap<Live>,
    /// Absent when no ICAP service is configured.
    pub(crate) icap: Option<IcapClient>,
    /// Counts ISTag changes; the ICAP client adds one, workers read it.
    pub(crate) icap_generation: Arc<AtomicU64>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) access_log: AccessLogger,
    /// Addresses where the proxy will not go: its own listeners, admin and ICAP endpoints.
    pub(crate) forbidden: ArcSwap<Vec<std::net::SocketAddr>>,
}
