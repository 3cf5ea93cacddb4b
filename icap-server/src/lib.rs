//! The ICAP server: `/categorize` answers with categories, `/filter` with a profile's verdict.

pub mod config;
mod run;

pub use run::{Content, Running, StartError, start};
