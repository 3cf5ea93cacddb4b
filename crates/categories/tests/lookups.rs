//! What squidGuard's lists mean, rule by rule.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use categories::{Builder, Database, ListKind};
use uri::Readings;

#[test]
fn domains_cover_their_subdomains() {
    let database = build(&[("press", ListKind::Domains, "news.example\n9.9.9.9\n")]);
    check(&database, "http://news.example/", "press");
    check(&database, "https://a.b.news.example:8443/x", "press");
    check(&database, "http://WWW.News.Example./", "press");
    check(&database, "http://fakenews.example/", "");
    check(&database, "http://news.example.org/", "");
    check(&database, "http://example/", "");
    check(&database, "http://9.9.9.9/", "press");
    check(&database, "http://151587081/", "press");
    check(&database, "http://1.9.9.9.9.example/", "");
}

#[test]
fn a_listed_child_does_not_hide_its_parent() {
    // squidGuard looks at the predecessor alone: with both listed, `b.parent.example` passes.
    let domains = "parent.example\na.parent.example\nparent-x.example\nx-parent.example\n";
    let database = build(&[("games", ListKind::Domains, domains)]);
    check(&database, "http://b.parent.example/", "games");
    check(&database, "http://zz.parent.example/", "games");
    check(&database, "http://b.a.parent.example/", "games");
    check(&database, "http://a.parent-x.example/", "games");
}

#[test]
fn categories_of_all_matching_domains_are_united() {
    let database = build(&[
        ("hosting", ListKind::Domains, "host.example\n"),
        (
            "games",
            ListKind::Domains,
            "a.host.example\nb-a.host.example\n",
        ),
        (
            "press",
            ListKind::Domains,
            "b.a.host.example\na.host.example\n",
        ),
    ]);
    check(&database, "http://host.example/", "hosting");
    check(&database, "http://a.host.example/", "games,hosting,press");
    check(
        &database,
        "http://c.b.a.host.example/",
        "games,hosting,press",
    );
    check(&database, "http://c.host.example/", "hosting");
    check(&database, "http://b-a.host.example/", "games,hosting");
}

#[test]
fn urls_match_one_host_and_the_beginning_of_a_path() {
    let database = build(&[("games", ListKind::Urls, "red.example/bad\nblue.example\n")]);
    check(&database, "http://red.example/bad", "games");
    check(&database, "https://red.example:8080/bad/x?y", "games");
    check(&database, "http://red.example/bAd/", "games");
    check(&database, "http://red.example/badminton", "games");
    check(&database, "http://red.example/ba", "");
    check(&database, "http://red.example/x/bad", "");
    check(&database, "http://sub.red.example/bad", "");
    check(&database, "http://blue.example/anything", "games");
    check(&database, "http://sub.blue.example/", "");
}

#[test]
fn common_first_labels_are_folded_on_both_sides() {
    let database = build(&[(
        "games",
        ListKind::Urls,
        "red.example/bad\nwww.blue.example/bad\n",
    )]);
    for host in ["www", "www2", "web", "web10", "ftp", "ftp3"] {
        check(
            &database,
            &format!("http://{host}.red.example/bad"),
            "games",
        );
        check(
            &database,
            &format!("http://{host}.blue.example/bad"),
            "games",
        );
    }
    check(&database, "http://blue.example/bad", "games");
    check(&database, "http://wwwx.red.example/bad", "");
}

#[test]
fn a_longer_path_does_not_hide_a_shorter_one() {
    let urls = "red.example/a\nred.example/a/b\nred.example/a/b/c\n";
    let database = build(&[
        ("games", ListKind::Urls, urls),
        ("press", ListKind::Urls, "red.example/a/b\n"),
    ]);
    check(&database, "http://red.example/a/c", "games");
    check(&database, "http://red.example/a/b/a", "games,press");
    check(&database, "http://red.example/a/b/d", "games,press");
    check(&database, "http://red.example/0", "");
}

#[test]
fn lines_are_in_normal_form_too() {
    let urls = "HTTP://Red.example:81/x/../b%61d\nred.example/#top\nbücher.example/é\n";
    let database = build(&[("games", ListKind::Urls, urls)]);
    check(&database, "http://red.example/bad", "games");
    check(&database, "http://red.example/", "games");
    check(&database, "http://xn--bcher-kva.example/%C3%A9", "games");
}

#[test]
fn a_missing_slash_makes_no_host_of_the_scheme() {
    let lines = "http:/red.example/x\nHTTPS:blue.example/y\n";
    let database = build(&[("games", ListKind::Urls, lines)]);
    check(&database, "http://red.example/x", "games");
    check(&database, "http://blue.example/y", "games");
    check(&database, "http://https/blue.example/y", "");
}

#[test]
fn a_url_in_a_path_is_part_of_the_path() {
    let lines = "archive.example/web/http://bad.example/x\nt.example/?u=https://bad.example\n";
    let database = build(&[("games", ListKind::Urls, lines)]);
    let uri = "http://archive.example/web/http://bad.example/x/y";
    check(&database, uri, "games");
    check(&database, "http://archive.example/web/", "");
    check(
        &database,
        "http://t.example/?u=https://bad.example/",
        "games",
    );
    check(&database, "http://bad.example/x", "");
}

#[test]
fn every_reading_counts() {
    let database = build(&[
        ("games", ListKind::Urls, "red.example/bad\n"),
        ("press", ListKind::Urls, "red.example/ok\n"),
    ]);
    check(&database, "http://red.example/ok/..;/bad", "games,press");
    check(&database, "http://red.example/ok/..%2fbad", "games,press");
    let found = database.lookup(&Readings::parse(b"http://red.example/x;y").unwrap());
    assert_eq!(found.prefix_len(), None);
}

#[test]
fn expressions_see_host_path_and_query() {
    let database = build(&[
        ("ads", ListKind::Expressions, "/Banner/\n# a comment\n"),
        (
            "malware",
            ListKind::Expressions,
            r"^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+/search\?q=[0-9]+$",
        ),
        ("press", ListKind::Domains, "news.example\n"),
    ]);
    check(
        &database,
        "http://news.example:81/banner/1.gif",
        "ads,press",
    );
    check(&database, "http://news.example/bannerless", "press");
    check(&database, "https://9.9.9.9:81/search?q=77", "malware");
    check(&database, "https://9.9.9.9/search?q=77x", "");
    check(&database, "https://a.9.9.9.9.example/search?q=77", "");
}

#[test]
fn an_alias_is_reported_beside_its_category() {
    let mut builder = Builder::new();
    builder.add_alias("ads", "publicite").unwrap();
    builder.add_alias("advertising", "ads").unwrap();
    add(&mut builder, "publicite", ListKind::Domains, "ad.example\n");
    add(&mut builder, "ads", ListKind::Domains, "ad2.example\n");
    let database = builder.build().unwrap();
    check(&database, "http://ad.example/", "ads,advertising,publicite");
    check(
        &database,
        "http://ad2.example/",
        "ads,advertising,publicite",
    );
}

#[test]
fn a_prefix_reaches_as_far_as_the_answer_holds() {
    let database = build(&[
        ("press", ListKind::Domains, "news.example\n"),
        (
            "games",
            ListKind::Urls,
            "red.example/games/a\nred.example/games/b/c\n",
        ),
        ("all", ListKind::Urls, "blue.example/\n"),
    ]);
    // S4 7.2 counts 24 for the scheme, the host and the slash.
    prefix(
        &database,
        "http://www.ericsson.com/",
        "http://www.ericsson.com/",
    );
    prefix(
        &database,
        "http://www.ericsson.com/x?y",
        "http://www.ericsson.com/",
    );
    assert_eq!("http://www.ericsson.com/".len(), 24);
    prefix(
        &database,
        "https://a.news.example:8443/x/y",
        "https://a.news.example:8443/",
    );
    prefix(
        &database,
        "http://www.red.example/other",
        "http://www.red.example/o",
    );
    prefix(
        &database,
        "http://red.example/games/a/1",
        "http://red.example/games/a",
    );
    prefix(
        &database,
        "http://red.example/games/b/x",
        "http://red.example/games/b/x",
    );
    prefix(
        &database,
        "http://red.example/Games/B/X",
        "http://red.example/Games/B/X",
    );
    prefix(&database, "http://red.example/games/b/", "");
    prefix(&database, "http://red.example/", "");
    prefix(&database, "http://blue.example/x/y", "http://blue.example/");
}

#[test]
fn an_expression_leaves_a_prefix_only_where_it_adds_nothing() {
    let database = build(&[
        ("ads", ListKind::Expressions, "/banner/\n"),
        ("ads", ListKind::Domains, "ad.example\n"),
        ("press", ListKind::Domains, "news.example\n"),
    ]);
    prefix(&database, "http://news.example/x", "");
    prefix(&database, "http://news.example/banner/x", "");
    prefix(
        &database,
        "http://ad.example/banner/x",
        "http://ad.example/",
    );
}

#[test]
fn an_empty_database_knows_nothing() {
    let database = Builder::new().build().unwrap();
    check(&database, "http://a.example/", "");
    prefix(&database, "http://a.example/x", "http://a.example/");
    assert_eq!(database.categories().count(), 0);
}

fn build(lists: &[(&str, ListKind, &str)]) -> Database {
    let mut builder = Builder::new();
    for (category, kind, text) in lists {
        add(&mut builder, category, *kind, text);
    }
    builder.build().unwrap()
}

fn add(builder: &mut Builder, category: &str, kind: ListKind, text: &str) {
    let report = builder
        .add_file(category, kind, "list", text.as_bytes())
        .unwrap();
    assert_eq!(report.bad, 0, "{:?}", report.bad_lines);
}

#[track_caller]
fn check(database: &Database, uri: &str, expected: &str) {
    let found = database.lookup(&Readings::parse(uri.as_bytes()).unwrap());
    assert_eq!(
        found.categories().collect::<Vec<_>>().join(","),
        expected,
        "{uri}"
    );
    assert_eq!(found.is_empty(), expected.is_empty());
}

#[track_caller]
fn prefix(database: &Database, uri: &str, expected: &str) {
    let readings = Readings::parse(uri.as_bytes()).unwrap();
    let len = database.lookup(&readings).prefix_len();
    let normal = readings.normal().as_str();
    assert_eq!(normal.get(..len.unwrap_or(0)).unwrap(), expected, "{uri}");
}
