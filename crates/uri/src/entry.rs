use crate::InvalidUri;

/// One line of a list: with a scheme a URI prefix, without one a domain.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Entry {
    /// Every URI whose normal form starts with it, byte by byte (S4 2).
    Prefix(Prefix),
    /// A host and its subdomains, any scheme and port.
    Domain(Domain),
}

impl Entry {
    /// Parses a line of a list.
    ///
    /// # Errors
    ///
    /// Fails if the text is neither a URI prefix nor a domain.
    pub fn parse(_text: &str) -> Result<Self, InvalidEntry> {
        todo!()
    }

    /// Returns the entry in normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Prefix(prefix) => prefix.as_str(),
            Self::Domain(domain) => domain.as_str(),
        }
    }
}

/// A configured URI prefix, normalised without adding a slash.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Prefix(Box<str>);

impl Prefix {
    /// Returns the prefix as it is compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A host name in A-labels, or an IP address, that covers its subdomains.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Domain(Box<str>);

impl Domain {
    /// Returns the name as it is compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a line is no list entry.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is neither a URI prefix nor a domain")]
pub struct InvalidEntry {
    /// As written.
    pub text: String,
    /// What is wrong with it.
    #[source]
    pub source: InvalidUri,
}
