use expect_test::{Expect, expect};

use super::*;
use crate::{HEAD_LEN_MAX, Skipped};

#[test]
fn an_answer_with_everything_that_is_read() {
    let answer = read(
        Exchange::Reqmod,
        "ICAP/1.0 204 Unmodified\r\nISTag: \"T1\"\r\nX-Attribute: Sport, sg{News}\r\n\
         X-Attribute-Prefix: 24\r\nX-Attribute-Cacheability: all\r\nCache-Control: max-age=9\r\n\
         Connection: close\r\n\r\n",
    );
    assert_eq!(
        answer,
        Answer {
            status: 204,
            is_tag: Some(IsTag::new("T1").unwrap()),
            categories: Some(["sport", "sg", "news"].map(str::to_owned).to_vec()),
            prefix: PrefixLength::Number(24),
            cacheability: Cacheability::All,
            cache_directive: CacheDirective::MaxAge(9),
            connection: Connection::Close,
            options: None,
            encapsulated: None,
            http_response: None,
            rest: Rest::Nothing,
        }
    );
}

#[test]
fn an_http_response_is_read_where_that_is_asked_for() {
    let http = "HTTP/1.1 302 Found\r\nLocation: http://a.example/\r\n\r\n";
    let len = http.len();
    let head = format!(
        "ICAP/1.0 200 OK\r\nX-Attribute: a\r\nEncapsulated: res-hdr=0, res-body={len}\r\n\r\n"
    );
    let whole = format!("{head}{http}2\r\nhi\r\n0\r\n\r\n");
    for cut in 0..=whole.len() {
        let received = &whole.as_bytes()[..cut];
        // Byte by byte, and at once.
        let mut slow = AnswerReader::new(Exchange::Reqmod).with_http_response();
        for end in 0..cut {
            slow.feed(&received[..end]);
        }
        let mut at_once = AnswerReader::new(Exchange::Reqmod).with_http_response();
        let mut skipping = AnswerReader::new(Exchange::Reqmod);
        if cut < head.len() + len {
            assert_eq!(at_once.feed(received), FedAnswer::NeedMore, "{cut}");
        } else {
            let FedAnswer::Answer(answer, used) = at_once.feed(received) else {
                panic!("{cut}");
            };
            assert_eq!(
                (used, answer.http_response.unwrap().status),
                (head.len(), 302)
            );
        }
        if cut == head.len() {
            let FedAnswer::Answer(answer, _) = skipping.feed(received) else {
                panic!("{cut}");
            };
            assert_eq!(answer.http_response, None);
        }
    }
    let mut reader = AnswerReader::new(Exchange::Reqmod).with_http_response();
    let FedAnswer::Answer(answer, used) = reader.feed(whole.as_bytes()) else {
        panic!("an answer");
    };
    let Rest::Skip(mut skip) = answer.rest else {
        panic!("something to skip");
    };
    let rest = &whole.as_bytes()[used..];
    assert_eq!(skip.feed(rest), Ok((rest.len(), Skipped::Done)));
}

#[test]
fn an_http_response_that_is_none_is_no_answer() {
    for (http, len) in [
        ("HTTP/1.1 403 x\r\n\r\n", 17),
        ("HTTP/1.1 403 x\r\n\r\n", 19),
        ("GET / HTTP/1.1\r\n\r\n", 18),
        ("HTTP/1.1 100 x\r\n\r\n", 18),
    ] {
        let whole = format!(
            "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, null-body={len}\r\n\r\n{http}\r\n"
        );
        let mut reader = AnswerReader::new(Exchange::Reqmod).with_http_response();
        let fed = reader.feed(whole.as_bytes());
        assert!(
            matches!(fed, FedAnswer::Bad(BadAnswer::HttpResponse(_))),
            "{http} {fed:?}"
        );
    }
    let whole = "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, null-body=65537\r\n\r\n";
    let mut reader = AnswerReader::new(Exchange::Reqmod).with_http_response();
    assert_eq!(
        reader.feed(whole.as_bytes()),
        FedAnswer::Bad(BadAnswer::BodyTooLong)
    );
}

#[test]
fn an_offer_is_read() {
    let answer = read(
        Exchange::Options,
        "ICAP/1.0 200 OK\r\nMethods: RESPMOD, reqmod\r\nAllow: 204, 206\r\nPreview: 1024\r\n\
         Options-TTL: 3600\r\nMax-Connections: 100\r\nX-Include: X-Client-IP, X-Subscriber-ID\r\n\
         Encapsulated: null-body=0\r\n\r\n",
    );
    let offer = answer.options.unwrap();
    assert!(offer.includes("x-subscriber-id") && !offer.includes("X-Server-IP"));
    assert_eq!(
        (
            offer.reqmod,
            offer.allow_204,
            offer.preview,
            offer.ttl_s,
            offer.connections_max
        ),
        (true, true, Some(1024), Some(3600), Some(100))
    );
    let answer = read(
        Exchange::Options,
        "ICAP/1.0 200 OK\r\nOptions-TTL: soon\r\n\r\n",
    );
    assert_eq!(answer.options, Some(OptionsFields::default()));
}

#[test]
fn what_follows_the_head() {
    for (exchange, head, expected) in [
        (Exchange::Reqmod, "100 Continue\r\n", "nothing"),
        (Exchange::Reqmod, "204 x\r\n", "nothing"),
        (
            Exchange::Reqmod,
            "204 x\r\nEncapsulated: null-body=0\r\n",
            "nothing",
        ),
        (
            Exchange::Reqmod,
            "204 x\r\nEncapsulated: req-hdr=0, null-body=9\r\n",
            "unframed",
        ),
        (
            Exchange::Reqmod,
            "204 x\r\nEncapsulated: nonsense\r\n",
            "unframed",
        ),
        (Exchange::Reqmod, "200 OK\r\n", "unframed"),
        (
            Exchange::Reqmod,
            "200 OK\r\nEncapsulated: null-body=0\r\n",
            "nothing",
        ),
        (
            Exchange::Reqmod,
            "200 OK\r\nEncapsulated: req-hdr=0, null-body=9\r\n",
            "skip",
        ),
        (
            Exchange::Reqmod,
            "206 OK\r\nEncapsulated: req-hdr=0, req-body=9\r\n",
            "skip",
        ),
        (Exchange::Reqmod, "403 No\r\n", "unframed"),
        (Exchange::Options, "200 OK\r\n", "nothing"),
        (
            Exchange::Options,
            "200 OK\r\nEncapsulated: opt-body=0\r\n",
            "skip",
        ),
        (Exchange::Options, "404 No\r\n", "unframed"),
    ] {
        let found = match read(exchange, &format!("ICAP/1.0 {head}\r\n")).rest {
            Rest::Nothing => "nothing",
            Rest::Skip(_) => "skip",
            Rest::Unframed => "unframed",
        };
        assert_eq!(found, expected, "{exchange:?} {head}");
    }
}

#[test]
fn refused() {
    check_err(
        "HTTP/1.1 200 OK\r\n\r\n",
        expect!["`HTTP/1.1 200 OK` is not a status line; expected `ICAP/1.0` and a status"],
    );
    check_err(
        "ICAP/1.0 200 OK\n\n",
        expect!["a line ends with LF alone; use CRLF"],
    );
    check_err("\r\n", expect!["the head starts with an empty line"]);
    check_err(
        "ICAP/1.0 204 x\r\nISTag: \"\"\r\n\r\n",
        expect!["the ISTag is empty"],
    );
    check_err(
        "ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=5, null-body=9\r\n\r\n",
        expect!["the first section starts at 5, not at 0"],
    );
    check_err(
        "ICAP/1.0 200 OK\r\nEncapsulated: null-body=0\r\nEncapsulated: null-body=0\r\n\r\n",
        expect!["`Encapsulated` is given twice"],
    );
    check_err(
        &"x".repeat(HEAD_LEN_MAX),
        expect!["the head is longer than 65536 bytes"],
    );
}

#[test]
fn a_copy_is_read_past_to_the_byte() {
    let head = "GET / HTTP/1.1\r\n\r\n";
    check_skip("null-body", head, Ok(head.len()));
    let message = format!("{head}3\r\nabc\r\n0\r\nt: 1\r\n\r\n");
    check_skip("req-body", &message, Ok(message.len()));
    check_skip(
        "req-body",
        &format!("{head}3\r\nabcd"),
        Err(BadAnswer::Chunk(BadChunk::LineEnd)),
    );
}

#[test]
fn no_more_than_the_limit_is_read_past() {
    let head = "GET / HTTP/1.1\r\n\r\n";
    // Head, size line, end of the chunk, last chunk.
    let around = head.len() + 6 + 2 + 5;
    let body = |len: usize| format!("{head}{len:04X}\r\n{}\r\n0\r\n\r\n", "a".repeat(len));
    let longest = SKIP_LEN_MAX - around;
    check_skip("req-body", &body(longest), Ok(SKIP_LEN_MAX));
    check_skip("req-body", &body(longest + 1), Err(BadAnswer::BodyTooLong));
}

/// Reads past a message at once and in small pieces.
#[track_caller]
fn check_skip(section: &str, message: &str, expected: Result<usize, BadAnswer>) {
    let head = format!("ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, {section}=18\r\n\r\n");
    let Rest::Skip(skip) = read(Exchange::Reqmod, &head).rest else {
        panic!("{head}")
    };
    let message = format!("{message}ICAP/1.0 next");
    for step in [message.len(), 1 + message.len() / 500] {
        assert_eq!(
            skip_in_steps(skip.clone(), message.as_bytes(), step),
            expected
        );
    }
}

fn skip_in_steps(mut skip: Skip, message: &[u8], step: usize) -> Result<usize, BadAnswer> {
    let (mut used, mut end) = (0, 0);
    loop {
        let (more, skipped) = skip.feed(&message[used..end])?;
        used += more;
        match skipped {
            Skipped::Done => return Ok(used),
            Skipped::NeedMore => end = (end + step).min(message.len()),
        }
    }
}

#[track_caller]
fn read(exchange: Exchange, head: &str) -> Answer {
    let bytes = format!("{head}junk");
    let mut reader = AnswerReader::new(exchange);
    assert_eq!(
        reader.feed(&bytes.as_bytes()[..head.len() - 1]),
        FedAnswer::NeedMore
    );
    let fed = reader.feed(bytes.as_bytes());
    let FedAnswer::Answer(answer, used) = fed else {
        panic!("{fed:?}")
    };
    assert_eq!(used, head.len());
    *answer
}

#[track_caller]
fn check_err(head: &str, expected: Expect) {
    let fed = AnswerReader::new(Exchange::Reqmod).feed(head.as_bytes());
    let FedAnswer::Bad(bad) = fed else {
        panic!("{fed:?}")
    };
    expected.assert_eq(&bad.to_string());
}
