use std::fmt;

/// Characters of an ISTag that we make (RFC 3507 section 4.7).
pub const IS_TAG_LEN_MAX: usize = 32;

/// Characters of an ISTag that we accept; some services send longer ones than they may.
pub const IS_TAG_RECEIVED_LEN_MAX: usize = 256;

/// The state of a service: answers under another tag are stale.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IsTag(Box<str>);

/// Why text is no ISTag.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadIsTag {
    /// Nothing to compare.
    #[error("the ISTag is empty")]
    Empty,
    /// Too long for where it is used.
    #[error("the ISTag has {found} characters; use at most {len_max}")]
    TooLong {
        /// Characters found.
        found: usize,
        /// Characters allowed.
        len_max: usize,
    },
    /// Something that a quoted string cannot carry as it is.
    #[error("the ISTag has a quote, a backslash, or a character that is not visible ASCII")]
    Character,
}

impl IsTag {
    /// Makes a tag to send.
    ///
    /// # Errors
    ///
    /// Fails if it is empty, longer than [`IS_TAG_LEN_MAX`], or not plain visible ASCII.
    pub fn new(text: &str) -> Result<Self, BadIsTag> {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if !text.bytes().all(plain) {
            return Err(BadIsTag::Character);
        }
        Self::bounded(text, IS_TAG_LEN_MAX)
    }

    /// Parses a received value, quoted or not.
    ///
    /// # Errors
    ///
    /// Fails if it is empty, longer than [`IS_TAG_RECEIVED_LEN_MAX`], or not ASCII.
    pub fn parse(value: &[u8]) -> Result<Self, BadIsTag> {
        let value = value.trim_ascii();
        let tag = match value {
            [b'"', tag @ .., b'"'] => tag,
            unquoted => unquoted,
        };
        let text = str::from_utf8(tag).map_err(|_| BadIsTag::Character)?;
        if !text
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        {
            return Err(BadIsTag::Character);
        }
        Self::bounded(text, IS_TAG_RECEIVED_LEN_MAX)
    }

    /// Returns the tag without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn bounded(text: &str, len_max: usize) -> Result<Self, BadIsTag> {
        match text.len() {
            0 => Err(BadIsTag::Empty),
            found if found > len_max => Err(BadIsTag::TooLong { found, len_max }),
            _ => Ok(Self(text.into())),
        }
    }
}

/// Writes the tag as on the wire, in quotes.
impl fmt::Display for IsTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_or_not() {
        check("\"CI0001-XXX\"", Ok("CI0001-XXX"));
        check(" W3E4R7U9 ", Ok("W3E4R7U9"));
        check("\"a b\"", Ok("a b"));
        check("\"open", Ok("\"open"));
        check("\"\"", Err(BadIsTag::Empty));
        check("", Err(BadIsTag::Empty));
        check("a\tb", Err(BadIsTag::Character));
        check("ä", Err(BadIsTag::Character));
    }

    #[test]
    fn lengths() {
        assert!(IsTag::new(&"a".repeat(IS_TAG_LEN_MAX)).is_ok());
        assert!(IsTag::new(&"a".repeat(IS_TAG_LEN_MAX + 1)).is_err());
        assert!(IsTag::parse("a".repeat(IS_TAG_RECEIVED_LEN_MAX).as_bytes()).is_ok());
        assert!(IsTag::parse("a".repeat(IS_TAG_RECEIVED_LEN_MAX + 1).as_bytes()).is_err());
    }

    #[test]
    fn ours_comes_back_as_it_was() {
        let tag = IsTag::new("blake3-0123456789abcdef").unwrap();
        assert_eq!(IsTag::parse(tag.to_string().as_bytes()), Ok(tag));
        assert_eq!(IsTag::new("a\"b"), Err(BadIsTag::Character));
        assert_eq!(IsTag::new("a b"), Err(BadIsTag::Character));
    }

    #[track_caller]
    fn check(value: &str, expected: Result<&str, BadIsTag>) {
        let tag = IsTag::parse(value.as_bytes());
        assert_eq!(tag.as_ref().map(IsTag::as_str), expected.as_ref().copied());
    }
}
