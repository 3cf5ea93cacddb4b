//! Sets of categories, as bits in the order of their names.

use std::collections::BTreeMap;

use crate::BuildError;

/// Categories of one database, aliases included.
pub const CATEGORIES_MAX: usize = 256;

/// Bytes of the name of a category.
pub const CATEGORY_LEN_MAX: usize = 64;

const WORDS: usize = CATEGORIES_MAX / 64;

/// Categories by number.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
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

    pub(crate) fn union(self, other: Self) -> Self {
        let mut words = self.0.iter().zip(other.0).map(|(a, b)| a | b);
        Self(std::array::from_fn(|_| words.next().unwrap_or_default()))
    }

    pub(crate) fn contains_all(self, other: Self) -> bool {
        self.union(other) == self
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
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

/// Distinct sets, numbered as they come.
#[derive(Debug)]
pub(crate) struct Interned {
    numbers: BTreeMap<CategorySet, u16>,
    sets: Vec<CategorySet>,
}

impl Interned {
    /// Starts with the empty set, which is number 0.
    pub(crate) fn new() -> Self {
        Self {
            numbers: BTreeMap::from([(CategorySet::default(), 0)]),
            sets: vec![CategorySet::default()],
        }
    }

    pub(crate) fn number(&mut self, set: CategorySet) -> Result<u16, BuildError> {
        if let Some(number) = self.numbers.get(&set) {
            return Ok(*number);
        }
        let number = u16::try_from(self.sets.len()).map_err(|_| BuildError::TooManySets)?;
        self.numbers.insert(set, number);
        self.sets.push(set);
        Ok(number)
    }

    pub(crate) fn sets(&self) -> &[CategorySet] {
        &self.sets
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
}
