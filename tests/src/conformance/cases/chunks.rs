//! Chunks of encapsulated bodies.

use crate::conformance::case::{Case, Rule, Step, Want, any, ask_on, want};
use crate::conformance::message::{POST, options, reqmod};

const SIZE: Rule = Rule::must("RFC 2616 3.6.1", "a chunk size is any hexadecimal number");
const EXTENSION: Rule = Rule::must("RFC 2616 3.6.1", "unknown chunk extensions are ignored");
const WRONG: Rule = Rule::should(
    "6.3",
    "after chunks that are none the connection serves nothing more",
);
const SPACES: Rule = Rule::may(
    "RFC 2616 2.1",
    "spaces in a chunk's size line are read, or refused",
);

pub(super) fn cases() -> Vec<Case> {
    [sizes(), spaces(), wrong()].concat()
}

fn copied() -> Want {
    want(&[200]).copies(POST, Some(b"0123456789"))
}

fn sizes() -> Vec<Case> {
    let rows = [
        (SIZE, "size-lower", "a\r\n0123456789\r\n0\r\n\r\n"),
        (SIZE, "size-upper", "A\r\n0123456789\r\n0\r\n\r\n"),
        (SIZE, "size-zeros", "000a\r\n0123456789\r\n0\r\n\r\n"),
        (SIZE, "size-last-zeros", "a\r\n0123456789\r\n00000\r\n\r\n"),
        (
            SIZE,
            "size-many-zeros",
            "00000000000000a\r\n0123456789\r\n0\r\n\r\n",
        ),
        (
            EXTENSION,
            "extension-word",
            "a;x\r\n0123456789\r\n0\r\n\r\n",
        ),
        (
            EXTENSION,
            "extension-value",
            "a;x=y\r\n0123456789\r\n0\r\n\r\n",
        ),
        (
            EXTENSION,
            "extension-quoted",
            "a;x=\"a;b\"\r\n0123456789\r\n0\r\n\r\n",
        ),
        (
            EXTENSION,
            "extension-quoted-ieof",
            "a;x=\"; ieof\"\r\n0123456789\r\n0\r\n\r\n",
        ),
        (
            EXTENSION,
            "extension-two",
            "a;x=y;z\r\n0123456789\r\n0\r\n\r\n",
        ),
        (
            EXTENSION,
            "extension-last",
            "a\r\n0123456789\r\n0;x=y\r\n\r\n",
        ),
        (
            EXTENSION,
            "extension-every",
            "5;x\r\n01234\r\n5;y\r\n56789\r\n0;z\r\n\r\n",
        ),
    ];
    let mut cases: Vec<Case> = rows
        .map(|(rule, id, body)| rule.case(id, ask_on(reqmod(POST).body(body), copied())))
        .to_vec();
    let long = format!("a;x={}\r\n0123456789\r\n0\r\n\r\n", "y".repeat(500));
    let message = reqmod(POST).body(long);
    cases.push(EXTENSION.case("extension-500-bytes", ask_on(message, copied())));
    cases
}

fn spaces() -> Vec<Case> {
    let rows = [
        ("size-space-before", " a\r\n0123456789\r\n0\r\n\r\n"),
        ("size-space-after", "a \r\n0123456789\r\n0\r\n\r\n"),
        ("size-space-extension", "a ; x=y\r\n0123456789\r\n0\r\n\r\n"),
        ("size-tab-extension", "a;\tx\r\n0123456789\r\n0\r\n\r\n"),
    ];
    rows.map(|(id, body)| {
        let message = reqmod(POST).allow().body(body);
        let first: Want = any();
        SPACES.case(id, vec![message.into(), first.into()])
    })
    .to_vec()
}

fn wrong() -> Vec<Case> {
    let rows = [
        ("chunk-letters", "xyz\r\nabc\r\n0\r\n\r\n"),
        ("chunk-no-size", "\r\nabc\r\n0\r\n\r\n"),
        ("chunk-minus", "-3\r\nabc\r\n0\r\n\r\n"),
        ("chunk-plus", "+3\r\nabc\r\n0\r\n\r\n"),
        ("chunk-prefix", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("chunk-longer", "3\r\nabcdef\r\n0\r\n\r\n"),
        ("chunk-no-end", "3\r\nabc0\r\n\r\n"),
        ("chunk-overflow", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
        (
            "chunk-overflow-long",
            "fffffffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        ),
        ("chunk-no-last-line", "3\r\nabc\r\n0\r\nno field\r\n\r\n"),
        ("chunk-not-chunked", "abcdefgh"),
    ];
    rows.map(|(id, body)| {
        let message = reqmod(POST).allow().body(body).bytes();
        let both = [message, options().bytes()].concat();
        // An answer to the second request is an answer to what may have been a body.
        WRONG.case(id, vec![Step::Send(both), Step::Ends])
    })
    .to_vec()
}
