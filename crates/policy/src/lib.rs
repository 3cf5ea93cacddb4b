//! The policy language: what a policy file says, and the parts of a decision that it configures.
//!
//! `file` holds the file as written, [`compile()`] turns it into a [`PolicySet`] in which every
//! name is resolved and every list ready to search. [`TestFile`] holds the tests of a policy.
//! [`written`] reads every YAML file of the program.

mod action;
mod case;
mod compile;
mod diagnostic;
mod failure;
mod file;
mod kind;
mod lists;
mod outline;
mod redirect;
mod remarks;
mod schedule;
mod set;
mod suggest;
mod warning;
pub mod written;

pub use action::{Action, BlockResponse, DestinationId, Effect, SniCheck, most_restrictive};
pub use case::{
    AFTER_MAX, Case, Categorized, ENFORCEMENTS, Earlier, Expectation, SOURCES, Subject, Subscriber,
    TestFile, Verb,
};
pub use compile::{Compiled, LIST_LEN_MAX, compile};
pub use diagnostic::{Diagnostic, Place, Severity};
pub use failure::{AskError, ErrorActions};
pub use kind::FileKind;
pub use lists::{ListHit, ListKind, Lists};
pub use outline::{Outline, OutlinedProfile, Rule, RuleKind, ScheduledUse};
pub use redirect::{
    BadTemplate, FormattingCode, LOCATION_LEN_MAX, RedirectFacts, RedirectTemplate,
};
pub use schedule::{
    Active, Days, Outlook, SCHEDULES_MAX, Schedule, ScheduleId, Span, Timetable, To, WINDOWS_MAX,
    When, Window, moment,
};
pub use set::{CategoryPolicy, PROFILES_SHOWN_MAX, PolicySet, Profile};
pub use suggest::nearest;
pub use warning::Warning;
