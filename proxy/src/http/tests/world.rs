use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use filter::CacheLimits;
use service::Drain;
use sessions::{Digits, Directory, Selection, Session};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::origin::TestOrigin;
use crate::access_log::{AccessLogger, Sink};
use crate::config::{AccessLog, Config, Dns, HeadLimits, Limits, Mode, Ports, UpstreamSource};
use crate::connection::{Arrival, ClientStream, Connection};
use crate::limit::Seldom;
use crate::metrics::Metrics;
use crate::sni_check::Bound;
use crate::state::{Content, Live, Shared};
use crate::tls::HelloMemory;
use crate::worker::Worker;

/// Longest wait for anything in a test; longer than all that is tested, since some tests let the
/// clock jump.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(1000);

const POLICY: &str = r#"
lists:
  good: [good.test, other.test]
  bad: [bad.test]
  old: [old.test]
policies: {}
profiles:
  main:
    pass_list: [good]
    block_list: [bad]
    redirect_list:
      - {to: "http://good.test/moved?s=%S&m=%M&u=%U", lists: [old]}
    default_action: block
    unknown_action: block
    error_action: block
    undecidable_action: UNDECIDABLE
    block_response: RESPONSE
default_profile: main
"#;

/// A worker, an origin, and connections between them.
pub(super) struct World {
    worker: Rc<Worker>,
    pub(super) origin: TestOrigin,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

/// How a client's connection comes.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Intercepted,
    Explicit,
}

impl World {
    pub(super) async fn new(block_response: &str, undecidable_action: &str) -> Self {
        let origin = TestOrigin::start().await;
        let policy = POLICY
            .replace("RESPONSE", block_response)
            .replace("UNDECIDABLE", undecidable_action);
        let compiled = policy::compile("test.yaml", &policy, &|_| Err("none".to_owned())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("access.log");
        let metrics = Arc::new(Metrics::default());
        let config = config(origin.address.port(), &log);
        let sink = Sink::open(config.access_log.as_ref()).unwrap();
        let hosts = ["good.test", "other.test", "bad.test"];
        let session = Session {
            msisdn: Digits::new("111220000001"),
            imsi: Digits::new("10020000000007"),
            ..Session::default()
        };
        let content = Content {
            policy: Arc::new(compiled.set),
            sessions: Directory::new(
                [("127.0.0.0/8".parse().unwrap(), Arc::new(session))],
                Selection::default(),
            ),
            static_hosts: Arc::new(BTreeMap::from(
                hosts.map(|host| (host.to_owned(), origin.address)),
            )),
            beside: Arc::new([]),
        };
        let shared = Arc::new(Shared {
            access_log: AccessLogger::start(sink, &metrics).unwrap(),
            clients: Arc::default(),
            refusals: Seldom::default(),
            live: ArcSwap::from_pointee(Live {
                content,
                config,
                resolver: None,
                generation: 0,
            }),
            icap: None,
            icap_generation: Arc::new(AtomicU64::new(0)),
            metrics,
            hello_memory: HelloMemory::default(),
            forbidden: ArcSwap::from_pointee(Vec::new()),
        });
        Self {
            worker: Rc::new(Worker::new(shared, Drain::default())),
            origin,
            log,
            _folder: folder,
        }
    }

    /// Opens a client connection and serves it for as long as `client` runs and after.
    pub(super) async fn connect<T>(&self, way: Way, client: impl AsyncFnOnce(TcpStream) -> T) -> T {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stream, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (socket, peer) = accepted.unwrap();
        let connection = connection(way, peer, self.origin.address);
        let served = super::super::serve(
            Rc::clone(&self.worker),
            connection,
            ClientStream::new(BytesMut::new(), socket),
        );
        let local = LocalSet::new();
        let both = local.run_until(async {
            let serving = tokio::task::spawn_local(served);
            let done = client(stream.unwrap()).await;
            serving.await.unwrap();
            done
        });
        timeout(WAIT_MAX, Box::pin(both))
            .await
            .expect("the test is stuck")
    }

    /// Makes the origin's address one where the proxy does not go.
    pub(super) fn forbid_origin(&self) {
        let shared = &self.worker.shared;
        shared.forbidden.store(Arc::new(vec![self.origin.address]));
    }

    /// Sends bytes, ends the sending side, and returns all that comes back, without dates.
    pub(super) async fn talk(&self, way: Way, request: &str) -> String {
        self.connect(way, async |mut client: TcpStream| {
            client.write_all(&wire(request)).await.unwrap();
            client.shutdown().await.unwrap();
            let (text, _) = read_to_end(&mut client).await;
            text
        })
        .await
    }

    /// Returns the lines of the access log, as soon as there are so many.
    pub(super) async fn log(&self, lines: usize) -> Vec<serde_json::Value> {
        let start = std::time::Instant::now();
        loop {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            let found: Vec<_> = text.lines().map(str::to_owned).collect();
            if found.len() >= lines {
                return found
                    .iter()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect();
            }
            assert!(start.elapsed() < WAIT_MAX, "log: {text}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Turns `|` into line ends.
pub(super) fn wire(text: &str) -> Vec<u8> {
    text.replace('|', "\r\n").into_bytes()
}

/// Reads until the end or a reset; `Date` is left out.
pub(super) async fn read_to_end(client: &mut TcpStream) -> (String, std::io::Result<()>) {
    let mut bytes = Vec::new();
    let end = client.read_to_end(&mut bytes).await.map(|_| ());
    (shown(&bytes), end)
}

/// Reads until `end` was read.
pub(super) async fn read_until(client: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    while !shown(&bytes).ends_with(end) {
        let read = timeout(WAIT_MAX, client.read_buf(&mut bytes)).await;
        assert_ne!(read.expect("stuck").unwrap(), 0, "{}", shown(&bytes));
    }
    shown(&bytes)
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .replace("\r\n", "|")
        .split('|')
        .filter(|line| !line.to_ascii_lowercase().starts_with("date: "))
        .collect::<Vec<_>>()
        .join("|")
}

fn connection(way: Way, client: SocketAddr, origin: SocketAddr) -> Connection {
    let (mode, arrival) = match way {
        Way::Intercepted => (Mode::Redirect, Arrival::Intercepted(origin)),
        Way::Explicit => (Mode::Explicit, Arrival::Explicit),
    };
    Connection {
        client,
        mode,
        arrival,
        tunnel: None,
        bound: Bound::default(),
    }
}

fn config(origin_port: u16, log: &std::path::Path) -> Config {
    let limits = HeadLimits {
        bytes_max: 4096,
        deadline: Duration::from_secs(2),
    };
    Config {
        forbidden: Vec::new(),
        admin: None,
        listen: Vec::new(),
        ports: Ports {
            http: vec![80, origin_port],
            tls: vec![443],
        },
        tls_filtering: true,
        upstream_source: UpstreamSource::Local,
        workers: NonZeroUsize::MIN,
        cache: CacheLimits {
            entries_max: None,
            lifetime: Duration::from_secs(60),
        },
        client_hello: crate::fixture::hello_limits(),
        http_head: limits,
        limits: Limits::default(),
        access_log: Some(AccessLog {
            path: Some(log.to_owned()),
            redact_subscriber: false,
            redact_query: false,
        }),
        drain: Duration::from_secs(1),
        icap: None,
        dns: Dns {
            cache_entries: 1,
            deadline: Duration::from_secs(1),
        },
    }
}
