//! `ISTag`.

use crate::conformance::case::{Case, Need, Rule, any, ask, served, want};
use crate::conformance::check;
use crate::conformance::message::{
    GET, IEOF, Message, POST, options, reqmod, reqmod_as, respmod, whole,
};

const EVERY: Rule = Rule::must("4.7", "every answer has an ISTag");
const QUOTED: Rule = Rule::must("4.7", "the ISTag is a quoted string");
const LEN: Rule = Rule::must("4.7", "the ISTag has at most 32 bytes");

pub(super) fn cases() -> Vec<Case> {
    let mut cases = in_errors();
    let good: [(&'static str, &'static str, &'static str, Message); 4] = [
        (
            "istag-options",
            "istag-quoted-options",
            "istag-len-options",
            options(),
        ),
        (
            "istag-204",
            "istag-quoted-204",
            "istag-len-204",
            reqmod(GET).allow(),
        ),
        (
            "istag-copy",
            "istag-quoted-copy",
            "istag-len-copy",
            reqmod(GET),
        ),
        (
            "istag-preview",
            "istag-quoted-preview",
            "istag-len-preview",
            reqmod(POST).preview(0).body(IEOF),
        ),
    ];
    for (every, quoted, len, message) in good {
        let asked = |want| ask(message.clone(), want);
        cases.push(EVERY.case(every, asked(served().is(check::is_tag))));
        cases.push(QUOTED.case(quoted, asked(served().is(check::is_tag_quoted))));
        cases.push(LEN.case(len, asked(served().is(check::is_tag_len))));
    }
    let body = reqmod(POST).body(whole(&[b"body"]));
    let want = want(&[200]).is(check::is_tag);
    cases.push(EVERY.case("istag-copy-of-body", ask(body, want)));
    cases
}

fn in_errors() -> Vec<Case> {
    let rows = [
        (
            "istag-404-options",
            options().start("OPTIONS icap://{authority}/no-such-service ICAP/1.0"),
        ),
        (
            "istag-404-reqmod",
            reqmod(GET).start("REQMOD icap://{authority}/no-such-service ICAP/1.0"),
        ),
        ("istag-501", options().start("LOOK {uri} ICAP/1.0")),
        ("istag-505", options().start("OPTIONS {uri} ICAP/2.0")),
        ("istag-400-line", options().start("OPTIONS")),
        (
            "istag-400-encapsulated",
            reqmod_as("req-hdr=5, null-body=1", GET),
        ),
        ("istag-418", reqmod_as("null-body=0", "")),
    ];
    let mut cases: Vec<Case> = rows
        .map(|(id, message)| EVERY.case(id, ask(message, any().is(check::is_tag))))
        .to_vec();
    let refused = any().is(check::is_tag);
    cases.push(
        EVERY
            .case("istag-405", ask(respmod(), refused))
            .needs(Need::NoRespmod),
    );
    cases
}
