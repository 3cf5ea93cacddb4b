//! Rules as they are collected: one run of text, and where each rule is in it.

use std::cmp::Ordering;

use crate::BuildError;
use crate::bytes::small;

/// Bytes of a rule's text that are kept beside its place, so that most comparisons of a sort read
/// no text.
const KEY_LEN: usize = 16;

/// Texts with their categories.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    text: Vec<u8>,
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    /// The first bytes of the text, filled up with zeros, as numbers that sort alike.
    key: [u64; KEY_LEN / 8],
    start: u32,
    len: u16,
    category: u8,
    reach: Reach,
}

/// What of a name a rule covers.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Reach {
    /// The name alone.
    Exact,
    /// The name and all names below it, or all paths that the text begins.
    Subtree,
}

/// One text with one of its categories.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Rule<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) category: u8,
    pub(crate) reach: Reach,
}

impl Rules {
    /// Adds a rule of category 0.
    pub(crate) fn push(
        &mut self,
        text: impl Iterator<Item = u8>,
        reach: Reach,
    ) -> Result<(), BuildError> {
        let start = small(self.text.len())?;
        self.text.extend(text);
        let added = self.text.get(start as usize..).unwrap_or_default();
        let len = u16::try_from(added.len()).map_err(|_| BuildError::TooBig)?;
        self.places.push(Place {
            key: key(added),
            start,
            len,
            category: 0,
            reach,
        });
        Ok(())
    }

    /// Moves rules that are sorted behind these, as rules of `category`.
    pub(crate) fn append(&mut self, more: &Self, category: u8) -> Result<(), BuildError> {
        let base = small(self.text.len())?;
        small(self.text.len() + more.text.len())?;
        self.text.extend_from_slice(&more.text);
        self.places.extend(more.places.iter().map(|place| Place {
            start: base + place.start,
            category,
            ..*place
        }));
        Ok(())
    }

    /// Puts the rules in order of text, category and reach, each once. What was appended in order
    /// is only merged.
    pub(crate) fn sort(&mut self) {
        let text = std::mem::take(&mut self.text);
        self.places.sort_by(|a, b| order(&text, a, b));
        self.places
            .dedup_by(|a, b| order(&text, a, b) == Ordering::Equal);
        self.text = text;
    }

    /// Returns the rules, in order once they are sorted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Rule<'_>> {
        self.places.iter().map(|place| Rule {
            text: slice(&self.text, *place),
            category: place.category,
            reach: place.reach,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns the rule that is `index` places behind the first.
    pub(crate) fn get(&self, index: usize) -> Option<Rule<'_>> {
        self.places.get(index).map(|place| Rule {
            text: slice(&self.text, *place),
            category: place.category,
            reach: place.reach,
        })
    }
}

fn order(text: &[u8], a: &Place, b: &Place) -> Ordering {
    // Equal keys of texts that end within them may still differ in trailing zeros.
    a.key
        .cmp(&b.key)
        .then_with(|| slice(text, *a).cmp(slice(text, *b)))
        .then_with(|| (a.category, a.reach).cmp(&(b.category, b.reach)))
}

fn key(text: &[u8]) -> [u64; KEY_LEN / 8] {
    let mut bytes = [0; KEY_LEN];
    for (byte, text) in bytes.iter_mut().zip(text) {
        *byte = *text;
    }
    let (high, low) = bytes.split_at(8);
    let word = |half: &[u8]| {
        half.iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte))
    };
    [word(high), word(low)]
}

fn slice(text: &[u8], place: Place) -> &[u8] {
    let start = place.start as usize;
    text.get(start..start + usize::from(place.len))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appended_rules_are_merged_in_order_and_each_is_once() {
        let mut all = Rules::default();
        for (category, texts) in [
            (1, ["b", "moc.a"]),
            (0, ["moc.a.b", "moc.a"]),
            (1, ["b", "c"]),
        ] {
            let mut part = Rules::default();
            for text in texts {
                part.push(text.bytes(), Reach::Subtree).unwrap();
            }
            part.sort();
            all.append(&part, category).unwrap();
        }
        all.sort();
        let found: Vec<_> = all
            .iter()
            .map(|rule| (str::from_utf8(rule.text).unwrap(), rule.category))
            .collect();
        let expected = [
            ("b", 1),
            ("c", 1),
            ("moc.a", 0),
            ("moc.a", 1),
            ("moc.a.b", 0),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn long_texts_that_begin_alike_are_told_apart() {
        let mut rules = Rules::default();
        for end in ["b", "", "a", "b"] {
            let text = format!("{}{end}", "x".repeat(KEY_LEN));
            rules.push(text.bytes(), Reach::Exact).unwrap();
        }
        rules.sort();
        let ends: Vec<_> = rules.iter().map(|rule| rule.text.get(KEY_LEN..)).collect();
        assert_eq!(ends, [Some(&b""[..]), Some(b"a"), Some(b"b")]);
    }
}
