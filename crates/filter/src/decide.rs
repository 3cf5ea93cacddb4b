use std::sync::Arc;
use std::time::Instant;

use policy::PolicySet;

use crate::{Answer, AskError, CacheLimits, Decision, Question, Request, Step};

/// What a worker decides with at one moment: read anew for every request.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The policy in force.
    pub policy: Arc<PolicySet>,
    /// Counts changes of configuration and policy.
    pub policy_generation: u64,
    /// Counts changes of the categorizer's state (its ISTag).
    pub icap_generation: u64,
}

/// One worker's cache and the order of precedence.
#[derive(Debug)]
pub struct Filter {
    limits: CacheLimits,
}

impl Filter {
    /// Creates a filter with an empty cache.
    #[must_use]
    pub fn new(limits: CacheLimits) -> Self {
        Self { limits }
    }

    /// Starts on a request: bypass, profile, cache, lists (the contract's section 6).
    pub fn begin(&mut self, _rules: &Rules, _request: Request<'_>, _now: Instant) -> Step {
        let _ = self.limits;
        todo!()
    }

    /// Finishes a request with what the categorizer said about each URI of the question, under
    /// the rules now in force. Answers older than the last flush are used once and not cached.
    pub fn finish(
        &mut self,
        _rules: &Rules,
        _question: Question,
        _answers: Vec<Result<Answer, AskError>>,
        _now: Instant,
    ) -> Decision {
        todo!()
    }
}
