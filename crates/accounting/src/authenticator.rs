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

/// Message-Authenticator (RFC 2869 section 5.14).
const MESSAGE_AUTHENTICATOR: u8 = 80;

/// Bytes of an attribute before its value: type and length.
const ATTRIBUTE_HEAD: usize = 2;

/// Bytes that MD5 takes at once.
const BLOCK: usize = 64;

/// Returns whether a whole datagram has one Message-Authenticator, made with `secret` over all its
/// bytes. What has none is by anybody.
pub(crate) fn is_signed(datagram: &[u8], secret: &[u8]) -> bool {
    let mut found = None;
    let mut at = BEFORE + LEN;
    while let Some([kind, len]) = datagram.get(at..at + ATTRIBUTE_HEAD) {
        let len = usize::from(*len);
        if len < ATTRIBUTE_HEAD {
            return false;
        }
        if *kind == MESSAGE_AUTHENTICATOR {
            if found.is_some() || len != ATTRIBUTE_HEAD + LEN {
                return false;
            }
            found = Some(at + ATTRIBUTE_HEAD);
        }
        at += len;
    }
    let Some((before, rest)) = found.and_then(|at| datagram.split_at_checked(at)) else {
        return false;
    };
    let Some((value, after)) = rest.split_at_checked(LEN) else {
        return false;
    };
    hmac(secret, &[before, &[0; LEN], after])
        .ct_eq(value)
        .into()
}

/// HMAC-MD5 (RFC 2104) of some bytes one after the other.
fn hmac(key: &[u8], bytes: &[&[u8]]) -> [u8; LEN] {
    let hashed = md5::compute(key).0;
    let key = if key.len() > BLOCK { &hashed } else { key };
    let padded = |pad: u8| {
        let mut block = [pad; BLOCK];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        md5::Context::new().tap(&block)
    };
    let inner = bytes
        .iter()
        .fold(padded(0x36), |digest, part| digest.tap(part));
    padded(0x5c).tap(&inner.compute().0).compute().0
}

trait Tap {
    /// Takes more bytes.
    fn tap(self, bytes: &[u8]) -> Self;
}

impl Tap for md5::Context {
    fn tap(mut self, bytes: &[u8]) -> Self {
        self.consume(bytes);
        self
    }
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

    /// RFC 2202 section 2.
    #[test]
    fn hmac_is_that_of_the_rfc() {
        let hex = |digest: [u8; LEN]| digest.map(|byte| format!("{byte:02x}")).concat();
        let rows: [(&[u8], &[u8], &str); 3] = [
            (&[0x0b; 16], b"Hi There", "9294727a3638bb1c13f48ef8158bfc9d"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "750c783e6ab0b503eaa86e310a5db738",
            ),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
            ),
        ];
        for (key, text, expected) in rows {
            let (first, second) = text.split_at(3);
            assert_eq!(hex(hmac(key, &[first, second])), expected);
        }
    }

    #[test]
    fn what_is_signed_has_one_signature_of_all_its_bytes() {
        let mut good = vec![12, 7, 0, 44];
        good.extend([9; LEN]);
        good.extend([80, 18]);
        good.extend([0; LEN]);
        good.extend([4, 6, 192, 0, 2, 1]);
        let digest = hmac(b"secret", &[&good]);
        good.splice(22..38, digest);
        assert!(is_signed(&good, b"secret") && !is_signed(&good, b"other"));
        for bit in 0..8 * good.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_signed(&bad, b"secret"), "bit {bit}");
        }
        for len in 0..good.len() {
            assert!(!is_signed(&good[..len], b"secret"), "{len} bytes");
        }
        let twice = [&good[..], &good[20..38]].concat();
        assert!(!is_signed(&twice, b"secret"));
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
