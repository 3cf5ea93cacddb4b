use std::fmt;

/// The web schemes, which are all that is filtered.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scheme {
    /// `http`, default port 80.
    Http,
    /// `https`, default port 443.
    Https,
}

impl Scheme {
    /// Returns the port that the scheme means when none is written.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// Returns the scheme in lower case, without the colon.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A URI in normal form: `scheme://host[:port]/path[?query]`.
///
/// Two requests for the same resource have equal `NormalUri`s, so comparison is byte comparison
/// and a prefix of the text is a prefix of the resource. The text is ASCII.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NormalUri {
    text: Box<str>,
    scheme: Scheme,
    /// Where the host ends in `text`.
    host_end: u32,
    /// Where the path starts in `text`: its slash.
    path_start: u32,
}

impl NormalUri {
    /// Parses an absolute URI and returns its normal form.
    ///
    /// # Errors
    ///
    /// Fails if `text` is not an absolute `http` or `https` URI with a valid host.
    pub fn parse(_text: &[u8]) -> Result<Self, InvalidUri> {
        todo!()
    }

    /// Returns the normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the host: a name in A-labels, a dotted quad, or an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        todo!()
    }

    /// Returns the host and, unless it is the scheme's own, the port.
    #[must_use]
    pub fn authority(&self) -> &str {
        todo!()
    }

    /// Returns the port, written or implied.
    #[must_use]
    pub fn port(&self) -> u16 {
        todo!()
    }

    /// Returns the path and query, from the first slash.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        todo!()
    }

    /// Returns where the host ends in the text.
    #[must_use]
    pub fn host_end(&self) -> usize {
        self.host_end as usize
    }

    /// Returns the length of `scheme://authority/`, the slash included.
    #[must_use]
    pub fn origin_len(&self) -> usize {
        self.path_start as usize + 1
    }
}

impl fmt::Display for NormalUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why text has no normal form; a request with such a URI is undecidable.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidUri {
    /// Only web schemes are filtered.
    #[error("scheme `{0}` is not http or https")]
    Scheme(String),
    /// No name at all.
    #[error("the host is empty")]
    HostEmpty,
    /// Forbidden characters, a numeric overflow, a label or name over the limits of DNS.
    #[error("`{0}` is not a host name or an IP address")]
    Host(String),
    /// Not 0 to 65535.
    #[error("`{0}` is not a port; use 0 to 65535")]
    Port(String),
}
