//! One thread that keeps connections busy.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::answer::Answers;
use super::cost::Processes;
use super::names::Names;
use super::question::{Kind, Questions};

/// Longest time without any answer.
const STALL: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// What to do to a server.
pub(crate) struct Load {
    pub(crate) target: SocketAddr,
    pub(crate) service: &'static str,
    pub(crate) kind: Kind,
    pub(crate) connections: usize,
    pub(crate) warm_up: Duration,
    /// Ends then, or after so many requests.
    pub(crate) measured: Duration,
    pub(crate) requests_max: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
    /// The server's CPU time for one request.
    pub(crate) cpu: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

struct Connection {
    socket: TcpStream,
    out: Vec<u8>,
    written: usize,
    answers: Answers,
    asked_at: Instant,
    /// Whether an answer is awaited.
    waits: bool,
}

impl Load {
    /// Puts the load on the server.
    ///
    /// # Errors
    ///
    /// Fails if a connection ends, or an answer is another than expected.
    pub(crate) fn run(&self, names: &Names, processes: &Processes) -> Result<Measured, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.target);
        let system = |error: rustix::io::Errno| failed(error.into());
        let poll = epoll::create(CreateFlags::CLOEXEC).map_err(system)?;
        let mut questions = Questions::new(self.target, self.service, self.kind, names);
        let mut connections = Vec::with_capacity(self.connections);
        for nth in 0..self.connections {
            let connection = Connection::open(self.target).map_err(failed)?;
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            epoll::add(
                &poll,
                &connection.socket,
                EventData::new_u64(nth as u64),
                flags,
            )
            .map_err(system)?;
            connections.push(connection);
        }
        let mut events = Vec::with_capacity(self.connections);
        let mut bytes = vec![0; 256 * 1024];
        let mut times: Vec<Duration> = Vec::with_capacity(1 << 20);
        let start = Instant::now();
        let mut measured_from = (start, processes.cpu());
        let mut warm = self.warm_up.is_zero();
        for connection in &mut connections {
            connection.ask(&mut questions).map_err(failed)?;
        }
        loop {
            events.clear();
            epoll::wait(&poll, spare_capacity(&mut events), Some(&STALL)).map_err(system)?;
            if events.is_empty() {
                return Err(format!("{} answered nothing for {STALL:?}", self.target));
            }
            for event in &events {
                let nth = usize::try_from(event.data.u64()).unwrap_or_default();
                let connection = &mut connections[nth];
                if let Some(time) = connection.advance(&mut bytes, self.kind).map_err(failed)? {
                    if warm {
                        times.push(time);
                    }
                    connection.ask(&mut questions).map_err(failed)?;
                }
            }
            if !warm && start.elapsed() >= self.warm_up {
                warm = true;
                measured_from = (Instant::now(), processes.cpu());
            }
            let enough = times.len() as u64 >= self.requests_max;
            if warm && (enough || measured_from.0.elapsed() >= self.measured) {
                let cpu = processes.cpu().saturating_sub(measured_from.1);
                return summary(times, measured_from.0.elapsed(), cpu);
            }
        }
    }
}

impl Connection {
    fn open(target: SocketAddr) -> std::io::Result<Self> {
        let socket = TcpStream::connect_timeout(&target, Duration::from_secs(2))?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            out: Vec::new(),
            written: 0,
            answers: Answers::default(),
            asked_at: Instant::now(),
            waits: false,
        })
    }

    /// Asks the next question, as far as the socket takes it.
    fn ask(&mut self, questions: &mut Questions<'_>) -> std::io::Result<()> {
        self.out.clear();
        self.written = 0;
        questions.write(&mut self.out);
        self.asked_at = Instant::now();
        self.waits = true;
        self.write()
    }

    fn write(&mut self) -> std::io::Result<()> {
        while self.written < self.out.len() {
            match self.socket.write(&self.out[self.written..]) {
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes and reads what is possible. Returns how long the answer took once it is there.
    fn advance(&mut self, bytes: &mut [u8], kind: Kind) -> std::io::Result<Option<Duration>> {
        self.write()?;
        let mut statuses = Vec::new();
        loop {
            let len = match self.socket.read(bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            let fed = self
                .answers
                .feed(&bytes[..len], |status| statuses.push(status));
            fed.map_err(std::io::Error::other)?;
            // While a body is under way, both sides have to move.
            self.write()?;
            if len < bytes.len() && !statuses.is_empty() {
                break;
            }
        }
        match statuses.as_slice() {
            [] => Ok(None),
            [status] if self.waits && *status == kind.status() => {
                self.waits = false;
                Ok(Some(self.asked_at.elapsed()))
            }
            other => Err(std::io::Error::other(format!("{other:?} was answered"))),
        }
    }
}

fn summary(mut times: Vec<Duration>, elapsed: Duration, cpu: Duration) -> Result<Measured, String> {
    times.sort_unstable();
    let requests = times.len() as u64;
    let (Some(p50), Some(p99)) = (
        times.get(times.len() / 2),
        times.get(times.len() * 99 / 100),
    ) else {
        return Err("nothing was answered in time".to_owned());
    };
    Ok(Measured {
        requests,
        per_second: requests as f64 / elapsed.as_secs_f64(),
        cpu: cpu.div_f64(requests as f64),
        p50: *p50,
        p99: *p99,
    })
}
