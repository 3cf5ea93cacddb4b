//! Client Hellos from their description.

use serde::Deserialize;

use super::case::{Sending, TlsCase, unescape};

mod extensions;

/// Content of one record at most (RFC 8446 section 5.1).
const RECORD_LEN_MAX: usize = 16 * 1024;
/// Cipher suites: those of TLS 1.3, and of TLS 1.2 with ECDSA and RSA.
const CIPHERS: [u16; 7] = [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xc02f, 0xc030];

/// A Client Hello, described; what is left out is as a browser sends it. Lengths are right unless
/// [`HelloShape::lies`] says otherwise.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HelloShape {
    /// Names in the server name extension, with escapes; none: no such extension.
    pub names: Vec<String>,
    /// Names in a further server name extension, at the end; none: no such extension.
    pub further_names: Vec<String>,
    /// The type of each name; 0 is a host name.
    pub name_type: u8,
    /// The content of the server name extension, with escapes, instead of names.
    pub name_list: Option<String>,
    /// Where the server name extension is.
    pub place: Place,
    /// The length of the whole message, by the padding extension; 0: none.
    pub len: usize,
    /// The length of one more key share, for X25519MLKEM768 (1216 as browsers send it); 0: none.
    pub share_len: usize,
    /// Whether there are reserved values wherever RFC 8701 has them.
    pub grease: bool,
    /// The `encrypted_client_hello` extension.
    pub ech: Ech,
    /// Protocols of the ALPN extension; none: no such extension.
    pub alpn: Vec<String>,
    /// Further extensions, after all others but padding.
    pub extensions: Vec<Extension>,
    /// Whether there is no extension at all, nor the length of all of them.
    pub bare: bool,
    /// The version field of the message.
    pub version: u16,
    /// The versions of the `supported_versions` extension; none: no such extension.
    pub versions: Vec<u16>,
    /// Length of the session id.
    pub session_id_len: u8,
    /// Compression methods.
    pub compressions: Vec<u8>,
    /// Bytes after the extensions, within the message; with escapes.
    pub tail: String,
    /// What lengths claim beyond the truth.
    pub lies: Lies,
    /// The type of the handshake message.
    pub message_type: u8,
    /// The type of the records.
    pub record_type: u8,
    /// The version of the records.
    pub record_version: u16,
    /// What is sent before the first record, with escapes.
    pub before: String,
    /// What is sent after the first record, with escapes.
    pub between: String,
    /// What is sent after the last record, with escapes.
    pub after: String,
    /// What is sent instead of all of this, with escapes.
    pub raw: Option<String>,
}

/// Where the server name extension is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Before all others.
    #[default]
    First,
    /// After all others but padding.
    Last,
    /// After the padding, too.
    VeryLast,
}

/// The `encrypted_client_hello` extension (0xfe0d).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Ech {
    /// Absent.
    #[default]
    None,
    /// Made up, as browsers do where they have no configuration of the origin's.
    Grease,
    /// A real one's outer hello. Nobody can tell it from a made-up one: only lengths differ here.
    Real,
    /// As only an inner hello has it.
    Inner,
    /// A content that is none.
    Broken,
}

/// An extension as it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// Its type.
    pub kind: u16,
    /// Its content, with escapes.
    #[serde(default)]
    pub content: String,
}

/// What is added to lengths as written, so that they are wrong.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lies {
    /// To that of the handshake message.
    pub message: i32,
    /// To that of all extensions.
    pub extensions: i32,
    /// To that of the server name extension.
    pub extension: i32,
    /// To that of the server name list.
    pub list: i32,
    /// To that of each name.
    pub name: i32,
    /// To that of the session id.
    pub session_id: i32,
    /// To that of the cipher suites.
    pub ciphers: i32,
    /// To that of each record.
    pub record: i32,
}

impl Default for HelloShape {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            further_names: Vec::new(),
            name_type: 0,
            name_list: None,
            place: Place::First,
            len: 0,
            share_len: 0,
            grease: false,
            ech: Ech::None,
            alpn: Vec::new(),
            extensions: Vec::new(),
            bare: false,
            version: 0x0303,
            versions: vec![0x0304, 0x0303],
            session_id_len: 32,
            compressions: vec![0],
            tail: String::new(),
            lies: Lies::default(),
            message_type: 1,
            record_type: 22,
            record_version: 0x0301,
            before: String::new(),
            between: String::new(),
            after: String::new(),
            raw: None,
        }
    }
}

impl TlsCase {
    /// Returns what is sent for the blocked host.
    pub fn evasion(&self) -> Sending {
        self.sending(&self.hello.handshake())
    }

    /// Returns the same for the allowed host, if that is honest.
    pub fn honest_twin(&self) -> Option<Sending> {
        let allowed = allowed_for_blocked(self.hello.handshake());
        self.honest.then(|| self.sending(&allowed))
    }

    fn sending(&self, handshake: &[u8]) -> Sending {
        let bytes = self.hello.wire(handshake, &self.records);
        let pause = std::time::Duration::from_millis(self.pause_ms);
        Sending::cut(&bytes, &self.segments, pause)
    }
}

impl HelloShape {
    /// Reads a shape as the corpus writes it.
    ///
    /// # Panics
    ///
    /// Fails the test if it has another form.
    pub fn read(yaml: &str) -> Self {
        serde_yaml::from_str(yaml).expect("a shape as described")
    }

    /// Returns the handshake message, without records.
    pub fn handshake(&self) -> Vec<u8> {
        let without = self.message(0);
        // The padding extension has a header of its own.
        match self.len.saturating_sub(without.len() + 4) {
            0 => without,
            padding => self.message(padding),
        }
    }

    /// Returns a handshake message of this shape as it goes over the wire, cut into records of
    /// these lengths; the last repeats to the end.
    pub fn wire(&self, handshake: &[u8], records: &[usize]) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return unescape(raw);
        }
        let lengths = if records.is_empty() {
            &[RECORD_LEN_MAX]
        } else {
            records
        };
        let mut bytes = unescape(&self.before);
        let contents = contents(handshake, lengths);
        for (index, content) in contents.iter().enumerate() {
            bytes.push(self.record_type);
            bytes.extend(self.record_version.to_be_bytes());
            bytes.extend(vector16(content, self.lies.record));
            if index == 0 {
                bytes.extend(unescape(&self.between));
            }
        }
        bytes.extend(unescape(&self.after));
        bytes
    }

    fn message(&self, padding: usize) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        let session_id = vec![9; usize::from(self.session_id_len)];
        body.push(lying(session_id.len(), self.lies.session_id, 1)[0]);
        body.extend(session_id);
        let grease = self.grease.then_some(0x7a7a);
        let ciphers = grease.into_iter().chain(CIPHERS).flat_map(u16::to_be_bytes);
        body.extend(vector16(&ciphers.collect::<Vec<u8>>(), self.lies.ciphers));
        body.push(u8::try_from(self.compressions.len()).expect("few methods"));
        body.extend(&self.compressions);
        if !self.bare {
            let extensions = self.all_extensions(padding);
            body.extend(vector16(&extensions, self.lies.extensions));
        }
        body.extend(unescape(&self.tail));
        let mut message = vec![self.message_type];
        message.extend(lying(body.len(), self.lies.message, 3));
        message.extend(body);
        message
    }
}

/// Cuts a message as records do; a length of 0 is an empty record, once.
fn contents<'a>(handshake: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut lengths = lengths.iter().copied();
    let mut contents = Vec::new();
    let (mut length, mut rest) = (RECORD_LEN_MAX, handshake);
    while !rest.is_empty() {
        match lengths.next() {
            Some(0) => contents.push(&rest[..0]),
            next => {
                length = next.unwrap_or(length);
                let (content, after) = rest.split_at(length.min(rest.len()));
                contents.push(content);
                rest = after;
            }
        }
    }
    contents
}

/// Returns bytes with their length in two bytes before them, and this lie added to it.
fn vector16(content: &[u8], lie: i32) -> Vec<u8> {
    [lying(content.len(), lie, 2), content.to_vec()].concat()
}

/// Returns a length in this many bytes, with a lie added.
fn lying(len: usize, lie: i32, width: usize) -> Vec<u8> {
    let len = i64::try_from(len).expect("a short vector") + i64::from(lie);
    let bytes = len.to_be_bytes();
    assert!(
        bytes[..8 - width].iter().all(|b| *b == 0),
        "{len} bytes do not fit"
    );
    bytes[8 - width..].to_vec()
}

/// Puts the allowed host in place of the blocked one, in the same letters' case.
fn allowed_for_blocked(mut bytes: Vec<u8>) -> Vec<u8> {
    let (blocked, allowed) = (b"blocked", b"allowed");
    for start in 0..bytes.len().saturating_sub(blocked.len()) {
        let found = &mut bytes[start..start + blocked.len()];
        if !found.eq_ignore_ascii_case(blocked) {
            continue;
        }
        for (byte, letter) in found.iter_mut().zip(allowed) {
            *byte = if byte.is_ascii_uppercase() {
                letter.to_ascii_uppercase()
            } else {
                *letter
            };
        }
    }
    bytes
}

#[cfg(test)]
mod tests;
