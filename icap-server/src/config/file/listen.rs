//! An entry of `listen:`, as written.

use std::fmt;
use std::path::Path;

use policy::Place;
use policy::written::{Placed, Remarks, Written, quote};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use crate::config::{Listen, Socket, Tls};

/// `listen[].clients`: ranges at most.
pub const CLIENTS_MAX: usize = 1_024;
/// `listen[].mode` when it is absent.
pub const MODE: u32 = 0o660;
/// `listen[].unix`: bytes of a path at most (unix(7)), with room for the name under which the
/// socket is made ready.
pub const UNIX_PATH_LEN_MAX: usize = 100;

/// A listener: an address, or a mapping.
#[derive(Debug)]
pub(super) enum Entry {
    Address(String),
    Mapping(Box<Mapping>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapping {
    address: Option<Written>,
    unix: Option<Written>,
    mode: Option<Written>,
    clients: Option<Placed<Vec<Written>>>,
    tls: Option<Placed<TlsFiles>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsFiles {
    certificate: Written,
    key: Written,
    client_ca: Option<Written>,
}

impl Entry {
    /// Returns the address as written, if it listens at one.
    pub(super) fn address(&self, place: Place) -> Option<Written> {
        match self {
            Self::Address(text) => Some(Written {
                text: text.clone(),
                place,
            }),
            Self::Mapping(mapping) => mapping.address.clone(),
        }
    }

    /// Returns the path as written, if it listens at one.
    pub(super) fn unix(&self) -> Option<&str> {
        match self {
            Self::Address(_) => None,
            Self::Mapping(mapping) => Some(&mapping.unix.as_ref()?.text),
        }
    }

    /// Returns the listener. Paths are relative to `folder`.
    pub(super) fn resolve(
        &self,
        place: Place,
        folder: &Path,
        remarks: &mut Remarks,
    ) -> Option<Listen> {
        match self {
            Self::Address(_) => self.address(place)?.address(remarks).map(Listen::at),
            Self::Mapping(mapping) => mapping.resolve(place, folder, remarks),
        }
    }
}

impl Mapping {
    fn resolve(&self, place: Place, folder: &Path, remarks: &mut Remarks) -> Option<Listen> {
        let clients = self.clients.as_ref().map(|clients| {
            remarks.counted(clients, CLIENTS_MAX, "ranges");
            let ranges = clients.value.iter().take(CLIENTS_MAX);
            ranges.filter_map(|range| range.range(remarks)).collect()
        });
        let tls = self.tls.as_ref().map(|files| Tls {
            certificate: folder.join(&files.value.certificate.text),
            key: folder.join(&files.value.key.text),
            client_ca: files
                .value
                .client_ca
                .as_ref()
                .map(|path| folder.join(&path.text)),
            place: files.place,
        });
        let socket = match (&self.address, &self.unix) {
            (Some(address), None) => {
                if let Some(mode) = &self.mode {
                    remarks.error(mode.place, "`mode` is for `unix`; leave it out");
                }
                Socket::Tcp(address.address(remarks)?)
            }
            (None, Some(path)) => {
                if self.clients.is_some() || self.tls.is_some() {
                    let text = "`clients` and `tls` are for `address`; a Unix socket has `mode`";
                    remarks.error(place, text);
                }
                self.unix(path, folder, remarks)?
            }
            (Some(_), Some(_)) | (None, None) => {
                remarks.error(place, "a listener needs one of `address` and `unix`");
                return None;
            }
        };
        Some(Listen {
            socket,
            clients,
            tls,
        })
    }

    fn unix(&self, written: &Written, folder: &Path, remarks: &mut Remarks) -> Option<Socket> {
        let mode = self
            .mode
            .as_ref()
            .map_or(Some(MODE), |mode| mode_of(mode, remarks));
        let path = folder.join(&written.text);
        if written.text.is_empty() || path.as_os_str().len() > UNIX_PATH_LEN_MAX {
            let text = format!(
                "`{}` is not a path for a socket; use 1 to {UNIX_PATH_LEN_MAX} bytes, the folder \
                 of this file included",
                quote(&written.text)
            );
            remarks.error(written.place, text);
            return None;
        }
        Some(Socket::Unix { path, mode: mode? })
    }
}

/// Reads permissions as chmod(1) takes them.
fn mode_of(written: &Written, remarks: &mut Remarks) -> Option<u32> {
    let text = &written.text;
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let mode = u32::from_str_radix(text, 8).ok();
    let mode = mode.filter(|mode| octal && *mode <= 0o777);
    if mode.is_none() {
        let text = format!(
            "`{}` is not the mode of a socket; use three octal digits, such as `\"0660\"`",
            quote(text)
        );
        remarks.error(written.place, text);
    }
    mode
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address with a port, or keys with values (`address: …`, `unix: …`)")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Entry, E> {
        Ok(Entry::Address(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
        let mapping = Mapping::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Entry::Mapping(Box::new(mapping)))
    }
}
