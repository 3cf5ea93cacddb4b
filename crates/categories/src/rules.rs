//! Rules as they are collected: one run of text, and where each rule is in it.

use crate::BuildError;
use crate::bytes::small;

/// Texts with their categories.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    text: Vec<u8>,
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    len: u16,
    category: u8,
}

/// The categories that one text has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Rule<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) category: u8,
}

impl Rules {
    pub(crate) fn push(
        &mut self,
        text: impl Iterator<Item = u8>,
        category: u8,
    ) -> Result<(), BuildError> {
        let start = small(self.text.len())?;
        self.text.extend(text);
        let len = self.text.len() - start as usize;
        let len = u16::try_from(len).map_err(|_| BuildError::TooBig)?;
        self.places.push(Place {
            start,
            len,
            category,
        });
        Ok(())
    }

    /// Puts the rules in order of text and category, each once.
    pub(crate) fn sort(&mut self) {
        let text = std::mem::take(&mut self.text);
        let key = |place: &Place| (slice(&text, *place), place.category);
        self.places.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        self.places.dedup_by(|a, b| key(a) == key(b));
        self.text = text;
    }

    /// Returns the rules, in order once they are sorted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Rule<'_>> {
        self.places.iter().map(|place| Rule {
            text: slice(&self.text, *place),
            category: place.category,
        })
    }
}

fn slice(text: &[u8], place: Place) -> &[u8] {
    let start = place.start as usize;
    text.get(start..start + usize::from(place.len))
        .unwrap_or_default()
}
