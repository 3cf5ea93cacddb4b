//! Reading lists: what is a rule, what is not, and what is said about it.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use categories::{
    BAD_LINES_KEPT_MAX, BuildError, Builder, CATEGORIES_MAX, CATEGORY_LEN_MAX, LINE_LEN_MAX,
    ListKind,
};
use expect_test::{Expect, expect};

#[test]
fn bad_lines_name_their_place_and_what_is_accepted() {
    check(
        ListKind::Domains,
        b"good.example\n\n# remark\n*.bad.example\nbad.example/path\r\n.dotted.example\nbad example\n\xff.example\n",
        &expect![[r#"
            6 rules, 4 bad
            press/list:4: a domain covers its subdomains; write it without `*`; a line of `domains` is a host name such as `host.example` or an IP address
            press/list:5: a domain has no path; for a path write the scheme too; a line of `domains` is a host name such as `host.example` or an IP address
            press/list:7: `bad example` is not a host name or an IP address; a line of `domains` is a host name such as `host.example` or an IP address
            press/list:8: the line is not UTF-8
        "#]],
    );
    check(
        ListKind::Urls,
        b"good.example/path\ngood.example\nftp://bad.example/\nbad.example:x/\n/path\n",
        &expect![[r#"
            5 rules, 3 bad
            press/list:3: scheme `ftp` is not http or https; an absolute URI begins with `http://` or `https://`; a line of `urls` is a host and the beginning of a path, such as `host.example/path`
            press/list:4: `x` is not a port; use 0 to 65535; a line of `urls` is a host and the beginning of a path, such as `host.example/path`
            press/list:5: the host is empty; a line of `urls` is a host and the beginning of a path, such as `host.example/path`
        "#]],
    );
    check(
        ListKind::Expressions,
        b"^good$\n(bad\n\xff\n",
        &expect![[r#"
            3 rules, 2 bad
            press/list:2: unclosed group; a line of `expressions` is a POSIX extended regular expression
            press/list:3: the line is not UTF-8
        "#]],
    );
}

#[test]
fn lost_line_ends_are_reported() {
    let line = "lost.example".repeat(500);
    check(
        ListKind::Domains,
        line.as_bytes(),
        &expect![[r#"
        1 rules, 1 bad
        press/list:1: `lost.examplelost.examplelost.examplelost.examplelost.examplelost.examplelost.examplelost.examplelost` is not a host name or an IP address; a line of `domains` is a host name such as `host.example` or an IP address
    "#]],
    );
    let longer = "x".repeat(LINE_LEN_MAX + 1);
    check(
        ListKind::Domains,
        longer.as_bytes(),
        &expect![[r#"
        1 rules, 1 bad
        press/list:1: the line has 8193 bytes; use 8192 at most
    "#]],
    );
}

#[test]
fn bad_lines_kept_are_limited() {
    let lines = "a b\n".repeat(BAD_LINES_KEPT_MAX + 1);
    let report = Builder::new().add_file("press", ListKind::Domains, "list", lines.as_bytes());
    let report = report.unwrap();
    assert_eq!(report.bad, BAD_LINES_KEPT_MAX + 1);
    assert_eq!(report.bad_lines.len(), BAD_LINES_KEPT_MAX);
}

#[test]
fn categories_have_names_that_travel() {
    let mut builder = Builder::new();
    let mut add = |name: &str| builder.add_file(name, ListKind::Domains, "list", b"");
    assert!(add(&"x".repeat(CATEGORY_LEN_MAX)).is_ok());
    for name in ["", "a,b", "a b", "é", &"x".repeat(CATEGORY_LEN_MAX + 1)] {
        assert!(matches!(add(name), Err(BuildError::Category(_))), "{name}");
    }
    builder
        .add_file("Audio-Video", ListKind::Domains, "list", b"")
        .unwrap();
    let database = builder.build().unwrap();
    assert!(database.categories().any(|name| name == "audio-video"));
}

#[test]
fn categories_are_limited() {
    let mut builder = Builder::new();
    for number in 0..CATEGORIES_MAX {
        let text = format!("a{number}.example");
        let name = format!("category-{number}");
        builder
            .add_file(&name, ListKind::Domains, "list", text.as_bytes())
            .unwrap();
    }
    let full = builder.add_alias("one-more", "category-1");
    assert!(matches!(full, Err(BuildError::TooManyCategories)));
    let database = builder.build().unwrap();
    let readings = uri::Readings::parse(b"http://a255.example/").unwrap();
    let found = database.lookup(&readings);
    assert_eq!(found.categories().collect::<Vec<_>>(), ["category-255"]);
}

#[test]
fn counts() {
    let mut builder = Builder::new();
    let mut add = |name: &str, kind, text: &str| {
        builder
            .add_file(name, kind, "list", text.as_bytes())
            .unwrap();
    };
    add(
        "press",
        ListKind::Domains,
        "a.example\nb.example\nA.example.\n",
    );
    add("games", ListKind::Domains, "a.example\n");
    add("games", ListKind::Urls, "c.example/x\n");
    add("games", ListKind::Expressions, "x+\n");
    let database = builder.build().unwrap();
    let stats = database.stats();
    assert_eq!((stats.domains, stats.urls, stats.expressions), (2, 1, 1));
    assert_eq!(stats.bytes, database.as_bytes().len() as u64);
    let of_categories = stats.categories.iter();
    let of_categories: Vec<_> = of_categories
        .map(|count| {
            (
                count.name.as_str(),
                count.domains,
                count.urls,
                count.expressions,
            )
        })
        .collect();
    assert_eq!(of_categories, [("games", 1, 1, 1), ("press", 2, 0, 0)]);
}

#[track_caller]
fn check(kind: ListKind, text: &[u8], expected: &Expect) {
    let mut builder = Builder::new();
    let report = builder.add_file("press", kind, "press/list", text).unwrap();
    let mut found = format!("{} rules, {} bad\n", report.rules, report.bad);
    for line in report.bad_lines {
        found += &format!("{line}\n");
    }
    expected.assert_eq(&found);
}
