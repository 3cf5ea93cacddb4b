use client_hello::{
    Detector, HELLO_LEN_MAX, Peek, RAW_PER_HANDSHAKE_BYTE_MAX, RAW_SLACK_LEN, Unreadable,
};
use rustls::server::Acceptor;

use crate::cuts;

/// The least that `client_hello.bytes_max` can be.
const SMALL_HELLO_LEN_MAX: usize = 512;

/// The first bytes of a TLS connection: one verdict under every cut, that stays and comes within
/// bounds, and names the host that a TLS library reads.
pub fn client_hello(bytes: &[u8]) {
    for hello_len_max in [HELLO_LEN_MAX, SMALL_HELLO_LEN_MAX] {
        let whole = Detector::new(hello_len_max).look(bytes);
        for ends in cuts::ways(bytes) {
            let mut detector = Detector::new(hello_len_max);
            let mut verdict = Peek::NeedMore;
            let mut seen = 0;
            for piece in cuts::pieces(bytes, &ends) {
                seen += piece.len();
                let next = detector.look(&bytes[..seen]);
                assert!(
                    verdict == Peek::NeedMore || verdict == next,
                    "a verdict stays: {verdict:?}, then {next:?}"
                );
                verdict = next;
            }
            assert_eq!(verdict, whole, "pieces end at {ends:?}");
        }
    }
    has_a_verdict_in_the_end(bytes);
    names_what_an_origin_reads(bytes);
}

/// Whatever a client goes on to send, it is not waited for without end.
fn has_a_verdict_in_the_end(bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let raw_len_max = RAW_PER_HANDSHAKE_BYTE_MAX * SMALL_HELLO_LEN_MAX + RAW_SLACK_LEN;
    let mut detector = Detector::new(SMALL_HELLO_LEN_MAX);
    let mut sent = bytes.to_vec();
    while detector.look(&sent) == Peek::NeedMore {
        assert!(
            sent.len() <= raw_len_max,
            "{} bytes and no verdict",
            sent.len()
        );
        sent.extend_from_slice(bytes);
    }
}

fn names_what_an_origin_reads(bytes: &[u8]) {
    let Some(name) = name_for_an_origin(bytes) else {
        return;
    };
    match Detector::new(HELLO_LEN_MAX).look(bytes) {
        Peek::Hello(hello) => {
            let ours = hello.sni.unwrap_or_default();
            let same = ours.eq_ignore_ascii_case(name.as_bytes());
            assert!(same, "an origin reads {name}, we read {ours:?}");
        }
        // More is refused here than there.
        Peek::Unreadable(Unreadable::Malformed | Unreadable::TwoNames | Unreadable::TooLong) => {}
        // rustls takes the versions of DTLS for versions of TLS.
        Peek::NotTls if bytes.get(1) == Some(&0xfe) => {}
        other @ (Peek::NeedMore | Peek::NotTls | Peek::Unreadable(Unreadable::Sslv2)) => {
            panic!("an origin reads {name}, we read {other:?}")
        }
    }
}

/// Returns the name in a Client Hello that rustls takes.
fn name_for_an_origin(bytes: &[u8]) -> Option<String> {
    let mut acceptor = Acceptor::default();
    let mut rest = bytes;
    loop {
        let used = acceptor.read_tls(&mut rest).ok()?;
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let name = accepted.client_hello().server_name().map(str::to_owned);
                return name;
            }
            Ok(None) if used > 0 => {}
            Ok(None) | Err(_) => return None,
        }
    }
}
