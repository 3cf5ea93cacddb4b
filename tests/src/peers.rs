//! Real programs of others, each with a configuration of its own below a temporary directory.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::program::write_files;
use crate::wait_for;

pub mod diameter;
pub mod policy_server;
pub mod radius;
pub mod redis;
pub mod squid;

/// A running program of others.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    /// Where its files are.
    pub dir: TempDir,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Peer {
    /// Starts a program in `dir` that will listen on `address`; its output goes to a file there.
    ///
    /// The names of its shared memory are one for the whole machine: a mount of its own keeps
    /// programs that run side by side apart, and leaves nothing behind.
    #[track_caller]
    fn start(dir: TempDir, address: SocketAddr, program: &[&str]) -> Self {
        let output = std::fs::File::create(dir.path().join("output")).expect("a file");
        let mount = "mount -t tmpfs tmpfs /dev/shm && exec \"$@\"";
        let child = Command::new("unshare")
            .args(["--mount", "sh", "-c", mount, "sh"])
            .args(program)
            .current_dir(dir.path())
            // c-icap has children, which would outlive it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .expect("the program starts");
        let mut peer = Self {
            child,
            dir,
            address,
        };
        wait_for("a peer to listen", || {
            let ended = peer.child.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "the peer ended:\n{}", peer.output());
            TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()
        });
        peer
    }

    /// Returns the process id, which is that of its group too.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns what the program printed so far.
    pub fn output(&self) -> String {
        let read = |name: &str| std::fs::read(self.dir.path().join(name)).unwrap_or_default();
        let all = [read("output"), read("cache.log"), read("server.log")].concat();
        String::from_utf8_lossy(&all).into_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            // Already gone is as good.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- what the peer printed\n{}", self.output());
        }
    }
}

/// The first of the ports that [`free_address`] chooses from.
const PORT_MIN: u16 = 20_000;

/// How many there are: up to those from which the system takes ports for connections and for port 0.
const PORTS: u32 = 12_000;

/// Returns an address on loopback that nobody else is given, of TCP and UDP: for programs that
/// cannot be told port 0 or that come back to their port, and for places where nobody listens.
///
/// # Panics
///
/// Fails the test if every port is taken.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test binaries that run side by side begin at different places.
    let begin = std::process::id().wrapping_mul(331);
    let mut tried = (0..PORTS).map(|_| {
        let nth = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let port = PORT_MIN + u16::try_from(nth).expect("below PORTS");
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    });
    let is_free = |at: &SocketAddr| TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok();
    tried.find(is_free).expect("a free port")
}

/// Starts c-icap with `srv_url_check` as service `url_check`: the names of a category (a name with a
/// colon on each line) get its name in X-Attribute, others get `ALL`.
#[track_caller]
pub fn c_icap(categories: &[(&str, &str)]) -> Peer {
    c_icap_at(free_address(), categories)
}

/// Like [`c_icap`], at this address.
#[track_caller]
pub fn c_icap_at(address: SocketAddr, categories: &[(&str, &str)]) -> Peer {
    start_c_icap(address, 10, categories)
}

/// Starts c-icap in one process with so many threads.
#[track_caller]
pub fn start_c_icap(address: SocketAddr, threads: usize, categories: &[(&str, &str)]) -> Peer {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().display();
    let modules = modules_dir();
    let mut config = format!(
        "PidFile {path}/c-icap.pid\nCommandsSocket {path}/c-icap.ctl\nTimeout 20\n\
         MaxKeepAliveRequests -1\nKeepAliveTimeout 60\nStartServers 1\nMaxServers 1\n\
         MinSpareThreads 1\nMaxSpareThreads {threads}\nThreadsPerChild {threads}\n\
         MaxRequestsPerChild 0\n\
         Port {address}\nUser root\nGroup root\nServerAdmin test@localhost\n\
         ServerName loop.test\nTmpDir {path}\nDebugLevel 0\nModulesDir {modules}\n\
         ServicesDir {modules}\nTemplateDir /usr/share/c_icap/templates/\n\
         TemplateDefaultLanguage en\nLoadMagicFile /etc/c-icap/c-icap.magic\n\
         RemoteProxyUsers off\nServerLog {path}/server.log\nAccessLog /dev/null\n\
         Service echo srv_echo.so\nService url_check_module srv_url_check.so\n"
    );
    for (name, names) in categories {
        let file = format!("{name}.txt");
        write_files(dir.path(), &[(&file, names)]);
        let _ = writeln!(
            config,
            "url_check.LookupTableDB {name} domain hash:{path}/{file} \"{name}\"\n\
             url_check.Profile default match {name}"
        );
    }
    config.push_str("url_check.Profile default pass ALL\n");
    write_files(dir.path(), &[("c-icap.conf", &config)]);
    Peer::start(dir, address, &["c-icap", "-N", "-f", "c-icap.conf"])
}

/// Starts HAProxy, which passes TCP connections on to `target` and announces their clients in the
/// way that `announces` says, such as `send-proxy-v2`.
#[track_caller]
pub fn haproxy(target: SocketAddr, announces: &str) -> Peer {
    let dir = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let config = format!(
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         listen gateway\n  bind {address}\n  server one {target} {announces}\n"
    );
    write_files(dir.path(), &[("haproxy.cfg", &config)]);
    Peer::start(dir, address, &["haproxy", "-db", "-f", "haproxy.cfg"])
}

/// Lets every user write in a directory.
fn open_to_all(dir: &Path) {
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(dir, open).expect("a directory of our own");
}

/// Starts c-icap with the services `echo`, and `url_check` that knows nothing: every request may
/// go on. Each connection has a thread, and there are more than a suite uses at once.
#[track_caller]
pub fn c_icap_echo() -> Peer {
    let dir = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let path = dir.path().display();
    let modules = modules_dir();
    let config = format!(
        "PidFile {path}/c-icap.pid\nCommandsSocket {path}/c-icap.ctl\nTimeout 10\n\
         MaxKeepAliveRequests -1\nKeepAliveTimeout 30\nStartServers 1\nMaxServers 1\n\
         MinSpareThreads 1\nMaxSpareThreads 100\nThreadsPerChild 100\nMaxRequestsPerChild 0\n\
         Port {address}\nUser root\nGroup root\nServerAdmin test@localhost\n\
         ServerName loop.test\nTmpDir {path}\nDebugLevel 0\nModulesDir {modules}\n\
         ServicesDir {modules}\nTemplateDir /usr/share/c_icap/templates/\n\
         TemplateDefaultLanguage en\nLoadMagicFile /etc/c-icap/c-icap.magic\n\
         RemoteProxyUsers off\nServerLog {path}/server.log\nAccessLog {path}/access.log\n\
         Service echo srv_echo.so\nService url_check_module srv_url_check.so\n\
         url_check.LookupTableDB adult domain hash:{path}/adult.txt \"Adult\"\n\
         url_check.Profile default match adult\nurl_check.Profile default pass ALL\n"
    );
    let files = [
        ("c-icap.conf", config.as_str()),
        ("adult.txt", "adult.test:\n"),
    ];
    write_files(dir.path(), &files);
    Peer::start(dir, address, &["c-icap", "-N", "-f", "c-icap.conf"])
}

fn modules_dir() -> &'static str {
    [
        "/usr/lib/x86_64-linux-gnu/c_icap",
        "/usr/lib/aarch64-linux-gnu/c_icap",
        "/usr/lib/c_icap",
    ]
    .into_iter()
    .find(|dir| Path::new(dir).is_dir())
    .expect("c-icap has its modules somewhere")
}
