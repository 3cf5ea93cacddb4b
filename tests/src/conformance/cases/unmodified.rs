//! 204 outside previews.

use crate::conformance::case::{Case, Rule, ask_on, served, want};
use crate::conformance::check;
use crate::conformance::message::{GET, POST, binary, reqmod, whole};

const FORBIDDEN: Rule = Rule::must(
    "4.6",
    "without Allow: 204 and without a preview, 204 is not answered",
);
const OFFERED: Rule = Rule::must(
    "4.6",
    "Allow: 204 lets a server answer 204, and the body is read all the same",
);
const LIST: Rule = Rule::must("4.6", "another word in Allow is no licence for 204");
const BARE: Rule = Rule::must("e1", "204 has no body");

pub(super) fn cases() -> Vec<Case> {
    let long = binary(100_000);
    let many: Vec<&[u8]> = long[..500].chunks(1).collect();
    let bodies: [(&'static str, &'static str, Vec<u8>); 5] = [
        ("without-allow-body", "allow-body", whole(&[b"some body"])),
        ("without-allow-empty-body", "allow-empty-body", whole(&[])),
        ("without-allow-long", "allow-long", whole(&[&long])),
        (
            "without-allow-many-chunks",
            "allow-many-chunks",
            whole(&many),
        ),
        (
            "without-allow-two-chunks",
            "allow-two-chunks",
            whole(&[&long[..7], &long[7..70_000]]),
        ),
    ];
    let mut cases = vec![
        FORBIDDEN.case("without-allow-get", ask_on(reqmod(GET), want(&[200]))),
        OFFERED.case("allow-get", ask_on(reqmod(GET).allow(), served())),
        BARE.case(
            "204-bare-get",
            ask_on(reqmod(GET).allow(), want(&[200, 204]).is(bare)),
        ),
        BARE.case(
            "204-bare-post",
            ask_on(
                reqmod(POST).allow().body(whole(&[b"abc"])),
                served().is(bare),
            ),
        ),
    ];
    for (without, allowed, body) in bodies {
        let message = reqmod(POST).body(body);
        cases.push(FORBIDDEN.case(without, ask_on(message.clone(), want(&[200]))));
        cases.push(OFFERED.case(allowed, ask_on(message.allow(), served())));
    }
    cases.extend(lists());
    cases
}

fn lists() -> Vec<Case> {
    let offers = [
        ("allow-list-first", "Allow: 204, 206"),
        ("allow-list-last", "Allow: trailers, 204"),
        ("allow-list-no-space", "Allow: 204,206,trailers"),
        ("allow-list-empty-words", "Allow: , 204,"),
    ];
    let offers =
        offers.map(|(id, line)| OFFERED.case(id, ask_on(reqmod(GET).field(line), served())));
    let others = [
        ("allow-other-206", "Allow: 206"),
        ("allow-other-trailers", "Allow: trailers"),
        ("allow-other-longer", "Allow: 2040"),
        ("allow-other-shorter", "Allow: 20"),
        ("allow-other-empty", "Allow:"),
        ("allow-other-field", "X-Allow: 204"),
    ];
    // 206 is legal where it is offered.
    let others =
        others.map(|(id, line)| LIST.case(id, ask_on(reqmod(GET).field(line), want(&[200, 206]))));
    [&offers[..], &others].concat()
}

fn bare(answer: &crate::conformance::answer::Answer) -> Result<(), String> {
    if answer.status == 204 {
        return check::no_body(answer);
    }
    Ok(())
}
