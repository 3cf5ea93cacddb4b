//! The real ICAP server under load: reloads without a mixture, flat memory, many idle clients,
//! and an orderly end.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tests::client::{Client, find};
use tests::program::Program;
use tests::{WAIT_MAX, raise_descriptor_limit};

/// How a state of the files is told from the other: its profile and its category.
const STATES: [&str; 2] = ["red", "blue"];

/// Reloads while clients ask.
const RELOADS: usize = 200;

/// Connections that ask all the while.
const ASKING: usize = 24;

const MIB: usize = 1024 * 1024;

/// Both files name the state. Had an answer the lists of one and the policy of the other, it
/// would be 204.
fn policy(state: &str) -> String {
    format!(
        "policies: {{rule: {{block: [{state}]}}}}\n\
         profiles:\n  {state}: {{icap: true, policy: rule, default_action: pass, \
         unknown_action: pass, error_action: pass, undecidable_action: pass}}\n\
         default_profile: {state}\n"
    )
}

fn start(section: &str) -> (Program, SocketAddr) {
    let config = format!("policy: policy.yaml\nicap_server: {section}\n");
    let files = [
        ("weir.yaml", config.as_str()),
        ("policy.yaml", &policy("red")),
        ("lists/red/domains", "web.test\n"),
        ("lists/blue/domains", "other.test\n"),
    ];
    let mut program = Program::start(&["icap-server", "--config", "weir.yaml"], &files);
    let address = program.address("icap", 0);
    (program, address)
}

fn reqmod(service: &str, fields: &str) -> String {
    let http = "GET http://web.test/ HTTP/1.1\r\nHost: web.test\r\n\r\n";
    format!(
        "REQMOD icap://x/{service} ICAP/1.0\r\nHost: x\r\nAllow: 204\r\n{fields}\
         Encapsulated: req-hdr=0, null-body={}\r\n\r\n{http}",
        http.len()
    )
}

#[track_caller]
fn read_to(client: &mut Client, end: &[u8]) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(end) {
        answer.extend(client.take(1));
    }
    String::from_utf8(answer).unwrap()
}

fn field<'a>(answer: &'a str, name: &str) -> &'a str {
    let mut lines = answer.lines();
    lines
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap_or_else(|| panic!("no {name} in {answer}"))
}

#[test]
fn reloads_under_load_drop_no_connection_and_mix_no_states() {
    let section = "{listen: ['127.0.0.1:0'], categories: lists, workers: 2}";
    let (mut program, address) = start(section);
    let (over, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    let seen = thread::scope(|scope| {
        // Also where a wait fails: the clients would ask for ever.
        let _ending = Ending(&over);
        let clients: Vec<_> = (0..ASKING)
            .map(|_| scope.spawn(|| ask_until(address, &over, &answers)))
            .collect();
        for nth in 1..=RELOADS {
            let state = STATES[nth % 2];
            let other = STATES[(nth + 1) % 2];
            program.write(&format!("lists/{state}/domains"), "web.test\n");
            program.write(&format!("lists/{other}/domains"), "other.test\n");
            program.write("policy.yaml", &policy(state));
            let before = answers.load(Ordering::Relaxed);
            program.signal("HUP");
            tests::wait_for("the reload", || {
                let told = program.lines();
                let told = told
                    .iter()
                    .filter(|line| line.contains("configuration in force"));
                (told.count() > nth).then_some(())
            });
            tests::wait_for("answers after it", || {
                (answers.load(Ordering::Relaxed) > before + ASKING).then_some(())
            });
        }
        over.store(true, Ordering::Relaxed);
        let seen = clients.into_iter().map(|client| client.join().unwrap());
        seen.fold(BTreeSet::new(), |mut all, seen| {
            all.extend(seen);
            all
        })
    });
    let profiles: BTreeSet<&str> = seen.iter().map(|(profile, _)| profile.as_str()).collect();
    let tags: BTreeSet<&str> = seen.iter().map(|(_, tag)| tag.as_str()).collect();
    assert_eq!(profiles, BTreeSet::from(STATES));
    assert_eq!(
        (seen.len(), tags.len()),
        (2, 2),
        "a tag for each state: {seen:?}"
    );
    assert_eq!(program.stop(), 0);
}

/// Tells the clients to end when it is dropped.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks over one connection until told to end. Returns the states that answered: profile and tag.
fn ask_until(
    address: SocketAddr,
    over: &AtomicBool,
    answers: &AtomicUsize,
) -> BTreeSet<(String, String)> {
    let mut client = Client::connect(address);
    let mut seen = BTreeSet::new();
    while !over.load(Ordering::Relaxed) {
        client.send(reqmod("filter", ""));
        let answer = read_to(&mut client, b"\r\n0\r\n\r\n");
        assert!(answer.starts_with("ICAP/1.0 200 "), "{answer}");
        assert!(
            answer.contains("\r\nX-Response-Info: Blocked\r\n"),
            "{answer}"
        );
        assert!(!answer.contains("Connection: close"), "{answer}");
        let state = (
            field(&answer, "X-ICAP-Profile").to_owned(),
            field(&answer, "ISTag").to_owned(),
        );
        seen.insert(state);
        answers.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

#[test]
fn bodies_of_ten_mib_come_back_in_flat_memory() {
    const LEN: usize = 10 * MIB;
    const AT_ONCE: usize = 4;
    const GROWTH_KIB_MAX: u64 = 4 * 1024;
    let (program, address) = start("{listen: ['127.0.0.1:0'], categories: lists}");
    echo(address, LEN);
    let before = program.resident_kib();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| (0..3).for_each(|_| echo(address, LEN)));
        }
    });
    // All that was ever held, not only what is held afterwards.
    let peak = program.peak_resident_kib();
    assert!(
        peak <= before + GROWTH_KIB_MAX,
        "{before} KiB grew to {peak} KiB"
    );
}

/// Sends a body without leave for 204, and reads it back.
fn echo(address: SocketAddr, len: usize) {
    const PIECE: usize = 37_003;
    let http = "POST http://web.test/ HTTP/1.1\r\nHost: web.test\r\n\r\n";
    let head = format!(
        "REQMOD icap://x/categorize ICAP/1.0\r\nHost: x\r\nConnection: close\r\n\
         Encapsulated: req-hdr=0, req-body={}\r\n\r\n{http}",
        http.len()
    );
    let mut writer = TcpStream::connect(address).unwrap();
    writer.set_write_timeout(Some(WAIT_MAX)).unwrap();
    writer.set_read_timeout(Some(WAIT_MAX)).unwrap();
    let mut reader = writer.try_clone().unwrap();
    let byte = |at: usize| u8::try_from(at % 251).unwrap();
    let writing = thread::spawn(move || {
        writer.write_all(head.as_bytes()).unwrap();
        for start in (0..len).step_by(PIECE) {
            let end = len.min(start + PIECE);
            let mut chunk = format!("{:x}\r\n", end - start).into_bytes();
            chunk.extend((start..end).map(byte));
            chunk.extend(b"\r\n");
            writer.write_all(&chunk).unwrap();
        }
        writer.write_all(b"0\r\n\r\n").unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut answer = Vec::with_capacity(len + MIB);
    reader.read_to_end(&mut answer).unwrap();
    writing.join().unwrap();
    let body = find(&answer, b"Via: ICAP/1.0 weir\r\n\r\n").unwrap() + 22;
    let body = unchunked(&answer[body..]);
    assert_eq!(body.len(), len);
    let wrong = body.iter().enumerate().find(|(at, it)| **it != byte(*at));
    assert_eq!(wrong, None);
}

#[track_caller]
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = find(rest, b"\r\n").unwrap();
        let size = std::str::from_utf8(&rest[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let (chunk, after) = rest[line + 2..].split_at(size);
        body.extend(chunk);
        assert_eq!(&after[..2], b"\r\n");
        rest = &after[2..];
        if size == 0 {
            assert_eq!(rest, b"");
            return body;
        }
    }
}

#[test]
fn a_thousand_idle_clients_keep_nobody_waiting() {
    const IDLE: usize = 1_000;
    const EACH_KIB_MAX: u64 = 16;
    raise_descriptor_limit();
    let section = "{listen: ['127.0.0.1:0'], categories: lists, limits: {idle_s: 3600}}";
    let (program, address) = start(section);
    let ask = || {
        let mut client = Client::connect(address);
        client.send(reqmod("categorize", ""));
        let answer = read_to(&mut client, b"\r\n\r\n");
        assert!(answer.contains("\r\nX-Attribute: red\r\n"), "{answer}");
        client
    };
    drop(ask());
    let before = program.resident_kib();
    let mut idle: Vec<Client> = (0..IDLE).map(|_| ask()).collect();
    let grown = program.resident_kib().saturating_sub(before);
    assert!(grown < EACH_KIB_MAX * IDLE as u64, "{grown} KiB");
    let start = Instant::now();
    drop(ask());
    let took = start.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    // They are still served.
    for client in idle.iter_mut().step_by(97) {
        client.send(reqmod("categorize", ""));
        assert!(read_to(client, b"\r\n\r\n").starts_with("ICAP/1.0 204 "));
    }
}

#[test]
fn a_stop_lets_answers_finish_and_says_so() {
    let (mut program, address) = start("{listen: ['127.0.0.1:0'], categories: lists, workers: 1}");
    let mut idle = Client::connect(address);
    let mut busy = Client::connect(address);
    for client in [&mut idle, &mut busy] {
        client.send(reqmod("categorize", ""));
        read_to(client, b"\r\n\r\n");
    }
    let request = reqmod("categorize", "");
    let (early, late) = request.split_at(40);
    busy.send(early);
    // The one worker has read it once it has answered another connection.
    let mut other = Client::connect(address);
    other.send(reqmod("categorize", "Connection: close\r\n"));
    read_to(&mut other, b"\r\n\r\n");
    program.signal("TERM");
    assert_eq!(idle.rest().0, b"");
    busy.send(late);
    let answer = String::from_utf8(busy.rest().0).unwrap();
    assert!(answer.starts_with("ICAP/1.0 204 "), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert_eq!(program.stop_status(), 0);
}
