//! The policy language: what a policy file says, and the parts of a decision that it configures.
//!
//! `file` holds the file as written, `compile` turns it into a [`PolicySet`] in which every name
//! is resolved and every list ready to search.

mod action;
mod compile;
mod diagnostic;
mod file;
mod lists;
mod redirect;
mod set;
pub mod written;

pub use action::{Action, BlockResponse, DestinationId, most_restrictive};
pub use compile::{Compiled, compile};
pub use diagnostic::{Diagnostic, Place, Severity};
pub use lists::{ListHit, ListKind, Lists};
pub use redirect::{BadTemplate, LOCATION_LEN_MAX, RedirectFacts, RedirectTemplate};
pub use set::{CategoryPolicy, PolicySet, Profile};
