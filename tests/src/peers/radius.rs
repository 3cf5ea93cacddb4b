//! RADIUS of others: radclient, which sends what a NAS sends, and FreeRADIUS, which passes it on.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use super::free_address;
use crate::program::write_files;

/// What the relay shares with those who report to it.
pub const RELAY_SECRET: &str = "nas-secret";

/// A configuration with `@DIR@`, `@PORT@`, `@WEIR@` (the port of `weir`) and `@SECRET@`.
pub const CONFIG: &str = include_str!("freeradius.conf");

/// FreeRADIUS, which passes accounting on and waits for the answer.
#[derive(Debug)]
pub struct Relay {
    child: Child,
    dir: TempDir,
    /// Where it takes accounting.
    pub address: SocketAddr,
}

/// Seconds that an answer may take which has to come.
const ANSWER_WAIT_S: &str = "20";

/// Seconds after which no answer will come.
const SILENCE_S: &str = "2";

/// Sends an accounting request once, with the attributes that the lines name; returns whether there
/// was a good answer, and what radclient printed.
pub fn radclient(to: SocketAddr, secret: &str, lines: &str) -> (bool, String) {
    ask(to, ("acct", ANSWER_WAIT_S), secret, lines)
}

/// Like [`radclient`], where no answer is expected or nobody may be there yet: gives up soon.
pub fn unanswered(to: SocketAddr, secret: &str, lines: &str) -> (bool, String) {
    ask(to, ("acct", SILENCE_S), secret, lines)
}

/// Asks by Status-Server whether somebody is there; returns whether there was a good answer, and
/// what radclient printed.
pub fn status(to: SocketAddr, secret: &str) -> (bool, String) {
    let lines = "Message-Authenticator = 0x00\nResponse-Packet-Type = Accounting-Response\n";
    ask(to, ("status", SILENCE_S), secret, lines)
}

fn ask(to: SocketAddr, (kind, wait_s): (&str, &str), secret: &str, lines: &str) -> (bool, String) {
    let mut child = Command::new("radclient")
        .args(["-x", "-r", "1", "-t", wait_s])
        .args([&to.to_string(), kind, secret])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("radclient starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(lines.as_bytes()).expect("it reads");
    drop(input);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    let answered = status.success() && text.contains("Received Accounting-Response");
    (answered, text)
}

impl Relay {
    /// Starts FreeRADIUS, which passes all accounting on to `weir`.
    pub fn start(weir: SocketAddr, secret: &str) -> Self {
        let config = CONFIG
            .replace("@WEIR@", &weir.port().to_string())
            .replace("@SECRET@", secret);
        Self::start_from(&[("radiusd.conf", &config)])
    }

    /// Starts FreeRADIUS with these files (name, text), where `@DIR@` is their folder and `@PORT@` the
    /// port that it takes accounting on.
    pub fn start_from(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let address = free_address();
        for (name, text) in files {
            let text = text
                .replace("@DIR@", &dir.path().display().to_string())
                .replace("@PORT@", &address.port().to_string());
            write_files(dir.path(), &[(name, &text)]);
        }
        std::fs::create_dir_all(dir.path().join("run")).expect("a directory");
        let output = File::create(dir.path().join("output")).expect("a file");
        let child = Command::new("freeradius")
            .args(["-f", "-n", "radiusd", "-d"])
            .arg(dir.path())
            .args(["-l", "stdout"])
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .expect("freeradius starts");
        Self {
            child,
            dir,
            address,
        }
    }

    /// Returns what it printed so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("output")).unwrap_or_default()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
