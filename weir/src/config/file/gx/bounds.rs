use std::time::Duration;

use diameter::peer::WATCHDOG_MIN;
use policy::written::{Remarks, Written};
use proxy::config::file::Bounds;

/// `peers`: peers at most.
pub const PEERS_MAX: usize = 8;
/// `peers[].port` without TLS.
pub const PORT: u16 = 3868;
/// `peers[].port` with TLS.
pub const TLS_PORT: u16 = 5868;
/// Bytes of a file in PEM at most.
pub const PEM_LEN_MAX: usize = 1024 * 1024;
/// Characters of the name of a node or a realm at most.
pub const IDENTITY_LEN_MAX: usize = 255;
/// `ip_can_type`: the kinds of TS 29.212 section 5.3.27, and room for more; 5 is an EPS of 3GPP.
pub const IP_CAN_TYPE: Bounds<u32> = Bounds::new(0, 5, 255);
/// `patience_ms`
pub const PATIENCE_MS: Bounds<u64> = Bounds::new(100, 5_000, 600_000);
/// `retry_s`: at most [`RETRY_MAX`](gx::RETRY_MAX).
pub const RETRY_S: Bounds<u64> = Bounds::new(1, 30, 900);
/// `answer_ms`
pub const ANSWER_MS: Bounds<u64> = Bounds::new(100, 4_000, 60_000);
/// `setup_ms`
pub const SETUP_MS: Bounds<u64> = Bounds::new(100, 10_000, 60_000);
/// `watchdog_s`: at least [`WATCHDOG_MIN`].
pub const WATCHDOG_S: Bounds<u64> = Bounds::new(WATCHDOG_MIN.as_secs(), 30, 3_600);
/// `back_off.first_ms`
pub const BACK_OFF_FIRST_MS: Bounds<u64> = Bounds::new(100, 1_000, 60_000);
/// `back_off.max_ms`
pub const BACK_OFF_MAX_MS: Bounds<u64> = Bounds::new(1_000, 30_000, 3_600_000);
/// `pending_max`
pub const PENDING_MAX: Bounds<usize> = Bounds::new(1, 1_024, 65_536);
/// `events_max`
pub const EVENTS_MAX: Bounds<usize> = Bounds::new(1, 65_536, 1_048_576);

pub(super) fn millis(
    bounds: Bounds<u64>,
    written: Option<&Written>,
    remarks: &mut Remarks,
) -> Duration {
    Duration::from_millis(bounds.read(written, "a number of milliseconds", remarks))
}

pub(super) fn seconds(
    bounds: Bounds<u64>,
    written: Option<&Written>,
    remarks: &mut Remarks,
) -> Duration {
    Duration::from_secs(bounds.read(written, "a number of seconds", remarks))
}
