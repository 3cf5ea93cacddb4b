//! How long an endpoint that does not answer is left alone.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use super::keeper::ProbeError;

/// The first pause after a refused connection, and the longest. A refused connection costs
/// nobody anything, and an endpoint that was restarted is wanted back soon.
const REFUSED_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// The first pause after a wrong answer, and the longest: something is there and has trouble.
const WRONG_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The first wait for an answer, and the longest. An endpoint that stalls keeps one question and
/// is back the moment it answers, so the wait grows and not the pause.
const ANSWER_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// The share of a pause that is left to chance, in percent either way.
const JITTER_PERCENT: u64 = 20;

/// The pauses between probes of one endpoint.
#[derive(Debug)]
pub(super) struct Backoff {
    refused: Duration,
    wrong: Duration,
    wait: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            refused: REFUSED_PAUSE.0,
            wrong: WRONG_PAUSE.0,
            wait: ANSWER_WAIT.0,
        }
    }
}

impl Backoff {
    /// Returns how long the next probe waits for its answer.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    /// Returns what to go on with after an answered probe of an endpoint that has answered no
    /// question yet.
    pub(super) fn after_probe(self) -> Self {
        Self {
            wrong: self.wrong,
            ..Self::default()
        }
    }

    /// Returns how long to pause after a failed probe, before chance is added.
    pub(super) fn pause(&mut self, error: ProbeError) -> Duration {
        match error {
            ProbeError::Unreachable => double(&mut self.refused, REFUSED_PAUSE.1),
            ProbeError::Wrong => double(&mut self.wrong, WRONG_PAUSE.1),
            ProbeError::Silent => {
                double(&mut self.wait, ANSWER_WAIT.1);
                REFUSED_PAUSE.0
            }
        }
    }
}

fn double(value: &mut Duration, max: Duration) -> Duration {
    let before = *value;
    *value = (before * 2).min(max);
    before
}

/// Returns a pause that differs from `pause` by up to [`JITTER_PERCENT`], so that gateways that
/// lost an endpoint together do not come back together.
pub(super) fn jittered(pause: Duration) -> Duration {
    let chance = RandomState::new().hash_one(0_u8) % (2 * JITTER_PERCENT + 1);
    let percent = u32::try_from(100 - JITTER_PERCENT + chance).unwrap_or(100);
    pause * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_limit() {
        check(ProbeError::Unreachable, &[100, 200, 400, 800, 1_000, 1_000]);
        check(
            ProbeError::Wrong,
            &[1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000],
        );
        check(ProbeError::Silent, &[100, 100, 100]);
    }

    #[test]
    fn waits_double_up_to_their_limit() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..6)
            .map(|_| {
                let wait = backoff.wait().as_millis();
                backoff.pause(ProbeError::Silent);
                wait
            })
            .collect();
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    }

    #[test]
    fn chance_stays_within_its_share() {
        for _ in 0..200 {
            let pause = jittered(Duration::from_millis(1_000)).as_millis();
            assert!((800..=1_200).contains(&pause), "{pause}");
        }
    }

    #[track_caller]
    fn check(error: ProbeError, expected: &[u128]) {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = expected
            .iter()
            .map(|_| backoff.pause(error).as_millis())
            .collect();
        assert_eq!(pauses, expected);
    }
}
