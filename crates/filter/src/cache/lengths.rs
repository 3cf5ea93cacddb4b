//! Which lengths the prefix entries of one origin have.

/// Different lengths of prefix entries below one `scheme://authority/`. A look-up tries each of
/// them, so they are few; an answer with a further length is cached as an exact entry.
pub const PREFIX_LENGTHS_MAX: usize = 8;

/// The lengths, longest first, with the number of entries that have each.
#[derive(Debug, Default)]
pub(super) struct Lengths(Vec<Length>);

#[derive(Debug)]
struct Length {
    len: usize,
    entries: usize,
}

impl Lengths {
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|length| length.len)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts one more entry of this length, and returns whether there was room for it.
    pub(super) fn add(&mut self, len: usize) -> bool {
        if let Some(length) = self.0.iter_mut().find(|length| length.len == len) {
            length.entries += 1;
            return true;
        }
        if self.0.len() >= PREFIX_LENGTHS_MAX {
            return false;
        }
        let index = self.0.partition_point(|length| length.len > len);
        self.0.insert(index, Length { len, entries: 1 });
        true
    }

    /// Counts one entry of this length less.
    pub(super) fn remove(&mut self, len: usize) {
        for length in &mut self.0 {
            if length.len == len {
                length.entries -= 1;
            }
        }
        self.0.retain(|length| length.entries > 0);
    }
}
