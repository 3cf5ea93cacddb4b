use std::net::{IpAddr, Ipv4Addr};

/// What DNS says of a name and the address that a client dialled for it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Binding {
    /// The address is one of the name's.
    Match,
    /// The name has addresses, and the one dialled is none of them.
    Mismatch,
    /// No address of the name is known.
    Unresolved,
}

impl Binding {
    /// Compares the address that the client dialled with those of the name.
    pub fn of(dialled: IpAddr, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let dialled = plain_address(dialled);
        let mut found = Self::Unresolved;
        for address in addresses {
            if plain_address(address) == dialled {
                return Self::Match;
            }
            found = Self::Mismatch;
        }
        found
    }

    /// Returns the word for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Mismatch => "mismatch",
            Self::Unresolved => "unresolved",
        }
    }
}

/// Returns the address as the normal form of a URI writes it: IPv4-mapped addresses and those
/// behind the NAT64 prefix `64:ff9b::/96` (RFC 6052 section 2.1) are IPv4.
#[must_use]
pub fn plain_address(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else {
        return address.to_canonical();
    };
    match v6.octets() {
        [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => {
            Ipv4Addr::new(a, b, c, d).into()
        }
        _ => v6.into(),
    }
}

#[cfg(test)]
mod tests;
