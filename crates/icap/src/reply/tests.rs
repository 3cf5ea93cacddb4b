use expect_test::{Expect, expect};

use super::*;
use crate::{Answer, AnswerReader, Exchange, FedAnswer, Rest, Skipped};

#[test]
fn no_content() {
    let tag = tag();
    let mut out = Vec::new();
    ReplyFields {
        attribute: "sport, news",
        prefix: Some(24),
        ..fields(&tag)
    }
    .write_no_content(&mut out);
    check(
        Exchange::Reqmod,
        &out,
        expect![[r#"
            ICAP/1.0 204 No Content
            ISTag: "T1"
            Date: Fri, 20 Nov 2026 18:50:26 GMT
            X-Attribute: sport, news
            X-Attribute-Prefix: 24

        "#]],
    );
}

#[test]
fn a_copy_keeps_the_head_as_it_came() {
    let tag = tag();
    let mut out = Vec::new();
    let head = b"POST http://a.example/ HTTP/1.1\r\nhOST:a.example\r\n\r\n";
    fields(&tag).write_copy(head, EncapsulatedBody::Request, &mut out);
    write_chunk(b"", &mut out);
    write_chunk(b"0123456789abcdef", &mut out);
    write_last_chunk(b"t: 1\r\n", &mut out);
    check(
        Exchange::Reqmod,
        &out,
        expect![[r#"
            ICAP/1.0 200 OK
            ISTag: "T1"
            Date: Fri, 20 Nov 2026 18:50:26 GMT
            Encapsulated: req-hdr=0, req-body=71

            POST http://a.example/ HTTP/1.1
            hOST:a.example
            Via: ICAP/1.0 weir

            10
            0123456789abcdef
            0
            t: 1

        "#]],
    );
}

#[test]
fn http_responses() {
    let tag = tag();
    let with = ReplyFields {
        connection: Connection::Close,
        profile: Some("child\r\nX: y"),
        response_info: Some("Blocked"),
        response_desc: Some("on a block list"),
        cache_control: Some("no-store"),
        ..fields(&tag)
    };
    let mut out = Vec::new();
    with.write_http_response(
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\n",
        b"page",
        &mut out,
    );
    check(
        Exchange::Reqmod,
        &out,
        expect![[r#"
            ICAP/1.0 200 OK
            ISTag: "T1"
            Date: Fri, 20 Nov 2026 18:50:26 GMT
            Connection: close
            X-ICAP-Profile: childX: y
            X-Response-Info: Blocked
            X-Response-Desc: on a block list
            Cache-Control: no-store
            Encapsulated: res-hdr=0, res-body=45

            HTTP/1.1 403 Forbidden
            Content-Length: 4

            4
            page
            0

        "#]],
    );
    let mut out = Vec::new();
    fields(&tag).write_http_response(b"HTTP/1.1 302 Found\r\n\r\n", b"", &mut out);
    let (answer, used) = read(Exchange::Reqmod, &out);
    assert_eq!(answer.encapsulated.unwrap().body, EncapsulatedBody::Null);
    assert_eq!(used, out.len());
}

#[test]
fn an_offer() {
    let mut out = Vec::new();
    OptionsReply {
        is_tag: &tag(),
        date: None,
        connection: Connection::KeepAlive,
        service: "categories",
        service_id: "categorize",
        ttl_s: 60,
        connections_max: 1000,
        include: "X-Client-IP",
    }
    .write(&mut out);
    check(
        Exchange::Options,
        &out,
        expect![[r#"
            ICAP/1.0 200 OK
            Methods: REQMOD
            Service: categories
            Service-ID: categorize
            ISTag: "T1"
            Options-TTL: 60
            Max-Connections: 1000
            Allow: 204
            Preview: 0
            Transfer-Preview: *
            X-Include: X-Client-IP
            Encapsulated: null-body=0

        "#]],
    );
}

#[test]
fn errors_close() {
    for status in [
        Status::BadRequest,
        Status::NotFound,
        Status::Overloaded,
        Status::Version,
    ] {
        let mut out = Vec::new();
        write_error(status, &tag(), &mut out);
        let FedAnswer::Answer(answer, used) = AnswerReader::new(Exchange::Reqmod).feed(&out) else {
            panic!("{status:?}")
        };
        assert_eq!((answer.status, used), (status.code(), out.len()));
        assert_eq!(answer.connection, Connection::Close);
    }
}

fn tag() -> IsTag {
    IsTag::new("T1").unwrap()
}

fn fields(is_tag: &IsTag) -> ReplyFields<'_> {
    ReplyFields {
        is_tag,
        date: Some("Fri, 20 Nov 2026 18:50:26 GMT"),
        connection: Connection::KeepAlive,
        attribute: "",
        prefix: None,
        profile: None,
        response_info: None,
        response_desc: None,
        cache_control: None,
    }
}

/// Compares the bytes, and reads them to the last one as a client would.
#[track_caller]
fn check(exchange: Exchange, out: &[u8], expected: Expect) {
    expected.assert_eq(
        &String::from_utf8(out.to_vec())
            .unwrap()
            .replace("\r\n", "\n"),
    );
    assert_eq!(read(exchange, out).1, out.len());
}

#[track_caller]
fn read(exchange: Exchange, out: &[u8]) -> (Answer, usize) {
    let fed = AnswerReader::new(exchange).feed(out);
    let FedAnswer::Answer(answer, used) = fed else {
        panic!("{fed:?}")
    };
    let rest = match answer.rest.clone() {
        Rest::Nothing => 0,
        Rest::Skip(mut skip) => {
            let (rest, skipped) = skip.feed(&out[used..]).unwrap();
            assert_eq!(skipped, Skipped::Done);
            rest
        }
        Rest::Unframed => panic!("unframed"),
    };
    (*answer, used + rest)
}
