use proptest::prelude::*;

use super::*;

const SECRET: &[u8] = b"weir-secret";

#[test]
fn everything_in_a_start_is_read() {
    let request = read(&start()).unwrap();
    assert_eq!(request.status(), Some(Status::Start));
    assert_eq!(request.session_id().as_deref(), Some(&b"0A01"[..]));
    assert_eq!(request.nas().as_deref(), Some("192.0.2.1"));
    let ranges: Vec<String> = request.ranges().iter().map(ToString::to_string).collect();
    assert_eq!(
        ranges,
        ["10.7.0.2/32", "2001:db8:7::/64", "2001:db8:8::/56"]
    );
    assert_eq!(request.calling_station().as_deref(), Some("111220000001"));
    assert_eq!(request.called_station().as_deref(), Some("internet"));
    assert_eq!(request.imsi().as_deref(), Some("10020000000007"));
    let classes: Vec<Vec<u8>> = request.hints(Hint::Class).collect();
    assert_eq!(classes, [b"kids".to_vec(), b"school".to_vec()]);
    assert_eq!(request.hints(Hint::FilterId).count(), 0);
    assert_eq!(request.event_timestamp(), Some(1_700_000_000));
    assert_eq!(request.delay_s(), 3);
    assert!(!request.ends_the_session(), "it is about one bearer");
    assert_eq!(
        format!("{request:?}"),
        "Request { status: Some(Start), .. }"
    );
}

#[test]
fn an_answer_has_every_proxy_state_and_is_authentic() {
    let bytes = start();
    let answer = read(&bytes).unwrap().answer().unwrap();
    assert!(Packet::is_authentic_response(&answer, &bytes, SECRET));
    assert_eq!(answer[..2], [5, bytes[1]]);
    assert_eq!(answer[20..], [33, 4, b'a', b'1', 33, 4, b'b', b'2']);
}

#[test]
fn no_cut_of_a_request_is_one() {
    let bytes = start();
    for len in 0..bytes.len() {
        assert_eq!(read(&bytes[..len]).unwrap_err(), Unread::Truncated, "{len}");
    }
    let mut padded = bytes;
    padded.extend([0; 9]);
    assert!(read(&padded).is_ok());
    padded.resize(DATAGRAM_LEN_MAX, 0);
    assert!(read(&padded).is_ok());
    padded.push(0);
    assert_eq!(read(&padded).unwrap_err(), Unread::TooLong);
}

#[test]
fn no_changed_bit_goes_unseen() {
    let bytes = start();
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            assert!(read(&changed).is_err(), "bit {bit} of byte {place}");
        }
    }
    let wrong = Request::read(&bytes, b"another").unwrap_err();
    assert_eq!(wrong, Unread::Authenticator);
    let wrong = Request::read(&bytes, b"").unwrap_err();
    assert_eq!(wrong, Unread::Authenticator, "no secret fits nothing");
}

#[test]
fn other_codes_are_refused_before_their_authenticators() {
    // The codec calls every Access-Request and Status-Server authentic.
    for code in [0, 1, 2, 5, 11, 13, 40, 255] {
        let mut bytes = start();
        bytes[0] = code;
        assert_eq!(read(&bytes).unwrap_err(), Unread::Code(code));
    }
    let mut unsigned = start();
    unsigned[0] = 12;
    assert_eq!(read(&unsigned).unwrap_err(), Unread::Authenticator);
}

#[test]
fn attributes_that_do_not_fit_together_are_refused() {
    for attributes in [&[44][..], &[44, 0], &[44, 1], &[44, 9, 1], &[44, 3, 1, 40]] {
        let bytes = signed(attributes);
        assert_eq!(
            read(&bytes).unwrap_err(),
            Unread::Attributes,
            "{attributes:?}"
        );
    }
}

#[test]
fn values_of_wrong_lengths_are_none() {
    let odd = signed(&[40, 3, 1, 8, 5, 10, 7, 0, 97, 3, 0, 44, 2, 26, 4, 0, 0]);
    let request = read(&odd).unwrap();
    assert_eq!(request.status(), None);
    assert_eq!(request.ranges(), []);
    assert_eq!(request.session_id(), None);
    assert_eq!(request.imsi(), None);
    for address in [[0, 0, 0, 0], [255, 255, 255, 255], [255, 255, 255, 254]] {
        let chosen = [&[8, 6][..], &address].concat();
        assert_eq!(read(&signed(&chosen)).unwrap().ranges(), [], "{address:?}");
    }
}

#[test]
fn prefixes_keep_their_length() {
    for (bytes, expected) in [
        (
            &[0, 64, 0x20, 1, 0xd, 0xb8, 0, 7, 0, 0][..],
            Some("2001:db8:7::/64"),
        ),
        (
            &[
                0, 128, 0x20, 1, 0xd, 0xb8, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            ],
            Some("2001:db8:7::1/128"),
        ),
        (&[0, 0], None),
        (&[0, 0, 0x20, 1], None),
        (&[0, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], None),
        (
            &[0, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe],
            Some("::fffe:0:0/96"),
        ),
        (&[0, 32, 0x20, 1, 0xd, 0xb8, 0xff], Some("2001:db8::/32")),
        (&[0, 64, 0x20, 1], None),
        (
            &[0, 129, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            None,
        ),
        (
            &[0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            None,
        ),
        (&[0], None),
        (&[], None),
    ] {
        let found = prefix(bytes).map(|it| it.to_string());
        assert_eq!(found.as_deref(), expected, "{bytes:?}");
    }
}

#[test]
fn a_stop_of_one_bearer_does_not_end_the_session() {
    let bearer = [26, 9, 0, 0, 0x28, 0xAF, 10, 3, b'5'];
    let last = [26, 9, 0, 0, 0x28, 0xAF, 11, 3, 0xFF];
    let ends = |attributes: &[u8]| read(&signed(attributes)).unwrap().ends_the_session();
    assert!(ends(&[]));
    assert!(!ends(&bearer));
    assert!(ends(&[bearer, last].concat()));
    assert!(ends(&[26, 9, 0, 0, 0, 9, 10, 3, b'5']), "of another vendor");
}

proptest! {
    #[test]
    fn any_attributes_are_read_without_a_panic(attributes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(request) = read(&signed(&attributes)) {
            request.answer().unwrap();
            let _ = request.ranges();
            let _ = request.imsi();
            let _ = request.nas();
        }
    }
}

fn read(bytes: &[u8]) -> Result<Request, Unread> {
    Request::read(bytes, SECRET)
}

fn start() -> Vec<u8> {
    let mut attributes = Vec::new();
    let mut add = |kind: u8, value: &[u8]| {
        attributes.extend([kind, u8::try_from(value.len() + 2).unwrap()]);
        attributes.extend(value);
    };
    add(40, &[0, 0, 0, 1]);
    add(44, b"0A01");
    add(4, &[192, 0, 2, 1]);
    add(8, &[10, 7, 0, 2]);
    add(97, &[0, 64, 0x20, 1, 0xd, 0xb8, 0, 7, 0, 0]);
    add(123, &[0, 56, 0x20, 1, 0xd, 0xb8, 0, 8, 0]);
    add(31, b"111220000001");
    add(30, b"internet");
    add(26, b"\0\0\x28\xAF\x0A\x035\x01\x1010020000000007");
    add(25, b"kids");
    add(25, b"school");
    add(55, &1_700_000_000_u32.to_be_bytes());
    add(41, &[0, 0, 0, 3]);
    add(33, b"a1");
    add(33, b"b2");
    signed(&attributes)
}

/// Makes an Accounting-Request of these attributes.
fn signed(attributes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(HEADER_LEN + attributes.len()).unwrap();
    let mut bytes = vec![4, 9];
    bytes.extend(len.to_be_bytes());
    let sum = [&bytes, &[0; 16][..], attributes, SECRET].concat();
    bytes.extend(md5::compute(sum).0);
    bytes.extend(attributes);
    bytes
}
