//! Whether a request is by somebody who knows the secret. `radius` compares in a time that depends
//! on how much fits.

use subtle::ConstantTimeEq as _;

/// Bytes before the authenticator: code, identifier, length.
const BEFORE: usize = 4;

/// Bytes of an authenticator.
const LEN: usize = 16;

/// Returns whether the Request Authenticator of a whole Accounting-Request is made with `secret`
/// (RFC 2866 section 3).
pub(crate) fn fits(datagram: &[u8], secret: &[u8]) -> bool {
    let Some((before, rest)) = datagram.split_at_checked(BEFORE) else {
        return false;
    };
    let Some((authenticator, attributes)) = rest.split_at_checked(LEN) else {
        return false;
    };
    let mut digest = md5::Context::new();
    digest.consume(before);
    digest.consume([0; LEN]);
    digest.consume(attributes);
    digest.consume(secret);
    digest.compute().0.ct_eq(authenticator).into()
}

#[cfg(test)]
mod tests {
    use radius::core::packet::Packet;

    use super::*;

    /// As long as a header and an attribute of six bytes.
    fn datagram(secret: &[u8]) -> Vec<u8> {
        let mut datagram = vec![4, 7, 0, 26];
        datagram.extend([0; LEN]);
        datagram.extend([40, 6, 0, 0, 0, 1]);
        let digest = md5::compute([&datagram, secret].concat()).0;
        datagram.splice(BEFORE..BEFORE + LEN, digest);
        datagram
    }

    #[test]
    fn one_bit_makes_a_stranger() {
        let good = datagram(b"secret");
        assert!(fits(&good, b"secret"));
        assert!(!fits(&good, b"Secret") && !fits(&good, b""));
        for bit in 0..8 * good.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!fits(&bad, b"secret"), "bit {bit}");
        }
        for len in 0..good.len() {
            assert!(!fits(&good[..len], b"secret"), "{len} bytes");
        }
    }

    #[test]
    fn it_says_what_radius_says() {
        for secret in [&b"secret"[..], b"", b"other"] {
            let datagram = datagram(b"secret");
            let theirs = Packet::is_authentic_request(&datagram, secret);
            assert_eq!(fits(&datagram, secret), theirs);
        }
    }
}
