use std::collections::BTreeSet;

use diameter::name::{
    CHARGING_RULE_BASE_NAME, CHARGING_RULE_DEFINITION, CHARGING_RULE_INSTALL, CHARGING_RULE_NAME,
    CHARGING_RULE_REMOVE,
};
use diameter::{Avp, AvpName, Bad, Fields};
use sessions::ProfileFacts;

use crate::{Release, Settings};

/// Charging rules of a session at most, and as many groups of rules.
pub const RULES_MAX: usize = 256;

/// Octets of the name of a charging rule at most.
pub const RULE_NAME_LEN_MAX: usize = 255;

/// What the policy server has said about the profile of one session so far.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    id: Option<u32>,
    rules: BTreeSet<Box<str>>,
    /// Charging-Rule-Base-Name: groups of rules that the gateway knows.
    groups: BTreeSet<Box<str>>,
    /// Whether the profile's id is used with this policy server.
    has_ids: bool,
}

/// The message that says something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Carrier {
    /// CCA to a CCR-I.
    Initial,
    /// CCA to a CCR-U.
    Update,
    /// RAR.
    ReAuth,
}

impl Facts {
    /// Returns what is known when a message has said this too. An initial answer says everything.
    ///
    /// # Errors
    ///
    /// Fails if a value is none of its type, or there are too many or too long names. Nothing of
    /// the message is to be used then.
    pub fn after(&self, carrier: Carrier, avps: &[Avp], settings: &Settings) -> Result<Self, Bad> {
        let mut facts = match carrier {
            Carrier::Initial => Self {
                has_ids: has_ids(avps, settings)?,
                ..Self::default()
            },
            Carrier::Update | Carrier::ReAuth => self.clone(),
        };
        let received = avps.optional(settings.profile_avp)?.map(Avp::number);
        let received = received.transpose()?;
        facts.id = match facts.has_ids {
            true => named(settings.release, carrier, facts.id, received),
            false => None,
        };
        for avp in avps.all(CHARGING_RULE_REMOVE) {
            for name in names(avp.inside(), CHARGING_RULE_NAME) {
                facts.rules.remove(name?.as_ref());
            }
            for name in names(avp.inside(), CHARGING_RULE_BASE_NAME) {
                facts.groups.remove(name?.as_ref());
            }
        }
        for avp in avps.all(CHARGING_RULE_INSTALL) {
            let inside = avp.inside();
            let defined = inside.all(CHARGING_RULE_DEFINITION);
            let lists = defined.map(Avp::inside).chain(std::iter::once(inside));
            for name in lists.flat_map(|list| names(list, CHARGING_RULE_NAME)) {
                facts.rules.insert(name?);
            }
            for name in names(inside, CHARGING_RULE_BASE_NAME) {
                facts.groups.insert(name?);
            }
        }
        if facts.rules.len() > RULES_MAX || facts.groups.len() > RULES_MAX {
            return Err(Bad::TooMany);
        }
        Ok(facts)
    }

    /// Returns what a profile is selected by.
    #[must_use]
    pub fn profile(&self) -> ProfileFacts {
        let names: BTreeSet<&Box<str>> = self.rules.union(&self.groups).collect();
        ProfileFacts::Said {
            id: self.id,
            rules: names.into_iter().cloned().collect(),
        }
    }
}

/// The table of S4 4.1.1. An id of no profile, 0xFFFFFFFF among them, is an id here; selecting by
/// it turns filtering off.
fn named(
    release: Release,
    carrier: Carrier,
    before: Option<u32>,
    received: Option<u32>,
) -> Option<u32> {
    match (release, carrier, received) {
        (_, Carrier::Initial, received) | (Release::Seven, Carrier::Update, received) => received,
        (Release::Seven, Carrier::ReAuth, _) => None,
        (Release::Eight, Carrier::Update | Carrier::ReAuth, received) => received.or(before),
    }
}

fn has_ids(avps: &[Avp], settings: &Settings) -> Result<bool, Bad> {
    let Some(capability) = settings.capability else {
        return Ok(true);
    };
    // Several lists together say what is understood.
    let flags = avps.all(capability.avp).map(Avp::number);
    let flags = flags.reduce(|a, b| Ok(a? | b?)).transpose()?;
    Ok(flags.is_some_and(|flags| flags & capability.mask == capability.mask))
}

/// Returns the names of one kind in a group. A name that is not UTF-8 cannot be configured, and
/// so has no profile.
fn names(avps: &[Avp], kind: AvpName) -> impl Iterator<Item = Result<Box<str>, Bad>> {
    let all = avps.all(kind).filter(|avp| avp.text().is_ok());
    all.map(|avp| {
        let name = avp.text()?;
        if name.len() > RULE_NAME_LEN_MAX {
            return Err(Bad::Value(Box::new(avp.clone())));
        }
        Ok(name.into())
    })
}

#[cfg(test)]
pub(crate) mod tests;
