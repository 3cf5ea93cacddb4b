//! Reloads of a category file under load: the file is replaced by renaming, again and again, while
//! ICAP clients ask over connections that they keep, and slow ones hold their answers up.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::program::{Program, run};
use crate::{WAIT_MAX, wait_for};

/// Hosts that are asked for. Both contents list two thirds of them, not the same ones.
const ASKED: usize = 48;

/// Connections that ask and do not send the body that they announced, one more at each of the
/// first reloads. Their answers are made, and their content must not be kept.
const SLOW: usize = 6;

/// What is reloaded, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// How often the file is replaced.
    pub reloads: usize,
    /// Names in a content beside those that are asked for.
    pub names: usize,
    /// Clients that ask all the time.
    pub clients: usize,
}

/// What was seen.
#[derive(Debug)]
pub struct Outcome {
    /// Answers of the clients that ask all the time.
    pub answers: u64,
    /// Those of neither content, or with the tag of the other.
    pub wrong: u64,
    /// Connections that ended, or failed.
    pub dropped: u64,
    /// Bytes of the files.
    pub file_len: [u64; 2],
    /// Resident memory in KiB when each content was in force for the first time, and had answered.
    pub fresh_kib: [u64; 2],
    /// Resident memory in KiB after each reload under load, in order.
    pub resident_kib: Vec<u64>,
    /// The most memory that the program ever had.
    pub peak_kib: u64,
    /// From the signal until the program says that the content is in force, and until the memory
    /// was counted.
    pub reloading: Vec<Duration>,
}

/// One of the two contents.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Content(usize);

impl Content {
    const BOTH: [Self; 2] = [Self(0), Self(1)];

    fn name(self) -> &'static str {
        ["red", "blue"][self.0]
    }

    /// Returns the categories of a host as an answer names them.
    fn categories(self, host: usize) -> Option<&'static str> {
        match (host % 3 + self.0) % 3 {
            0 => Some(self.name()),
            1 => Some(["red, shared", "blue, shared"][self.0]),
            _ => None,
        }
    }

    /// Builds the file, in the directory of the program.
    fn build(self, folder: &Path, names: usize) {
        let listed = |wanted: fn(&str) -> bool| {
            let hosts = (0..ASKED).filter(move |host| self.categories(*host).is_some_and(wanted));
            hosts.map(|host| format!("host{host}.test\n"))
        };
        // Of different sizes, as lists are from day to day.
        let others = (0..names - self.0 * names / 20)
            .map(|nth| format!("name{nth}.of-a-{}-list.test\n", self.name()));
        let sources = folder.join(self.name());
        for (category, text) in [
            (self.name(), listed(|_| true).chain(others).collect()),
            ("shared", listed(|it| it.ends_with("shared")).collect()),
        ] {
            let text: String = text;
            fs::create_dir_all(sources.join(category)).unwrap();
            fs::write(sources.join(category).join("domains"), text).unwrap();
        }
        let built = run(
            folder,
            &["categories", "build", self.name(), "-o", &self.file()],
        );
        assert!(built.status.success(), "{built:?}");
        fs::remove_dir_all(sources).unwrap();
    }

    fn file(self) -> String {
        format!("{}.db", self.name())
    }

    /// Puts the file in the place of the one in use, as a builder does.
    fn put(self, folder: &Path) {
        fs::copy(folder.join(self.file()), folder.join("next.db")).unwrap();
        fs::rename(folder.join("next.db"), folder.join("categories.db")).unwrap();
    }
}

impl Outcome {
    /// Returns, for both contents, the level of memory when it was in force for the first time, and
    /// the most that it was after any reload under load.
    #[must_use]
    pub fn levels_kib(&self) -> [(u64, u64); 2] {
        Content::BOTH.map(|content| {
            let after = self.resident_kib.iter().enumerate();
            // The first reload under load is to the second content.
            let own = after.filter(|(nth, _)| (nth + 1) % 2 == content.0);
            let most = own.map(|(_, kib)| *kib).max();
            (self.fresh_kib[content.0], most.unwrap_or_default())
        })
    }

    /// Returns by what part memory ever was over the level of the same content in force for the
    /// first time: 0.05 is 5 %.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 KiB")]
    pub fn growth(&self) -> f64 {
        let grown = self
            .levels_kib()
            .map(|(first, most)| most as f64 / first as f64 - 1.0);
        grown.into_iter().fold(f64::MIN, f64::max)
    }
}

/// Starts the real program and reloads it under load.
///
/// # Panics
///
/// Fails if the program does not start, or a reload does not come.
#[must_use]
pub fn reload_under_load(setup: Setup) -> Outcome {
    let config = "icap_server:\n  listen: ['127.0.0.1:0']\n  categories: categories.db\n  \
                  workers: 2\n  limits: {stall_s: 3600}\n";
    let folder = tempfile::tempdir().unwrap();
    for content in Content::BOTH {
        content.build(folder.path(), setup.names);
    }
    let file = |content: Content| folder.path().join(content.file());
    let file_len = Content::BOTH.map(|content| fs::metadata(file(content)).unwrap().len());
    Content::BOTH[0].put(folder.path());
    fs::write(folder.path().join("weir.yaml"), config).unwrap();
    let path = folder.path().join("weir.yaml");
    let arguments = ["icap-server", "--config", path.to_str().unwrap()];
    let mut program = Program::start(&arguments, &[]);
    let address = program.address("icap", 0);
    let mut slow = Vec::new();
    let fresh = Content::BOTH.map(|content| {
        // The program starts with the first.
        if content != Content::BOTH[0] {
            content.put(folder.path());
            reload(&program);
        }
        (learn(address, content), program.resident_kib())
    });
    let [(red, red_kib), (blue, blue_kib)] = fresh;
    assert_ne!(red, blue);
    let asking = Asking {
        address,
        tags: [red, blue],
        over: AtomicBool::new(false),
        answers: AtomicU64::default(),
        wrong: AtomicU64::default(),
        dropped: AtomicU64::default(),
    };
    let (mut resident_kib, mut reloading) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        // Also where a wait fails: the clients would ask for ever.
        let _ending = Ending(&asking.over);
        for client in 0..setup.clients {
            let asking = &asking;
            scope.spawn(move || asking.ask_on(client));
        }
        Content::BOTH[0].put(folder.path());
        reload(&program);
        for nth in 1..=setup.reloads {
            let content = Content::BOTH[nth % 2];
            if slow.len() < SLOW {
                slow.push((Slow::start(address), Content::BOTH[(nth + 1) % 2]));
            }
            content.put(folder.path());
            reloading.push(reload(&program));
            asking.wait_for_answers(setup.clients);
            resident_kib.push(program.resident_kib());
        }
    });
    for (slow, content) in slow {
        asking.judge(&slow.finish(), 0, Some(content));
    }
    let peak_kib = program.peak_resident_kib();
    assert_eq!(program.stop(), 0);
    Outcome {
        answers: asking.answers.into_inner(),
        wrong: asking.wrong.into_inner(),
        dropped: asking.dropped.into_inner(),
        file_len,
        fresh_kib: [red_kib, blue_kib],
        resident_kib,
        peak_kib,
        reloading,
    }
}

/// Reloads, and waits until the new content is in force.
fn reload(program: &Program) -> Duration {
    let done = || {
        let lines = program.lines();
        let done = lines.iter().filter(|it| it.contains("in force")).count();
        assert!(!lines.iter().any(|it| it.contains("refused")), "{lines:?}");
        done
    };
    let before = done();
    let start = Instant::now();
    program.signal("HUP");
    wait_for("the reload", || (done() > before).then_some(()));
    start.elapsed()
}

/// Returns the tag of a content, before anything is asked at the same time.
fn learn(address: SocketAddr, content: Content) -> String {
    let mut socket = connect(address);
    let (mut tag, mut answer) = (String::new(), Vec::new());
    for host in 0..ASKED {
        assert!(ask(&mut socket, host, &mut answer));
        let text = std::str::from_utf8(&answer).unwrap();
        let categories = field(text, "X-Attribute");
        assert_eq!(categories, content.categories(host), "{text}");
        field(text, "ISTag").unwrap().clone_into(&mut tag);
    }
    tag
}

/// Clients that ask, and what they saw.
struct Asking {
    address: SocketAddr,
    tags: [String; 2],
    over: AtomicBool,
    answers: AtomicU64,
    wrong: AtomicU64,
    dropped: AtomicU64,
}

impl Asking {
    fn ask_on(&self, client: usize) {
        let mut socket = connect(self.address);
        let mut answer = Vec::new();
        let mut host = client;
        while !self.over.load(Ordering::Relaxed) {
            host = (host + 1) % ASKED;
            if ask(&mut socket, host, &mut answer) {
                self.judge(&answer, host, None);
                self.answers.fetch_add(1, Ordering::Relaxed);
            } else {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                socket = connect(self.address);
            }
        }
    }

    /// Counts an answer that is none of one content, or none of the content that it must be of.
    fn judge(&self, answer: &[u8], host: usize, wanted: Option<Content>) {
        let text = String::from_utf8_lossy(answer);
        let tag = field(&text, "ISTag");
        let of = Content::BOTH
            .into_iter()
            .find(|content| tag == Some(&self.tags[content.0]));
        let right = of.is_some_and(|content| {
            field(&text, "X-Attribute") == content.categories(host)
                && wanted.is_none_or(|wanted| wanted == content)
        });
        if !right || !text.starts_with("ICAP/1.0 20") || text.contains("Connection: close") {
            self.wrong.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until every client may have been answered by what is in force now.
    fn wait_for_answers(&self, clients: usize) {
        let before = self.answers.load(Ordering::Relaxed);
        let enough = before + 2 * clients as u64;
        wait_for("answers after the reload", || {
            (self.answers.load(Ordering::Relaxed) >= enough).then_some(())
        });
    }
}

/// Tells the clients to end when it is dropped.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A client that asked, and has not yet sent the body of its request.
struct Slow(TcpStream);

impl Slow {
    fn start(address: SocketAddr) -> Self {
        let mut socket = connect(address);
        let http = "POST http://host0.test/ HTTP/1.1\r\nHost: host0.test\r\n\r\n";
        let request = format!(
            "REQMOD icap://x/categorize ICAP/1.0\r\nHost: x\r\nAllow: 204\r\nPreview: 1024\r\n\
             Encapsulated: req-hdr=0, req-body={}\r\n\r\n{http}1\r\n",
            http.len()
        );
        socket.write_all(request.as_bytes()).unwrap();
        // Its question was taken once another one behind it was.
        let mut other = connect(address);
        for _ in 0..64 {
            assert!(ask(&mut other, 0, &mut Vec::new()));
        }
        Self(socket)
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.write_all(b"x\r\n0\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        assert!(read_answer(&mut self.0, &mut answer), "a slow client");
        answer
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("a connection");
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(WAIT_MAX)).unwrap();
    socket
}

/// Asks for a host and reads the answer. False: the connection ended.
fn ask(socket: &mut TcpStream, host: usize, answer: &mut Vec<u8>) -> bool {
    let http = format!("GET http://host{host}.test/ HTTP/1.1\r\nHost: host{host}.test\r\n\r\n");
    let request = format!(
        "REQMOD icap://x/categorize ICAP/1.0\r\nHost: x\r\nAllow: 204\r\n\
         Encapsulated: req-hdr=0, null-body={}\r\n\r\n{http}",
        http.len()
    );
    socket.write_all(request.as_bytes()).is_ok() && read_answer(socket, answer)
}

/// Reads an answer without a body. False: the connection ended.
fn read_answer(socket: &mut TcpStream, answer: &mut Vec<u8>) -> bool {
    answer.clear();
    let mut bytes = [0; 4096];
    while !answer.ends_with(b"\r\n\r\n") {
        match socket.read(&mut bytes) {
            Ok(0) | Err(_) => return false,
            Ok(len) => answer.extend_from_slice(&bytes[..len]),
        }
    }
    true
}

fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = answer.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
