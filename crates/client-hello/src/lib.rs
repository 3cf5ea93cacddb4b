//! What the first bytes of a connection say about TLS. Nothing is decrypted or consumed.
//!
//! A [`Detector`] looks at the bytes of a connection as they arrive and puts the Client Hello
//! together by its handshake length, over any number of TCP segments and TLS records. Each
//! verdict is tied to one byte of the stream: it is the same under every way to cut the stream.

mod detector;
mod hello;
mod records;

pub use detector::Detector;
pub use hello::ClientHello;

/// Bytes of handshake read before a Client Hello is given up, unless configured otherwise.
pub const HELLO_LEN_MAX: usize = 64 * 1024;

/// Raw bytes a Client Hello may take for each byte of handshake: as many as records of one byte
/// need.
pub const RAW_PER_HANDSHAKE_BYTE_MAX: usize = 6;

/// Raw bytes allowed beyond those, which empty records may use up.
pub const RAW_SLACK_LEN: usize = 16 * 1024;

/// What is known so far.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Peek {
    /// A prefix of a Client Hello; ask again with more bytes.
    NeedMore,
    /// Not TLS, however many bytes follow.
    NotTls,
    /// TLS, but no name can be read from it.
    Unreadable(Unreadable),
    /// A whole Client Hello.
    Hello(ClientHello),
}

/// Why a TLS connection cannot be judged by its Client Hello.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unreadable {
    /// Over the limit of handshake bytes, or of raw bytes.
    TooLong,
    /// Not what RFC 8446 section 4.1.2 or RFC 6066 section 3 allows.
    Malformed,
    /// More than one host name.
    TwoNames,
    /// In the manner of SSL 2.0 (RFC 5246 appendix E.2), which has no place for a name.
    Sslv2,
}

#[cfg(test)]
mod tests;
