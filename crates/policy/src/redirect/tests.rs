use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const FACTS: RedirectFacts<'_> = RedirectFacts {
    msisdn: "111220000001",
    imsi: "10020000000007",
    uri: b"http://www.request-address.com/index.html",
};

#[test]
fn the_example_of_s4_3_1_1_1() {
    check(
        "http://www.redirect-address.com/?imsi=%S&msisdn=%M&requiri=%U",
        FACTS,
        "http://www.redirect-address.com/?imsi=10020000000007&msisdn=111220000001\
         &requiri=http%3A%2F%2Fwww.request-address.com%2Findex.html",
    );
}

#[test]
fn values_are_query_components() {
    let to = "https://n.example/?u=%U";
    check(
        to,
        uri(b"http://a/?b=c&d#e"),
        "https://n.example/?u=http%3A%2F%2Fa%2F%3Fb%3Dc%26d%23e",
    );
    check(
        to,
        uri(b"\r\nSet-Cookie: a"),
        "https://n.example/?u=%0D%0ASet-Cookie%3A%20a",
    );
    check(to, uri(b"%41%M"), "https://n.example/?u=%2541%25M");
    check(to, uri(b"a-b._~"), "https://n.example/?u=a-b._~");
    check(
        to,
        uri("é\u{0}".as_bytes()),
        "https://n.example/?u=%C3%A9%00",
    );
    check(to, uri(b"\xff\xc3"), "https://n.example/?u=%FF%C3");
}

#[test]
fn absent_values_are_empty() {
    check(
        "https://n.example/?m=%M&s=%S&u=%U",
        RedirectFacts::default(),
        "https://n.example/?m=&s=&u=",
    );
}

#[test]
fn text_is_kept_as_written() {
    for to in [
        "https://n.example/?a=%41%4d%53",
        "https://n.example/a%20b?c#d",
        "HTTPS://N.example?",
        "http://192.0.2.1:8080/x?y",
        "http://[2001:db8::1]/?",
    ] {
        check(to, FACTS, to);
    }
}

#[test]
fn codes_may_touch() {
    check(
        "https://n.example/?%M%S%M",
        FACTS,
        "https://n.example/?11122000000110020000000007111220000001",
    );
}

#[test]
fn the_cut_is_at_899_characters() {
    let to = "https://n.example/?u=%U";
    let before = to.len() - 2;
    for len in 0..20 {
        let value = "a".repeat(LOCATION_LEN_MAX - before - len);
        check_len(
            to,
            format!("{value}é").as_bytes(),
            if len < 6 {
                LOCATION_LEN_MAX - len
            } else {
                LOCATION_LEN_MAX - len + 6
            },
        );
        check_len(
            to,
            format!("{value}😀").as_bytes(),
            if len < 12 {
                LOCATION_LEN_MAX - len
            } else {
                LOCATION_LEN_MAX - len + 12
            },
        );
        check_len(
            to,
            format!("{value}/").as_bytes(),
            if len < 3 {
                LOCATION_LEN_MAX - len
            } else {
                LOCATION_LEN_MAX - len + 3
            },
        );
        check_len(
            to,
            format!("{value}b").as_bytes(),
            if len < 1 {
                LOCATION_LEN_MAX
            } else {
                LOCATION_LEN_MAX - len + 1
            },
        );
    }
    check_len(to, &vec![b'a'; 1 << 20], LOCATION_LEN_MAX);
}

#[test]
fn text_after_a_long_value_is_cut_too() {
    let template = template("https://n.example/?u=%U&end=%C3%A9");
    let location = template.format(uri(&[b'a'; 870]));
    assert!(location.ends_with("aaa&end="), "{location}");
}

proptest! {
    #[test]
    fn any_value_gives_a_location_that_parses_back(
        msisdn in ".*",
        bytes in proptest::collection::vec(any::<u8>(), 0..1200),
    ) {
        let template = template("https://n.example/?m=%M&u=%U");
        let location = template.format(RedirectFacts { msisdn: &msisdn, imsi: "", uri: &bytes });
        prop_assert!(location.len() <= LOCATION_LEN_MAX);
        prop_assert!(location.bytes().all(|b| b.is_ascii_graphic()));
        let query = location.strip_prefix("https://n.example/?m=").unwrap();
        let (m, u) = query.split_once("&u=").unwrap_or((query, ""));
        let decode = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
        prop_assert!(msisdn.as_bytes().starts_with(&decode(m)));
        prop_assert!(bytes.starts_with(&decode(u)));
    }
}

#[test]
fn rejected() {
    let rows = [
        "https://n.example/?u=%X",
        "https://n.example/?u=%u",
        "https://n.example/?u=%%",
        "https://n.example/?u=%",
        "https://n.example/?u=%4",
        "https://n.example/%U",
        "https://%S.example/",
        "https://n.example/?a#%M",
        "https://n.example/a b",
        "https://n.example/ä",
        "https://n.example/\r\nX: y",
        "https://n.example\\x",
        "/notice?u=%U",
        "ftp://n.example/",
        "https:///?a",
        "https://n.example:99999/",
    ];
    check_rejected(
        &rows,
        expect![[r#"
        https://n.example/?u=%X: `%X` is not a formatting code; use %M (MSISDN), %S (IMSI), %U (request URI), or %25 for a percent sign
        https://n.example/?u=%u: `%u` is not a formatting code; use %M (MSISDN), %S (IMSI), %U (request URI), or %25 for a percent sign
        https://n.example/?u=%%: `%%` is not a formatting code; use %M (MSISDN), %S (IMSI), %U (request URI), or %25 for a percent sign
        https://n.example/?u=%: `%` is not a formatting code; use %M (MSISDN), %S (IMSI), %U (request URI), or %25 for a percent sign
        https://n.example/?u=%4: `%4` is not a formatting code; use %M (MSISDN), %S (IMSI), %U (request URI), or %25 for a percent sign
        https://n.example/%U: `%U` is outside the query; formatting codes stand after the `?`
        https://%S.example/: `%S` is outside the query; formatting codes stand after the `?`
        https://n.example/?a#%M: `%M` is outside the query; formatting codes stand after the `?`
        https://n.example/a b: ` ` cannot stand in a URI; write it as an escape such as `%20`
        https://n.example/ä: `ä` cannot stand in a URI; write it as an escape such as `%20`
        https://n.example/\r\nX: y: `\r` cannot stand in a URI; write it as an escape such as `%20`
        https://n.example\\x: `\\` cannot stand in a URI; write it as an escape such as `%20`
        /notice?u=%U: scheme `` is not http or https; an absolute URI begins with `http://` or `https://`
        ftp://n.example/: scheme `ftp` is not http or https; an absolute URI begins with `http://` or `https://`
        https:///?a: the host is empty
        https://n.example:99999/: `99999` is not a port; use 0 to 65535
    "#]],
    );
}

#[test]
fn a_template_over_the_limit_is_rejected() {
    let to = format!("https://n.example/?{}", "a".repeat(LOCATION_LEN_MAX - 19));
    check(&to, FACTS, &to);
    assert_eq!(
        RedirectTemplate::try_from(to + "b"),
        Err(BadTemplate::TooLong(LOCATION_LEN_MAX + 1))
    );
}

fn uri(bytes: &[u8]) -> RedirectFacts<'_> {
    RedirectFacts {
        uri: bytes,
        ..FACTS
    }
}

fn template(text: &str) -> RedirectTemplate {
    RedirectTemplate::try_from(text.to_owned()).unwrap()
}

#[track_caller]
fn check(text: &str, facts: RedirectFacts<'_>, expected: &str) {
    let template = template(text);
    assert_eq!(template.format(facts), expected);
    assert_eq!(template.as_str(), text);
}

#[track_caller]
fn check_len(text: &str, value: &[u8], expected: usize) {
    assert_eq!(template(text).format(uri(value)).len(), expected);
}

#[track_caller]
fn check_rejected(rows: &[&str], expected: Expect) {
    let mut texts = String::new();
    for row in rows {
        let error = RedirectTemplate::try_from((*row).to_owned()).unwrap_err();
        texts += &format!("{}: {error}\n", row.escape_debug());
    }
    expected.assert_eq(&texts);
}
