use super::*;

#[test]
fn a_message_has_the_length_that_its_shape_says() {
    for len in [600, 1_711, 4_096, 16_384, 20_000, 60_000] {
        let shape = HelloShape::read(&format!("{{names: [blocked.test], len: {len}}}"));
        assert_eq!(shape.handshake().len(), len);
    }
    let share = HelloShape::read("{names: [blocked.test], share_len: 1216}");
    let none = HelloShape::read("{names: [blocked.test]}");
    // The share's header, and its group in the list.
    let more = share.handshake().len() - none.handshake().len();
    assert_eq!(more, 1216 + 4 + 2);
}

#[test]
fn the_twin_is_the_same_but_for_the_host() {
    let case: TlsCase = serde_yaml::from_str(
        "{name: a, source: b, hello: {names: [www.BLOCKed.test]}, records: [1], honest: true}",
    )
    .unwrap();
    let (evasion, twin) = (case.evasion().bytes(), case.honest_twin().unwrap().bytes());
    assert_eq!(evasion.len(), twin.len());
    let differing = evasion.iter().zip(&twin).filter(|(a, b)| a != b).count();
    // `l`, `e` and `d` are where they were.
    assert_eq!(differing, 4);
    let content: Vec<u8> = twin.chunks(6).map(|record| record[5]).collect();
    assert!(content.windows(16).any(|w| w == b"www.ALLOWed.test"));
}

#[test]
fn records_are_as_long_as_said() {
    let shape = HelloShape::read("{names: [blocked.test], between: X, after: Y, before: Z}");
    let wire = shape.wire(b"abcdef", &[0, 1, 4]);
    let expected = [
        &b"Z\x16\x03\x01\0\0X"[..],
        b"\x16\x03\x01\0\x01a",
        b"\x16\x03\x01\0\x04bcde",
        b"\x16\x03\x01\0\x01f",
        b"Y",
    ];
    assert_eq!(wire, expected.concat());
    assert_eq!(shape.wire(&[7; 16_385], &[]).len(), 16_385 + 2 * 5 + 3);
}

#[test]
fn lies_are_told_where_they_are_asked_for() {
    let honest = HelloShape::read("{names: [blocked.test]}").handshake();
    for (lie, place) in [
        ("message", 3),
        ("session_id", 38),
        ("ciphers", 72),
        ("list", 96),
    ] {
        let lying = HelloShape::read(&format!("{{names: [blocked.test], lies: {{{lie}: 1}}}}"));
        let lying = lying.handshake();
        let differing: Vec<usize> = (0..honest.len())
            .filter(|i| honest[*i] != lying[*i])
            .collect();
        assert_eq!(differing, [place], "{lie}");
    }
}
