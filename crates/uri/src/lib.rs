//! URIs in the one form that every list, cache, category look-up and log compares.
//!
//! Bytes from a client become [`Readings`] exactly once, at the edge: the normal form first, and
//! beside it the other ways in which servers may read the same bytes. Nothing further in parses,
//! escapes or lowercases again.
//!
//! ```
//! let readings = uri::Readings::parse(b"HTTP://Example.COM.:80/a/../%7Efoo").unwrap();
//! assert_eq!(readings.normal().as_str(), "http://example.com/~foo");
//! assert!(readings.others().is_empty());
//! ```

mod domain_map;
mod entry;
mod escape;
mod host;
mod normal;
mod path;
mod prefix_map;
mod readings;
mod split;

pub use domain_map::DomainMap;
pub use entry::{Domain, Entry, EntryFault, InvalidEntry, Prefix};
pub use host::{HOST_LEN_MAX, LABEL_LEN_MAX, is_address, suffixes};
pub use normal::{InvalidUri, NormalUri, Scheme, URI_LEN_MAX};
pub use prefix_map::PrefixMap;
pub use readings::{READINGS_MAX, Readings};
