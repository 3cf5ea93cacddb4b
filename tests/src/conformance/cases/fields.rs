//! Header fields of the ICAP head.

use super::request_line::REFUSALS;
use crate::conformance::case::{Case, Rule, Step, ask, ask_on, refused, served, want};
use crate::conformance::check;
use crate::conformance::message::{GET, IEOF, POST, options, reqmod, whole};

const NAMES: Rule = Rule::must("4.3", "field names are case-insensitive");
const SPACE: Rule = Rule::must(
    "RFC 2616 4.2",
    "a value may have any space around it, or none",
);
const ORDER: Rule = Rule::must(
    "RFC 2616 4.2",
    "the order of fields of other names means nothing",
);
const LINES: Rule = Rule::must(
    "RFC 2616 4.2",
    "a list may be spread over several fields of one name",
);
const EXTENSION: Rule = Rule::must("4.3", "fields that begin with X- may be sent");
const OWN: Rule = Rule::must("4.3", "fields of one's own begin with X-");
const COMMON: Rule = Rule::must(
    "4.3.1",
    "the general and request fields of HTTP may be sent",
);
const PROXY: Rule = Rule::must("4.4.2", "Proxy-Authorization comes in the ICAP head");
const FRAMING: Rule = Rule::must("e1", "Encapsulated alone frames a message");
const NO_CODING: Rule = Rule::must("4.3.1", "no answer has Transfer-Encoding in its ICAP head");
const EMPTY_LINE: Rule = Rule::should(
    "RFC 2616 4.1",
    "empty lines before a request are passed over",
);
const FOLDED: Rule = Rule::may("RFC 2616 4.2", "a folded line is read, or refused");
const ODD: Rule = Rule::may(
    "RFC 2616 19.3",
    "lines that are not in the grammar are read, or refused",
);
const MANY: Rule = Rule::should("4.3.3", "a head that is too long is refused");

pub(super) fn cases() -> Vec<Case> {
    [
        names(),
        spaces(),
        allowed(),
        framing(),
        own(),
        odd(),
        long(),
    ]
    .concat()
}

fn names() -> Vec<Case> {
    let rows = [
        ("names-lower", ["encapsulated", "allow", "preview"]),
        ("names-upper", ["ENCAPSULATED", "ALLOW", "PREVIEW"]),
        ("names-mixed", ["eNcApSuLaTeD", "aLlOw", "pReViEw"]),
    ];
    let mut cases: Vec<Case> = rows
        .map(|(id, names)| {
            let message = reqmod(POST).names(names).allow().preview(0).body(IEOF);
            NAMES.case(id, ask_on(message, served()))
        })
        .to_vec();
    let message = reqmod(GET).allow().host("HOST: {authority}\r\n");
    cases.push(NAMES.case("names-host", ask_on(message, served())));
    let message = reqmod(GET).allow().field("CONNECTION: close");
    cases.push(NAMES.case(
        "names-connection",
        [message.into(), served().into(), Step::Closed],
    ));
    cases
}

fn spaces() -> Vec<Case> {
    let len = GET.len();
    let list = format!("req-hdr=0, null-body={len}");
    let lines = [
        (
            SPACE,
            "space-none",
            format!("Allow:204\r\nEncapsulated:{list}"),
        ),
        (
            SPACE,
            "space-many",
            format!("Allow:    204\r\nEncapsulated:     {list}"),
        ),
        (
            SPACE,
            "space-tab",
            format!("Allow:\t204\r\nEncapsulated:\t{list}"),
        ),
        (
            SPACE,
            "space-after",
            format!("Allow: 204  \r\nEncapsulated: {list} \t"),
        ),
        (
            ORDER,
            "order-encapsulated-first",
            format!("Encapsulated: {list}\r\nAllow: 204"),
        ),
        (
            ORDER,
            "order-unknown-between",
            format!("Allow: 204\r\nX-A: b\r\nEncapsulated: {list}"),
        ),
        (
            LINES,
            "list-over-lines",
            format!("Allow: trailers\r\nAllow: 204\r\nEncapsulated: {list}"),
        ),
    ];
    lines
        .map(|(rule, id, lines)| {
            let message = reqmod(GET).encapsulated(None).field(&lines);
            rule.case(id, ask_on(message, served()))
        })
        .to_vec()
}

fn allowed() -> Vec<Case> {
    let long = format!("X-Long: {}", "v".repeat(4000));
    let many = (0..40).map(|n| format!("X-Field-{n}: {n}"));
    let many = many.collect::<Vec<_>>().join("\r\n");
    let rows = [
        (EXTENSION, "extension-plain", "X-Extension-Header: Foo"),
        (EXTENSION, "extension-empty", "X-Empty:"),
        (EXTENSION, "extension-colons", "X-Colons: a:b: c"),
        (EXTENSION, "extension-bytes", "X-Bytes: \u{e4}\u{20ac}"),
        (EXTENSION, "extension-long", &long),
        (EXTENSION, "extension-many", &many),
        (EXTENSION, "extension-client-ip", "X-Client-IP: 192.0.2.1"),
        (
            EXTENSION,
            "extension-client-ip-odd",
            "X-Client-IP: not an address",
        ),
        (
            EXTENSION,
            "extension-user",
            "X-Authenticated-User: TG9jYWw6Ly91c2Vy",
        ),
        (
            COMMON,
            "common-cache-control",
            "Cache-Control: no-cache\r\nPragma: no-cache",
        ),
        (COMMON, "common-keep-alive", "Connection: keep-alive"),
        (COMMON, "common-date", "Date: Mon, 10 Jan 2000 09:55:21 GMT"),
        (COMMON, "common-upgrade", "Upgrade: TLS/1.0"),
        (COMMON, "common-authorization", "Authorization: Basic dTpw"),
        (
            COMMON,
            "common-from",
            "From: a@b.test\r\nReferer: http://a.test/\r\nUser-Agent: x/1",
        ),
        (
            COMMON,
            "common-expires",
            "Expires: Mon, 10 Jan 2000 09:55:21 GMT",
        ),
        (
            PROXY,
            "proxy-authorization",
            "Proxy-Authorization: Basic dTpw",
        ),
    ];
    rows.map(|(rule, id, lines)| rule.case(id, ask_on(reqmod(GET).allow().field(lines), served())))
        .to_vec()
}

fn framing() -> Vec<Case> {
    let fields = [
        (
            "Transfer-Encoding: chunked",
            ["coding-get", "coding-post", "coding-options"],
        ),
        (
            "Content-Length: 5",
            ["length-get", "length-post", "length-options"],
        ),
        (
            "Content-Length: 99999",
            ["length-long-get", "length-long-post", "length-long-options"],
        ),
    ];
    let mut cases = Vec::new();
    for (field, [get, post, asked]) in fields {
        let message = reqmod(GET).allow().field(field);
        cases.push(FRAMING.case(get, ask_on(message, served())));
        let message = reqmod(POST)
            .allow()
            .field(field)
            .body(whole(&[b"abc", b"defg"]));
        cases.push(FRAMING.case(post, ask_on(message, served())));
        let message = options().field(field);
        cases.push(FRAMING.case(asked, ask_on(message, want(&[200]))));
    }
    cases
}

fn own() -> Vec<Case> {
    let missing = || options().start("OPTIONS icap://{authority}/no-such-service ICAP/1.0");
    let messages = [
        ("own-fields-options", "no-coding-options", options()),
        ("own-fields-reqmod", "no-coding-reqmod", reqmod(GET).allow()),
        (
            "own-fields-copy",
            "no-coding-copy",
            reqmod(POST).body(whole(&[b"x"])),
        ),
        ("own-fields-error", "no-coding-error", missing()),
    ];
    let mut cases = Vec::new();
    for (fields, coding, message) in messages {
        let asked = |want| ask(message.clone(), want);
        cases.push(OWN.case(fields, asked(refused(&[]).is(check::known_fields))));
        cases.push(NO_CODING.case(coding, asked(refused(&[]).is(check::no_transfer_encoding))));
    }
    cases
}

fn odd() -> Vec<Case> {
    let statuses = [&[200, 204], REFUSALS].concat();
    let rows = [
        (FOLDED, "folded-unknown", "X-Folded: a\r\n b"),
        (FOLDED, "folded-tab", "X-Folded: a\r\n\tb"),
        (FOLDED, "folded-empty", "X-Folded:\r\n a"),
        (ODD, "odd-no-colon", "this is no field"),
        (ODD, "odd-no-name", ": value"),
        (ODD, "odd-space-before-colon", "X-Space : value"),
        (ODD, "odd-space-in-name", "X Space: value"),
        (ODD, "odd-nul", "X-Nul: a\0b"),
        (ODD, "odd-carriage-return", "X-Return: a\rb"),
        (ODD, "odd-line-feed", "X-Line: a\nX-Other: b"),
        (ODD, "odd-control", "X-Control: a\u{1}\u{7f}b"),
    ];
    let mut cases: Vec<Case> = rows
        .map(|(rule, id, lines)| {
            rule.case(
                id,
                ask(reqmod(GET).allow().field(lines), refused(&statuses)),
            )
        })
        .to_vec();
    let bare = options().bytes().into_iter().filter(|byte| *byte != b'\r');
    let bare = vec![Step::Send(bare.collect()), refused(&statuses).into()];
    cases.push(ODD.case("odd-only-line-feeds", bare));
    let before = [b"\r\n".to_vec(), options().bytes()].concat();
    let before = vec![Step::Send(before), want(&[200]).into(), Step::Sound];
    cases.push(EMPTY_LINE.case("empty-line-before-first", before));
    let between = [b"\r\n\r\n".to_vec(), options().bytes()].concat();
    let between = vec![
        options().into(),
        want(&[200]).into(),
        Step::Send(between),
        want(&[200]).into(),
    ];
    cases.push(EMPTY_LINE.case("empty-lines-between", between));
    cases
}

fn long() -> Vec<Case> {
    let many: String = (0..5000).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let rows = [
        (
            "head-long-value",
            format!("X-Long: {}", "v".repeat(1_000_000)),
        ),
        ("head-long-name", format!("X-{}: a", "n".repeat(1_000_000))),
        ("head-many-fields", many.trim_end().to_owned()),
    ];
    let mut cases: Vec<Case> = rows
        .map(|(id, lines)| {
            MANY.case(
                id,
                ask(reqmod(GET).allow().field(&lines), refused(REFUSALS)),
            )
        })
        .to_vec();
    let endless = [
        b"OPTIONS {uri} ICAP/1.0\r\nX: ".as_slice(),
        &[b'v'; 1_000_000],
    ]
    .concat();
    let endless = vec![Step::Send(endless), refused(REFUSALS).into()];
    cases.push(MANY.case("head-endless", endless));
    cases
}
