use std::sync::Arc;

use policy::ListKind;
use uri::Readings;

use super::*;
use crate::{SharedPrefix, Target, Undecidable};

const POLICY: &str = r#"
lists:
  school: ["http://school.example/"]
policies:
  family:
    pass: [news]
    block: [adult]
profiles:
  child:
    icap: true
    policy: family
    pass_list: [school]
    default_action: pass
    unknown_action: block
    error_action: block
    undecidable_action: block
"#;

#[test]
fn a_list_entry_is_named_and_nobody_asked() {
    let explanation = explained("child", "http://school.example/a", "adult");
    let [reading] = &*explanation.readings else {
        panic!("{explanation:?}");
    };
    let listed = reading.listed.as_ref().unwrap();
    assert_eq!(listed.kind, ListKind::Pass);
    assert_eq!(&*listed.rule, "http://school.example/");
    assert!(reading.answer.is_none());
    assert!(reading.categories.is_empty());
    assert_eq!(reading.source, Source::PassList);
    assert_eq!(explanation.decision.source, Source::PassList);
}

#[test]
fn every_category_says_what_it_asks_for_and_where_that_comes_from() {
    let explanation = explained("child", "http://a.example/", "games adult news");
    let step = |category: &str, action, origin| CategoryStep {
        category: category.into(),
        action,
        origin,
    };
    assert_eq!(
        explanation.readings[0].categories,
        [
            step("games", Action::Pass, ActionOrigin::Default),
            step("adult", Action::Block, ActionOrigin::Policy),
            step("news", Action::Pass, ActionOrigin::Policy),
        ]
    );
    assert_eq!(explanation.readings[0].rule.as_deref(), Some("adult"));
    assert_eq!(explanation.decision.action, Action::Block);
    assert_eq!(explanation.decision.source, Source::Icap);
    assert!(explanation.decision.prefix_rejected);
}

#[test]
fn every_reading_is_told_of() {
    let explanation = explained("child", "http://a.example/%2570", "news");
    let uris: Vec<_> = explanation
        .readings
        .iter()
        .map(|it| it.uri.as_str())
        .collect();
    assert_eq!(uris, ["http://a.example/p", "http://a.example/%2570"]);
}

#[test]
fn where_no_uri_is_looked_at_the_source_says_why() {
    let explanation = explained("removed", "http://a.example/", "adult");
    assert!(explanation.readings.is_empty());
    assert_eq!(explanation.decision.source, Source::NoProfile);

    let target = Target::Undecidable(Undecidable::InvalidHost);
    let explanation = explain(&rules(), request("child", target), &mut |_| {
        panic!("there is nothing to ask about")
    });
    assert!(explanation.readings.is_empty());
    assert_eq!(explanation.decision.source, Source::Undecidable);
}

fn explained(profile: &str, uri: &str, categories: &str) -> Explanation {
    let readings = Readings::parse(uri.as_bytes()).unwrap();
    let request = request(profile, Target::Uri(&readings));
    explain(&rules(), request, &mut |_| {
        Ok(Answer {
            categories: categories.split_whitespace().map(Arc::from).collect(),
            verdict: None,
            prefix: Some(SharedPrefix::Malformed),
            lifetime: None,
        })
    })
}

fn request<'a>(profile: &'a str, target: Target<'a>) -> Request<'a> {
    Request {
        profile: Some(profile),
        target,
        destination: None,
    }
}

fn rules() -> Rules {
    let compiled = policy::compile("test.yaml", POLICY, &|path| Err(path.to_owned())).unwrap();
    Rules {
        policy: Arc::new(compiled.set),
        policy_generation: 0,
        icap_generation: 0,
        now: None,
    }
}
