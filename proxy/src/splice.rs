//! Bytes that pass untouched in both directions, without a copy into this program.

mod pipe;

use std::cell::Cell;
use std::io;
use std::os::fd::AsFd;
use std::pin::pin;
use std::time::Duration;

use rustix::pipe::SpliceFlags;
use socket2::SockRef;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::task::consume_budget;
use tokio::time::{Instant, sleep_until};

use crate::close;
use crate::config::Limits;
use crate::connection::ClientStream;
use crate::limit::Limit;
use crate::worker::Worker;
use pipe::{PIPE_LEN, Pipe};

pub(crate) use pipe::Pipes;

/// How long the bytes that were read ahead may take to be sent.
pub(crate) const READ_AHEAD_WAIT: Duration = Duration::from_secs(60);

/// The word for a tunnel one of whose sides takes nothing.
const STALLED: &str = "stall";

/// What passed, and how it ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Passed {
    /// Bytes from the client to the origin.
    pub(crate) from_client: u64,
    /// Bytes from the origin to the client.
    pub(crate) to_client: u64,
    /// Why it ended before both sides did: a word of an enum.
    pub(crate) failure: Option<&'static str>,
}

/// Counts both directions and remembers the last sign of life.
#[derive(Debug)]
struct Traffic {
    from_client: Direction,
    to_client: Direction,
    limits: Limits,
    /// Whether a side was found gone in writing to it. Its reset was told then; reading gives
    /// what it sent before, and after that an end that is none.
    gone: Cell<bool>,
}

/// What passed in one direction.
#[derive(Debug)]
struct Direction {
    bytes: Cell<u64>,
    /// When bytes reached the destination last.
    last: Cell<Instant>,
    /// Since when bytes wait for the destination to take them.
    waits: Cell<Option<Instant>>,
    /// Whether its source has ended, and its destination was told.
    ended: Cell<bool>,
}

/// Which end of one direction went away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lost {
    Source,
    Destination,
}

impl Worker {
    /// Sends what was read ahead to the origin, then passes bytes in both directions until both
    /// sides have ended. The end of one side reaches the other; a reset becomes a reset, so that
    /// nobody takes what broke off for the whole.
    pub(crate) async fn pass_through(&self, client: ClientStream, mut origin: TcpStream) -> Passed {
        let ClientStream {
            read_ahead,
            held,
            socket,
        } = client;
        let traffic = Traffic::new(self.shared.live.load().config.limits);
        let sent = tokio::time::timeout(READ_AHEAD_WAIT, origin.write_all(&read_ahead)).await;
        let failure = match sent {
            Ok(Ok(())) => {
                traffic.from_client.count(read_ahead.len());
                drop((read_ahead, held));
                self.pass_both_ways(&socket, &origin, &traffic).await
            }
            Ok(Err(_)) => Some("connection_lost"),
            Err(_) => Some("idle"),
        };
        if !traffic.from_client.ended.get() {
            close::reset(origin);
        }
        if traffic.to_client.ended.get() {
            // The client has all of it, and may vanish as it likes; what it was sent last must
            // still arrive.
            close::quietly(socket).await;
        } else if failure == Some(STALLED) {
            // It was waited for long enough.
            close::reset(socket);
        } else {
            close::reset_after_sent(socket).await;
        }
        let passed = Passed {
            from_client: traffic.from_client.bytes.get(),
            to_client: traffic.to_client.bytes.get(),
            failure,
        };
        self.shared
            .metrics
            .passed(passed.from_client, passed.to_client);
        passed
    }

    async fn pass_both_ways(
        &self,
        client: &TcpStream,
        origin: &TcpStream,
        traffic: &Traffic,
    ) -> Option<&'static str> {
        let mut up = pin!(self.pass(client, origin, traffic, &traffic.from_client));
        let mut down = pin!(self.pass(origin, client, traffic, &traffic.to_client));
        let both = async {
            let (first, other) = tokio::select! {
                first = &mut up => (first, down),
                first = &mut down => (first, up),
            };
            match first {
                Ok(()) => other.await,
                // What a peer sent before it went away is still there to be read.
                Err(Lost::Destination) => {
                    traffic.gone.set(true);
                    other.await.and(first)
                }
                Err(Lost::Source) => first,
            }
        };
        tokio::select! {
            ended = both => ended.is_err().then_some("connection_lost"),
            limit = traffic.fell_silent() => {
                self.shared.metrics.reached(limit);
                Some(if limit == Limit::Stall { STALLED } else { "idle" })
            }
        }
    }

    /// Passes bytes in one direction until their source ends, and ends the destination too.
    async fn pass(
        &self,
        from: &TcpStream,
        to: &TcpStream,
        traffic: &Traffic,
        direction: &Direction,
    ) -> Result<(), Lost> {
        loop {
            from.readable().await.map_err(|_| Lost::Source)?;
            // An idle tunnel holds no pipe: it is taken when there are bytes to carry.
            let ended = match self.pipes.take() {
                Ok(pipe) => {
                    let carried = carry(from, to, &pipe, direction).await;
                    let ended = carried.inspect_err(|_| direction.give_up())?;
                    self.pipes.give_back(pipe);
                    ended
                }
                // Without a descriptor to spare bytes are copied.
                Err(_) => {
                    let copied = copy(from, to, direction).await;
                    copied.inspect_err(|_| direction.give_up())?
                }
            };
            if ended && traffic.gone.get() {
                return Err(Lost::Source);
            }
            if ended {
                end_writing(to).map_err(|_| Lost::Destination)?;
                direction.ended.set(true);
                return Ok(());
            }
        }
    }
}

impl Direction {
    fn new() -> Self {
        Self {
            bytes: Cell::default(),
            last: Cell::new(Instant::now()),
            waits: Cell::default(),
            ended: Cell::default(),
        }
    }

    fn count(&self, len: usize) {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        self.bytes.set(self.bytes.get().saturating_add(len));
        self.last.set(Instant::now());
        self.waits.set(None);
    }

    /// Nothing waits for a destination that is gone: a tunnel whose other side goes on is not
    /// stalled.
    fn give_up(&self) {
        self.waits.set(None);
    }

    /// Waits until the destination takes bytes.
    async fn writable(&self, to: &TcpStream) -> Result<(), Lost> {
        if self.waits.get().is_none() {
            self.waits.set(Some(Instant::now()));
        }
        to.writable().await.map_err(|_| Lost::Destination)
    }
}

impl Traffic {
    fn new(limits: Limits) -> Self {
        Self {
            from_client: Direction::new(),
            to_client: Direction::new(),
            limits,
            gone: Cell::new(false),
        }
    }

    fn is_half_closed(&self) -> bool {
        self.from_client.ended.get() || self.to_client.ended.get()
    }

    /// Completes when nothing has passed for too long, with the limit that says so.
    async fn fell_silent(&self) -> Limit {
        let Limits {
            stall,
            tunnel_idle,
            half_closed_idle,
            ..
        } = self.limits;
        let look_every = stall.min(half_closed_idle);
        loop {
            let now = Instant::now();
            let [up, down] = [&self.from_client, &self.to_client];
            // Whatever passes the other way: a side that takes nothing holds buffers full.
            let mut waits = [up, down].into_iter().filter_map(|it| it.waits.get());
            if waits.any(|since| now >= since + stall) {
                return Limit::Stall;
            }
            let (limit, idle) = match self.is_half_closed() {
                true => (Limit::HalfClosedIdle, half_closed_idle),
                false => (Limit::TunnelIdle, tunnel_idle),
            };
            let until = up.last.get().max(down.last.get()) + idle;
            if now >= until {
                return limit;
            }
            // The tunnel may become half-closed or stall meanwhile.
            sleep_until(until.min(now + look_every)).await;
        }
    }
}

/// Carries bytes through a pipe until there are none for now, which is false, or until their
/// source ends, which is true. The pipe is empty before and after.
async fn carry(
    from: &TcpStream,
    to: &TcpStream,
    pipe: &Pipe,
    direction: &Direction,
) -> Result<bool, Lost> {
    loop {
        let taken = from.try_io(Interest::READABLE, || splice(from, &pipe.into, PIPE_LEN));
        let mut carried = match taken {
            Ok(0) => return Ok(true),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(_) => return Err(Lost::Source),
        };
        while carried > 0 {
            direction.writable(to).await?;
            match to.try_io(Interest::WRITABLE, || splice(&pipe.out, to, carried)) {
                Ok(0) => return Err(Lost::Destination),
                Ok(len) => {
                    carried = carried.saturating_sub(len);
                    direction.count(len);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Lost::Destination),
            }
        }
        // A source that always has more must let other connections in.
        consume_budget().await;
    }
}

/// Copies one buffer, as [`carry`] does with a pipe.
async fn copy(from: &TcpStream, to: &TcpStream, direction: &Direction) -> Result<bool, Lost> {
    let mut buffer = vec![0; PIPE_LEN];
    let len = match from.try_read(&mut buffer) {
        Ok(0) => return Ok(true),
        Ok(len) => len,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
        Err(_) => return Err(Lost::Source),
    };
    let mut rest = buffer.get(..len).unwrap_or_default();
    while !rest.is_empty() {
        direction.writable(to).await?;
        match to.try_write(rest) {
            Ok(written) => {
                direction.count(written);
                rest = rest.get(written..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(Lost::Destination),
        }
    }
    consume_budget().await;
    Ok(false)
}

/// Moves up to `len` bytes between a socket and a pipe.
fn splice(from: impl AsFd, to: impl AsFd, len: usize) -> io::Result<usize> {
    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    Ok(rustix::pipe::splice(from, None, to, None, len, flags)?)
}

/// Tells a peer that nothing more will come.
fn end_writing(stream: &TcpStream) -> io::Result<()> {
    match SockRef::from(stream).shutdown(std::net::Shutdown::Write) {
        // It went away by itself.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        ended => ended,
    }
}

#[cfg(test)]
mod tests;
