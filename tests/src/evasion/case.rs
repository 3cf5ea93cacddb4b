//! The cases of the corpus: as written in YAML, and as bytes to send.

use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;

pub use super::hello::HelloShape;

/// The whole corpus.
#[derive(Debug, Default)]
pub struct Corpus {
    /// Of `tls.yaml`.
    pub tls: Vec<TlsCase>,
    /// Of `http.yaml`.
    pub http: Vec<HttpCase>,
    /// Of `uri.yaml`.
    pub uri: Vec<UriCase>,
}

/// A Client Hello on an intercepted connection to port 443.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsCase {
    /// A claim.
    pub name: String,
    /// Where the trick, or the honest shape, is described or was seen.
    pub source: String,
    /// What is sent. The name in it is the blocked one; [`TlsCase::honest`] sends the same with
    /// the allowed one.
    pub hello: HelloShape,
    /// Lengths of the TLS records that the handshake is cut into; the last repeats to the end.
    /// Empty: one record, or records of 16 KiB.
    #[serde(default)]
    pub records: Vec<usize>,
    /// Lengths of the TCP segments; the last repeats to the end. Empty: one write.
    #[serde(default)]
    pub segments: Vec<usize>,
    /// Wait before each segment but the first.
    #[serde(default)]
    pub pause_ms: u64,
    /// What becomes of the hello with the blocked name: `blocked` or `undecidable REASON`.
    pub verdict: Option<String>,
    /// Whether the same hello with the allowed name must pass in both modes.
    #[serde(default)]
    pub honest: bool,
}

/// Bytes on an intercepted connection to port 80, or to an explicit listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpCase {
    /// A claim.
    pub name: String,
    /// Where the trick, or the honest shape, is described or was seen.
    pub source: String,
    /// What is sent, with escapes as [`unescape`] undoes them. Nothing of what is blocked, and
    /// under the allow list nothing outside of what is allowed, may be reached by it.
    pub evasion: Option<String>,
    /// What becomes of the evasion under the deny list: `blocked`, `undecidable REASON` or
    /// `refused REASON`. Under the allow list it is no less. `passed`: it is made harmless.
    pub verdict: Option<String>,
    /// What must reach an allowed place in both modes.
    pub honest: Option<String>,
    /// Whether it is sent to an explicit listener.
    #[serde(default)]
    pub explicit: bool,
    /// The address that an intercepted client dials, if not the one of the hosts.
    pub destination: Option<IpAddr>,
    /// As in [`TlsCase::segments`].
    #[serde(default)]
    pub segments: Vec<usize>,
    /// As in [`TlsCase::pause_ms`].
    #[serde(default)]
    pub pause_ms: u64,
}

/// A URI, sent in every way in which a request can carry it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UriCase {
    /// A claim.
    pub name: String,
    /// Where the trick, or the honest shape, is described or was seen.
    pub source: String,
    /// A URI for something blocked, with escapes as [`unescape`] undoes them.
    pub evasion: Option<String>,
    /// What becomes of the evasion under the deny list: `blocked` or `undecidable REASON`, of the
    /// URI alone. As a request it may also be refused.
    pub verdict: Option<String>,
    /// A URI that must reach an allowed place in both modes. It is sent in requests too if it can
    /// stand in one as it is.
    pub honest: Option<String>,
}

/// What a client sends: pieces, each with the wait before it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sending {
    /// Written one after another, each with one write.
    pub pieces: Vec<Vec<u8>>,
    /// Wait before each piece but the first.
    pub pause: Duration,
}

impl Sending {
    /// Cuts bytes into pieces of these lengths; the last length repeats to the end.
    pub fn cut(bytes: &[u8], lengths: &[usize], pause: Duration) -> Self {
        let mut pieces = Vec::new();
        let mut rest = bytes;
        let mut lengths = lengths.iter().copied();
        let mut length = usize::MAX;
        while !rest.is_empty() {
            length = lengths.next().unwrap_or(length);
            let (piece, after) = rest.split_at(length.clamp(1, rest.len()));
            pieces.push(piece.to_vec());
            rest = after;
        }
        Self { pieces, pause }
    }

    /// Returns all bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}

/// Undoes the escapes of the corpus: `\r`, `\n`, `\t`, `\\`, `\xHH` (one byte), and `\{N*TEXT}`
/// (the text, which may hold the others, N times).
///
/// # Panics
///
/// Fails the test on any other escape.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let kind = after.chars().next().expect("something after a backslash");
        rest = &after[kind.len_utf8()..];
        match kind {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            '\\' => bytes.push(b'\\'),
            'x' => {
                let (digits, after) = rest.split_at(2);
                bytes.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
                rest = after;
            }
            '{' => {
                let (repeated, after) = rest.split_once('}').expect("a closing brace");
                let (count, text) = repeated.split_once('*').expect("COUNT*TEXT");
                bytes.extend(unescape(text).repeat(count.parse().expect("a count")));
                rest = after;
            }
            _ => panic!("`\\{kind}` is no escape of the corpus, in {text:?}"),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

impl Corpus {
    /// Reads the corpus.
    ///
    /// # Panics
    ///
    /// Fails the test if a file does not have the form described here, or two cases of a file
    /// have one name.
    pub fn read() -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/evasions/");
        let text = |name: &str| {
            let path = format!("{folder}{name}.yaml");
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        let corpus = Self {
            tls: serde_yaml::from_str(&text("tls")).expect("tls.yaml as described"),
            http: serde_yaml::from_str(&text("http")).expect("http.yaml as described"),
            uri: serde_yaml::from_str(&text("uri")).expect("uri.yaml as described"),
        };
        assert_unique(corpus.tls.iter().map(|case| &case.name));
        assert_unique(corpus.http.iter().map(|case| &case.name));
        assert_unique(corpus.uri.iter().map(|case| &case.name));
        corpus
    }
}

fn assert_unique<'a>(names: impl Iterator<Item = &'a String>) {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        assert!(seen.insert(name), "two cases are named {name:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        assert_eq!(
            unescape(r"a\r\n\t\\\xff\{3*b\x00}c"),
            b"a\r\n\t\\\xffb\0b\0b\0c"
        );
    }

    #[test]
    fn pieces_are_the_bytes() {
        let sending = Sending::cut(b"abcdefg", &[1, 3], Duration::ZERO);
        assert_eq!(sending.pieces, [&b"a"[..], b"bcd", b"efg"]);
        assert_eq!(sending.bytes(), b"abcdefg");
    }

    #[test]
    fn the_corpus_is_read() {
        let corpus = Corpus::read();
        assert!(!corpus.tls.is_empty() && !corpus.http.is_empty() && !corpus.uri.is_empty());
    }
}
