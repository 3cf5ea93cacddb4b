//! RESPMOD, of services that offer it.

use crate::conformance::case::{Case, Need, Rule, ask_on, served, want};
use crate::conformance::check;
use crate::conformance::message::{
    IEOF, LAST, Message, RESPONSE, chunks, reqmod_as, respmod, whole,
};

const LEGAL: Rule = Rule::must("4.4.1", "every legal list of sections of RESPMOD is read");
const SHAPE: Rule = Rule::must("4.4.1", "a RESPMOD answer has the sections of its grammar");
const FORBIDDEN: Rule = Rule::must(
    "4.6",
    "without Allow: 204 and without a preview, RESPMOD is not answered with 204",
);
const PREVIEW: Rule = Rule::must(
    "4.5",
    "a preview of RESPMOD is answered with 204, a modified message or 100",
);
const FINAL: Rule = Rule::must(
    "4.5",
    "a preview of RESPMOD that was the whole message is never answered with 100",
);

pub(super) fn cases() -> Vec<Case> {
    let len = RESPONSE.len();
    let without_request = |list: String, rest: &str| {
        let rest = [RESPONSE, rest].concat();
        raw(&list, &rest)
    };
    let body = || respmod().body(whole(&[b"some body"]));
    let cases = [
        LEGAL.case("respmod-null-body", ask_on(respmod().allow(), served())),
        LEGAL.case("respmod-body", ask_on(body().allow(), served())),
        LEGAL.case(
            "respmod-no-req-hdr",
            ask_on(
                without_request(
                    format!("res-hdr=0, res-body={len}"),
                    "3\r\nabc\r\n0\r\n\r\n",
                ),
                served(),
            ),
        ),
        LEGAL.case(
            "respmod-no-req-hdr-null",
            ask_on(
                without_request(format!("res-hdr=0, null-body={len}"), ""),
                served(),
            ),
        ),
        SHAPE.case(
            "respmod-shape",
            ask_on(body(), want(&[200]).is(check::respmod_shape)),
        ),
        FORBIDDEN.case("respmod-without-allow", ask_on(body(), want(&[200]))),
        FORBIDDEN.case(
            "respmod-without-allow-null",
            ask_on(respmod(), want(&[200])),
        ),
        FINAL.case(
            "respmod-preview-ieof",
            ask_on(respmod().preview(0).body(IEOF), served()),
        ),
        FINAL.case(
            "respmod-preview-all",
            ask_on(
                respmod()
                    .preview(100)
                    .body([chunks(&[b"all"]), IEOF.into()].concat()),
                served(),
            ),
        ),
        PREVIEW.case(
            "respmod-preview-more",
            ask_on(
                respmod().allow().preview(0).body(LAST),
                served().or_continue(&chunks(&[b"more"]), &[200, 204]),
            ),
        ),
    ];
    cases.map(|case| case.needs(Need::Respmod)).to_vec()
}

fn raw(list: &str, rest: &str) -> Message {
    reqmod_as(list, rest)
        .start("RESPMOD {uri} ICAP/1.0")
        .allow()
}
