//! Which answers may be used: those of the connection that is open, as it tells what changes; and
//! for a time those from before it was lost, while there is none.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Connections that answers are known of, before they are forgotten.
const KEPT: u32 = 16;

/// Counts connections. Time is in seconds since the store was started.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    /// The number of the connection, and whether it is open.
    word: AtomicU64,
    now_s: AtomicU32,
    /// When the last connections were lost, by their numbers.
    ends_s: [AtomicU32; KEPT as usize],
}

/// What may be used at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch {
    pub(super) number: u32,
    pub(super) is_open: bool,
    pub(super) now_s: u32,
}

impl Epochs {
    pub(super) fn now(&self) -> Epoch {
        let word = self.word.load(Ordering::Acquire);
        Epoch {
            number: u32::try_from(word >> 1).unwrap_or(u32::MAX),
            is_open: word & 1 == 1,
            now_s: self.now_s.load(Ordering::Relaxed),
        }
    }

    pub(super) fn tick(&self, now_s: u32) {
        self.now_s.store(now_s, Ordering::Relaxed);
    }

    /// Returns the number that the next connection has.
    pub(super) fn next(&self) -> u32 {
        self.now().number.wrapping_add(1)
    }

    /// A connection is open: what was known before is to be asked anew.
    pub(super) fn open(&self, number: u32) {
        self.word
            .store(u64::from(number) << 1 | 1, Ordering::Release);
    }

    /// The connection is lost.
    pub(super) fn close(&self) {
        let epoch = self.now();
        if !epoch.is_open {
            return;
        }
        if let Some(end) = self.end_of(epoch.number) {
            end.store(epoch.now_s, Ordering::Relaxed);
        }
        self.word
            .store(u64::from(epoch.number) << 1, Ordering::Release);
    }

    /// Returns whether an answer may be used that was got over a connection at a time.
    pub(super) fn serves(
        &self,
        (number, asked_s): (u32, u32),
        now: Epoch,
        (lifetime_s, outage_s): (u32, u32),
    ) -> bool {
        if now.is_open {
            return number == now.number && now.now_s.saturating_sub(asked_s) < lifetime_s;
        }
        if now.number.wrapping_sub(number) >= KEPT {
            return false;
        }
        let end = self.end_of(number);
        let end_s = end.map_or(0, |end| end.load(Ordering::Relaxed));
        now.now_s.saturating_sub(end_s) < outage_s
    }

    fn end_of(&self, number: u32) -> Option<&AtomicU32> {
        let place = usize::try_from(number % KEPT).ok()?;
        self.ends_s.get(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: (u32, u32) = (60, 600);

    #[test]
    fn an_answer_serves_as_long_as_its_connection() {
        let epochs = Epochs::default();
        epochs.open(epochs.next());
        let first = (epochs.now().number, 0);
        check(&epochs, first, 59, true);
        check(&epochs, first, 60, false);
        epochs.close();
        check(&epochs, first, 659, true);
        check(&epochs, first, 660, false);
    }

    #[test]
    fn what_was_not_asked_anew_serves_again_when_the_next_connection_is_lost() {
        let epochs = Epochs::default();
        epochs.open(epochs.next());
        let first = (epochs.now().number, 0);
        epochs.tick(10);
        epochs.close();
        epochs.open(epochs.next());
        check(&epochs, first, 11, false);
        epochs.close();
        check(&epochs, first, 609, true);
        check(&epochs, first, 610, false);
        for _ in 0..KEPT {
            epochs.open(epochs.next());
            epochs.close();
        }
        check(&epochs, first, 20, false);
    }

    #[track_caller]
    fn check(epochs: &Epochs, answer: (u32, u32), now_s: u32, expected: bool) {
        epochs.tick(now_s);
        assert_eq!(epochs.serves(answer, epochs.now(), TIMES), expected);
    }
}
