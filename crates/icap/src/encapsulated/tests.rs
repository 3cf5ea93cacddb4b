use expect_test::{Expect, expect};

use super::*;

#[test]
fn reqmod_requests() {
    let shape = Shape::ReqmodRequest;
    check(
        shape,
        "req-hdr=0, null-body=412",
        (Some(412), None),
        EncapsulatedBody::Null,
    );
    check(
        shape,
        "req-hdr=0,req-body=96",
        (Some(96), None),
        EncapsulatedBody::Request,
    );
    check(
        shape,
        " REQ-HDR=0 ,  Req-Body=96 ",
        (Some(96), None),
        EncapsulatedBody::Request,
    );
    check(shape, "req-body=0", (None, None), EncapsulatedBody::Request);
    check(shape, "null-body=0", (None, None), EncapsulatedBody::Null);
}

#[test]
fn answers_to_reqmod() {
    let shape = Shape::ReqmodAnswer;
    check(
        shape,
        "req-hdr=0, req-body=512",
        (Some(512), None),
        EncapsulatedBody::Request,
    );
    check(
        shape,
        "req-hdr=0, null-body=512",
        (Some(512), None),
        EncapsulatedBody::Null,
    );
    check(
        shape,
        "res-hdr=0, res-body=749",
        (None, Some(749)),
        EncapsulatedBody::Response,
    );
    check(
        shape,
        "res-hdr=0, null-body=749",
        (None, Some(749)),
        EncapsulatedBody::Null,
    );
    check(
        shape,
        "res-body=0",
        (None, None),
        EncapsulatedBody::Response,
    );
    check(shape, "null-body=0", (None, None), EncapsulatedBody::Null);
}

#[test]
fn respmod_requests() {
    let shape = Shape::RespmodRequest;
    check(
        shape,
        "req-hdr=0, res-hdr=822, res-body=1655",
        (Some(822), Some(833)),
        EncapsulatedBody::Response,
    );
    check(
        shape,
        "res-hdr=0, null-body=9",
        (None, Some(9)),
        EncapsulatedBody::Null,
    );
    check(
        shape,
        "req-hdr=0, res-body=9",
        (Some(9), None),
        EncapsulatedBody::Response,
    );
}

#[test]
fn options() {
    check(
        Shape::Options,
        "opt-body=0",
        (None, None),
        EncapsulatedBody::Options,
    );
    check(
        Shape::Options,
        "null-body=0",
        (None, None),
        EncapsulatedBody::Null,
    );
}

#[test]
fn errors_name_the_wrong_section() {
    let shape = Shape::ReqmodRequest;
    check_err(
        shape,
        "req-hdr=0, res-body=9",
        expect![
            "`res-body=9` cannot be there in a REQMOD request; use `[req-hdr] req-body|null-body`"
        ],
    );
    check_err(
        shape,
        "res-hdr=0, res-body=9",
        expect![
            "`res-hdr=0` cannot be there in a REQMOD request; use `[req-hdr] req-body|null-body`"
        ],
    );
    check_err(
        shape,
        "req-hdr=0, null-body=9, req-body=10",
        expect![
            "`req-body=10` cannot be there in a REQMOD request; use `[req-hdr] req-body|null-body`"
        ],
    );
    check_err(
        shape,
        "req-hdr=0, req-hdr=5, null-body=9",
        expect![
            "`req-hdr=5` cannot be there in a REQMOD request; use `[req-hdr] req-body|null-body`"
        ],
    );
    check_err(
        shape,
        "req-hdr=0",
        expect!["no section ends the message; use a body or `null-body`"],
    );
    check_err(
        shape,
        "",
        expect!["`` is not a section and its offset, such as `req-hdr=0`"],
    );
    check_err(
        shape,
        "req-hdr=0, null-body",
        expect!["`null-body` is not a section and its offset, such as `req-hdr=0`"],
    );
    check_err(
        shape,
        "req-hdr=0,",
        expect!["`` is not a section and its offset, such as `req-hdr=0`"],
    );
    check_err(
        shape,
        "req-hdr=0, mystery=9",
        expect!["`mystery=9` is not a section and its offset, such as `req-hdr=0`"],
    );
}

#[test]
fn errors_name_the_wrong_offset() {
    let shape = Shape::ReqmodRequest;
    check_err(
        shape,
        "req-hdr=0, req-body=-1",
        expect!["offset `-1` is not a number below 2^32"],
    );
    check_err(
        shape,
        "req-hdr=0, req-body=+1",
        expect!["offset `+1` is not a number below 2^32"],
    );
    check_err(
        shape,
        "req-hdr=0, req-body=4294967296",
        expect!["offset `4294967296` is not a number below 2^32"],
    );
    check_err(
        shape,
        "req-hdr=1, req-body=9",
        expect!["the first section starts at 1, not at 0"],
    );
    check_err(
        shape,
        "req-hdr=0, req-body=0",
        expect!["offset 0 is not beyond the one before it"],
    );
    check_err(
        Shape::RespmodRequest,
        "req-hdr=0, res-hdr=9, res-body=8",
        expect!["offset 8 is not beyond the one before it"],
    );
    check_err(
        Shape::ReqmodAnswer,
        "req-hdr=0, res-hdr=9, res-body=18",
        expect![
            "`res-hdr=9` cannot be there in an answer to REQMOD; use `[req-hdr] req-body|null-body` or `[res-hdr] res-body|null-body`"
        ],
    );
    check_err(
        Shape::Options,
        "req-hdr=0, null-body=9",
        expect!["`req-hdr=0` cannot be there in an OPTIONS message; use `opt-body|null-body`"],
    );
}

#[test]
fn heads_have_a_longest_length() {
    let value = |len: u32| format!("req-hdr=0, null-body={len}");
    let parse = |len| Encapsulated::parse(value(len).as_bytes(), Shape::ReqmodRequest);
    assert!(parse(HTTP_HEADS_LEN_MAX).is_ok());
    assert_eq!(
        parse(HTTP_HEADS_LEN_MAX + 1),
        Err(BadEncapsulated::TooLong {
            found: HTTP_HEADS_LEN_MAX + 1,
            len_max: HTTP_HEADS_LEN_MAX
        })
    );
}

#[track_caller]
fn check(shape: Shape, value: &str, heads: (Option<u32>, Option<u32>), body: EncapsulatedBody) {
    let found = Encapsulated::parse(value.as_bytes(), shape).unwrap();
    assert_eq!(
        (found.request_head, found.response_head, found.body),
        (heads.0, heads.1, body)
    );
    let written = found.to_string();
    assert_eq!(
        Encapsulated::parse(written.as_bytes(), shape),
        Ok(found),
        "{written}"
    );
}

#[track_caller]
fn check_err(shape: Shape, value: &str, expected: Expect) {
    let error = Encapsulated::parse(value.as_bytes(), shape).unwrap_err();
    expected.assert_eq(&error.to_string());
}
