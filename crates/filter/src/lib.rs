//! Decides one request at a time: bypass addresses, cache, lists, then the categorizer's answer.
//!
//! Nothing here waits. A request that needs categories comes back as [`Step::Ask`], and the
//! driver returns the answers when it has them. One [`Filter`] belongs to one worker.

mod cache;
mod decide;
mod decision;
mod question;

pub use cache::CacheLimits;
pub use decide::{Filter, Rules};
pub use decision::{Decision, Enforcement, Protocol, Source, Undecidable};
pub use question::{Answer, AskError, Question, Request, SharedPrefix, Step, Target};
