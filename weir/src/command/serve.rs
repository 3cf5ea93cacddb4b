//! `weir proxy`, `weir icap-server` and what `weir up` shares with them: start, reload, drain.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use policy::Diagnostic;
use service::admin::Added;
use service::signals::{self, Hangups};
use service::{exit, telemetry};
use sessions::Fallback;
use tokio::runtime::{self, Runtime};
use tracing::{info, warn};

use crate::config::{self, Config, Loaded};
use crate::files::Files;
use crate::live::{self, Live};
use crate::{Failure, load};

mod follow;

use self::follow::{Basis, Follow, News};

/// Threads of what belongs to the process: signals, admin endpoints, the ICAP client. Workers
/// have their own.
const PROCESS_THREADS: usize = 2;

/// Runs the proxy that a configuration file describes until a signal ends it.
pub(crate) fn proxy(path: &Path) -> Result<u8, Failure> {
    serve(&Plan::of_file(path, Parts::Proxy))
}

/// Runs the ICAP server that a configuration file describes until a signal ends it.
pub(crate) fn icap_server(path: &Path) -> Result<u8, Failure> {
    serve(&Plan::of_file(path, Parts::IcapServer))
}

/// What to run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) files: Files,
    pub(crate) path: PathBuf,
    pub(crate) parts: Parts,
    /// Names that lead to an address beside those of the configuration, which come first.
    pub(crate) hosts: BTreeMap<String, SocketAddr>,
    /// Addresses that replace those of the bundled configuration.
    pub(crate) addresses: Option<Addresses>,
}

/// Which sections of a configuration file to run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Parts {
    Proxy,
    IcapServer,
    /// All that the file has.
    All,
}

/// Where the bundled configuration listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) explicit: SocketAddr,
    pub(crate) icap: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// The programs that run.
#[derive(Debug)]
pub(crate) struct Servers {
    proxy: Option<proxy::Running>,
    icap_server: Option<icap_server::Running>,
    /// With the ICAP server.
    follow: Option<Follow>,
    live: Option<Live>,
    /// Whether the configuration was read last without coming in force.
    is_refused: bool,
}

fn serve(plan: &Plan) -> Result<u8, Failure> {
    telemetry::start(telemetry::Format::Auto)?;
    runtime()?.block_on(async {
        let mut watch = Watch::start()?;
        let starting = Box::pin(Servers::start(plan));
        let Some(servers) = watch.unless_ended(starting).await else {
            return Ok(exit::SUCCESS);
        };
        let mut servers = servers?;
        watch.run(plan, &mut servers).await;
        Ok(servers.stop().await)
    })
}

/// Creates the runtime of what belongs to the process.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let mut builder = runtime::Builder::new_multi_thread();
    Ok(builder
        .worker_threads(PROCESS_THREADS)
        .enable_all()
        .build()?)
}

impl Plan {
    pub(crate) fn of_file(path: &Path, parts: Parts) -> Self {
        Self {
            files: Files::Disk,
            path: path.to_owned(),
            parts,
            hosts: BTreeMap::new(),
            addresses: None,
        }
    }

    /// Reads the configuration with the sections that are to run.
    fn load(&self) -> Result<Loaded, Vec<Diagnostic>> {
        let mut loaded = config::load(self.files, &self.path)?;
        let config = &mut loaded.config;
        let lacking = match self.parts {
            Parts::Proxy if config.proxy.is_none() => Some("proxy"),
            Parts::IcapServer if config.icap_server.is_none() => Some("icap_server"),
            Parts::Proxy | Parts::IcapServer | Parts::All => None,
        };
        if let Some(section) = lacking {
            return Err(vec![Loaded::lacks(&self.path, section)]);
        }
        match self.parts {
            Parts::Proxy => config.icap_server = None,
            Parts::IcapServer => config.proxy = None,
            Parts::All => {}
        }
        for (name, address) in &self.hosts {
            config.static_hosts.entry(name.clone()).or_insert(*address);
        }
        if let Some(addresses) = self.addresses {
            addresses.put_into(config);
        }
        Ok(loaded)
    }

    fn failed(
        &self,
        what: &'static str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Failure {
        let hint = match self.files {
            Files::Bundled(_) => {
                "end what uses the address, or give others with --listen, --icap and --admin"
                    .to_owned()
            }
            Files::Disk => format!(
                "correct `{}`, or end what is in the way",
                self.path.display()
            ),
        };
        Failure::Start {
            what,
            hint,
            source: Box::new(source),
        }
    }
}

impl Addresses {
    fn put_into(self, config: &mut Config) {
        if let Some(proxy) = &mut config.proxy {
            proxy.admin = Some(self.admin);
            for listen in &mut proxy.listen {
                listen.address = self.explicit;
            }
        }
        if let Some(server) = &mut config.icap_server {
            server.config.listen = vec![icap_server::config::Listen::at(self.icap)];
        }
    }
}

impl Servers {
    /// Starts what the plan names; the ICAP server first, since the proxy asks it.
    pub(crate) async fn start(plan: &Plan) -> Result<Self, Failure> {
        let Loaded {
            mut config,
            warnings,
        } = plan.load().map_err(Failure::Configuration)?;
        log(&warnings);
        let mut servers = Self {
            proxy: None,
            icap_server: None,
            follow: None,
            live: None,
            is_refused: false,
        };
        if let Some(live) = &config.live {
            let policy = config.policy.as_ref();
            let live = Live::start(live, live::basis(&config), policy).await;
            let live = live.map_err(|error| plan.failed("sessions", error))?;
            servers.live = Some(live);
        }
        servers.with_live(&mut config);
        if let Some(basis) = Basis::of(&config) {
            basis.fetch_first().await?;
            let seen = basis.look();
            let content = icap_content(plan, &basis).map_err(Failure::Configuration)?;
            // One admin endpoint tells of them: the proxy's, where there is one.
            let added = servers.added(config.proxy.is_none());
            let started = icap_server::start_with(basis.server.config.clone(), content, added);
            let started = started.await;
            servers.icap_server = Some(started.map_err(|error| plan.failed("ICAP server", error))?);
            servers.follow = Some(Follow::start(basis, seen)?);
        }
        if plan.addresses.is_some() {
            servers.ask_own(&mut config);
        }
        if let Some((config, content)) = servers.proxy_content(config) {
            match proxy::start_with(config, content, servers.added(true)).await {
                Ok(running) => servers.proxy = Some(running),
                Err(error) => {
                    servers.stop().await;
                    return Err(plan.failed("proxy", error));
                }
            }
        }
        info!("configuration in force");
        Ok(servers)
    }

    /// Puts changed files in force. Files with errors change nothing.
    fn reload(&mut self, plan: &Plan) -> Result<(), Vec<Diagnostic>> {
        let Loaded {
            mut config,
            warnings,
        } = plan.load()?;
        log(&warnings);
        if plan.addresses.is_some() {
            self.ask_own(&mut config);
        }
        self.with_live(&mut config);
        let reported = config.live.take();
        let selects = live::basis(&config);
        let policy = config.policy.clone();
        let icap = Basis::of(&config).map(|basis| {
            let seen = basis.look();
            icap_content(plan, &basis).map(|content| (basis, seen, content))
        });
        // Everything was read without an error; only now anything changes.
        if let (Some(running), Some((basis, seen, content))) =
            (&self.icap_server, icap.transpose()?)
        {
            let fixed = running.reload(&basis.server.config, content);
            tell_fixed(fixed.map_err(|wrong| load::tls_remarks(&plan.path, &wrong))?);
            if let Some(follow) = &mut self.follow
                && let Err(error) = follow.replace(basis, seen, running)
            {
                warn!(%error, "category files are not fetched any more; restart to try again");
            }
        }
        if let (Some(running), Some((config, content))) = (&self.proxy, self.proxy_content(config))
        {
            tell_fixed(running.reload(config, content));
        }
        match (&mut self.live, reported) {
            (Some(live), reported) => tell_fixed(live.reload(reported, selects, policy.as_ref())),
            (None, Some(_)) => tell_fixed(vec!["sessions.live"]),
            (None, None) => {}
        }
        self.is_refused = false;
        info!("configuration in force");
        Ok(())
    }

    /// Lets the sessions of a configuration be looked for among live ones first.
    fn with_live(&self, config: &mut Config) {
        let live = self.live.as_ref();
        let store = live.map(|live| Arc::clone(live.subscribers.store()));
        let redis = config.live.as_ref().and_then(|live| live.redis.as_ref());
        let unavailable = redis.map_or(Fallback::NextSource, |redis| redis.unavailable.clone());
        let sessions = std::mem::take(&mut config.sessions);
        config.sessions = sessions.with_live(store, &unavailable);
    }

    /// Returns what an admin endpoint shows of live sessions, if it is the one that does.
    fn added(&self, shows: bool) -> Added {
        match (&self.live, shows) {
            (Some(live), true) => live.added(),
            (None, _) | (Some(_), false) => Added::default(),
        }
    }

    /// Completes with news about categories. Dropping the future loses none.
    async fn news(&mut self) -> News {
        match &mut self.follow {
            Some(follow) => follow.next().await,
            None => std::future::pending().await,
        }
    }

    /// Puts new categories in force, if the news are of any.
    fn take(&mut self, news: News, plan: &Plan) -> Result<(), Vec<Diagnostic>> {
        if let (Some(follow), Some(running)) = (&mut self.follow, &self.icap_server) {
            let is_new = follow.take(news, (plan.files, &plan.path), running)?;
            // They say nothing of a configuration that is still wrong.
            if is_new && !self.is_refused {
                running.reload_taken();
            }
        }
        Ok(())
    }

    /// Tells why a reload changed nothing.
    fn refused(&self, remarks: &[Diagnostic]) {
        log(remarks);
        warn!("reload refused; the configuration in use stays in force");
        if let Some(running) = &self.icap_server {
            running.reload_refused();
        }
    }

    /// Lets connections finish within the grace period.
    pub(crate) async fn stop(self) -> u8 {
        let proxy = async {
            match self.proxy {
                Some(running) => running.stop().await,
                None => 0,
            }
        };
        // The proxy may still ask the ICAP server for the requests that it finishes.
        let leftover = proxy.await;
        let leftover = match self.icap_server {
            Some(running) => leftover + running.stop().await,
            None => leftover,
        };
        if let Some(live) = self.live {
            live.stop().await;
        }
        match leftover {
            0 => info!("stopped"),
            connections => warn!(connections, "stopped at the end of the grace period"),
        }
        exit::SUCCESS
    }

    /// Returns where the first listener of the proxy really is.
    pub(crate) fn proxy_address(&self) -> Option<SocketAddr> {
        self.proxy.as_ref()?.addresses().first().copied()
    }

    fn proxy_content(&self, config: Config) -> Option<(proxy::config::Config, proxy::Content)> {
        let beside = match &self.icap_server {
            Some(running) => running
                .addresses()
                .into_iter()
                .chain(running.admin())
                .collect(),
            None => config.icap_sockets.into(),
        };
        let content = proxy::Content {
            policy: config.policy?,
            sessions: config.sessions,
            static_hosts: Arc::new(config.static_hosts),
            beside,
        };
        Some((config.proxy?, content))
    }

    /// Lets the proxy ask the ICAP server of this process, wherever the system put it.
    fn ask_own(&self, config: &mut Config) {
        let address = self
            .icap_server
            .as_ref()
            .and_then(|it| it.addresses().first().copied());
        let icap = config.proxy.as_mut().and_then(|proxy| proxy.icap.as_mut());
        if let (Some(icap), Some(address)) = (icap, address) {
            let endpoint = proxy::config::Endpoint::Tcp {
                host: address.ip().to_string(),
                port: address.port(),
            };
            let uri = format!("icap://{address}/categorize");
            let service = proxy::config::IcapService {
                uri,
                endpoint,
                weight: 1,
            };
            icap.services = vec![service.into()];
        }
    }
}

/// The signals that a server lives by.
pub(crate) struct Watch {
    termination: Pin<Box<dyn Future<Output = &'static str> + Send>>,
    hangups: Hangups,
}

impl Watch {
    /// Starts to listen for signals, so that none is lost while the servers start.
    pub(crate) fn start() -> Result<Self, Failure> {
        Ok(Self {
            termination: Box::pin(signals::termination()?),
            hangups: Hangups::listen()?,
        })
    }

    /// Completes with what `work` gives; None: a signal asked to end before.
    pub(crate) async fn unless_ended<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            signal = &mut self.termination => {
                info!(signal, "stopped before it started");
                None
            }
            done = work => Some(done),
        }
    }

    /// Reloads at each SIGHUP and where there are new categories, until a signal asks to end.
    /// Files are read on this thread, which no request waits for.
    pub(crate) async fn run(mut self, plan: &Plan, servers: &mut Servers) {
        loop {
            let reloaded = tokio::select! {
                signal = &mut self.termination => {
                    info!(signal, "drain requested");
                    return;
                }
                () = self.hangups.next() => {
                    servers.is_refused = true;
                    servers.reload(plan)
                }
                news = servers.news() => servers.take(news, plan),
            };
            if let Err(remarks) = reloaded {
                servers.refused(&remarks);
            }
        }
    }
}

/// Reads what an ICAP server answers from, and looks at the files of its TLS listeners.
fn icap_content(plan: &Plan, basis: &Basis) -> Result<icap_server::Content, Vec<Diagnostic>> {
    load::tls(&plan.path, &basis.server)?;
    basis.read(plan.files, &plan.path)
}

fn tell_fixed(settings: Vec<&'static str>) {
    for setting in settings {
        warn!(setting, "a changed setting needs a restart");
    }
}

fn log(remarks: &[Diagnostic]) {
    for remark in remarks {
        warn!(%remark, "a file needs a look");
    }
}
