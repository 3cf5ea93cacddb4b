use super::*;
use crate::name::{result, vendor};
use crate::{AvpName, BadFrame, RETRANSMITTED};

const RAR: Header = Header {
    flags: REQUEST | PROXIABLE,
    command: name::command_code::RE_AUTH,
    application: name::application::GX,
    hop_by_hop: 7,
    end_to_end: 8,
};

#[test]
fn what_was_read_is_written_again() {
    let rows: [&[u8]; 6] = [
        &avp(1, 0, b""),
        &avp(1, !0x80, b"abc\0"),
        // Vendor 0, written though it need not be.
        &vendor_avp(1, 0x80, 0, b"four"),
        &vendor_avp(
            1001,
            0xc0,
            vendor::TGPP,
            &vendor_avp(1005, 0xc0, vendor::TGPP, b"acr1"),
        ),
        // Padding that is not zero.
        &[0, 0, 0, 1, 0, 0, 0, 9, 65, 1, 2, 3],
        // The padding of the last AVP in a group is left to the group.
        &[
            0, 0, 1, 23, 0, 0, 0, 17, 0, 0, 0, 1, 0, 0, 0, 9, 65, 0, 0, 0,
        ],
    ];
    for avps in rows {
        let bytes = message(RAR, avps);
        let read = read(&bytes).unwrap();
        assert_eq!(read.write().unwrap(), bytes);
    }
}

#[test]
fn groups_are_trees() {
    let name = vendor_avp(1005, 0xc0, vendor::TGPP, b"acr-child");
    let name = [name, vec![0; 3]].concat();
    let read = read(&message(RAR, &vendor_avp(1001, 0xc0, vendor::TGPP, &name))).unwrap();
    let install = read.avps.required(name::CHARGING_RULE_INSTALL).unwrap();
    let inside = install.inside().required(name::CHARGING_RULE_NAME).unwrap();
    assert_eq!(inside.octets(), b"acr-child");
    let made = Avp::mandatory(
        name::CHARGING_RULE_INSTALL,
        vec![Avp::mandatory(name::CHARGING_RULE_NAME, "acr-child")],
    );
    assert_eq!(*install, made);
}

#[test]
fn each_malformed_shape_has_its_result() {
    let long = avp(1, 0, &[0; 8]);
    let cut = long.get(..12).unwrap();
    let rows: [(&str, Bytes, u32); 12] = [
        ("no header", Bytes::from_static(&[1, 0, 0, 16]), 5015),
        ("version", message(RAR, &[]).map_first(2), 5011),
        ("said more", said(RAR, &avp(1, 0, b""), 32), 5015),
        ("said less", said(RAR, &avp(1, 0, b""), 24), 5015),
        (
            "request and error",
            message(flags(REQUEST | ERROR), &[]),
            3008,
        ),
        (
            "AVP of 7 octets",
            message(RAR, &[0, 0, 0, 1, 0, 0, 0, 7]),
            5014,
        ),
        ("AVP of none", message(RAR, &[0, 0, 0, 1, 0, 0, 0, 0]), 5014),
        (
            "vendor cut",
            message(RAR, &[0, 0, 0, 1, 0x80, 0, 0, 8]),
            5014,
        ),
        (
            "vendor without room",
            message(RAR, &[0, 0, 0, 1, 0x80, 0, 0, 11, 0, 0, 0, 1]),
            5014,
        ),
        ("AVP over the end", message(RAR, cut), 5014),
        (
            "four octets left",
            message(RAR, &[&*avp(1, 0, b""), &[0; 4]].concat()),
            5014,
        ),
        (
            "group over its end",
            message(RAR, &avp(279, 0x40, cut)),
            5014,
        ),
    ];
    for (row, bytes, expected) in rows {
        let refused = read(&bytes).unwrap_err();
        assert_eq!(
            refused.bad.result_code(),
            expected,
            "{row}: {}",
            refused.bad
        );
    }
}

#[test]
fn a_refused_request_is_answered_with_session_and_failed_avp() {
    let good = [
        avp(263, 0x40, b"a;1;2345"),
        avp(284, 0x40, &avp(33, 0, b"abcd")),
    ]
    .concat();
    let bad = [good, vec![0, 0, 1, 0x0c, 0x40, 0, 0, 99]].concat();
    let refused = read(&message(RAR, &bad)).unwrap_err();
    let answer = refused.answer(&own()).unwrap();
    assert_eq!(answer.header.flags, PROXIABLE);
    assert_eq!((answer.header.hop_by_hop, answer.header.end_to_end), (7, 8));
    let names: Vec<u32> = answer.avps.iter().map(|avp| avp.name().code).collect();
    assert_eq!(names, [263, 268, 264, 296, 284, 279]);
    let failed = answer.avps.required(name::FAILED_AVP).unwrap();
    assert_eq!(
        failed.inside(),
        [Avp::mandatory(name::RESULT_CODE, [].as_slice())]
    );
    assert_eq!(
        number(&answer, name::RESULT_CODE),
        result::INVALID_AVP_LENGTH
    );
}

#[test]
fn a_protocol_error_has_its_bit() {
    let request = read(&message(RAR, &[])).unwrap();
    let flags = |result| request.answer(result, &own()).header.flags;
    assert_eq!(flags(result::COMMAND_UNSUPPORTED), PROXIABLE | ERROR);
    assert_eq!(flags(result::SUCCESS), PROXIABLE);
    assert_eq!(flags(result::AVP_UNSUPPORTED), PROXIABLE);
}

#[test]
fn an_answer_is_never_answered() {
    let refused = read(&message(flags(0), &[0, 0, 0, 1, 0, 0, 0, 7])).unwrap_err();
    assert_eq!(refused.answer(&own()), None);
    let refused = read(&Bytes::from_static(b"not Diameter")).unwrap_err();
    assert_eq!(refused.answer(&own()), None);
}

#[test]
fn an_unknown_avp_matters_if_it_is_mandatory() {
    check_unknown(&vendor_avp(1061, 0x80, 193, b"soft"), None);
    check_unknown(
        &vendor_avp(1061, 0xc0, 193, b"hard"),
        Some(Avp::mandatory(AvpName::of(193, 1061), b"hard".as_slice())),
    );
    check_unknown(
        &avp(9999, 0x40, b""),
        Some(Avp::mandatory(AvpName::base(9999), "")),
    );
    check_unknown(&vendor_avp(529, 0xc0, 8164, &[0; 4]), None);
}

#[test]
fn an_unknown_avp_in_a_group_is_given_with_the_group() {
    let inside = [avp(9999, 0x40, b"hard"), avp(9998, 0, b"soft")].concat();
    let group = vendor_avp(1001, 0xc0, vendor::TGPP, &inside);
    let hard = Avp::mandatory(AvpName::base(9999), "hard");
    let expected = Avp::mandatory(name::CHARGING_RULE_INSTALL, vec![hard]);
    check_unknown(&group, Some(expected));
}

#[test]
fn avps_are_bounded_in_number() {
    let some = |count: usize| message(RAR, &avp(1, 0, b"").repeat(count));
    assert_eq!(read(&some(AVPS_MAX)).unwrap().avps.len(), AVPS_MAX);
    assert_eq!(read(&some(AVPS_MAX + 1)).unwrap_err().bad, Bad::TooMany);
    let inside = message(RAR, &avp(279, 0, &avp(1, 0, b"").repeat(AVPS_MAX)));
    assert_eq!(read(&inside).unwrap_err().bad, Bad::TooMany);
}

#[test]
fn avps_are_bounded_in_depth() {
    let nested = |depth: usize| {
        let start = avp(1, 0, b"abcd");
        let groups = (0..depth).fold(start, |inside, _| avp(279, 0x40, &inside));
        message(RAR, &groups)
    };
    let deepest = nested(DEPTH_MAX);
    assert_eq!(read(&deepest).unwrap().write().unwrap(), deepest);
    let refused = read(&nested(DEPTH_MAX + 1)).unwrap_err();
    assert_eq!(refused.bad, Bad::TooDeep(name::FAILED_AVP));
}

#[test]
fn messages_are_bounded_in_length() {
    let of = |len: usize| Message {
        header: RAR,
        avps: vec![Avp::optional(AvpName::base(1), vec![0; len].as_slice())],
    };
    let longest = of(MESSAGE_LEN_MAX - HEADER_LEN - 8);
    assert_eq!(read(&longest.write().unwrap()).unwrap(), longest);
    let too_long = of(MESSAGE_LEN_MAX - HEADER_LEN - 7);
    assert_eq!(too_long.write(), Err(TooLong(MESSAGE_LEN_MAX + 4)));
}

#[test]
fn cut_at_every_octet_nothing_is_read() {
    let whole = message(
        RAR,
        &[avp(1, 0, b"abc\0"), avp(279, 0x40, &avp(1, 0, b""))].concat(),
    );
    for end in 0..whole.len() {
        let part = whole.slice(..end);
        assert_eq!(crate::frame(&part), crate::Framed::NeedMore, "{end}");
        read(&part).unwrap_err();
        // Even if the header says that this is all.
        let Some(avps) = whole.get(HEADER_LEN..end) else {
            continue;
        };
        let full = [20, 32, 48].contains(&end);
        assert_eq!(read(&message(RAR, avps)).is_ok(), full, "{end}");
    }
}

#[test]
fn the_header_keeps_all_flags() {
    let bytes = message(flags(REQUEST | RETRANSMITTED | 0x0f), &[]);
    let read = read(&bytes).unwrap();
    assert!(read.header.is_request() && read.header.is_retransmitted());
    assert_eq!(read.write().unwrap(), bytes);
}

#[test]
fn errors_say_what_is_accepted() {
    let rows = [
        (Bad::TooMany, "the message has more than 1024 AVPs"),
        (
            Bad::TooDeep(name::FAILED_AVP),
            "AVP 279 is a group in more than 8 others",
        ),
        (
            Bad::Missing(name::CHARGING_RULE_NAME),
            "AVP 10415/1005 is missing",
        ),
        (
            Bad::Frame(BadFrame::Version(3)),
            "the message has version 3; Diameter has version 1",
        ),
        (
            Bad::Frame(BadFrame::Length(17)),
            "the message has 17 octets; use a multiple of 4 from 20 to 65536",
        ),
        (
            Bad::Rest(4),
            "4 octets behind the last AVP are too few for one; an AVP has 8 at least",
        ),
    ];
    for (bad, expected) in rows {
        assert_eq!(bad.to_string(), expected);
    }
}

#[track_caller]
fn check_unknown(avps: &[u8], expected: Option<Avp>) {
    let read = read(&message(RAR, avps)).unwrap();
    assert_eq!(read.first_unknown(&Dictionary::default()), expected);
}

trait MapFirst {
    fn map_first(self, first: u8) -> Bytes;
}

impl MapFirst for Bytes {
    fn map_first(self, first: u8) -> Bytes {
        let mut bytes = self.to_vec();
        bytes[0] = first;
        bytes.into()
    }
}

fn read(bytes: &Bytes) -> Result<Message, Box<Refused>> {
    Message::read(bytes, &Dictionary::default())
}

fn number(message: &Message, name: AvpName) -> u32 {
    message.avps.required(name).unwrap().number().unwrap()
}

fn own() -> Identity {
    Identity {
        host: "weir.example".into(),
        realm: "example".into(),
    }
}

fn flags(flags: u8) -> Header {
    Header { flags, ..RAR }
}

fn message(header: Header, avps: &[u8]) -> Bytes {
    said(header, avps, HEADER_LEN + avps.len())
}

fn said(header: Header, avps: &[u8], len: usize) -> Bytes {
    let mut bytes = Vec::new();
    header.write(u32::try_from(len).unwrap(), &mut bytes);
    bytes.extend_from_slice(avps);
    bytes.into()
}

/// An AVP whose value needs no padding, or has it at its end.
fn avp(code: u32, flags: u8, value: &[u8]) -> Vec<u8> {
    let len = u32::try_from(8 + value.len()).unwrap() | u32::from(flags) << 24;
    [&code.to_be_bytes(), &len.to_be_bytes(), value].concat()
}

fn vendor_avp(code: u32, flags: u8, vendor: u32, value: &[u8]) -> Vec<u8> {
    avp(code, flags, &[&vendor.to_be_bytes(), value].concat())
}
