//! What the origins say was reached.

use std::net::IpAddr;

use crate::evasion::reach::places;

/// What was reached. The least allowed is the greatest.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Mark {
    /// Something that the allow list allows.
    Allowed,
    /// Something in neither list.
    Other,
    /// Something that the deny list blocks.
    Blocked,
}

impl Mark {
    /// What an answer with this mark contains.
    pub fn text(self) -> &'static str {
        match self {
            Self::Allowed => "weir-marks: allowed",
            Self::Other => "weir-marks: other",
            Self::Blocked => "weir-marks: blocked",
        }
    }

    /// Returns the mark of the least allowed place that some origin could understand by bytes on a
    /// connection to `local`.
    pub fn of(bytes: &[u8], local: IpAddr) -> Self {
        let places = places(bytes, local);
        if places.iter().any(|place| place.is_blocked()) {
            Self::Blocked
        } else if places.iter().all(|place| place.is_allowed()) {
            Self::Allowed
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_allowed_reading_counts() {
        check(
            "GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
            Mark::Allowed,
        );
        check("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n", Mark::Other);
        check(
            "GET //bad HTTP/1.1\r\nHost: mixed.test\r\n\r\n",
            Mark::Blocked,
        );
    }

    #[track_caller]
    fn check(request: &str, expected: Mark) {
        let local = crate::evasion::ORIGIN_ADDRESS.parse().unwrap();
        assert_eq!(Mark::of(request.as_bytes(), local), expected, "{request}");
    }
}
