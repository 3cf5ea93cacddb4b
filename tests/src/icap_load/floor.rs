//! What the system itself takes: a server that reads, and answers what it did not look at.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// The argument with which this program is that server.
pub(super) const ARGUMENT: &str = "floor";

/// An answer as long as one of ours to a name that is not listed.
const ANSWER: &[u8] = b"ICAP/1.0 204 No Content\r\nISTag: \"00000000000000000000000000000000\"\r\n\
    Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nX-Attribute-Prefix: 30\r\n\
    Encapsulated: null-body=0\r\n\r\n";

/// Bytes read at once.
const READ_LEN_MAX: usize = 64 * 1024;

/// Connections that wait to be accepted, and events taken at once.
const EVENTS_MAX: usize = 128;

/// The server as a process of its own.
pub(super) struct Floor {
    child: Child,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

impl Floor {
    /// Starts it.
    pub(super) fn start() -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("the floor does not start: {error}");
        let program = std::env::current_exe().map_err(failed)?;
        let mut child = Command::new(program)
            .arg(ARGUMENT)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut line = String::new();
        let said = child.stdout.take().map(BufReader::new);
        if let Some(mut said) = said {
            said.read_line(&mut line).map_err(failed)?;
        }
        let address = line
            .trim()
            .parse()
            .map_err(|_| format!("the floor says `{}`, no address", line.trim()))?;
        Ok(Self { child, address })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // It may have ended by itself, and nothing depends on it any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until it is killed: one thread, one system call to wait, one to read, one to answer.
#[expect(clippy::print_stdout, reason = "it says where it listens")]
pub(super) fn serve() -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(0), EventFlags::IN)?;
    let mut connections: Vec<Option<TcpStream>> = Vec::new();
    let mut events = Vec::with_capacity(EVENTS_MAX);
    let mut bytes = vec![0; READ_LEN_MAX];
    loop {
        events.clear();
        epoll::wait(&poll, spare_capacity(&mut events), None)?;
        for event in &events {
            let nth = usize::try_from(event.data.u64()).unwrap_or_default();
            let Some(place) = nth.checked_sub(1) else {
                let (connection, _) = listener.accept()?;
                connection.set_nodelay(true)?;
                connection.set_nonblocking(true)?;
                connections.push(Some(connection));
                let data = EventData::new_u64(connections.len() as u64);
                let added = connections.last().into_iter().flatten();
                for connection in added {
                    epoll::add(&poll, connection, data, EventFlags::IN)?;
                }
                continue;
            };
            let open = connections[place]
                .as_mut()
                .is_some_and(|connection| answer(connection, &mut bytes));
            if !open {
                // Closing it takes it out of the set.
                connections[place] = None;
            }
        }
    }
}

/// Answers whatever came. False: nothing comes any more.
fn answer(connection: &mut TcpStream, bytes: &mut [u8]) -> bool {
    match connection.read(bytes) {
        Ok(0) => false,
        Ok(_) => connection.write_all(ANSWER).is_ok(),
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
