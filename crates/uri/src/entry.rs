use std::fmt;
use std::net::Ipv6Addr;

use crate::host::{Case, is_address, is_plain_name, push_host};
use crate::normal::{Base, Slack, within_limit};
use crate::path::Reader;
use crate::split::{Authority, Parts, Target, cleaned, split};
use crate::{InvalidUri, Scheme};

/// One line of a list: with a scheme a URI prefix, without one a domain.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
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
    pub fn parse(text: &str) -> Result<Self, InvalidEntry> {
        let scheme = text.trim_start().split(':').next().unwrap_or_default();
        let is_web = |scheme: &str| {
            scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
        };
        if text.contains("://") || (is_web(scheme) && scheme.len() < text.trim().len()) {
            Prefix::parse(text).map(Self::Prefix)
        } else {
            Domain::parse(text).map(Self::Domain)
        }
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

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A configured URI prefix, normalised without adding a slash.
///
/// A host that nothing follows may go on: `http://www.example.co` is a prefix of
/// `http://www.example.com/`. A written port ends the host, so a default port leaves a slash.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Prefix {
    text: Box<str>,
    scheme: Scheme,
}

impl Prefix {
    /// Parses and normalises a prefix.
    ///
    /// # Errors
    ///
    /// Fails if the text does not begin with a web scheme and the beginning of a host.
    pub fn parse(text: &str) -> Result<Self, InvalidEntry> {
        Self::normalised(text.as_bytes()).map_err(|uri| InvalidEntry {
            text: text.to_owned(),
            source: EntryFault::Uri(uri),
        })
    }

    /// Returns the prefix as it is compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns whether the host may go on after the prefix, as `http://www.example.co` does in
    /// `http://www.example.com/`.
    #[must_use]
    pub fn ends_in_host(&self) -> bool {
        let host = self.text.get(self.scheme.prefix_len()..);
        let host = host.unwrap_or_default();
        match host.strip_prefix('[') {
            Some(_) => false,
            None => !host.contains(['/', ':']),
        }
    }

    fn normalised(text: &[u8]) -> Result<Self, InvalidUri> {
        let text = within_limit(cleaned(text))?;
        let parts = split(&text)?;
        let target = Target::without_fragment(parts.target);
        let is_cut_in_authority = target.path.is_empty() && target.query.is_none();
        let text = if is_cut_in_authority {
            unfinished_authority(&parts)?
        } else {
            let base = Base::of(parts.scheme, &parts.authority, Slack(text.len()))?;
            let (uri, marks) = base.into_uri(target, Reader::NORMAL);
            let mut text = uri.as_str().to_owned();
            if marks.ends_in_dot && target.query.is_none() {
                // The dot may begin a name: `http://host/.` is not all of `http://host/`.
                text.push('.');
            }
            text
        };
        Ok(Self {
            text: text.into(),
            scheme: parts.scheme,
        })
    }
}

/// Normalises a prefix that nothing follows after the authority.
fn unfinished_authority(parts: &Parts<'_>) -> Result<String, InvalidUri> {
    let Authority { host, port } = parts.authority;
    let scheme = parts.scheme;
    if port.is_none() && is_unfinished_quad(host) {
        return Ok(format!("{}://{}", scheme.as_str(), host.escape_ascii()));
    }
    let mut text = Base::of(scheme, &parts.authority, Slack(0))?.into_text();
    let is_address = text.get(scheme.prefix_len()..).is_some_and(is_address);
    if port == Some(scheme.default_port()) {
        text.push('/');
    } else if port.is_none() && host.ends_with(b".") && !is_address {
        text.push('.');
    }
    Ok(text)
}

/// Returns whether a host is the beginning of a dotted quad, which must not be read as one of the
/// short spellings of an address: `10.1` begins 10.1.0.0 to 10.199.255.255.
fn is_unfinished_quad(host: &[u8]) -> bool {
    let Ok(host) = str::from_utf8(host) else {
        return false;
    };
    let parts = host.strip_suffix('.').unwrap_or(host).split('.');
    let is_byte = |part: &str| {
        part.parse::<u8>()
            .is_ok_and(|byte| byte.to_string() == part)
    };
    parts.clone().count() < 4 && parts.clone().all(is_byte)
}

/// A host name in A-labels, or an IP address, that covers its subdomains.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Domain(Box<str>);

impl Domain {
    /// Parses and normalises a name or an address.
    ///
    /// # Errors
    ///
    /// Fails if the text is more than a host, or no host.
    pub fn parse(text: &str) -> Result<Self, InvalidEntry> {
        Self::normalised(text).map_err(|source| InvalidEntry {
            text: text.to_owned(),
            source,
        })
    }

    /// Returns the name as it is compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn normalised(text: &str) -> Result<Self, EntryFault> {
        // Most of the millions of names in a list are written as they are compared.
        if is_plain_name(text.as_bytes(), Case::Lower) {
            return Ok(Self(text.into()));
        }
        let text = within_limit(cleaned(text.as_bytes()))?;
        let text = str::from_utf8(&text).unwrap_or_default();
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Self::of_host(&format!("[{address}]"));
        }
        if text.contains(['/', '\\', '?', '#']) {
            return Err(EntryFault::Path);
        }
        if text.contains('@') {
            return Err(EntryFault::Userinfo);
        }
        if text.contains(':') && !(text.starts_with('[') && text.ends_with(']')) {
            return Err(EntryFault::Port);
        }
        Self::of_host(text)
    }

    fn of_host(host: &str) -> Result<Self, EntryFault> {
        let mut text = String::with_capacity(host.len());
        push_host(&mut text, host.as_bytes())?;
        if text.contains('*') {
            return Err(EntryFault::Wildcard);
        }
        Ok(Self(text.into()))
    }
}

/// A line that is no list entry.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{text}` is no list entry; use a URI prefix such as `http://host.example/path` or a domain such as `host.example`"
)]
pub struct InvalidEntry {
    /// As written.
    pub text: String,
    /// What is wrong with it.
    #[source]
    pub source: EntryFault,
}

/// Why a line is no list entry.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EntryFault {
    /// Not the beginning of a URI, or not a host.
    #[error(transparent)]
    Uri(#[from] InvalidUri),
    /// A path needs a scheme.
    #[error("a domain has no path; for a path write the scheme too")]
    Path,
    /// A port needs a scheme.
    #[error("a domain has no port, it covers all; for one port write the scheme too")]
    Port,
    /// Userinfo is no part of a domain.
    #[error("a domain has no user or password")]
    Userinfo,
    /// Subdomains are covered without being written.
    #[error("a domain covers its subdomains; write it without `*`")]
    Wildcard,
}

#[cfg(test)]
mod tests;
