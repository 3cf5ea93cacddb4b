//! One path, read the way one kind of server reads it.

use std::borrow::Cow;

use crate::escape::{
    Decoding, Nesting, decode, push_query, push_segment, without_overlong_ascii,
    without_unicode_escapes,
};
use crate::split::Target;

/// How a server reads a path. The default is the normal form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Reader {
    pub(crate) decoding: Decoding,
    /// An encoded slash.
    pub(crate) slash: Role,
    pub(crate) backslash: Backslash,
    /// An encoded question mark; as a separator it begins the query.
    pub(crate) question_mark: Role,
    /// An encoded number sign; as a separator it ends the path.
    pub(crate) number_sign: Role,
    pub(crate) parameters: Parameters,
    pub(crate) nul: Nul,
    pub(crate) runs: Runs,
    pub(crate) dots: Dots,
    pub(crate) old_escapes: OldEscapes,
}

/// What a character is that may or may not separate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    Separator,
    Text,
}

/// What a backslash is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Backslash {
    Separator,
    /// A separator as written, as in URIs that browsers read, and text if it is encoded.
    WrittenSeparator,
    Text,
}

/// What becomes of `;` and what follows it in a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Parameters {
    Kept,
    /// Dropped from the path as written, up to the next slash as written.
    DroppedFirst,
    /// Dropped from the decoded segments.
    DroppedDecoded,
    /// Dropped, and all that follows: the first one ends the path as written.
    EndPath,
}

/// What becomes of NUL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Nul {
    Kept,
    Dropped,
    /// It ends the path, as it ends a string in C.
    Ends,
}

/// When runs of slashes are collapsed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Runs {
    AfterDotSegments,
    BeforeDotSegments,
}

/// Which dot segments count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dots {
    /// Those of the decoded path.
    Decoded,
    /// First those of the path as written, for which an encoded one is a name like others; then
    /// those of the decoded path that is left.
    WrittenFirst,
}

/// What `%u002e` and the overlong UTF-8 `%c0%ae` are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OldEscapes {
    Text,
    /// A dot, as old versions of IIS and Java read both.
    Decoded,
}

impl Reader {
    /// The reader that the normal form is made by.
    pub(crate) const NORMAL: Self = Self {
        decoding: Decoding::UntilStable,
        slash: Role::Separator,
        backslash: Backslash::Separator,
        question_mark: Role::Text,
        number_sign: Role::Text,
        parameters: Parameters::Kept,
        nul: Nul::Kept,
        runs: Runs::AfterDotSegments,
        dots: Dots::Decoded,
        old_escapes: OldEscapes::Text,
    };

    /// Returns whether a byte as written separates segments.
    fn splits_written(self, byte: u8) -> bool {
        byte == b'/' || (byte == b'\\' && self.backslash != Backslash::Text)
    }

    /// Returns whether a decoded byte separates segments.
    fn splits_decoded(self, byte: u8) -> bool {
        match byte {
            b'/' => self.slash == Role::Separator,
            b'\\' => self.backslash == Backslash::Separator,
            _ => false,
        }
    }
}

/// What was seen in a path that servers may read in different ways.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Marks {
    pub(crate) nested_escapes: bool,
    pub(crate) encoded_slash: bool,
    pub(crate) written_backslash: bool,
    pub(crate) encoded_backslash: bool,
    pub(crate) question_mark: bool,
    /// An encoded number sign, which matters where dot segments follow it.
    pub(crate) number_sign: bool,
    pub(crate) parameters: bool,
    pub(crate) nul: bool,
    /// A double dot after an empty segment.
    pub(crate) run_before_dots: bool,
    pub(crate) old_escapes: bool,
    /// A dot segment that is one as written.
    pub(crate) written_dots: bool,
    /// A dot segment that is none as written.
    pub(crate) encoded_dots: bool,
    /// The path ends in a segment of one dot.
    pub(crate) ends_in_dot: bool,
}

impl Marks {
    /// Returns whether all servers read the path alike.
    pub(crate) fn leave_one_reading(self) -> bool {
        let Self {
            ends_in_dot,
            written_dots,
            encoded_dots,
            number_sign,
            ..
        } = self;
        let alike = Self {
            ends_in_dot,
            written_dots,
            encoded_dots,
            number_sign,
            ..Self::default()
        };
        self == alike && !(written_dots && encoded_dots) && !(number_sign && self.has_dots())
    }

    /// Returns whether there is a dot segment.
    pub(crate) fn has_dots(self) -> bool {
        self.written_dots || self.encoded_dots
    }

    /// Returns what was seen in either of two ways to read one path.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            nested_escapes: self.nested_escapes | other.nested_escapes,
            encoded_slash: self.encoded_slash | other.encoded_slash,
            written_backslash: self.written_backslash | other.written_backslash,
            encoded_backslash: self.encoded_backslash | other.encoded_backslash,
            question_mark: self.question_mark | other.question_mark,
            number_sign: self.number_sign | other.number_sign,
            parameters: self.parameters | other.parameters,
            nul: self.nul | other.nul,
            run_before_dots: self.run_before_dots | other.run_before_dots,
            old_escapes: self.old_escapes | other.old_escapes,
            written_dots: self.written_dots | other.written_dots,
            encoded_dots: self.encoded_dots | other.encoded_dots,
            ends_in_dot: self.ends_in_dot | other.ends_in_dot,
        }
    }
}

/// Appends path and query to `out` as `reader` reads them.
pub(crate) fn push_target(out: &mut String, target: Target<'_>, reader: Reader) -> Marks {
    let mut writer = Writer {
        start: out.len(),
        out,
        reader,
        marks: Marks::default(),
        has_empty: false,
        wants_slash: true,
    };
    let path = writer.as_written(target.path);
    let query = writer.path(&path);
    writer.finish();
    let marks = writer.marks;
    for query in query.as_deref().into_iter().chain(target.query) {
        out.push('?');
        push_query(out, query);
    }
    marks
}

struct Writer<'a> {
    out: &'a mut String,
    /// Where the path begins in `out`. From here on a slash is always a separator.
    start: usize,
    reader: Reader,
    marks: Marks,
    has_empty: bool,
    /// Nothing, or a dot segment, came last: a slash is still to be written.
    wants_slash: bool,
}

impl Writer<'_> {
    /// Does to a path what is done before anything is decoded.
    fn as_written<'b>(&mut self, path: &'b [u8]) -> Cow<'b, [u8]> {
        self.marks.written_backslash |= path.contains(&b'\\');
        let mut path = Cow::Borrowed(path);
        if let Some(plain) = without_unicode_escapes(&path) {
            self.marks.old_escapes = true;
            match self.reader.old_escapes {
                OldEscapes::Decoded => path = Cow::Owned(plain),
                OldEscapes::Text => {}
            }
        }
        match self.reader.parameters {
            Parameters::EndPath => path = Cow::Owned(before(&path, b';').to_vec()),
            Parameters::Kept | Parameters::DroppedFirst | Parameters::DroppedDecoded => {}
        }
        match self.reader.dots {
            Dots::Decoded => path,
            Dots::WrittenFirst => Cow::Owned(without_written_dots(&path, self.reader)),
        }
    }

    /// Writes all segments. Returns what an encoded question mark made the query.
    fn path(&mut self, path: &[u8]) -> Option<Vec<u8>> {
        let reader = self.reader;
        let mut rest = path;
        if rest.first().is_some_and(|&b| reader.splits_written(b)) {
            rest = rest.get(1..).unwrap_or_default();
        }
        loop {
            let end = rest.iter().position(|&b| reader.splits_written(b));
            let (segment, tail) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
            match self.written_segment(segment) {
                Flow::On => {}
                Flow::PathEnds => return None,
                Flow::QueryBegins(mut query) => {
                    query.extend_from_slice(tail);
                    return Some(query);
                }
            }
            rest = tail.get(1..)?;
        }
    }

    /// Writes what stands between two slashes as written.
    fn written_segment(&mut self, written: &[u8]) -> Flow {
        let written = match self.reader.parameters {
            Parameters::DroppedFirst => before(written, b';'),
            Parameters::Kept | Parameters::DroppedDecoded | Parameters::EndPath => written,
        };
        let mut decoded = Cow::Borrowed(written);
        if written.contains(&b'%') {
            let mut bytes = Vec::with_capacity(written.len());
            let nesting = decode(written, self.reader.decoding, &mut bytes);
            self.marks.nested_escapes |= nesting == Nesting::Nested;
            decoded = Cow::Owned(bytes);
        }
        if let Some(plain) = without_overlong_ascii(&decoded) {
            self.marks.old_escapes = true;
            match self.reader.old_escapes {
                OldEscapes::Decoded => decoded = Cow::Owned(plain),
                OldEscapes::Text => {}
            }
        }
        self.mark(&decoded);
        let (segments, flow) = self.cut(&decoded);
        let reader = self.reader;
        let form = if written.contains(&b'%') {
            Form::Encoded
        } else {
            Form::Written
        };
        for segment in segments.split(|&b| reader.splits_decoded(b)) {
            self.segment(segment, form);
        }
        flow
    }

    fn mark(&mut self, decoded: &[u8]) {
        for &byte in decoded {
            match byte {
                b'/' => self.marks.encoded_slash = true,
                b'\\' => self.marks.encoded_backslash = true,
                b'?' => self.marks.question_mark = true,
                b'#' => self.marks.number_sign = true,
                b';' => self.marks.parameters = true,
                0 => self.marks.nul = true,
                _ => {}
            }
        }
    }

    /// Cuts a decoded segment where the path ends for this reader.
    fn cut<'a>(&self, decoded: &'a [u8]) -> (Cow<'a, [u8]>, Flow) {
        let ends = |b: u8| {
            (b == 0 && self.reader.nul == Nul::Ends)
                || (b == b'?' && self.reader.question_mark == Role::Separator)
                || (b == b'#' && self.reader.number_sign == Role::Separator)
        };
        if let Some(at) = decoded.iter().position(|&b| ends(b))
            && let Some((path, [end, rest @ ..])) = decoded.split_at_checked(at)
        {
            let flow = match end {
                0 | b'#' => Flow::PathEnds,
                _ => Flow::QueryBegins(rest.to_vec()),
            };
            return (self.without_nul(path), flow);
        }
        (self.without_nul(decoded), Flow::On)
    }

    fn without_nul<'a>(&self, decoded: &'a [u8]) -> Cow<'a, [u8]> {
        match self.reader.nul {
            Nul::Dropped if decoded.contains(&0) => {
                Cow::Owned(decoded.iter().copied().filter(|&b| b != 0).collect())
            }
            Nul::Dropped | Nul::Kept | Nul::Ends => Cow::Borrowed(decoded),
        }
    }

    /// Writes one segment, or does what it says if it is a dot segment.
    fn segment(&mut self, segment: &[u8], form: Form) {
        let (segment, form) = match self.reader.parameters {
            // `..;` is a dot segment no sooner than an escaped one is.
            Parameters::DroppedDecoded if segment.contains(&b';') => {
                (before(segment, b';'), Form::Encoded)
            }
            Parameters::DroppedDecoded
            | Parameters::Kept
            | Parameters::DroppedFirst
            | Parameters::EndPath => (segment, form),
        };
        // For a server to which a number sign ends the path, too.
        if is_dots(before(segment, b'#')) {
            match form {
                Form::Written => self.marks.written_dots = true,
                Form::Encoded => self.marks.encoded_dots = true,
            }
        }
        self.marks.ends_in_dot = segment == b".";
        self.wants_slash = true;
        match segment {
            b"." => {}
            b".." => {
                self.marks.run_before_dots |= self.has_empty;
                let parent = self.written().rfind('/').unwrap_or_default();
                self.out.truncate(self.start + parent);
            }
            b"" if self.reader.runs == Runs::BeforeDotSegments => {}
            _ => {
                self.has_empty |= segment.is_empty();
                self.wants_slash = false;
                self.out.push('/');
                push_segment(self.out, segment);
            }
        }
    }

    fn written(&self) -> &str {
        self.out.get(self.start..).unwrap_or_default()
    }

    fn finish(&mut self) {
        if self.wants_slash {
            self.out.push('/');
        }
        if self.has_empty {
            let path = self.out.split_off(self.start);
            let mut last = ' ';
            self.out.extend(path.chars().filter(|&c| {
                let again = c == '/' && last == '/';
                last = c;
                !again
            }));
        }
    }
}

/// How a path goes on after a segment.
enum Flow {
    On,
    PathEnds,
    QueryBegins(Vec<u8>),
}

/// How a segment is written.
#[derive(Clone, Copy)]
enum Form {
    Written,
    Encoded,
}

fn is_dots(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

/// Resolves the dot segments of a path as written.
fn without_written_dots(path: &[u8], reader: Reader) -> Vec<u8> {
    // Each with the separator before it.
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut wants_slash = false;
    let mut rest = path;
    while !rest.is_empty() {
        let others = rest.iter().skip(1);
        let len = others.take_while(|&&b| !reader.splits_written(b)).count() + 1;
        let (piece, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        rest = after;
        let segment = match piece.split_first() {
            Some((&first, segment)) if reader.splits_written(first) => segment,
            Some(_) | None => piece,
        };
        let name = match reader.parameters {
            Parameters::DroppedFirst => before(segment, b';'),
            Parameters::Kept | Parameters::DroppedDecoded | Parameters::EndPath => segment,
        };
        wants_slash = true;
        match name {
            b"." => {}
            b".." => {
                kept.pop();
            }
            b"" if reader.runs == Runs::BeforeDotSegments => {}
            _ => {
                wants_slash = false;
                kept.push(piece);
            }
        }
    }
    if wants_slash {
        kept.push(b"/");
    }
    kept.concat()
}

fn before(text: &[u8], end: u8) -> &[u8] {
    text.split(|&b| b == end).next().unwrap_or_default()
}
