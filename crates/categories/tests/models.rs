//! The database against a linear search, and the prefixes that it promises.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};

use categories::{Builder, Database, ListKind, Overrides};
use proptest::prelude::*;
use uri::{Domain, NormalUri, Readings};

const KINDS: [ListKind; 7] = [
    ListKind::Domains,
    ListKind::Hostnames,
    ListKind::Hosts,
    ListKind::Adblock,
    ListKind::Urls,
    ListKind::UrlTable,
    ListKind::Expressions,
];

/// Lists as they were given, searched from the first line to the last.
#[derive(Clone, Debug)]
struct Model {
    domains: Vec<(String, String)>,
    /// Names without what is below them.
    hostnames: Vec<(String, String)>,
    urls: Vec<(String, String)>,
    /// Plain words, which mean themselves as expressions.
    words: Vec<(String, String)>,
    /// Domains and URIs with their categories, which replace what the lists say.
    overrides: BTreeMap<String, Vec<String>>,
}

impl Model {
    fn database(&self) -> Database {
        let lines = self.overrides.iter().map(|(entry, categories)| {
            let categories = categories.join(",");
            format!(
                "{entry} {}\n",
                if categories.is_empty() {
                    "-"
                } else {
                    &categories
                }
            )
        });
        let (overrides, report) =
            Overrides::read("overrides", lines.collect::<String>().as_bytes());
        assert_eq!(report.bad_lines, []);
        self.listed().with_overrides(overrides).unwrap()
    }

    fn listed(&self) -> Database {
        let mut builder = Builder::new();
        for (lists, kind) in [
            (&self.domains, ListKind::Domains),
            (&self.hostnames, ListKind::Hostnames),
            (&self.urls, ListKind::Urls),
            (&self.words, ListKind::Expressions),
        ] {
            for (category, line) in lists {
                builder
                    .add_file(category, kind, "list", line.as_bytes())
                    .unwrap();
            }
        }
        builder.build().unwrap()
    }

    fn categories(&self, uri: &NormalUri) -> BTreeSet<&str> {
        let entries = self.overrides.iter();
        let decisive = entries.filter_map(|(entry, categories)| {
            weight(entry, uri).map(|weight| (weight, categories))
        });
        match decisive.max_by_key(|(weight, _)| *weight) {
            Some((_, categories)) => categories.iter().map(String::as_str).collect(),
            None => self.listed_categories(uri),
        }
    }

    fn listed_categories(&self, uri: &NormalUri) -> BTreeSet<&str> {
        let host = uri.host();
        let hostnames = self.hostnames.iter().filter(|(_, line)| line == host);
        let domains = self.domains.iter().filter(|(_, line)| {
            let name = Domain::parse(line).unwrap();
            host == name.as_str() || host.ends_with(&format!(".{}", name.as_str()))
        });
        let path = uri.path_and_query().to_ascii_lowercase();
        let urls = self.urls.iter().filter(|(_, line)| {
            let url = NormalUri::parse(format!("http://{line}").as_bytes()).unwrap();
            unfold(url.host()) == unfold(host)
                && path.starts_with(&url.path_and_query().to_ascii_lowercase())
        });
        let text = format!("{host}{path}");
        let words = self
            .words
            .iter()
            .filter(|(_, word)| text.contains(word.as_str()));
        domains
            .chain(hostnames)
            .chain(urls)
            .chain(words)
            .map(|(category, _)| category.as_str())
            .collect()
    }
}

/// Returns how much of a URI an override covers: a longer path more, any path more than a domain.
fn weight(entry: &str, uri: &NormalUri) -> Option<(usize, usize)> {
    let host = uri.host();
    if !entry.contains('/') {
        let covers = host == entry || host.ends_with(&format!(".{entry}"));
        return covers.then_some((0, entry.len()));
    }
    let rule = NormalUri::parse(format!("http://{entry}").as_bytes()).unwrap();
    let path = rule.path_and_query();
    let covers = unfold(rule.host()) == unfold(host)
        && uri
            .path_and_query()
            .to_lowercase()
            .starts_with(&path.to_lowercase());
    covers.then_some((1, path.len()))
}

fn unfold(host: &str) -> &str {
    host.strip_prefix("www.")
        .filter(|rest| rest.contains('.'))
        .unwrap_or(host)
}

fn category() -> impl Strategy<Value = String> {
    "[a-d]".prop_map(|letter| format!("category-{letter}"))
}

fn host() -> impl Strategy<Value = String> {
    "(www\\.)?([ab]{1,2}(-a)?\\.){0,3}[ab]{1,2}"
}

fn path() -> impl Strategy<Value = String> {
    "(/[aAb]{0,2}){0,3}(\\?[ab]{0,2})?"
}

fn model() -> impl Strategy<Value = Model> {
    let url = (host(), path()).prop_map(|(host, path)| host + &path);
    // Without `www.` and empty segments, so that no two entries are one.
    let path_or_not = prop_oneof![
        Just(String::new()),
        Just("/".to_owned()),
        "(/[ab]{1,2}){1,2}/?"
    ];
    let entry = ("([ab]{1,2}\\.){0,2}[ab]{1,2}", path_or_not).prop_map(|(host, path)| host + &path);
    let names = proptest::collection::vec(prop_oneof![category(), Just("own".to_owned())], 0..3);
    (
        proptest::collection::vec((category(), host()), 0..12),
        proptest::collection::vec((category(), host()), 0..6),
        proptest::collection::vec((category(), url), 0..12),
        proptest::collection::vec((category(), "/[ab]{1,2}/"), 0..2),
        proptest::collection::btree_map(entry, names, 0..4),
    )
        .prop_map(|(domains, hostnames, urls, words, overrides)| Model {
            domains,
            hostnames,
            urls,
            words,
            overrides,
        })
}

fn uris() -> impl Strategy<Value = Vec<String>> {
    let uri = (host(), "(:81)?", path())
        .prop_map(|(host, port, path)| format!("http://{host}{port}{path}"));
    proptest::collection::vec(uri, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn lookups_agree_with_a_linear_search(model in model(), uris in uris()) {
        let database = model.database();
        for uri in uris {
            let readings = Readings::parse(uri.as_bytes()).unwrap();
            let found = database.lookup(&readings);
            // A URI that servers read in several ways has the categories of all of them.
            let expected: BTreeSet<&str> =
                readings.iter().flat_map(|uri| model.categories(uri)).collect();
            prop_assert_eq!(found.categories().collect::<BTreeSet<_>>(), expected, "{}", uri);
        }
    }

    #[test]
    fn an_answer_holds_under_its_prefix(
        model in model(),
        uris in uris(),
        tails in proptest::collection::vec("[aAb/?]{0,6}", 1..40),
    ) {
        let database = model.database();
        for uri in uris {
            let uri = NormalUri::parse(uri.as_bytes()).unwrap();
            let found = database.lookup_uri(&uri);
            let Some(len) = found.prefix_len() else {
                continue;
            };
            prop_assert!(uri.origin_len() <= len && len <= uri.as_str().len());
            let prefix = uri.as_str().get(..len).unwrap();
            for tail in &tails {
                let other = NormalUri::parse(format!("{prefix}{tail}").as_bytes()).unwrap();
                if other.as_str().starts_with(prefix) {
                    let other_found = database.lookup_uri(&other);
                    prop_assert!(
                        found.categories().eq(other_found.categories()),
                        "{} and {} under {}", uri, other, prefix
                    );
                }
            }
        }
    }

    #[test]
    fn lists_of_any_bytes_are_read(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut builder = Builder::new();
        for kind in KINDS {
            builder.add_file("any", kind, "list", &text).unwrap();
        }
        let database = builder.build().unwrap();
        let _ = database.lookup(&Readings::parse(b"http://a.example/").unwrap());
    }

    #[test]
    fn databases_of_any_bytes_are_refused(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Database::from_bytes(text.clone()).is_err());
        prop_assert!(Database::from_bytes([&b"weircat\n\x03\0\0\0"[..], &text].concat()).is_err());
    }
}
