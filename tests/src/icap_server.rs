//! The real `weir icap-server`, set up in a few lines.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::gateway;
use crate::program::Program;

/// Connections that [`Program::address`] makes.
const PROBES: u64 = 1;

/// What an ICAP server is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    policy: String,
    address: SocketAddr,
    lines: String,
    file_lines: String,
    categories: Vec<(String, String)>,
}

/// A running ICAP server.
#[derive(Debug)]
pub struct IcapServer {
    /// The program.
    pub program: Program,
    /// Where it listens.
    pub address: SocketAddr,
    admin: SocketAddr,
}

impl Setup {
    /// Starts with the text of a policy file.
    pub fn new(policy: &str) -> Self {
        Self {
            policy: policy.to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            lines: String::new(),
            file_lines: String::new(),
            categories: Vec::new(),
        }
    }

    /// Listens on this address instead of a port of the system's choice.
    #[must_use]
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Adds a file to the categories, such as `adult/domains`.
    #[must_use]
    pub fn category(mut self, name: &str, text: &str) -> Self {
        let path = format!("categories/{name}");
        self.categories.push((path, text.to_owned()));
        self
    }

    /// Adds a line to the `icap_server:` section, such as `connections_max: 1`.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        let _ = writeln!(self.lines, "  {line}");
        self
    }

    /// Adds lines to the file's top level, such as a `sessions:` section.
    #[must_use]
    pub fn file_line(mut self, line: &str) -> Self {
        let _ = writeln!(self.file_lines, "{line}");
        self
    }

    /// Starts the server, in the namespace of the calling thread.
    #[track_caller]
    pub fn start(&self) -> IcapServer {
        // A profile that asks for categories needs somebody to ask, wherever the policy is used.
        let config = format!(
            "policy: policy.yaml\nicap_server:\n  admin: 127.0.0.1:0\n  listen: [\"{}\"]\n  \
             categories: categories\n{}proxy:\n  listen: [{{mode: explicit, address: \
             \"127.0.0.1:0\"}}]\n  icap: {{services: [\"icap://127.0.0.1:1344/categorize\"]}}\n{}",
            self.address, self.lines, self.file_lines
        );
        let mut files = vec![
            ("weir.yaml", config.as_str()),
            ("policy.yaml", self.policy.as_str()),
        ];
        let categories = self.categories.iter();
        files.extend(categories.map(|(name, text)| (name.as_str(), text.as_str())));
        let mut program = Program::start(&["icap-server", "--config", "weir.yaml"], &files);
        let server = IcapServer {
            address: program.address("icap", 0),
            admin: program.address("icap_server_admin", 0),
            program,
        };
        crate::wait_for(
            "the connection that looked whether it listens to be over",
            || {
                let ended =
                    server.count("ended_connections") == PROBES && server.open_connections() == 0;
                ended.then_some(())
            },
        );
        server
    }
}

impl IcapServer {
    /// Returns the URI of a service, such as `filter?profile=child`.
    pub fn service(&self, name: &str) -> String {
        format!("icap://{}/{name}", self.address)
    }

    /// Returns the value of a metric of the ICAP server, as [`gateway::metric`] does; `row` is
    /// without the beginning that all have, and its end `_total`.
    #[track_caller]
    pub fn count(&self, row: &str) -> u64 {
        let (name, labels) = row
            .split_once('{')
            .map_or((row, String::new()), |(name, labels)| {
                (name, format!("{{{labels}"))
            });
        gateway::metric(
            self.admin,
            &format!("weir_icap_server_{name}_total{labels}"),
        )
    }

    /// Returns how many answers of this kind were given so far.
    #[track_caller]
    pub fn answers(&self, service: &str, method: &str, status: u16) -> u64 {
        self.count(&format!(
            "requests{{service=\"{service}\",method=\"{method}\",status=\"{status}\"}}"
        ))
    }

    /// Returns how many decisions were made so far, by their action and source.
    #[track_caller]
    pub fn decisions(&self, action: &str, source: &str) -> u64 {
        self.count(&format!(
            "decisions{{action=\"{action}\",source=\"{source}\"}}"
        ))
    }

    /// Returns how many connections of others than this harness were accepted so far.
    #[track_caller]
    pub fn connections(&self) -> u64 {
        self.count("accepted_connections{admission=\"admitted\"}") - PROBES
    }

    /// Returns how many connections are open now.
    #[track_caller]
    pub fn open_connections(&self) -> u64 {
        gateway::metric(self.admin, "weir_icap_server_connections")
    }

    /// Puts a new policy in force and waits until it is.
    #[track_caller]
    pub fn reload(&self, policy: &str) {
        let before = self.count("reloads");
        self.program.write("policy.yaml", policy);
        self.program.signal("HUP");
        crate::wait_for("the reload", || {
            (self.count("reloads") > before).then_some(())
        });
    }
}
