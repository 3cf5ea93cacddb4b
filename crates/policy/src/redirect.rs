/// Characters of a redirect destination after formatting (S4 3.1.1).
pub const LOCATION_LEN_MAX: usize = 899;

/// A redirect destination with formatting codes in its query, checked when it is read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RedirectTemplate {
    text: Box<str>,
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
    /// A `%` that starts neither a formatting code nor an escaped byte.
    #[error("`%{0}` is not a formatting code; use %M (MSISDN), %S (IMSI) or %U (request URI)")]
    UnknownCode(char),
}

impl RedirectTemplate {
    /// Fills the codes in; values are escaped as query components and the whole is cut at
    /// [`LOCATION_LEN_MAX`] characters, never inside an escape.
    #[must_use]
    pub fn format(&self, _facts: RedirectFacts<'_>) -> String {
        todo!()
    }

    /// Returns the destination as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}
