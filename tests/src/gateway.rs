//! A `weir proxy` in explicit mode on loopback, set up in a few lines.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Command;

use crate::client::Client;
use crate::program::{Program, weir};

/// What a gateway is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    hosts: Vec<(String, SocketAddr)>,
    http_ports: Vec<u16>,
    tls_ports: Vec<u16>,
    icap: Vec<SocketAddr>,
    icap_lines: String,
    proxy_lines: String,
    file_lines: String,
    policy: String,
    listener: String,
    workers: usize,
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// The program.
    pub program: Program,
    /// Its explicit listener.
    pub address: SocketAddr,
}

impl Setup {
    /// Starts with the text of a policy file.
    pub fn new(policy: &str) -> Self {
        Self {
            hosts: Vec::new(),
            http_ports: Vec::new(),
            tls_ports: Vec::new(),
            icap: Vec::new(),
            icap_lines: String::new(),
            proxy_lines: String::new(),
            file_lines: String::new(),
            policy: policy.to_owned(),
            listener: String::new(),
            workers: 2,
        }
    }

    /// Lets a name lead to an address, without DNS.
    #[must_use]
    pub fn host(mut self, name: &str, address: SocketAddr) -> Self {
        self.hosts.push((name.to_owned(), address));
        self
    }

    /// Filters HTTP on a further port.
    #[must_use]
    pub fn http_port(mut self, port: u16) -> Self {
        self.http_ports.push(port);
        self
    }

    /// Filters TLS on a further port.
    #[must_use]
    pub fn tls_port(mut self, port: u16) -> Self {
        self.tls_ports.push(port);
        self
    }

    /// Asks an ICAP server at this address, service `categorize`.
    #[must_use]
    pub fn icap(mut self, address: SocketAddr) -> Self {
        self.icap.push(address);
        self
    }

    /// Adds lines to the `icap:` section, such as `deadline_ms: 100`.
    #[must_use]
    pub fn icap_line(mut self, line: &str) -> Self {
        let _ = writeln!(self.icap_lines, "    {line}");
        self
    }

    /// Runs this many workers instead of two; clients of one worker share its cache.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Adds keys to the listener, such as `clients: [127.0.0.2]`.
    #[must_use]
    pub fn listener(mut self, keys: &str) -> Self {
        self.listener = format!(", {keys}");
        self
    }

    /// Adds lines to the `proxy:` section.
    #[must_use]
    pub fn proxy_line(mut self, line: &str) -> Self {
        let _ = writeln!(self.proxy_lines, "  {line}");
        self
    }

    /// Adds lines to the file's top level, such as a `sessions:` section.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        let _ = writeln!(self.file_lines, "{line}");
        self
    }

    /// Returns the text of the configuration file.
    pub fn config(&self) -> String {
        let mut text = format!(
            "policy: policy.yaml\nproxy:\n  admin: 127.0.0.1:0\n  listen: [{{mode: explicit, \
             address: \"127.0.0.1:0\"{}}}]\n  ports: {{http: {:?}, tls: {:?}}}\n  workers: {}\n  \
             access_log: {{path: \"-\"}}\n  drain_s: 5\n",
            self.listener, self.http_ports, self.tls_ports, self.workers
        );
        if !self.hosts.is_empty() {
            text.push_str("  hosts:\n");
            for (name, address) in &self.hosts {
                let _ = writeln!(text, "    {name}: \"{address}\"");
            }
        }
        text.push_str(&self.proxy_lines);
        if !self.icap.is_empty() {
            let services: Vec<String> = self
                .icap
                .iter()
                .map(|address| format!("icap://{address}/categorize"))
                .collect();
            let _ = writeln!(text, "  icap:\n    services: {services:?}");
            text.push_str(&self.icap_lines);
        }
        text + &self.file_lines
    }

    /// Starts the gateway.
    #[track_caller]
    pub fn start(&self) -> Gateway {
        self.start_by(Command::new(weir()))
    }

    /// Starts the gateway through another command that ends in the program's path.
    #[track_caller]
    pub fn start_by(&self, command: Command) -> Gateway {
        let files = [
            ("weir.yaml", self.config()),
            ("policy.yaml", self.policy.clone()),
        ];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        let mut program = Program::start_by(command, &["proxy", "--config", "weir.yaml"], &files);
        let address = program.address("explicit", 0);
        Gateway { program, address }
    }
}

impl Gateway {
    /// Connects a client.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Connects a client that has this loopback address, such as `127.0.0.2`.
    #[track_caller]
    pub fn client_at(&self, source: &str) -> Client {
        Client::connect_from(source.parse().unwrap(), self.address)
    }

    /// Opens a tunnel; returns the client and the status of the answer, 0 if the connection ended
    /// without one.
    #[track_caller]
    pub fn connect(&self, authority: &str) -> (Client, u16) {
        let mut client = self.client();
        client.send(format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"
        ));
        let status = client
            .try_response("CONNECT")
            .map_or(0, |response| response.status);
        (client, status)
    }

    /// Puts a new policy in force and waits until it is.
    #[track_caller]
    pub fn reload(&self, policy: &str) {
        self.program.write("policy.yaml", policy);
        // The first configuration's line, which may come after the listeners', is not the reload's.
        self.program.wait_for_line(&["configuration in force"]);
        let before = self.reloads();
        self.program.signal("HUP");
        crate::wait_for("the reload", || (self.reloads() > before).then_some(()));
    }

    /// Returns the value of a metric, as [`metric`] does.
    #[track_caller]
    pub fn metric(&mut self, row: &str) -> u64 {
        metric(self.program.address("proxy_admin", 0), row)
    }

    /// Waits until a metric is as `wanted` says, and returns it.
    #[track_caller]
    pub fn wait_for_metric(&mut self, row: &str, wanted: impl Fn(u64) -> bool) -> u64 {
        crate::wait_for(row, || Some(self.metric(row)).filter(|it| wanted(*it)))
    }

    fn reloads(&self) -> usize {
        let lines = self.program.lines();
        lines
            .iter()
            .filter(|line| line.contains("configuration in force"))
            .count()
    }
}

/// Asks an admin endpoint for the value of a metric's row, or for the sum of all its rows if
/// `row` has no labels.
#[track_caller]
pub fn metric(admin: SocketAddr, row: &str) -> u64 {
    let mut client = Client::connect(admin);
    client.send("GET /metrics HTTP/1.1\r\nHost: admin\r\n\r\n");
    let page = client.response().text();
    let rows = page.lines().filter_map(|line| line.split_once(' '));
    let rows = rows.filter(|(name, _)| {
        let labels = name.strip_prefix(row);
        labels.is_some_and(|labels| labels.is_empty() || labels.starts_with('{'))
    });
    rows.map(|(_, value)| value.parse::<u64>().unwrap()).sum()
}
