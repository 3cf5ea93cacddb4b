//! What the first bytes of a connection say about TLS. Nothing is decrypted or consumed.

/// Bytes of handshake read before a Client Hello is given up, unless configured otherwise.
pub const HELLO_LEN_MAX: usize = 64 * 1024;

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
}

/// The parts of a Client Hello that filtering looks at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientHello {
    /// Server Name Indication as sent, if the client sent one. Its bytes are not checked.
    pub sni: Option<Box<[u8]>>,
    /// Whether an `encrypted_client_hello` extension is present (real or GREASE).
    pub ech: bool,
}

/// Puts a Client Hello together by handshake length, over any number of TCP segments and TLS
/// records. Work is linear in the bytes fed.
#[derive(Debug)]
pub struct Detector {
    hello_len_max: usize,
}

impl Detector {
    /// Creates a detector that gives up over `hello_len_max` bytes of handshake, or over
    /// 6 × that + 16 KiB of raw bytes.
    #[must_use]
    pub fn new(hello_len_max: usize) -> Self {
        Self { hello_len_max }
    }

    /// Reads further bytes of the connection: only those that were not fed before.
    pub fn feed(&mut self, _bytes: &[u8]) -> Peek {
        let _ = self.hello_len_max;
        todo!()
    }
}
