//! Decides one request at a time: bypass addresses, cache, lists, then the categorizer's answer.
//!
//! Nothing here waits. A request that needs categories comes back as [`Step::Ask`], and the
//! driver returns the answers when it has them. One [`Filter`] belongs to one worker.
//!
//! `decide` holds the order in which sources are tried, `verdict` what each of them leads to, and
//! `cache` what is remembered. [`explain()`] shows the steps of a decision with the same functions.

mod binding;
mod cache;
mod decide;
mod decision;
mod explain;
mod peek;
mod per_reading;
mod question;
mod requested;
mod trace;
mod verdict;

pub use binding::{Binding, plain_address};
pub use cache::{CACHED_URI_LEN_MAX, CacheLimits, PREFIX_LENGTHS_MAX};
pub use decide::{Filter, Rules};
pub use decision::{Decision, Enforcement, Protocol, Source, Undecidable};
pub use explain::{CategoryStep, Explanation, ReadingSteps, explain, questions};
pub use peek::CachedEntry;
pub use policy::AskError;
pub use question::{Answer, AnswerVerdict, Question, Request, SharedPrefix, Step, Target};
pub use requested::Requested;
pub use trace::{SessionFacts, Trace, WorkersAsked};
pub use verdict::ActionOrigin;
