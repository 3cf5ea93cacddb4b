//! Live sessions in the running program: the table, who reports, and the snapshot.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use feeds::api::{Access, Api, Profiles, Tokens};
use feeds::radius::Radius;
use feeds::shared::{self, SharedStore, Watch};
use feeds::{Basis, Metrics, Subscribers, gx, now_s};
use policy::PolicySet;
use service::Drain;
use service::admin::Added;
use sessions::{LiveLimits, LiveSessions, SNAPSHOT_RECORD_LEN_MAX, SessionStore};
use tracing::{error, info, warn};

use crate::config::{self, Live as Config};
use crate::files::{Readers, write_whole};

/// How long what takes reports may need to end.
const GRACE: Duration = Duration::from_secs(1);

/// How long Diameter peers may take to answer a goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// What is kept of live sessions for as long as the program runs.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) subscribers: Arc<Subscribers>,
    /// The sessions, unless they are kept elsewhere.
    table: Option<Arc<LiveSessions>>,
    metrics: Arc<Metrics>,
    radius: Option<Radius>,
    /// How the policy server is spoken to, until the program ends.
    gx: Option<gx::Config>,
    api: Option<Arc<Api>>,
    /// How the store that several gateways share is reached, until the program ends.
    redis: Option<shared::Config>,
    limits: LiveLimits,
    snapshot: Option<PathBuf>,
    drain: Drain,
    /// Ends after the other, so that the policy server may select until nothing changes any more.
    gx_drain: Drain,
    /// Ends after both.
    store_drain: Drain,
}

/// An address where sessions are reported could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub(crate) struct ListenError {
    address: std::net::SocketAddr,
    source: io::Error,
}

impl Live {
    /// Takes the snapshot, and starts to take reports, and to tell the policy server of them.
    pub(crate) async fn start(
        config: &Config,
        basis: Basis,
        policy: Option<&Arc<PolicySet>>,
    ) -> Result<Self, ListenError> {
        let store_drain = Drain::default();
        let redis = shared_config(config);
        let Store {
            table,
            store,
            metrics,
        } = match &redis {
            Some(redis) => Store::elsewhere(redis, &store_drain),
            None => Store::here(config),
        };
        let gx_metrics = config.gx.as_ref().map(|_| gx::Metrics::default());
        let metrics = Arc::new(match &gx_metrics {
            Some(gx) => metrics.with_gx(gx),
            None => metrics,
        });
        let (drain, gx_drain) = (Drain::default(), Drain::default());
        let subscribers = Subscribers::start(store, basis, &metrics, &drain);
        if let Some((mut gx, metrics)) = config.gx.clone().zip(gx_metrics) {
            (gx.gx.state, gx.gx.first_id) = (now_s(), first_id());
            let directory = Arc::clone(&subscribers);
            let policy_server = gx::start(gx, directory, metrics, &gx_drain);
            subscribers.ask(Arc::new(policy_server));
            // What is elsewhere was told by the gateways that heard of it.
            if table.is_some() {
                subscribers.tell_restored().await;
            }
        }
        let radius = config.radius.clone();
        let radius = radius.map(|config| Radius::start(config, &subscribers, &metrics, &drain));
        let radius = radius.transpose().map_err(|wrong| ListenError {
            address: wrong.address,
            source: wrong.source,
        })?;
        for address in radius.iter().flat_map(Radius::addresses) {
            info!(listener = "radius", %address, "listening");
        }
        let tokens = config.tokens.clone();
        let access = tokens.map(|tokens| access(tokens, policy));
        let api = access.map(|access| Api::new(&subscribers, &metrics, access));
        Ok(Self {
            subscribers,
            table,
            metrics,
            radius,
            gx: config.gx.clone(),
            api,
            redis,
            limits: config.limits,
            snapshot: config.snapshot.clone(),
            drain,
            gx_drain,
            store_drain,
        })
    }

    /// Returns what an admin endpoint shows of it.
    pub(crate) fn added(&self) -> Added {
        let metrics = Arc::clone(&self.metrics);
        Added {
            metrics: Some(Arc::new(move || metrics.encode())),
            route: self.api.as_ref().map(Api::route),
        }
    }

    /// Puts changed settings in force. Returns those that need a restart.
    pub(crate) fn reload(
        &mut self,
        config: Option<Config>,
        basis: Basis,
        policy: Option<&Arc<PolicySet>>,
    ) -> Vec<&'static str> {
        self.subscribers.reload(basis);
        let Some(config) = config else {
            self.reload_api(None, policy);
            return vec!["sessions.live"];
        };
        let mut fixed = Vec::new();
        if config.limits != self.limits {
            fixed.push("sessions.live");
        }
        if shared_config(&config) != self.redis {
            fixed.push("sessions.redis");
        }
        self.snapshot = config.snapshot;
        if config.gx != self.gx {
            fixed.push("sessions.gx");
        }
        match (&self.radius, config.radius) {
            (Some(running), Some(config)) => {
                if running.reload(config) {
                    fixed.push("sessions.radius.listen");
                }
            }
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => fixed.push("sessions.radius"),
        }
        fixed.extend(self.reload_api(config.tokens, policy));
        fixed
    }

    /// Puts tokens and profiles in force. Without tokens nobody is let in.
    fn reload_api(
        &self,
        tokens: Option<Tokens>,
        policy: Option<&Arc<PolicySet>>,
    ) -> Option<&'static str> {
        let fixed = self.api.is_some() != tokens.is_some();
        if let Some(api) = &self.api {
            api.reload(access(tokens.unwrap_or_default(), policy));
        }
        fixed.then_some("sessions.admin")
    }

    /// Takes no more reports, says goodbye to the policy server, and writes the snapshot.
    pub(crate) async fn stop(self) {
        if self.drain.drain(GRACE).await.is_err() {
            warn!("a report of a session was still under way");
        }
        if self.gx_drain.drain(GOODBYE).await.is_err() {
            warn!("a Diameter peer did not answer the goodbye");
        }
        if self.store_drain.drain(GRACE).await.is_err() {
            warn!("a change of a session was still under way");
        }
        let (Some(path), Some(table)) = (self.snapshot, self.table) else {
            return;
        };
        let mut draft = path.clone().into_os_string();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        let written = tokio::task::spawn_blocking(move || {
            let sessions = table.len();
            write_whole(&path, &draft, &table.snapshot(), Readers::Owner).map(|()| sessions)
        });
        match written.await {
            Ok(Ok(sessions)) => info!(sessions, "live sessions are kept"),
            Ok(Err(error)) => error!(%error, "cannot keep live sessions"),
            // The runtime is ending already.
            Err(_) => {}
        }
    }
}

/// Where live sessions are kept, and what is counted of it.
struct Store {
    table: Option<Arc<LiveSessions>>,
    store: Arc<dyn SessionStore>,
    metrics: Metrics,
}

impl Store {
    /// Keeps sessions in this process, with those of the snapshot.
    fn here(config: &Config) -> Self {
        let table = Arc::new(LiveSessions::new(config.limits));
        if let Some(path) = &config.snapshot {
            restore(&table, path);
        }
        let store: Arc<dyn SessionStore> = Arc::clone(&table) as _;
        Self {
            table: Some(table),
            metrics: Metrics::new(Arc::clone(&store)),
            store,
        }
    }

    /// Keeps sessions where other gateways have them too.
    fn elsewhere(config: &shared::Config, drain: &Drain) -> Self {
        let shared = shared::Metrics::default();
        let store: Arc<dyn SessionStore> = SharedStore::start(config.clone(), &shared, drain);
        Self {
            table: None,
            metrics: Metrics::new(Arc::clone(&store)).with_shared(&shared),
            store,
        }
    }
}

/// Returns how the store that several gateways share is reached, if there is one.
fn shared_config(config: &Config) -> Option<shared::Config> {
    let redis = config.redis.as_ref()?;
    Some(shared::Config {
        lifetime_s: config.limits.lifetime_s,
        watch: match &config.gx {
            Some(_) => Watch::Reported,
            None => Watch::Nothing,
        },
        ..redis.config.clone()
    })
}

/// Returns what a configuration says about what the policy server selects.
pub(crate) fn basis(config: &config::Config) -> Basis {
    let policy = config.policy.iter();
    let profiles = policy.flat_map(|policy| policy.profiles());
    Basis {
        selection: config.sessions.selection().clone(),
        ids: profiles
            .filter_map(|profile| Some((profile.id?, Arc::clone(&profile.name))))
            .collect(),
    }
}

/// Returns who may change sessions, and to which profiles: those of the policy, where there is one.
fn access(tokens: Tokens, policy: Option<&Arc<PolicySet>>) -> Access {
    let policy = policy.cloned();
    let profiles: Profiles = Arc::new(move |name| {
        let Some(policy) = &policy else {
            return Ok(name.into());
        };
        let profile = policy.profile(name);
        let found = profile.map(|profile| Arc::clone(&profile.name));
        found.ok_or_else(|| policy.no_profile(name))
    });
    Access { tokens, profiles }
}

/// Returns a number that differs between starts of the program within one second by more sessions
/// than the first of them can have opened.
fn first_id() -> u32 {
    const APART: u32 = 4_096;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.subsec_micros().saturating_mul(APART))
}

/// Takes the sessions of a snapshot. One that cannot be used is told of and left where it is: to
/// start without it is better than not to start.
fn restore(table: &LiveSessions, path: &Path) {
    let bytes = match read(path, table.limits().sessions_max) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return,
        Err(error) => {
            error!(path = %path.display(), %error, "cannot read the snapshot of live sessions");
            return;
        }
    };
    match table.restore(&bytes, now_s()) {
        Ok((sessions, 0)) => info!(sessions, "live sessions restored"),
        Ok((sessions, left_out)) => {
            warn!(
                sessions,
                left_out, "live sessions restored as far as there is room"
            );
        }
        Err(error) => {
            error!(path = %path.display(), %error, "the snapshot of live sessions is refused");
        }
    }
}

/// Reads a file that may not be there, and is not longer than so many sessions may be.
fn read(path: &Path, sessions_max: usize) -> io::Result<Option<Vec<u8>>> {
    let len_max = (sessions_max + sessions::NAS_MAX + 1).saturating_mul(SNAPSHOT_RECORD_LEN_MAX);
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if usize::try_from(found.len()).map_or(true, |len| len > len_max) {
        let text = format!("it has more than the {len_max} bytes that `sessions_max` allows");
        return Err(io::Error::other(text));
    }
    fs::read(path).map(Some)
}
