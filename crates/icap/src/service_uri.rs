use std::fmt;

/// The URI of an ICAP service: `icap://authority/path?query`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServiceUri {
    scheme: ServiceScheme,
    authority: String,
    path: String,
    query: Option<String>,
}

/// The schemes of ICAP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServiceScheme {
    /// `icap`
    Icap,
    /// `icaps`: over TLS.
    Icaps,
}

/// Why text is no service URI.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadServiceUri {
    /// Relative, or of another protocol.
    #[error("`{0}` does not start with `icap://` or `icaps://`")]
    Scheme(String),
    /// No host.
    #[error("`{0}` names no host")]
    Authority(String),
    /// A character that a request line cannot carry, or a fragment.
    #[error("`{0}` has a character that a request line cannot carry")]
    Character(String),
}

impl ServiceUri {
    /// Parses an absolute service URI.
    ///
    /// # Errors
    ///
    /// Fails if it is relative, of another scheme, without a host, or has spaces, control or
    /// non-ASCII characters, or a fragment.
    pub fn parse(text: &str) -> Result<Self, BadServiceUri> {
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#')
        {
            return Err(BadServiceUri::Character(text.to_owned()));
        }
        let (scheme, rest) = split_scheme(text)?;
        let (before, query) = match rest.split_once('?') {
            Some((before, query)) => (before, Some(query.to_owned())),
            None => (rest, None),
        };
        let (authority, path) = before.split_once('/').unwrap_or((before, ""));
        if authority.is_empty() {
            return Err(BadServiceUri::Authority(text.to_owned()));
        }
        Ok(Self {
            scheme,
            authority: authority.to_owned(),
            path: format!("/{path}"),
            query,
        })
    }

    /// Returns the scheme.
    #[must_use]
    pub fn scheme(&self) -> ServiceScheme {
        self.scheme
    }

    /// Returns host and port as written.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the path, its first slash included.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns what follows the question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Returns the first value of a parameter of the query, percent-decoded.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query.as_deref()?.split('&');
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| percent_decoded(value))
    }
}

impl fmt::Display for ServiceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            ServiceScheme::Icap => "icap",
            ServiceScheme::Icaps => "icaps",
        };
        write!(f, "{scheme}://{}{}", self.authority, self.path)?;
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

fn split_scheme(text: &str) -> Result<(ServiceScheme, &str), BadServiceUri> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or_else(|| BadServiceUri::Scheme(text.to_owned()))?;
    if scheme.eq_ignore_ascii_case("icap") {
        Ok((ServiceScheme::Icap, rest))
    } else if scheme.eq_ignore_ascii_case("icaps") {
        Ok((ServiceScheme::Icaps, rest))
    } else {
        Err(BadServiceUri::Scheme(text.to_owned()))
    }
}

fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escape = match (first, after) {
            (b'%', [high, low, after @ ..]) => hex(*high).zip(hex(*low)).map(|hex| (hex, after)),
            _ => None,
        };
        if let Some(((high, low), after)) = escape {
            decoded.push(high * 16 + low);
            rest = after;
        } else {
            decoded.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        check("icap://a.example/x", "a.example", "/x", None);
        check("ICAPS://a.example:11344", "a.example:11344", "/", None);
        check(
            "icap://[::1]:1344/a/b?c=d?e",
            "[::1]:1344",
            "/a/b",
            Some("c=d?e"),
        );
        check("icap://h?profile=x", "h", "/", Some("profile=x"));
    }

    #[test]
    fn refused() {
        for text in [
            "/x",
            "http://a/x",
            "icap:/a",
            "icap:///x",
            "icap://a/ x",
            "icap://a/x#y",
            "icap://ä/",
            "",
        ] {
            assert!(ServiceUri::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let uri = ServiceUri::parse("icap://h/filter?a=1&profile=big%20kids%2&b").unwrap();
        assert_eq!(uri.parameter("profile").as_deref(), Some("big kids%2"));
        assert_eq!(uri.parameter("b").as_deref(), Some(""));
        assert_eq!(uri.parameter("c"), None);
    }

    #[track_caller]
    fn check(text: &str, authority: &str, path: &str, query: Option<&str>) {
        let uri = ServiceUri::parse(text).unwrap();
        assert_eq!(
            (uri.authority(), uri.path(), uri.query()),
            (authority, path, query)
        );
        assert_eq!(ServiceUri::parse(&uri.to_string()), Ok(uri));
    }
}
