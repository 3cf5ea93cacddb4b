//! The ICAP server on loopback: bytes in, bytes out.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    unreachable_pub,
    reason = "a panic is how a test fails, and the modules of one program use each other"
)]

mod categorize;
mod filter;
mod framing;
mod harness;
mod life;
mod listeners;
mod matrix;
mod recorded;
mod subscribers;
