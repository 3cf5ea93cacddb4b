//! Statuses that refuse.

use crate::conformance::case::{Case, Need, Rule, Step, ask, refused, want};
use crate::conformance::check;
use crate::conformance::message::{GET, IEOF, LAST, options, reqmod, reqmod_as, respmod, whole};

const NOT_FOUND: Rule = Rule::should("4.3.3", "a service that is not there is 404");
const METHOD: Rule = Rule::should("4.3.3", "a method that a service does not have is 405");
const COMPOSITION: Rule = Rule::should(
    "e5",
    "sections other than the service needs are 418, or 400",
);
const TOLD: Rule = Rule::must("6.2", "who closes after an error says Connection: close");
const BODILESS: Rule = Rule::must("e1", "an error has no body that Encapsulated does not tell");
const TIMEOUT: Rule = Rule::may(
    "4.3.3",
    "a request that does not arrive is given up: 408, or closed",
);
const OVERLOAD: Rule = Rule::should(
    "4.3.3",
    "one connection over Max-Connections is answered: 503, or served",
);

pub(super) fn cases() -> Vec<Case> {
    [not_found(), methods(), composition(), told(), limits()].concat()
}

fn not_found() -> Vec<Case> {
    let rows = [
        (
            "not-found-options",
            options(),
            "OPTIONS icap://{authority}/no-such-service ICAP/1.0",
        ),
        (
            "not-found-reqmod",
            reqmod(GET),
            "REQMOD icap://{authority}/no-such-service ICAP/1.0",
        ),
        (
            "not-found-root",
            reqmod(GET),
            "REQMOD icap://{authority}/ ICAP/1.0",
        ),
        (
            "not-found-no-path",
            reqmod(GET),
            "REQMOD icap://{authority} ICAP/1.0",
        ),
        (
            "not-found-query",
            reqmod(GET),
            "REQMOD icap://{authority}/no-such-service?a=b ICAP/1.0",
        ),
        (
            "not-found-body",
            reqmod(GET).body(whole(&[b"a body"])),
            "REQMOD icap://{authority}/no-such-service ICAP/1.0",
        ),
        (
            "not-found-preview",
            reqmod(GET).preview(0).body(LAST),
            "REQMOD icap://{authority}/no-such-service ICAP/1.0",
        ),
    ];
    rows.map(|(id, message, line)| NOT_FOUND.case(id, ask(message.start(line), want(&[404]))))
        .to_vec()
}

fn methods() -> Vec<Case> {
    let rows = [
        ("respmod-405", respmod()),
        ("respmod-405-body", respmod().body(whole(&[b"a body"]))),
        ("respmod-405-preview", respmod().preview(0).body(IEOF)),
        ("respmod-405-allow", respmod().allow()),
    ];
    rows.map(|(id, message)| {
        METHOD
            .case(id, ask(message, want(&[405])))
            .needs(Need::NoRespmod)
    })
    .to_vec()
}

fn composition() -> Vec<Case> {
    let rows = [
        ("composition-nothing", reqmod_as("null-body=0", "")),
        (
            "composition-nothing-allow",
            reqmod_as("null-body=0", "").allow(),
        ),
        ("composition-no-encapsulated", reqmod("").encapsulated(None)),
        (
            "composition-body-alone",
            reqmod_as("req-body=0", "3\r\nabc\r\n0\r\n\r\n"),
        ),
    ];
    rows.map(|(id, message)| COMPOSITION.case(id, ask(message, refused(&[400, 418]))))
        .to_vec()
}

fn told() -> Vec<Case> {
    let rows = [
        (
            "told-404",
            reqmod(GET).start("REQMOD icap://{authority}/no-such-service ICAP/1.0"),
        ),
        (
            "told-404-options",
            options().start("OPTIONS icap://{authority}/no-such-service ICAP/1.0"),
        ),
        (
            "told-404-body",
            reqmod(GET)
                .start("REQMOD icap://{authority}/no-such-service ICAP/1.0")
                .body(whole(&[b"a body"])),
        ),
        ("told-501", options().start("LOOK {uri} ICAP/1.0")),
        ("told-505", options().start("OPTIONS {uri} ICAP/2.0")),
        ("told-400", reqmod_as("req-hdr=5, null-body=1", GET)),
        ("told-418", reqmod_as("null-body=0", "")),
    ];
    let steps =
        |message, check: fn(&_) -> _| vec![message, refused(&[]).is(check).into(), Step::AsTold];
    let mut cases: Vec<Case> = rows
        .map(|(id, message)| TOLD.case(id, steps(message.into(), |_| Ok(()))))
        .to_vec();
    let respmod: Step = respmod().body(whole(&[b"a body"])).into();
    cases.push(
        TOLD.case("told-405-body", steps(respmod, |_| Ok(())))
            .needs(Need::NoRespmod),
    );
    let bodiless: Step = options().start("LOOK {uri} ICAP/1.0").into();
    cases.push(BODILESS.case("error-frame-501", steps(bodiless, check::no_body)));
    let missing = options().start("OPTIONS icap://{authority}/no-such-service ICAP/1.0");
    cases.push(BODILESS.case("error-frame-404", steps(missing.into(), |_| Ok(()))));
    cases
}

fn limits() -> Vec<Case> {
    let half = |text: &str| vec![Step::Send(text.into()), refused(&[400, 408]).into()];
    vec![
        TIMEOUT
            .case("timeout-line", half("REQMOD {uri} ICA"))
            .slow(),
        TIMEOUT
            .case("timeout-fields", half("REQMOD {uri} ICAP/1.0\r\nHost: x\r\n"))
            .slow(),
        TIMEOUT
            .case(
                "timeout-heads",
                half("REQMOD {uri} ICAP/1.0\r\nHost: x\r\nEncapsulated: req-hdr=0, null-body=50\r\n\r\nGET / HTTP"),
            )
            .slow(),
        OVERLOAD
            .case(
                "one-connection-more",
                vec![
                    Step::Fill,
                    options().into(),
                    want(&[200, 503]).into(),
                ],
            )
            .needs(Need::FewConnections),
    ]
}
