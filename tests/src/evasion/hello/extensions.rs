//! The extensions of a described Client Hello.

use super::{Ech, HelloShape, Place, lying, unescape, vector16};

/// The groups: X25519, which the key share is for, P-256 and P-384.
const GROUPS: [u16; 3] = [0x001d, 0x0017, 0x0018];
/// X25519MLKEM768.
const POST_QUANTUM_GROUP: u16 = 0x11ec;
/// ECDSA, RSA-PSS and RSA with SHA-256 and more, and Ed25519.
const SIGNATURES: [u16; 8] = [
    0x0403, 0x0503, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0807,
];

impl HelloShape {
    /// Returns the extensions one after another, with so many bytes of padding.
    pub(super) fn all_extensions(&self, padding: usize) -> Vec<u8> {
        let names = self.server_name();
        let mut all = Vec::new();
        if self.place == Place::First {
            all.extend(&names);
        }
        if self.grease {
            all.extend(extension(0x2a2a, b""));
        }
        all.extend(extension(23, b""));
        all.extend(extension(11, &[1, 0]));
        all.extend(extension(10, &vector16(&self.groups(), 0)));
        all.extend(extension(13, &vector16(&numbers(&SIGNATURES), 0)));
        all.extend(self.alpn());
        all.extend(self.supported_versions());
        all.extend(extension(45, &[1, 1]));
        all.extend(extension(51, &vector16(&self.shares(), 0)));
        all.extend(self.ech.extension());
        for further in &self.extensions {
            all.extend(extension(further.kind, &unescape(&further.content)));
        }
        if self.grease {
            all.extend(extension(0xdada, &[0]));
        }
        if self.place == Place::Last {
            all.extend(&names);
        }
        if padding > 0 {
            all.extend(extension(21, &vec![0; padding]));
        }
        if self.place == Place::VeryLast {
            all.extend(&names);
        }
        if !self.further_names.is_empty() {
            let list = self.list_of(&self.further_names);
            all.extend(extension(0, &vector16(&list, 0)));
        }
        all
    }

    /// Returns the server name extension, if there is one.
    fn server_name(&self) -> Vec<u8> {
        let content = match &self.name_list {
            Some(list) => unescape(list),
            None if self.names.is_empty() => return Vec::new(),
            None => vector16(&self.list_of(&self.names), self.lies.list),
        };
        [vec![0, 0], vector16(&content, self.lies.extension)].concat()
    }

    fn list_of(&self, names: &[String]) -> Vec<u8> {
        let entry = |name: &String| {
            let name = vector16(&unescape(name), self.lies.name);
            [vec![self.name_type], name].concat()
        };
        names.iter().flat_map(entry).collect()
    }

    fn alpn(&self) -> Vec<u8> {
        if self.alpn.is_empty() {
            return Vec::new();
        }
        let entry = |name: &String| {
            let name = unescape(name);
            [lying(name.len(), 0, 1), name].concat()
        };
        let grease: &[u8] = if self.grease { &[2, 0x4a, 0x4a] } else { &[] };
        let names: Vec<u8> = self.alpn.iter().flat_map(entry).collect();
        extension(16, &vector16(&[grease, &names].concat(), 0))
    }

    fn supported_versions(&self) -> Vec<u8> {
        if self.versions.is_empty() {
            return Vec::new();
        }
        let grease: &[u16] = if self.grease { &[0x6a6a] } else { &[] };
        let versions = numbers(&[grease, &self.versions].concat());
        extension(43, &[lying(versions.len(), 0, 1), versions].concat())
    }

    fn groups(&self) -> Vec<u8> {
        let mut groups = Vec::new();
        if self.grease {
            groups.push(0x9a9a);
        }
        if self.share_len > 0 {
            groups.push(POST_QUANTUM_GROUP);
        }
        groups.extend(GROUPS);
        numbers(&groups)
    }

    fn shares(&self) -> Vec<u8> {
        let mut shares = Vec::new();
        if self.grease {
            shares.extend([0x9a, 0x9a, 0, 1, 0]);
        }
        if self.share_len > 0 {
            shares.extend(extension(POST_QUANTUM_GROUP, &vec![5; self.share_len]));
        }
        // Nearly any 32 bytes are a public key of X25519.
        shares.extend(extension(GROUPS[0], &[7; 32]));
        shares
    }
}

impl Ech {
    /// Returns the extension: type of hello, ciphers, configuration, key, and what is encrypted
    /// (RFC 9849 section 5).
    fn extension(self) -> Vec<u8> {
        let outer = |payload: usize| {
            let mut content = vec![0, 0, 1, 0, 1, 42];
            content.extend(vector16(&[7; 32], 0));
            content.extend(vector16(&vec![8; payload], 0));
            extension(0xfe0d, &content)
        };
        match self {
            Self::None => Vec::new(),
            Self::Grease => outer(144),
            Self::Real => outer(272),
            Self::Inner => extension(0xfe0d, &[1]),
            Self::Broken => extension(0xfe0d, b"blocked"),
        }
    }
}

/// Returns an extension, or a key share: they are built alike.
fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), vector16(content, 0)].concat()
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}
