//! Which endpoint is asked next.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use service::Drain;
use tracing::debug;

use super::endpoint::Endpoint;
use super::health::State;
use super::keeper;
use super::tls::Tls;
use crate::config::{ENDPOINTS_MAX, Icap, TierRole};

/// The service as it is configured: tiers in order, each with endpoints that share its load.
#[derive(Debug)]
pub(super) struct Tiers {
    tiers: Vec<Tier>,
    /// What chance is made of.
    draws: AtomicU64,
    hasher: RandomState,
}

#[derive(Debug)]
struct Tier {
    role: TierRole,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    /// Counts the endpoints of all tiers.
    number: usize,
    weight: u32,
    endpoint: Arc<Endpoint>,
}

/// A set of endpoints, by their numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers(u32);

/// Whom a question has met.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tried {
    /// Asked already.
    pub(super) asked: Numbers,
    /// Of them, those that could not be reached.
    pub(super) unreachable: Numbers,
}

/// An endpoint to ask.
#[derive(Clone, Debug)]
pub(super) struct Picked {
    pub(super) number: usize,
    pub(super) endpoint: Arc<Endpoint>,
}

impl Tiers {
    /// Creates the endpoints of a configuration.
    pub(super) fn new(
        config: &Icap,
        tls: Option<&Tls>,
        endpoint: impl Fn(&crate::config::IcapService, Option<Tls>) -> Option<Endpoint>,
    ) -> Self {
        let mut numbers = 0..ENDPOINTS_MAX;
        let tiers = config.services.iter().map(|tier| Tier {
            role: tier.role,
            members: tier
                .endpoints
                .iter()
                .filter_map(|service| {
                    Some(Member {
                        endpoint: Arc::new(endpoint(service, tls.cloned())?),
                        weight: service.weight.max(1),
                        number: numbers.next()?,
                    })
                })
                .collect(),
        });
        Self {
            tiers: tiers.collect(),
            draws: AtomicU64::new(0),
            hasher: RandomState::new(),
        }
    }

    /// Keeps every endpoint known until `drain` is requested.
    pub(super) fn keep(&self, drain: &Drain) {
        for endpoint in self.endpoints() {
            drain.spawn(keeper::keep(Arc::clone(endpoint), drain.clone()));
        }
    }

    /// Returns all endpoints, in the order of the configuration.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.members().map(|member| &member.endpoint)
    }

    /// Returns whom to ask next: of the first tier with an endpoint that can be asked, the one
    /// of two drawn that has less to do. Backup tiers are asked when nobody else can be.
    pub(super) fn pick(&self, tried: Tried) -> Option<Picked> {
        let regular = self.pick_of(TierRole::Regular, tried);
        if regular.is_some() || !self.regular_are_out(tried) {
            return regular;
        }
        let backup = self.pick_of(TierRole::Backup, tried);
        if let Some(picked) = &backup {
            debug!(service = %picked.endpoint.service, "icap backup is asked");
        }
        backup
    }

    /// Returns whether somebody could still be asked if it is not the one `picked`.
    pub(super) fn has_others(&self, tried: Tried, picked: &Picked) -> bool {
        let mut rest = self.members();
        rest.any(|member| {
            member.number != picked.number
                && !tried.asked.has(member.number)
                && member.endpoint.health.state() != State::Down
        })
    }

    fn members(&self) -> impl Iterator<Item = &Member> {
        self.tiers.iter().flat_map(|tier| &tier.members)
    }

    fn pick_of(&self, role: TierRole, tried: Tried) -> Option<Picked> {
        let tiers = self.tiers.iter().filter(|tier| tier.role == role);
        let untried = tiers.map(|tier| {
            let members = tier.members.iter();
            members.filter(|member| !tried.asked.has(member.number))
        });
        for members in untried {
            // Those that never answered are asked only where nobody is known to be there.
            for state in [State::Up, State::Starting] {
                let able = members
                    .clone()
                    .filter(|member| member.endpoint.health.state() == state);
                let picked = self.balance(&able.collect::<Vec<_>>());
                if picked.is_some() {
                    return picked;
                }
            }
        }
        None
    }

    /// Power of two choices: almost as even as asking the least busy one, and without the rush
    /// on it.
    fn balance(&self, able: &[&Member]) -> Option<Picked> {
        let first = self.draw(able.iter().copied())?;
        let others = able.iter().copied();
        let second = self.draw(others.filter(|member| member.number != first.number));
        let picked = match second {
            Some(second) if second.load_is_less(first) => second,
            Some(_) | None => first,
        };
        Some(Picked {
            number: picked.number,
            endpoint: Arc::clone(&picked.endpoint),
        })
    }

    /// Draws one, each as often as its weight says.
    fn draw<'a>(&self, members: impl Iterator<Item = &'a Member> + Clone) -> Option<&'a Member> {
        let sum: u64 = members.clone().map(|member| u64::from(member.weight)).sum();
        let count = self.draws.fetch_add(1, Ordering::Relaxed);
        let mut at = self.hasher.hash_one(count).checked_rem(sum)?;
        let mut members = members;
        members.find(|member| {
            let weight = u64::from(member.weight);
            let is_it = at < weight;
            at = at.saturating_sub(weight);
            is_it
        })
    }

    /// Whether nobody outside of the backup tiers can be asked: breaker open, or not reached.
    fn regular_are_out(&self, tried: Tried) -> bool {
        let regular = self.tiers.iter().filter(|tier| match tier.role {
            TierRole::Regular => true,
            TierRole::Backup => false,
        });
        let mut members = regular.flat_map(|tier| &tier.members);
        members.all(|member| {
            tried.unreachable.has(member.number) || member.endpoint.health.state() == State::Down
        })
    }
}

impl Member {
    /// Compares questions outstanding for each unit of weight.
    fn load_is_less(&self, other: &Self) -> bool {
        let load = |member: &Self| member.endpoint.outstanding() as u64;
        load(self) * u64::from(other.weight) < load(other) * u64::from(self.weight)
    }
}

impl Numbers {
    /// Adds one.
    pub(super) fn add(&mut self, number: usize) {
        self.0 |= Self::bit(number);
    }

    fn has(self, number: usize) -> bool {
        self.0 & Self::bit(number) != 0
    }

    fn bit(number: usize) -> u32 {
        debug_assert!(number < ENDPOINTS_MAX);
        1_u32.wrapping_shl(u32::try_from(number).unwrap_or(0))
    }
}

const _: () = assert!(ENDPOINTS_MAX <= 32, "as many as a `Numbers` can hold");
