use std::collections::BTreeMap;
use std::sync::Arc;

/// How a profile is selected where the session itself does not say (S4 4).
#[derive(Clone, Debug, Default)]
pub struct Selection {
    apn_defaults: BTreeMap<Box<str>, Arc<str>>,
    /// Highest priority first.
    rules: Vec<ProfileRule>,
}

/// A charging rule that stands for a profile (S4 4.1.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProfileRule {
    /// Charging-Rule-Name.
    pub rule: Box<str>,
    /// The profile, by name.
    pub profile: Arc<str>,
    /// Of several installed rules the one with the highest priority selects.
    pub priority: u32,
}

/// What the policy server said about the profile with Content-Filtering-Profile-Id (S4 4.1.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum GxProfile<'a> {
    /// Nothing: the next method is tried.
    #[default]
    Unnamed,
    /// The id of a profile that exists, by the profile's name.
    Named(&'a Arc<str>),
    /// The id of no profile, or 0xFFFFFFFF: filtering is off, and nothing else is tried.
    Off,
}

/// Which profile a session gets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selected {
    /// This one, by name.
    Profile(Arc<str>),
    /// The policy's default profile, or none if it has none.
    Default,
    /// None: the session is not filtered.
    Off,
}

impl Selection {
    /// Creates the selection. Of rules with equal priority the first selects. Access point names
    /// are compared in lower case.
    #[must_use]
    pub fn new(
        apn_defaults: impl IntoIterator<Item = (String, Arc<str>)>,
        mut rules: Vec<ProfileRule>,
    ) -> Self {
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.priority));
        let apn_defaults = apn_defaults.into_iter();
        Self {
            apn_defaults: apn_defaults
                .map(|(apn, profile)| (apn.to_ascii_lowercase().into(), profile))
                .collect(),
            rules,
        }
    }

    /// Selects the profile of a session in S4's order: the policy server's profile id, the
    /// installed charging rules, the default of the access point, the policy's default.
    ///
    /// A policy server that stops naming a profile is [`GxProfile::Unnamed`], so that the access
    /// point's default is tried before filtering stops (S4 4.3.3).
    #[must_use]
    pub fn select<'a>(
        &self,
        gx: GxProfile<'_>,
        installed_rules: impl IntoIterator<Item = &'a str>,
        apn: Option<&str>,
    ) -> Selected {
        match gx {
            GxProfile::Named(profile) => return Selected::Profile(Arc::clone(profile)),
            GxProfile::Off => return Selected::Off,
            GxProfile::Unnamed => {}
        }
        let by_rule = self.by_rules(installed_rules);
        let by_apn = || self.apn_default(apn?);
        match by_rule.or_else(by_apn) {
            Some(profile) => Selected::Profile(Arc::clone(profile)),
            None => Selected::Default,
        }
    }

    /// Returns the default profile of an access point, by name.
    #[must_use]
    pub fn apn_default(&self, apn: &str) -> Option<&Arc<str>> {
        if let Some(profile) = self.apn_defaults.get(apn) {
            return Some(profile);
        }
        self.apn_defaults.get(apn.to_ascii_lowercase().as_str())
    }

    /// Returns all profiles that can be selected here, by name, so that they can be looked for in
    /// the policy.
    pub fn profiles(&self) -> impl Iterator<Item = &Arc<str>> {
        let of_rules = self.rules.iter().map(|rule| &rule.profile);
        self.apn_defaults.values().chain(of_rules)
    }

    fn by_rules<'a>(&self, installed: impl IntoIterator<Item = &'a str>) -> Option<&Arc<str>> {
        let installed = installed.into_iter();
        let places = installed.filter_map(|name| self.rules.iter().position(|r| *r.rule == *name));
        let first = self.rules.get(places.min()?)?;
        Some(&first.profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_tried_in_the_order_of_s4() {
        let child = Arc::from("by-id");
        let id = GxProfile::Named(&child);
        check(id, &["acr-teen"], Some("internet"), "by-id");
        check(GxProfile::Unnamed, &["acr-teen"], Some("internet"), "teen");
        check(GxProfile::Unnamed, &["other"], Some("internet"), "adult");
        check(GxProfile::Unnamed, &[], Some("internet"), "adult");
        check(GxProfile::Unnamed, &[], Some("ims"), "(default)");
        check(GxProfile::Unnamed, &[], None, "(default)");
        check(GxProfile::Off, &["acr-teen"], Some("internet"), "(off)");
    }

    #[test]
    fn the_rule_with_the_highest_priority_selects() {
        check(
            GxProfile::Unnamed,
            &["acr-teen", "acr-child"],
            None,
            "child",
        );
        check(
            GxProfile::Unnamed,
            &["acr-child", "acr-teen"],
            None,
            "child",
        );
    }

    #[test]
    fn of_equal_priorities_the_first_selects() {
        check(GxProfile::Unnamed, &["acr-late", "acr-teen"], None, "teen");
    }

    #[test]
    fn access_point_names_have_no_case() {
        check(GxProfile::Unnamed, &[], Some("INTERNET"), "adult");
    }

    #[test]
    fn all_profiles_are_told() {
        let names: Vec<String> = selection().profiles().map(ToString::to_string).collect();
        assert_eq!(names, ["adult", "child", "teen", "late"]);
    }

    fn selection() -> Selection {
        let rule = |rule: &str, profile: &str, priority| ProfileRule {
            rule: rule.into(),
            profile: profile.into(),
            priority,
        };
        Selection::new(
            [("Internet".to_owned(), Arc::from("adult"))],
            vec![
                rule("acr-teen", "teen", 5),
                rule("acr-child", "child", 10),
                rule("acr-late", "late", 5),
            ],
        )
    }

    #[track_caller]
    fn check(gx: GxProfile<'_>, rules: &[&str], apn: Option<&str>, expected: &str) {
        let selected = match selection().select(gx, rules.iter().copied(), apn) {
            Selected::Profile(name) => name.to_string(),
            Selected::Default => "(default)".to_owned(),
            Selected::Off => "(off)".to_owned(),
        };
        assert_eq!(selected, expected);
    }
}
