//! Redis of others: a real one, on a socket in a directory of its own.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long Redis may take to start: it may have much to read.
const START_MAX: Duration = Duration::from_secs(20);

/// A running Redis, which keeps its files in a directory of its own.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    dir: TempDir,
    options: Vec<String>,
}

impl Redis {
    /// Starts it with nothing kept on disk, and waits until it answers.
    pub fn start(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let child = spawn(&dir, &options);
        let redis = Self {
            child,
            dir,
            options,
        };
        redis.wait();
        redis
    }

    /// Returns its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// Kills it as the system does when it runs out of memory.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Starts it again where it was, with what it has on disk, and waits until it answers.
    pub fn start_again(&mut self) {
        let _ = std::fs::remove_file(self.socket());
        self.child = spawn(&self.dir, &self.options);
        self.wait();
    }

    /// Sends a command in words, and returns what comes back as it is.
    pub fn call(&self, words: &[&str]) -> String {
        let mut stream = UnixStream::connect(self.socket()).expect("it listens");
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command += &format!("${}\r\n{word}\r\n", word.len());
        }
        // What follows shows where the answer ends.
        command += "*2\r\n$4\r\nECHO\r\n$9\r\nall-of-it\r\n";
        stream.write_all(command.as_bytes()).expect("it reads");
        let (mut answer, mut bytes) = (Vec::new(), [0; 4096]);
        while !answer.ends_with(b"$9\r\nall-of-it\r\n") {
            let len = stream.read(&mut bytes).expect("it answers");
            assert!(len > 0, "closed after {}", answer.escape_ascii());
            answer.extend_from_slice(&bytes[..len]);
        }
        let text = String::from_utf8_lossy(&answer);
        text.trim_end_matches("$9\r\nall-of-it\r\n").to_owned()
    }

    fn wait(&self) {
        let began = Instant::now();
        loop {
            let is_there = UnixStream::connect(self.socket()).is_ok_and(|mut stream| {
                let mut bytes = [0; 16];
                stream.write_all(b"PING\r\n").is_ok()
                    && stream.read(&mut bytes).is_ok_and(|len| {
                        bytes[..len].starts_with(b"+PONG") || bytes[..len].starts_with(b"-NOAUTH")
                    })
            });
            if is_there {
                return;
            }
            let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(
                began.elapsed() < START_MAX,
                "Redis does not start: {}",
                log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(dir: &TempDir, options: &[String]) -> Child {
    let path = |name: &str| dir.path().join(name);
    Command::new("redis-server")
        .args(["--port", "0", "--bind", "127.0.0.1", "--save", ""])
        .arg("--unixsocket")
        .arg(path("redis.sock"))
        .arg("--dir")
        .arg(dir.path())
        .arg("--logfile")
        .arg(path("log"))
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server starts")
}
