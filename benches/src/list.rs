//! Lists of 10 000 entries: 5 000 URI prefixes and 5 000 domains.

use std::fmt::Write as _;
use std::sync::Arc;

use policy::PolicySet;
use uri::NormalUri;

use crate::Subject;
use crate::turns::Turns;

/// Prefixes, and as many domains.
const HALF: usize = 5_000;

/// URIs that are looked up in turn.
const LOOKED_UP: usize = 1_000;

pub(crate) fn subjects() -> Vec<Subject> {
    let set = policy();
    let profile = set.profile("local").unwrap();
    [
        ("list/prefix hit", prefix_hits(), Some("http://site")),
        ("list/domain hit", domain_hits(), Some("sub")),
        ("list/miss", misses(), None),
    ]
    .map(|(name, uris, rule)| {
        for uri in uris.iter() {
            let hit = profile.lists.find(uri, policy::Active::NONE);
            let found = hit.as_ref().map(|hit| hit.rule.starts_with(rule.unwrap()));
            assert_eq!(found, rule.map(|_| true), "{uri}");
        }
        let mut uris = uris;
        let profile = Arc::clone(profile);
        Subject::new(name, move || {
            profile.lists.find(uris.take(), policy::Active::NONE)
        })
    })
    .into()
}

/// A policy with two profiles over the same lists; one asks the categorizer.
pub(crate) fn policy() -> PolicySet {
    let mut text = String::from("lists:\n  prefixes:\n");
    for n in 0..HALF {
        // Every tenth entry is about a part of a site.
        let path = if n % 10 == 0 { "news/" } else { "" };
        writeln!(text, "    - http://site{n}.example/{path}").unwrap();
    }
    text.push_str("  domains:\n");
    for n in 0..HALF {
        writeln!(text, "    - sub{n}.test").unwrap();
    }
    text.push_str("policies:\n  family: {pass: [news], block: [adult]}\nprofiles:\n");
    for (profile, icap) in [("asking", true), ("local", false)] {
        writeln!(
            text,
            "  {profile}: {{icap: {icap}, policy: family, pass_list: [prefixes], \
             block_list: [domains], default_action: pass, unknown_action: pass, \
             error_action: block, undecidable_action: block}}"
        )
        .unwrap();
    }
    let no_file = |path: &str| Err(format!("{path} is not there"));
    match policy::compile("bench.yaml", &text, &no_file) {
        Ok(compiled) => compiled.set,
        Err(errors) => panic!("{errors:?}"),
    }
}

pub(crate) fn domain_hits() -> Turns<NormalUri> {
    uris(|n| format!("http://www.sub{n}.test/news/article{n}.html?id={n}"))
}

pub(crate) fn misses() -> Turns<NormalUri> {
    uris(|n| format!("http://www.other{n}.example/news/article{n}.html?id={n}"))
}

fn prefix_hits() -> Turns<NormalUri> {
    uris(|n| format!("http://site{n}.example/news/article{n}.html?id={n}"))
}

/// Spreads the URIs over all entries.
fn uris(text: impl Fn(usize) -> String) -> Turns<NormalUri> {
    let step = HALF / LOOKED_UP;
    // A factor that is prime to the number of URIs shuffles them.
    let numbers = (0..LOOKED_UP).map(|n| n * 7919 % LOOKED_UP * step);
    Turns::of(numbers.map(|n| NormalUri::parse(text(n).as_bytes()).unwrap()))
}
