use crate::{InvalidUri, NormalUri, Scheme};

/// Readings kept of one URI, the normal form included.
pub const READINGS_MAX: usize = 4;

/// Every way in which servers may read one URI, the normal form first.
///
/// Most URIs have one reading. Where decoding the path once gives another path than the normal
/// form, or path parameters or an encoded NUL, slash or question mark let servers differ, there
/// are more; each is judged and the most restrictive action applies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Readings {
    normal: NormalUri,
    others: Box<[NormalUri]>,
}

impl Readings {
    /// Reads an absolute URI as text.
    ///
    /// # Errors
    ///
    /// Fails if the URI has no normal form.
    pub fn parse(_text: &[u8]) -> Result<Self, InvalidUri> {
        todo!()
    }

    /// Reads what an HTTP request names: its authority as sent (`host`, `host:port`), and its
    /// target from the first slash or question mark. `port` replaces the port of the authority,
    /// as an intercepted connection knows better where it really goes.
    ///
    /// # Errors
    ///
    /// Fails if the authority is no valid host and port.
    pub fn of_request(
        _scheme: Scheme,
        _authority: &[u8],
        _path: &[u8],
        _port: Option<u16>,
    ) -> Result<Self, InvalidUri> {
        todo!()
    }

    /// Reads a server name from a Client Hello: `https://name/`, with the port unless it is 443.
    ///
    /// # Errors
    ///
    /// Fails if the name is not a valid host.
    pub fn of_sni(_name: &[u8], _port: u16) -> Result<Self, InvalidUri> {
        todo!()
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
}
