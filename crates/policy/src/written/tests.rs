#![expect(
    clippy::too_many_lines,
    reason = "pinned texts are as long as they are"
)]

use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    port: Option<Written>,
    list: Option<Placed<Vec<Written>>>,
    #[serde(default)]
    names: BTreeMap<Written, Written>,
    mode: Option<Written>,
    #[expect(dead_code, reason = "only its absence is looked at")]
    must: Option<Inner>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    #[expect(dead_code, reason = "only its absence is looked at")]
    there: Written,
}

#[test]
fn wrong_shapes_name_place_and_accepted() {
    check(
        &[
            "prot: 8",
            "port: 8\nport: 9",
            "port: [8]",
            "port: {a: 8}",
            "list: 8",
            "names: 8",
            "names: [8]",
            "names: {a: }",
            "names: {a: b, a: c}",
            "must: {}",
            "must: ",
            "",
            "# only a comment",
            "8",
            "- 8",
            "port: 8\n port: 9",
            "port: \"8",
            "list: [8",
            "port: *a",
            "<<: {port: 8}",
            "port: !x 8",
            "port: 8\n---\nport: 8",
            "\tport: 8",
            "port: \u{7}",
        ],
        expect![[r##"
            "prot: 8"
              f.yaml:1:1: error: `prot` is not a key here; did you mean `port`?
            "port: 8\nport: 9"
              f.yaml:2:1: error: the key `port` is here twice; keep one
            "port: [8]"
              f.yaml:1:7: error: `[8]` stands here; use a single value
            "port: {a: 8}"
              f.yaml:1:7: error: `{a: 8}` stands here; use a single value
            "list: 8"
              f.yaml:1:7: error: `8` stands here; use a list (`[a, b]`, or lines that start with `-`)
            "names: 8"
              f.yaml:1:8: error: `8` stands here; use keys with values (`key: value`)
            "names: [8]"
              f.yaml:1:8: error: `[8]` stands here; use keys with values (`key: value`)
            "names: {a: }"
              f.yaml:1:10: error: the value is missing
            "names: {a: b, a: c}"
              f.yaml:1:15: error: the key `a` is here twice; keep one
            "must: {}"
              f.yaml:1:7: error: the key `there` is missing
            "must: "
            ""
            "# only a comment"
            "8"
              f.yaml:1:1: error: `8` stands here; use keys with values (`key: value`)
            "- 8"
              f.yaml:1:1: error: `- 8` stands here; use keys with values (`key: value`)
            "port: 8\n port: 9"
              f.yaml:2:6: error: mapping values are not allowed in this context
            "port: \"8"
              f.yaml:1:7: error: unclosed quote
            "list: [8"
              f.yaml:1:7: error: unclosed bracket '['
            "port: *a"
              f.yaml:1:7: error: reference to unknown value
            "<<: {port: 8}"
              f.yaml:1:1: error: `<<` is not a key here; write the keys out
            "port: !x 8"
              f.yaml:1:10: error: unsupported tag `!x`
            "port: 8\n---\nport: 8"
              f.yaml:3:1: error: only single YAML document expected but multiple found
            "\tport: 8"
            "port: \u{7}"
              f.yaml:1:7: error: unexpected character: `\u{7}'
        "##]],
    );
}

#[test]
fn wrong_values_name_place_and_accepted() {
    check(
        &[
            "port: 0",
            "port: 65536",
            "port: +8",
            "port: 0x8",
            "port: ''",
            "port: 8\nmode: fast\nlist: [1,\n  '2']",
            "names: {q: 1, b: 2}",
        ],
        expect![[r#"
            "port: 0"
              f.yaml:1:7: error: `0` is not a port; use 1 to 65535
            "port: 65536"
              f.yaml:1:7: error: `65536` is not a port; use 1 to 65535
            "port: +8"
              f.yaml:1:7: error: `+8` is not a port; use 1 to 65535
            "port: 0x8"
              f.yaml:1:7: error: `0x8` is not a port; use 1 to 65535
            "port: ''"
              f.yaml:1:7: error: `` is not a port; use 1 to 65535
            "port: 8\nmode: fast\nlist: [1,\n  '2']"
              f.yaml:2:7: error: `fast` is not known here; use `slow`, `slower` or `slowest`
              f.yaml:3:8: error: `1` is not known here; use `true` or `false`
              f.yaml:4:3: error: `2` is not known here; use `true` or `false`
            "names: {q: 1, b: 2}"
              f.yaml:1:12: error: `1` is not known here; use `true` or `false`
              f.yaml:1:18: error: `2` is not known here; use `true` or `false`
        "#]],
    );
}

#[test]
fn ranges_are_canonical() {
    let range = |text: &str| {
        let place = Place { line: 1, column: 1 };
        let text = text.to_owned();
        let mut remarks = Remarks::new("f.yaml");
        let range = Written { text, place }.range(&mut remarks);
        let lines: Vec<String> = remarks
            .into_list()
            .iter()
            .map(ToString::to_string)
            .collect();
        match lines.first() {
            Some(line) => line.clone(),
            None => range.unwrap().to_string(),
        }
    };
    assert_eq!(range("10.0.0.0/8"), "10.0.0.0/8");
    assert_eq!(range("10.0.0.1"), "10.0.0.1/32");
    assert_eq!(range("2001:DB8::/32"), "2001:db8::/32");
    assert_eq!(range("::ffff:10.0.0.0/104"), "10.0.0.0/8");
    assert_eq!(range("::ffff:0:0/96"), "0.0.0.0/0");
    assert_eq!(range("::/0"), "::/0");
    expect!["f.yaml:1:1: error: `10.0.0.1/8` has bits set behind its length; use `10.0.0.0/8`"]
        .assert_eq(&range("10.0.0.1/8"));
    let wrong = "f.yaml:1:1: error: `10.0.0.0/33` is not a range of addresses; use the form \
                 `192.0.2.0/24` or `2001:db8::/32`";
    assert_eq!(range("10.0.0.0/33"), wrong);
}

#[test]
fn the_size_of_a_file_is_limited() {
    let list = |values: usize| format!("list: [{}]", "8, ".repeat(values));
    let deep = |levels: usize| format!("list: {}8{}", "[".repeat(levels), "]".repeat(levels));
    let padded = |len: usize| format!("#{}", " ".repeat(len - 1));
    // Around the values stand the mapping, its key and the list.
    let rows = [
        (list(VALUES_MAX - 3), list(VALUES_MAX - 2)),
        (padded(FILE_LEN_MAX), padded(FILE_LEN_MAX + 1)),
    ];
    for (good, bad) in rows {
        assert!(read::<Shape>("f.yaml", &good).is_ok());
        assert_eq!(read::<Shape>("f.yaml", &bad).unwrap_err().text, too_much());
    }
    let aliases = "list: &a [8, 8, 8, 8]\nnames: {".to_owned() + &"a: *a, ".repeat(VALUES_MAX);
    assert!(read::<Shape>("f.yaml", &aliases).is_err());
    // A list in a list is wrong here at any depth; only the reader's stack matters.
    assert!(read::<Shape>("f.yaml", &deep(100_000)).is_err());
}

#[test]
fn quotes_are_short_and_visible() {
    let long = "x".repeat(QUOTE_LEN_MAX);
    assert_eq!(quote(&long), long);
    assert_eq!(quote(&format!("{long}x")), format!("{long}…"));
    assert_eq!(quote("a\u{1b}[31m"), "a\\u{1b}[31m");
}

fn check(texts: &[&str], expected: Expect) {
    let pages = texts
        .iter()
        .map(|text| format!("{text:?}\n{}", remarks_about(text)));
    expected.assert_eq(&pages.collect::<String>());
}

fn remarks_about(text: &str) -> String {
    let shape: Shape = match read("f.yaml", text) {
        Ok(shape) => shape,
        Err(diagnostic) => return format!("  {diagnostic}\n"),
    };
    let mut remarks = Remarks::new("f.yaml");
    if let Some(mode) = &shape.mode {
        mode.word(&[("slow", 1), ("slower", 2), ("slowest", 3)], &mut remarks);
    }
    if let Some(port) = &shape.port {
        port.number("a port", 1..=65535_u16, &mut remarks);
    }
    let list = shape.list.iter().flat_map(|list| &list.value);
    for value in list.chain(shape.names.values()) {
        value.truth(&mut remarks);
    }
    let lines = remarks.into_list();
    lines.iter().map(|line| format!("  {line}\n")).collect()
}
