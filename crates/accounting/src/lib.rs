//! RADIUS accounting (RFC 2866) as values: what a NAS says about a session, and the answer to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use radius::core::avp::AVP;
use radius::core::code::Code;
use radius::core::packet::Packet;
use radius::core::{rfc2865, rfc2866, rfc2869, rfc3162, rfc4818};

mod authenticator;
#[cfg(test)]
mod tests;
mod vendor;

pub use vendor::VENDOR_3GPP;

/// Bytes of a datagram at most (RFC 2865 section 3).
pub const DATAGRAM_LEN_MAX: usize = 4_096;

/// Bytes of a header: those of the least datagram.
const HEADER_LEN: usize = 20;

/// NAS-IPv6-Address (RFC 3162).
const NAS_IPV6_ADDRESS: u8 = rfc3162::NAS_IPV6_ADDRESS_TYPE;

/// An Accounting-Request or a Status-Server whose authenticator fits.
#[derive(Clone)]
pub struct Request {
    packet: Packet,
}

/// What an Accounting-Request is about (RFC 2866 section 5.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// A session begins.
    Start,
    /// A session has ended.
    Stop,
    /// A session goes on.
    Interim,
    /// The NAS begins to work.
    On,
    /// The NAS ends its work.
    Off,
    /// Something else, such as a tunnel.
    Other(u32),
}

/// An attribute that may stand for a profile.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Hint {
    /// Class (25).
    Class,
    /// Filter-Id (11).
    FilterId,
}

/// Why a datagram is no Accounting-Request that may change anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unread {
    /// Longer than a RADIUS datagram may be.
    #[error("more than {DATAGRAM_LEN_MAX} bytes")]
    TooLong,
    /// Shorter than it says, or than a header.
    #[error("fewer bytes than the header announces")]
    Truncated,
    /// Neither an Accounting-Request nor a Status-Server.
    #[error("code {0} where 4, Accounting-Request, or 12, Status-Server, is accepted")]
    Code(u8),
    /// The secret is another one, or the bytes were changed.
    #[error("the authenticator does not fit the secret")]
    Authenticator,
    /// Attributes of impossible lengths.
    #[error("attributes that do not fit together")]
    Attributes,
}

impl Request {
    /// Reads a datagram. The authenticator is looked at before anything that it protects; bytes
    /// behind the announced length are padding (RFC 2865 section 3).
    ///
    /// # Errors
    ///
    /// Fails if it is no Accounting-Request by somebody who knows `secret`.
    pub fn read(datagram: &[u8], secret: &[u8]) -> Result<Self, Unread> {
        if datagram.len() > DATAGRAM_LEN_MAX {
            return Err(Unread::TooLong);
        }
        let [code, _, high, low, ..] = datagram else {
            return Err(Unread::Truncated);
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let datagram = datagram.get(..len).ok_or(Unread::Truncated)?;
        if len < HEADER_LEN {
            return Err(Unread::Truncated);
        }
        let is_known = if Code::from(*code) == Code::AccountingRequest {
            authenticator::fits(datagram, secret)
        } else if Code::from(*code) == Code::StatusServer {
            // Its Request Authenticator is a random number (RFC 5997 section 3).
            authenticator::is_signed(datagram, secret)
        } else {
            return Err(Unread::Code(*code));
        };
        if !is_known {
            return Err(Unread::Authenticator);
        }
        let packet = Packet::decode(datagram, secret).map_err(|_| Unread::Attributes)?;
        Ok(Self { packet })
    }

    /// Returns whether this only asks whether somebody is here: a Status-Server (RFC 5997), which
    /// changes nothing whatever it says.
    #[must_use]
    pub fn asks_for_status(&self) -> bool {
        self.packet.get_code() == Code::StatusServer
    }

    /// Returns the Accounting-Response, with every Proxy-State in order (RFC 2866 section 5.2).
    #[must_use]
    pub fn answer(&self) -> Option<Vec<u8>> {
        let mut answer = self.packet.make_response_packet(Code::AccountingResponse);
        for state in rfc2865::lookup_all_proxy_state(&self.packet) {
            rfc2865::add_proxy_state(&mut answer, &state);
        }
        answer.encode().ok()
    }

    /// Returns the authenticator: equal ones are equal datagrams.
    #[must_use]
    pub fn authenticator(&self) -> &[u8] {
        self.packet.get_authenticator()
    }

    /// Returns what it is about, if it says so.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        Some(match self.number(rfc2866::ACCT_STATUS_TYPE_TYPE)? {
            1 => Status::Start,
            2 => Status::Stop,
            3 => Status::Interim,
            7 => Status::On,
            8 => Status::Off,
            other => Status::Other(other),
        })
    }

    /// Returns Acct-Session-Id.
    #[must_use]
    pub fn session_id(&self) -> Option<Vec<u8>> {
        self.bytes(rfc2866::ACCT_SESSION_ID_TYPE)
    }

    /// Returns who reports: NAS-IP-Address, NAS-IPv6-Address, or NAS-Identifier.
    #[must_use]
    pub fn nas(&self) -> Option<String> {
        let ipv4 = self.ipv4(rfc2865::NAS_IP_ADDRESS_TYPE).map(IpAddr::V4);
        let ipv6 = || {
            let octets: [u8; 16] = self.bytes(NAS_IPV6_ADDRESS)?.try_into().ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(octets)))
        };
        let address = ipv4.or_else(ipv6).map(|address| address.to_string());
        address.or_else(|| self.text(rfc2865::NAS_IDENTIFIER_TYPE))
    }

    /// Returns the addresses and prefixes of the session: Framed-IP-Address, Framed-IPv6-Prefix,
    /// Delegated-IPv6-Prefix. An address that stands for one which the NAS picks (RFC 2865 section
    /// 5.8) is none.
    #[must_use]
    pub fn ranges(&self) -> Vec<IpNet> {
        let ipv4 = self.ipv4(rfc2865::FRAMED_IP_ADDRESS_TYPE);
        let ipv4 = ipv4.filter(|it| !it.is_unspecified() && it.to_bits() < 0xFFFF_FFFE);
        let ipv4 = ipv4.map(|address| IpNet::from(IpAddr::V4(address)));
        let types = [
            rfc3162::FRAMED_IPV6_PREFIX_TYPE,
            rfc4818::DELEGATED_IPV6_PREFIX_TYPE,
        ];
        let prefixes = types.into_iter().flat_map(|it| self.packet.lookup_all(it));
        let prefixes = prefixes.filter_map(|avp| prefix(&avp.encode_bytes()));
        ipv4.into_iter().chain(prefixes).collect()
    }

    /// Returns Calling-Station-Id: the subscriber's number.
    #[must_use]
    pub fn calling_station(&self) -> Option<String> {
        self.text(rfc2865::CALLING_STATION_ID_TYPE)
    }

    /// Returns Called-Station-Id: the access point name.
    #[must_use]
    pub fn called_station(&self) -> Option<String> {
        self.text(rfc2865::CALLED_STATION_ID_TYPE)
    }

    /// Returns 3GPP-IMSI.
    #[must_use]
    pub fn imsi(&self) -> Option<String> {
        let value = vendor::find(self.attributes(), VENDOR_3GPP, vendor::IMSI)?;
        String::from_utf8(value).ok()
    }

    /// Returns whether the session's last bearer has ended, where a Stop is about one bearer
    /// (3GPP-Session-Stop-Indicator, TS 29.061): without bearers of its own every Stop is.
    #[must_use]
    pub fn ends_the_session(&self) -> bool {
        let bearer = vendor::find(self.attributes(), VENDOR_3GPP, vendor::NSAPI);
        let stop = vendor::find(self.attributes(), VENDOR_3GPP, vendor::SESSION_STOP);
        bearer.is_none() || stop.is_some()
    }

    /// Returns the values of all attributes of a kind that may stand for a profile.
    pub fn hints(&self, kind: Hint) -> impl Iterator<Item = Vec<u8>> {
        let kind = match kind {
            Hint::Class => rfc2865::CLASS_TYPE,
            Hint::FilterId => rfc2865::FILTER_ID_TYPE,
        };
        let found = self.packet.lookup_all(kind);
        found.into_iter().map(AVP::encode_bytes)
    }

    /// Returns Event-Timestamp: when it happened, in seconds since 1970.
    #[must_use]
    pub fn event_timestamp(&self) -> Option<u32> {
        self.number(rfc2869::EVENT_TIMESTAMP_TYPE)
    }

    /// Returns Acct-Delay-Time: seconds since it happened, 0 without it.
    #[must_use]
    pub fn delay_s(&self) -> u32 {
        self.number(rfc2866::ACCT_DELAY_TIME_TYPE).unwrap_or(0)
    }

    fn attributes(&self) -> impl Iterator<Item = Vec<u8>> {
        let found = self.packet.lookup_all(vendor::VENDOR_SPECIFIC);
        found.into_iter().map(AVP::encode_bytes)
    }

    fn bytes(&self, kind: u8) -> Option<Vec<u8>> {
        Some(self.packet.lookup(kind)?.encode_bytes()).filter(|bytes| !bytes.is_empty())
    }

    fn text(&self, kind: u8) -> Option<String> {
        String::from_utf8(self.bytes(kind)?).ok()
    }

    fn number(&self, kind: u8) -> Option<u32> {
        let octets: [u8; 4] = self.bytes(kind)?.try_into().ok()?;
        Some(u32::from_be_bytes(octets))
    }

    fn ipv4(&self, kind: u8) -> Option<Ipv4Addr> {
        self.number(kind).map(Ipv4Addr::from_bits)
    }
}

/// Reads Framed-IPv6-Prefix with its length (RFC 3162 section 2.3): a reserved octet, the length in
/// bits, and as many octets of the prefix as it takes, or more. One that holds everybody, or all
/// of IPv4, is no session's.
fn prefix(bytes: &[u8]) -> Option<IpNet> {
    let [_, length, bits @ ..] = bytes else {
        return None;
    };
    let mut octets = [0; 16];
    octets.get_mut(..bits.len())?.copy_from_slice(bits);
    if usize::from(*length) > 8 * bits.len() {
        return None;
    }
    let prefix = Ipv6Net::new(Ipv6Addr::from(octets), *length).ok()?;
    let all_ipv4 = Ipv6Addr::from_bits(0xFFFF_0000_0000);
    let is_everybody = match prefix.prefix_len() {
        0 => true,
        96 => prefix.network() == all_ipv4,
        _ => false,
    };
    (!is_everybody).then(|| IpNet::V6(prefix.trunc()))
}

impl std::fmt::Debug for Request {
    /// Shows neither the secret nor the subscriber.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
