//! The request line: method, URI, version.

use crate::conformance::case::{Case, Rule, Step, ask, ask_on, refused, served, want};
use crate::conformance::message::{GET, Message, options, reqmod};

const STATUS_LINE: Rule = Rule::must("4.3.3", "an answer starts with a status line of ICAP/1.0");
const UNKNOWN: Rule = Rule::must("4.3.2", "an unknown method gets 501");
const NOT_501: Rule = Rule::must("4.3.3", "OPTIONS never gets 501");
const CASE: Rule = Rule::should("RFC 2616 5.1.1", "method names are case-sensitive");
const VERSION: Rule = Rule::should("4.3.3", "a version that is not spoken gets 505");
const MINOR: Rule = Rule::may("4.3.3", "another minor version is served, or gets 505");
const HOSTS: Rule = Rule::must("4.2", "the service is found under every name of its host");
const PORT: Rule = Rule::must(
    "4.2",
    "a port that is empty or not there is the default one",
);
const USER: Rule = Rule::must("4.2", "the authority may have a userinfo");
const QUERY: Rule = Rule::must("4.2", "the URI may have a query for the service");
const SCHEME: Rule = Rule::should("RFC 2396 3.1", "the scheme may be written in upper case");
const ABSOLUTE: Rule = Rule::should(
    "4.2",
    "a URI that is not absolute, or not ICAP's, is refused",
);
const MALFORMED: Rule = Rule::should("4.3.3", "a request line that is none gets 400");
const NO_HOST: Rule = Rule::may("4.3.2", "a request without Host, or with two, is answered");
const LONG: Rule = Rule::should("4.3.3", "a request line without end is refused");

/// What refuses a message that cannot be understood.
pub(super) const REFUSALS: &[u16] = &[400, 404, 405, 413, 414, 418, 431, 500, 501, 505];

pub(super) fn cases() -> Vec<Case> {
    [
        status_lines(),
        methods(),
        versions(),
        uris(),
        bad_uris(),
        malformed(),
        hosts(),
    ]
    .concat()
}

fn status_lines() -> Vec<Case> {
    let rows = [
        ("status-line-options", options()),
        ("status-line-reqmod", reqmod(GET).allow()),
        ("status-line-copy", reqmod(GET)),
        (
            "status-line-not-found",
            options().start("OPTIONS icap://{authority}/no-such-service ICAP/1.0"),
        ),
        (
            "status-line-unknown-method",
            reqmod(GET).start("LOOK {uri} ICAP/1.0"),
        ),
    ];
    rows.map(|(id, message)| STATUS_LINE.case(id, ask(message, want(&[]))))
        .to_vec()
}

fn methods() -> Vec<Case> {
    let unknown = [
        ("method-unknown", "LOOK {uri} ICAP/1.0"),
        ("method-extension", "X-LOOK {uri} ICAP/1.0"),
        ("method-of-http", "GET {uri} ICAP/1.0"),
        ("method-longer", "REQMODS {uri} ICAP/1.0"),
        ("method-shorter", "REQ {uri} ICAP/1.0"),
    ];
    let unknown =
        unknown.map(|(id, line)| UNKNOWN.case(id, ask(options().start(line), want(&[501]))));
    let lower = [
        ("method-lower-reqmod", "reqmod {uri} ICAP/1.0"),
        ("method-mixed-options", "Options {uri} ICAP/1.0"),
    ];
    let lower = lower.map(|(id, line)| {
        let message = reqmod(GET).start(line);
        CASE.case(id, ask(message, refused(&[400, 405, 501])))
    });
    let never = [
        ("options-not-501-service", "OPTIONS {uri} ICAP/1.0"),
        (
            "options-not-501-no-service",
            "OPTIONS icap://{authority}/no-such-service ICAP/1.0",
        ),
        (
            "options-not-501-root",
            "OPTIONS icap://{authority}/ ICAP/1.0",
        ),
        ("options-not-501-star", "OPTIONS * ICAP/1.0"),
        ("options-not-501-query", "OPTIONS {uri}?no=thing ICAP/1.0"),
    ];
    let statuses = &[200, 400, 401, 403, 404, 405, 407, 500, 503, 505];
    let never =
        never.map(|(id, line)| NOT_501.case(id, ask(options().start(line), refused(statuses))));
    [&unknown[..], &lower, &never].concat()
}

fn versions() -> Vec<Case> {
    let other = [
        ("version-2", "OPTIONS {uri} ICAP/2.0"),
        ("version-2-reqmod", "REQMOD {uri} ICAP/2.0"),
        ("version-9", "OPTIONS {uri} ICAP/9.9"),
        ("version-10", "OPTIONS {uri} ICAP/10.0"),
    ];
    let other =
        other.map(|(id, line)| VERSION.case(id, ask(reqmod(GET).start(line), want(&[505]))));
    let minor = [
        ("version-1-1", "OPTIONS {uri} ICAP/1.1"),
        ("version-0-9", "OPTIONS {uri} ICAP/0.9"),
    ];
    let minor =
        minor.map(|(id, line)| MINOR.case(id, ask(options().start(line), want(&[200, 400, 505]))));
    [&other[..], &minor].concat()
}

fn uris() -> Vec<Case> {
    let rows = [
        (HOSTS, "uri-localhost", "icap://localhost{path}"),
        (HOSTS, "uri-localhost-mixed", "icap://LocalHost{path}"),
        (HOSTS, "uri-address", "icap://127.0.0.1{path}"),
        (HOSTS, "uri-address-v6", "icap://[::1]{path}"),
        (HOSTS, "uri-alias", "icap://icap.conformance.test{path}"),
        (PORT, "uri-no-port", "icap://icap.conformance.test{path}"),
        (PORT, "uri-empty-port", "icap://127.0.0.1:{path}"),
        (PORT, "uri-default-port", "icap://127.0.0.1:1344{path}"),
        (USER, "uri-userinfo", "icap://user@{authority}{path}"),
        (QUERY, "uri-query", "{uri}?mode=translate&lang=french"),
        (QUERY, "uri-query-empty", "{uri}?"),
        (QUERY, "uri-query-no-value", "{uri}?arg"),
        (QUERY, "uri-query-escaped", "{uri}?arg=%2F%3F%20x"),
        (QUERY, "uri-query-question", "{uri}?arg=a?b"),
        (SCHEME, "uri-scheme-upper", "ICAP://{authority}{path}"),
    ];
    rows.map(|(rule, id, uri)| {
        let message = reqmod(GET).start(&format!("REQMOD {uri} ICAP/1.0")).allow();
        rule.case(id, ask_on(message, served()))
    })
    .to_vec()
}

fn bad_uris() -> Vec<Case> {
    let rows = [
        ("uri-relative", "{path}"),
        ("uri-no-scheme", "//{authority}{path}"),
        ("uri-http", "http://{authority}{path}"),
        ("uri-no-host", "icap://{path}"),
        ("uri-control-byte", "icap://{authority}{path}\u{1}"),
    ];
    rows.map(|(id, uri)| {
        let message = reqmod(GET).start(&format!("REQMOD {uri} ICAP/1.0")).allow();
        ABSOLUTE.case(id, ask(message, refused(REFUSALS)))
    })
    .to_vec()
}

fn malformed() -> Vec<Case> {
    let rows = [
        ("line-one-word", "OPTIONS"),
        ("line-no-version", "OPTIONS {uri}"),
        ("line-no-uri", "OPTIONS ICAP/1.0"),
        ("line-four-words", "OPTIONS {uri} {uri} ICAP/1.0"),
        ("line-http", "OPTIONS {uri} HTTP/1.1"),
        ("line-version-no-number", "OPTIONS {uri} ICAP/x"),
        ("line-version-spaces", "OPTIONS {uri} ICAP / 1.0"),
        ("line-no-words", "\u{1}\u{2}\u{3}"),
        ("line-method-bytes", "OPT(IONS {uri} ICAP/1.0"),
        ("line-nul", "OPTIONS {uri}\0 ICAP/1.0"),
    ];
    let mut cases: Vec<Case> = rows
        .map(|(id, line)| MALFORMED.case(id, ask(options().start(line), refused(REFUSALS))))
        .to_vec();
    let long = format!("OPTIONS {{uri}}{} ICAP/1.0", "a".repeat(200_000));
    cases.push(LONG.case(
        "line-too-long",
        ask(options().start(&long), refused(REFUSALS)),
    ));
    let endless = vec![
        Step::Send([b"OPTIONS icap://".as_slice(), &[b'a'; 1_000_000]].concat()),
        refused(REFUSALS).into(),
    ];
    cases.push(LONG.case("line-endless", endless));
    cases
}

fn hosts() -> Vec<Case> {
    let rows: [(&'static str, Message); 4] = [
        ("host-missing", reqmod(GET).host("").allow()),
        ("host-twice", reqmod(GET).allow().field("Host: other.test")),
        ("host-empty", reqmod(GET).host("Host:\r\n").allow()),
        (
            "host-of-another",
            reqmod(GET).host("Host: other.test:99\r\n").allow(),
        ),
    ];
    let mut cases: Vec<Case> = rows
        .map(|(id, message)| NO_HOST.case(id, ask(message, want(&[200, 204, 400]))))
        .to_vec();
    let options = options().host("");
    cases.push(NO_HOST.case("host-missing-options", ask(options, want(&[200, 400]))));
    cases
}
