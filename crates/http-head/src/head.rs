use std::ops::Range;

use uri::{InvalidUri, Readings, Scheme};

use crate::Target;
use crate::fields::Field;

/// A request head with one reading.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// From the first byte of the method to the empty line, which is included.
    pub(crate) text: Box<[u8]>,
    pub(crate) len: usize,
    pub(crate) method: Range<usize>,
    pub(crate) target: Target,
    pub(crate) path_and_query: Range<usize>,
    pub(crate) fields_start: usize,
    pub(crate) fields: Vec<Field>,
    pub(crate) host: Option<Range<usize>>,
    pub(crate) version: Version,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) expect_continue: bool,
    pub(crate) upgrade: Upgrade,
}

/// The version of HTTP/1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// Where the body ends (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// After the last chunk and its trailer section.
    Chunked,
}

/// What the client asks to change to on this connection, as far as it is forwarded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Upgrade {
    /// Nothing, or something that is not forwarded.
    None,
    /// `websocket`, asked for as RFC 6455 section 4.1 says.
    Websocket,
}

impl Head {
    /// Returns the bytes that the head takes, empty lines before it included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns false: a head has a request line at least.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Returns the method: a token, in the case that the client wrote.
    #[must_use]
    pub fn method(&self) -> &str {
        std::str::from_utf8(self.slice(&self.method)).unwrap_or_default()
    }

    /// Returns the form of the target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the scheme of an absolute target. None: another form, or no web scheme.
    #[must_use]
    pub fn scheme(&self) -> Option<Scheme> {
        match self.target {
            Target::Absolute { scheme, .. } => scheme,
            Target::Origin | Target::Authority(_) | Target::Asterisk => None,
        }
    }

    /// Returns the authority to judge, as sent: the target's if it has one (RFC 9112 section
    /// 3.2.2), else the Host's. Only HTTP/1.0 may have none.
    #[must_use]
    pub fn authority(&self) -> Option<&[u8]> {
        match &self.target {
            Target::Absolute { authority, .. } | Target::Authority(authority) => {
                Some(self.slice(authority))
            }
            Target::Origin | Target::Asterisk => self.host(),
        }
    }

    /// Returns the value of Host.
    #[must_use]
    pub fn host(&self) -> Option<&[u8]> {
        self.host.as_ref().map(|host| self.slice(host))
    }

    /// Returns the path and query as sent: from the slash, in an absolute target perhaps from the
    /// question mark, or nothing.
    #[must_use]
    pub fn path_and_query(&self) -> &[u8] {
        self.slice(&self.path_and_query)
    }

    /// Returns the version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns where the body ends.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Returns whether the client wants to send another request on the connection.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Returns whether the client waits for 100 before it sends the body.
    #[must_use]
    pub fn expect_continue(&self) -> bool {
        self.expect_continue
    }

    /// Returns what the client asks to change to.
    #[must_use]
    pub fn upgrade(&self) -> Upgrade {
        self.upgrade
    }

    /// Returns the names and values of the fields, in their order, without the white space
    /// around values.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .map(|field| (self.slice(&field.name), self.slice(&field.value)))
    }

    /// Returns the values of the fields of one name.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// Returns the field lines as sent, and the empty line after them.
    #[must_use]
    pub fn field_lines(&self) -> &[u8] {
        self.text.get(self.fields_start..).unwrap_or_default()
    }

    /// Returns the URI to judge in all its readings. `port` replaces the port of the authority,
    /// as an intercepted connection knows better where it really goes.
    ///
    /// # Errors
    ///
    /// Fails if the authority is missing, empty or no valid host, or if the scheme is no web
    /// scheme.
    pub fn readings(&self, port: Option<u16>) -> Result<Readings, InvalidUri> {
        let scheme = match &self.target {
            Target::Absolute { scheme: None, .. } => {
                let end = self.text.iter().skip(self.method.end + 1);
                let scheme: Vec<u8> = end.copied().take_while(|byte| *byte != b':').collect();
                return Err(InvalidUri::Scheme(
                    String::from_utf8_lossy(&scheme).into_owned(),
                ));
            }
            Target::Absolute {
                scheme: Some(scheme),
                ..
            } => *scheme,
            Target::Origin | Target::Authority(_) | Target::Asterisk => Scheme::Http,
        };
        let authority = self.authority().ok_or(InvalidUri::HostEmpty)?;
        Readings::of_request(scheme, authority, self.path_and_query(), port)
    }

    fn slice(&self, at: &Range<usize>) -> &[u8] {
        self.text.get(at.clone()).unwrap_or_default()
    }
}
