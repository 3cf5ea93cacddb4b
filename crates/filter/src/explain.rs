use std::sync::Arc;

use policy::{Action, Active, ListHit};
use uri::NormalUri;

use crate::decide::{Judging, admit, decide};
use crate::per_reading::PerReading;
use crate::verdict::{ActionOrigin, Basis, Fact, Local, weigh};
use crate::{Answer, AskError, Decision, Request, Rules, Source};

#[cfg(test)]
mod tests;

/// Every step of one decision, for a person. No cache takes part.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// How each reading of the URI was judged, the normal form first. Empty where no URI was
    /// looked at: the source of the decision says why.
    pub readings: Vec<ReadingSteps>,
    /// What came of it.
    pub decision: Decision,
}

/// How one reading of a URI was judged.
#[derive(Clone, Debug)]
pub struct ReadingSteps {
    /// The reading.
    pub uri: NormalUri,
    /// The list entry that decides it.
    pub listed: Option<ListHit>,
    /// The entry that would decide it while all schedules are active, if that is another.
    pub at_other_times: Option<ListHit>,
    /// What the categorizer said, if it was asked.
    pub answer: Option<Result<Answer, AskError>>,
    /// What each category of the answer asks for.
    pub categories: Vec<CategoryStep>,
    /// What this reading asks for.
    pub action: Action,
    /// Where the action comes from.
    pub source: Source,
    /// The list entry or the category that decides this reading.
    pub rule: Option<Arc<str>>,
}

/// One category of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CategoryStep {
    /// Its name.
    pub category: Arc<str>,
    /// What it asks for.
    pub action: Action,
    /// Where that comes from.
    pub origin: ActionOrigin,
}

/// Decides a request as a [`Filter`](crate::Filter) with an empty cache would, and tells how.
/// `ask` is called for each reading that the categorizer must be asked about.
pub fn explain(
    rules: &Rules,
    request: Request<'_>,
    ask: &mut dyn FnMut(&NormalUri) -> Result<Answer, AskError>,
) -> Explanation {
    let judging = match admit(rules, request, rules.active()) {
        Ok(judging) => judging,
        Err(decision) => {
            return Explanation {
                readings: Vec::new(),
                decision,
            };
        }
    };
    let mut readings = Vec::new();
    let mut prefix_rejected = false;
    let bases = PerReading::of(judging.readings, |uri| {
        let answer = match Local::find(judging.in_force(), uri) {
            Local::Ask => Some(ask(uri)),
            Local::Listed(_) | Local::NotAsked => None,
        };
        let told = answer.as_ref().map(|answer| match answer {
            Ok(answer) => {
                prefix_rejected |= answer.has_invalid_prefix(uri);
                Basis::Fresh(Fact::Told(answer.clone().into()))
            }
            Err(failure) => Basis::Unanswered(Some(*failure)),
        });
        let basis = Basis::settled(judging.in_force(), uri, told);
        readings.push(steps(judging, uri, answer, &basis));
        basis
    });
    Explanation {
        readings,
        decision: Decision {
            prefix_rejected,
            ..decide(rules, judging, bases)
        },
    }
}

/// Returns the URIs that [`explain()`] asks about, in its order, for a driver that must wait for the
/// answers.
#[must_use]
pub fn questions(rules: &Rules, request: Request<'_>) -> Vec<NormalUri> {
    let Ok(judging) = admit(rules, request, rules.active()) else {
        return Vec::new();
    };
    let asks = |uri: &&NormalUri| match Local::find(judging.in_force(), uri) {
        Local::Ask => true,
        Local::Listed(_) | Local::NotAsked => false,
    };
    judging.readings.iter().filter(asks).cloned().collect()
}

fn steps(
    judging: Judging<'_>,
    uri: &NormalUri,
    answer: Option<Result<Answer, AskError>>,
    basis: &Basis,
) -> ReadingSteps {
    let in_force = judging.in_force();
    let categories = match &answer {
        Some(Ok(answer)) => weigh(in_force, &answer.categories)
            .map(|weighed| CategoryStep {
                category: Arc::clone(weighed.category),
                action: weighed.action,
                origin: weighed.origin,
            })
            .collect(),
        Some(Err(_)) | None => Vec::new(),
    };
    let verdict = basis.judge(in_force);
    let listed = judging.profile.lists.find(uri, judging.active);
    let at_other_times = judging.profile.lists.find(uri, Active::ALL);
    let same = |other: &ListHit| {
        let it = listed.as_ref();
        it.is_some_and(|it| it.rule == other.rule && it.kind == other.kind && it.when == other.when)
    };
    ReadingSteps {
        uri: uri.clone(),
        at_other_times: at_other_times.filter(|other| !same(other)),
        listed,
        answer,
        categories,
        action: verdict.action,
        source: verdict.source,
        rule: verdict.rule,
    }
}
