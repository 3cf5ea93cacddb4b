use std::time::Duration;

/// How long to wait before a peer is dialled again: longer after each failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BackOff {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub max: Duration,
}

/// Numbers without a pattern, so that clients that lost a peer together do not return together.
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl BackOff {
    /// Returns how long to wait after so many failures before this one: twice as long after each,
    /// up to a quarter less.
    pub(crate) fn after(&self, failures: u32, jitter: &mut Jitter) -> Duration {
        let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
        let wait = self.first.saturating_mul(factor).min(self.max);
        wait.saturating_sub(jitter.below(wait / 4))
    }
}

impl Jitter {
    /// Creates the sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Seeds that differ little must not start alike, and zero would stay zero.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Returns the next number.
    pub fn number(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let [_, _, _, _, high @ ..] = self.0.to_le_bytes();
        u32::from_le_bytes(high)
    }

    /// Returns a time below `max`.
    pub(crate) fn below(&mut self, max: Duration) -> Duration {
        max.mul_f64(f64::from(self.number()) / (f64::from(u32::MAX) + 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let back_off = BackOff {
            first: Duration::from_secs(1),
            max: Duration::from_secs(30),
        };
        let mut jitter = Jitter::new(7);
        for (failures, whole) in [
            (0, 1),
            (1, 2),
            (4, 16),
            (5, 30),
            (31, 30),
            (32, 30),
            (u32::MAX, 30),
        ] {
            let whole = Duration::from_secs(whole);
            let wait = back_off.after(failures, &mut jitter);
            assert!(
                (whole * 3 / 4..=whole).contains(&wait),
                "{failures}: {wait:?}"
            );
        }
    }

    #[test]
    fn seeds_give_different_numbers() {
        let first = |seed| Jitter::new(seed).number();
        let numbers: std::collections::BTreeSet<u32> = (0..100).map(first).collect();
        assert!(numbers.len() > 95, "{numbers:?}");
    }
}
