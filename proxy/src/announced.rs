//! Who a client is, as a load balancer in front announces it: the PROXY protocol, versions 1 and 2
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use ppp::{HeaderResult, PartialResult as _, v1, v2};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::listen::canonical;

/// Bytes of a header at most, with all that a version 2 header may say beside addresses.
pub(crate) const HEADER_LEN_MAX: usize = 4096;

/// Bytes of a version 1 header at most, its end included.
const LINE_LEN_MAX: usize = 107;

/// The end of a version 1 header.
const LINE_END: &[u8] = b"\r\n";

/// How each version begins.
const PREFIXES: [&[u8]; 2] = [b"PROXY ", v2::PROTOCOL_PREFIX];

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Announced {
    /// The header of so many bytes names the client, or says that the load balancer speaks for
    /// itself.
    Header(Option<SocketAddr>, usize),
    /// The header is not whole yet.
    Partial,
    /// There is no header that can be understood.
    Malformed,
}

/// Why a load balancer's connection has no client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unannounced {
    /// It ended without a byte, as checks of whether somebody listens do.
    Silent,
    /// It has no header, or one that ends too late or not at all.
    NoHeader,
}

/// Reads the header from a connection of a load balancer. Returns the client, which is
/// `balancer` where that speaks for itself, and what follows the header as far as it was read.
pub(crate) async fn read(
    socket: &mut TcpStream,
    balancer: SocketAddr,
    deadline: Duration,
) -> Result<(SocketAddr, BytesMut), Unannounced> {
    let mut bytes = BytesMut::new();
    let reading = async {
        loop {
            match announced(&bytes) {
                Announced::Header(client, len) => {
                    bytes.advance(len);
                    return Ok((who(client, balancer), std::mem::take(&mut bytes)));
                }
                Announced::Malformed => return Err(Unannounced::NoHeader),
                Announced::Partial => {}
            }
            match socket.read_buf(&mut bytes).await {
                Ok(1..) => {}
                Ok(_) | Err(_) if bytes.is_empty() => return Err(Unannounced::Silent),
                Ok(_) | Err(_) => return Err(Unannounced::NoHeader),
            }
        }
    };
    timeout(deadline, reading)
        .await
        .unwrap_or(Err(Unannounced::NoHeader))
}

/// Returns who the client is. Loopback of another machine is that machine: it must not be taken
/// for a client on this one.
fn who(announced: Option<SocketAddr>, balancer: SocketAddr) -> SocketAddr {
    let is_here = balancer.ip().is_loopback();
    let client = announced.filter(|client| is_here || !client.ip().is_loopback());
    client.unwrap_or(balancer)
}

fn announced(bytes: &[u8]) -> Announced {
    // What follows a header is not looked at, and a longer one never ends.
    let bytes = bytes.get(..HEADER_LEN_MAX).unwrap_or(bytes);
    let begins = |prefix: &&[u8]| bytes.starts_with(prefix) || prefix.starts_with(bytes);
    if !PREFIXES.iter().any(begins) {
        return Announced::Malformed;
    }
    let header = HeaderResult::parse(bytes);
    let is_partial = match header {
        // The parser takes half a line for a whole one.
        HeaderResult::V1(_) => {
            let has_ended = bytes.windows(LINE_END.len()).any(|at| at == LINE_END);
            !has_ended && bytes.len() < LINE_LEN_MAX
        }
        HeaderResult::V2(_) => header.is_incomplete() && bytes.len() < HEADER_LEN_MAX,
    };
    if is_partial {
        return Announced::Partial;
    }
    match header {
        HeaderResult::V1(Ok(header)) => {
            let client = match header.addresses {
                v1::Addresses::Unknown => None,
                v1::Addresses::Tcp4(ip) => Some((ip.source_address.into(), ip.source_port)),
                v1::Addresses::Tcp6(ip) => Some((ip.source_address.into(), ip.source_port)),
            };
            Announced::Header(client.map(address), header.header.len())
        }
        HeaderResult::V2(Ok(header)) => {
            let client = match (header.command, &header.addresses) {
                (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => {
                    Some((ip.source_address.into(), ip.source_port))
                }
                (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => {
                    Some((ip.source_address.into(), ip.source_port))
                }
                (v2::Command::Local, _)
                | (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => None,
            };
            Announced::Header(client.map(address), header.header.len())
        }
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => Announced::Malformed,
    }
}

fn address((ip, port): (IpAddr, u16)) -> SocketAddr {
    canonical(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [V2, &[0x20 | command, family], &len, rest].concat()
    }

    #[test]
    fn headers_of_both_versions_name_the_client() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0x30, 0x39, 0, 80];
        let with_more = [&v4[..], &[0x04, 0, 1, b'x']].concat();
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        v6[33] = 9;
        let mut mapped = [0; 36];
        mapped[10..16].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 1]);
        let line = |text: &str| text.as_bytes().to_vec();
        for (header, client) in [
            (
                line("PROXY TCP4 192.0.2.1 198.51.100.1 12345 80\r\n"),
                Some("192.0.2.1:12345"),
            ),
            (
                line("PROXY TCP6 2001:db8:: ::1 9 80\r\n"),
                Some("[2001:db8::]:9"),
            ),
            (line("PROXY UNKNOWN\r\n"), None),
            (line("PROXY UNKNOWN ffff:: ::1 1 2\r\n"), None),
            (version_2(1, 0x11, &v4), Some("192.0.2.1:12345")),
            (version_2(1, 0x11, &with_more), Some("192.0.2.1:12345")),
            (version_2(1, 0x21, &v6), Some("[2001:db8::]:9")),
            (version_2(1, 0x21, &mapped), Some("192.0.2.1:0")),
            (version_2(0, 0x11, &v4), None),
            (version_2(0, 0x00, &[]), None),
            (version_2(1, 0x31, &[0; 216]), None),
        ] {
            let client = client.map(|text| text.parse().unwrap());
            let text = String::from_utf8_lossy(&header).into_owned();
            let with_request = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            let whole = Announced::Header(client, header.len());
            assert_eq!(announced(&with_request), whole, "{text}");
            for len in 0..header.len() {
                assert_eq!(
                    announced(&header[..len]),
                    Announced::Partial,
                    "{len}: {text}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_header_is_malformed_at_once() {
        let long = [b"PROXY UNKNOWN ", [b'x'; HEADER_LEN_MAX].as_slice()].concat();
        for bytes in [
            b"GET / HTTP/1.1\r\n".as_slice(),
            b"P ",
            b"PROXY\r\n",
            b"PROXY TCP4\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 12345\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 99999 80\r\n",
            b"PROXY TCP4 ::1 198.51.100.1 1 80\r\n",
            b"\r\n\r\n\0\r\nQUIX",
            b"\x16\x03\x01",
            &version_2(2, 0x11, &[0; 12]),
            &version_2(1, 0x11, &[0; 11]),
            &version_2(1, 0x41, &[0; 12]),
            &[V2, &[0x11, 0x11, 0, 0]].concat(),
            &long,
        ] {
            let text = String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(announced(bytes), Announced::Malformed, "{text}");
        }
        let much = version_2(1, 0x11, &[0; HEADER_LEN_MAX]);
        assert_eq!(announced(&much[..HEADER_LEN_MAX]), Announced::Malformed);
        assert_eq!(announced(&much), Announced::Malformed, "in one piece too");
        let most = version_2(0, 0, &[0; HEADER_LEN_MAX - 16]);
        let whole = Announced::Header(None, HEADER_LEN_MAX);
        assert_eq!(announced(&[&most[..], b"GET"].concat()), whole);
        assert_eq!(announced(&most[..HEADER_LEN_MAX - 1]), Announced::Partial);
    }

    #[test]
    fn loopback_of_another_machine_is_that_machine() {
        let [here, there] = ["127.0.0.1:1", "10.0.0.1:1"].map(|text| text.parse().unwrap());
        for (client, balancer, expected) in [
            ("127.0.0.1:9", there, "10.0.0.1:1"),
            ("127.8.8.8:9", there, "10.0.0.1:1"),
            ("[::1]:9", there, "10.0.0.1:1"),
            ("127.0.0.1:9", here, "127.0.0.1:9"),
            ("[::1]:9", here, "[::1]:9"),
            ("192.0.2.1:9", there, "192.0.2.1:9"),
            ("192.0.2.1:9", here, "192.0.2.1:9"),
        ] {
            let found = who(client.parse().ok(), balancer);
            assert_eq!(found, expected.parse().unwrap(), "{client} by {balancer}");
        }
        assert_eq!(who(None, there), there);
    }
}
