use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ipnet::IpNet;

use super::destinations::Destinations;
use super::entries::ReadEntry;
use super::names;
use super::policies::CompiledPolicy;
use super::times::Times;
use crate::file::{ActionWritten, InsteadWritten, Loose, ProfileWritten, TimedList, TimedPolicy};
use crate::lists::Listed;
use crate::remarks::Site;
use crate::suggest::unknown;
use crate::written::{Named, Placed, Remarks, Written};
use crate::{
    Action, BlockResponse, Effect, ErrorActions, ListKind, Lists, Place, Profile, SniCheck,
    Warning, When,
};

/// The greatest Content-Filtering-Profile-Id; the value after it means "no profile" (S4 4.1.1).
const ID_MAX: u32 = u32::MAX - 1;

/// Compiles profiles against everything that they name.
pub(super) struct Compiler<'a> {
    pub(super) lists: &'a BTreeMap<&'a str, Vec<ReadEntry>>,
    pub(super) policies: &'a BTreeMap<&'a str, CompiledPolicy<'a>>,
    pub(super) bypass: &'a [IpNet],
    /// Which profiles use a list, by their places in the file.
    pub(super) list_users: BTreeMap<&'a str, Vec<usize>>,
    pub(super) destinations: Destinations,
    pub(super) times: Times<'a>,
    pub(super) remarks: Remarks,
}

/// A list as one profile uses it.
#[derive(Clone, Copy)]
pub(super) struct Use<'a> {
    pub(super) name: Name<'a>,
    pub(super) when: When,
    pub(super) kind: ListKind,
    pub(super) action: Action,
    pub(super) entries: &'a [ReadEntry],
}

/// What a profile names, and where.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) text: &'a str,
    pub(super) place: Place,
}

impl<'a> From<&'a Written> for Name<'a> {
    fn from(written: &'a Written) -> Self {
        Self {
            text: &written.text,
            place: written.place,
        }
    }
}

impl<'a> Compiler<'a> {
    pub(super) fn compile(&mut self, profiles: &'a Named<ProfileWritten>) -> Vec<Profile> {
        let mut ids = HashMap::new();
        let compiled = profiles.0.iter().zip(0..);
        compiled
            .map(|((name, written), place)| {
                self.number_destinations(written);
                let id = written.id.as_ref().and_then(|id| self.id(id, &mut ids));
                self.check_instead(name, &written.instead, profiles);
                let uses = self.uses(written);
                for used in &uses {
                    let users = self.list_users.entry(used.name.text).or_default();
                    if users.last() != Some(&place) {
                        users.push(place);
                    }
                }
                self.profile(name, written, id, &uses)
            })
            .collect()
    }

    fn profile(
        &mut self,
        name: &Written,
        written: &'a ProfileWritten,
        id: Option<u32>,
        uses: &[Use<'a>],
    ) -> Profile {
        let lists = self.merge(name, uses);
        let policies = self.policies_by_time(written.policy.as_ref());
        let effect = written.enforce.as_ref();
        let effect = effect.and_then(|text| self.effect(text));
        let icap = written.icap.as_ref();
        let icap = icap.and_then(|text| text.truth(&mut self.remarks));
        let response = written.block_response.as_ref();
        let response = response.and_then(|text| self.block_response(text));
        let sni_check = written.sni_check.as_ref();
        let sni_check = sni_check.and_then(|text| self.sni_check(text));
        let profile = Profile {
            name: name.text.as_str().into(),
            id,
            icap: icap.unwrap_or_default(),
            lists,
            policies: policies
                .iter()
                .map(|(when, compiled)| (*when, Arc::clone(&compiled.policy)))
                .collect(),
            instead: self.instead(&written.instead),
            effect: effect.unwrap_or_default(),
            default_action: self.required(name, "default_action", &written.default_action),
            unknown_action: self.required(name, "unknown_action", &written.unknown_action),
            error_actions: self.error_actions(name, written),
            undecidable_action: self.required(
                name,
                "undecidable_action",
                &written.undecidable_action,
            ),
            block_response: response.unwrap_or_default(),
            sni_check: sni_check.unwrap_or_default(),
        };
        self.warn_of_entries(uses, &profile.lists);
        self.warn_of_loops(&profile, written, &policies);
        profile
    }

    /// Numbers the destinations of a profile in the order of the file, whatever the order in
    /// which its keys are compiled.
    fn number_destinations(&mut self, written: &'a ProfileWritten) {
        let mut texts = destinations(written);
        texts.sort_by_key(|to| to.place);
        for to in texts {
            self.destinations.add(to, &mut self.remarks);
        }
    }

    fn id(&mut self, text: &Written, ids: &mut HashMap<u32, Site>) -> Option<u32> {
        let id = text.number("a profile id", 0..=ID_MAX, &mut self.remarks)?;
        let site = self.remarks.site(text.place);
        if let Some(first) = ids.get(&id) {
            let text = format!("id {id} is taken by the profile at {first}; use another");
            self.remarks.error_at(&site, text);
            return None;
        }
        ids.insert(id, site);
        Some(id)
    }

    fn block_response(&mut self, text: &Written) -> Option<BlockResponse> {
        let words = [
            ("discard", BlockResponse::Discard),
            ("reset", BlockResponse::Reset),
            ("forbidden", BlockResponse::Forbidden),
        ];
        text.word(&words, &mut self.remarks)
    }

    fn sni_check(&mut self, text: &Written) -> Option<SniCheck> {
        let modes = [SniCheck::Off, SniCheck::Log, SniCheck::Require];
        let words = modes.map(|mode| (mode.as_str(), mode));
        text.word(&words, &mut self.remarks)
    }

    fn effect(&mut self, text: &Written) -> Option<Effect> {
        let words = [("true", Effect::Enforced), ("false", Effect::Reported)];
        text.word(&words, &mut self.remarks)
    }

    fn required(
        &mut self,
        profile: &Written,
        key: &str,
        written: &Option<Placed<ActionWritten>>,
    ) -> Action {
        let Some(written) = written else {
            let missing = format!(
                "profile `{}` has no `{key}`; use pass, block or {{redirect: \"http://…\"}}",
                profile.text
            );
            self.remarks.error(profile.place, missing);
            return Action::Block;
        };
        self.action(written.place, &written.value)
    }

    fn error_actions(&mut self, name: &Written, written: &ProfileWritten) -> ErrorActions {
        let otherwise = self.required(name, "error_action", &written.error_action);
        let mut actions = ErrorActions::all(otherwise);
        for (class, own) in written.error_actions.each() {
            if let Some(own) = own {
                actions.set(class, self.action(own.place, &own.value));
            }
        }
        actions
    }

    fn action(&mut self, place: Place, written: &ActionWritten) -> Action {
        let found = match written {
            ActionWritten::Word(word) => match word.as_str() {
                "pass" => return Action::Pass,
                "block" => return Action::Block,
                other => format!("`{other}`"),
            },
            ActionWritten::Redirect(to) => {
                let id = self.destinations.add(to, &mut self.remarks);
                return id.map_or(Action::Block, Action::Redirect);
            }
            ActionWritten::Neither(kind) => (*kind).to_owned(),
        };
        let text =
            format!("{found} is not an action; use pass, block or {{redirect: \"http://…\"}}");
        self.remarks.error(place, text);
        Action::Block
    }

    /// Resolves the policies that a profile names, each with its times.
    fn policies_by_time(
        &mut self,
        written: Option<&'a Placed<Loose<TimedPolicy>>>,
    ) -> Vec<(When, &'a CompiledPolicy<'a>)> {
        // A key without a value is one that is absent.
        let written = written.filter(|it| !matches!(it.value, Loose::Nothing));
        let all = written.map(Placed::each).unwrap_or_default();
        let mut policies = Vec::new();
        let mut always: Option<Place> = None;
        for one in all {
            let (name, when) = match &one.value {
                Loose::Word(text) => {
                    let place = one.place;
                    (Name { text, place }, When::Always)
                }
                Loose::Map(TimedPolicy { policy, when }) => {
                    (policy.into(), self.when(when.as_ref()))
                }
                Loose::List(_) | Loose::Nothing => {
                    let text = "use the name of a policy, or `{policy: NAME, when: …}`";
                    self.remarks.error(one.place, text);
                    continue;
                }
            };
            if let Some(always) = always {
                let text = format!(
                    "`{}` is never reached, since the policy at {always} holds at all times; put \
                     policies with `when` first",
                    name.text
                );
                self.remarks.error(name.place, text);
            }
            if when == When::Always {
                always = always.or(Some(name.place));
            }
            policies.extend(self.policy(name).map(|policy| (when, policy)));
        }
        policies
    }

    fn policy(&mut self, name: Name<'_>) -> Option<&'a CompiledPolicy<'a>> {
        let policy = self.policies.get(name.text);
        if policy.is_none() {
            let text = unknown("policy", name.text, names(self.policies));
            self.remarks.error(name.place, text);
        }
        policy
    }

    /// Reads when something holds.
    fn when(&mut self, written: Option<&'a crate::file::WhenWritten>) -> When {
        written.map_or(When::Always, |when| {
            self.times.when(when, &mut self.remarks)
        })
    }

    fn instead(&mut self, written: &'a [InsteadWritten]) -> Vec<(When, Arc<str>)> {
        let each = written.iter();
        each.map(|instead| {
            let when = self.when(Some(&instead.when));
            (when, instead.profile.text.as_str().into())
        })
        .collect()
    }

    /// Remarks which profiles cannot stand in the place of this one. One that is itself replaced
    /// at times would leave open which holds.
    fn check_instead(
        &mut self,
        profile: &Written,
        written: &[InsteadWritten],
        profiles: &Named<ProfileWritten>,
    ) {
        for InsteadWritten { profile: other, .. } in written {
            let found = profiles.0.iter().find(|(name, _)| name.text == other.text);
            let wrong = match found {
                None => {
                    let names = profiles.0.iter().map(|(name, _)| name.text.as_str());
                    unknown("profile", &other.text, names)
                }
                Some(_) if other.text == profile.text => {
                    format!("`{}` is this profile; name another", other.text)
                }
                Some((_, found)) if !found.instead.is_empty() => format!(
                    "profile `{}` has an `instead` of its own; name one that has none",
                    other.text
                ),
                Some(_) => continue,
            };
            self.remarks.error(other.place, wrong);
        }
    }

    /// Resolves the lists that a profile names, each once.
    fn uses(&mut self, written: &'a ProfileWritten) -> Vec<Use<'a>> {
        let mut named: Vec<(ListKind, Action, Name<'a>, When)> = Vec::new();
        for (kind, action, lists) in [
            (ListKind::Pass, Action::Pass, &written.pass_list),
            (ListKind::Block, Action::Block, &written.block_list),
        ] {
            for list in lists {
                named.extend(
                    self.timed(list)
                        .map(|(name, when)| (kind, action, name, when)),
                );
            }
        }
        for redirect in &written.redirect_list {
            let id = self.destinations.add(&redirect.to, &mut self.remarks);
            let action = id.map_or(Action::Block, Action::Redirect);
            let when = self.when(redirect.when.as_ref());
            let names = redirect.lists.iter();
            named.extend(names.map(|name| (ListKind::Redirect, action, name.into(), when)));
        }
        let mut uses: Vec<Use<'a>> = Vec::new();
        for (kind, action, name, when) in named {
            let Some(entries) = self.lists.get(name.text) else {
                let text = unknown("list", name.text, names(self.lists));
                self.remarks.error(name.place, text);
                continue;
            };
            let new = Use {
                name,
                when,
                kind,
                action,
                entries,
            };
            let same = |used: &&Use<'_>| used.name.text == name.text && used.when == when;
            match uses.iter().find(same) {
                Some(used) => self.list_named_twice(used, &new),
                None => uses.push(new),
            }
        }
        uses
    }

    /// Reads the name of a list, and when it is one of the profile's.
    fn timed(&mut self, list: &'a Placed<Loose<TimedList>>) -> Option<(Name<'a>, When)> {
        match &list.value {
            Loose::Word(text) => {
                let place = list.place;
                Some((Name { text, place }, When::Always))
            }
            Loose::Map(TimedList { list, when }) => Some((list.into(), self.when(when.as_ref()))),
            Loose::List(_) | Loose::Nothing => {
                let text = "use the name of a list, or `{list: NAME, when: …}`";
                self.remarks.error(list.place, text);
                None
            }
        }
    }

    fn list_named_twice(&mut self, first: &Use<'_>, second: &Use<'_>) {
        let name = second.name.text;
        let site = self.remarks.site(first.name.place);
        if first.action == second.action {
            let text = format!("list `{name}` is already named at {site}; once is enough");
            let place = second.name.place;
            self.remarks.warning(Warning::ListedTwice, place, text);
        } else {
            let text = format!(
                "list `{name}` has two actions: {} here and {} at {site}; keep one",
                self.intent(second),
                self.intent(first),
            );
            self.remarks.error(second.name.place, text);
        }
    }

    /// Says what a profile does with a list.
    fn intent(&self, used: &Use<'_>) -> String {
        let destination = match used.action {
            Action::Pass | Action::Block => None,
            Action::Redirect(id) => self.destinations.get(id),
        };
        let key = used.kind.key();
        match destination {
            Some(template) => format!("`{key}` to `{}`", template.as_str()),
            None => format!("`{key}`"),
        }
    }

    /// Makes one searchable set of all lists of a profile.
    fn merge(&mut self, profile: &Written, uses: &[Use<'a>]) -> Lists {
        let mut first: BTreeMap<(&uri::Entry, When), (&Use<'_>, &ReadEntry)> = BTreeMap::new();
        let mut listed = Vec::new();
        for used in uses {
            for read in used.entries {
                if let Some((earlier, entry)) = first.get(&(&read.entry, used.when)) {
                    self.entry_twice(profile, (earlier, entry), (used, read));
                    continue;
                }
                first.insert((&read.entry, used.when), (used, read));
                let value = Listed {
                    action: used.action,
                    kind: used.kind,
                    rule: Arc::clone(&read.rule),
                    when: used.when,
                };
                listed.push((read.entry.clone(), value));
            }
        }
        Lists::new(listed)
    }

    fn entry_twice(
        &mut self,
        profile: &Written,
        (earlier, entry): (&Use<'_>, &ReadEntry),
        (used, again): (&Use<'_>, &ReadEntry),
    ) {
        let rule = &again.rule;
        if earlier.action == used.action {
            let text = format!(
                "`{rule}` is already listed at {}; once is enough",
                entry.site
            );
            self.remarks
                .warning_at(Warning::ListedTwice, &again.site, text);
        } else {
            let text = format!(
                "`{rule}` has two actions in profile `{}`: {} by this list, `{}`, and {} by list \
                 `{}` at {}; keep one",
                profile.text,
                self.intent(used),
                used.name.text,
                self.intent(earlier),
                earlier.name.text,
                entry.site,
            );
            self.remarks.error_at(&again.site, text);
        }
    }
}

/// Returns every destination that a profile names itself.
pub(super) fn destinations(written: &ProfileWritten) -> Vec<&Written> {
    let actions = [
        &written.default_action,
        &written.unknown_action,
        &written.error_action,
        &written.undecidable_action,
    ];
    let of_errors = written.error_actions.each().map(|(_, action)| action);
    let of_actions = actions
        .into_iter()
        .chain(of_errors)
        .flatten()
        .filter_map(|action| match &action.value {
            ActionWritten::Redirect(to) => Some(to),
            ActionWritten::Word(_) | ActionWritten::Neither(_) => None,
        });
    let of_lists = written.redirect_list.iter().map(|redirect| &redirect.to);
    of_lists.chain(of_actions).collect()
}
