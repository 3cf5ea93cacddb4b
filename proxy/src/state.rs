//! What the process shares between its workers, and what a reload replaces.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use filter::Rules;
use jiff::Timestamp;
use policy::PolicySet;
use sessions::{Directory, Known, Session};

use crate::access_log::AccessLogger;
use crate::clients::Clients;
use crate::config::Config;
use crate::icap::IcapClient;
use crate::limit::Seldom;
use crate::metrics::Metrics;
use crate::sni_check::Resolver;
use crate::tls::HelloMemory;

/// What a reload replaces: the policy, the sessions, and the settings that may change.
#[derive(Clone, Debug)]
pub struct Content {
    /// The policy in force.
    pub policy: Arc<PolicySet>,
    /// Who is behind an address.
    pub sessions: Directory,
    /// Names in normal form that are looked up here before DNS is asked, and the address and
    /// port that each stands for: those of `proxy.hosts`, and in `weir up` the demonstration's.
    pub static_hosts: Arc<BTreeMap<String, SocketAddr>>,
    /// Sockets of the ICAP server that runs beside this proxy, where it will not go.
    pub beside: Arc<[SocketAddr]>,
}

/// One consistent view of everything that a reload replaces. Read once for every request.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) content: Content,
    pub(crate) config: Config,
    /// Asks DNS whether names lead where clients dial; absent where that is never to be known.
    pub(crate) resolver: Option<Resolver>,
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
    /// Counts the connections of each client.
    pub(crate) clients: Arc<Clients>,
    /// Keeps clients over a limit from filling the logs.
    pub(crate) refusals: Seldom,
    /// What Client Hellos that are not whole yet hold.
    pub(crate) hello_memory: HelloMemory,
    /// Addresses where the proxy will not go: its own listeners and admin endpoint. Those of the
    /// ICAP endpoints are asked of the ICAP client, which resolves them anew.
    pub(crate) forbidden: ArcSwap<Vec<SocketAddr>>,
}

impl Live {
    /// Returns the session of a client.
    pub(crate) async fn session(&self, client: IpAddr) -> Option<Known> {
        self.content.sessions.find(client).await
    }

    /// Returns the profile of a session: its own, that of its access point, the default.
    pub(crate) fn profile<'a>(&'a self, session: Option<&'a Session>) -> Option<&'a str> {
        let default = self.content.policy.default_profile();
        let default = default.map(|profile| &*profile.name);
        self.content.sessions.profile(session, default)
    }
}

impl Shared {
    /// Returns the rules in force, for one request.
    pub(crate) fn rules(&self, live: &Live) -> Rules {
        Rules {
            policy: Arc::clone(&live.content.policy),
            policy_generation: live.generation,
            icap_generation: self.icap_generation.load(Ordering::Acquire),
            now: (!live.content.policy.timetable().is_empty()).then(Timestamp::now),
        }
    }
}
