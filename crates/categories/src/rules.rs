//! Rules as they are collected: one run of text, and where each rule is in it.

use std::cmp::Ordering;

use crate::bytes::small;
use crate::{BuildError, parallel};

/// Bytes of a rule's text that are kept beside its place, so that most comparisons of a sort read
/// no text.
const KEY_LEN: usize = 24;

/// Rules of a thread that are worth one.
const PART_LEN_MIN: usize = 50_000;

/// Parts that are sorted for each thread, so that a long one is not waited for.
const PARTS_PER_THREAD: usize = 4;

/// Rules that are looked at for each part to make the parts of one length.
const SAMPLES_PER_PART: usize = 256;

/// Texts with their categories.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    text: Vec<u8>,
    places: Vec<Place>,
    /// Where what was appended begins: each run is sorted.
    runs: Vec<usize>,
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
        self.runs.push(self.places.len());
        self.places.extend(more.places.iter().map(|place| Place {
            start: base + place.start,
            category,
            ..*place
        }));
        Ok(())
    }

    /// Puts the rules in order of text, category and reach, each once.
    pub(crate) fn sort(&mut self) {
        sort(&self.text, &mut self.places);
    }

    /// Puts the rules that were appended in order, each once, on so many threads. What was appended
    /// in order is only merged.
    pub(crate) fn merge(&mut self, threads: usize) {
        let parts = threads.min(self.places.len() / PART_LEN_MIN) * PARTS_PER_THREAD;
        if parts < 2 {
            return self.sort();
        }
        // Equal rules are in one part, since a part begins with what the one before ends before.
        let starts = self.part_starts(parts);
        let runs: Vec<&[Place]> = self.runs().collect();
        let before = |run: &[Place], start: &Place| {
            run.partition_point(|place| order(&self.text, place, start).is_lt())
        };
        let parts = parallel::map(threads, starts.len() + 1, |part| {
            let start = part.checked_sub(1).and_then(|part| starts.get(part));
            let end = starts.get(part);
            let mut places = Vec::new();
            for run in &runs {
                let start = start.map_or(0, |start| before(run, start));
                let end = end.map_or(run.len(), |end| before(run, end));
                places.extend_from_slice(run.get(start..end).unwrap_or_default());
            }
            sort(&self.text, &mut places);
            places
        });
        // What is in the parts is not needed twice.
        self.places = Vec::new();
        self.places.reserve_exact(parts.iter().map(Vec::len).sum());
        for part in parts {
            self.places.extend_from_slice(&part);
        }
        self.runs.clear();
    }

    /// Returns what was appended, run by run.
    fn runs(&self) -> impl Iterator<Item = &[Place]> {
        let ends = self.runs.iter().skip(1).copied().chain([self.places.len()]);
        let runs = self.runs.iter().zip(ends);
        runs.map(|(start, end)| self.places.get(*start..end).unwrap_or_default())
    }

    /// Returns the first rules of all parts but the first one, of parts that are about as long.
    fn part_starts(&self, parts: usize) -> Vec<Place> {
        let step = (self.places.len() / (parts * SAMPLES_PER_PART)).max(1);
        let mut samples: Vec<Place> = self.places.iter().step_by(step).copied().collect();
        sort(&self.text, &mut samples);
        let step = samples.len().div_ceil(parts).max(1);
        samples.into_iter().step_by(step).skip(1).collect()
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

fn sort(text: &[u8], places: &mut Vec<Place>) {
    places.sort_by(|a, b| order(text, a, b));
    places.dedup_by(|a, b| order(text, a, b).is_eq());
}

fn order(text: &[u8], a: &Place, b: &Place) -> Ordering {
    let text_order = || {
        // Texts that end within equal keys differ in zeros at their end if at all.
        if usize::from(a.len.max(b.len)) <= KEY_LEN {
            a.len.cmp(&b.len)
        } else {
            slice(text, *a).cmp(slice(text, *b))
        }
    };
    a.key
        .cmp(&b.key)
        .then_with(text_order)
        .then_with(|| (a.category, a.reach).cmp(&(b.category, b.reach)))
}

fn key(text: &[u8]) -> [u64; KEY_LEN / 8] {
    let mut bytes = [0; KEY_LEN];
    for (byte, text) in bytes.iter_mut().zip(text) {
        *byte = *text;
    }
    let (words, _) = bytes.as_chunks::<8>();
    let mut words = words.iter().map(|word| u64::from_be_bytes(*word));
    std::array::from_fn(|_| words.next().unwrap_or_default())
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
        all.merge(2);
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
    fn threads_sort_as_one_does() {
        let mut all = Rules::default();
        for category in 0..7 {
            let mut part = Rules::default();
            for i in 0..16_000_u64 {
                let number = i.wrapping_mul(0x9e37_79b9_7f4a_7c15 + u64::from(category)) >> 48;
                let text = format!("name{number}");
                part.push(text.bytes(), Reach::Subtree).unwrap();
            }
            part.sort();
            all.append(&part, category % 5).unwrap();
        }
        let mut one = all.clone();
        one.merge(1);
        all.merge(3);
        assert!(one.iter().eq(all.iter()));
        assert!(
            one.iter()
                .is_sorted_by_key(|rule| (rule.text.to_vec(), rule.category))
        );
        assert!(one.len() < 7 * 16_000, "equal rules are one");
    }

    #[test]
    fn rules_sort_as_their_texts_do() {
        let mut rules = Rules::default();
        let mut texts = Vec::new();
        for len in 0..=KEY_LEN + 2 {
            for end in ["", "\0", "\0\0", "a", "b\0"] {
                texts.push(format!("{}{end}", "x".repeat(len)));
            }
        }
        for text in texts.iter().rev() {
            rules.push(text.bytes(), Reach::Exact).unwrap();
        }
        rules.sort();
        texts.sort();
        texts.dedup();
        let sorted: Vec<_> = rules.iter().map(|rule| rule.text).collect();
        assert_eq!(
            sorted,
            texts.iter().map(String::as_bytes).collect::<Vec<_>>()
        );
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
