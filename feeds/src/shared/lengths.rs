//! The lengths of ranges in use, which say what has to be asked about an address.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use ipnet::IpNet;
use sessions::LENGTHS_MAX;

use super::known::range_of;

/// No length, where a length is one byte.
const NONE: u8 = u8::MAX;

/// Lengths of IPv4 and of IPv6, longest first: a byte each.
#[derive(Debug)]
pub(super) struct Lengths {
    ipv4: AtomicU64,
    ipv6: AtomicU64,
}

/// Lengths as the store has them: `4/32 6/64`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Written {
    ipv4: Vec<u8>,
    ipv6: Vec<u8>,
}

impl Lengths {
    /// Takes what the store has.
    pub(super) fn set(&self, written: &Written) {
        self.ipv4.store(packed(&written.ipv4), Ordering::Release);
        self.ipv6.store(packed(&written.ipv6), Ordering::Release);
    }

    /// Returns whether the length of a range is in use.
    pub(super) fn contains(&self, range: &IpNet) -> bool {
        let lengths = match range {
            IpNet::V4(_) => &self.ipv4,
            IpNet::V6(_) => &self.ipv6,
        };
        all(lengths).any(|it| it == range.prefix_len())
    }

    /// Returns the ranges in use that hold an address, longest first.
    pub(super) fn ranges(&self, client: IpAddr) -> impl Iterator<Item = IpNet> + use<> {
        let lengths = match client {
            IpAddr::V4(_) => &self.ipv4,
            IpAddr::V6(_) => &self.ipv6,
        };
        all(lengths).filter_map(move |length| range_of(client, length))
    }
}

impl Default for Lengths {
    fn default() -> Self {
        Self {
            ipv4: AtomicU64::new(u64::MAX),
            ipv6: AtomicU64::new(u64::MAX),
        }
    }
}

impl Written {
    /// Reads a value of the store; what is not known in it is left out.
    pub(super) fn read(value: Option<&[u8]>) -> Self {
        let mut lengths = Self::default();
        let text = value.and_then(|it| std::str::from_utf8(it).ok());
        for word in text.unwrap_or_default().split(' ') {
            let Some((family, length)) = word.split_once('/') else {
                continue;
            };
            let Ok(length) = length.parse::<u8>() else {
                continue;
            };
            match family {
                "4" if length <= 32 => lengths.ipv4.push(length),
                "6" if length <= 128 => lengths.ipv6.push(length),
                _ => {}
            }
        }
        for family in [&mut lengths.ipv4, &mut lengths.ipv6] {
            family.sort_unstable_by_key(|it| std::cmp::Reverse(*it));
            family.dedup();
            family.truncate(LENGTHS_MAX);
        }
        lengths
    }

    /// Adds the length of a range; tells whether there is room for it.
    pub(super) fn add(&mut self, range: &IpNet) -> bool {
        let lengths = match range {
            IpNet::V4(_) => &mut self.ipv4,
            IpNet::V6(_) => &mut self.ipv6,
        };
        if !lengths.contains(&range.prefix_len()) {
            if lengths.len() >= LENGTHS_MAX {
                return false;
            }
            lengths.push(range.prefix_len());
            lengths.sort_unstable_by_key(|it| std::cmp::Reverse(*it));
        }
        true
    }

    pub(super) fn to_text(&self) -> String {
        let ipv4 = self.ipv4.iter().map(|it| format!("4/{it}"));
        let ipv6 = self.ipv6.iter().map(|it| format!("6/{it}"));
        ipv4.chain(ipv6).collect::<Vec<_>>().join(" ")
    }
}

fn packed(lengths: &[u8]) -> u64 {
    let mut bytes = [NONE; LENGTHS_MAX];
    for (byte, length) in bytes.iter_mut().zip(lengths) {
        *byte = *length;
    }
    u64::from_le_bytes(bytes)
}

fn all(lengths: &AtomicU64) -> impl Iterator<Item = u8> + use<> {
    let lengths = lengths.load(Ordering::Acquire).to_le_bytes();
    lengths.into_iter().take_while(|it| *it != NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_longest_first_and_bounded() {
        let mut written = Written::read(Some(b"6/56 4/32 6/64 6/128 6/64 5/1 4/33 x"));
        assert_eq!(written.to_text(), "4/32 6/128 6/64 6/56");
        for length in 40..45 {
            assert!(written.add(&format!("2001:db8::/{length}").parse().unwrap()));
        }
        assert!(!written.add(&"2001:db8::/39".parse().unwrap()));
        assert!(
            written.add(&"2001:db8::/64".parse().unwrap()),
            "one of them"
        );
        assert_eq!(Written::read(Some(written.to_text().as_bytes())), written);
        let lengths = Lengths::default();
        lengths.set(&written);
        let client = "2001:db8::1".parse().unwrap();
        let first: Vec<_> = lengths.ranges(client).take(2).collect();
        let expected = ["2001:db8::1/128", "2001:db8::/64"];
        assert_eq!(first, expected.map(|it| it.parse().unwrap()));
        assert!(!lengths.contains(&"10.0.0.0/8".parse().unwrap()));
    }
}
