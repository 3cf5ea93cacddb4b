//! The ICAP servers that the suite is run against: this program, c-icap, icap-rs.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use super::target::Target;
use crate::peers::{Peer, c_icap_echo, free_address};
use crate::program::Program;

/// Connections that this program is told to take, few enough to be opened by a case.
const CONNECTIONS_MAX: usize = 64;

/// The version of icap-rs that is judged.
const ICAP_RS: &str = "0.3.0";

/// The example of icap-rs that is judged: the nearest to a service that it ships.
const ICAP_RS_PROGRAM: &str = "squid_interop_server";

/// A service that the suite is run against.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Service {
    /// `/categorize` of this program.
    Categorize,
    /// `/filter` of this program.
    Filter,
    /// `echo` of c-icap.
    Echo,
    /// `url_check` of c-icap.
    UrlCheck,
    /// `reqmod` of icap-rs.
    IcapRs,
}

/// A running server.
#[derive(Debug)]
pub enum Running {
    /// This program.
    Weir(Program),
    /// c-icap.
    Peer(Peer),
    /// icap-rs.
    IcapRs(IcapRs, SocketAddr),
}

/// A child that ends with its owner.
#[derive(Debug)]
pub struct IcapRs(Child);

impl Drop for IcapRs {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const POLICY: &str = "
profiles:
  child: {icap: true, default_action: pass, unknown_action: pass, error_action: block, undecidable_action: block}
default_profile: child
";

impl Service {
    /// All, as they stand side by side.
    pub const ALL: [Self; 5] = [
        Self::Categorize,
        Self::Filter,
        Self::Echo,
        Self::UrlCheck,
        Self::IcapRs,
    ];

    /// Returns the server's name.
    pub fn server(self) -> &'static str {
        match self {
            Self::Categorize | Self::Filter => "weir",
            Self::Echo | Self::UrlCheck => "c-icap",
            Self::IcapRs => "icap-rs",
        }
    }

    /// Returns the name in the service's URI.
    pub fn name(self) -> &'static str {
        match self {
            Self::Categorize => "categorize",
            Self::Filter => "filter",
            Self::Echo => "echo",
            Self::UrlCheck => "url_check",
            Self::IcapRs => "reqmod",
        }
    }

    /// Returns the version of the server, as the installed program tells it.
    pub fn version(self) -> String {
        let debian = |package: &str| {
            let arguments = ["-f", "${Version}", "-W", package];
            let output = Command::new("dpkg-query").args(arguments).output();
            let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            text.unwrap_or_default()
        };
        match self {
            Self::Categorize | Self::Filter => env!("CARGO_PKG_VERSION").to_owned(),
            Self::Echo => debian("c-icap"),
            Self::UrlCheck => {
                let (server, module) = (debian("c-icap"), debian("libc-icap-mod-urlcheck"));
                format!("{server}, module {module}")
            }
            Self::IcapRs => ICAP_RS.to_owned(),
        }
    }

    /// Returns what is missing on this machine to run it.
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Categorize | Self::Filter => None,
            Self::Echo | Self::UrlCheck => crate::program_missing(&["c-icap", "unshare"]),
            Self::IcapRs => {
                let missing = crate::program_missing(&[ICAP_RS_PROGRAM])?;
                Some(format!(
                    "{missing}; `cargo install icap-rs@{ICAP_RS} --locked --example {ICAP_RS_PROGRAM}` \
                     installs it"
                ))
            }
        }
    }

    /// Starts the server.
    #[track_caller]
    pub fn start(self) -> Running {
        match self {
            Self::Categorize | Self::Filter => Running::Weir(weir()),
            Self::Echo | Self::UrlCheck => Running::Peer(c_icap_echo()),
            Self::IcapRs => icap_rs(),
        }
    }
}

impl Running {
    /// Asks a service of this server what it offers.
    ///
    /// # Errors
    ///
    /// Fails without an answer to OPTIONS.
    pub fn target(&mut self, service: Service) -> Result<Target, String> {
        let address = match self {
            Self::Weir(program) => program.address("icap", 0),
            Self::Peer(peer) => peer.address,
            Self::IcapRs(_, address) => *address,
        };
        Target::ask(address, service.name())
    }
}

fn weir() -> Program {
    let config = format!(
        "policy: policy.yaml\nicap_server: {{listen: ['127.0.0.1:0'], categories: categories, \
         connections_max: {CONNECTIONS_MAX}}}\n"
    );
    let files = [
        ("weir.yaml", config.as_str()),
        ("policy.yaml", POLICY),
        ("categories/adult/domains", "adult.test\n"),
    ];
    Program::start(&["icap-server", "--config", "weir.yaml"], &files)
}

fn icap_rs() -> Running {
    let address = free_address();
    let child = Command::new(ICAP_RS_PROGRAM)
        .env("ICAP_LISTEN", address.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the example of icap-rs starts");
    let child = IcapRs(child);
    crate::wait_for("icap-rs to listen", || {
        std::net::TcpStream::connect(address).ok()
    });
    Running::IcapRs(child, address)
}
