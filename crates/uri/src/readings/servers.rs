//! The kinds of server that may stand behind a URI, and what they make of one path.

use super::READINGS_MAX;
use crate::NormalUri;
use crate::escape::Decoding;
use crate::normal::Base;
use crate::path::{Backslash, Dots, Marks, Nul, OldEscapes, Parameters, Reader, Role, Runs};
use crate::split::Target;

/// Kinds of server tried on one path. It bounds the work for a path that mixes everything; the
/// readings run out first in any path that was not made for the purpose.
const READERS_MAX: usize = 48;

/// Bytes of path and query read for one URI, all kinds of server together. A path may have many
/// kinds of server and yet one reading, and a long one must not keep a worker from its other
/// clients.
const READ_LEN_MAX: usize = 64 * 1024;

/// What a short path counts for in [`READ_LEN_MAX`]: reading it takes as long as that.
const READ_LEN_MIN: usize = 128;

/// Servers may read a path in more ways than are judged.
#[derive(Debug)]
pub(super) struct TooMany;

/// Returns the readings beside the normal form.
pub(super) fn others(normal: &NormalUri, target: &[u8]) -> Result<Box<[NormalUri]>, TooMany> {
    let mut others = Others {
        normal,
        uris: Vec::new(),
        read_len: 0,
    };
    let mut marks = others.read(Target::without_fragment(target))?;
    let splits = [
        Target::with_number_sign(target),
        Target::below_network_path(target),
        Target::below_encoded_network_path(target),
    ];
    let splits = splits.into_iter().flatten();
    for target in splits.chain(Target::below_encoded_network_path_by_ends(target)) {
        marks = marks.or(others.read(target)?);
    }
    if marks.has_dots() {
        others.read_again()?;
    }
    Ok(others.uris.into())
}

/// The readings found so far beside the normal form.
struct Others<'a> {
    normal: &'a NormalUri,
    uris: Vec<NormalUri>,
    /// Bytes read, in all ways together.
    read_len: usize,
}

impl Others<'_> {
    /// Adds what every kind of server that may differ here makes of `target`. Returns what they
    /// saw.
    fn read(&mut self, target: Target<'_>) -> Result<Marks, TooMany> {
        let mut tried = Vec::new();
        let mut marks = Marks::default();
        loop {
            // Some marks only show to one kind of server: the run of slashes in `/a/;/..` to one
            // that drops parameters.
            let known = readers(marks);
            if known.len() > READERS_MAX {
                return Err(TooMany);
            }
            let untried: Vec<Reader> = known.into_iter().filter(|r| !tried.contains(r)).collect();
            if untried.is_empty() {
                return Ok(marks);
            }
            self.read_len += untried.len() * target.len().max(READ_LEN_MIN);
            if self.read_len > READ_LEN_MAX {
                return Err(TooMany);
            }
            for &reader in &untried {
                let (uri, seen) = Base::under(self.normal).into_uri(target, reader);
                marks = marks.or(seen);
                self.add(uri)?;
            }
            tried.extend(untried);
        }
    }

    /// Reads the readings again, and what comes of that: a gateway resolves dot segments its own
    /// way, and the server behind it reads what is left.
    fn read_again(&mut self) -> Result<(), TooMany> {
        let normal = self.normal.clone();
        self.read(target_of(&normal))?;
        let mut at = 0;
        while let Some(uri) = self.uris.get(at).cloned() {
            self.read(target_of(&uri))?;
            at += 1;
        }
        Ok(())
    }

    fn add(&mut self, uri: NormalUri) -> Result<(), TooMany> {
        if uri == *self.normal || self.uris.contains(&uri) {
            return Ok(());
        }
        if self.uris.len() + 1 >= READINGS_MAX {
            return Err(TooMany);
        }
        self.uris.push(uri);
        Ok(())
    }
}

fn target_of(uri: &NormalUri) -> Target<'_> {
    Target::without_fragment(uri.path_and_query().as_bytes())
}

/// Returns the kinds of server that may differ about a path with these marks: every combination,
/// since an attacker picks the path for the one server that it is meant for.
fn readers(marks: Marks) -> Vec<Reader> {
    let mut readers = vec![Reader::NORMAL];
    let mut vary = |applies: bool, variants: &[fn(&mut Reader)]| {
        if !applies {
            return;
        }
        for reader in readers.clone() {
            readers.extend(variants.iter().map(|variant| {
                let mut reader = reader;
                variant(&mut reader);
                reader
            }));
        }
    };
    let dots = marks.has_dots();
    vary(
        marks.nested_escapes,
        &[
            |r| r.decoding = Decoding::Once,
            |r| r.decoding = Decoding::Twice,
        ],
    );
    vary(marks.encoded_slash, &[|r| r.slash = Role::Text]);
    let both_backslashes = marks.written_backslash && marks.encoded_backslash;
    vary(
        marks.written_backslash != marks.encoded_backslash,
        &[|r| r.backslash = Backslash::Text],
    );
    vary(
        both_backslashes,
        &[
            |r| r.backslash = Backslash::Text,
            |r| r.backslash = Backslash::WrittenSeparator,
        ],
    );
    vary(
        marks.question_mark,
        &[|r| r.question_mark = Role::Separator],
    );
    vary(
        // Without dot segments it is a folder of what is read with the number sign.
        marks.number_sign && dots,
        &[|r| r.number_sign = Role::Separator],
    );
    let drops: [fn(&mut Reader); 2] = [
        |r| r.parameters = Parameters::DroppedFirst,
        |r| r.parameters = Parameters::DroppedDecoded,
    ];
    vary(marks.parameters && !dots, &drops);
    // Without dot segments it ends in a folder of what is read without parameters.
    let [first, decoded] = drops;
    let end: fn(&mut Reader) = |r| r.parameters = Parameters::EndPath;
    vary(marks.parameters && dots, &[first, decoded, end]);
    vary(
        marks.nul,
        &[|r| r.nul = Nul::Dropped, |r| r.nul = Nul::Ends],
    );
    vary(
        marks.run_before_dots,
        &[|r| r.runs = Runs::BeforeDotSegments],
    );
    vary(
        marks.written_dots && marks.encoded_dots,
        &[|r| r.dots = Dots::WrittenFirst],
    );
    vary(
        marks.old_escapes,
        &[|r| r.old_escapes = OldEscapes::Decoded],
    );
    readers
}

#[cfg(test)]
mod tests;
