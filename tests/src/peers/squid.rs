//! Squid as an ICAP client: explicit or intercepting, with TLS passed, opened or peeked at.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};

use super::{Peer, free_address, open_to_all};
use crate::ToEnd as _;
use crate::program::write_files;

/// Where an intercepting Squid takes HTTP connections.
pub const INTERCEPTED_HTTP_PORT: u16 = 15080;

/// Where an intercepting Squid takes TLS connections.
pub const INTERCEPTED_TLS_PORT: u16 = 15443;

/// Makes the certificates of bumped connections.
const CERTIFICATE_PROGRAM: &str = "/usr/lib/squid/security_file_certgen";

/// Names the file that clients of a bumping Squid trust.
const CERTIFICATE: &str = "ca.crt";

/// What becomes of a request if its ICAP service fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bypass {
    /// It goes on as if there were no service.
    On,
    /// The HTTP client gets 500.
    Off,
}

/// How connections come to Squid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// Clients know it as their proxy.
    Explicit,
    /// By REDIRECT in nftables.
    Redirect,
    /// By TPROXY in nftables.
    Tproxy,
}

/// What is done with TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tls {
    /// Nothing is looked at.
    Tunnel,
    /// Connections are opened: requests inside are asked about.
    Bump,
    /// The Client Hello is looked at, and the connection is passed on as it is.
    PeekAndSplice,
}

/// What Squid is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    service: String,
    bypass: Bypass,
    way: Way,
    tls: Tls,
    hosts: String,
    lines: String,
}

/// A running Squid.
#[derive(Debug)]
pub struct Squid {
    /// The program; its address takes explicit clients.
    pub peer: Peer,
}

/// One exchange with the ICAP service, as Squid saw it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exchange {
    /// `ICAP_ECHO`: the request went on; `ICAP_SAT`: the service answered it; others: failures.
    pub outcome: String,
    /// Status of the service, 0: none.
    pub status: u16,
    /// Method and URI of the request.
    pub request: String,
}

impl Setup {
    /// Starts with the URI of an ICAP service that is asked about every request.
    pub fn new(service: &str) -> Self {
        Self {
            service: service.to_owned(),
            bypass: Bypass::Off,
            way: Way::Explicit,
            tls: Tls::Tunnel,
            hosts: String::new(),
            lines: String::new(),
        }
    }

    /// Says what becomes of a request if the service fails.
    #[must_use]
    pub fn bypass(mut self, bypass: Bypass) -> Self {
        self.bypass = bypass;
        self
    }

    /// Says how connections come.
    #[must_use]
    pub fn way(mut self, way: Way) -> Self {
        self.way = way;
        self
    }

    /// Says what is done with TLS.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Lets names lead to an address, without DNS.
    #[must_use]
    pub fn hosts(mut self, names: &[&str], address: IpAddr) -> Self {
        for name in names {
            let _ = writeln!(self.hosts, "{address} {name}");
        }
        self
    }

    /// Adds a line to the configuration.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        let _ = writeln!(self.lines, "{line}");
        self
    }

    /// Starts Squid, in the namespace of the calling thread.
    #[track_caller]
    pub fn start(&self) -> Squid {
        let dir = tempfile::tempdir().expect("a directory");
        let address = free_address();
        let config = self.config(dir.path(), address);
        let (certificate, both) = authority();
        write_files(
            dir.path(),
            &[
                ("squid.conf", &config),
                ("hosts", &self.hosts),
                (CERTIFICATE, &certificate),
                ("ca.pem", &both),
            ],
        );
        // Started by root, Squid goes on as its own user and writes its logs here.
        open_to_all(dir.path());
        if self.tls != Tls::Tunnel {
            let script = format!(
                "{CERTIFICATE_PROGRAM} -c -s certificates -M 4MB && chown -R proxy certificates"
            );
            let made = Command::new("sh")
                .args(["-c", &script])
                .current_dir(dir.path())
                .to_end();
            assert!(made.status.success(), "no store of certificates: {made:?}");
        }
        let program = ["squid", "-N", "-f", "squid.conf"];
        Squid {
            peer: Peer::start(dir, address, &program),
        }
    }

    fn config(&self, dir: &std::path::Path, address: SocketAddr) -> String {
        let path = dir.display();
        let bypass = match self.bypass {
            Bypass::On => "on",
            Bypass::Off => "off",
        };
        format!(
            "{}pid_filename none\nvisible_hostname squid.test\ncache_effective_user proxy\n\
             cache deny all\ncache_mem 8 MB\npinger_enable off\ncoredump_dir {path}\n\
             cache_log {path}/cache.log\naccess_log none\n\
             logformat exchange %icap::to %icap::Hs %rm %ru\nicap_log stdio:{path}/icap.log exchange\n\
             hosts_file {path}/hosts\nshutdown_lifetime 1 seconds\ndns_timeout 1 seconds\n\
             http_access allow all\nicap_enable on\nicap_persistent_connections on\n\
             icap_connect_timeout 2 seconds\nicap_io_timeout 5 seconds\n\
             adaptation_send_client_ip on\nadaptation_send_username on\n\
             icap_service weir reqmod_precache {} bypass={bypass}\n\
             adaptation_access weir allow all\n{}\n",
            self.ports(dir, address),
            self.service,
            self.lines
        )
    }

    fn ports(&self, dir: &std::path::Path, address: SocketAddr) -> String {
        let path = dir.display();
        let bumped = format!("ssl-bump tls-cert={path}/ca.pem generate-host-certificates=on");
        let ports = match (self.way, self.tls) {
            (Way::Explicit, Tls::Tunnel) => return format!("http_port {address}\n"),
            (Way::Explicit, Tls::Bump | Tls::PeekAndSplice) => {
                format!("http_port {address} {bumped}\n")
            }
            (Way::Redirect | Way::Tproxy, tls) => {
                let mode = if self.way == Way::Redirect {
                    "intercept"
                } else {
                    "tproxy"
                };
                assert!(
                    tls != Tls::Tunnel,
                    "Squid cannot intercept TLS without a look at it"
                );
                format!(
                    "http_port {address}\nhttp_port {INTERCEPTED_HTTP_PORT} {mode}\n\
                     https_port {INTERCEPTED_TLS_PORT} {mode} {bumped}\n"
                )
            }
        };
        let last = match self.tls {
            Tls::Tunnel | Tls::PeekAndSplice => "splice",
            Tls::Bump => "bump",
        };
        format!(
            "{ports}sslcrtd_program {CERTIFICATE_PROGRAM} -s {path}/certificates -M 4MB\n\
             sslcrtd_children 1 startup=1\ntls_outgoing_options flags=DONT_VERIFY_PEER\n\
             sslproxy_cert_error allow all\nacl hello at_step SslBump1\nssl_bump peek hello\n\
             ssl_bump {last} all\n"
        )
    }
}

impl Squid {
    /// Returns the file with the certificate that signs those of bumped connections.
    pub fn certificate(&self) -> PathBuf {
        self.peer.dir.path().join(CERTIFICATE)
    }

    /// Returns the exchanges about requests so far, in order; OPTIONS are not among them.
    pub fn exchanges(&self) -> Vec<Exchange> {
        let text = std::fs::read_to_string(self.peer.dir.path().join("icap.log"));
        let exchange = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let (outcome, status) = (words.next()?, words.next()?);
            let request = words.next()?.to_owned();
            (outcome != "ICAP_OPT").then(|| Exchange {
                outcome: outcome.to_owned(),
                status: status.parse().unwrap_or(0),
                request,
            })
        };
        text.unwrap_or_default()
            .lines()
            .filter_map(exchange)
            .collect()
    }

    /// Waits for so many exchanges, and returns method and URI of each with the ICAP status.
    #[track_caller]
    pub fn wait_for_exchanges(&self, count: usize) -> Vec<(String, u16)> {
        let exchanges = crate::wait_for("exchanges of Squid", || {
            Some(self.exchanges()).filter(|exchanges| exchanges.len() >= count)
        });
        let pairs = exchanges.into_iter();
        pairs.map(|it| (it.request, it.status)).collect()
    }
}

/// Says what is missing for a Squid that opens TLS connections, if something is.
pub fn bump_missing() -> Option<String> {
    crate::program_missing(&["squid", CERTIFICATE_PROGRAM, "curl", "unshare"])
}

/// Makes an authority: its certificate, and its key with its certificate.
fn authority() -> (String, String) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "Squid of a test");
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let both = key.serialize_pem() + &certificate;
    (certificate, both)
}
