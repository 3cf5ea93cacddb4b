//! What a worker's cache has of a request, without a trace of the question in it.

use std::time::Instant;

use policy::Verb;
use serde::Serialize;
use uri::NormalUri;

use crate::cache::Peeked;
use crate::decide::{Judging, admit};
use crate::verdict::{Basis, Local};
use crate::{Filter, Request, Rules};

/// What a cache entry leads to, for a person.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct CachedEntry {
    /// `exact` for one URI, `prefix` for all that start like it.
    pub extent: &'static str,
    /// That URI, or the beginning.
    pub uri: String,
    /// What the categorizer said; empty where a list decided.
    pub categories: Vec<String>,
    /// What the profile makes of it now.
    pub action: &'static str,
    /// The list entry or category that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Seconds that it lives on, rounded up.
    pub ends_in_s: u64,
}

impl CachedEntry {
    /// Returns whether they differ in nothing but their age.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let ends_in_s = self.ends_in_s;
        *self
            == Self {
                ends_in_s,
                ..other.clone()
            }
    }
}

impl Filter {
    /// Returns what the cache would answer for each reading of a request, the normal form first.
    /// Nothing changes: neither what the cache holds, nor the order in which it forgets.
    ///
    /// A request that a profile does not judge by its URI has no readings here, and none has any
    /// where the cache was filled under other rules.
    #[must_use]
    pub fn peek(
        &self,
        rules: &Rules,
        request: Request<'_>,
        now: Instant,
    ) -> Vec<Option<CachedEntry>> {
        // What was found under other rules is gone with the next request.
        if !self.is_filled_under(rules) {
            return Vec::new();
        }
        let Ok(judging) = admit(rules, request, self.active_as_known(rules)) else {
            return Vec::new();
        };
        let entry = |uri| self.peek_reading(judging, uri, now);
        judging.readings.iter().map(entry).collect()
    }

    fn peek_reading(
        &self,
        judging: Judging<'_>,
        uri: &NormalUri,
        now: Instant,
    ) -> Option<CachedEntry> {
        let peeked = self.cache.as_ref()?.peek(&judging.profile.name, uri, now)?;
        let Peeked {
            fact,
            times,
            prefix_len,
            left,
        } = peeked;
        let basis = judging.worth(uri, Basis::Cached(fact), times)?;
        let verdict = basis.judge(judging.in_force());
        let whole_seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        Some(CachedEntry {
            extent: match prefix_len {
                Some(_) => "prefix",
                None => "exact",
            },
            uri: uri
                .as_str()
                .get(..prefix_len.unwrap_or(uri.as_str().len()))?
                .to_owned(),
            categories: verdict.categories.iter().map(ToString::to_string).collect(),
            action: Verb::of(verdict.action).as_str(),
            rule: verdict.rule.map(|rule| rule.to_string()),
            ends_in_s: whole_seconds,
        })
    }
}

impl Judging<'_> {
    /// Returns what an entry is worth that was made while the schedules of the lists were active as
    /// in `times`: where they are not now, only what the categorizer said, and only where no list
    /// has an entry.
    pub(crate) fn worth(
        self,
        uri: &NormalUri,
        basis: Basis,
        times: policy::Active,
    ) -> Option<Basis> {
        if times == self.times() {
            return Some(basis);
        }
        let unlisted = match Local::find(self.in_force(), uri) {
            Local::Ask => true,
            Local::Listed(_) | Local::NotAsked => false,
        };
        basis.told().filter(|_| unlisted)
    }
}
