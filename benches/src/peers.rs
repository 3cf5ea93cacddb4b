//! Other ways to find the longest listed name of a host.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fst::raw::{Fst, Output};

use crate::lists::Lists;

/// Where Debian installs it.
const SQUID_GUARD: &str = "/usr/bin/squidGuard";

/// A map of names as the standard library has it, one look-up for each name above a host.
pub struct Map(HashMap<String, u16>);

impl Map {
    /// Puts every name into the map.
    #[must_use]
    pub fn of(lists: &Lists) -> Self {
        let numbered = lists.lines().map(|(_, name)| (name.to_owned(), 1));
        Self(numbered.collect())
    }

    /// Returns the number of the longest name that is listed.
    #[must_use]
    pub fn find(&self, host: &str) -> Option<u16> {
        uri::suffixes(host)
            .find_map(|name| self.0.get(name))
            .copied()
    }
}

/// A finite state transducer of reversed names, walked once for a host.
pub struct Transducer(Fst<Vec<u8>>);

impl Transducer {
    /// Builds it of every name.
    #[must_use]
    pub fn of(lists: &Lists) -> Self {
        let mut names: Vec<Vec<u8>> = lists
            .lines()
            .map(|(_, name)| name.bytes().rev().collect())
            .collect();
        names.sort();
        names.dedup();
        let map = fst::Map::from_iter(names.into_iter().map(|name| (name, 1))).unwrap();
        Self(map.into_fst())
    }

    /// Returns the number of the longest name that is listed.
    #[must_use]
    pub fn find(&self, host: &str) -> Option<u64> {
        let mut node = self.0.root();
        let mut out = Output::zero();
        let mut found = None;
        let mut bytes = host.bytes().rev().peekable();
        while let Some(byte) = bytes.next() {
            let Some(at) = node.find_input(byte) else {
                break;
            };
            let transition = node.transition(at);
            out = out.cat(transition.out);
            node = self.0.node(transition.addr);
            if node.is_final() && bytes.peek().is_none_or(|next| *next == b'.') {
                found = Some(out.cat(node.final_output()).value());
            }
        }
        found
    }

    /// Returns its bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_bytes().len()
    }

    /// Returns whether it has no bytes, which it never has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What squidGuard needed.
pub struct SquidGuard {
    /// From lists to its databases.
    pub build: Duration,
    /// For each kind of question: the time from the first to the last answer, and how many of the
    /// answers were the redirect.
    pub answers: [(Duration, usize); 2],
}

/// Has squidGuard build its databases in `folder`, once, and answer about two kinds of URIs. None:
/// it is not installed.
#[must_use]
pub fn squid_guard(folder: &Path, lists: &Lists, questions: [&[String]; 2]) -> Option<SquidGuard> {
    if !Path::new(SQUID_GUARD).exists() {
        return None;
    }
    let mut texts: std::collections::BTreeMap<&str, String> = std::collections::BTreeMap::new();
    for (category, name) in lists.lines() {
        let text = texts.entry(category).or_default();
        text.push_str(name);
        text.push('\n');
    }
    let mut config = format!("dbhome {0}\nlogdir {0}\n", folder.display());
    let mut pass = String::new();
    for (category, text) in &texts {
        fs::create_dir_all(folder.join(category)).unwrap();
        fs::write(folder.join(category).join("domains"), text).unwrap();
        writeln!(
            config,
            "dest {category} {{ domainlist {category}/domains }}"
        )
        .unwrap();
        write!(pass, "!{category} ").unwrap();
    }
    writeln!(
        config,
        "acl {{ default {{ pass {pass} all\nredirect http://blocked.example/ }} }}"
    )
    .unwrap();
    let path = folder.join("squidGuard.conf");
    fs::write(&path, config).unwrap();
    let start = Instant::now();
    let built = command(&path)
        .args(["-C", "all"])
        .stdin(Stdio::null())
        .status();
    assert!(built.unwrap().success());
    let build = start.elapsed();
    let answers = questions.map(|uris| ask(&path, uris));
    Some(SquidGuard { build, answers })
}

fn command(config: &Path) -> Command {
    let mut command = Command::new(SQUID_GUARD);
    command
        .arg("-c")
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Asks all at once, so that it never waits for a question.
fn ask(config: &Path, uris: &[String]) -> (Duration, usize) {
    let mut child = command(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    // The first answer comes when its databases are open.
    writeln!(input, "http://first.example/ 192.0.2.1/- - GET").unwrap();
    answers.next().unwrap().unwrap();
    let start = Instant::now();
    let questions: String = uris
        .iter()
        .map(|uri| format!("{uri} 192.0.2.1/- - GET\n"))
        .collect();
    let writer = std::thread::spawn(move || input.write_all(questions.as_bytes()));
    let answers = answers.take(uris.len()).map(Result::unwrap);
    let hits = answers
        .filter(|line| line.contains("blocked.example"))
        .count();
    let taken = start.elapsed();
    writer.join().unwrap().unwrap();
    child.wait().unwrap();
    (taken, hits)
}
