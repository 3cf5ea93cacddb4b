//! Diameter peers of others: python-diameter as policy server, freeDiameter as relay.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use super::Peer;
use crate::program::write_files;
use crate::{ToEnd as _, lab, program_missing, wait_for};

/// The variable that says which Python has python-diameter; without it `python3`.
const PYTHON: &str = "PYTHON_DIAMETER";

/// The port of Diameter, which freeDiameter and tshark expect.
pub const PORT: u16 = 3868;

/// Where freeDiameter has its extensions.
const EXTENSIONS: &str = "/usr/lib/freeDiameter";

/// Says why the policy server cannot run here, if it cannot.
pub fn pcrf_missing() -> Option<String> {
    let python = python();
    let imported = Command::new(&python)
        .args(["-c", "import diameter.node"])
        .stderr(Stdio::null())
        .status();
    let is_there = imported.is_ok_and(|status| status.success());
    (!is_there).then(|| {
        format!(
            "`{python}` has no python-diameter; install it into a virtual environment and name \
             its python in {PYTHON}"
        )
    })
}

/// Says why the relay and what watches it cannot run here, if they cannot.
pub fn relay_missing() -> Option<String> {
    let missing = program_missing(&["freeDiameterd", "tshark"]).or_else(lab::missing);
    missing.or_else(|| {
        let extensions = Path::new(EXTENSIONS).join("dict_dcca_3gpp.fdx");
        let missing = !extensions.exists();
        missing.then(|| format!("{} is missing", extensions.display()))
    })
}

/// What programs of policy servers share, for their folder.
pub(super) const APPLICATION: (&str, &str) =
    ("gx_application.py", include_str!("gx_application.py"));

pub(super) fn python() -> String {
    std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned())
}

/// Starts the policy server `pcrf.weir.test`, which `client` (a name in `weir.test`) dials.
#[track_caller]
pub fn pcrf(address: SocketAddr, client: &str) -> Peer {
    let dir = tempfile::tempdir().expect("a directory");
    let files = [APPLICATION, ("pcrf.py", include_str!("pcrf.py"))];
    write_files(dir.path(), &files);
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let python = python();
    Peer::start(dir, address, &[&python, "pcrf.py", &ip, &port, client])
}

/// Starts the relay `dra.weir.test` in front of the policy server. It asks every few seconds
/// whether its peers are there.
#[track_caller]
pub fn relay(address: SocketAddr, pcrf: SocketAddr) -> Peer {
    let dir = tempfile::tempdir().expect("a directory");
    let key = rcgen::generate_simple_self_signed(["dra.weir.test".to_owned()]).expect("a key");
    let path = dir.path().display();
    let config = format!(
        "Identity = \"dra.weir.test\";\nRealm = \"weir.test\";\nPort = {};\nSecPort = 0;\n\
         No_SCTP;\nNo_IPv6;\nListenOn = \"{}\";\nTwTimer = 6;\nTcTimer = 5;\n\
         TLS_Cred = \"{path}/dra.crt\", \"{path}/dra.key\";\nTLS_CA = \"{path}/dra.crt\";\n\
         LoadExtension = \"{EXTENSIONS}/dict_nasreq.fdx\";\n\
         LoadExtension = \"{EXTENSIONS}/dict_dcca.fdx\";\n\
         LoadExtension = \"{EXTENSIONS}/dict_dcca_3gpp.fdx\";\n\
         LoadExtension = \"{EXTENSIONS}/dict_dcca_starent.fdx\";\n\
         LoadExtension = \"{EXTENSIONS}/acl_wl.fdx\" : \"{path}/acl.conf\";\n\
         ConnectPeer = \"pcrf.weir.test\" {{ ConnectTo = \"{}\"; No_TLS; Port = {}; }};\n",
        address.port(),
        address.ip(),
        pcrf.ip(),
        pcrf.port(),
    );
    let files = [
        ("dra.conf", config.as_str()),
        ("dra.crt", &key.cert.pem()),
        ("dra.key", &key.signing_key.serialize_pem()),
        ("acl.conf", "ALLOW_IPSEC *.weir.test\n"),
    ];
    write_files(dir.path(), &files);
    Peer::start(dir, address, &["freeDiameterd", "-c", "dra.conf"])
}

/// A network namespace with nothing but loopback and a few addresses on it: freeDiameter refuses
/// to listen on 127.0.0.1.
#[derive(Debug)]
pub struct Island {
    name: String,
}

impl Island {
    /// Makes an island with these addresses.
    #[track_caller]
    pub fn new(addresses: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("weirisle{}x{nth}", std::process::id());
        ip(&["netns", "add", &name]);
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        for address in addresses {
            ip(&["-n", &name, "address", "add", address, "dev", "lo"]);
        }
        Self { name }
    }

    /// Does something on the island, in a thread of its own: sockets and programs are there.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                lab::enter(&self.name);
                work()
            });
            there
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        // Programs that ran there are gone, or keep it until they are.
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.name])
            .status();
    }
}

#[track_caller]
fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).to_end();
    assert!(output.status.success(), "ip {arguments:?}: {output:?}");
}

/// Everything that passes the port of Diameter on this loopback, until it is looked at.
#[derive(Debug)]
pub struct Capture {
    tshark: Child,
    dir: tempfile::TempDir,
}

impl Capture {
    /// Starts to capture.
    #[track_caller]
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let errors = File::create(dir.path().join("errors")).expect("a file");
        let filter = format!("tcp port {PORT}");
        let tshark = Command::new("tshark")
            .args(["-i", "lo", "-q", "-f", &filter, "-w", "gx.pcap"])
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("tshark starts");
        wait_for("tshark to capture", || {
            let file = std::fs::metadata(dir.path().join("gx.pcap")).ok()?;
            (file.len() > 0).then_some(())
        });
        Self { tshark, dir }
    }

    /// Returns the fields of the packets so far that a display filter takes, a line each.
    #[track_caller]
    pub fn lines(&self, filter: &str, fields: &[&str]) -> Vec<String> {
        let fields = fields.iter().flat_map(|field| ["-e", field]);
        let output = Command::new("tshark")
            .args(["-r", "gx.pcap", "-Y", filter, "-T", "fields"])
            .args(fields)
            .current_dir(self.dir.path())
            .to_end();
        // While it is captured, the last packet may not be whole.
        let errors = String::from_utf8_lossy(&output.stderr);
        let is_read = output.status.success() || errors.contains("cut short");
        assert!(is_read, "tshark: {errors}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().map(ToOwned::to_owned).collect()
    }

    /// Stops, so that everything is in the file.
    #[track_caller]
    pub fn stop(&mut self) {
        let id = Pid::from_raw(self.tshark.id().cast_signed()).expect("a process id");
        kill_process(id, Signal::INT).expect("tshark runs");
        let status = wait_for("the end of tshark", || {
            self.tshark.try_wait().expect("a child can be waited for")
        });
        assert!(status.success(), "tshark: {status}");
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.tshark.kill();
        let _ = self.tshark.wait();
    }
}
