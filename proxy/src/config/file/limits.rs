//! The `limits:` section of `proxy:`, as written.

use std::num::NonZeroUsize;
use std::time::Duration;

use policy::written::{Remarks, Written};
use serde::Deserialize;

use super::Bounds;
use crate::config::Limits;

/// `limits.connections_per_worker`
pub const CONNECTIONS_PER_WORKER: Bounds<usize> = Bounds::new(1, 32_768, 1_048_576);
/// `limits.connections_per_client`. 0: as many as there is room. The default leaves room for a
/// carrier's address translation in front, where many subscribers share an address.
pub const CONNECTIONS_PER_CLIENT: Bounds<usize> = Bounds::new(0, 1_024, 1_048_576);
/// `limits.client_idle_s`
pub const CLIENT_IDLE_S: Bounds<u64> = Bounds::new(1, 60, 3_600);
/// `limits.stall_s`
pub const STALL_S: Bounds<u64> = Bounds::new(1, 300, 86_400);
/// `limits.answer_s`
pub const ANSWER_S: Bounds<u64> = Bounds::new(1, 120, 86_400);
/// `limits.connect_s`
pub const CONNECT_S: Bounds<u64> = Bounds::new(1, 10, 300);
/// `limits.tunnel_idle_s` (RFC 5382 section 5 asks for over two hours and four minutes).
pub const TUNNEL_IDLE_S: Bounds<u64> = Bounds::new(1, 7_500, 604_800);
/// `limits.half_closed_idle_s`
pub const HALF_CLOSED_IDLE_S: Bounds<u64> = Bounds::new(1, 300, 86_400);
/// `limits.read_over_bytes`
pub const READ_OVER_BYTES: Bounds<usize> = Bounds::new(0, 16_777_216, 1_073_741_824);
/// `limits.read_over_s`
pub const READ_OVER_S: Bounds<u64> = Bounds::new(1, 30, 3_600);

/// The `limits:` section.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    connections_per_worker: Option<Written>,
    connections_per_client: Option<Written>,
    client_idle_s: Option<Written>,
    stall_s: Option<Written>,
    answer_s: Option<Written>,
    connect_s: Option<Written>,
    tunnel_idle_s: Option<Written>,
    half_closed_idle_s: Option<Written>,
    read_over_bytes: Option<Written>,
    read_over_s: Option<Written>,
}

impl Section {
    pub(super) fn resolve(&self, remarks: &mut Remarks) -> Limits {
        let mut connections = |bounds: Bounds<usize>, written: &Option<Written>| {
            bounds.read(written.as_ref(), "a number of connections", remarks)
        };
        let per_worker = connections(CONNECTIONS_PER_WORKER, &self.connections_per_worker);
        let per_client = connections(CONNECTIONS_PER_CLIENT, &self.connections_per_client);
        let read_over_bytes = self.read_over_bytes.as_ref();
        let read_over_bytes = READ_OVER_BYTES.read(read_over_bytes, "a number of bytes", remarks);
        let mut seconds = |bounds: Bounds<u64>, written: &Option<Written>| {
            Duration::from_secs(bounds.read(written.as_ref(), "a number of seconds", remarks))
        };
        Limits {
            connections_per_worker: per_worker,
            connections_per_client: NonZeroUsize::new(per_client),
            client_idle: seconds(CLIENT_IDLE_S, &self.client_idle_s),
            stall: seconds(STALL_S, &self.stall_s),
            answer: seconds(ANSWER_S, &self.answer_s),
            connect: seconds(CONNECT_S, &self.connect_s),
            tunnel_idle: seconds(TUNNEL_IDLE_S, &self.tunnel_idle_s),
            half_closed_idle: seconds(HALF_CLOSED_IDLE_S, &self.half_closed_idle_s),
            read_over_bytes,
            read_over: seconds(READ_OVER_S, &self.read_over_s),
        }
    }
}
