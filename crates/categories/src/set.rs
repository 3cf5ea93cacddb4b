//! Sets of categories, as bits in the order of their names.

use std::collections::HashMap;
use std::hash::Hash;

use crate::BuildError;

/// Categories of one database, aliases included.
pub const CATEGORIES_MAX: usize = 256;

/// Bytes of the name of a category.
pub const CATEGORY_LEN_MAX: usize = 64;

/// Values that have 16-bit numbers.
pub(crate) const NUMBERED_MAX: usize = 1 << 16;

const WORDS: usize = CATEGORIES_MAX / 64;

/// Categories by number.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct CategorySet([u64; WORDS]);

impl CategorySet {
    /// Bytes of a set in a file.
    pub(crate) const LEN: usize = WORDS * 8;

    pub(crate) fn of(category: u8) -> Self {
        let mut set = Self::default();
        set.insert(category);
        set
    }

    pub(crate) fn insert(&mut self, category: u8) {
        if let Some(word) = self.0.get_mut(usize::from(category / 64)) {
            *word |= 1 << (category % 64);
        }
    }

    #[inline]
    pub(crate) fn union(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([a | e, b | f, c | g, d | h])
    }

    #[inline]
    pub(crate) fn contains_all(self, other: Self) -> bool {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        (e & !a) | (f & !b) | (g & !c) | (h & !d) == 0
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        let [a, b, c, d] = self.0;
        a | b | c | d == 0
    }

    /// Returns the numbers in the set, least first.
    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        let mut words = self.0;
        std::iter::from_fn(move || {
            let (index, word) = words.iter_mut().enumerate().find(|(_, word)| **word != 0)?;
            let bit = word.trailing_zeros() as usize;
            *word &= *word - 1;
            u8::try_from(index * 64 + bit).ok()
        })
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(crate) fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
        Self(std::array::from_fn(|_| words.next().unwrap_or_default()))
    }
}

/// Distinct values, numbered as they come, so that rules have 16-bit numbers.
#[derive(Debug)]
pub(crate) struct Interned<T> {
    numbers: HashMap<T, u16>,
    values: Vec<T>,
    last: Option<(T, u16)>,
}

impl<T: Copy + Default + Eq + Hash> Interned<T> {
    /// Starts with the default value, which is number 0.
    pub(crate) fn new() -> Self {
        Self {
            numbers: HashMap::from([(T::default(), 0)]),
            values: vec![T::default()],
            last: None,
        }
    }

    pub(crate) fn number(&mut self, value: T) -> Result<u16, BuildError> {
        // Neighbours in a list often have the same categories.
        if let Some((last, number)) = self.last
            && last == value
        {
            return Ok(number);
        }
        let number = if let Some(number) = self.numbers.get(&value) {
            *number
        } else {
            let number = u16::try_from(self.values.len()).map_err(|_| BuildError::TooManySets)?;
            self.numbers.insert(value, number);
            self.values.push(value);
            number
        };
        self.last = Some((value, number));
        Ok(number)
    }

    pub(crate) fn values(&self) -> &[T] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_what_was_put_in() {
        let mut set = CategorySet::default();
        for category in [255, 0, 63, 64, 63] {
            set.insert(category);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 63, 64, 255]);
        assert!(set.contains_all(CategorySet::of(64)));
        assert!(!set.contains_all(CategorySet::of(65)));
        assert!(set.contains_all(CategorySet::default()));
        let bytes = set.to_bytes();
        assert_eq!(CategorySet::from_bytes(bytes.as_array().unwrap()), set);
    }

    #[test]
    fn equal_values_have_one_number() {
        let mut interned = Interned::new();
        let numbers = [7, 7, 0, 9, 7].map(|value| interned.number(value).unwrap());
        assert_eq!(numbers, [1, 1, 0, 2, 1]);
        assert_eq!(interned.values(), [0, 7, 9]);
    }

    #[test]
    fn sixteen_bits_are_the_limit() {
        let mut interned = Interned::new();
        for value in 0..=u32::from(u16::MAX) {
            interned.number(value).unwrap();
        }
        assert!(interned.number(5).is_ok());
        assert!(matches!(
            interned.number(1 << 16),
            Err(BuildError::TooManySets)
        ));
    }
}
