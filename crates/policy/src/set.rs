use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use prefix_trie::joint::JointPrefixMap;

use crate::written::{or, quote};
use crate::{
    Action, Active, BlockResponse, DestinationId, Effect, ErrorActions, Lists, RedirectTemplate,
    SniCheck, Timetable, When,
};

/// Profiles that an error names at most.
pub const PROFILES_SHOWN_MAX: usize = 10;

/// A policy file ready to decide with.
#[derive(Debug, Default)]
pub struct PolicySet {
    profiles: Vec<Arc<Profile>>,
    by_name: HashMap<Arc<str>, usize>,
    by_id: BTreeMap<u32, usize>,
    default_profile: Option<usize>,
    bypass: JointPrefixMap<IpNet, ()>,
    destinations: Vec<Arc<RedirectTemplate>>,
    timetable: Timetable,
}

/// Everything that is configured for the subscribers of one profile (S4 3.3).
#[derive(Debug)]
pub struct Profile {
    /// Its key in the file.
    pub name: Arc<str>,
    /// Content-Filtering-Profile-Id.
    pub id: Option<u32>,
    /// Whether the categorizer is asked.
    pub icap: bool,
    /// Pass, block and redirect lists.
    pub lists: Lists,
    /// Categories to actions, by time: the first that holds. None: every category takes
    /// `default_action`.
    pub policies: Vec<(When, Arc<CategoryPolicy>)>,
    /// Profiles in the place of this one, by name and time: the first that holds.
    pub instead: Vec<(When, Arc<str>)>,
    /// Whether what it decides is done.
    pub effect: Effect,
    /// A category without an action in the policy.
    pub default_action: Action,
    /// Nothing in the lists and ICAP off, or no category found.
    pub unknown_action: Action,
    /// ICAP could not be asked.
    pub error_actions: ErrorActions,
    /// The request cannot be judged.
    pub undecidable_action: Action,
    /// What a blocked client gets.
    pub block_response: BlockResponse,
    /// What is done about a name that does not lead to the address that the client dialled.
    pub sni_check: SniCheck,
}

/// Categories to actions (S4 3.2). Category names are compared in lower case.
#[derive(Debug, Default)]
pub struct CategoryPolicy {
    /// Its key in the file.
    pub name: Arc<str>,
    actions: HashMap<Box<str>, Action>,
}

impl PolicySet {
    pub(crate) fn new(
        mut profiles: Vec<Profile>,
        default_profile: Option<&str>,
        bypass: &[IpNet],
        destinations: Vec<Arc<RedirectTemplate>>,
        timetable: Timetable,
    ) -> Self {
        profiles.sort_by(|a, b| a.name.cmp(&b.name));
        let profiles: Vec<Arc<Profile>> = profiles.into_iter().map(Arc::new).collect();
        let by_name: HashMap<Arc<str>, usize> =
            (profiles.iter().map(|profile| profile.name.clone()).zip(0..)).collect();
        let ids = profiles.iter().zip(0..);
        Self {
            by_id: ids
                .filter_map(|(profile, index)| Some((profile.id?, index)))
                .collect(),
            default_profile: default_profile.and_then(|name| by_name.get(name).copied()),
            by_name,
            bypass: bypass.iter().map(|range| (*range, ())).collect(),
            destinations,
            timetable,
            profiles,
        }
    }

    /// Returns the profile of this name.
    #[must_use]
    pub fn profile(&self, name: &str) -> Option<&Arc<Profile>> {
        self.profiles.get(*self.by_name.get(name)?)
    }

    /// Returns the profile that is in force for sessions of this one: itself, or the one that
    /// stands in its place while these schedules are active.
    #[must_use]
    pub fn in_force<'a>(&'a self, profile: &'a Arc<Profile>, active: Active) -> &'a Arc<Profile> {
        let instead = profile.instead.iter().find(|(when, _)| when.holds(active));
        instead
            .and_then(|(_, name)| self.profile(name))
            .unwrap_or(profile)
    }

    /// Returns the schedules of the file.
    #[must_use]
    pub fn timetable(&self) -> &Timetable {
        &self.timetable
    }

    /// Returns the profile with this Content-Filtering-Profile-Id.
    #[must_use]
    pub fn profile_by_id(&self, id: u32) -> Option<&Arc<Profile>> {
        self.profiles.get(*self.by_id.get(&id)?)
    }

    /// Returns the profile of sessions that nothing else selects one for.
    #[must_use]
    pub fn default_profile(&self) -> Option<&Arc<Profile>> {
        self.profiles.get(self.default_profile?)
    }

    /// Returns all profiles in the order of their names.
    #[must_use]
    pub fn profiles(&self) -> &[Arc<Profile>] {
        &self.profiles
    }

    /// Says that no profile has this name, and which there are.
    #[must_use]
    pub fn no_profile(&self, name: &str) -> String {
        let names = self.profiles.iter().map(|profile| &*profile.name);
        let names: Vec<&str> = names.take(PROFILES_SHOWN_MAX).collect();
        format!("no profile is called `{}`; use {}", quote(name), or(&names))
    }

    /// Returns whether an address is a bypass address. IPv4-mapped addresses are IPv4.
    #[must_use]
    pub fn bypasses(&self, address: IpAddr) -> bool {
        let address = IpNet::from(address.to_canonical());
        self.bypass.get_lpm(&address).is_some()
    }

    /// Returns a redirect destination of this set.
    #[must_use]
    pub fn destination(&self, id: DestinationId) -> Option<&Arc<RedirectTemplate>> {
        self.destinations.get(usize::try_from(id.0).ok()?)
    }
}

impl Profile {
    /// Returns the policy that holds while these schedules are active.
    #[must_use]
    pub fn policy(&self, active: Active) -> Option<&Arc<CategoryPolicy>> {
        let mut policies = self.policies.iter();
        policies
            .find(|(when, _)| when.holds(active))
            .map(|(_, policy)| policy)
    }
}

impl CategoryPolicy {
    /// Creates a policy called `name`. Of equal categories the last is kept.
    #[must_use]
    pub fn new(name: &str, actions: impl IntoIterator<Item = (String, Action)>) -> Self {
        let actions = actions.into_iter();
        Self {
            name: name.into(),
            actions: actions
                .map(|(category, action)| (category.to_ascii_lowercase().into(), action))
                .collect(),
        }
    }

    /// Returns the action configured for a category given in lower case.
    #[must_use]
    pub fn action(&self, category: &str) -> Option<Action> {
        self.actions.get(category).copied()
    }
}
