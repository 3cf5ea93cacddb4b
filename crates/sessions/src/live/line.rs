//! What a request needs of a session, in one line of the processor's cache: copied by who reads
//! it, who then sees whether it is whole.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::facts::FACT_WORDS;

/// Words of a prefix.
pub(super) const PREFIX_WORDS: usize = 2;

/// A prefix, and the facts of the session that has it.
pub(super) type Words = [u64; PREFIX_WORDS + FACT_WORDS];

/// The kind of a line where nothing is and nothing comes after.
pub(super) const EMPTY: u64 = 0;

/// The kind of a line that nobody finds as it becomes something else.
pub(super) const CHANGING: u64 = 1;

/// A session at an address or prefix. One writer at a time changes it; whoever reads waits for
/// nobody.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Line {
    /// What is here.
    kind: AtomicU64,
    /// Odd while the words are written.
    changes: AtomicU64,
    words: [AtomicU64; PREFIX_WORDS + FACT_WORDS],
}

/// What a reader saw of a line that did not change meanwhile.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) kind: u64,
    /// Where a writer is in the middle of them, some of them are new already. A prefix does not
    /// change while its line is found.
    pub(super) words: Words,
    changes: u64,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            kind: AtomicU64::new(EMPTY),
            changes: AtomicU64::new(0),
            words: Default::default(),
        }
    }

    #[inline]
    pub(super) fn kind(&self) -> u64 {
        self.kind.load(Ordering::Acquire)
    }

    /// Copies what is here; nothing if a writer took a step meanwhile.
    #[inline]
    pub(super) fn read(&self) -> Option<Sight> {
        let changes = self.changes.load(Ordering::Acquire);
        let sight = Sight {
            kind: self.kind.load(Ordering::Relaxed),
            words: self.words.each_ref().map(|it| it.load(Ordering::Relaxed)),
            changes,
        };
        self.is_still(&sight).then_some(sight)
    }

    /// Returns whether all that was read up to now was read before the next step of a writer here.
    #[inline]
    pub(super) fn is_still(&self, sight: &Sight) -> bool {
        fence(Ordering::Acquire);
        self.changes.load(Ordering::Relaxed) == sight.changes
    }

    /// Says what is here from now on.
    pub(super) fn turn(&self, kind: u64) {
        self.kind.store(kind, Ordering::Release);
    }

    /// Writes other words.
    pub(super) fn write(&self, words: &Words) {
        let changes = self.changes.load(Ordering::Relaxed);
        self.changes
            .store(changes.wrapping_add(1), Ordering::Release);
        // Who sees one of the words sees that they are written, too.
        fence(Ordering::Release);
        for (to, word) in self.words.iter().zip(words) {
            to.store(*word, Ordering::Relaxed);
        }
        self.changes
            .store(changes.wrapping_add(2), Ordering::Release);
    }
}

impl Sight {
    /// Returns whether no writer was in the middle of it.
    #[inline]
    pub(super) fn is_whole(&self) -> bool {
        self.changes.is_multiple_of(2)
    }
}
