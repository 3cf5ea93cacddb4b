//! What a file does not tell alone: whether anything selects its profiles, and whether its
//! categories exist.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use categories::Database;
use policy::{
    Categorized, Diagnostic, Outline, Place, PolicySet, RuleKind, Severity, TestFile, Warning,
    nearest,
};

use crate::config::Config;
use crate::{Failure, load};

/// Categories named when one is not known and none is like it.
const CATEGORIES_SHOWN_MAX: usize = 10;

/// The categories that a categorizer can answer.
#[derive(Debug)]
pub(crate) struct Known(BTreeSet<String>);

impl Known {
    /// Reads the categories of a built file, or of a directory of lists.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let (database, _) = load::category_source(path).map_err(|source| Failure::File {
            path: path.to_owned(),
            hint: "`--categories` takes a built file or a directory of lists",
            source: Box::new(source),
        })?;
        Ok(Self::of(&database))
    }

    pub(crate) fn of(database: &Database) -> Self {
        let names = database.answered();
        Self(names.map(str::to_lowercase).collect())
    }

    /// Returns a remark about each category of a policy that is not among these.
    pub(crate) fn unknown_in(&self, outline: &Outline) -> Vec<Diagnostic> {
        let rules = outline.rules.iter();
        rules
            .filter_map(|rule| match &rule.kind {
                RuleKind::Category(_, category) if !self.0.contains(category) => {
                    let text = self.unknown(category, &BTreeSet::new());
                    Some(remark(
                        Warning::UnknownCategory,
                        &rule.file,
                        rule.place,
                        text,
                    ))
                }
                RuleKind::Category(..)
                | RuleKind::Bypass(_)
                | RuleKind::Entry(..)
                | RuleKind::Profile(_)
                | RuleKind::Action(..)
                | RuleKind::ErrorAction(..)
                | RuleKind::Scheduled(_) => None,
            })
            .collect()
    }

    /// Returns a remark about each category of test cases that is neither among these nor in the
    /// policy.
    pub(crate) fn unknown_in_tests(
        &self,
        name: &str,
        tests: &TestFile,
        outline: &Outline,
    ) -> Vec<Diagnostic> {
        let rules = outline.rules.iter();
        let named: BTreeSet<String> = rules
            .filter_map(|rule| match &rule.kind {
                RuleKind::Category(_, category) => Some(category.clone()),
                RuleKind::Bypass(_)
                | RuleKind::Entry(..)
                | RuleKind::Profile(_)
                | RuleKind::Action(..)
                | RuleKind::ErrorAction(..)
                | RuleKind::Scheduled(_) => None,
            })
            .collect();
        let mut remarks = Vec::new();
        for case in &tests.cases {
            let Categorized::Categories(categories) = &case.categorized else {
                continue;
            };
            for category in categories {
                if !self.0.contains(category) && !named.contains(category) {
                    let text = self.unknown(category, &named);
                    let place = case.place;
                    remarks.push(remark(Warning::UnknownCategory, name, place, text));
                }
            }
        }
        remarks
    }

    fn unknown(&self, category: &str, named: &BTreeSet<String>) -> String {
        let all: BTreeSet<&str> = self.0.union(named).map(String::as_str).collect();
        if let Some(near) = nearest(category, all.iter().copied()) {
            return format!("unknown category `{category}`; did you mean `{near}`?");
        }
        let shown = all.iter().take(CATEGORIES_SHOWN_MAX);
        let mut shown: Vec<String> = shown.map(|name| format!("`{name}`")).collect();
        if all.len() > shown.len() {
            shown.push(format!("{} more", all.len() - shown.len()));
        }
        format!(
            "unknown category `{category}`; the categorizer has {}",
            shown.join(", ")
        )
    }
}

/// Returns a remark about each profile that no session of the configuration can have.
pub(crate) fn unselected(
    config: &Config,
    policy: &PolicySet,
    outline: &Outline,
) -> Vec<Diagnostic> {
    // A policy server selects by the id.
    let mut selected: HashSet<&str> = config.sessions.profiles().collect();
    let live = config.live.iter().flat_map(crate::config::Live::profiles);
    selected.extend(live.map(AsRef::as_ref));
    selected.extend(policy.default_profile().map(|profile| &*profile.name));
    let by_id = outline.profiles.iter().filter(|profile| profile.has_id);
    selected.extend(by_id.map(|profile| profile.name.as_str()));
    // Who stands in has nobody standing in for it, so one step is enough.
    let replaced = outline.profiles.iter();
    let replaced = replaced.filter(|profile| selected.contains(profile.name.as_str()));
    let instead: Vec<&str> = replaced
        .flat_map(|profile| profile.instead.iter().map(String::as_str))
        .collect();
    selected.extend(instead);
    let file = outline.rules.iter().find_map(|rule| match rule.kind {
        RuleKind::Profile(_) => Some(rule.file.as_ref()),
        RuleKind::Category(..)
        | RuleKind::Bypass(_)
        | RuleKind::Entry(..)
        | RuleKind::Action(..)
        | RuleKind::ErrorAction(..)
        | RuleKind::Scheduled(_) => None,
    });
    let profiles = outline.profiles.iter();
    profiles
        .filter(|profile| !selected.contains(profile.name.as_str()))
        .map(|profile| {
            let text = format!(
                "nothing selects the profile `{}`: it has no `id`, is not the `default_profile`, \
                 and neither `sessions` nor an `instead` names it",
                profile.name
            );
            let file = file.unwrap_or_default();
            remark(Warning::UnselectedProfile, file, profile.place, text)
        })
        .collect()
}

fn remark(warning: Warning, file: &str, place: Place, text: String) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        place: Some(place),
        severity: Severity::Warning,
        text,
        warning: Some(warning),
    }
}
