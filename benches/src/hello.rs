//! Client Hellos, from the first byte to the name.

use std::hint::black_box;

use client_hello::{Detector, HELLO_LEN_MAX, Peek};

use crate::Subject;
use crate::uris::HOST;

/// Bytes of a message without post-quantum keys.
const TYPICAL_LEN: usize = 300;

/// Bytes of a message with a key share for X25519MLKEM768, as browsers send it.
const POST_QUANTUM_LEN: usize = 1_700;

/// Extensions of a browser beside the server name, with the length of their content.
const EXTENSIONS: [(u16, usize); 11] = [
    (23, 0),  // extended_master_secret
    (10, 10), // supported_groups
    (11, 2),  // ec_point_formats
    (35, 0),  // session_ticket
    (16, 14), // application_layer_protocol_negotiation
    (5, 5),   // status_request
    (13, 18), // signature_algorithms
    (18, 0),  // signed_certificate_timestamp
    (45, 2),  // psk_key_exchange_modes
    (43, 7),  // supported_versions
    (27, 3),  // compress_certificate
];

/// The extension that takes what is left of the wanted length.
const KEY_SHARE: u16 = 51;

pub(crate) fn subjects() -> Vec<Subject> {
    [
        ("hello/300 B in 1 record", TYPICAL_LEN, 1),
        ("hello/300 B in 8 records", TYPICAL_LEN, 8),
        ("hello/1.7 kB in 1 record", POST_QUANTUM_LEN, 1),
        ("hello/1.7 kB in 8 records", POST_QUANTUM_LEN, 8),
    ]
    .map(|(name, len, records)| {
        let bytes = in_records(&message(len), records);
        let name_found = match peek(&bytes) {
            Peek::Hello(hello) => hello.sni,
            Peek::NeedMore | Peek::NotTls | Peek::Unreadable(_) => None,
        };
        assert_eq!(name_found.as_deref(), Some(HOST));
        Subject::new(name, move || peek(&bytes))
    })
    .into()
}

/// A hello of ordinary length as one record.
pub(crate) fn typical() -> Vec<u8> {
    in_records(&message(TYPICAL_LEN), 1)
}

pub(crate) fn peek(bytes: &[u8]) -> Peek {
    Detector::new(HELLO_LEN_MAX).look(black_box(bytes))
}

fn message(len: usize) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    // Session id, 16 cipher suites, no compression.
    body.push(32);
    body.extend([8; 32]);
    body.extend(vector(&[0x13; 32]));
    body.extend([1, 0]);
    let mut extensions = server_name();
    for (kind, len) in EXTENSIONS {
        extensions.extend(extension(kind, &vec![0; len]));
    }
    // Headers of the message, of all extensions and of this one.
    let before = 4 + body.len() + 2 + extensions.len() + 4;
    let key_share = vec![9; len.checked_sub(before).unwrap()];
    extensions.extend(extension(KEY_SHARE, &key_share));
    body.extend(vector(&extensions));
    let header = u32::try_from(body.len()).unwrap() | 1 << 24;
    let message = [&header.to_be_bytes()[..], &body].concat();
    assert_eq!(message.len(), len);
    message
}

fn server_name() -> Vec<u8> {
    extension(0, &vector(&[&[0][..], &vector(HOST)].concat()))
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector(content)].concat()
}

fn vector(content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap();
    [&len.to_be_bytes()[..], content].concat()
}

/// Cuts a message into so many records.
fn in_records(message: &[u8], records: usize) -> Vec<u8> {
    message
        .chunks(message.len().div_ceil(records))
        .flat_map(|part| [&[22, 3, 1][..], &vector(part)].concat())
        .collect()
}
