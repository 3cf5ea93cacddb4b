//! The connection to the store: made, watched, and made again.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo};
use redis::{RedisError, Value};
use service::Drain;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsConnector;
use tracing::{debug, info, warn};

use super::Shared;
use super::config::{Address, Config};
use super::script::SCRIPT;

/// How long a connection may take to be made, unless one question may take longer.
const SETUP_MAX: Duration = Duration::from_secs(1);

/// How long to wait before the store is dialled again; twice as long each time.
const PAUSE_FIRST: Duration = Duration::from_millis(50);

/// How long to wait before the store is dialled again at most.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How often the store is asked whether it is there, though nothing else is asked.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// What a change is called.
pub(super) const CHANGE: &str = "change";

/// The connection, if there is one.
#[derive(Debug, Default)]
pub(super) struct Link {
    open: ArcSwapOption<Open>,
    /// Something did not work: it is looked whether the connection does.
    trouble: Notify,
    /// The connection is not worth looking at.
    is_lost: AtomicBool,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Open {
    /// Its number.
    pub(super) number: u32,
    /// What the store calls the script.
    pub(super) script: String,
    /// For questions: the store tells when their answers change.
    connection: MultiplexedConnection,
    /// For changes. What a script reads would be tracked too, and told of as it writes.
    changes: MultiplexedConnection,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The store does not answer, or not any more.
    Away,
    /// It answered that it does not do this.
    Refused(RedisError),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum Unconnected {
    #[error("{0}")]
    Dial(#[from] io::Error),
    #[error("{0}")]
    Store(#[from] RedisError),
    #[error("no answer in time")]
    Late,
}

impl Link {
    pub(super) fn open(&self) -> Option<Arc<Open>> {
        self.open.load_full()
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load().is_some()
    }

    fn look_after(&self) {
        self.trouble.notify_one();
    }

    /// Gives the connection up.
    pub(super) fn lose(&self) {
        self.is_lost.store(true, Ordering::Release);
        self.trouble.notify_one();
    }
}

impl Shared {
    /// Asks the store, for as long as is configured.
    pub(super) async fn ask(
        &self,
        open: &Open,
        call: &'static str,
        command: &Cmd,
    ) -> Result<Value, Fault> {
        let mut connection = match call {
            CHANGE => open.changes.clone(),
            _ => open.connection.clone(),
        };
        let began = Instant::now();
        let answer = timeout(
            self.config.timeout,
            command.query_async::<Value>(&mut connection),
        )
        .await;
        self.metrics.took(call, began.elapsed().as_secs_f64());
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) if error.is_unrecoverable_error() => {
                self.metrics.failed("lost");
                self.link.look_after();
                Err(Fault::Away)
            }
            Ok(Err(error)) => Err(Fault::Refused(error)),
            Err(_) => {
                self.metrics.failed("late");
                self.link.look_after();
                Err(Fault::Away)
            }
        }
    }

    /// Keeps a connection, until `stop` is said.
    pub(super) async fn keep_connected(self: &Arc<Self>, drain: &Drain, stop: &Notify) {
        tokio::select! {
            () = self.connect_again_and_again(drain) => {}
            () = stop.notified() => {}
        }
        self.link.open.store(None);
        self.epochs.close();
    }

    async fn connect_again_and_again(self: &Arc<Self>, drain: &Drain) {
        let setup = self.config.timeout.max(SETUP_MAX);
        let (mut pause, mut is_told) = (PAUSE_FIRST, false);
        loop {
            let made = timeout(setup, self.connect(drain)).await;
            match made.unwrap_or(Err(Unconnected::Late)) {
                Ok(open) => {
                    self.begin(&open);
                    (pause, is_told) = (PAUSE_FIRST, false);
                    self.attend(&open).await;
                    self.link.open.store(None);
                    self.epochs.close();
                    self.metrics.is_up.set(0);
                    warn!(address = %self.config.address, "the store of sessions is lost");
                }
                Err(error) => {
                    let address = &self.config.address;
                    if is_told {
                        debug!(%address, %error, "the store of sessions cannot be reached");
                    } else {
                        warn!(%address, %error, "the store of sessions cannot be reached");
                    }
                    is_told = true;
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn begin(&self, open: &Arc<Open>) {
        self.epochs.open(open.number);
        self.link.open.store(Some(Arc::clone(open)));
        self.held.suspect_all();
        self.metrics.is_up.set(1);
        self.metrics.connections.inc();
        self.came_up.notify_one();
        info!(address = %self.config.address, "the store of sessions is connected");
    }

    /// Returns when the connection is lost.
    async fn attend(&self, open: &Open) {
        let mut ticks = interval(WATCH_EVERY);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.link.trouble.notified() => {}
            }
            if self.link.is_lost.load(Ordering::Acquire) {
                return;
            }
            let ping = redis::cmd("PING");
            let answers =
                tokio::join!(self.ask(open, "ping", &ping), self.ask(open, CHANGE, &ping));
            if let (Err(fault), _) | (_, Err(fault)) = answers {
                debug!(?fault, "the store of sessions is not there");
                return;
            }
        }
    }

    async fn connect(self: &Arc<Self>, drain: &Drain) -> Result<Arc<Open>, Unconnected> {
        let number = self.epochs.next();
        self.link.is_lost.store(false, Ordering::Release);
        let mut connection = self.dial(number, drain).await?;
        let changes = self.dial(number, drain).await?;
        let mut tracking = redis::cmd("CLIENT");
        tracking.arg("TRACKING").arg("ON");
        tracking.query_async::<()>(&mut connection).await?;
        let mut load = redis::cmd("SCRIPT");
        let script = load.arg("LOAD").arg(SCRIPT);
        let script: String = script.query_async(&mut connection).await?;
        let mut lengths = redis::cmd("GET");
        lengths.arg(self.keys.lengths());
        let lengths: Option<Vec<u8>> = lengths.query_async(&mut connection).await?;
        self.lengths
            .set(&super::lengths::Written::read(lengths.as_deref()));
        Ok(Arc::new(Open {
            number,
            script,
            connection,
            changes,
        }))
    }

    async fn dial(
        self: &Arc<Self>,
        number: u32,
        drain: &Drain,
    ) -> Result<MultiplexedConnection, Unconnected> {
        Ok(match &self.config.address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                self.login(stream, number, drain).await?
            }
            Address::Tcp(host, port) => {
                let stream = TcpStream::connect((&**host, *port)).await?;
                stream.set_nodelay(true)?;
                match &self.config.tls {
                    None => self.login(stream, number, drain).await?,
                    Some(tls) => {
                        let connector = TlsConnector::from(Arc::clone(&tls.config));
                        let stream = connector.connect(tls.name.clone(), stream).await?;
                        self.login(stream, number, drain).await?
                    }
                }
            }
        })
    }

    async fn login<S>(
        self: &Arc<Self>,
        stream: S,
        number: u32,
        drain: &Drain,
    ) -> Result<MultiplexedConnection, RedisError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let told = Arc::downgrade(self);
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None)
            .set_push_sender(move |push| pushed(&told, number, push));
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&login(&self.config), stream, config).await?;
        drain.spawn(driver);
        Ok(connection)
    }
}

/// Takes what the store tells without being asked, in the order in which it says it.
fn pushed(shared: &Weak<Shared>, number: u32, push: PushInfo) -> Result<(), ()> {
    let shared = shared.upgrade().ok_or(())?;
    if push.kind == PushKind::Invalidate {
        shared.invalidated(push.data);
    } else if push.kind == PushKind::Disconnection && shared.epochs.now().number == number {
        shared.link.lose();
    }
    Ok(())
}

fn login(config: &Config) -> RedisConnectionInfo {
    let mut info = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_skip_set_lib_name()
        .set_db(i64::from(config.database));
    if let Some(login) = &config.login {
        if let Some(user) = &login.user {
            info = info.set_username(user);
        }
        info = info.set_password(&login.password);
    }
    info
}
