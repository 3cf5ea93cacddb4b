use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use uri::{InvalidUri, NormalUri};

#[cfg(test)]
mod tests;

/// Characters of a redirect destination after formatting (S4 3.1.1).
pub const LOCATION_LEN_MAX: usize = 899;

/// Longest run of escapes that stands for one character: four bytes, three characters each.
const ESCAPED_CHAR_LEN_MAX: usize = 12;

/// All but the unreserved characters of RFC 3986, so that no value can end a query component.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A redirect destination with formatting codes in its query, checked when it is read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RedirectTemplate {
    text: Box<str>,
    pieces: Box<[Piece]>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(Box<str>),
    Value(FormattingCode),
}

/// A formatting code (S4 3.1.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FormattingCode {
    /// `%M`
    Msisdn,
    /// `%S`
    Imsi,
    /// `%U`
    Uri,
}

/// What the formatting codes stand for in one request. Absent values are empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct RedirectFacts<'a> {
    /// `%M`
    pub msisdn: &'a str,
    /// `%S`
    pub imsi: &'a str,
    /// `%U`: the URI as received, absolute, without userinfo. Any bytes.
    pub uri: &'a [u8],
}

/// Why a redirect destination is rejected.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadTemplate {
    /// A `%` that starts neither a formatting code nor an escaped byte. `%%` is one of them: a
    /// percent sign is written `%25`, as in every URI.
    #[error(
        "`{}` is not a formatting code; use %M (MSISDN), %S (IMSI), %U (request URI), \
         or %25 for a percent sign", .0.escape_debug()
    )]
    UnknownCode(String),
    /// A formatting code before the question mark or after the hash.
    #[error("`{0}` is outside the query; formatting codes stand after the `?`")]
    OutsideQuery(FormattingCode),
    /// A character that a URI does not have.
    #[error("`{}` cannot stand in a URI; write it as an escape such as `%20`", .0.escape_debug())]
    Character(char),
    /// Nothing would be left for the values.
    #[error("{0} characters are too many; use at most {LOCATION_LEN_MAX}")]
    TooLong(usize),
    /// Not an absolute URI with a valid host.
    #[error(transparent)]
    Uri(#[from] InvalidUri),
}

impl RedirectTemplate {
    /// Fills the codes in; values are escaped as query components and the whole is cut at
    /// [`LOCATION_LEN_MAX`] characters, never inside an escape or between the escapes of one
    /// UTF-8 character.
    #[must_use]
    pub fn format(&self, facts: RedirectFacts<'_>) -> String {
        let mut location = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => location.push_str(text),
                Piece::Value(code) => {
                    let value = match code {
                        FormattingCode::Msisdn => facts.msisdn.as_bytes(),
                        FormattingCode::Imsi => facts.imsi.as_bytes(),
                        FormattingCode::Uri => facts.uri,
                    };
                    // What lies this far beyond the limit cannot change where the cut is.
                    let room =
                        (LOCATION_LEN_MAX + ESCAPED_CHAR_LEN_MAX).saturating_sub(location.len());
                    let value = value.get(..room).unwrap_or(value);
                    location.extend(percent_encode(value, VALUE));
                }
            }
        }
        if location.len() > LOCATION_LEN_MAX {
            location.truncate(cut_at(location.as_bytes()));
        }
        debug_assert!(location.len() <= LOCATION_LEN_MAX);
        location
    }

    /// Creates a destination without formatting codes: percent signs stand for themselves.
    ///
    /// # Errors
    ///
    /// Fails if it is longer than [`LOCATION_LEN_MAX`], not an absolute http or https URI with a
    /// valid host, or has a character that a header line cannot carry.
    pub fn literal(text: &str) -> Result<Self, BadTemplate> {
        if text.len() > LOCATION_LEN_MAX {
            return Err(BadTemplate::TooLong(text.chars().count()));
        }
        if let Some(char) = text.chars().find(|char| !char.is_ascii_graphic()) {
            return Err(BadTemplate::Character(char));
        }
        let template = Self {
            pieces: [Piece::Text(text.into())].into(),
            text: text.into(),
        };
        template.bare()?;
        Ok(template)
    }

    /// Returns the characters that the destination has before it is cut.
    pub(crate) fn whole_len(&self, facts: RedirectFacts<'_>) -> usize {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Value(FormattingCode::Msisdn) => facts.msisdn.len(),
            Piece::Value(FormattingCode::Imsi) => facts.imsi.len(),
            Piece::Value(FormattingCode::Uri) => facts.uri.len(),
        });
        pieces.sum()
    }

    /// Returns whether something stands behind `%U`, which is as long as a client makes it.
    pub(crate) fn goes_on_after_uri(&self) -> bool {
        let after = self
            .pieces
            .iter()
            .skip_while(|piece| **piece != Piece::Value(FormattingCode::Uri));
        after.skip(1).any(|piece| match piece {
            Piece::Text(text) => !text.is_empty(),
            Piece::Value(_) => true,
        })
    }

    /// Returns the destination as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the codes in the order of their places.
    pub(crate) fn codes(&self) -> impl Iterator<Item = FormattingCode> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Value(code) => Some(*code),
        })
    }

    /// Returns where a client is sent when all values are empty.
    ///
    /// # Errors
    ///
    /// Fails if that is no URI with a valid host, which a checked template always is.
    pub(crate) fn bare(&self) -> Result<NormalUri, InvalidUri> {
        NormalUri::parse(self.format(RedirectFacts::default()).as_bytes())
    }
}

impl TryFrom<String> for RedirectTemplate {
    type Error = BadTemplate;

    fn try_from(text: String) -> Result<Self, BadTemplate> {
        if text.len() > LOCATION_LEN_MAX {
            return Err(BadTemplate::TooLong(text.chars().count()));
        }
        let template = Self {
            pieces: pieces(&text)?,
            text: text.into(),
        };
        template.bare()?;
        Ok(template)
    }
}

impl fmt::Display for FormattingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Msisdn => "%M",
            Self::Imsi => "%S",
            Self::Uri => "%U",
        })
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Part {
    Path,
    Query,
    Fragment,
}

fn pieces(text: &str) -> Result<Box<[Piece]>, BadTemplate> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut part = Part::Path;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(code) = code_at(rest) {
            if part != Part::Query {
                return Err(BadTemplate::OutsideQuery(code));
            }
            pieces.push(Piece::Text(std::mem::take(&mut literal).into()));
            pieces.push(Piece::Value(code));
            rest = rest.get(2..).unwrap_or_default();
            continue;
        }
        if !may_stand(c) {
            return Err(BadTemplate::Character(c));
        }
        if c == '%' && escaped_byte(rest.as_bytes()).is_none() {
            return Err(BadTemplate::UnknownCode(rest.chars().take(2).collect()));
        }
        part = match (part, c) {
            (Part::Path, '?') => Part::Query,
            (Part::Path | Part::Query, '#') => Part::Fragment,
            (part, _) => part,
        };
        literal.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    pieces.push(Piece::Text(literal.into()));
    Ok(pieces.into())
}

fn code_at(text: &str) -> Option<FormattingCode> {
    match text.as_bytes() {
        [b'%', b'M', ..] => Some(FormattingCode::Msisdn),
        [b'%', b'S', ..] => Some(FormattingCode::Imsi),
        [b'%', b'U', ..] => Some(FormattingCode::Uri),
        _ => None,
    }
}

/// Returns whether RFC 3986 knows the character. A destination goes into a header as written.
fn may_stand(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c)
}

/// Returns where the last whole character ends that lies within the limit.
fn cut_at(location: &[u8]) -> usize {
    let mut end = 0;
    while let Some(rest) = location.get(end..) {
        let next = end + char_len(rest);
        if next > LOCATION_LEN_MAX || rest.is_empty() {
            break;
        }
        end = next;
    }
    end
}

/// Returns the length of the first character, which may be a run of escapes.
fn char_len(text: &[u8]) -> usize {
    let Some(first) = escaped_byte(text) else {
        return 1;
    };
    let bytes = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    };
    let whole = (1..bytes).all(|byte| {
        let escape = text.get(3 * byte..).and_then(escaped_byte);
        matches!(escape, Some(0x80..=0xBF))
    });
    if whole { 3 * bytes } else { 3 }
}

/// Returns the byte that an escape at the start of `text` stands for.
fn escaped_byte(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else {
        return None;
    };
    let digit = |c: &u8| char::from(*c).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
