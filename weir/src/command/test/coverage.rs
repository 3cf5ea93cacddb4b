//! Which parts of a policy decided a case.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use filter::Source;
use policy::{Outline, OutlinedProfile, Rule, RuleKind, ScheduledUse};

use super::case::Touched;
use crate::files::Files;
use crate::{Failure, load};

/// What the cases of a run touched, by policy.
#[derive(Debug, Default)]
pub(super) struct Coverage(BTreeMap<PathBuf, PolicyCoverage>);

/// What the cases of a run touched of one policy.
#[derive(Debug)]
pub(super) struct PolicyCoverage {
    outline: Outline,
    touched: HashSet<RuleKind>,
}

impl Coverage {
    /// Takes a policy in.
    pub(super) fn add_policy(&mut self, path: &Path) -> Result<(), Failure> {
        if self.0.contains_key(path) {
            return Ok(());
        }
        let outline = load::outline(Files::Disk, path);
        let outline = outline.map_err(|remark| Failure::Configuration(vec![remark]))?;
        let coverage = PolicyCoverage {
            outline,
            touched: HashSet::new(),
        };
        self.0.insert(path.to_owned(), coverage);
        Ok(())
    }

    /// Notes what decided requests.
    pub(super) fn touch(&mut self, path: &Path, touched: &[Touched]) {
        if let Some(policy) = self.0.get_mut(path) {
            for touched in touched {
                policy.touch(touched);
            }
        }
    }

    /// Returns the policies with their names.
    pub(super) fn policies(&self) -> impl Iterator<Item = (String, &PolicyCoverage)> {
        let policies = self.0.iter();
        policies.map(|(path, policy)| (path.display().to_string(), policy))
    }

    /// Returns whether at least `percent` of all policies together is covered.
    pub(super) fn is_at_least(&self, percent: u8) -> bool {
        let covered: usize = self.0.values().map(PolicyCoverage::covered).sum();
        let total: usize = self.0.values().map(PolicyCoverage::total).sum();
        covered * 100 >= total * usize::from(percent)
    }
}

impl PolicyCoverage {
    /// Returns what can decide.
    pub(super) fn total(&self) -> usize {
        self.outline.rules.len()
    }

    /// Returns how much of that decided a case.
    pub(super) fn covered(&self) -> usize {
        self.total() - self.untouched().count()
    }

    /// Returns whole percents, never more than there are.
    pub(super) fn percent(&self) -> usize {
        (self.covered() * 100)
            .checked_div(self.total())
            .unwrap_or(100)
    }

    /// Returns what decided no case.
    pub(super) fn untouched(&self) -> impl Iterator<Item = &Rule> {
        let rules = self.outline.rules.iter();
        rules.filter(|rule| !self.touched.contains(&rule.kind))
    }

    fn touch(&mut self, touched: &Touched) {
        if let (Source::Bypass, Some(address)) = (touched.source, touched.destination) {
            let address = address.to_canonical();
            let ranges = self.outline.rules.iter().map(|rule| &rule.kind);
            let touched: Vec<RuleKind> = ranges
                .filter(|kind| matches!(kind, RuleKind::Bypass(range) if range.contains(&address)))
                .cloned()
                .collect();
            self.touched.extend(touched);
        }
        let scheduled = self.scheduled(touched);
        self.touched.extend(scheduled);
        let profiles = self.outline.profiles.iter();
        let named = touched.profile.as_deref();
        let found = profiles.clone().find(|it| Some(it.name.as_str()) == named);
        if let Some(profile) = found {
            let kinds = self.kinds(profile, touched);
            self.touched.extend(kinds);
            self.touched.insert(RuleKind::Profile(profile.name.clone()));
        }
    }

    /// Returns what decided a request because of the time.
    fn scheduled(&self, touched: &Touched) -> Vec<RuleKind> {
        let has = |list: &str, entry: &str| {
            let mut rules = self.outline.rules.iter();
            rules.any(|rule| match &rule.kind {
                RuleKind::Entry(of, rule) => of == list && **rule == *entry,
                RuleKind::Bypass(_)
                | RuleKind::Category(..)
                | RuleKind::Profile(_)
                | RuleKind::Action(..)
                | RuleKind::ErrorAction(..)
                | RuleKind::Scheduled(_) => false,
            })
        };
        let rules = self.outline.rules.iter().map(|rule| &rule.kind);
        let held = |kind: &&RuleKind| match kind {
            RuleKind::Scheduled(wanted) => touched.scheduled.iter().any(|it| it.is(wanted, has)),
            RuleKind::Bypass(_)
            | RuleKind::Entry(..)
            | RuleKind::Category(..)
            | RuleKind::Profile(_)
            | RuleKind::Action(..)
            | RuleKind::ErrorAction(..) => false,
        };
        rules.filter(held).cloned().collect()
    }

    /// Returns what in a profile decided a request.
    fn kinds(&self, profile: &OutlinedProfile, touched: &Touched) -> Vec<RuleKind> {
        let name = &profile.name;
        let action = |key| vec![RuleKind::Action(name.clone(), key)];
        match (touched.source, &touched.rule) {
            (Source::PassList | Source::BlockList | Source::RedirectList, Some(rule)) => {
                let lists = profile.lists.iter();
                lists
                    .map(|list| RuleKind::Entry(list.clone(), rule.clone()))
                    .collect()
            }
            (Source::Icap, Some(category)) => {
                let policy = touched.policy.iter();
                policy
                    .map(|policy| RuleKind::Category(policy.to_string(), category.to_string()))
                    .collect()
            }
            (Source::Default, _) => action("default_action"),
            (Source::Unknown, _) => action("unknown_action"),
            (Source::Undecidable, _) => action("undecidable_action"),
            (Source::Error, _) => {
                let own = touched
                    .failure
                    .map(|class| RuleKind::ErrorAction(name.clone(), class));
                let has = |kind: &RuleKind| self.outline.rules.iter().any(|it| it.kind == *kind);
                match own.filter(has) {
                    Some(own) => vec![own],
                    None => action("error_action"),
                }
            }
            // What a cached decision came from decided the request that filled the cache.
            (
                Source::Cache
                | Source::Bypass
                | Source::NoProfile
                | Source::Unfiltered
                | Source::PassList
                | Source::BlockList
                | Source::RedirectList
                | Source::Icap,
                _,
            ) => Vec::new(),
        }
    }
}

/// Returns a rule in the words of its file.
pub(super) fn described(kind: &RuleKind) -> String {
    match kind {
        RuleKind::Bypass(range) => format!("bypass `{range}`"),
        RuleKind::Entry(list, rule) => format!("entry `{rule}` of list `{list}`"),
        RuleKind::Category(policy, category) => {
            format!("category `{category}` of policy `{policy}`")
        }
        RuleKind::Profile(profile) => format!("profile `{profile}`"),
        RuleKind::Action(profile, key) => format!("`{key}` of profile `{profile}`"),
        RuleKind::ErrorAction(profile, class) => {
            format!("`error_actions.{}` of profile `{profile}`", class.as_str())
        }
        RuleKind::Scheduled(ScheduledUse {
            profile,
            key,
            name,
            schedule,
        }) => match *key {
            "policy" => format!("policy `{name}` of profile `{profile}` by schedule `{schedule}`"),
            "instead" => {
                format!("profile `{name}` in place of `{profile}` by schedule `{schedule}`")
            }
            list => {
                format!("list `{name}` in `{list}` of profile `{profile}` by schedule `{schedule}`")
            }
        },
    }
}
