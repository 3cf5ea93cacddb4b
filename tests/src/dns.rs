//! A DNS resolver that answers as it is told, and counts what it is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::wait_for;

/// Longest time that the resolver's thread outlives it.
const IDLE: Duration = Duration::from_millis(100);

/// Type of a question for IPv4 addresses (RFC 1035 section 3.2.2).
const A: u16 = 1;
/// Type of a question for IPv6 addresses (RFC 3596 section 2.1).
const AAAA: u16 = 28;

/// A running resolver.
///
/// It knows the names it is given, and answers for any other that there is no such name. Each
/// name has a script: the first look-up takes the first answer, the next the next, and the last
/// answer stays. A look-up is one question for A and one for AAAA, which count apart.
#[derive(Debug)]
pub struct Dns {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    ended: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct State {
    scripts: BTreeMap<String, Vec<Vec<IpAddr>>>,
    zones: BTreeMap<String, Vec<Vec<IpAddr>>>,
    silent: BTreeSet<String>,
    ttl_s: u32,
    queries: Vec<Query>,
}

/// A question that came in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Query {
    /// In lower case, without a trailing dot.
    pub name: String,
    /// 1 for A, 28 for AAAA, or whatever was asked.
    pub kind: u16,
}

impl Dns {
    /// Starts a resolver on a port of the system's choice on 127.0.0.1.
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap())
    }

    /// Starts a resolver at this address, in the namespace of the calling thread
    /// ([`Lab::within`](crate::lab::Lab::within)).
    pub fn start_at(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind(address).expect("an address to listen on");
        socket.set_read_timeout(Some(IDLE)).unwrap();
        let dns = Self {
            address: socket.local_addr().unwrap(),
            state: Arc::default(),
            ended: Arc::default(),
        };
        let (state, ended) = (Arc::clone(&dns.state), Arc::clone(&dns.ended));
        std::thread::spawn(move || serve(&socket, &state, &ended));
        dns
    }

    /// Lets a name have these addresses from now on.
    pub fn name(&self, name: &str, addresses: &[&str]) {
        self.script(name, &[addresses]);
    }

    /// Lets every name below this one that has no addresses of its own have these.
    pub fn zone(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        let zones = &mut self.state().zones;
        zones.insert(format!(".{name}"), vec![addresses]);
    }

    /// Lets the look-ups of a name from now on take these answers in turn; the last one stays.
    pub fn script(&self, name: &str, answers: &[&[&str]]) {
        let parse = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        let mut state = self.state();
        state.queries.retain(|query| query.name != name);
        state
            .scripts
            .insert(name.to_owned(), answers.iter().map(parse).collect());
    }

    /// Lets questions for a name go unanswered.
    pub fn silence(&self, name: &str) {
        self.state().silent.insert(name.to_owned());
    }

    /// Sets the lifetime of the answers from now on; without, it is 0.
    pub fn lifetime(&self, ttl_s: u32) {
        self.state().ttl_s = ttl_s;
    }

    /// Returns the questions so far. Those for a name begin anew with its script.
    pub fn queries(&self) -> Vec<Query> {
        self.state().queries.clone()
    }

    /// Returns how often a name was looked up: questions for A or for AAAA, whichever are more.
    pub fn look_ups(&self, name: &str) -> usize {
        let state = self.state();
        let asked = |kind| state.asked(name, kind);
        asked(A).max(asked(AAAA))
    }

    /// Waits until a name was looked up `count` times.
    #[track_caller]
    pub fn wait_for_look_ups(&self, name: &str, count: usize) {
        wait_for("look-ups", || (self.look_ups(name) >= count).then_some(()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while answering")
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

fn serve(socket: &UdpSocket, state: &Mutex<State>, ended: &AtomicBool) {
    let mut message = [0; 1500];
    while !ended.load(Ordering::Relaxed) {
        let (len, from) = match socket.recv_from(&mut message) {
            Ok(received) => received,
            Err(error) if is_idle(error.kind()) => continue,
            // An earlier answer found nobody.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
            Err(_) => return,
        };
        let answer = state.lock().unwrap().answer(&message[..len]);
        if let Some(answer) = answer {
            let _ = socket.send_to(&answer, from);
        }
    }
}

fn is_idle(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

impl State {
    /// Returns the answer to a message, unless it is no question or the name is silent.
    fn answer(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let (query, question) = parse(message)?;
        let nth = self.asked(&query.name, query.kind);
        self.queries.push(query.clone());
        if self.silent.contains(&query.name) {
            return None;
        }
        let zones = &self.zones;
        let below = || zones.iter().find(|(zone, _)| query.name.ends_with(*zone));
        let script = self.scripts.get(&query.name);
        let script = script.or_else(|| Some(below()?.1));
        let addresses = script.and_then(|answers| answers.get(nth).or_else(|| answers.last()));
        let records: Vec<Vec<u8>> = addresses
            .into_iter()
            .flatten()
            .filter_map(|ip| match (ip, query.kind) {
                (IpAddr::V4(v4), A) => Some(v4.octets().to_vec()),
                (IpAddr::V6(v6), AAAA) => Some(v6.octets().to_vec()),
                _ => None,
            })
            .collect();
        // An answer, recursion available; NXDOMAIN for a name without a script (RFC 1035 4.1.1).
        let status = if script.is_some() { 0 } else { 3 };
        let mut answer = message[..2].to_vec();
        answer.extend([0x80 | (message[2] & 0x01), 0x80 | status, 0, 1, 0]);
        answer.extend([u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
        answer.extend(question);
        for record in records {
            answer.extend([0xc0, 0x0c]);
            answer.extend(query.kind.to_be_bytes());
            answer.extend([0, 1]);
            answer.extend(self.ttl_s.to_be_bytes());
            answer.extend([0, u8::try_from(record.len()).unwrap()]);
            answer.extend(record);
        }
        Some(answer)
    }

    fn asked(&self, name: &str, kind: u16) -> usize {
        let asked = |query: &&Query| query.name == name && query.kind == kind;
        self.queries.iter().filter(asked).count()
    }
}

/// Reads the first question of a message, and returns it with its bytes.
fn parse(message: &[u8]) -> Option<(Query, Vec<u8>)> {
    const HEADER_LEN: usize = 12;
    let mut labels = Vec::new();
    let mut at = HEADER_LEN;
    loop {
        let len = usize::from(*message.get(at)?);
        at += 1;
        if len == 0 {
            break;
        }
        let label = message.get(at..at + len)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += len;
    }
    let kind = u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?);
    let question = message.get(HEADER_LEN..at + 4)?.to_vec();
    let name = labels.join(".");
    Some((Query { name, kind }, question))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_ups_take_the_answers_in_turn() {
        let mut state = State::default();
        let answers = [["192.0.2.1", "2001:db8::1"], ["127.0.0.1", "::1"]];
        let answers = answers.map(|answer| answer.map(|ip| ip.parse().unwrap()).to_vec());
        state
            .scripts
            .insert("turns.test".to_owned(), answers.to_vec());
        for last in [1, 1, 1] {
            let v6 = state.answer(&question("Turns.test", AAAA)).unwrap();
            assert_eq!(*v6.last().unwrap(), last);
        }
        for last in [[192, 0, 2, 1], [127, 0, 0, 1], [127, 0, 0, 1]] {
            let v4 = state.answer(&question("turns.TEST", A)).unwrap();
            assert!(v4.ends_with(&last));
        }
        assert_eq!(state.asked("turns.test", A), 3);
    }

    #[test]
    fn other_names_do_not_exist() {
        let mut state = State::default();
        let answer = state.answer(&question("other.test", A)).unwrap();
        assert_eq!(answer[3] & 0x0f, 3);
        let address = vec![vec!["192.0.2.1".parse().unwrap()]];
        state.zones.insert(".zone.test".to_owned(), address);
        let answer = state.answer(&question("any.name.zone.test", A)).unwrap();
        assert!(answer.ends_with(&[192, 0, 2, 1]));
        state.silent.insert("other.test".to_owned());
        assert_eq!(state.answer(&question("other.test", A)), None);
        assert_eq!(state.answer(b"short"), None);
    }

    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend(label.as_bytes());
        }
        message.push(0);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1]);
        message
    }
}
