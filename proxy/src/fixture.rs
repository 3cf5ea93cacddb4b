//! What unit tests of the flows start from.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use filter::CacheLimits;
use service::Drain;
use sessions::Directory;
use tokio::net::{TcpListener, TcpStream};
use uri::NormalUri;

use crate::access_log::{AccessLogger, Sink};
use crate::config::{
    Config, Dns, HeadLimits, HelloLimits, Limits, Listen, Mode, Ports, UpstreamSource,
};
use crate::connection::{Arrival, ClientStream, Connection, Tunnel};
use crate::limit::Seldom;
use crate::metrics::Metrics;
use crate::sni_check::Bound;
use crate::state::{Content, Live, Shared};
use crate::tls::HelloMemory;
use crate::worker::Worker;

/// Passes `good.example`, blocks `bad.example` and everything that is not known, as `$` says.
const POLICY: &str = "
lists: {good: [good.example], bad: [bad.example]}
profiles:
  test:
    pass_list: [good]
    block_list: [bad]
    default_action: pass
    unknown_action: block
    error_action: block
    undecidable_action: $undecidable
    block_response: $response
default_profile: test
bypass: [192.0.2.0/24]
";

/// Returns a configuration with one explicit listener and nothing else switched on.
pub(crate) fn config() -> Config {
    let limits = HeadLimits {
        bytes_max: 64 * 1024,
        deadline: Duration::from_secs(3),
    };
    Config {
        forbidden: Vec::new(),
        admin: None,
        listen: vec![listen(Mode::Explicit)],
        ports: Ports {
            http: vec![80, 8080],
            tls: vec![443],
        },
        tls_filtering: true,
        upstream_source: UpstreamSource::Local,
        workers: NonZeroUsize::MIN,
        cache: CacheLimits {
            entries_max: NonZeroUsize::new(100),
            lifetime: Duration::from_secs(60),
        },
        client_hello: hello_limits(),
        http_head: limits,
        limits: Limits::default(),
        access_log: None,
        drain: Duration::from_secs(5),
        icap: None,
        dns: Dns {
            cache_entries: 100,
            deadline: Duration::from_secs(2),
        },
    }
}

/// Returns limits that no test of other things meets.
pub(crate) fn hello_limits() -> HelloLimits {
    HelloLimits {
        bytes_max: 64 * 1024,
        memory_bytes_max: 1024 * 1024,
        deadline: Duration::from_secs(3),
    }
}

/// Returns a listener on a port that the system chooses, for clients on loopback.
pub(crate) fn listen(mode: Mode) -> Listen {
    Listen {
        mode,
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        clients: vec!["127.0.0.0/8".parse().unwrap()],
        proxy_protocol_from: Vec::new(),
    }
}

/// Returns a policy with these two settings of its profile.
pub(crate) fn content(response: &str, undecidable: &str) -> Content {
    let text = POLICY
        .replace("$response", response)
        .replace("$undecidable", undecidable);
    let compiled = policy::compile("test.yaml", &text, &|path| Err(path.to_owned())).unwrap();
    Content {
        policy: Arc::new(compiled.set),
        sessions: Directory::default(),
        static_hosts: Arc::new(BTreeMap::new()),
        beside: Arc::new([]),
    }
}

/// Returns a worker outside a running proxy.
pub(crate) fn worker(config: Config, content: Content) -> Rc<Worker> {
    let metrics = Arc::new(Metrics::default());
    let sink = Sink::open(config.access_log.as_ref()).unwrap();
    let shared = Shared {
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
        forbidden: ArcSwap::default(),
    };
    Rc::new(Worker::new(Arc::new(shared), Drain::default()))
}

/// Returns a connection that was intercepted on its way to an address.
pub(crate) fn intercepted(destination: SocketAddr) -> Connection {
    Connection {
        client: SocketAddr::from(([127, 0, 0, 1], 50_000)),
        mode: Mode::Redirect,
        arrival: Arrival::Intercepted(destination),
        tunnel: None,
        bound: Bound::default(),
    }
}

/// Returns what is inside a tunnel to an authority.
pub(crate) fn tunnelled(authority: &str) -> Connection {
    let authority = NormalUri::parse(format!("https://{authority}/").as_bytes()).unwrap();
    Connection {
        mode: Mode::Explicit,
        arrival: Arrival::Explicit,
        tunnel: Some(Tunnel { authority }),
        ..intercepted(SocketAddr::from(([127, 0, 0, 1], 443)))
    }
}

/// Returns both ends of a connection over loopback.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let (listener, address) = origin().await;
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

/// Returns a listener on loopback.
pub(crate) async fn origin() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Returns the device side of a connection, nothing read yet.
pub(crate) fn client(socket: TcpStream) -> ClientStream {
    ClientStream::new(BytesMut::new(), socket)
}

/// Returns a record with the smallest Client Hello, with a server name or without.
pub(crate) fn hello(name: Option<&[u8]>) -> Vec<u8> {
    let vector = |content: &[u8]| {
        let len = u16::try_from(content.len()).unwrap();
        [&len.to_be_bytes()[..], content].concat()
    };
    let extensions = name.map_or_else(Vec::new, |name| {
        let list = vector(&[&[0][..], &vector(name)].concat());
        [&[0, 0][..], &vector(&list)].concat()
    });
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend(vector(&extensions));
    let message = [&[1, 0][..], &vector(&body)].concat();
    [&[22, 3, 1][..], &vector(&message)].concat()
}
