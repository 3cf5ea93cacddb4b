//! OPTIONS, and what its answer has.

use crate::conformance::case::{Case, Rule, ask, ask_on, want};
use crate::conformance::check;
use crate::conformance::message::options;

const IMPLEMENTED: Rule = Rule::must("4.3.2", "OPTIONS is implemented");
const METHODS: Rule = Rule::must("4.10.2", "OPTIONS tells Methods");
const NOT_OPTIONS: Rule = Rule::must("4.10.2", "Methods does not list OPTIONS");
const COMMAS: Rule = Rule::must("4.10.2", "several values are separated by commas");
const TAG: Rule = Rule::must("4.10.2", "OPTIONS tells ISTag");
const SECTIONS: Rule = Rule::must("4.10.2", "OPTIONS tells Encapsulated");
const SHAPE: Rule = Rule::must("4.4.1", "an OPTIONS answer has opt-body or null-body alone");
const OPT_TYPE: Rule = Rule::must("4.10.2", "Opt-body-type is told exactly with an opt-body");
const STAR: Rule = Rule::must(
    "4.10.2",
    "of the Transfer-* fields told, exactly one has `*`",
);
const NUMBERS: Rule = Rule::must("4.10.2", "counts, times and lengths are decimal numbers");
const DATE: Rule = Rule::must("4.10.2", "Date has the format of RFC 1123");
const PREVIEW: Rule = Rule::should("4.5", "OPTIONS tells how long a preview is wanted");
const ONE_METHOD: Rule = Rule::should("6.4", "each service has a URI of its own: one method");
const TOLD: Rule = Rule::may("4.10.2", "OPTIONS tells what a client can plan with");

pub(super) fn cases() -> Vec<Case> {
    let mut cases = requests();
    let ok = || want(&[200]);
    cases.extend([
        METHODS.case("options-methods", ask(options(), ok().is(check::methods))),
        NOT_OPTIONS.case(
            "options-methods-without-itself",
            ask(options(), ok().is(check::methods_without_options)),
        ),
        COMMAS.case(
            "options-methods-commas",
            ask(options(), ok().is(check::methods_list)),
        ),
        TAG.case("options-istag", ask(options(), ok().is(check::is_tag))),
        SECTIONS.case(
            "options-encapsulated",
            ask(options(), ok().is(check::encapsulated)),
        ),
        SHAPE.case(
            "options-shape",
            ask(options(), ok().is(check::options_shape)),
        ),
        OPT_TYPE.case(
            "options-opt-body-type",
            ask(options(), ok().is(check::opt_body_type)),
        ),
        STAR.case(
            "options-transfer-star",
            ask(options(), ok().is(check::transfer_star)),
        ),
        NUMBERS.case("options-numbers", ask(options(), ok().is(check::numbers))),
        DATE.case("options-date-format", ask(options(), ok().is(check::date))),
        PREVIEW.case("options-preview", ask(options(), ok().is(check::preview))),
        ONE_METHOD.case(
            "options-one-method",
            ask(options(), ok().is(check::one_method)),
        ),
    ]);
    cases.extend(told());
    cases
}

fn requests() -> Vec<Case> {
    let rows = [
        ("options-plain", options()),
        (
            "options-null-body",
            options().encapsulated(Some("null-body=0")),
        ),
        ("options-squid", options().field("Allow: 206, trailers")),
        (
            "options-user-agent",
            options().field("User-Agent: Conformance/1 (suite)"),
        ),
        ("options-allow", options().allow()),
        ("options-preview-sent", options().preview(0)),
        (
            "options-unknown-fields",
            options().field("X-Unknown: 1\r\nX-Other:"),
        ),
        (
            "options-query",
            options().start("OPTIONS {uri}?mode=x&lang=y ICAP/1.0"),
        ),
    ];
    rows.map(|(id, message)| IMPLEMENTED.case(id, ask_on(message, want(&[200]))))
        .to_vec()
}

fn told() -> Vec<Case> {
    let ok = || want(&[200]);
    [
        ("options-tells-service", ok().is(check::service)),
        ("options-tells-ttl", ok().is(check::ttl)),
        ("options-tells-connections", ok().is(check::max_connections)),
        ("options-tells-date", ok().is(check::date_told)),
        ("options-tells-204", ok().is(check::allows_204)),
        ("options-preview-is-meant", ok().is(check::preview_is_meant)),
    ]
    .map(|(id, want)| TOLD.case(id, ask(options(), want)))
    .to_vec()
}
