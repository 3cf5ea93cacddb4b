//! The evasion corpus in `fixtures/evasions/`: ways around a filter, and honest requests that
//! look like them. Every run of it, against whatever filter, reads the same cases.
//!
//! - `case`: the cases as written, and as bytes to send.
//! - `hello`: Client Hellos from their description.
//! - `attempt`: everything that is sent for a case.
//! - `outcome`: what a filter says that it did.
//! - `reach`: what an origin could understand by the bytes that reach it.
//! - `finding`: whether that is a bypass, or an honest request broken.
//! - `pure`: a run through the pure crates.
//! - `wire`: a run over sockets, against this proxy.
//! - `table`: the report of a run.

pub mod attempt;
pub mod case;
pub mod finding;
pub mod hello;
pub mod outcome;
pub mod pure;
pub mod reach;
pub mod table;
pub mod wire;

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
/// The IPv6 address that no run may reach, also a documentation address (RFC 3849).
pub const BLOCKED_ADDRESS_V6: &str = "2001:db8::66";
/// The address of the hosts, where names have none of their own.
pub const ORIGIN_ADDRESS: &str = "192.0.2.80";
/// The IPv6 address of the hosts.
pub const ORIGIN_ADDRESS_V6: &str = "2001:db8::80";

/// Under which policy a case is run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// All but what is blocked passes: `fixtures/evasions/deny.yaml`.
    Deny,
    /// Only what is allowed passes: `fixtures/evasions/allow.yaml`.
    Allow,
}

impl Mode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Deny, Self::Allow];

    /// Returns the text of the policy file.
    ///
    /// # Panics
    ///
    /// Fails the test if the file is not there.
    pub fn policy(self) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/evasions/");
        let path = format!("{folder}{}.yaml", self.as_str());
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Returns the word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }
}
