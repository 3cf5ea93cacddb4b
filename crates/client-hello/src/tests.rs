use proptest::prelude::*;

use super::*;

/// Handshake bytes of a hello for `news.example` and nothing else.
const SMALL: usize = 4 + 2 + 32 + 1 + 4 + 2 + 2 + 21;

#[test]
fn every_prefix_asks_for_more() {
    for records in [1, 2, SMALL] {
        let bytes = in_records(&hello_for("news.example"), records);
        for end in 0..bytes.len() {
            assert_eq!(peek(&bytes[..end]), Peek::NeedMore, "{end} bytes");
        }
        assert_eq!(peek(&bytes), named("news.example"));
    }
}

#[test]
fn every_cut_gives_the_same_verdict() {
    let bytes = in_records(&hello_for("news.example"), 3);
    for cut in 0..=bytes.len() {
        let mut detector = Detector::new(HELLO_LEN_MAX);
        let early = detector.look(&bytes[..cut]);
        assert_eq!(early == Peek::NeedMore, cut < bytes.len(), "cut at {cut}");
        assert_eq!(detector.look(&bytes), named("news.example"), "cut at {cut}");
    }
}

#[test]
fn records_may_split_the_hello_anywhere() {
    let message = hello_for("news.example");
    assert_eq!(message.len(), SMALL);
    for records in 1..=message.len() {
        let bytes = in_records(&message, records);
        assert_eq!(peek(&bytes), named("news.example"), "{records} records");
    }
}

#[test]
fn other_protocols_are_told_apart_at_their_first_byte() {
    check_bytes(b"G", Peek::NotTls);
    check_bytes(b"SSH-2.0-OpenSSH_9.2\r\n", Peek::NotTls);
    check_bytes(b"\0", Peek::NotTls);
    // An alert, application content.
    check_bytes(&[21], Peek::NotTls);
    check_bytes(&[23], Peek::NotTls);
    check_bytes(&[22, 2], Peek::NotTls);
}

#[test]
fn a_hello_in_the_manner_of_ssl_2_is_told_at_its_third_byte() {
    let sslv2 = Peek::Unreadable(Unreadable::Sslv2);
    check_bytes(&[0x80, 0x2e, 1], sslv2.clone());
    check_bytes(&[0xff, 0xff, 1], sslv2);
    assert_eq!(peek(&[0x80, 0x2e]), Peek::NeedMore);
    check_bytes(&[0x80, 0x2e, 4], Peek::NotTls);
    check_bytes(&[0x7f, 0x2e, 1], Peek::NotTls);
    // Within TLS it is TLS gone wrong.
    check_bytes(&[22, 3, 1, 0, 0, 0x80], MALFORMED);
}

#[test]
fn tls_that_is_no_client_hello_is_malformed() {
    // A Server Hello; a record too long; an alert, application content or a foreign version
    // amid the message.
    check_bytes(&[22, 3, 1, 0, 5, 2], MALFORMED);
    check_bytes(&[22, 3, 1, 0x40, 1], MALFORMED);
    check_bytes(&[22, 3, 1, 0, 1, 1, 21], MALFORMED);
    check_bytes(&[22, 3, 1, 0, 1, 1, 23], MALFORMED);
    check_bytes(&[22, 3, 1, 0, 1, 1, 22, 2], MALFORMED);
    check_bytes(&[22, 3, 1, 0, 0, 23], MALFORMED);
    check_message(&[1, 0, 0, 0], MALFORMED);
}

#[test]
fn names_are_returned_as_sent() {
    check_name(&sni(&[(0, b"NEWS.Example.")]), Some(b"NEWS.Example."));
    check_name(&sni(&[(0, b"a\0b \xff")]), Some(b"a\0b \xff"));
    check_name(&extension(0xfe0e, b"x"), None);
    check_name(&[], None);
}

#[test]
fn a_name_list_without_a_name_is_an_empty_name() {
    check_name(&extension(0, b""), Some(b""));
    check_name(&extension(0, &[0, 0]), Some(b""));
    check_name(&sni(&[(0, b"")]), Some(b""));
}

#[test]
fn two_names_are_told() {
    let two = Peek::Unreadable(Unreadable::TwoNames);
    check_extensions(&sni(&[(0, b"a.example"), (0, b"b.example")]), two.clone());
    check_extensions(
        &[sni(&[(0, b"a.example")]), sni(&[(0, b"a.example")])].concat(),
        two,
    );
}

#[test]
fn broken_name_lists_are_malformed() {
    check_extensions(&sni(&[(1, b"a.example")]), MALFORMED);
    check_extensions(&sni(&[(0, b"a.example"), (7, b"")]), MALFORMED);
    check_extensions(&extension(0, &[0]), MALFORMED);
    check_extensions(&extension(0, &[0, 9, 0]), MALFORMED);
    check_extensions(&extension(0, &[0, 4, 0, 0, 9, b'a']), MALFORMED);
    check_extensions(&extension(0, &[0, 4, 0, 0, 1, b'a', b'b']), MALFORMED);
    check_extensions(&[0, 0, 0, 9], MALFORMED);
    check_extensions(&[0], MALFORMED);
}

#[test]
fn bytes_after_the_extensions_are_malformed() {
    let mut message = hello(&sni(&[(0, b"a.example")]));
    message.push(0);
    let len = u8::try_from(message.len() - 4).unwrap();
    message[3] = len;
    check_message(&message, MALFORMED);
}

#[test]
fn encrypted_client_hello_is_seen() {
    let extensions = [sni(&[(0, b"outer.example")]), extension(0xfe0d, b"x")].concat();
    let sni = Some(b"outer.example"[..].into());
    check_extensions(&extensions, Peek::Hello(ClientHello { sni, ech: true }));
}

#[test]
fn a_hello_of_the_limit_is_read_and_one_byte_more_is_not() {
    let bytes = in_records(&hello_for("news.example"), 1);
    assert_eq!(Detector::new(SMALL).look(&bytes), named("news.example"));
    assert_eq!(Detector::new(SMALL - 1).look(&bytes), TOO_LONG);
    // The length is enough to know: nothing more is waited for.
    assert_eq!(
        Detector::new(100).look(&[22, 3, 1, 0, 4, 1, 0, 0, 97]),
        TOO_LONG
    );
    assert_eq!(
        Detector::new(100).look(&[22, 3, 1, 0, 4, 1, 0, 0, 96]),
        Peek::NeedMore
    );
}

#[test]
fn empty_records_are_read_over_up_to_the_raw_limit() {
    let raw_max = SMALL * RAW_PER_HANDSHAKE_BYTE_MAX + RAW_SLACK_LEN;
    let hello = in_records(&hello_for("news.example"), 1);
    let empty_max = (raw_max - hello.len()) / 5;
    for (count, expected) in [
        (1, named("news.example")),
        (empty_max, named("news.example")),
        (empty_max + 1, TOO_LONG),
    ] {
        let mut bytes = [22, 3, 3, 0, 0].repeat(count);
        bytes.extend(&hello);
        assert_eq!(
            Detector::new(SMALL).look(&bytes),
            expected,
            "{count} records"
        );
    }
}

#[test]
fn a_verdict_stays() {
    let mut detector = Detector::new(HELLO_LEN_MAX);
    assert_eq!(detector.look(b"GET / HTTP/1.1\r\n"), Peek::NotTls);
    assert_eq!(detector.look(b"GET / HTTP/1.1\r\nHost:"), Peek::NotTls);
    assert_eq!(detector.look(b""), Peek::NotTls);
}

#[test]
fn a_big_hello_in_records_of_one_byte_is_read() {
    let extensions = [extension(21, &[0; 60_000]), sni(&[(0, b"late.example")])].concat();
    let message = hello(&extensions);
    assert_eq!(
        peek(&in_records(&message, message.len())),
        named("late.example")
    );
}

proptest! {
    #[test]
    fn the_way_to_cut_is_not_seen(
        extensions in prop::collection::vec(any_extension(), 0..4),
        records in 1_usize..40,
        flip in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        limit in 40_usize..200,
        cuts in prop::collection::vec(1_usize..9, 1..20),
    ) {
        let mut bytes = in_records(&hello(&extensions.concat()), records);
        if let Some((index, byte)) = flip {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        let whole = Detector::new(limit).look(&bytes);
        let mut detector = Detector::new(limit);
        let mut end = 0;
        let mut last = Peek::NeedMore;
        for cut in cuts.iter().cycle() {
            end = (end + cut).min(bytes.len());
            last = detector.look(&bytes[..end]);
            prop_assert!(last == Peek::NeedMore || last == whole, "{:?} at {}", last, end);
            if end == bytes.len() {
                break;
            }
        }
        prop_assert_eq!(last, whole);
    }

    #[test]
    fn any_bytes_have_a_verdict(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut handshake = vec![22, 3, 1, 1, 44];
        handshake.extend(&bytes);
        let whole = peek(&handshake);
        let mut detector = Detector::new(HELLO_LEN_MAX);
        let last = (1..=handshake.len()).map(|end| detector.look(&handshake[..end])).last();
        prop_assert_eq!(last, Some(whole));
    }
}

const MALFORMED: Peek = Peek::Unreadable(Unreadable::Malformed);
const TOO_LONG: Peek = Peek::Unreadable(Unreadable::TooLong);

fn peek(bytes: &[u8]) -> Peek {
    Detector::new(HELLO_LEN_MAX).look(bytes)
}

fn named(name: &str) -> Peek {
    Peek::Hello(ClientHello {
        sni: Some(name.as_bytes().into()),
        ech: false,
    })
}

/// The verdict falls at the last of `bytes`, and not before.
#[track_caller]
fn check_bytes(bytes: &[u8], expected: Peek) {
    assert_eq!(peek(bytes), expected);
    let mut detector = Detector::new(HELLO_LEN_MAX);
    let last = (1..=bytes.len())
        .map(|end| detector.look(&bytes[..end]))
        .last();
    assert_eq!(last, Some(expected));
}

#[track_caller]
fn check_message(message: &[u8], expected: Peek) {
    check_bytes(&in_records(message, 1), expected);
}

#[track_caller]
fn check_extensions(extensions: &[u8], expected: Peek) {
    check_message(&hello(extensions), expected);
}

#[track_caller]
fn check_name(extensions: &[u8], expected: Option<&[u8]>) {
    let sni = expected.map(Into::into);
    check_extensions(extensions, Peek::Hello(ClientHello { sni, ech: false }));
}

fn any_extension() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(sni(&[(0, b"news.example")])),
        Just(sni(&[(0, b"a"), (0, b"b")])),
        Just(extension(0, b"")),
        Just(extension(0xfe0d, b"inner")),
        (2_u16.., prop::collection::vec(any::<u8>(), 0..30))
            .prop_map(|(kind, content)| extension(kind, &content)),
    ]
}

fn hello_for(host: &str) -> Vec<u8> {
    hello(&sni(&[(0, host.as_bytes())]))
}

/// Builds the smallest Client Hello message with these extensions.
fn hello(extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend(vector(extensions));
    let len = u32::try_from(body.len()).unwrap() | 1 << 24;
    [&len.to_be_bytes()[..], &body].concat()
}

fn sni(names: &[(u8, &[u8])]) -> Vec<u8> {
    let list: Vec<u8> = names
        .iter()
        .flat_map(|(kind, name)| [&[*kind][..], &vector(name)].concat())
        .collect();
    extension(0, &vector(&list))
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector(content)].concat()
}

fn vector(content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap();
    [&len.to_be_bytes()[..], content].concat()
}

/// Cuts a message into so many records of equal length.
fn in_records(message: &[u8], records: usize) -> Vec<u8> {
    message
        .chunks(message.len().div_ceil(records).min(16 * 1024))
        .flat_map(|part| [&[22, 3, 1][..], &vector(part)].concat())
        .collect()
}
