use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use crate::{Action, BlockResponse, DestinationId, Lists, RedirectTemplate};

/// A policy file ready to decide with.
#[derive(Debug, Default)]
pub struct PolicySet {
    profiles: Vec<Arc<Profile>>,
    by_name: HashMap<Arc<str>, usize>,
    by_id: BTreeMap<u32, usize>,
    default_profile: Option<usize>,
    destinations: Vec<Arc<RedirectTemplate>>,
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
    /// Categories to actions. None: every category takes `default_action`.
    pub policy: Option<Arc<CategoryPolicy>>,
    /// A category without an action in the policy.
    pub default_action: Action,
    /// Nothing in the lists and ICAP off, or no category found.
    pub unknown_action: Action,
    /// ICAP could not be asked.
    pub error_action: Action,
    /// The request cannot be judged.
    pub undecidable_action: Action,
    /// What a blocked client gets.
    pub block_response: BlockResponse,
}

/// Categories to actions (S4 3.2). Category names are compared in lower case.
#[derive(Debug, Default)]
pub struct CategoryPolicy {
    /// Its key in the file.
    pub name: Arc<str>,
    actions: HashMap<Box<str>, Action>,
}

impl PolicySet {
    /// Returns the profile of this name.
    #[must_use]
    pub fn profile(&self, name: &str) -> Option<&Arc<Profile>> {
        self.profiles.get(*self.by_name.get(name)?)
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

    /// Returns whether an address is a bypass address. IPv4-mapped addresses are IPv4.
    #[must_use]
    pub fn bypasses(&self, _address: IpAddr) -> bool {
        todo!()
    }

    /// Returns a redirect destination of this set.
    #[must_use]
    pub fn destination(&self, id: DestinationId) -> Option<&Arc<RedirectTemplate>> {
        self.destinations.get(usize::try_from(id.0).ok()?)
    }
}

impl CategoryPolicy {
    /// Returns the action configured for a category given in lower case.
    #[must_use]
    pub fn action(&self, category: &str) -> Option<Action> {
        self.actions.get(category).copied()
    }
}
