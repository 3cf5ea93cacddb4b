//! Client Hellos from their description.

use super::case::{HelloShape, unescape};

impl HelloShape {
    /// Returns the handshake message, without records.
    pub fn handshake(&self) -> Vec<u8> {
        let name = self.names.first().map(|name| unescape(name));
        crate::tls::hello(name.as_deref())
    }
}
