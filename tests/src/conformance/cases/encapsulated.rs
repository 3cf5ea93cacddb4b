//! `Encapsulated`, as it is sent and as it comes back.

use super::request_line::REFUSALS;
use crate::conformance::answer::Answer;
use crate::conformance::case::{Case, Rule, ask, ask_on, refused, served, want};
use crate::conformance::check;
use crate::conformance::message::{GET, POST, reqmod, reqmod_as, whole};

const LEGAL: Rule = Rule::must("4.4.1", "every legal list of sections is read");
const SPACES: Rule = Rule::may(
    "4.4.1",
    "spaces around the commas of Encapsulated do not matter",
);
const REQMOD_SHAPE: Rule = Rule::must("4.4.1", "a REQMOD answer has the sections of its grammar");
const PRESENT: Rule = Rule::must("e1", "an answer with sections tells them in Encapsulated");
const BLANK: Rule = Rule::must(
    "4.4.2",
    "an encapsulated head ends with a blank line, and there its section ends",
);
const START: Rule = Rule::must(
    "4.4.2",
    "an encapsulated head starts with its request or status line",
);
const RAW: Rule = Rule::must("4.4", "encapsulated heads are not chunked, bodies are");
const ORDER: Rule = Rule::should(
    "4.4.1",
    "sections out of order, or with offsets that do not increase, are refused",
);
const GRAMMAR: Rule = Rule::should("4.4.1", "a list that is not in the grammar is refused");
const METHOD: Rule = Rule::should("4.4.1", "a list that the method does not have is refused");
const OFFSET: Rule = Rule::should(
    "4.4.2",
    "an offset that is not where a head ends is refused",
);

pub(super) fn cases() -> Vec<Case> {
    [legal(), answers(), order(), grammar(), offsets()].concat()
}

fn legal() -> Vec<Case> {
    let body = "3\r\nabc\r\n0\r\n\r\n";
    let (get, post) = (GET.len(), POST.len());
    let with_body = |list: String| reqmod_as(&list, &[POST, body].concat());
    let without = |list: String| reqmod_as(&list, GET);
    let rows = [
        (
            LEGAL,
            "sections-null-body",
            without(format!("req-hdr=0, null-body={get}")),
        ),
        (
            LEGAL,
            "sections-body",
            with_body(format!("req-hdr=0, req-body={post}")),
        ),
        (
            LEGAL,
            "sections-leading-zeros",
            without(format!("req-hdr=00, null-body=0{get}")),
        ),
        (
            SPACES,
            "sections-no-space",
            without(format!("req-hdr=0,null-body={get}")),
        ),
        (
            SPACES,
            "sections-spaces",
            without(format!("req-hdr=0 ,   null-body={get}")),
        ),
        (
            SPACES,
            "sections-tab",
            without(format!("req-hdr=0,\tnull-body={get}")),
        ),
    ];
    rows.map(|(rule, id, message)| rule.case(id, ask_on(message.allow(), served())))
        .to_vec()
}

fn answers() -> Vec<Case> {
    type Row = (
        Rule,
        &'static str,
        &'static str,
        fn(&Answer) -> Result<(), String>,
    );
    let rows: [Row; 5] = [
        (
            REQMOD_SHAPE,
            "answer-shape-get",
            "answer-shape-post",
            check::reqmod_shape,
        ),
        (
            PRESENT,
            "answer-sections-get",
            "answer-sections-post",
            check::encapsulated,
        ),
        (BLANK, "answer-blank-get", "answer-blank-post", |_| Ok(())),
        (
            START,
            "answer-start-get",
            "answer-start-post",
            check::start_lines,
        ),
        (RAW, "answer-raw-get", "answer-raw-post", |_| Ok(())),
    ];
    let mut cases = Vec::new();
    for (rule, get, post, check) in rows {
        cases.push(rule.case(get, ask_on(reqmod(GET), want(&[200]).is(check))));
        let message = reqmod(POST).body(whole(&[b"some", b"body"]));
        cases.push(rule.case(post, ask_on(message, want(&[200]).is(check))));
    }
    let in_204 = ask_on(reqmod(GET).allow(), served().is(check::reqmod_shape));
    cases.push(REQMOD_SHAPE.case("answer-shape-204", in_204));
    cases
}

/// Cases of requests that are refused; each is followed by nothing.
fn wrong(rule: Rule, rows: &[(&'static str, String)]) -> Vec<Case> {
    let case = |(id, list): &(&'static str, String)| {
        let rest = [GET, "3\r\nabc\r\n0\r\n\r\n"].concat();
        let message = reqmod_as(list, &rest).allow();
        rule.case(id, ask(message, refused(REFUSALS)))
    };
    rows.iter().map(case).collect()
}

fn order() -> Vec<Case> {
    let len = GET.len();
    let rows = [
        ("order-falling", format!("req-hdr={len}, null-body=0")),
        ("order-equal", "req-hdr=0, null-body=0".to_owned()),
        ("order-not-from-0", format!("req-hdr=1, null-body={len}")),
        ("order-body-first", format!("req-body=0, req-hdr={len}")),
        (
            "order-head-twice",
            format!("req-hdr=0, req-hdr=10, null-body={len}"),
        ),
        (
            "order-body-twice",
            format!("req-hdr=0, req-body={len}, req-body={}", len + 13),
        ),
        (
            "order-two-bodies",
            format!("req-hdr=0, null-body={len}, req-body={len}"),
        ),
    ];
    let mut cases = wrong(ORDER, &rows);
    let rows = [
        ("method-res-hdr", format!("res-hdr=0, res-body={len}")),
        (
            "method-res-hdr-after",
            format!("req-hdr=0, res-hdr={len}, res-body={}", len + 1),
        ),
        ("method-res-body", format!("req-hdr=0, res-body={len}")),
        ("method-opt-body", format!("req-hdr=0, opt-body={len}")),
    ];
    cases.extend(wrong(METHOD, &rows));
    cases
}

fn grammar() -> Vec<Case> {
    let len = GET.len();
    let rows = [
        ("grammar-empty", String::new()),
        ("grammar-no-body", "req-hdr=0".to_owned()),
        ("grammar-no-offset", "req-hdr, null-body".to_owned()),
        ("grammar-no-number", "req-hdr=0, null-body=".to_owned()),
        ("grammar-letters", "req-hdr=0, null-body=abc".to_owned()),
        ("grammar-minus", format!("req-hdr=0, null-body=-{len}")),
        ("grammar-plus", format!("req-hdr=0, null-body=+{len}")),
        (
            "grammar-hexadecimal",
            format!("req-hdr=0, null-body=0x{len:x}"),
        ),
        ("grammar-fraction", format!("req-hdr=0, null-body={len}.0")),
        ("grammar-unknown", format!("req-hdr=0, xyz-body={len}")),
        ("grammar-semicolon", format!("req-hdr=0; null-body={len}")),
        (
            "grammar-space-in-section",
            format!("req-hdr = 0, null body = {len}"),
        ),
        (
            "grammar-over-32-bits",
            format!("req-hdr=0, null-body={}", (1_u64 << 32) + 200),
        ),
        (
            "grammar-over-64-bits",
            format!("req-hdr=0, null-body=184467440737095516160{len}"),
        ),
        (
            "grammar-two-lines",
            format!("req-hdr=0\r\nEncapsulated: null-body={len}"),
        ),
        (
            "grammar-two-lists",
            format!("req-hdr=0, null-body={len}\r\nEncapsulated: req-hdr=0, null-body=5"),
        ),
    ];
    wrong(GRAMMAR, &rows)
}

fn offsets() -> Vec<Case> {
    let len = GET.len();
    let rows = [
        (
            "offset-before-end",
            format!("req-hdr=0, req-body={}", len - 1),
        ),
        ("offset-within", format!("req-hdr=0, req-body={}", len - 20)),
        (
            "offset-after-end",
            format!("req-hdr=0, req-body={}", len + 3),
        ),
        (
            "offset-null-within",
            format!("req-hdr=0, null-body={}", len - 2),
        ),
    ];
    let mut cases = wrong(OFFSET, &rows);
    let two = [GET, GET].concat();
    let list = format!("req-hdr=0, null-body={}", two.len());
    let message = reqmod_as(&list, &two).allow();
    cases.push(OFFSET.case("offset-over-two-heads", ask(message, refused(REFUSALS))));
    let list = "req-hdr=0, null-body=999999999";
    let message = reqmod_as(list, GET).allow();
    cases.push(OFFSET.case("offset-huge", ask(message, refused(REFUSALS))));
    cases
}
