//! `sessions.redis`: where several gateways keep live sessions, as written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use feeds::shared::{Address, Config, Login, Watch};
use policy::written::{Placed, Remarks, Written, quote};
use proxy::config::file::Bounds;
use serde::Deserialize;
use sessions::Fallback;

use super::Reader;
use super::gx::{FallbackProfile, TlsWritten, WordOr, fallback};
use super::live::SECRET_FILE_LEN_MAX;
use crate::files::{Files, beside};

/// `database`
pub const DATABASE: Bounds<u16> = Bounds::new(0, 0, 65_535);
/// `timeout_ms`
pub const TIMEOUT_MS: Bounds<u64> = Bounds::new(10, 250, 5_000);
/// `cache.entries_max`
pub const ENTRIES: Bounds<usize> = Bounds::new(1_024, 262_144, 16_777_216);
/// `cache.lifetime_s`
pub const ENTRY_LIFETIME_S: Bounds<u32> = Bounds::new(1, 60, 86_400);
/// `cache.outage_s`
pub const OUTAGE_S: Bounds<u32> = Bounds::new(0, 600, 86_400);
/// Bytes of `realm` at most.
pub const REALM_LEN_MAX: usize = 64;

/// Where several gateways keep live sessions, ready to use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Redis {
    /// How it is reached. How long sessions live, and whether somebody hears of them, is to be
    /// filled in.
    pub config: Config,
    /// What becomes of clients of whom nothing is known while it cannot be asked.
    pub unavailable: Fallback,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    address: Written,
    tls: Option<TlsWritten>,
    user: Option<Written>,
    password_file: Option<Written>,
    database: Option<Written>,
    realm: Option<Written>,
    timeout_ms: Option<Written>,
    unavailable: Option<Placed<WordOr<FallbackProfile>>>,
    #[serde(default)]
    cache: Cache,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cache {
    entries_max: Option<Written>,
    lifetime_s: Option<Written>,
    outage_s: Option<Written>,
}

impl Section {
    /// Reads it, and the files that it names, with paths relative to the file at `path`.
    pub(super) fn resolve(
        &self,
        (files, path): (Files, &Path),
        reader: &mut Reader<'_>,
    ) -> Option<Redis> {
        let unavailable = fallback(self.unavailable.as_ref(), reader);
        let remarks = &mut *reader.remarks;
        let address = self.address(remarks);
        let tls = match (&self.tls, &address) {
            (Some(tls), Some(Address::Tcp(host, _))) => {
                let host = Written {
                    text: host.as_ref().into(),
                    place: self.address.place,
                };
                Some(tls.resolve((files, path), &host, remarks))
            }
            (Some(_), Some(Address::Unix(_))) => {
                let text = "a socket in the file system has no TLS; remove `tls`";
                remarks.error(self.address.place, text);
                None
            }
            (Some(_), None) | (None, _) => None,
        };
        let login = self.login((files, path), remarks);
        let realm = self.realm(remarks);
        let timeout_ms = self.timeout_ms.as_ref();
        let timeout_ms = TIMEOUT_MS.read(timeout_ms, "a number of milliseconds", remarks);
        let entries = self.cache.entries_max.as_ref();
        let seconds = "a number of seconds";
        let config = Config {
            address: address?,
            tls: match tls {
                Some(tls) => Some(tls?),
                None => None,
            },
            login: login?,
            database: DATABASE.read(self.database.as_ref(), "the number of a database", remarks),
            realm: realm?,
            timeout: Duration::from_millis(timeout_ms),
            entries_max: ENTRIES.read(entries, "a number of answers", remarks),
            entry_lifetime_s: ENTRY_LIFETIME_S.read(
                self.cache.lifetime_s.as_ref(),
                seconds,
                remarks,
            ),
            outage_s: OUTAGE_S.read(self.cache.outage_s.as_ref(), seconds, remarks),
            lifetime_s: 0,
            watch: Watch::Nothing,
        };
        let unavailable = unavailable?;
        Some(Redis {
            config,
            unavailable,
        })
    }

    fn address(&self, remarks: &mut Remarks) -> Option<Address> {
        let text = self.address.text.as_str();
        if let Some(path) = text.strip_prefix("unix:")
            && path.starts_with('/')
        {
            return Some(Address::Unix(PathBuf::from(path)));
        }
        let tcp = text.rsplit_once(':').and_then(|(host, port)| {
            let bare = host.trim_matches(['[', ']']);
            let is_host = !bare.is_empty()
                && !bare.contains(['/', ' ', '@'])
                && (!bare.contains(':') || bare.parse::<std::net::Ipv6Addr>().is_ok());
            let port = port.parse().ok().filter(|port| *port > 0)?;
            is_host.then(|| Address::Tcp(bare.into(), port))
        });
        if tcp.is_none() {
            let text = format!(
                "`{}` is not where Redis is; use `HOST:PORT` or `unix:/PATH`",
                quote(text)
            );
            remarks.error(self.address.place, text);
        }
        tcp
    }

    /// Returns who we are there, if anybody, unless that cannot be read.
    fn login(&self, (files, path): (Files, &Path), remarks: &mut Remarks) -> Option<Option<Login>> {
        let Some(written) = &self.password_file else {
            if let Some(user) = &self.user {
                remarks.error(user.place, "a user has a password; add `password_file`");
                return None;
            }
            return Some(None);
        };
        let file = beside(path, &written.text);
        let password = match files.text(&file, SECRET_FILE_LEN_MAX) {
            Ok(text) => text.trim_end_matches(['\r', '\n']).to_owned(),
            Err(wrong) => {
                let text = format!("cannot read the password `{}`: {wrong}", file.display());
                remarks.error(written.place, text);
                return None;
            }
        };
        if password.is_empty() {
            let text = format!("`{}` is empty; put the password into it", file.display());
            remarks.error(written.place, text);
            return None;
        }
        Some(Some(Login {
            user: self.user.as_ref().map(|it| it.text.as_str().into()),
            password: password.into(),
        }))
    }

    fn realm(&self, remarks: &mut Remarks) -> Option<Box<str>> {
        let Some(realm) = &self.realm else {
            return Some("".into());
        };
        let is_word = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
        if !(1..=REALM_LEN_MAX).contains(&realm.text.len()) || !realm.text.chars().all(is_word) {
            let text = format!(
                "`{}` is not a realm; use 1 to {REALM_LEN_MAX} letters, digits, `-`, `_`, `.`",
                quote(&realm.text)
            );
            remarks.error(realm.place, text);
            return None;
        }
        Some(realm.text.as_str().into())
    }
}
