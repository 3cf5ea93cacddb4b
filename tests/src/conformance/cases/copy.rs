//! The request comes back as it was sent.

use crate::conformance::case::{Case, Rule, Sent, Step, ask_on, want};
use crate::conformance::check;
use crate::conformance::message::{GET, POST, binary, chunks, reqmod, whole};

const MESSAGE: Rule = Rule::must(
    "4.6",
    "without a licence for 204 the whole message comes back: its head",
);
const BODY: Rule = Rule::must(
    "4.6",
    "without a licence for 204 the whole message comes back: its body",
);
const BYTES: Rule = Rule::should(
    "4.6",
    "the head comes back byte for byte: order, case, spaces",
);
const TRAILERS: Rule = Rule::must("e2", "an HTTP trailer is accepted and comes back");
const VIA: Rule = Rule::should("4.4.2", "Via is added to what comes back");
const VIA_PROTOCOL: Rule = Rule::must("4.4.2", "the Via that is added names ICAP/1.0");
const VIA_KEPT: Rule = Rule::must("RFC 2616 14.45", "Via is added after those that are there");
const WHOLE: Rule = Rule::may("e7", "a long body comes back while it is sent");
const HOP: Rule = Rule::may(
    "4.4.2",
    "hop-by-hop fields in an encapsulated head do no harm",
);

pub(super) fn cases() -> Vec<Case> {
    [heads(), bodies(), trailers(), vias()].concat()
}

fn heads() -> Vec<Case> {
    let rows = [
        ("head", "head-bytes", GET),
        (
            "head-http-1-0",
            "head-bytes-http-1-0",
            "GET http://conformance.test/ HTTP/1.0\r\n\r\n",
        ),
        (
            "head-origin-form",
            "head-bytes-origin-form",
            "GET /a HTTP/1.1\r\nHost: conformance.test\r\n\r\n",
        ),
        (
            "head-delete",
            "head-bytes-delete",
            "DELETE http://conformance.test/a HTTP/1.1\r\nHOST: conformance.test\r\n\r\n",
        ),
        (
            "head-connect",
            "head-bytes-connect",
            "CONNECT conformance.test:443 HTTP/1.1\r\nHost: conformance.test:443\r\n\r\n",
        ),
        (
            "head-address",
            "head-bytes-address",
            "GET http://[2001:db8::1]:8080/ HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n",
        ),
        (
            "head-cookies",
            "head-bytes-cookies",
            "GET http://conformance.test/ HTTP/1.1\r\nHost: conformance.test\r\n\
             Cookie: a=b\r\nX-Same: 1\r\nX-Other: 2\r\nX-Same: 3\r\nX-Empty: \r\n\r\n",
        ),
    ];
    let mut cases = Vec::new();
    for (same, bytes, head) in rows {
        let copied = |copy| want(&[200]).copy(copy);
        let sent = head.as_bytes().to_vec();
        let steps = ask_on(reqmod(head), copied(Sent::Head(sent.clone())));
        cases.push(MESSAGE.case(same, steps));
        cases.push(BYTES.case(bytes, ask_on(reqmod(head), copied(Sent::HeadBytes(sent)))));
    }
    let hop = "GET http://conformance.test/ HTTP/1.1\r\nHost: conformance.test\r\n\
               Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n";
    cases.push(HOP.case("hop-by-hop", ask_on(reqmod(hop), want(&[200]))));
    cases
}

fn bodies() -> Vec<Case> {
    let long = binary(300_000);
    let single: Vec<&[u8]> = long[..300].chunks(1).collect();
    let rows: [(&'static str, Vec<&[u8]>); 9] = [
        ("body-empty", vec![]),
        ("body-one-byte", vec![b"x"]),
        ("body-one-chunk", vec![b"I am posting this information."]),
        ("body-lines", vec![b"\r\n0\r\n\r\nICAP/1.0 200 OK\r\n\r\n"]),
        ("body-every-byte", vec![&long[..256]]),
        ("body-single-bytes", single),
        ("body-4096", vec![&long[..4096]]),
        ("body-65536", vec![&long[..65536]]),
        ("body-many-chunks", long.chunks(1000).collect()),
    ];
    let mut cases = Vec::new();
    for (id, parts) in rows {
        let copied = want(&[200]).copies(POST, Some(&parts.concat()));
        cases.push(BODY.case(id, ask_on(reqmod(POST).body(whole(&parts)), copied)));
    }
    let none = want(&[200]).copies(GET, None);
    cases.push(BODY.case("body-none", ask_on(reqmod(GET), none)));
    let halves = whole(&[&long[..3000]]);
    let message = reqmod(POST).body(halves).bytes();
    let (first, second) = message.split_at(message.len() - 1500);
    let copied = want(&[200]).copies(POST, Some(&long[..3000]));
    cases.push(BODY.case(
        "body-two-segments",
        [
            Step::Send(first.to_vec()),
            Step::Send(second.to_vec()),
            copied.into(),
            Step::Sound,
        ],
    ));
    let huge = binary(1_500_000);
    let parts: Vec<&[u8]> = huge.chunks(16_000).collect();
    let copied = want(&[200]).copies(POST, Some(&huge));
    cases.push(WHOLE.case(
        "body-1-5-megabytes",
        ask_on(reqmod(POST).body(whole(&parts)), copied),
    ));
    cases
}

fn trailers() -> Vec<Case> {
    let rows = [
        ("trailer-one", "X-Checksum: abc\r\n"),
        ("trailer-two", "X-Checksum: abc\r\nx-SECOND:  d\r\n"),
    ];
    let mut cases = Vec::new();
    for (id, trailer) in rows {
        let end = format!("0\r\n{trailer}\r\n");
        let body = [chunks(&[b"abcdef"]), end.into()].concat();
        let copied = want(&[200])
            .copies(POST, Some(b"abcdef"))
            .copy(Sent::Trailers(trailer.into()));
        cases.push(TRAILERS.case(id, ask_on(reqmod(POST).body(body), copied)));
    }
    let body = [chunks(&[b"abc"]), b"0\r\nX-Checksum: abc\r\n\r\n".to_vec()].concat();
    let message = reqmod(POST).allow().body(body);
    cases.push(TRAILERS.case("trailer-allow", ask_on(message, want(&[200, 204]))));
    cases
}

fn vias() -> Vec<Case> {
    let before = "GET http://conformance.test/ HTTP/1.1\r\nHost: conformance.test\r\n\
                  Via: 1.1 before\r\n\r\n";
    let twice = "GET http://conformance.test/ HTTP/1.1\r\nVia: 1.1 before\r\n\
                 Host: conformance.test\r\nVIA: 1.1 before\r\n\r\n";
    let post = || reqmod(POST).body(whole(&[b"abc"]));
    vec![
        VIA.case("via-get", ask_on(reqmod(GET), want(&[200]).is(check::via))),
        VIA.case("via-post", ask_on(post(), want(&[200]).is(check::via))),
        VIA_PROTOCOL.case(
            "via-protocol-get",
            ask_on(reqmod(GET), want(&[200]).is(check::via_protocol)),
        ),
        VIA_PROTOCOL.case(
            "via-protocol-post",
            ask_on(post(), want(&[200]).is(check::via_protocol)),
        ),
        VIA_PROTOCOL.case(
            "via-protocol-beside",
            ask_on(reqmod(before), want(&[200]).is(check::via_protocol)),
        ),
        VIA_KEPT.case(
            "via-kept",
            ask_on(reqmod(before), want(&[200]).is(check::via_kept)),
        ),
        VIA_KEPT.case(
            "via-kept-two",
            ask_on(reqmod(twice), want(&[200]).is(check::via_kept)),
        ),
    ]
}
