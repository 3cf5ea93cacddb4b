//! What an operator says in the place of the database, and what differs between databases.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use categories::{Builder, CATEGORIES_MAX, Database, ListKind, Listed, OVERRIDES_MAX, Overrides};
use expect_test::expect;
use uri::Readings;

#[test]
fn an_override_replaces_what_the_lists_say() {
    let database = with("news.example press,own\nfun.example -\nportal.example/games/x -\n");
    check(
        &database,
        "http://news.example/",
        "own,press",
        "http://news.example/",
    );
    check(
        &database,
        "http://a.news.example/x",
        "own,press",
        "http://a.news.example/",
    );
    check(&database, "http://fun.example/", "", "http://fun.example/");
    check(
        &database,
        "http://www.portal.example/games/y",
        "games",
        "http://www.portal.example/games/y",
    );
    check(
        &database,
        "http://portal.example/Games/X/1",
        "",
        "http://portal.example/Games/X",
    );
    check(&database, "http://portal.example/games/", "games", "");
    check(
        &database,
        "http://other.example/",
        "",
        "http://other.example/",
    );
}

#[test]
fn the_longest_uri_decides_and_then_the_domain_with_most_labels() {
    let text = "a.example one\nb.a.example two\nb.a.example/x three\nb.a.example/x/y four\n\
                b.a.example/x/z five\n";
    let database = with(text);
    check(&database, "http://a.example/x", "one", "http://a.example/");
    check(
        &database,
        "http://c.b.a.example/x",
        "two",
        "http://c.b.a.example/",
    );
    check(&database, "http://b.a.example/", "two", "");
    check(
        &database,
        "http://b.a.example/w",
        "two",
        "http://b.a.example/w",
    );
    check(&database, "http://b.a.example/x/", "three", "");
    check(
        &database,
        "http://b.a.example/x/a",
        "three",
        "http://b.a.example/x/a",
    );
    check(
        &database,
        "http://b.a.example/x/y/1",
        "four",
        "http://b.a.example/x/y",
    );
}

#[test]
fn overrides_change_the_tag_and_not_the_file() {
    let plain = Builder::new().build().unwrap();
    let (bytes, tag) = (plain.as_bytes().to_vec(), plain.tag().to_owned());
    let one = plain.with_overrides(read("a.example one\n")).unwrap();
    assert_eq!(one.as_bytes(), bytes);
    assert_eq!(one.tag().len(), tag.len());
    let one_tag = one.tag().to_owned();
    let two = one.with_overrides(read("a.example two\n")).unwrap();
    let two_tag = two.tag().to_owned();
    assert!(two.categories().eq(["two"]));
    let again = two
        .with_overrides(read("# nothing else\na.example one\n"))
        .unwrap();
    assert_eq!(again.tag(), one_tag);
    assert_ne!(one_tag, two_tag);
    assert_ne!(one_tag, tag);
    assert_eq!(
        again.with_overrides(Overrides::default()).unwrap().tag(),
        tag
    );
}

#[test]
fn bad_lines_say_what_is_accepted() {
    let text = b"a.example\na.example b/c\nbad^host games\nftp://a.example/ games\na.example one\n\
                 A.example. two\n\xff games\n# fine\n";
    let (_, report) = Overrides::read("local", text);
    let lines: String = report
        .bad_lines
        .iter()
        .map(|line| format!("{line}\n"))
        .collect();
    expect![[r#"
        local:1: an override is a domain or a URI, a blank, and categories, such as `host.example games,press` or `host.example -`
        local:2: `b/c` is no name for a category; use letters, digits, `-`, `_` and `.`
        local:3: `bad^host` is not a host name or an IP address; a line of `domains` is a host name such as `host.example` or an IP address
        local:4: scheme `ftp` is not http or https; an absolute URI begins with `http://` or `https://`; a line of `urls` is a host and the beginning of a path, such as `host.example/path`
        local:6: the entry is here twice; the last one holds
        local:7: the line is not UTF-8
    "#]]
    .assert_eq(&lines);
}

#[test]
fn overrides_are_limited() {
    let lines = |count: usize| {
        (0..count)
            .map(|n| format!("a{n}.example x\n"))
            .collect::<String>()
    };
    let (_, report) = Overrides::read("local", lines(OVERRIDES_MAX).as_bytes());
    assert_eq!(report.bad, 0);
    let (_, report) = Overrides::read("local", lines(OVERRIDES_MAX + 1).as_bytes());
    assert_eq!(report.bad, 1);
    let names = |count: usize| {
        let lines = (0..count).map(|n| format!("a{n}.example category-{n}\n"));
        read(&lines.collect::<String>())
    };
    let empty = || Builder::new().build().unwrap();
    assert!(empty().with_overrides(names(CATEGORIES_MAX)).is_ok());
    assert!(empty().with_overrides(names(CATEGORIES_MAX + 1)).is_err());
}

#[test]
fn a_diff_tells_every_rule_that_came_went_or_moved() {
    let old = build(&[
        (
            "press",
            ListKind::Domains,
            "same.example\ngone.example\nmoved.example\nless.example\n",
        ),
        ("games", ListKind::Urls, "same.example/x\ngone.example/y\n"),
        ("games", ListKind::Expressions, "/gone/\n"),
    ]);
    let new = build(&[
        ("press", ListKind::Domains, "same.example\nnew.example\n"),
        ("press", ListKind::Hostnames, "less.example\n"),
        ("shop", ListKind::Domains, "moved.example\n"),
        ("games", ListKind::Urls, "same.example/x\nsame.example/z\n"),
    ]);
    let mut lines = Vec::new();
    let counts = old.diff(&new, &mut |change| {
        let text = |listed: Option<Listed<'_>>| match listed {
            Some(listed) => format!("{}/{}", listed.categories.join(","), listed.below.join(",")),
            None => "none".to_owned(),
        };
        lines.push(format!(
            "{} {} {}",
            change.rule,
            text(change.old),
            text(change.new)
        ));
    });
    lines.sort();
    expect![[r#"
        /gone/ games/games none
        gone.example press/press none
        gone.example/y games/games none
        less.example press/press press/
        moved.example press/press shop/shop
        new.example none press/press
        same.example/z none games/games"#]]
    .assert_eq(&lines.join("\n"));
    let counts: Vec<_> = counts
        .iter()
        .map(|it| (it.name.as_str(), it.old, it.new, it.added, it.removed))
        .collect();
    assert_eq!(
        counts,
        [
            ("games", 3, 2, 1, 2),
            ("press", 4, 3, 1, 2),
            ("shop", 0, 1, 1, 0)
        ]
    );
    assert!(old.diff(&old, &mut |change| panic!("{change:?}")).len() == 2);
}

fn with(overrides: &str) -> Database {
    let lists = build(&[
        ("press", ListKind::Domains, "news.example\n"),
        ("games", ListKind::Domains, "fun.example\n"),
        ("games", ListKind::Urls, "portal.example/games\n"),
    ]);
    lists.with_overrides(read(overrides)).unwrap()
}

fn read(text: &str) -> Overrides {
    let (overrides, report) = Overrides::read("local", text.as_bytes());
    assert_eq!(report.bad_lines, []);
    overrides
}

fn build(lists: &[(&str, ListKind, &str)]) -> Database {
    let mut builder = Builder::new();
    for (category, kind, text) in lists {
        builder
            .add_file(category, *kind, "list", text.as_bytes())
            .unwrap();
    }
    builder.build().unwrap()
}

#[track_caller]
fn check(database: &Database, uri: &str, categories: &str, prefix: &str) {
    let readings = Readings::parse(uri.as_bytes()).unwrap();
    let found = database.lookup(&readings);
    let mut names: Vec<_> = found.categories().collect();
    names.sort_unstable();
    assert_eq!(names.join(","), categories, "{uri}");
    let normal = readings.normal().as_str();
    let len = found.prefix_len().unwrap_or(0);
    assert_eq!(normal.get(..len).unwrap(), prefix, "{uri}");
}
