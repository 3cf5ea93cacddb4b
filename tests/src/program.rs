//! The real `weir` program as a child process.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{ToEnd as _, WAIT_MAX, wait_for};

/// A running `weir` with a directory of files of its own.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    /// Where its files are.
    pub dir: TempDir,
}

/// Returns the path of the `weir` binary, building it once if need be, with the optimisation of
/// this build.
pub fn weir() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let output = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--package=weir",
                "--message-format=json",
            ])
            .args((!cfg!(debug_assertions)).then_some("--release"))
            .arg("--manifest-path")
            .arg(manifest)
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(
            output.status.success(),
            "`cargo build --package weir` failed"
        );
        String::from_utf8(output.stdout)
            .expect("cargo prints UTF-8")
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .expect("cargo names the executable")
    })
}

/// Runs `weir` with these arguments in `dir` to its end.
pub fn run(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(weir())
        .args(arguments)
        .current_dir(dir)
        .to_end()
}

impl Program {
    /// Writes `files` (name, text) to a fresh directory and starts `weir` there.
    pub fn start(arguments: &[&str], files: &[(&str, &str)]) -> Self {
        Self::start_by(Command::new(weir()), arguments, files)
    }

    /// Like [`start`](Self::start), through another command that ends in the program's path, such
    /// as `ip netns exec NAME /path/weir`.
    pub fn start_by(mut command: Command, arguments: &[&str], files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory for files");
        write_files(dir.path(), files);
        let mut child = command
            .args(arguments)
            .current_dir(dir.path())
            .env("WEIR_LOG", "debug")
            .env("WEIR_LOG_FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("weir starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        collect(child.stdout.take().expect("piped"), Arc::clone(&log));
        collect(child.stderr.take().expect("piped"), Arc::clone(&log));
        Self { child, log, dir }
    }

    /// Replaces a file in the program's directory.
    pub fn write(&self, name: &str, text: &str) {
        write_files(self.dir.path(), &[(name, text)]);
    }

    /// Returns the address of the `nth` listener whose log line has `listener` as its value of
    /// that name: `tproxy`, `redirect`, `explicit`, `icap`, `proxy_admin`, `icap_server_admin`.
    #[track_caller]
    pub fn address(&mut self, listener: &str, nth: usize) -> SocketAddr {
        let wanted = format!("\"listener\":\"{listener}\"");
        let found = wait_for(&format!("listener {listener} of:\n{}", self.log()), || {
            let lines = self.lines();
            let line = lines
                .iter()
                .filter(|line| line.contains(&wanted))
                .nth(nth)?;
            let json: serde_json::Value = serde_json::from_str(line).ok()?;
            let fields = json.get("fields").unwrap_or(&json);
            fields["address"].as_str()?.parse().ok()
        });
        wait_for("the listener", || {
            std::net::TcpStream::connect_timeout(&found, Duration::from_secs(1)).ok()
        });
        found
    }

    /// Returns what the program printed so far, a line each.
    pub fn lines(&self) -> Vec<String> {
        self.log.lock().expect("no panic while collecting").clone()
    }

    /// Returns what the program printed so far as one text.
    pub fn log(&self) -> String {
        self.lines().iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        })
    }

    /// Waits for a line that contains all of `parts`, and returns it.
    #[track_caller]
    pub fn wait_for_line(&self, parts: &[&str]) -> String {
        let start = Instant::now();
        loop {
            let lines = self.lines();
            let found = lines
                .iter()
                .find(|line| parts.iter().all(|part| line.contains(part)));
            if let Some(line) = found {
                return line.clone();
            }
            assert!(
                start.elapsed() < WAIT_MAX,
                "no line with {parts:?} in:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns the access log lines so far that contain all of `parts`.
    pub fn decisions(&self, parts: &[&str]) -> Vec<serde_json::Value> {
        self.lines()
            .iter()
            .filter(|line| line.contains("\"kind\"") && parts.iter().all(|p| line.contains(p)))
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Sends a signal by its name, such as `HUP`.
    pub fn signal(&self, name: &str) {
        let output = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .to_end();
        assert!(
            output.status.success(),
            "no process to send {name} to:\n{}",
            self.log()
        );
    }

    /// Halts the program, and waits until every thread of it stands still; `signal("CONT")` lets it
    /// go on.
    #[track_caller]
    pub fn halt(&self) {
        self.signal("STOP");
        let threads = format!("/proc/{}/task", self.id());
        wait_for("every thread to stand still", || {
            let mut stands = fs::read_dir(&threads).expect("it runs").map(|thread| {
                let stat = thread.and_then(|thread| fs::read_to_string(thread.path().join("stat")));
                stat.is_ok_and(|stat| {
                    stat.rsplit_once(") ")
                        .is_some_and(|(_, it)| it.starts_with('T'))
                })
            });
            stands.all(|stands| stands).then_some(())
        });
    }

    /// Returns whether the program still runs.
    pub fn runs(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("a child can be waited for")
            .is_none()
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns how much memory the program has.
    pub fn resident_kib(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// Returns the most memory that the program ever had.
    pub fn peak_resident_kib(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.split_whitespace().next());
        kib.and_then(|kib| kib.parse().ok())
            .expect("a number of KiB")
    }

    /// Asks the program to end and returns its exit status.
    #[track_caller]
    pub fn stop(&mut self) -> i32 {
        self.signal("TERM");
        self.stop_status()
    }

    /// Waits for the program to end by itself and returns its exit status.
    #[track_caller]
    pub fn stop_status(&mut self) -> i32 {
        wait_for("the program to end", || {
            self.child.try_wait().expect("a child can be waited for")
        })
        .code()
        .unwrap_or(-1)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- what weir printed\n{}", self.log());
        }
    }
}

/// Writes files below `dir`, with the directories they need.
pub fn write_files(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().expect("below the directory")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
}

/// Gathers a child's lines until it closes the stream.
fn collect(stream: impl Read + Send + 'static, log: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            log.lock().expect("no panic while collecting").push(line);
        }
    });
}
