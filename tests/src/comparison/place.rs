//! Where the comparison happens: a lab with both origins, and names for the gateway.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::obliging;
use crate::dns::Dns;
use crate::evasion::{
    ALLOWED_HOST, BLOCKED_ADDRESS, BLOCKED_ADDRESS_V6, BLOCKED_HOST, MIXED_HOST, ORIGIN_ADDRESS,
    ORIGIN_ADDRESS_V6,
};
use crate::lab::Lab;
use crate::program::write_files;

/// Longest wait for a program to end by itself.
const END_MAX: Duration = Duration::from_secs(5);

/// Which origin answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// nginx, with OpenSSL.
    Nginx,
    /// The obliging one.
    Obliging,
}

impl Origin {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Nginx, Self::Obliging];

    /// Returns what it is called on the page.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Obliging => "obliging",
        }
    }
}

/// A lab in which the origins run.
#[derive(Debug)]
pub struct Place {
    _origin: Running,
    _dns: Dns,
    /// Certificate and key, as one file.
    pub certificate: String,
    /// The namespaces. They go last.
    pub lab: Lab,
}

impl Place {
    /// Makes the namespaces and starts the origins.
    pub fn new() -> Self {
        let lab = Lab::new();
        let origin = &lab.origin;
        lab.add_origin_addresses();
        let key = rcgen::generate_simple_self_signed(vec![ALLOWED_HOST.to_owned()]);
        let key = key.expect("a certificate");
        let certificate = key.signing_key.serialize_pem() + &key.cert.pem();
        let dir = folder(&[
            ("both.pem", &certificate),
            ("origin.conf", &peer_file("origin.conf")),
        ]);
        let mut nginx = lab.command(origin, "nginx");
        nginx.args(["-p", ".", "-e", "stderr", "-c", "origin.conf"]);
        let running = Running::start(nginx, dir);
        lab.within(origin, obliging::start);
        lab.within(origin, || wait_for_port(ORIGIN_ADDRESS, 443, &running));
        Self {
            _origin: running,
            _dns: names(&lab),
            certificate,
            lab,
        }
    }

    /// Lets this origin answer on ports 80 and 443 from now on.
    pub fn switch_to(&self, origin: Origin) {
        let mut rules = "table inet switch; delete table inet switch;\n".to_owned();
        if origin == Origin::Obliging {
            let (http, tls) = (obliging::HTTP_PORT, obliging::TLS_PORT);
            let blocked = obliging::BLOCKED_HTTP_PORT;
            rules += &format!(
                "table inet switch {{ chain pre {{ type nat hook prerouting priority dstnat;
                 tcp dport 80 ip daddr {BLOCKED_ADDRESS} redirect to :{blocked}
                 tcp dport 80 ip6 daddr {BLOCKED_ADDRESS_V6} redirect to :{blocked}
                 tcp dport 80 redirect to :{http}
                 tcp dport 443 redirect to :{tls}
                 }}\n }}\n"
            );
        }
        self.nft(&self.lab.origin, &rules);
    }

    /// Sends the client's connections to these ports of the gateway, or leaves them alone.
    pub fn redirect(&self, rules: &str) {
        let mut text = "table inet filter_in; delete table inet filter_in;\n".to_owned();
        if !rules.is_empty() {
            text += &format!(
                "table inet filter_in {{ chain pre {{ type nat hook prerouting priority dstnat;\niifname g0 jump to_filter\n}}\nchain to_filter {{\n{rules}\n}}\n}}\n"
            );
        }
        self.nft(&self.lab.gateway, &text);
    }

    fn nft(&self, namespace: &str, rules: &str) {
        let mut nft = self.lab.command(namespace, "nft");
        let mut child = nft
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("nft runs");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(rules.as_bytes()).expect("rules sent");
        drop(stdin);
        assert!(child.wait().expect("nft ends").success(), "nft: {rules}");
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

/// Lets the gateway resolve the names of the corpus.
fn names(lab: &Lab) -> Dns {
    let dns = lab.within(&lab.gateway, || {
        Dns::start_at("127.0.0.1:53".parse().expect("an address"))
    });
    for host in [ALLOWED_HOST, BLOCKED_HOST, MIXED_HOST] {
        dns.name(host, &[ORIGIN_ADDRESS, ORIGIN_ADDRESS_V6]);
        dns.zone(host, &[ORIGIN_ADDRESS, ORIGIN_ADDRESS_V6]);
    }
    dns.lifetime(60);
    lab.resolve_by("127.0.0.1");
    dns
}

/// Returns the text of a file in `benches/peers/`.
pub fn peer_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../benches/peers")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Makes a folder with these files, which programs that give up root can write to.
pub fn folder(files: &[(&str, &str)]) -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a folder");
    write_files(dir.path(), files);
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(dir.path(), open).expect("a folder of our own");
    dir
}

/// A program in a folder of its own.
#[derive(Debug)]
pub struct Running {
    child: Child,
    dir: TempDir,
}

impl Running {
    /// Starts it.
    pub fn start(mut command: Command, dir: TempDir) -> Self {
        let output = std::fs::File::create(dir.path().join("output")).expect("a file");
        let child = command
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .expect("the program starts");
        Self { child, dir }
    }

    /// Returns what it wrote.
    pub fn output(&self) -> String {
        let read = |name: &str| {
            let path: PathBuf = self.dir.path().join(name);
            String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
        };
        ["output", "error.log", "cache.log"].map(read).concat()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked first, since nginx ends its own children.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let start = Instant::now();
        while start.elapsed() < END_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a program listens; on a thread inside its namespace.
///
/// # Panics
///
/// Fails with the program's output if it does not come to that.
pub fn wait_for_port(address: &str, port: u16, running: &Running) {
    let address = format!("{address}:{port}").parse().expect("an address");
    let start = Instant::now();
    while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
        assert!(
            start.elapsed() < crate::WAIT_MAX,
            "nothing listens on port {port}:\n{}",
            running.output()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
