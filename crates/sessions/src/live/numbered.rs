//! Things by number: one at a time adds them, readers take no lock, nothing is removed.

use std::sync::OnceLock;

/// Things that get their memory together: as many as a byte says.
const CHUNK_LEN: usize = 1 << u8::BITS;

#[derive(Debug)]
pub(super) struct Numbered<T> {
    chunks: Box<[OnceLock<Chunk<T>>]>,
}

type Chunk<T> = Box<[OnceLock<T>]>;

impl<T> Numbered<T> {
    /// Has room for numbers below `count`, and for a few more.
    pub(super) fn new(count: usize) -> Self {
        let chunks = 0..count.div_ceil(CHUNK_LEN);
        Self {
            chunks: chunks.map(|_| OnceLock::new()).collect(),
        }
    }

    pub(super) fn get(&self, number: u16) -> Option<&T> {
        let [low, high] = number.to_le_bytes();
        let chunk = self.chunks.get(usize::from(high))?.get()?;
        chunk.get(usize::from(low))?.get()
    }

    /// Gives a thing a number that none has.
    pub(super) fn add(&self, number: u16, thing: T) {
        let [low, high] = number.to_le_bytes();
        let chunk = self
            .chunks
            .get(usize::from(high))
            .map(|chunk| chunk.get_or_init(|| (0..CHUNK_LEN).map(|_| OnceLock::new()).collect()));
        let place = chunk.and_then(|chunk| chunk.get(usize::from(low)));
        debug_assert!(place.is_some_and(|place| place.get().is_none()));
        if let Some(place) = place {
            place.get_or_init(|| thing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_own() {
        let numbered = Numbered::new(1 << 16);
        for number in 0..=u16::MAX {
            assert_eq!(numbered.get(number), None);
            numbered.add(number, number);
        }
        assert!((0..=u16::MAX).all(|number| numbered.get(number) == Some(&number)));
        assert_eq!(Numbered::<u16>::new(256).get(256), None);
    }
}
