//! URIs in the one form that every list, cache, category look-up and log compares.
//!
//! Bytes from a client become [`Readings`] exactly once, at the edge: the normal form first, and
//! beside it the other ways in which servers may read the same bytes. Nothing further in parses,
//! escapes or lowercases again.

mod entry;
mod normal;
mod prefix_map;
mod readings;

pub use entry::{Domain, Entry, InvalidEntry, Prefix};
pub use normal::{InvalidUri, NormalUri, Scheme};
pub use prefix_map::{DomainMap, PrefixMap};
pub use readings::{READINGS_MAX, Readings};
