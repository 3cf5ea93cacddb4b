use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;

use crate::{Avp, AvpName, Bad};

/// Looks for AVPs in a list, be it of a message or of a group.
pub trait Fields {
    /// Returns all AVPs of a name, in their order.
    fn all(&self, name: AvpName) -> impl Iterator<Item = &Avp>;

    /// Returns the only AVP of a name, if there is one.
    ///
    /// # Errors
    ///
    /// Fails if there are several.
    fn optional(&self, name: AvpName) -> Result<Option<&Avp>, Bad> {
        let mut all = self.all(name);
        let first = all.next();
        match all.next() {
            None => Ok(first),
            Some(second) => Err(Bad::Twice(Box::new(second.clone()))),
        }
    }

    /// Returns the only AVP of a name.
    ///
    /// # Errors
    ///
    /// Fails if there is none, or several.
    fn required(&self, name: AvpName) -> Result<&Avp, Bad> {
        self.optional(name)?.ok_or(Bad::Missing(name))
    }
}

impl Fields for [Avp] {
    fn all(&self, name: AvpName) -> impl Iterator<Item = &Avp> {
        self.iter().filter(move |avp| avp.name() == name)
    }
}

impl Avp {
    /// Reads an Unsigned32, an Enumerated, or a Time.
    ///
    /// # Errors
    ///
    /// Fails unless there are four octets.
    pub fn number(&self) -> Result<u32, Bad> {
        let octets = self.octets().try_into();
        octets.map(u32::from_be_bytes).map_err(|_| self.bad())
    }

    /// Reads a UTF8String or a DiameterIdentity.
    ///
    /// # Errors
    ///
    /// Fails unless the octets are UTF-8.
    pub fn text(&self) -> Result<&str, Bad> {
        str::from_utf8(self.octets()).map_err(|_| self.bad())
    }

    /// Reads an Address (RFC 6733 section 4.3.1) of one of the families IPv4 and IPv6.
    ///
    /// # Errors
    ///
    /// Fails if it is of another family, or has another length than its family.
    pub fn address(&self) -> Result<IpAddr, Bad> {
        match self.octets() {
            [0, 1, v4 @ ..] => {
                let v4 = <[u8; 4]>::try_from(v4).map_err(|_| self.bad())?;
                Ok(Ipv4Addr::from(v4).into())
            }
            [0, 2, v6 @ ..] => {
                let v6 = <[u8; 16]>::try_from(v6).map_err(|_| self.bad())?;
                Ok(Ipv6Addr::from(v6).into())
            }
            _ => Err(self.bad()),
        }
    }

    fn bad(&self) -> Bad {
        Bad::Value(Box::new(self.clone()))
    }
}

/// Writes an Address (RFC 6733 section 4.3.1).
#[must_use]
pub fn encode_address(address: IpAddr) -> Bytes {
    let mut octets = Vec::with_capacity(18);
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            octets.extend_from_slice(&[0, 1]);
            octets.extend_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            octets.extend_from_slice(&[0, 2]);
            octets.extend_from_slice(&v6.octets());
        }
    }
    octets.into()
}
