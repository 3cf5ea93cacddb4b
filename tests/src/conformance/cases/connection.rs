//! Connections: kept, closed, in pieces, pipelined.

use crate::conformance::case::{Case, Rule, Step, Want, ask, refused, served, want};
use crate::conformance::check;
use crate::conformance::message::{GET, IEOF, LAST, POST, binary, options, reqmod, whole};

const KEPT: Rule = Rule::must(
    "RFC 2616 8.1.2.1",
    "a connection is kept unless close is said",
);
const CLOSE: Rule = Rule::must(
    "RFC 2616 14.10",
    "after a request with Connection: close the connection is closed",
);
const SAYS: Rule = Rule::must(
    "6.2",
    "an answer after which the connection is closed says so",
);
const ORDER: Rule = Rule::may(
    "RFC 2616 8.1.2.2",
    "requests that are sent together are answered in order",
);
const STREAM: Rule = Rule::must("4.1", "where TCP cuts a message means nothing");
const EARLY: Rule = Rule::should("e7", "an answer that comes before the body is read arrives");
const ENDED: Rule = Rule::should("4.1", "a message that ends early is given up");
const HALF: Rule = Rule::may(
    "4.1",
    "a client that sends nothing more still gets its answer",
);

pub(super) fn cases() -> Vec<Case> {
    [kept(), closed(), order(), cuts(), early(), ended()].concat()
}

fn get() -> Step {
    reqmod(GET).allow().into()
}

fn ok() -> Step {
    served().into()
}

fn kept() -> Vec<Case> {
    let post = || Step::from(reqmod(POST).body(whole(&[b"abc"])));
    let preview = || Step::from(reqmod(POST).preview(0).body(IEOF));
    let stays = || Step::from(served().is(check::stays));
    vec![
        KEPT.case(
            "kept-options",
            [options().into(), stays(), Step::Sound, Step::Sound],
        ),
        KEPT.case("kept-reqmod", [get(), stays(), get(), stays(), get(), ok()]),
        KEPT.case("kept-copy", [post(), stays(), post(), stays(), Step::Sound]),
        KEPT.case(
            "kept-preview",
            [preview(), stays(), preview(), stays(), Step::Sound],
        ),
        KEPT.case(
            "kept-mixed",
            [
                Step::Sound,
                get(),
                ok(),
                post(),
                ok(),
                preview(),
                ok(),
                Step::Sound,
            ],
        ),
        KEPT.case(
            "kept-many",
            (0..50).flat_map(|_| [get(), ok()]).collect::<Vec<_>>(),
        ),
    ]
}

fn closed() -> Vec<Case> {
    let close = "Connection: close";
    let rows = [
        (
            "close-options",
            "close-said-options",
            options().field(close),
        ),
        (
            "close-reqmod",
            "close-said-reqmod",
            reqmod(GET).allow().field(close),
        ),
        ("close-copy", "close-said-copy", reqmod(GET).field(close)),
        (
            "close-body",
            "close-said-body",
            reqmod(POST).field(close).body(whole(&[b"some body"])),
        ),
        (
            "close-preview",
            "close-said-preview",
            reqmod(POST).field(close).preview(0).body(IEOF),
        ),
        (
            "close-upper",
            "close-said-upper",
            reqmod(GET).allow().field("Connection: CLOSE"),
        ),
        (
            "close-list",
            "close-said-list",
            reqmod(GET).allow().field("Connection: x-a, close"),
        ),
    ];
    let mut cases = Vec::new();
    for (id, said, message) in rows {
        cases.push(CLOSE.case(id, [message.clone().into(), ok(), Step::Closed]));
        cases.push(SAYS.case(said, [message.into(), ok(), Step::AsTold]));
    }
    cases
}

fn order() -> Vec<Case> {
    let asked = || want(&[200]).is(check::methods).into();
    let together = |messages: &[Vec<u8>]| Step::Send(messages.concat());
    let (get, post) = (reqmod(GET).allow(), reqmod(POST).body(whole(&[b"abc"])));
    let copied = || Step::from(want(&[200]).copies(POST, Some(b"abc")));
    let option = options().bytes();
    let after = [post.bytes(), get.bytes(), option.clone()];
    vec![
        ORDER.case(
            "pipelined-two",
            [
                together(&[option.clone(), get.bytes()]),
                asked(),
                ok(),
                Step::Sound,
            ],
        ),
        ORDER.case(
            "pipelined-three",
            [together(&after), copied(), ok(), asked()],
        ),
        ORDER.case(
            "pipelined-fifty",
            [vec![together(&vec![get.bytes(); 50])], vec![ok(); 50]].concat(),
        ),
        ORDER.case(
            "pipelined-cut",
            [
                Step::Send([option.as_slice(), &option[..20]].concat()),
                asked(),
                Step::Send(option[20..].to_vec()),
                asked(),
            ],
        ),
        ORDER.case(
            "pipelined-after-close",
            [
                together(&[
                    reqmod(GET).allow().field("Connection: close").bytes(),
                    option,
                ]),
                ok(),
                Step::Closed,
            ],
        ),
    ]
}

fn cuts() -> Vec<Case> {
    let everywhere = |message: Vec<u8>, want: Want| [Step::Cut(message, want), Step::Sound];
    let post = reqmod(POST).body(whole(&[b"some", b"body"])).bytes();
    let preview = reqmod(POST)
        .preview(8)
        .body([b"8\r\nsomebody\r\n".to_vec(), IEOF.into()].concat());
    let copied = want(&[200]).copies(POST, Some(b"somebody"));
    let drip = |message: Vec<u8>, answer| [Step::Drip(message), answer, Step::Sound];
    vec![
        STREAM.case("drip-options", drip(options().bytes(), want(&[200]).into())),
        STREAM.case("drip-get", drip(reqmod(GET).allow().bytes(), ok())),
        STREAM.case("drip-post", drip(post.clone(), copied.clone().into())),
        STREAM.case("cut-options", everywhere(options().bytes(), want(&[200]))),
        STREAM.case("cut-get", everywhere(reqmod(GET).allow().bytes(), served())),
        STREAM.case("cut-post", everywhere(post, copied)),
        STREAM.case("cut-preview", everywhere(preview.bytes(), served())),
    ]
}

fn early() -> Vec<Case> {
    let long = binary(1_000_000);
    let parts: Vec<&[u8]> = long.chunks(10_000).collect();
    let body = whole(&parts);
    let nowhere = "REQMOD icap://{authority}/no-such-service ICAP/1.0";
    let lost = reqmod(POST).start(nowhere).body(body.clone());
    let unknown = reqmod(POST).start("LOOK {uri} ICAP/1.0").body(body.clone());
    let allowed = reqmod(POST).allow().body(body);
    vec![
        EARLY.case("early-404", ask(lost, want(&[404]))),
        EARLY.case("early-501", ask(unknown, want(&[400, 501]))),
        EARLY.case("early-204", [allowed.into(), ok(), Step::Sound]),
    ]
}

fn ended() -> Vec<Case> {
    let half = |text: Vec<u8>| {
        [
            Step::Send(text),
            Step::HalfClose,
            refused(&[400, 408]).into(),
        ]
    };
    let get = reqmod(GET).allow().bytes();
    let post = reqmod(POST).body(whole(&[b"some body"]));
    let post = post.bytes();
    let answered = |message: Vec<u8>, want: Step| [Step::Send(message), Step::HalfClose, want];
    vec![
        ENDED.case("ended-in-line", half(b"REQMOD ica".to_vec())),
        ENDED.case(
            "ended-in-fields",
            half(b"REQMOD {uri} ICAP/1.0\r\nHo".to_vec()),
        ),
        ENDED.case("ended-in-head", half(get[..get.len() - 10].to_vec())),
        ENDED.case(
            "ended-in-body",
            [
                Step::Send(post[..post.len() - LAST.len() - 5].to_vec()),
                Step::HalfClose,
                Step::Ends,
            ],
        ),
        HALF.case(
            "half-closed-options",
            answered(options().bytes(), want(&[200]).into()),
        ),
        HALF.case("half-closed-get", answered(get, ok())),
    ]
}
