//! Ways to cut the same bytes.

use std::hash::{DefaultHasher, Hasher as _};

/// Pieces of one way at most: a reader that starts anew with every piece must stay affordable.
const PIECES_MAX: usize = 256;

/// Returns where the pieces of several ways to cut `bytes` end. The last piece of each ends with
/// the bytes; the same bytes are always cut in the same ways.
pub(crate) fn ways(bytes: &[u8]) -> [Vec<usize>; 3] {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    let mut random = hasher.finish() | 1;
    let mut below = move |max: usize| {
        // Xorshift: any sequence without a pattern will do.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % (max as u64 + 1)).unwrap_or(max)
    };
    let one_by_one = (1..bytes.len().min(PIECES_MAX)).collect();
    let in_two = vec![below(bytes.len())];
    let mut uneven = Vec::new();
    let mut end = 0;
    while end < bytes.len() && uneven.len() < PIECES_MAX {
        end += 1 + below(2 + bytes.len() / 8);
        uneven.push(end.min(bytes.len()));
    }
    [one_by_one, in_two, uneven].map(|mut ends: Vec<usize>| {
        ends.push(bytes.len());
        ends
    })
}

/// Returns the pieces that end at these places.
pub(crate) fn pieces<'a>(bytes: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(ends).map(|(start, end)| &bytes[start..*end])
}
