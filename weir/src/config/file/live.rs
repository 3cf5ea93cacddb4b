//! The parts of `sessions:` about what the network reports, as written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use accounting::Hint;
use feeds::api::Tokens;
use feeds::{gx, radius};
use policy::Place;
use policy::written::{Placed, Remarks, Written};
use serde::Deserialize;
use sessions::{Fallback, LiveLimits, SESSIONS_MAX};

use super::redis::Redis;
use super::{PRIORITY_MAX, Reader};
use crate::files::{Files, beside};

/// `sessions.live.sessions_max` unless the file says otherwise.
pub const SESSIONS_DEFAULT: usize = 1 << 17;
/// `sessions.live.lifetime_s` unless the file says otherwise: twice the interval of an hour.
pub const LIFETIME_S_DEFAULT: u32 = 7_200;
/// `sessions.live.lifetime_s` at most: a week.
pub const LIFETIME_S_MAX: u32 = 604_800;
/// Bytes of a file with a secret at most.
pub const SECRET_FILE_LEN_MAX: usize = 4_096;
/// Bytes of a value of an attribute at most (RFC 2865 section 5).
pub const VALUE_LEN_MAX: usize = 253;

/// Live sessions, ready to use.
#[derive(Clone, Debug)]
pub struct Live {
    /// Limits of the table.
    pub limits: LiveLimits,
    /// Where sessions are kept while the program does not run.
    pub snapshot: Option<PathBuf>,
    /// Where they are reported.
    pub radius: Option<radius::Config>,
    /// The policy server that is told of them.
    pub gx: Option<gx::Config>,
    /// Where several gateways keep them; none: they are in this process.
    pub redis: Option<Redis>,
    /// Who may ask about them and change them at the admin endpoint; none: nobody.
    pub tokens: Option<Tokens>,
}

impl Live {
    /// Returns the profiles that attributes of reports stand for, or a policy server or store that
    /// does not answer, by name.
    pub fn profiles(&self) -> impl Iterator<Item = &Arc<str>> {
        let radius = self.radius.iter();
        let hinted = radius.flat_map(|radius| radius.profiles.iter().map(|it| &it.profile));
        let fallback = self.gx.as_ref().and_then(|gx| match &gx.gx.fallback {
            Fallback::Profile(name) => Some(name),
            Fallback::NextSource | Fallback::Off => None,
        });
        let unavailable = self
            .redis
            .as_ref()
            .and_then(|redis| match &redis.unavailable {
                Fallback::Profile(name) => Some(name),
                Fallback::NextSource | Fallback::Off => None,
            });
        hinted.chain(fallback).chain(unavailable)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    sessions_max: Option<Written>,
    lifetime_s: Option<Written>,
    pub(super) snapshot: Option<Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Radius {
    listen: Placed<Vec<Written>>,
    clients: Placed<Vec<Client>>,
    #[serde(default)]
    profiles: Vec<Hinted>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    token_file: Option<Written>,
    read_token_file: Option<Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    address: Written,
    secret_file: Written,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hinted {
    attribute: Written,
    value: Written,
    profile: Written,
    priority: Option<Written>,
}

impl Table {
    pub(super) fn resolve(
        &self,
        path: &Path,
        (radius, tokens): (Option<radius::Config>, Option<Tokens>),
        remarks: &mut Remarks,
    ) -> Option<Live> {
        let sessions_max = match &self.sessions_max {
            Some(it) => it.number("a number of sessions", 1..=SESSIONS_MAX, remarks),
            None => Some(SESSIONS_DEFAULT),
        };
        let lifetime_s = match &self.lifetime_s {
            Some(it) => it.number("a number of seconds", 10..=LIFETIME_S_MAX, remarks),
            None => Some(LIFETIME_S_DEFAULT),
        };
        Some(Live {
            limits: LiveLimits {
                sessions_max: sessions_max?,
                lifetime_s: lifetime_s?,
            },
            snapshot: self.snapshot.as_ref().map(|it| beside(path, &it.text)),
            radius,
            tokens,
            gx: None,
            redis: None,
        })
    }
}

impl Admin {
    pub(super) fn resolve(
        &self,
        (files, path): (Files, &Path),
        place: Place,
        remarks: &mut Remarks,
    ) -> Tokens {
        if self.token_file.is_none() && self.read_token_file.is_none() {
            let text =
                "nobody may ask; name a file of tokens with `token_file` or `read_token_file`";
            remarks.error(place, text);
        }
        let mut read = |written: &Option<Written>| {
            let written = written.as_ref()?;
            let file = beside(path, &written.text);
            let text = files.text(&file, SECRET_FILE_LEN_MAX);
            let read = match text {
                Ok(text) => Tokens::read(&text).map_err(|wrong| wrong.to_string()),
                Err(wrong) => Err(wrong),
            };
            if let Err(wrong) = &read {
                let text = format!("cannot use the tokens of `{}`: {wrong}", file.display());
                remarks.error(written.place, text);
            }
            read.ok()
        };
        let change = read(&self.token_file).unwrap_or_default();
        Tokens::new(change, read(&self.read_token_file).unwrap_or_default())
    }
}

impl Radius {
    pub(super) fn resolve(
        &self,
        (files, path): (Files, &Path),
        reader: &mut Reader<'_>,
    ) -> radius::Config {
        let remarks = &mut *reader.remarks;
        remarks.counted(&self.listen, radius::LISTEN_MAX, "addresses");
        remarks.counted(&self.clients, radius::CLIENTS_MAX, "clients");
        let listen = self.listen.value.iter();
        let listen = listen.filter_map(|it| it.address(remarks)).collect();
        let clients = self.clients.value.iter();
        let clients = clients
            .filter_map(|it| it.resolve((files, path), remarks))
            .collect();
        if let Some(more) = self.profiles.get(radius::PROFILES_MAX) {
            let text = format!(
                "more than {} entries; use at most so many",
                radius::PROFILES_MAX
            );
            remarks.error(more.attribute.place, text);
        }
        let profiles = self.profiles.iter().take(radius::PROFILES_MAX);
        radius::Config {
            listen,
            clients,
            profiles: profiles.filter_map(|it| it.resolve(reader)).collect(),
        }
    }
}

impl Client {
    fn resolve(
        &self,
        (files, path): (Files, &Path),
        remarks: &mut Remarks,
    ) -> Option<radius::Client> {
        let range = self.address.range(remarks);
        let file = beside(path, &self.secret_file.text);
        let secret = match files.text(&file, SECRET_FILE_LEN_MAX) {
            Ok(text) => radius::Secret::new(text.trim_end_matches(['\r', '\n']).as_bytes()),
            Err(wrong) => {
                let text = format!("cannot read the secret `{}`: {wrong}", file.display());
                remarks.error(self.secret_file.place, text);
                return None;
            }
        };
        if secret.is_none() {
            let text = format!("`{}` is empty; put the secret into it", file.display());
            remarks.error(self.secret_file.place, text);
        }
        Some(radius::Client {
            range: range?,
            secret: secret?,
        })
    }
}

impl Hinted {
    fn resolve(&self, reader: &mut Reader<'_>) -> Option<radius::HintedProfile> {
        let words = [("class", Hint::Class), ("filter_id", Hint::FilterId)];
        let hint = self.attribute.word(&words, reader.remarks);
        let profile = reader.profile(&self.profile);
        let priority = match &self.priority {
            Some(it) => it.number("a priority", 0..=PRIORITY_MAX, reader.remarks),
            None => Some(0),
        };
        let value = self.value.text.as_bytes();
        if !(1..=VALUE_LEN_MAX).contains(&value.len()) {
            let text = format!("a value has 1 to {VALUE_LEN_MAX} bytes; use as many");
            reader.remarks.error(self.value.place, text);
        }
        Some(radius::HintedProfile {
            hint: hint?,
            value: value.into(),
            profile: profile?,
            priority: priority?,
        })
    }
}
