//! The oracle: every place that some origin could understand bytes to ask for.
//!
//! It is written without the product's own reading of requests, hosts and paths, since it is the
//! check on it, and it errs on the side of too many places: an origin that splits lines at a bare
//! LF, one that takes the first `Host` and one that takes the last, one that decodes a path once
//! and one that decodes it to the end are all in it.
//!
//! Not in it: origins that read no body where one is announced, that take the host from other
//! fields than `Host`, or that take a path which starts with two slashes for a host.

mod host;
mod path;
mod stream;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use super::{
    ALLOWED_HOST, ALLOWED_PATH, BLOCKED_ADDRESS, BLOCKED_ADDRESS_V6, BLOCKED_HOST, BLOCKED_PATH,
    MIXED_HOST,
};

/// A host, or an address, and a path.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// Of a request.
    Of {
        /// In lower case, without port.
        host: String,
        /// Decoded, with dot segments resolved.
        path: Vec<u8>,
    },
    /// Of bytes that are no request: nobody knows.
    Unread,
}

impl Place {
    /// Returns whether the deny list forbids it.
    pub fn is_blocked(&self) -> bool {
        match self {
            Self::Of { host, path } => {
                is_within(host, BLOCKED_HOST)
                    || host == BLOCKED_ADDRESS
                    || host == BLOCKED_ADDRESS_V6
                    || (host == MIXED_HOST && path.starts_with(BLOCKED_PATH.as_bytes()))
            }
            Self::Unread => true,
        }
    }

    /// Returns whether the allow list has it.
    pub fn is_allowed(&self) -> bool {
        match self {
            Self::Of { host, path } => {
                is_within(host, ALLOWED_HOST)
                    || (host == MIXED_HOST && path.starts_with(ALLOWED_PATH.as_bytes()))
            }
            Self::Unread => false,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of { host, path } => write!(f, "{host}{}", path.escape_ascii()),
            Self::Unread => f.write_str("bytes that are no request"),
        }
    }
}

fn is_within(host: &str, parent: &str) -> bool {
    host.strip_suffix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Returns all places that bytes on a connection to `local` may ask for.
pub fn places(bytes: &[u8], local: IpAddr) -> BTreeSet<Place> {
    let mut places = BTreeSet::new();
    for request in stream::requests(bytes) {
        let stream::Request::Read { targets, hosts } = request else {
            places.insert(Place::Unread);
            continue;
        };
        let mut names: BTreeSet<String> = hosts.iter().flat_map(|host| host::names(host)).collect();
        let mut paths = BTreeSet::new();
        for target in &targets {
            let (authority, path) = path::split(target);
            names.extend(authority.map(host::names).unwrap_or_default());
            paths.extend(path::readings(path));
        }
        if names.is_empty() {
            names.insert(local.to_canonical().to_string());
        }
        for host in &names {
            places.extend(paths.iter().map(|path| Place::Of {
                host: host.clone(),
                path: path.clone(),
            }));
        }
    }
    places
}

#[cfg(test)]
mod tests;
