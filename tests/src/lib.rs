//! Support for the integration tests: the real programs, origins, ICAP peers, clients, namespaces.
//!
//! Peers are plain threads and blocking sockets, so that what a test sends and sees is exactly
//! what is on the wire. Every wait has a limit, [`WAIT_MAX`].

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::string_slice,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub mod client;
pub mod comparison;
pub mod conformance;
pub mod containers;
pub mod dns;
pub mod evasion;
pub mod gateway;
pub mod icap_load;
pub mod icap_peer;
pub mod icap_server;
pub mod lab;
pub mod list_server;
pub mod network;
pub mod origin;
pub mod page;
pub mod peers;
pub mod program;
pub mod radius_load;
pub mod relay;
pub mod reloads;
pub mod tls;

/// Longest wait for anything in a test.
pub const WAIT_MAX: Duration = Duration::from_secs(20);

/// Polls `probe` until it gives something.
///
/// # Panics
///
/// Fails the test after [`WAIT_MAX`].
#[track_caller]
pub fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(start.elapsed() < WAIT_MAX, "waited {WAIT_MAX:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Longest run of a program that is to end by itself.
pub const RUN_MAX: Duration = Duration::from_secs(180);

/// A command that ends by itself, or is ended.
pub trait ToEnd {
    /// Runs it with nothing to read, and returns what it printed.
    ///
    /// # Panics
    ///
    /// Fails the test if it does not start, or not end within [`RUN_MAX`]; then it is killed.
    fn to_end(&mut self) -> Output;
}

impl ToEnd for Command {
    #[track_caller]
    fn to_end(&mut self) -> Output {
        let mut child = self
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{self:?} does not start: {error}"));
        let printed = [
            read_apart(child.stdout.take().expect("piped")),
            read_apart(child.stderr.take().expect("piped")),
        ];
        let start = Instant::now();
        let ended = loop {
            let ended = child.try_wait().expect("a child can be waited for");
            if ended.is_some() || start.elapsed() > RUN_MAX {
                break ended;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let Some(status) = ended else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{self:?} did not end within {RUN_MAX:?}");
        };
        // What it started may still hold them.
        let [stdout, stderr] = printed.map(|all| {
            let all = all.recv_timeout(WAIT_MAX);
            all.unwrap_or_else(|_| panic!("{self:?} ended, and its output did not"))
        });
        Output {
            status,
            stdout,
            stderr,
        }
    }
}

/// Reads all of a stream on a thread of its own.
fn read_apart(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (done, all) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = done.send(bytes);
    });
    all
}

/// Allows this program as many open files as the system does without privileges.
///
/// # Panics
///
/// Fails the test if the system refuses.
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let most = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, raised).expect("a higher limit of open files");
}

/// Says, once for each test, that a tier cannot run here, and why. With `WEIR_REQUIRE_ALL` set
/// that is a failure.
///
/// # Panics
///
/// Fails the test if something is missing and everything is required.
#[track_caller]
pub fn tier_missing(tier: &str, reason: Option<String>) -> bool {
    let Some(reason) = reason else {
        return false;
    };
    assert!(
        std::env::var_os("WEIR_REQUIRE_ALL").is_none(),
        "tier {tier} cannot run: {reason}"
    );
    eprintln!("skipped: tier {tier} cannot run: {reason}");
    true
}

/// Returns why a program that a test needs is not here, if it is not.
#[must_use]
pub fn program_missing(programs: &[&str]) -> Option<String> {
    let missing = programs.iter().find(|program| {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .output();
        !found.is_ok_and(|output| output.status.success())
    })?;
    Some(format!("`{missing}` is not installed"))
}
