use proptest::prelude::*;

use super::*;

#[test]
fn the_longest_prefix_that_covers_the_host_wins() {
    let entries = ["http://a.example/", "http://a.example/b", "a.example"];
    check(
        &entries,
        "http://a.example/c",
        Some("http://a.example/"),
        None,
    );
    check(
        &entries,
        "http://a.example/b",
        Some("http://a.example/b"),
        Some("http://a.example/b"),
    );
    check(
        &entries,
        "http://a.example/bc",
        Some("http://a.example/b"),
        Some("http://a.example/b"),
    );
    check(
        &entries,
        "https://a.example/b",
        Some("a.example"),
        Some("https://a.example/"),
    );
    check(
        &entries,
        "http://a.example:8080/b",
        Some("a.example"),
        Some("http://a.example:8080/"),
    );
    check(&entries, "http://b.example/", None, None);
}

#[test]
fn a_domain_wins_over_a_prefix_that_ends_inside_the_host() {
    let entries = ["http://www.example.co", "example.com"];
    check(
        &entries,
        "http://www.example.com/x",
        Some("example.com"),
        Some("http://www.example.com/"),
    );
    check(
        &entries,
        "http://www.example.co.uk/x",
        Some("http://www.example.co"),
        Some("http://www.example.co.uk/"),
    );
    check(
        &entries,
        "http://www.example.co/x",
        Some("http://www.example.co"),
        Some("http://www.example.co/"),
    );
}

#[test]
fn a_prefix_of_the_whole_host_wins_over_its_domain() {
    let entries = ["http://www.example.com", "www.example.com"];
    check(
        &entries,
        "http://www.example.com/x",
        Some("http://www.example.com"),
        Some("http://www.example.com/"),
    );
    check(
        &entries,
        "http://www.example.com.example/x",
        Some("http://www.example.com"),
        Some("http://www.example.com.example/"),
    );
}

#[test]
fn the_domain_with_most_labels_wins() {
    let entries = ["example", "a.example", "b.a.example"];
    check(
        &entries,
        "https://c.a.example/",
        Some("a.example"),
        Some("https://c.a.example/"),
    );
    check(
        &entries,
        "https://aa.example/",
        Some("example"),
        Some("https://aa.example/"),
    );
}

#[test]
fn nothing_holds_for_a_prefix_with_an_entry_below() {
    let entries = ["a.example", "http://a.example/b/"];
    check(&entries, "http://a.example/c", Some("a.example"), None);
    check(
        &entries,
        "http://a.example/b/c",
        Some("http://a.example/b/"),
        Some("http://a.example/b/"),
    );
    check(
        &entries,
        "https://a.example/b/c",
        Some("a.example"),
        Some("https://a.example/"),
    );
    let lists = lists(&entries);
    assert!(lists.has_below("http://a.example/"));
    assert!(lists.has_below("http://a.example/b"));
    assert!(!lists.has_below("http://a.example/b/"));
    assert!(!lists.has_below("https://a.example/"));
}

const ENTRY: &str =
    "(https?://)(a|ab|b)(\\.(a|ab|b)){0,2}(:80)?(/[ab/?]{0,4})?|(a|ab|b)(\\.(a|ab|b)){0,2}";
const URI: &str = "https?://(a|ab|b)(\\.(a|ab|b)){0,2}(:80)?/[ab/?]{0,4}";

proptest! {
    #[test]
    fn agrees_with_a_naive_search(
        entries in proptest::collection::vec(ENTRY, 0..8),
        uri in URI,
    ) {
        let uri = parse(&uri);
        let hit = lists(&entries).find(&uri, Active::NONE);
        let expected = naive(&entries, &uri);
        prop_assert_eq!(hit.map(|hit| hit.rule.to_string()), expected);
    }

    /// The claim that caches rely on.
    #[test]
    fn all_uris_that_share_the_prefix_have_the_same_hit(
        entries in proptest::collection::vec(ENTRY, 0..8),
        uri in URI,
        rests in proptest::collection::vec("[ab/?]{0,4}", 1..20),
    ) {
        let lists = lists(&entries);
        let uri = parse(&uri);
        let Some(hit) = lists.find(&uri, Active::NONE) else {
            return Ok(());
        };
        let Some(len) = hit.prefix_len else {
            return Ok(());
        };
        prop_assert!(uri.origin_len() <= len && len <= uri.as_str().len());
        let shared = uri.as_str().get(..len).unwrap();
        for rest in rests {
            let other = parse(&format!("{shared}{rest}"));
            if !other.as_str().starts_with(shared) {
                continue;
            }
            prop_assert_eq!(naive(&entries, &other), Some(hit.rule.to_string()), "{}", other);
            prop_assert_eq!(lists.find(&other, Active::NONE).map(|hit| hit.prefix_len), Some(Some(len)));
        }
    }

    #[test]
    fn without_an_entry_below_all_is_decided_alike(
        entries in proptest::collection::vec(ENTRY, 0..8),
        uri in URI,
        rests in proptest::collection::vec("[ab/?]{0,4}", 1..20),
    ) {
        let lists = lists(&entries);
        let uri = parse(&uri);
        let origin = uri.as_str().get(..uri.origin_len()).unwrap();
        if !lists.has_below(origin) {
            let at_origin = naive(&entries, &parse(origin));
            for rest in rests {
                let other = parse(&format!("{origin}{rest}"));
                prop_assert_eq!(naive(&entries, &other), at_origin.clone());
            }
        }
    }
}

/// The order of precedence in its plainest form.
fn naive(entries: &[String], uri: &NormalUri) -> Option<String> {
    let entries: Vec<Entry> = entries
        .iter()
        .map(|text| Entry::parse(text).unwrap())
        .collect();
    let prefixes = entries.iter().filter_map(|entry| match entry {
        Entry::Prefix(prefix) => Some(prefix.as_str()),
        Entry::Domain(_) => None,
    });
    let matching: Vec<&str> = prefixes.filter(|p| uri.as_str().starts_with(p)).collect();
    let longest = |whole_host: bool| {
        let covers = |p: &&&str| (p.len() >= uri.host_end()) == whole_host;
        matching
            .iter()
            .filter(covers)
            .max_by_key(|p| p.len())
            .map(ToString::to_string)
    };
    let domains = entries.iter().filter_map(|entry| match entry {
        Entry::Domain(domain) => Some(domain.as_str()),
        Entry::Prefix(_) => None,
    });
    let covers = |d: &&str| uri.host() == *d || uri.host().ends_with(&format!(".{d}"));
    let domain = domains
        .filter(covers)
        .max_by_key(|d| d.len())
        .map(str::to_owned);
    longest(true).or(domain).or_else(|| longest(false))
}

fn lists<T: AsRef<str>>(entries: &[T]) -> Lists {
    let listed = entries.iter().map(|text| {
        let entry = Entry::parse(text.as_ref()).unwrap();
        let listed = Listed {
            action: Action::Block,
            kind: ListKind::Block,
            rule: entry.as_str().into(),
            when: When::Always,
        };
        (entry, listed)
    });
    Lists::new(listed.collect())
}

fn parse(uri: &str) -> NormalUri {
    NormalUri::parse(uri.as_bytes()).unwrap()
}

#[track_caller]
fn check(entries: &[&str], uri: &str, rule: Option<&str>, shared: Option<&str>) {
    let uri = parse(uri);
    let hit = lists(entries).find(&uri, Active::NONE);
    assert_eq!(hit.as_ref().map(|hit| &*hit.rule), rule, "{uri}");
    let len = hit.and_then(|hit| hit.prefix_len);
    assert_eq!(len.and_then(|len| uri.as_str().get(..len)), shared, "{uri}");
}
