//! The evasion corpus in `fixtures/evasions/`: ways around a filter, and honest requests that
//! look like them. Every run of it, against whatever filter, reads the same cases.
//!
//! - `case`: the cases as written, and as bytes to send.
//! - `hello`: Client Hellos from their description.

pub mod case;
pub mod hello;

/// The host that no run may reach.
pub const BLOCKED_HOST: &str = "blocked.test";
/// The host that every run may reach.
pub const ALLOWED_HOST: &str = "allowed.test";
/// The host of which one path is blocked under the deny list ([`BLOCKED_PATH`]) and one allowed
/// under the allow list ([`ALLOWED_PATH`]).
pub const MIXED_HOST: &str = "mixed.test";
/// Under the deny list: blocked, with all below it.
pub const BLOCKED_PATH: &str = "/bad";
/// Under the allow list: the only path of [`MIXED_HOST`] that may be reached, with all below it.
pub const ALLOWED_PATH: &str = "/good/";
/// The address that no run may reach. It is a documentation address (RFC 5737).
pub const BLOCKED_ADDRESS: &str = "192.0.2.66";
/// The address of the hosts, where names have none of their own.
pub const ORIGIN_ADDRESS: &str = "192.0.2.80";

/// Under which policy a case is run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// All but what is blocked passes: `fixtures/evasions/deny.yaml`.
    Deny,
    /// Only what is allowed passes: `fixtures/evasions/allow.yaml`.
    Allow,
}
