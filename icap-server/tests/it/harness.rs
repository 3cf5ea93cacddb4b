use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use categories::{Builder, ListKind};
use icap_server::config::{Config, Limits, Listen, Overload, PrefixUnit};
use icap_server::{Content, Running, start};

/// Longer than any good answer takes, shorter than a test may hang.
pub const WAIT_MAX: Duration = Duration::from_secs(20);

/// The tag of `/categorize` in these tests.
pub const TAG: &str = "TAG";

/// What every REQMOD of a GET needs.
pub const GET: &str = "GET http://games.example/a HTTP/1.1\r\nHost: games.example\r\n\r\n";

/// Starts a server with two workers on a port of the system's choice.
pub async fn started() -> Running {
    start(config(), content()).await.unwrap()
}

pub fn config() -> Config {
    Config {
        admin: Some("127.0.0.1:0".parse().unwrap()),
        listen: vec![Listen::at("127.0.0.1:0".parse().unwrap())],
        overload: Overload::Refuse,
        prefix_unit: PrefixUnit::Uri,
        max_age: None,
        limits: Limits::default(),
        connections_max: NonZeroUsize::new(100).unwrap(),
        workers: NonZeroUsize::new(2),
        drain: Duration::from_secs(5),
    }
}

pub fn content() -> Content {
    let mut lists = Builder::new();
    for category in ["games", "kids"] {
        lists
            .add_file(category, ListKind::Domains, category, b"games.example\n")
            .unwrap();
    }
    Content {
        database: Arc::new(lists.build().unwrap()),
        policy: None,
        policy_tag: String::new(),
        sessions: sessions::Directory::default(),
    }
}

/// An ICAP client that sends what it is told.
pub struct Client(pub TcpStream);

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, WAIT_MAX).unwrap();
        stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
        stream.set_write_timeout(Some(WAIT_MAX)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    /// Reads up to an answer's end that is `end`.
    pub fn read_to(&mut self, end: &str) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(end.as_bytes()) {
            let mut byte = [0];
            let len = self.0.read(&mut byte).unwrap();
            assert_eq!(
                len,
                1,
                "closed after {:?}",
                String::from_utf8_lossy(&answer)
            );
            answer.push(byte[0]);
        }
        normal(&answer)
    }

    /// Reads one answer that has no body.
    pub fn head(&mut self) -> String {
        self.read_to("\r\n\r\n")
    }

    /// Reads one head, and returns the value of a field as it was sent.
    pub fn field(&mut self, name: &str) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.bytes(1));
        }
        let head = String::from_utf8(head).unwrap();
        let value = head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            (found == name).then(|| value.to_owned())
        });
        value.unwrap_or_else(|| panic!("no {name} in {head}"))
    }

    /// Reads so many bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads until the server closes the connection.
    pub fn rest(&mut self) -> String {
        let mut answer = Vec::new();
        self.0.read_to_end(&mut answer).unwrap();
        normal(&answer)
    }
}

/// Sends bytes, says that no more follow, and returns all that comes back.
pub fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut client = Client::connect(address);
    client.send(bytes);
    client.0.shutdown(Shutdown::Write).unwrap();
    client.rest()
}

/// Makes answers comparable: without dates, with one tag, with line feeds alone.
fn normal(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer).replace("\r\n", "\n");
    let lines = text.split_inclusive('\n').map(|line| {
        if line.starts_with("Date: ") {
            assert!(line.ends_with(" GMT\n"), "{line}");
            String::new()
        } else if line.starts_with("ISTag: ") {
            assert!(line.len() <= "ISTag: \"\"\n".len() + 32, "{line}");
            format!("ISTag: {TAG}\n")
        } else {
            line.to_owned()
        }
    });
    lines.collect()
}

/// Returns a REQMOD of `/categorize` without body; `fields` are whole lines.
pub fn reqmod(fields: &str, http: &str) -> String {
    reqmod_of("/categorize", fields, http)
}

pub fn reqmod_of(service: &str, fields: &str, http: &str) -> String {
    format!(
        "REQMOD icap://127.0.0.1:1344{service} ICAP/1.0\r\nHost: 127.0.0.1\r\n{fields}\
         Encapsulated: req-hdr=0, null-body={}\r\n\r\n{http}",
        http.len()
    )
}

/// Returns a REQMOD of `/categorize` with a body; `body` is chunked already.
pub fn reqmod_body(fields: &str, http: &str, body: &str) -> String {
    format!(
        "REQMOD icap://127.0.0.1:1344/categorize ICAP/1.0\r\nHost: 127.0.0.1\r\n{fields}\
         Encapsulated: req-hdr=0, req-body={}\r\n\r\n{http}{body}",
        http.len()
    )
}
