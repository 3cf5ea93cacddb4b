//! The `proxy:` section of a configuration file, as written.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use filter::CacheLimits;
use ipnet::IpNet;
use policy::written::{Placed, Remarks, Written, quote};
use serde::Deserialize;
use uri::NormalUri;

use super::{AccessLog, Config, Dns, HeadLimits, HelloLimits, Listen, Mode, Ports, UpstreamSource};

pub mod icap;
pub mod limits;

/// Ports on which HTTP is expected, beside those configured.
pub const HTTP_PORTS: [u16; 2] = [80, 8080];
/// Ports on which TLS is expected, beside those configured.
pub const TLS_PORTS: [u16; 1] = [443];
/// Who may use an explicit listener that does not say.
pub const EXPLICIT_CLIENTS: [&str; 2] = ["127.0.0.0/8", "::1/128"];
/// `listen`: listeners at most.
pub const LISTENERS_MAX: usize = 64;
/// `listen[].proxy_protocol_from`: ranges at most.
pub const BALANCERS_MAX: usize = 256;
/// `hosts`: names at most.
pub const HOSTS_MAX: usize = 1_024;
/// `forbidden`: ranges at most.
pub const FORBIDDEN_MAX: usize = 256;
/// `workers`: threads at most. 0, the default: one per core.
pub const WORKERS_MAX: usize = 256;
/// `cache.entries_per_worker`
pub const CACHE_ENTRIES: Bounds<usize> = Bounds::new(1, 65_536, 16_777_216);
/// `cache.lifetime_s`
pub const CACHE_LIFETIME_S: Bounds<u64> = Bounds::new(1, 3_600, 604_800);
/// `client_hello.bytes_max`
pub const HELLO_BYTES: Bounds<usize> = Bounds::new(512, 65_536, 1_048_576);
/// `client_hello.memory_bytes_max`
pub const HELLO_MEMORY_BYTES: Bounds<usize> = Bounds::new(65_536, 67_108_864, 1_073_741_824);
/// `client_hello.deadline_ms`. A segment that is lost three times over is sent again after seven
/// seconds (RFC 6298).
pub const HELLO_DEADLINE_MS: Bounds<u64> = Bounds::new(10, 10_000, 60_000);
/// `http_head.bytes_max`
pub const HEAD_BYTES: Bounds<usize> = Bounds::new(8_192, 65_536, 1_048_576);
/// `http_head.deadline_ms`
pub const HEAD_DEADLINE_MS: Bounds<u64> = Bounds::new(10, 10_000, 600_000);
/// `dns.cache_entries`
pub const DNS_CACHE_ENTRIES: Bounds<usize> = Bounds::new(1, 16_384, 1_048_576);
/// `dns.deadline_ms`
pub const DNS_DEADLINE_MS: Bounds<u64> = Bounds::new(10, 2_000, 10_000);
/// `drain_s`
pub const DRAIN_S: Bounds<u64> = Bounds::new(0, 30, 3_600);

/// The least, the usual and the greatest value of a key.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<T> {
    /// The least that is accepted.
    pub min: T,
    /// What absence means.
    pub default: T,
    /// The most that is accepted.
    pub max: T,
}

/// The `proxy:` section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    admin: Option<Written>,
    listen: Placed<Vec<ListenEntry>>,
    ports: Option<PortLists>,
    tls_filtering: Option<Written>,
    upstream_source: Option<Written>,
    forbidden: Option<Placed<Vec<Written>>>,
    workers: Option<Written>,
    cache: Option<Cache>,
    client_hello: Option<Hello>,
    http_head: Option<Head>,
    limits: Option<limits::Section>,
    access_log: Option<Log>,
    drain_s: Option<Written>,
    hosts: Option<BTreeMap<Written, Written>>,
    icap: Option<icap::Section>,
    dns: Option<DnsLimits>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListenEntry {
    mode: Written,
    address: Written,
    clients: Option<Placed<Vec<Written>>>,
    proxy_protocol_from: Option<Placed<Vec<Written>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PortLists {
    #[serde(default)]
    http: Vec<Written>,
    #[serde(default)]
    tls: Vec<Written>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cache {
    enabled: Option<Written>,
    entries_per_worker: Option<Written>,
    lifetime_s: Option<Written>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hello {
    bytes_max: Option<Written>,
    memory_bytes_max: Option<Written>,
    deadline_ms: Option<Written>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    bytes_max: Option<Written>,
    deadline_ms: Option<Written>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DnsLimits {
    cache_entries: Option<Written>,
    deadline_ms: Option<Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    path: Written,
    #[serde(default)]
    redact: Vec<Written>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Redacted {
    Subscriber,
    Query,
}

impl Section {
    /// Returns whether there is a categorizer to ask.
    #[must_use]
    pub fn asks_categorizer(&self) -> bool {
        self.icap.is_some()
    }

    /// Returns the names that lead to an address without DNS, in normal form.
    pub fn static_hosts(&self, remarks: &mut Remarks) -> BTreeMap<String, SocketAddr> {
        let Some(hosts) = &self.hosts else {
            return BTreeMap::new();
        };
        if let Some((name, _)) = hosts.iter().nth(HOSTS_MAX) {
            let text = format!(
                "{} hosts are too many; use at most {HOSTS_MAX}",
                hosts.len()
            );
            remarks.error(name.place, text);
        }
        let hosts = hosts.iter().take(HOSTS_MAX);
        hosts
            .filter_map(|(name, address)| Some((host(name, remarks)?, address.address(remarks)?)))
            .collect()
    }

    /// Returns the configuration, or nothing if `remarks` tell of an error by then. Paths are
    /// relative to `folder`; `cores` is the number of workers that 0 stands for.
    pub fn into_config(
        self,
        folder: &Path,
        cores: NonZeroUsize,
        remarks: &mut Remarks,
    ) -> Option<Config> {
        let admin = self.admin.as_ref().and_then(|admin| admin.address(remarks));
        let listen = listeners(&self.listen, remarks);
        let addresses = self.listen.value.iter().map(|entry| &entry.address);
        remarks.distinct_addresses(self.admin.iter().chain(addresses));
        let config = Config {
            admin,
            ports: ports(self.ports.as_ref(), remarks),
            tls_filtering: truth(self.tls_filtering.as_ref(), remarks),
            upstream_source: upstream_source(&self, remarks),
            listen,
            forbidden: forbidden(self.forbidden.as_ref(), remarks),
            workers: workers(self.workers.as_ref(), cores, remarks),
            cache: self.cache.unwrap_or_default().limits(remarks),
            client_hello: self.client_hello.unwrap_or_default().limits(remarks),
            http_head: self.http_head.unwrap_or_default().limits(
                HEAD_BYTES,
                HEAD_DEADLINE_MS,
                remarks,
            ),
            limits: self.limits.unwrap_or_default().resolve(remarks),
            access_log: self.access_log.map(|log| log.resolve(folder, remarks)),
            drain: Duration::from_secs(DRAIN_S.read(
                self.drain_s.as_ref(),
                "a number of seconds",
                remarks,
            )),
            icap: self.icap.map(|icap| icap.resolve(folder, remarks)),
            dns: self.dns.unwrap_or_default().limits(remarks),
        };
        remarks.usable().then_some(config)
    }
}

impl<T> Bounds<T>
where
    T: Copy + PartialOrd + std::fmt::Display + std::str::FromStr,
{
    /// States the bounds of a key.
    #[must_use]
    pub const fn new(min: T, default: T, max: T) -> Self {
        Self { min, default, max }
    }

    /// Reads a number within the bounds. Absence and errors read as the default, errors with a
    /// remark.
    pub fn read(&self, written: Option<&Written>, what: &str, remarks: &mut Remarks) -> T {
        written
            .and_then(|written| written.number(what, self.range(), remarks))
            .unwrap_or(self.default)
    }

    fn range(&self) -> RangeInclusive<T> {
        self.min..=self.max
    }
}

impl Cache {
    fn limits(&self, remarks: &mut Remarks) -> CacheLimits {
        let entries = CACHE_ENTRIES.read(
            self.entries_per_worker.as_ref(),
            "a number of entries",
            remarks,
        );
        let lifetime =
            CACHE_LIFETIME_S.read(self.lifetime_s.as_ref(), "a number of seconds", remarks);
        let entries = NonZeroUsize::new(entries);
        CacheLimits {
            entries_max: entries.filter(|_| truth(self.enabled.as_ref(), remarks)),
            lifetime: Duration::from_secs(lifetime),
        }
    }
}

impl Hello {
    fn limits(&self, remarks: &mut Remarks) -> HelloLimits {
        let bytes = "a number of bytes";
        let ms = "a number of milliseconds";
        let deadline = HELLO_DEADLINE_MS.read(self.deadline_ms.as_ref(), ms, remarks);
        let memory = self.memory_bytes_max.as_ref();
        HelloLimits {
            bytes_max: HELLO_BYTES.read(self.bytes_max.as_ref(), bytes, remarks),
            memory_bytes_max: HELLO_MEMORY_BYTES.read(memory, bytes, remarks),
            deadline: Duration::from_millis(deadline),
        }
    }
}

impl Head {
    fn limits(&self, bytes: Bounds<usize>, ms: Bounds<u64>, remarks: &mut Remarks) -> HeadLimits {
        let bytes_max = bytes.read(self.bytes_max.as_ref(), "a number of bytes", remarks);
        let ms = ms.read(
            self.deadline_ms.as_ref(),
            "a number of milliseconds",
            remarks,
        );
        HeadLimits {
            bytes_max,
            deadline: Duration::from_millis(ms),
        }
    }
}

impl DnsLimits {
    fn limits(&self, remarks: &mut Remarks) -> Dns {
        let entries = self.cache_entries.as_ref();
        let ms = self.deadline_ms.as_ref();
        let ms = DNS_DEADLINE_MS.read(ms, "a number of milliseconds", remarks);
        Dns {
            cache_entries: DNS_CACHE_ENTRIES.read(entries, "a number of entries", remarks),
            deadline: Duration::from_millis(ms),
        }
    }
}

impl Log {
    fn resolve(&self, folder: &Path, remarks: &mut Remarks) -> AccessLog {
        let words = [
            ("subscriber", Redacted::Subscriber),
            ("query", Redacted::Query),
        ];
        let redacted: Vec<Redacted> = self
            .redact
            .iter()
            .filter_map(|word| word.word(&words, remarks))
            .collect();
        if self.path.text.is_empty() {
            let text = "the path is empty; use `-` for standard output, or leave `access_log` out";
            remarks.error(self.path.place, text);
        }
        AccessLog {
            path: (self.path.text != "-").then(|| folder.join(&self.path.text)),
            redact_subscriber: redacted.contains(&Redacted::Subscriber),
            redact_query: redacted.contains(&Redacted::Query),
        }
    }
}

impl ListenEntry {
    fn resolve(&self, remarks: &mut Remarks) -> Option<Listen> {
        let modes = [Mode::Tproxy, Mode::Redirect, Mode::Explicit];
        let modes = modes.map(|mode| (mode.as_str(), mode));
        let mode = self.mode.word(&modes, remarks);
        let address = self.address.address(remarks);
        let ranges = |written: &Placed<Vec<Written>>, remarks: &mut Remarks| -> Vec<IpNet> {
            let ranges = written.value.iter();
            ranges.filter_map(|range| range.range(remarks)).collect()
        };
        let (clients, balancers) = (&self.clients, &self.proxy_protocol_from);
        if mode? != Mode::Explicit {
            let keys = [
                (
                    "clients",
                    clients,
                    "what is intercepted is decided by the rules that lead here",
                ),
                (
                    "proxy_protocol_from",
                    balancers,
                    "an intercepted connection comes from its client",
                ),
            ];
            for (key, written, why) in keys {
                if let Some(written) = written {
                    let text = format!("`{key}` is for `mode: explicit`; {why}");
                    remarks.error(written.place, text);
                }
            }
            return Some(Listen {
                mode: mode?,
                address: address?,
                clients: Vec::new(),
                proxy_protocol_from: Vec::new(),
            });
        }
        let loopback = || {
            EXPLICIT_CLIENTS
                .iter()
                .filter_map(|range| range.parse().ok())
        };
        if let Some(balancers) = balancers {
            remarks.counted(balancers, BALANCERS_MAX, "ranges");
        }
        Some(Listen {
            mode: mode?,
            address: address?,
            clients: match clients {
                Some(clients) => ranges(clients, remarks),
                None => loopback().collect(),
            },
            proxy_protocol_from: balancers
                .as_ref()
                .map(|balancers| ranges(balancers, remarks))
                .unwrap_or_default(),
        })
    }
}

fn listeners(entries: &Placed<Vec<ListenEntry>>, remarks: &mut Remarks) -> Vec<Listen> {
    remarks.counted(entries, LISTENERS_MAX, "listeners");
    let entries = entries.value.iter().take(LISTENERS_MAX);
    entries.filter_map(|entry| entry.resolve(remarks)).collect()
}

fn ports(lists: Option<&PortLists>, remarks: &mut Remarks) -> Ports {
    let mut ports = Ports {
        http: HTTP_PORTS.to_vec(),
        tls: TLS_PORTS.to_vec(),
    };
    let Some(lists) = lists else {
        return ports;
    };
    let mut add = |written: &Written, (own, other): (&mut Vec<u16>, &[u16]), names: [&str; 2]| {
        let Some(port) = written.number("a port", 1..=u16::MAX, remarks) else {
            return;
        };
        if other.contains(&port) {
            let [own, other] = names;
            let text = format!("`{port}` is {other} port and cannot be {own} port too; keep one");
            remarks.error(written.place, text);
        } else if !own.contains(&port) {
            own.push(port);
        }
    };
    for port in &lists.http {
        add(port, (&mut ports.http, &ports.tls), ["an HTTP", "a TLS"]);
    }
    for port in &lists.tls {
        add(port, (&mut ports.tls, &ports.http), ["a TLS", "an HTTP"]);
    }
    ports
}

fn upstream_source(section: &Section, remarks: &mut Remarks) -> UpstreamSource {
    let words = [
        ("local", UpstreamSource::Local),
        ("client", UpstreamSource::Client),
    ];
    let Some(written) = &section.upstream_source else {
        return UpstreamSource::Local;
    };
    let source = written.word(&words, remarks);
    let tproxy = section
        .listen
        .value
        .iter()
        .any(|entry| entry.mode.text == "tproxy");
    if source == Some(UpstreamSource::Client) && !tproxy {
        let text = "`client` needs a listener with `mode: tproxy`; add one, or use `local`";
        remarks.error(written.place, text);
    }
    source.unwrap_or(UpstreamSource::Local)
}

fn forbidden(ranges: Option<&Placed<Vec<Written>>>, remarks: &mut Remarks) -> Vec<IpNet> {
    let Some(ranges) = ranges else {
        return Vec::new();
    };
    remarks.counted(ranges, FORBIDDEN_MAX, "ranges");
    let ranges = ranges.value.iter().take(FORBIDDEN_MAX);
    ranges.filter_map(|range| range.range(remarks)).collect()
}

fn workers(written: Option<&Written>, cores: NonZeroUsize, remarks: &mut Remarks) -> NonZeroUsize {
    written
        .and_then(|written| written.number("a number of threads", 0..=WORKERS_MAX, remarks))
        .and_then(NonZeroUsize::new)
        .unwrap_or(cores)
}

fn host(written: &Written, remarks: &mut Remarks) -> Option<String> {
    // With a port behind it, nothing but a host can be in front of it.
    let normal = NormalUri::parse(format!("http://{}:1/", written.text).as_bytes());
    let bare = |normal: NormalUri| {
        let host = normal.host();
        (normal.as_str() == format!("http://{host}:1/")).then(|| host.to_owned())
    };
    let host = normal.ok().and_then(bare);
    if host.is_none() {
        let text = format!(
            "`{}` is not a host name; use the form `name.example`",
            quote(&written.text)
        );
        remarks.error(written.place, text);
    }
    host
}

fn truth(written: Option<&Written>, remarks: &mut Remarks) -> bool {
    written
        .and_then(|written| written.truth(remarks))
        .unwrap_or(true)
}

#[cfg(test)]
mod tests;
