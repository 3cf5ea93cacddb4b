use std::sync::Arc;

use ipnet::IpNet;

use crate::compile::read_lists;
use crate::file::{ListWritten, Loose, PolicyFile, ProfileWritten, WhenWritten};
use crate::written::{self, Placed, Remarks, Written};
use crate::{AskError, Diagnostic, ListKind, Place};

/// Everything in a policy file that can decide, each with its place.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// What can decide, in the order of the file; profiles with their actions come last.
    pub rules: Vec<Rule>,
    /// The profiles, in the order of the file.
    pub profiles: Vec<OutlinedProfile>,
    /// The files of lists, as written: meant from the folder of the policy file.
    pub list_files: Vec<String>,
}

/// One thing that can decide.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// What it is.
    pub kind: RuleKind,
    /// The file, as named by the caller or beside it.
    pub file: Arc<str>,
    /// Where it is.
    pub place: Place,
}

/// What can decide.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum RuleKind {
    /// A range of bypass addresses.
    Bypass(IpNet),
    /// An entry of a list, by the name of the list and in normal form.
    Entry(String, Arc<str>),
    /// A category of a policy, by both names, the category in lower case.
    Category(String, String),
    /// A profile, by its name.
    Profile(String),
    /// One of the four actions of a profile, by its key.
    Action(String, &'static str),
    /// A profile's own action for a class of failure.
    ErrorAction(String, AskError),
    /// What a profile names for some times only.
    Scheduled(ScheduledUse),
}

/// A list, policy or profile that a profile names for some times only.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ScheduledUse {
    /// The profile.
    pub profile: String,
    /// The key in it: `policy`, `instead`, or that of a list.
    pub key: &'static str,
    /// What is named.
    pub name: String,
    /// What the schedule is called there.
    pub schedule: String,
}

/// What a profile names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutlinedProfile {
    /// Its name.
    pub name: String,
    /// Where that is.
    pub place: Place,
    /// Whether a policy server can select it.
    pub has_id: bool,
    /// Profiles that stand in its place at times.
    pub instead: Vec<String>,
    /// The lists, whatever is done with them.
    pub lists: Vec<String>,
}

impl Outline {
    /// Reads the text of a policy file like [`compile()`](crate::compile()). Values that are
    /// wrong are left out.
    ///
    /// # Errors
    ///
    /// Fails where the file is no YAML of the right shape.
    pub fn read(
        name: &str,
        text: &str,
        read: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Self, Diagnostic> {
        let file: PolicyFile = written::read(name, text)?;
        let mut remarks = Remarks::new(name);
        let mut outline = Self::default();
        let own: Arc<str> = name.into();
        for (list, entries) in read_lists(&file.lists, read, &mut remarks) {
            outline.rules.extend(entries.into_iter().map(|read| Rule {
                kind: RuleKind::Entry(list.to_owned(), read.rule),
                file: read.site.file,
                place: read.site.place,
            }));
        }
        let mut add = |kind, place| {
            let file = Arc::clone(&own);
            outline.rules.push(Rule { kind, file, place });
        };
        for range in &file.bypass {
            if let Some(net) = range.range(&mut remarks) {
                add(RuleKind::Bypass(net), range.place);
            }
        }
        for (policy, written) in &file.policies.0 {
            let redirected = written.redirect.iter().flat_map(|it| &it.categories);
            let categories = written.pass.iter().chain(&written.block).chain(redirected);
            for category in categories {
                let name = category.text.to_ascii_lowercase();
                add(
                    RuleKind::Category(policy.text.clone(), name),
                    category.place,
                );
            }
        }
        for (name, written) in &file.profiles.value.0 {
            add(RuleKind::Profile(name.text.clone()), name.place);
            scheduled(name, written, &mut add);
            actions(name, written, &mut add);
        }
        let lists_of_files = file.lists.0.iter();
        outline.list_files = lists_of_files
            .filter_map(|(_, list)| match &list.value {
                ListWritten::File(path) => Some(path.text.clone()),
                ListWritten::Inline(_) | ListWritten::Neither(_) => None,
            })
            .collect();
        let profiles = file.profiles.value.0.iter();
        outline.profiles = profiles
            .map(|(name, written)| OutlinedProfile {
                name: name.text.clone(),
                place: name.place,
                has_id: written.id.is_some(),
                instead: written
                    .instead
                    .iter()
                    .map(|it| it.profile.text.clone())
                    .collect(),
                lists: written.list_names().map(str::to_owned).collect(),
            })
            .collect();
        Ok(outline)
    }
}

/// Adds what the profile names for some times only.
fn scheduled(profile: &Written, written: &ProfileWritten, add: &mut dyn FnMut(RuleKind, Place)) {
    let mut add = |key, name: &Written, when: Option<&WhenWritten>| {
        let Some(when) = when else { return };
        let scheduled = ScheduledUse {
            profile: profile.text.clone(),
            key,
            name: name.text.clone(),
            schedule: when.called(),
        };
        add(RuleKind::Scheduled(scheduled), name.place);
    };
    for one in written.policy.iter().flat_map(Placed::each) {
        if let Loose::Map(timed) = &one.value {
            add("policy", &timed.policy, timed.when.as_ref());
        }
    }
    let lists = [
        (ListKind::Pass, &written.pass_list),
        (ListKind::Block, &written.block_list),
    ];
    for (kind, lists) in lists {
        for one in lists {
            if let Loose::Map(timed) = &one.value {
                add(kind.key(), &timed.list, timed.when.as_ref());
            }
        }
    }
    for redirect in &written.redirect_list {
        for list in &redirect.lists {
            add(ListKind::Redirect.key(), list, redirect.when.as_ref());
        }
    }
    for instead in &written.instead {
        add("instead", &instead.profile, Some(&instead.when));
    }
}

/// Adds the actions that a request of the profile can take. Where the categorizer is not asked,
/// nothing takes the default action, and no question fails.
fn actions(name: &Written, written: &ProfileWritten, add: &mut dyn FnMut(RuleKind, Place)) {
    let asks = written.icap.as_ref().is_some_and(|it| it.text == "true");
    let own = written.error_actions.each();
    let own: Vec<(AskError, Place)> = own
        .filter_map(|(class, action)| Some((class, action.as_ref()?.place)))
        .collect();
    let others = own.len() < AskError::ALL.len();
    let keys = [
        ("default_action", asks, &written.default_action),
        ("unknown_action", true, &written.unknown_action),
        ("error_action", asks && others, &written.error_action),
        ("undecidable_action", true, &written.undecidable_action),
    ];
    for (key, can_decide, action) in keys {
        if let (true, Some(action)) = (can_decide, action) {
            add(RuleKind::Action(name.text.clone(), key), action.place);
        }
    }
    for (class, place) in own.into_iter().filter(|_| asks) {
        add(RuleKind::ErrorAction(name.text.clone(), class), place);
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn everything_that_can_decide_has_a_place() {
        let text = r"
lists: {a: ['http://A.example/'], b: {file: b.txt}}
policies: {f: {pass: [News], redirect: [{to: 'https://n.example/', categories: [games]}]}}
profiles:
  asks:
    icap: true
    instead: [{profile: alone, when: {timezone: UTC, days: [sun]}}]
    policy: {policy: f, when: {timezone: UTC}}
    pass_list: [{list: a, when: {timezone: UTC, from: '07:00'}}]
    redirect_list: [{to: 'https://n.example/', lists: [b], when: [{timezone: UTC, to: '07:30'}, {timezone: UTC, days: [sat, mon-wed]}]}]
    default_action: pass
    unknown_action: pass
    error_action: pass
    error_actions: {timeout: block}
    undecidable_action: pass
  alone: {default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
bypass: [192.0.2.0/24]
";
        let files = |_: &str| Ok("# b\nb.example\n".to_owned());
        let outline = Outline::read("d/p.yaml", text, &files).unwrap();
        let lines: String = outline
            .rules
            .iter()
            .map(|rule| format!("{}:{} {:?}\n", rule.file, rule.place, rule.kind))
            .collect();
        expect![[r#"
            d/p.yaml:2:13 Entry("a", "http://a.example/")
            d/b.txt:2:1 Entry("b", "b.example")
            d/p.yaml:17:10 Bypass(192.0.2.0/24)
            d/p.yaml:3:23 Category("f", "news")
            d/p.yaml:3:81 Category("f", "games")
            d/p.yaml:5:3 Profile("asks")
            d/p.yaml:8:22 Scheduled(ScheduledUse { profile: "asks", key: "policy", name: "f", schedule: "every day 00:00-24:00 UTC" })
            d/p.yaml:9:24 Scheduled(ScheduledUse { profile: "asks", key: "pass_list", name: "a", schedule: "every day 07:00-24:00 UTC" })
            d/p.yaml:10:56 Scheduled(ScheduledUse { profile: "asks", key: "redirect_list", name: "b", schedule: "every day 00:00-07:30 UTC or sat, mon-wed 00:00-24:00 UTC" })
            d/p.yaml:7:25 Scheduled(ScheduledUse { profile: "asks", key: "instead", name: "alone", schedule: "sun 00:00-24:00 UTC" })
            d/p.yaml:11:21 Action("asks", "default_action")
            d/p.yaml:12:21 Action("asks", "unknown_action")
            d/p.yaml:13:19 Action("asks", "error_action")
            d/p.yaml:15:25 Action("asks", "undecidable_action")
            d/p.yaml:14:30 ErrorAction("asks", Timeout)
            d/p.yaml:16:3 Profile("alone")
            d/p.yaml:16:49 Action("alone", "unknown_action")
            d/p.yaml:16:95 Action("alone", "undecidable_action")
        "#]]
        .assert_eq(&lines);
        assert_eq!(outline.list_files, ["b.txt"]);
        assert_eq!(outline.profiles[0].lists, ["a", "b"]);
        assert_eq!(outline.profiles[0].instead, ["alone"]);
    }
}
