//! Gx as a gateway speaks it (3GPP TS 29.212): a session at the policy server for every
//! subscriber session, and what the policy server says about the profile (S4 4.1); no sockets.
//!
//! | module | holds |
//! |---|---|
//! | `settings` | what is configured |
//! | `facts` | what AVPs say about the profile, and the table of S4 4.1.1 |
//! | `subscriber` | a subscriber as AVPs |
//! | `machine` | the sessions: what is asked next, and what answers change |
//!
//! [`Gx`] says what to ask with [`next_request`](Gx::next_request) whenever there is room, so
//! that sessions and not messages wait. `diameter::client` asks it.

mod facts;
mod machine;
mod settings;
mod subscriber;

pub use facts::{Carrier, Facts, RULE_NAME_LEN_MAX, RULES_MAX};
pub use machine::{Ask, Gx, Note, SESSIONS_MAX};
pub use settings::{Capability, RETRY_MAX, Release, Settings, Updates};
