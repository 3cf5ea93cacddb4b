//! No bytes make a reader panic, and no cut changes what it reads.

#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use icap::{
    AnswerReader, Body, BodyPiece, BodyReader, Encapsulated, Exchange, Fed, FedAnswer, HttpRequest,
    IsTag, RequestReader, Rest, ServiceUri, Shape, Skipped,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes that look like messages often enough to get far.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just("REQMOD icap://h/s ICAP/1.0\r\n".to_owned()),
        Just("OPTIONS icap://h/s ICAP/1.0\r\n".to_owned()),
        Just("ICAP/1.0 200 OK\r\n".to_owned()),
        Just("ICAP/1.0 204 x\r\n".to_owned()),
        Just("Preview: 4\r\n".to_owned()),
        Just("ISTag: \"x\"\r\n".to_owned()),
        Just("X-Attribute: a, b{c}\r\n".to_owned()),
        Just("X-Authenticated-User: bWlrZQ==\r\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("GET / HTTP/1.1\r\n\r\n".to_owned()),
        Just("3\r\nabc\r\n".to_owned()),
        Just("0; ieof\r\n\r\n".to_owned()),
        Just("0\r\n".to_owned()),
        (0_u32..40).prop_map(|len| format!("Encapsulated: req-hdr=0, null-body={len}\r\n")),
        (0_u32..40).prop_map(|len| format!("Encapsulated: req-hdr=0, req-body={len}\r\n")),
        (0_u32..40).prop_map(|len| format!("Encapsulated: res-hdr=0, res-body={len}\r\n")),
    ];
    let token = prop_oneof![
        8 => token.prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..6),
    ];
    vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn requests(bytes in messages(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(bytes.len() + 1);
        let whole = RequestReader::default().feed(&bytes);
        let mut reader = RequestReader::default();
        let first = reader.feed(&bytes[..cut]);
        let fed = if first == Fed::NeedMore { reader.feed(&bytes) } else { first };
        prop_assert_eq!(&fed, &whole);
        if let Fed::Request(request, used) = whole {
            prop_assert!(used <= bytes.len());
            let _ = HttpRequest::parse(&request.http_head);
            drain(request.body, &bytes[used..]);
        }
    }

    #[test]
    fn answers(bytes in messages(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(bytes.len() + 1);
        for exchange in [Exchange::Options, Exchange::Reqmod] {
            let whole = AnswerReader::new(exchange).feed(&bytes);
            let mut reader = AnswerReader::new(exchange);
            let first = reader.feed(&bytes[..cut]);
            let fed = if first == FedAnswer::NeedMore { reader.feed(&bytes) } else { first };
            prop_assert_eq!(&fed, &whole);
            if let FedAnswer::Answer(answer, used) = whole
                && let Rest::Skip(mut skip) = answer.rest
                && let Ok((more, Skipped::Done)) = skip.feed(&bytes[used..])
            {
                prop_assert!(used + more <= bytes.len());
            }
        }
    }

    #[test]
    fn bodies(bytes in vec(prop_oneof![Just(b'0'), Just(b'\r'), Just(b'\n'), Just(b';'), any::<u8>()], 0..200), preview in 0_u64..9) {
        for body in [Body::None, Body::Whole, Body::Preview(preview)] {
            drain(body, &bytes);
        }
    }

    #[test]
    fn values(bytes in vec(any::<u8>(), 0..80), text in ".{0,60}") {
        for shape in [Shape::ReqmodRequest, Shape::ReqmodAnswer, Shape::RespmodRequest, Shape::Options] {
            let _ = Encapsulated::parse(&bytes, shape);
            let _ = Encapsulated::parse(text.as_bytes(), shape);
        }
        let _ = IsTag::parse(&bytes);
        let _ = HttpRequest::parse(&bytes);
        if let Ok(uri) = ServiceUri::parse(&text) {
            prop_assert_eq!(ServiceUri::parse(&uri.to_string()), Ok(uri));
        }
    }
}

/// Reads a body to its end, or to where it is none.
fn drain(body: Body, bytes: &[u8]) {
    let mut reader = BodyReader::new(body);
    let mut used = 0;
    while let Ok((more, piece)) = reader.read(&bytes[used..]) {
        used += more;
        match piece {
            BodyPiece::NeedMore | BodyPiece::End { .. } => break,
            BodyPiece::Bytes(bytes) => assert!(!bytes.is_empty()),
            BodyPiece::PreviewEnd => reader.proceed(),
        }
    }
}
