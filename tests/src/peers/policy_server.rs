//! A policy server that says what a test wants: python-diameter with a script of ours.

use std::net::SocketAddr;
use std::path::Path;

use super::Peer;
use super::diameter::{APPLICATION, python};
use crate::program::write_files;
use crate::wait_for;

/// The policy server `pcrf.weir.test`.
#[derive(Debug)]
pub struct PolicyServer {
    peer: Peer,
}

impl PolicyServer {
    /// Starts the policy server, which `client` (a name in `weir.test`) dials, with nothing to
    /// say. `state` is its Origin-State-Id.
    #[track_caller]
    pub fn start(address: SocketAddr, client: &str, state: u32) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let script = include_str!("scripted_pcrf.py");
        let files = [APPLICATION, ("pcrf.py", script), ("answers.json", "{}")];
        write_files(dir.path(), &files);
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let words = [&python(), "pcrf.py", &ip, &port, client, &state.to_string()];
        Self {
            peer: Peer::start(dir, address, &words),
        }
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.peer.address
    }

    /// Says this from now on in answers: JSON by CC-Request-Type, as the script has it.
    pub fn says(&self, answers: &str) {
        put(self.peer.dir.path(), "answers.json", answers);
    }

    /// Asks to authorize the last session anew, with this, and waits for the answer. Returns its
    /// Result-Code.
    #[track_caller]
    pub fn re_authorizes(&self, said: &str) -> String {
        let before = self.lines("RAA ").len();
        put(self.peer.dir.path(), "rar.json", said);
        wait_for("the answer to the RAR", || {
            self.lines("RAA ").get(before).cloned()
        })
    }

    /// Waits for so many requests of a CC-Request-Type, and returns the last: what is printed of
    /// it behind the type.
    #[track_caller]
    pub fn asked(&self, kind: u32, count: usize) -> String {
        let head = format!("CCR {kind} ");
        let what = format!("{count} of {head}");
        wait_for(&what, || {
            self.lines(&head).get(count.checked_sub(1)?).cloned()
        })
    }

    /// Returns the rest of the lines that begin so.
    pub fn lines(&self, head: &str) -> Vec<String> {
        let output = self.peer.output();
        let rest = output.lines().filter_map(|line| line.strip_prefix(head));
        rest.map(str::to_owned).collect()
    }
}

/// Writes a file whole: the script may look at any time.
fn put(folder: &Path, name: &str, text: &str) {
    let draft = folder.join(format!("{name}.new"));
    std::fs::write(&draft, text).expect("a directory of our own");
    std::fs::rename(draft, folder.join(name)).expect("a directory of our own");
}
