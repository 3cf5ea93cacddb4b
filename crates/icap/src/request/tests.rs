use expect_test::{Expect, expect};

use super::*;
use crate::{ChunkLimits, FIELDS_MAX, HEAD_LEN_MAX, HTTP_HEADS_LEN_MAX, RequestLimits};

const GET: &str = "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n";

#[test]
fn a_get_with_everything_that_is_read() {
    let request = read(&reqmod(
        "Host: h:1344\r\nAllow: 204, trailers\r\nPreview: 0\r\nConnection: Keep-Alive, CLOSE\r\n\
         X-Client-IP: ::ffff:192.0.2.1\r\nX-Server-IP: 2001:db8::1\r\nX-Subscriber-ID: sub-1\r\n\
         X-Authenticated-User: TG9jYWw6Ly9taWtl\r\nX-Client-Username: mike\r\n",
        "null-body",
    ));
    let expected = Request {
        method: Method::Reqmod,
        service: ServiceUri::parse("icap://h:1344/filter?profile=child").unwrap(),
        host: Some("h:1344".to_owned()),
        allow_204: true,
        preview: Some(0),
        connection: Connection::Close,
        client_ip: Some([192, 0, 2, 1].into()),
        server_ip: Some("2001:db8::1".parse().unwrap()),
        subscriber_id: Some("sub-1".to_owned()),
        authenticated_user: Some("mike".to_owned()),
        authenticated_user_sent: Some("TG9jYWw6Ly9taWtl".to_owned()),
        client_username: Some("mike".to_owned()),
        http_head: GET.as_bytes().to_vec(),
        body: Body::None,
    };
    assert_eq!(request, expected);
}

#[test]
fn bodies() {
    for (fields, body, expected) in [
        ("", "req-body", Body::Whole),
        ("Preview: 30\r\n", "req-body", Body::Preview(30)),
        ("Preview: 30\r\n", "null-body", Body::None),
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "null-body",
            Body::None,
        ),
    ] {
        assert_eq!(read(&reqmod(fields, body)).body, expected, "{fields}{body}");
    }
}

#[test]
fn options_with_and_without_encapsulated() {
    for (fields, body) in [
        ("", Body::None),
        ("Encapsulated: null-body=0\r\n", Body::None),
        ("Encapsulated: opt-body=0\r\nPreview: 5\r\n", Body::Whole),
    ] {
        let request = read(&format!("OPTIONS icap://h/s ICAP/1.0\r\n{fields}\r\n"));
        assert_eq!((request.method, request.body), (Method::Options, body));
    }
}

#[test]
fn respmod_is_read_so_that_the_service_can_refuse_it() {
    let request = read(
        "RESPMOD icap://h/s ICAP/1.0\r\nEncapsulated: req-hdr=0, res-hdr=18, res-body=37\r\n\r\n\
         GET / HTTP/1.1\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    );
    assert_eq!(
        (request.method, request.body),
        (Method::Respmod, Body::Whole)
    );
}

#[test]
fn pipelined_requests_are_read_one_by_one() {
    let one = reqmod("", "null-body");
    let both = one.clone() + "OPTIONS icap://h/s ICAP/1.0\r\n\r\n";
    let mut reader = RequestReader::default();
    let Fed::Request(first, used) = reader.feed(both.as_bytes()) else {
        panic!()
    };
    assert_eq!((first.method, used), (Method::Reqmod, one.len()));
    let Fed::Request(second, used) = reader.feed(&both.as_bytes()[used..]) else {
        panic!()
    };
    assert_eq!(
        (second.method, used),
        (Method::Options, both.len() - one.len())
    );
}

#[test]
fn errors_say_what_and_have_a_status() {
    let head = "REQMOD icap://h/s ICAP/1.0\r\n";
    check_err(
        "BREW icap://h/s ICAP/1.0\r\n\r\n",
        501,
        expect!["method `BREW` is unknown; use OPTIONS or REQMOD"],
    );
    check_err(
        "REQMOD icap://h/s ICAP/2.0\r\n\r\n",
        505,
        expect!["version `ICAP/2.0` is not spoken; use `ICAP/1.0`"],
    );
    check_err(
        "REQMOD /s ICAP/1.0\r\n\r\n",
        400,
        expect!["`/s` does not start with `icap://` or `icaps://`"],
    );
    check_err(
        "GET / HTTP/1.1\r\n\r\n",
        400,
        expect![
            "`GET / HTTP/1.1` is not a request line; use `METHOD icap://host/service ICAP/1.0`"
        ],
    );
    check_err(
        &format!("{head}Host: a\n\r\n"),
        400,
        expect!["a line ends with LF alone; use CRLF"],
    );
    check_err("\r\n", 400, expect!["the head starts with an empty line"]);
    check_err(
        &format!("{head}no colon\r\n\r\n"),
        400,
        expect!["a header line is malformed"],
    );
    check_err(
        &format!("{head}A: b\r\n folded\r\n\r\n"),
        400,
        expect!["a header line is malformed"],
    );
    check_err(
        &format!("{head}\r\n"),
        400,
        expect!["a REQMOD request needs `Encapsulated`"],
    );
    check_err(
        &format!("{head}Encapsulated: null-body=0\r\n\r\n"),
        418,
        expect!["a REQMOD request needs an HTTP request head; use `req-hdr=0`"],
    );
    check_err(
        &format!("{head}Encapsulated: req-hdr=0, null-body=1\r\nEncapsulated: null-body=0\r\n\r\n"),
        400,
        expect!["`Encapsulated` is given twice"],
    );
    check_err(
        &reqmod("Preview: +1\r\n", "null-body"),
        400,
        expect!["preview `+1` is not a number"],
    );
    check_err(
        &reqmod("Preview: 1\r\nPreview: 1\r\n", "null-body"),
        400,
        expect!["`Preview` is given twice"],
    );
}

#[test]
fn a_wrong_offset_is_refused() {
    let head = "REQMOD icap://h/s ICAP/1.0\r\n";
    for wrong in [GET.len() - 1, GET.len() + 1, 4] {
        check_err(
            &format!("{head}Encapsulated: req-hdr=0, null-body={wrong}\r\n\r\n{GET}X"),
            400,
            expect!["an HTTP head does not end where `Encapsulated` says"],
        );
    }
    check_err(
        &format!("{head}Encapsulated: req-hdr=0, null-body=999999999\r\n\r\n"),
        400,
        expect!["heads of 999999999 bytes; at most 262144 are read"],
    );
}

#[test]
fn users_are_named_in_the_order_of_trust() {
    for (fields, expected) in [
        ("", &[][..]),
        ("X-Client-Username: mike\r\n", &["mike"]),
        ("X-Client-Username: bWlrZQ==\r\n", &["bWlrZQ==", "mike"]),
        (
            "X-Client-Username: bob\r\nX-Authenticated-User: TG9jYWw6Ly9taWtl\r\n",
            &["mike", "TG9jYWw6Ly9taWtl", "bob"],
        ),
        (
            "X-Authenticated-User: bWlrZS5zbWl0aA==\r\n",
            &["mike.smith", "bWlrZS5zbWl0aA=="],
        ),
        ("X-Authenticated-User: mike.smith\r\n", &["mike.smith"]),
    ] {
        let request = read(&reqmod(fields, "null-body"));
        let found: Vec<_> = request.user_names().collect();
        assert_eq!(found, expected, "{fields}");
    }
}

/// One byte more than each limit is refused, and as many as it says are read.
#[test]
fn every_limit_can_be_set() {
    let limits = RequestLimits {
        head_len_max: 200,
        fields_max: 4,
        http_heads_len_max: 100,
        chunks: ChunkLimits::default(),
    };
    let head = |len: usize| {
        let fixed = reqmod("A: \r\n", "null-body").len() - GET.len();
        reqmod(&format!("A: {}\r\n", "b".repeat(len - fixed)), "null-body")
    };
    let heads = |len: usize| {
        let get = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "b".repeat(len - 23));
        format!(
            "REQMOD icap://h/s ICAP/1.0\r\nEncapsulated: req-hdr=0, null-body={len}\r\n\r\n{get}"
        )
    };
    let lines = |count: usize| reqmod(&"A: b\r\n".repeat(count - 1), "null-body");
    for (good, over, expected) in [
        (head(200), head(201), "the head is longer than 200 bytes"),
        (lines(4), lines(5), "the head has more than 4 header lines"),
        (
            heads(100),
            heads(101),
            "heads of 101 bytes; at most 100 are read",
        ),
    ] {
        let mut reader = RequestReader::new(limits);
        for _ in 0..2 {
            let Fed::Request(_, used) = reader.feed(good.as_bytes()) else {
                panic!("{good}")
            };
            assert_eq!(used, good.len());
        }
        let Fed::Bad(bad) = reader.feed(over.as_bytes()) else {
            panic!("{over}")
        };
        assert_eq!(
            (bad.to_string().as_str(), bad.status().code()),
            (expected, 400)
        );
    }
}

#[test]
fn heads_up_to_the_limits_are_read() {
    let fixed = reqmod("", "null-body").len() - GET.len();
    read(&reqmod(
        &format!("A: {}\r\n", "b".repeat(HEAD_LEN_MAX - fixed - 5)),
        "null-body",
    ));
    let over = reqmod(
        &format!("A: {}\r\n", "b".repeat(HEAD_LEN_MAX - fixed - 4)),
        "null-body",
    );
    check_err(&over, 400, expect!["the head is longer than 65536 bytes"]);
    read(&reqmod(&"A: b\r\n".repeat(FIELDS_MAX - 1), "null-body"));
    let over = reqmod(&"A: b\r\n".repeat(FIELDS_MAX), "null-body");
    check_err(
        &over,
        400,
        expect!["the head has more than 128 header lines"],
    );
    let len = HTTP_HEADS_LEN_MAX as usize;
    let get = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "b".repeat(len - 23));
    let head = "REQMOD icap://h/s ICAP/1.0\r\n";
    read(&format!(
        "{head}Encapsulated: req-hdr=0, null-body={len}\r\n\r\n{get}"
    ));
}

fn reqmod(fields: &str, body: &str) -> String {
    format!(
        "REQMOD icap://h:1344/filter?profile=child ICAP/1.0\r\n{fields}\
         Encapsulated: req-hdr=0, {body}={}\r\n\r\n{GET}",
        GET.len()
    )
}

#[track_caller]
fn read(message: &str) -> Request {
    let bytes = message.as_bytes();
    let mut reader = RequestReader::default();
    assert_eq!(reader.feed(&bytes[..bytes.len() - 1]), Fed::NeedMore);
    let Fed::Request(request, used) = reader.feed(bytes) else {
        panic!("{:?}", reader.feed(bytes))
    };
    assert_eq!(used, bytes.len());
    *request
}

#[track_caller]
fn check_err(message: &str, status: u16, expected: Expect) {
    let Fed::Bad(bad) = RequestReader::default().feed(message.as_bytes()) else {
        panic!("{message}")
    };
    assert_eq!(bad.status().code(), status);
    expected.assert_eq(&bad.to_string());
    let mut reader = RequestReader::default();
    let cut = (0..=message.len()).map(|end| reader.feed(&message.as_bytes()[..end]));
    let first = cut.into_iter().find(|fed| *fed != Fed::NeedMore);
    assert_eq!(first, Some(Fed::Bad(bad)), "byte by byte");
}
