use crate::normal::{Base, Slack, URI_LEN_MAX, is_plain_target, shown, within_limit};
use crate::path::Reader;
use crate::split::{Authority, Target, cleaned, is_slash, split, split_authority, typed};
use crate::{InvalidUri, NormalUri, Scheme};

mod servers;

/// Readings kept of one URI, the normal form included. Of a URI with more only the normal form
/// is kept, and [`Readings::are_all`] says so: a reading that is not judged is a way around the
/// lists.
///
/// Redirectors and click counters carry a whole URI in their path: escaped twice, with slashes,
/// question marks and parameters of its own. That makes 3 * 2 * 2 * 3 readings and no more.
pub const READINGS_MAX: usize = 36;

/// Every way in which servers may read one URI, the normal form first.
///
/// Most URIs have one reading. Where decoding the path once gives another path than the normal
/// form, or path parameters, a backslash, two slashes at the start, or an encoded NUL, slash,
/// question mark or number sign let servers differ, there are more; each is judged and the most
/// restrictive action applies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Readings {
    normal: NormalUri,
    others: Box<[NormalUri]>,
    are_all: bool,
}

impl Readings {
    /// Reads an absolute URI as text.
    ///
    /// # Errors
    ///
    /// Fails if the URI has no normal form.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidUri> {
        if let Some(normal) = NormalUri::already_normal(text) {
            return Ok(Self::single(normal));
        }
        let text = within_limit(cleaned(text))?;
        let parts = split(&text)?;
        let base = Base::of(parts.scheme, &parts.authority, Slack(parts.target.len()))?;
        Self::of_parts(base, parts.target)
    }

    /// Reads a URI as people type it: `http` is meant where no scheme is written.
    ///
    /// # Errors
    ///
    /// Fails as [`Readings::parse`] does.
    pub fn parse_typed(text: &[u8]) -> Result<Self, InvalidUri> {
        Self::parse(&typed(text))
    }

    /// Reads what an HTTP request names: its authority as sent (`host`, `host:port`), and its
    /// target from the first slash or question mark. `port` replaces the port of the authority,
    /// as an intercepted connection knows better where it really goes.
    ///
    /// # Errors
    ///
    /// Fails if the authority is no valid host and port, or if its host cannot be written into a
    /// `Host` field without escapes.
    pub fn of_request(
        scheme: Scheme,
        authority: &[u8],
        path: &[u8],
        port: Option<u16>,
    ) -> Result<Self, InvalidUri> {
        if authority.len() + path.len() > URI_LEN_MAX {
            return Err(InvalidUri::TooLong);
        }
        if authority
            .iter()
            .any(|&b| is_slash(b) || matches!(b, b'?' | b'#'))
        {
            return Err(InvalidUri::Host(shown(authority)));
        }
        let mut authority = split_authority(authority)?;
        authority.port = port.or(authority.port);
        let base = Base::of(scheme, &authority, Slack(path.len()))?;
        // An origin gets the host in normal form. What is a host by its escapes alone, such as
        // `a%2Cb`, would be a list there, or nothing that RFC 3986 knows.
        if !base.host().bytes().all(is_in_an_authority) {
            return Err(InvalidUri::Host(shown(authority.host)));
        }
        Self::of_parts(base, path)
    }

    /// Reads a server name from a Client Hello: `https://name/`, with the port unless it is 443.
    ///
    /// # Errors
    ///
    /// Fails if the name is not a valid host.
    pub fn of_sni(name: &[u8], port: u16) -> Result<Self, InvalidUri> {
        if name.len() > URI_LEN_MAX {
            return Err(InvalidUri::TooLong);
        }
        let authority = Authority {
            host: name,
            port: Some(port),
        };
        Self::of_parts(Base::of(Scheme::Https, &authority, Slack(1))?, b"")
    }

    /// Returns the normal form.
    #[must_use]
    pub fn normal(&self) -> &NormalUri {
        &self.normal
    }

    /// Returns the readings beside the normal form.
    #[must_use]
    pub fn others(&self) -> &[NormalUri] {
        &self.others
    }

    /// Returns all readings, the normal form first.
    pub fn iter(&self) -> impl Iterator<Item = &NormalUri> {
        std::iter::once(&self.normal).chain(&self.others)
    }

    /// Returns whether these are all readings. If not, servers may read the path in more ways
    /// than are judged, and this is the normal form alone.
    #[must_use]
    pub fn are_all(&self) -> bool {
        self.are_all
    }

    fn single(normal: NormalUri) -> Self {
        Self {
            normal,
            others: Box::default(),
            are_all: true,
        }
    }

    fn of_parts(base: Base, target: &[u8]) -> Result<Self, InvalidUri> {
        if is_plain_target(target) {
            return Ok(Self::single(base.into_plain_uri(target)));
        }
        let (normal, marks) = base.into_uri(Target::without_fragment(target), Reader::NORMAL);
        if marks.leave_one_reading()
            && Target::with_number_sign(target).is_none()
            && Target::below_network_path(target).is_none()
            && Target::below_encoded_network_path(target).is_none()
        {
            return Ok(Self::single(normal));
        }
        let others = servers::others(&normal, target);
        Ok(Self {
            normal,
            are_all: others.is_ok(),
            others: others.unwrap_or_default(),
        })
    }
}

/// The bytes of a host and a port (RFC 3986 section 3.2) without the escapes of one, and without
/// the comma, which makes a list of it.
fn is_in_an_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=[]:".contains(&byte)
}

#[cfg(test)]
mod tests;
