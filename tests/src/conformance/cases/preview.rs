//! Previews.

use super::request_line::REFUSALS;
use crate::conformance::case::{Case, Rule, Step, Want, ask, ask_on, refused, served};
use crate::conformance::check;
use crate::conformance::message::{GET, IEOF, LAST, Message, POST, binary, chunks, reqmod};

const FINAL: Rule = Rule::must(
    "4.5",
    "a preview that was the whole message is answered finally, never with 100",
);
const NOTHING: Rule = Rule::must(
    "4.5",
    "a preview of a request without a body is answered at once",
);
const MORE: Rule = Rule::must(
    "4.5",
    "a preview is answered with 204, a modified message or 100, and after 100 finally",
);
const AFTER: Rule = Rule::must(
    "4.6",
    "after 100 the licence of the preview is over: 204 needs Allow: 204",
);
const STRIPPED: Rule = Rule::must("4.5", "ieof is not part of what comes back");
const UNKNOWN: Rule = Rule::must(
    "RFC 2616 3.6.1",
    "unknown extensions beside ieof are ignored",
);
const TRAILER: Rule = Rule::must("e2", "a preview may end with a trailer");
const WRITING: Rule = Rule::may("4.5", "other ways to write ieof are understood, or refused");
const NUMBER: Rule = Rule::should("4.5", "a Preview that is not a number is refused");
const ODD: Rule = Rule::may(
    "4.5",
    "a length of the preview that is odd is served, or refused",
);

pub(super) fn cases() -> Vec<Case> {
    [whole(), nothing(), more(), extensions(), numbers(), twice()].concat()
}

fn ieof(parts: &[&[u8]]) -> Vec<u8> {
    [chunks(parts), IEOF.into()].concat()
}

fn open(parts: &[&[u8]]) -> Vec<u8> {
    [chunks(parts), LAST.into()].concat()
}

fn whole() -> Vec<Case> {
    let long = binary(1024);
    let rows = [
        ("preview-0-ieof", 0, ieof(&[])),
        (
            "preview-30-all",
            30,
            ieof(&[b"I am posting this information."]),
        ),
        ("preview-1024-one-byte", 1024, ieof(&[b"x"])),
        ("preview-1024-empty", 1024, ieof(&[])),
        (
            "preview-1024-two-chunks",
            1024,
            ieof(&[&long[..512], &long[512..]]),
        ),
        ("preview-4096-short", 4096, ieof(&[&long])),
    ];
    let mut cases = Vec::new();
    for (id, len, body) in rows {
        let message = reqmod(POST).preview(len).body(body);
        cases.push(FINAL.case(id, ask_on(message, served())));
    }
    let message = reqmod(POST).preview(0).allow().body(IEOF);
    cases.push(FINAL.case("preview-0-ieof-allow", ask_on(message, served())));
    let message = reqmod(POST).preview(1024).body(ieof(&[b"abc", b"d"]));
    let copied = served().copies(POST, Some(b"abcd")).is(check::no_ieof);
    cases.push(STRIPPED.case("ieof-stripped", ask_on(message, copied)));
    let message = reqmod(POST).preview(0).body(IEOF);
    let copied = served().copies(POST, Some(b"")).is(check::no_ieof);
    cases.push(STRIPPED.case("ieof-stripped-empty", ask_on(message, copied)));
    cases
}

fn nothing() -> Vec<Case> {
    let rows = [
        ("preview-0-null-body", reqmod(GET).preview(0)),
        ("preview-0-null-body-allow", reqmod(GET).preview(0).allow()),
        ("preview-1024-null-body", reqmod(GET).preview(1024)),
        (
            "preview-null-body-squid",
            reqmod(GET).preview(0).field("Allow: 204, trailers"),
        ),
    ];
    rows.map(|(id, message)| NOTHING.case(id, ask_on(message, served())))
        .to_vec()
}

fn more() -> Vec<Case> {
    let long = binary(5000);
    let rows = [
        ("preview-0-more", 0, 0, 5000),
        ("preview-1-more", 1, 1, 1),
        ("preview-1024-more", 1024, 1024, 1),
        ("preview-4096-more", 4096, 4096, 904),
        ("preview-1024-more-less-shown", 1024, 10, 100),
    ];
    let mut cases = Vec::new();
    for (id, announced, shown, rest) in rows {
        let (shown, rest) = (&long[..shown], &long[shown..shown + rest]);
        let parts: &[&[u8]] = if shown.is_empty() { &[] } else { &[shown] };
        let message = reqmod(POST).allow().preview(announced).body(open(parts));
        let want = served().or_continue(&chunks(&[rest]), &[200, 204]);
        cases.push(MORE.case(id, ask_on(message, want)));
    }
    let copied = |want: Want, all: &[u8]| want.copies(POST, Some(all));
    let message = reqmod(POST).preview(0).body(LAST);
    let want = served().or_continue(&chunks(&[b"abc"]), &[200]);
    cases.push(AFTER.case("continue-without-allow-0", ask_on(message, want)));
    let message = reqmod(POST).preview(4).body(open(&[b"abcd"]));
    let want = copied(served().or_continue(&chunks(&[b"ef"]), &[200]), b"abcdef");
    cases.push(AFTER.case("continue-without-allow-4", ask_on(message, want)));
    let message = reqmod(POST).preview(1024).body(open(&[&long[..1024]]));
    let rest: Vec<&[u8]> = long[1024..].chunks(100).collect();
    let want = copied(served().or_continue(&chunks(&rest), &[200]), &long);
    cases.push(AFTER.case("continue-without-allow-many", ask_on(message, want)));
    cases
}

fn extensions() -> Vec<Case> {
    let rows = [
        (FINAL, "ieof-no-space", "0;ieof\r\n\r\n"),
        (UNKNOWN, "ieof-after-unknown", "0; x=y; ieof\r\n\r\n"),
        (UNKNOWN, "ieof-before-unknown", "0; ieof; x=y\r\n\r\n"),
        (
            UNKNOWN,
            "ieof-on-data-too",
            "3; x=y\r\nabc\r\n0; ieof\r\n\r\n",
        ),
        (TRAILER, "ieof-trailer", "0; ieof\r\nX-Trailer: a\r\n\r\n"),
    ];
    let mut cases: Vec<Case> = rows
        .map(|(rule, id, body)| {
            rule.case(id, ask_on(reqmod(POST).preview(1024).body(body), served()))
        })
        .to_vec();
    let odd = [
        ("ieof-upper", "0; IEOF\r\n\r\n"),
        ("ieof-space-before", "0 ; ieof\r\n\r\n"),
        ("ieof-spaces", "0;  ieof  \r\n\r\n"),
        ("ieof-zeros", "000; ieof\r\n\r\n"),
    ];
    let statuses = [&[100, 200, 204], REFUSALS].concat();
    cases.extend(odd.map(|(id, body)| {
        let message = reqmod(POST).preview(1024).body(body);
        WRITING.case(id, ask(message, refused(&statuses)))
    }));
    cases
}

fn with_preview(value: &str) -> Message {
    reqmod(GET).field(&format!("Preview: {value}"))
}

fn numbers() -> Vec<Case> {
    let wrong = [
        ("preview-letters", "abc"),
        ("preview-minus", "-1"),
        ("preview-fraction", "1.5"),
        ("preview-number-and-more", "10x"),
    ];
    let wrong =
        wrong.map(|(id, value)| NUMBER.case(id, ask(with_preview(value), refused(REFUSALS))));
    let statuses = [&[200, 204], REFUSALS].concat();
    let odd = [
        ("preview-empty", ""),
        ("preview-zeros", "000"),
        ("preview-32-bits", "4294967296"),
        ("preview-64-bits", "18446744073709551615"),
        ("preview-over-64-bits", "99999999999999999999999"),
    ];
    let odd = odd.map(|(id, value)| ODD.case(id, ask(with_preview(value), refused(&statuses))));
    let longer = reqmod(POST).preview(2).body(ieof(&[b"longer than that"]));
    let longer = ODD.case("preview-longer-than-told", ask(longer, refused(&statuses)));
    [&wrong[..], &odd, &[longer]].concat()
}

fn twice() -> Vec<Case> {
    let message = || reqmod(POST).allow().preview(3).body(open(&[b"abc"]));
    let want = || served().or_continue(&chunks(&[b"def"]), &[200, 204]);
    let drip = Step::Drip(reqmod(POST).preview(8).body(ieof(&[b"abcdefgh"])).bytes());
    vec![
        MORE.case(
            "preview-twice",
            [
                message().into(),
                want().into(),
                message().into(),
                want().into(),
                Step::Sound,
            ],
        ),
        FINAL.case("preview-byte-by-byte", [drip, served().into(), Step::Sound]),
    ]
}
