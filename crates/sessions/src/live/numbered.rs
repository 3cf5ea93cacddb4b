//! Things by number: one at a time adds them, readers take no lock, nothing is removed.

use std::array;
use std::sync::OnceLock;

/// Things that get their memory together: as many as a byte says.
const CHUNK_LEN: usize = 1 << u8::BITS;

/// Things by both bytes of their numbers.
#[derive(Debug)]
pub(super) struct Numbered<T>(Chunk<Chunk<T>>);

type Chunk<T> = Box<[OnceLock<T>; CHUNK_LEN]>;

impl<T> Numbered<T> {
    pub(super) fn new() -> Self {
        Self(chunk())
    }

    #[inline]
    pub(super) fn get(&self, number: u16) -> Option<&T> {
        let [low, high] = number.to_le_bytes().map(usize::from);
        self.0.get(high)?.get()?.get(low)?.get()
    }

    /// Gives a thing a number that none has.
    pub(super) fn add(&self, number: u16, thing: T) {
        let [low, high] = number.to_le_bytes().map(usize::from);
        let chunk = self.0.get(high).map(|chunk| chunk.get_or_init(self::chunk));
        let place = chunk.and_then(|chunk| chunk.get(low));
        debug_assert!(place.is_some_and(|place| place.get().is_none()));
        if let Some(place) = place {
            place.get_or_init(|| thing);
        }
    }
}

fn chunk<T>() -> Chunk<T> {
    Box::new(array::from_fn(|_| OnceLock::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_own() {
        let numbered = Numbered::new();
        for number in 0..=u16::MAX {
            assert_eq!(numbered.get(number), None);
            numbered.add(number, number);
        }
        assert!((0..=u16::MAX).all(|number| numbered.get(number) == Some(&number)));
    }
}
