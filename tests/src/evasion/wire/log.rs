//! What the gateway's access log says about a connection.

use std::collections::HashMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::WAIT_MAX;
use crate::evasion::outcome::Outcome;

/// The file, read as it grows.
#[derive(Debug)]
pub(super) struct AccessLog {
    path: PathBuf,
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    len: u64,
    rest: Vec<u8>,
    lines: HashMap<SocketAddr, Vec<Line>>,
}

/// What one line says.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) outcome: Outcome,
    /// The URI that was judged.
    pub(super) uri: Option<String>,
}

impl AccessLog {
    pub(super) fn of(path: PathBuf) -> Self {
        Self {
            path,
            read: Mutex::default(),
        }
    }

    /// Returns what was decided on a client's connection, as soon as that is enough; after
    /// [`WAIT_MAX`] whatever there is.
    pub(super) fn lines(
        &self,
        client: SocketAddr,
        is_enough: impl Fn(&[Line]) -> bool,
    ) -> Vec<Line> {
        let started = Instant::now();
        loop {
            let lines = self.so_far(client);
            if is_enough(&lines) || started.elapsed() > WAIT_MAX {
                return lines;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn so_far(&self, client: SocketAddr) -> Vec<Line> {
        let mut read = self.read.lock().unwrap();
        let read = &mut *read;
        if let Ok(mut file) = std::fs::File::open(&self.path) {
            file.seek(SeekFrom::Start(read.len)).expect("a place");
            read.len += file.read_to_end(&mut read.rest).expect("lines") as u64;
        }
        while let Some(end) = read.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = read.rest.drain(..=end).collect();
            let line: Value = serde_json::from_slice(&line).expect("a line of JSON");
            let client = line["client"].as_str().and_then(|text| text.parse().ok());
            if let (Some(client), Some(outcome)) = (client, outcome(&line)) {
                let uri = line["uri"].as_str().map(str::to_owned);
                let line = Line { outcome, uri };
                read.lines.entry(client).or_default().push(line);
            }
        }
        read.lines.get(&client).cloned().unwrap_or_default()
    }
}

/// Reads one line.
fn outcome(line: &Value) -> Option<Outcome> {
    let word = |name: &str| line[name].as_str().map(str::to_owned);
    if line["kind"] == "bad_request" {
        return word("reason").map(Outcome::Refused);
    }
    let outcome = match (word("action")?.as_str(), word("failure")) {
        // A body that turns out bad was judged by its head.
        ("pass", Some(failure)) if ["body", "truncated"].contains(&failure.as_str()) => {
            Outcome::Refused(failure)
        }
        ("pass", _) => Outcome::Passed,
        (_, _) => match (word("source")?.as_str(), word("undecidable")) {
            ("undecidable", Some(reason)) => Outcome::Undecidable(reason),
            (_, _) => Outcome::Blocked,
        },
    };
    Some(outcome)
}
