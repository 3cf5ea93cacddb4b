//! The proxy's configuration, checked and ready to use. [`mod@file`] holds it as written.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use filter::CacheLimits;
use ipnet::IpNet;

pub mod file;
mod limits;

pub use limits::Limits;

/// Everything the proxy was told, already checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where /metrics and /ready are served.
    pub admin: Option<SocketAddr>,
    /// Where connections are accepted.
    pub listen: Vec<Listen>,
    /// Which ports are filtered.
    pub ports: Ports,
    /// Whether TLS is filtered.
    pub tls_filtering: bool,
    /// Which address the origin sees.
    pub upstream_source: UpstreamSource,
    /// Where the proxy never goes, beside its own addresses.
    pub forbidden: Vec<IpNet>,
    /// Worker threads.
    pub workers: NonZeroUsize,
    /// Limits of each worker's cache.
    pub cache: CacheLimits,
    /// Limits of reading a Client Hello.
    pub client_hello: HelloLimits,
    /// Limits of reading an HTTP request head.
    pub http_head: HeadLimits,
    /// Limits of connections and waits.
    pub limits: Limits,
    /// Where decisions are logged.
    pub access_log: Option<AccessLog>,
    /// How long connections may take to finish after a signal.
    pub drain: Duration,
    /// The categorizer.
    pub icap: Option<Icap>,
    /// Limits of looking up names that pass.
    pub dns: Dns,
}

/// One listener.
#[derive(Clone, Debug)]
pub struct Listen {
    /// How connections reach it.
    pub mode: Mode,
    /// Where it listens. Port 0: the system chooses.
    pub address: SocketAddr,
    /// Who may use it: for [`Mode::Explicit`] only.
    pub clients: Vec<IpNet>,
    /// Load balancers, which announce the client of each connection by the PROXY protocol: for
    /// [`Mode::Explicit`] only.
    pub proxy_protocol_from: Vec<IpNet>,
}

/// How connections reach a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// By TPROXY: the local address is the original destination.
    Tproxy,
    /// By REDIRECT: SO_ORIGINAL_DST is the original destination.
    Redirect,
    /// By the client's own configuration.
    Explicit,
}

impl Mode {
    /// Returns the word of files and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tproxy => "tproxy",
            Self::Redirect => "redirect",
            Self::Explicit => "explicit",
        }
    }
}

/// Which ports are filtered; no port is in both lists.
#[derive(Clone, Debug)]
pub struct Ports {
    /// HTTP: 80, 8080 and those configured.
    pub http: Vec<u16>,
    /// TLS: 443 and those configured.
    pub tls: Vec<u16>,
}

/// Which address the origin sees.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UpstreamSource {
    /// The gateway's own.
    Local,
    /// The client's (tproxy only).
    Client,
}

/// Limits of reading the first bytes of a connection or request.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes.
    pub bytes_max: usize,
    /// From the first byte to the last.
    pub deadline: Duration,
}

/// Limits of looking up names that pass, to compare them with the addresses dialled.
#[derive(Clone, Copy, Debug)]
pub struct Dns {
    /// Answers that are remembered.
    pub cache_entries: usize,
    /// From the question to its last answer.
    pub deadline: Duration,
}

/// Limits of reading a Client Hello.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HelloLimits {
    /// Bytes of handshake.
    pub bytes_max: usize,
    /// Bytes that all hellos together may hold, each but for its first 16 KiB.
    pub memory_bytes_max: usize,
    /// From the start of the connection to the last byte.
    pub deadline: Duration,
}

/// Where decisions are logged.
#[derive(Clone, Debug)]
pub struct AccessLog {
    /// None: standard output.
    pub path: Option<PathBuf>,
    /// Whether subscriber identities are left out.
    pub redact_subscriber: bool,
    /// Whether queries of URIs are left out.
    pub redact_query: bool,
}

/// The categorizer as the proxy asks it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Icap {
    /// Tried in order, backup tiers last.
    pub services: Vec<IcapTier>,
    /// Who signs the certificates of TLS endpoints. None: whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// What is shown to TLS endpoints that ask for a certificate.
    pub client: Option<ClientIdentity>,
    /// For one decision: queue, connect, retries, exchange.
    pub deadline: Duration,
    /// Whether cache directives in answers are honoured.
    pub honor_cache_control: bool,
    /// Whether an HTTP response in an answer is what is to be done.
    pub honour_http_response: bool,
    /// What X-Attribute-Prefix counts.
    pub prefix_unit: PrefixUnit,
    /// What X-Subscriber-ID carries, where a service asks for it.
    pub send_subscriber: SendSubscriber,
}

/// A client's certificate, in PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientIdentity {
    /// The certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Endpoints of all tiers together.
pub const ENDPOINTS_MAX: usize = 32;

/// Endpoints that share the load of one service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IcapTier {
    /// At least one.
    pub endpoints: Vec<IcapService>,
    /// When they are asked.
    pub role: TierRole,
}

/// When a tier is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TierRole {
    /// In its turn.
    Regular,
    /// While no endpoint of a regular tier can be reached.
    Backup,
}

impl From<IcapService> for IcapTier {
    fn from(service: IcapService) -> Self {
        Self {
            endpoints: vec![service],
            role: TierRole::Regular,
        }
    }
}

/// One endpoint of an ICAP service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IcapService {
    /// As in the request line: `icap://host:port/service`.
    pub uri: String,
    /// How it is reached.
    pub endpoint: Endpoint,
    /// Its share of the load beside others of its tier; 1 or more.
    pub weight: u32,
}

/// How an ICAP service is reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// TCP to host and port; the host is a name or an address.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// TLS over TCP.
    Tls {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// What X-Attribute-Prefix counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PrefixUnit {
    /// Characters of the URI.
    Uri,
    /// Characters of the path.
    Path,
    /// Nothing: it is not listened to.
    Ignore,
}

/// What X-Subscriber-ID carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SendSubscriber {
    /// It is not sent.
    Never,
    /// The MSISDN.
    Msisdn,
    /// The IMSI.
    Imsi,
}
