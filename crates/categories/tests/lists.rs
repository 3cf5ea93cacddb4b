//! Reading lists: what is a rule, what is not, and what is said about it.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use categories::{
    BAD_LINES_KEPT_MAX, BuildError, Builder, CATEGORIES_MAX, CATEGORY_LEN_MAX, LINE_LEN_MAX,
    ListKind, Parsed, Report,
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
fn hosts_files_list_names_alone() {
    let text =
        b"\xef\xbb\xbf# a hosts file\n127.0.0.1 localhost\n0.0.0.0 a.example b.example # why\n\
        ::1 ip6-loopback\n0.0.0.0 0.0.0.0\nc.example\n0.0.0.0 bad^host\n";
    check(
        ListKind::Hosts,
        text,
        &expect![[r#"
            6 rules, 2 bad
            press/list:6: a line of `hosts` is an IP address and host names, such as `0.0.0.0 host.example`
            press/list:7: `bad^host` is not a host name or an IP address; a line of `domains` is a host name such as `host.example` or an IP address
        "#]],
    );
    covers(
        ListKind::Hosts,
        text,
        "a.example b.example",
        "x.a.example c.example localhost 127.0.0.1",
    );
}

#[test]
fn filter_lists_list_whole_names() {
    let text = b"[Adblock Plus 2.0]\n! Title: x\n# remark\n||a.example^\n||b.example^$important\n\
        @@||c.example^\n||d.example^$third-party\ne.example##.banner\nf.example\n0.0.0.0 g.example\n\
        ||bad host^\n";
    check(
        ListKind::Adblock,
        text,
        &expect![[r#"
            8 rules, 1 bad, 3 left out
            press/list:6: an exception takes nothing out of a category; use an override for it
            press/list:7: only rules such as `||host.example^` are about whole names
            press/list:8: only rules such as `||host.example^` are about whole names
            press/list:11: `bad host` is not a host name or an IP address; a line of `domains` is a host name such as `host.example` or an IP address
        "#]],
    );
    covers(
        ListKind::Adblock,
        text,
        "a.example x.a.example x.b.example f.example g.example",
        "c.example d.example e.example x.f.example x.g.example",
    );
}

#[test]
fn tables_list_urls() {
    let text = b"# URLhaus\n# id,dateadded,url,url_status\n\
        \"1\",\"2026-11-20\",\"http://a.example:8080/x,y\",\"online\"\n\
        2,2026-11-20,https://www.b.example/Z,offline\n3,2026-11-20,c.example,online\n";
    check(
        ListKind::UrlTable,
        text,
        &expect![[r#"
            3 rules, 1 bad
            press/list:5: no field has a URL; a line of `url_csv` has one that begins with http:// or https://
        "#]],
    );
    covers(
        ListKind::UrlTable,
        text,
        "a.example/x,y a.example/X,y/z b.example/z",
        "a.example/ a.example/x c.example",
    );
    covers(
        ListKind::UrlTable,
        b"phish_id,url\n1,http://a.example/\n",
        "a.example/",
        "b.example",
    );
}

#[test]
fn names_may_be_listed_without_their_subdomains() {
    let text = b"a.example # a remark\nb.a.example\n";
    covers(
        ListKind::Hostnames,
        text,
        "a.example b.a.example",
        "c.a.example c.b.a.example",
    );
    covers(ListKind::Domains, text, "a.example c.a.example", "example");
}

#[test]
fn a_list_that_is_mostly_something_else_is_told() {
    for (bad, good, expected) in [(1, 99, false), (2, 98, true), (0, 0, false), (1, 0, true)] {
        let text = ["bad host\n".repeat(bad), "good.example\n".repeat(good)].concat();
        let report = Builder::new().add_file("press", ListKind::Domains, "list", text.as_bytes());
        let report = report.unwrap();
        assert_eq!(
            report.is_mostly_something_else(),
            expected,
            "{bad} of {}",
            bad + good
        );
    }
}

#[test]
fn parts_of_a_file_are_the_file() {
    let text = b"b.example\nno host\na.example\nb.example\n\nbad host\n";
    let whole = Parsed::read(ListKind::Domains, "list", 1, text).unwrap();
    let mut builder = Builder::new();
    let mut report = Report::default();
    for (first_line, part) in [(4, &text[28..]), (1, &text[..28])] {
        let parsed = Parsed::read(ListKind::Domains, "list", first_line, part).unwrap();
        report.merge(builder.add_parsed("press", parsed).unwrap());
    }
    assert_eq!(report, whole.report);
    let mut other = Builder::new();
    other.add_parsed("press", whole).unwrap();
    assert_eq!(
        builder.build().unwrap().as_bytes(),
        other.build().unwrap().as_bytes()
    );
}

#[test]
fn samples_are_found() {
    let mut builder = Builder::new();
    let mut add = |category: &str, kind, text: &[u8]| {
        builder.add_file(category, kind, "list", text).unwrap();
    };
    add(
        "press",
        ListKind::Domains,
        b"a.example\n192.0.2.1\n2001:db8::1\n",
    );
    add("games", ListKind::Hostnames, b"b.example\n");
    add("shop", ListKind::Urls, b"c.example/x%20y\nwww.d.example\n");
    let samples = builder.samples(100);
    assert_eq!(samples.len(), 6);
    assert_eq!(builder.samples(3).len(), 3);
    assert_eq!(builder.samples(4).len(), 3);
    let database = builder.build().unwrap();
    for sample in samples {
        let found = database.lookup_uri(&sample.uri);
        assert!(
            found.categories().any(|name| name == sample.category),
            "{sample:?}"
        );
    }
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
    let mut found = format!("{} rules, {} bad", report.rules, report.bad);
    if report.left_out > 0 {
        found += &format!(", {} left out", report.left_out);
    }
    found += "\n";
    for line in report.bad_lines {
        found += &format!("{line}\n");
    }
    expected.assert_eq(&found);
}

/// Looks up what a list covers, and what it does not.
#[track_caller]
fn covers(kind: ListKind, text: &[u8], covered: &str, others: &str) {
    let mut builder = Builder::new();
    builder.add_file("press", kind, "list", text).unwrap();
    let database = builder.build().unwrap();
    for (uris, expected) in [(covered, 1), (others, 0)] {
        for uri in uris.split(' ') {
            let readings = uri::Readings::parse_typed(uri.as_bytes()).unwrap();
            let found = database.lookup(&readings).categories().count();
            assert_eq!(found, expected, "{uri}");
        }
    }
}
