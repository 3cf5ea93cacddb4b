use tls_parser::parse_tls_handshake_client_hello;

use crate::Unreadable;

/// The extension that names the host (RFC 6066 section 3).
const SERVER_NAME: u16 = 0;
/// The extension that hides the real name (RFC 9849).
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
/// The one name type that exists.
const HOST_NAME: u8 = 0;

/// The parts of a Client Hello that filtering looks at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientHello {
    /// Server Name Indication as sent, if the client sent one. Its bytes are not checked; an
    /// extension without a name is an empty name.
    pub sni: Option<Box<[u8]>>,
    /// Whether an `encrypted_client_hello` extension is present (real or GREASE).
    pub ech: bool,
}

impl ClientHello {
    /// Reads the body of a Client Hello message: all bytes after the four of its header.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Unreadable> {
        let Ok(([], hello)) = parse_tls_handshake_client_hello(body) else {
            return Err(Unreadable::Malformed);
        };
        // Extensions are walked here: only two of them matter, and a client whose other
        // extensions are odd is still judged by its name.
        let mut rest = hello.ext.unwrap_or_default();
        let mut parsed = Self {
            sni: None,
            ech: false,
        };
        while !rest.is_empty() {
            let (kind, content, after) = split_extension(rest).ok_or(Unreadable::Malformed)?;
            match kind {
                SERVER_NAME if parsed.sni.is_some() => return Err(Unreadable::TwoNames),
                SERVER_NAME => parsed.sni = Some(host_name(content)?.into()),
                ENCRYPTED_CLIENT_HELLO => parsed.ech = true,
                _ => {}
            }
            rest = after;
        }
        Ok(parsed)
    }
}

/// Splits the first extension off: its type, its content, and what follows.
fn split_extension(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (kind, rest) = bytes.split_first_chunk()?;
    let (content, after) = split_u16_vector(rest)?;
    Some((u16::from_be_bytes(*kind), content, after))
}

/// Splits off a vector that is preceded by its length in two bytes.
fn split_u16_vector(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

/// Returns the one host name of a server name list, empty if there is none.
fn host_name(content: &[u8]) -> Result<&[u8], Unreadable> {
    if content.is_empty() {
        return Ok(&[]);
    }
    let Some((list, [])) = split_u16_vector(content) else {
        return Err(Unreadable::Malformed);
    };
    let Some((kind, rest)) = list.split_first() else {
        return Ok(&[]);
    };
    // Other name types were never defined, so nobody knows how to step over one.
    if *kind != HOST_NAME {
        return Err(Unreadable::Malformed);
    }
    let (name, after) = split_u16_vector(rest).ok_or(Unreadable::Malformed)?;
    match after.split_first() {
        None => Ok(name),
        Some((&HOST_NAME, more)) if split_u16_vector(more).is_some() => Err(Unreadable::TwoNames),
        Some(_) => Err(Unreadable::Malformed),
    }
}
