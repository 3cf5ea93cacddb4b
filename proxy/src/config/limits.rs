//! How many connections there may be, and how long anything is waited for.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::file::limits as keys;

/// Limits of connections and waits. Bytes and deadlines of heads are [`HeadLimits`].
///
/// [`HeadLimits`]: super::HeadLimits
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Connections that one worker has open.
    pub connections_per_worker: usize,
    /// Connections that one client has open, at all workers. Absent: as many as there is room.
    pub connections_per_client: Option<NonZeroUsize>,
    /// A client connection before its first request and between requests.
    pub client_idle: Duration,
    /// A request or a tunnel whose bytes do not move.
    pub stall: Duration,
    /// An origin that does not answer while no byte moves.
    pub answer: Duration,
    /// A connection to an origin, look-up of its name included.
    pub connect: Duration,
    /// A tunnel that is silent in both directions.
    pub tunnel_idle: Duration,
    /// The same after one side has ended.
    pub half_closed_idle: Duration,
    /// Bytes of an unread request body that are read over before an answer of ours.
    pub read_over_bytes: usize,
    /// How long that may take.
    pub read_over: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = |bounds: super::file::Bounds<u64>| Duration::from_secs(bounds.default);
        Self {
            connections_per_worker: keys::CONNECTIONS_PER_WORKER.default,
            connections_per_client: NonZeroUsize::new(keys::CONNECTIONS_PER_CLIENT.default),
            client_idle: seconds(keys::CLIENT_IDLE_S),
            stall: seconds(keys::STALL_S),
            answer: seconds(keys::ANSWER_S),
            connect: seconds(keys::CONNECT_S),
            tunnel_idle: seconds(keys::TUNNEL_IDLE_S),
            half_closed_idle: seconds(keys::HALF_CLOSED_IDLE_S),
            read_over_bytes: keys::READ_OVER_BYTES.default,
            read_over: seconds(keys::READ_OVER_S),
        }
    }
}
