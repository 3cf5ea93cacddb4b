use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::IpAddr;

use crate::host::{Case, is_address, is_plain_name, push_host};
use crate::path::{Marks, Reader, push_target};
use crate::split::{Authority, Target, cleaned, split, typed};

/// Bytes of a URI as written. Longer ones have no normal form.
pub const URI_LEN_MAX: usize = 1024 * 1024;

/// Bytes of what an error shows of the text that it is about.
const SHOWN_LEN_MAX: usize = 100;

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

    /// Returns the length of `scheme://`.
    pub(crate) fn prefix_len(self) -> usize {
        self.as_str().len() + "://".len()
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
    pub fn parse(text: &[u8]) -> Result<Self, InvalidUri> {
        if let Some(uri) = Self::already_normal(text) {
            return Ok(uri);
        }
        let text = within_limit(cleaned(text))?;
        let parts = split(&text)?;
        let base = Base::of(parts.scheme, &parts.authority, Slack(parts.target.len()))?;
        let target = Target::without_fragment(parts.target);
        Ok(base.into_uri(target, Reader::NORMAL).0)
    }

    /// Parses a URI as people type it: `http` is meant where no scheme is written.
    ///
    /// # Errors
    ///
    /// Fails as [`NormalUri::parse`] does.
    pub fn parse_typed(text: &[u8]) -> Result<Self, InvalidUri> {
        Self::parse(&typed(text))
    }

    /// Returns `text` as a URI if it is one in normal form that has one reading, and plainly so:
    /// a name without A-labels, no port, no escape, no parameters, no dot segments.
    pub(crate) fn already_normal(text: &[u8]) -> Option<Self> {
        let (scheme, rest) = if let Some(rest) = text.strip_prefix(b"http://") {
            (Scheme::Http, rest)
        } else {
            (Scheme::Https, text.strip_prefix(b"https://")?)
        };
        let host_len = rest.iter().position(|&b| b == b'/')?;
        let (host, target) = rest.split_at_checked(host_len)?;
        if text.len() > URI_LEN_MAX || !is_plain_name(host, Case::Lower) || !is_plain_target(target)
        {
            return None;
        }
        let host_end = u32::try_from(text.len() - target.len()).ok()?;
        Some(Self {
            text: str::from_utf8(text).ok()?.into(),
            scheme,
            host_end,
            path_start: host_end,
        })
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
        self.text
            .get(self.scheme.prefix_len()..self.host_end())
            .unwrap_or_default()
    }

    /// Returns the host and, unless it is the scheme's own, the port.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.text
            .get(self.scheme.prefix_len()..self.path_start as usize)
            .unwrap_or_default()
    }

    /// Returns the port, written or implied.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.text
            .get(self.host_end() + 1..self.path_start as usize)
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_else(|| self.scheme.default_port())
    }

    /// Returns the address if the host is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        let host = self.host();
        match host.strip_prefix('[') {
            Some(bracketed) => bracketed.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
            None if is_address(host) => host.parse().ok().map(IpAddr::V4),
            None => None,
        }
    }

    /// Returns the path and query, from the first slash.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        self.text
            .get(self.path_start as usize..)
            .unwrap_or_default()
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
    #[error(
        "scheme `{0}` is not http or https; an absolute URI begins with `http://` or `https://`"
    )]
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
    /// Over [`URI_LEN_MAX`].
    #[error("the URI is longer than {URI_LEN_MAX} bytes")]
    TooLong,
}

/// Scheme and authority in normal form, on which readings of a path are put.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    text: String,
    scheme: Scheme,
    host_end: u32,
}

/// Bytes to reserve for what follows the authority.
pub(crate) struct Slack(pub(crate) usize);

impl Base {
    pub(crate) fn of(
        scheme: Scheme,
        authority: &Authority<'_>,
        slack: Slack,
    ) -> Result<Self, InvalidUri> {
        let port = authority.port.filter(|&p| p != scheme.default_port());
        let port_len = port.map_or(0, |_| ":65535".len());
        let capacity = scheme.prefix_len() + authority.host.len() + port_len + slack.0.max(1);
        let mut text = String::with_capacity(capacity.min(URI_LEN_MAX));
        text.push_str(scheme.as_str());
        text.push_str("://");
        push_host(&mut text, authority.host)?;
        let host_end = offset(text.len());
        if let Some(port) = port {
            // Writing to a string does not fail.
            let _ = write!(text, ":{port}");
        }
        Ok(Self {
            text,
            scheme,
            host_end,
        })
    }

    /// Returns the host.
    pub(crate) fn host(&self) -> &str {
        let end = self.host_end as usize;
        self.text
            .get(self.scheme.prefix_len()..end)
            .unwrap_or_default()
    }

    /// Returns `scheme://authority`.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// Returns the scheme and authority of `uri`.
    pub(crate) fn under(uri: &NormalUri) -> Self {
        let mut text = String::with_capacity(uri.text.len());
        text.push_str(uri.scheme.as_str());
        text.push_str("://");
        text.push_str(uri.authority());
        Self {
            text,
            scheme: uri.scheme,
            host_end: uri.host_end,
        }
    }

    /// Returns the URI with a target that is plain.
    pub(crate) fn into_plain_uri(mut self, target: &[u8]) -> NormalUri {
        let path_start = offset(self.text.len());
        // Plain is ASCII, so nothing is lost or copied.
        self.text.push_str(&String::from_utf8_lossy(target));
        NormalUri {
            text: self.text.into(),
            scheme: self.scheme,
            host_end: self.host_end,
            path_start,
        }
    }

    /// Returns the URI with its path as `reader` reads it.
    pub(crate) fn into_uri(self, target: Target<'_>, reader: Reader) -> (NormalUri, Marks) {
        let Self {
            mut text,
            scheme,
            host_end,
        } = self;
        let path_start = offset(text.len());
        let marks = push_target(&mut text, target, reader);
        let uri = NormalUri {
            text: text.into(),
            scheme,
            host_end,
            path_start,
        };
        (uri, marks)
    }
}

/// Authorities are bounded by the limits of DNS.
fn offset(len: usize) -> u32 {
    u32::try_from(len).expect("scheme, host and port are shorter than 4 GiB")
}

pub(crate) fn within_limit(text: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, InvalidUri> {
    if text.len() > URI_LEN_MAX {
        return Err(InvalidUri::TooLong);
    }
    Ok(text)
}

/// Returns the beginning of `text` for an error.
pub(crate) fn shown(text: &[u8]) -> String {
    let text = text.get(..SHOWN_LEN_MAX).unwrap_or(text);
    String::from_utf8_lossy(text).into_owned()
}

/// Returns whether path and query can only be read in one way and are in normal form.
pub(crate) fn is_plain_target(target: &[u8]) -> bool {
    let path_len = target.iter().position(|&b| b == b'?');
    let path_len = path_len.unwrap_or(target.len());
    let path = target.get(..path_len).unwrap_or_default();
    // No way out of the loops, so that they run on many bytes at a time.
    let graphic = |plain: bool, &b: &u8| plain & b.is_ascii_graphic() & (b != b'%') & (b != b'#');
    let one_name = |plain: bool, &b: &u8| plain & (b != b';') & (b != b'\\');
    let pairs = path.iter().zip(path.iter().skip(1));
    path.first() == Some(&b'/')
        && target.iter().fold(true, graphic)
        && path.iter().fold(true, one_name)
        && pairs.fold(true, |plain, (&a, &b)| {
            plain & !((a == b'/') & ((b == b'/') | (b == b'.')))
        })
}

#[cfg(test)]
mod tests;
