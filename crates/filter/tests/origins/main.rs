//! However a server reads a path, what it serves was judged: by its list entries, under a deny
//! list and under an allow list.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use filter::{CacheLimits, Enforcement, Filter, Protocol, Request, Rules, Step, Target};
use oracle::{Origin, origin};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use uri::{Readings, Scheme};

mod oracle;

/// Targets made of what matters to servers.
fn target() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "//", "\\", ".", "..", "/../", "/./", "%2e", "%2E%2e", "%252e", "%2f", "%252f",
        "%5c", "%255c", ";", ";x", "%3b", "%00", "%2500", "?", "%3f", "%253f", "#", "%23", "%25",
        "%", "25", "2", "bad", "b%61d", "%2562ad", "good", "a", "%zz", "=", "~", "%c3%bc",
    ]);
    prop::collection::vec(piece, 0..9).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// Targets in which dot segments decide.
fn dotted_target() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec![
        "..",
        "..",
        ".",
        "%2e%2e",
        ".%2e",
        "%2e",
        "..;",
        "..;a",
        "%252e%252e",
        "..%2f..",
        "..\\..",
        "..%5c",
        "..%00",
        "",
        ";",
        ";a",
        "bad",
        "bad",
        "good",
        "good",
        "a%2fb",
        "a\\b",
        "a%3fb",
        "x",
    ]);
    prop::collection::vec(segment, 1..7).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn readings(target: &str) -> Readings {
    Readings::of_request(Scheme::Http, b"a.example", target.as_bytes(), None).unwrap()
}

/// Returns the path of a reading without its query.
fn path_of(uri: &uri::NormalUri) -> &str {
    uri.path_and_query().split('?').next().unwrap()
}

fn covered(target: &str, origin: &Origin) -> Result<(), TestCaseError> {
    let readings = readings(target);
    let reached = origin.reaches(target.as_bytes());
    prop_assert!(
        !readings.are_all() || readings.iter().any(|uri| path_of(uri) == reached),
        "{target} reaches {reached} of {origin:?}, beside {:?}",
        readings.iter().map(path_of).collect::<Vec<_>>()
    );
    Ok(())
}

/// A place and the rules around it.
struct Place {
    path: &'static str,
    denied: Rules,
    allowed: Rules,
}

static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| {
    [
        "/bad",
        "/bad/",
        "/good/",
        "/good/bad",
        "/a",
        "/b",
        "/bad/x",
        "/%23",
    ]
    .into_iter()
    .map(|path| Place {
        path,
        denied: rules(path, "block_list", "pass"),
        allowed: rules(path, "pass_list", "block"),
    })
    .collect()
});

fn rules(path: &str, list: &str, otherwise: &str) -> Rules {
    let text = format!(
        "lists: {{one: [\"http://a.example{path}\"]}}\nprofiles: {{all: {{{list}: [one], \
         default_action: {otherwise}, unknown_action: {otherwise}, error_action: block, \
         undecidable_action: block}}}}\n"
    );
    let compiled = policy::compile("policy.yaml", &text, &|path| Err(path.to_owned()));
    Rules {
        policy: Arc::new(compiled.unwrap().set),
        policy_generation: 0,
        icap_generation: 0,
        now: None,
    }
}

fn passes(rules: &Rules, target: &str) -> bool {
    let readings = readings(target);
    let request = Request {
        profile: Some("all"),
        target: Target::Uri(&readings),
        destination: None,
    };
    let mut filter = Filter::new(CacheLimits {
        entries_max: None,
        lifetime: Duration::from_secs(1),
    });
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant comes from nowhere else"
    )]
    let now = Instant::now();
    match filter.begin(rules, request, now) {
        Step::Decided(decision) => decision.enforcement(Protocol::Http) == Enforcement::Forward,
        Step::Ask(_) => panic!("no profile asks"),
    }
}

/// Most paths of attackers are judged by their readings, and only the worst are undecidable.
#[test]
fn few_paths_have_too_many_readings() {
    for (name, targets) in [
        ("any", target().boxed()),
        ("dotted", dotted_target().boxed()),
    ] {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let judged = (0..5000).filter(|_| {
            let tree = targets.new_tree(&mut runner).unwrap();
            readings(&tree.current()).are_all()
        });
        let judged = judged.count();
        println!("{name}: {judged} of 5000 paths have few enough readings");
        assert!(judged > 3500, "{name}: {judged}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_an_origin_serves_is_a_reading(target in target(), origin in origin()) {
        covered(&target, &origin)?;
    }

    #[test]
    fn what_an_origin_serves_by_dot_segments_is_a_reading(
        target in dotted_target(),
        origin in origin(),
    ) {
        covered(&target, &origin)?;
    }

    #[test]
    fn what_an_origin_behind_a_gateway_serves_is_a_reading(
        target in dotted_target(),
        gateway in origin(),
        origin in origin(),
    ) {
        // What a gateway leaves is not decoded and parsed once more.
        let origin = Origin {
            knows_encoded_network_paths: false,
            ..origin
        };
        let readings = readings(&target);
        let passed_on = gateway.reaches(target.as_bytes());
        let reached = origin.reaches(passed_on.as_bytes());
        prop_assert!(
            !readings.are_all() || readings.iter().any(|uri| path_of(uri) == reached),
            "{target} is {passed_on} of {gateway:?} and reaches {reached} of {origin:?}"
        );
    }

    #[test]
    fn a_reading_is_a_reading_of_itself(target in prop_oneof![target(), dotted_target()]) {
        let all = readings(&target);
        for uri in all.iter() {
            let again = Readings::parse(uri.as_str().as_bytes()).unwrap();
            prop_assert!(!again.are_all() || again.iter().any(|reading| reading == uri), "{uri}");
        }
    }

    #[test]
    fn a_decision_is_as_strict_as_any_origin_needs(
        target in prop_oneof![target(), dotted_target()],
        origin in origin(),
        place in any::<prop::sample::Index>(),
    ) {
        let place = place.get(&PLACES);
        let is_in = origin.reaches(target.as_bytes()).starts_with(place.path);
        if is_in {
            prop_assert!(!passes(&place.denied, &target), "{target} reaches {}", place.path);
        } else {
            prop_assert!(!passes(&place.allowed, &target), "{target} reaches no {}", place.path);
        }
    }
}
