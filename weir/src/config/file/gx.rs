//! `sessions.gx`: the policy server, as written.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use diameter::client::ClientSettings;
use diameter::name::{GX_CAPABILITY_LIST, SN_CF_POLICY_ID};
use diameter::peer::BackOff;
use diameter::{AvpName, Identity};
use feeds::gx::{BadTls, Config, OwnCertificate, PeerAddress, Tls};
use gx::{Capability, Release, SESSIONS_MAX, Settings, Updates};
use policy::Warning;
use policy::written::{Placed, Remarks, Written, quote};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use sessions::Fallback;

use super::Reader;
use crate::failure::one_line;
use crate::files::{Files, beside};

mod bounds;

pub use bounds::{
    ANSWER_MS, BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS, EVENTS_MAX, IDENTITY_LEN_MAX, IP_CAN_TYPE,
    PATIENCE_MS, PEERS_MAX, PEM_LEN_MAX, PENDING_MAX, PORT, RETRY_S, SETUP_MS, TLS_PORT,
    WATCHDOG_S,
};
use bounds::{millis, seconds};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gx {
    peers: Placed<Vec<Peer>>,
    identity: Written,
    realm: Written,
    destination_realm: Option<Written>,
    profile_avp: Option<ProfileAvp>,
    capability: Option<Placed<WordOr<CapabilityList>>>,
    release: Option<Written>,
    updates: Option<Written>,
    ip_can_type: Option<Written>,
    fallback: Option<Placed<WordOr<FallbackProfile>>>,
    patience_ms: Option<Written>,
    retry_s: Option<Written>,
    answer_ms: Option<Written>,
    setup_ms: Option<Written>,
    watchdog_s: Option<Written>,
    back_off: Option<BackOffWritten>,
    sessions_max: Option<Written>,
    pending_max: Option<Written>,
    events_max: Option<Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Peer {
    host: Written,
    port: Option<Written>,
    identity: Option<Written>,
    tls: Option<TlsWritten>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsWritten {
    ca_file: Written,
    name: Option<Written>,
    certificate: Option<Written>,
    key: Option<Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileAvp {
    vendor: Written,
    code: Written,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CapabilityList {
    vendor: Option<Written>,
    code: Option<Written>,
    value: Written,
    mask: Option<Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FallbackProfile {
    profile: Written,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackOffWritten {
    first_ms: Option<Written>,
    max_ms: Option<Written>,
}

/// A word, or keys with values.
#[derive(Debug)]
pub(super) enum WordOr<T> {
    Word(String),
    Keys(T),
}

impl Gx {
    /// Returns how the policy server is asked, for so many live sessions at most. Files are read,
    /// with paths relative to the file at `path`.
    pub(super) fn resolve(
        &self,
        (files, path): (Files, &Path),
        live_max: usize,
        reader: &mut Reader<'_>,
    ) -> Option<Config> {
        let fallback = fallback(self.fallback.as_ref(), reader);
        let remarks = &mut *reader.remarks;
        remarks.counted(&self.peers, PEERS_MAX, "peers");
        let peers = self.peers.value.iter().take(PEERS_MAX);
        let peers = peers.filter_map(|peer| peer.resolve((files, path), remarks));
        let peers = peers.collect();
        let gx = self.settings(fallback, live_max, remarks);
        let client = ClientSettings {
            answer: millis(ANSWER_MS, self.answer_ms.as_ref(), remarks),
            pending_max: PENDING_MAX.read(
                self.pending_max.as_ref(),
                "a number of requests",
                remarks,
            ),
        };
        let watchdog = seconds(WATCHDOG_S, self.watchdog_s.as_ref(), remarks);
        let setup = millis(SETUP_MS, self.setup_ms.as_ref(), remarks);
        let back_off = self.back_off(remarks);
        let events = self.events_max.as_ref();
        let queue_max = EVENTS_MAX.read(events, "a number of events", remarks);
        // Only now, so that all that is wrong was told of.
        Some(Config {
            peers,
            gx: gx?,
            client,
            watchdog,
            setup,
            back_off,
            queue_max,
        })
    }

    /// Warns of a policy server that can select nothing.
    pub(super) fn look_for_profiles(&self, has_rules: bool, reader: &mut Reader<'_>) {
        let Some(policy) = reader.policy else {
            return;
        };
        let has_ids = policy.profiles().iter().any(|it| it.id.is_some());
        if !has_ids && !has_rules {
            let text = "the policy server selects nothing: no profile has an `id`, and \
                        `sessions.rules` has no charging rule; add one of them";
            let remarks = &mut *reader.remarks;
            remarks.warning(Warning::NothingToSelectBy, self.identity.place, text);
        }
    }

    fn settings(
        &self,
        fallback: Option<Fallback>,
        live_max: usize,
        remarks: &mut Remarks,
    ) -> Option<Settings> {
        let host = name(&self.identity, remarks);
        let realm = name(&self.realm, remarks);
        let destination = match &self.destination_realm {
            Some(written) => name(written, remarks),
            None => realm.clone(),
        };
        let releases = [("7", Release::Seven), ("8", Release::Eight)];
        let updates = [
            ("changed", Updates::Changed),
            ("reported", Updates::Reported),
        ];
        let sessions_max = match &self.sessions_max {
            Some(it) => it.number("a number of sessions", 1..=SESSIONS_MAX, remarks),
            None => Some(live_max.min(SESSIONS_MAX)),
        };
        let capability = self.capability(remarks);
        let release = word_or_default(self.release.as_ref(), &releases, remarks);
        let updates = word_or_default(self.updates.as_ref(), &updates, remarks);
        let profile_avp = match &self.profile_avp {
            Some(avp) => avp_name(&avp.vendor, &avp.code, remarks),
            None => Some(SN_CF_POLICY_ID),
        };
        let network = IP_CAN_TYPE.read(self.ip_can_type.as_ref(), "a type", remarks);
        let patience = millis(PATIENCE_MS, self.patience_ms.as_ref(), remarks);
        let retry = seconds(RETRY_S, self.retry_s.as_ref(), remarks);
        Some(Settings {
            own: Identity {
                host: host?,
                realm: realm?,
            },
            realm: destination?,
            // Known when it starts.
            state: 0,
            first_id: 0,
            profile_avp: profile_avp?,
            capability,
            release,
            updates,
            network,
            fallback: fallback?,
            patience,
            retry,
            sessions_max: sessions_max?,
        })
    }

    fn capability(&self, remarks: &mut Remarks) -> Option<Capability> {
        let Placed { value, place } = self.capability.as_ref()?;
        let list = match value {
            WordOr::Keys(list) => list,
            WordOr::Word(word) => {
                word_is("off", word, "`off` or `{value: 1}`", *place, remarks);
                return None;
            }
        };
        let value = list.value.number("flags", 1..=u32::MAX, remarks)?;
        let mask = match &list.mask {
            Some(mask) => mask.number("flags", 1..=u32::MAX, remarks)?,
            None => value,
        };
        let part = |written: &Option<Written>, default: u32, remarks: &mut Remarks| match written {
            Some(written) => written.number("a number of an AVP", 1..=u32::MAX, remarks),
            None => Some(default),
        };
        let vendor = part(&list.vendor, GX_CAPABILITY_LIST.vendor, remarks);
        let code = part(&list.code, GX_CAPABILITY_LIST.code, remarks);
        Some(Capability {
            avp: AvpName::of(vendor?, code?),
            value,
            mask,
        })
    }

    fn back_off(&self, remarks: &mut Remarks) -> BackOff {
        let written = self.back_off.as_ref();
        let first = written.and_then(|it| it.first_ms.as_ref());
        let most = written.and_then(|it| it.max_ms.as_ref());
        let back_off = BackOff {
            first: millis(BACK_OFF_FIRST_MS, first, remarks),
            max: millis(BACK_OFF_MAX_MS, most, remarks),
        };
        if let (true, Some(written)) = (back_off.first > back_off.max, first.or(most)) {
            let text = "`first_ms` is more than `max_ms`; use at most as much";
            remarks.error(written.place, text);
        }
        back_off
    }
}

/// Reads what becomes of sessions that nobody can say anything of; absent: the next source.
pub(super) fn fallback(
    written: Option<&Placed<WordOr<FallbackProfile>>>,
    reader: &mut Reader<'_>,
) -> Option<Fallback> {
    let Some(Placed { value, place }) = written else {
        return Some(Fallback::NextSource);
    };
    match value {
        WordOr::Keys(written) => reader.profile(&written.profile).map(Fallback::Profile),
        WordOr::Word(word) if word == "next_source" => Some(Fallback::NextSource),
        WordOr::Word(word) => {
            let words = "`next_source`, `off` or `{profile: NAME}`";
            word_is("off", word, words, *place, reader.remarks);
            Some(Fallback::Off)
        }
    }
}

impl Peer {
    fn resolve(&self, (files, path): (Files, &Path), remarks: &mut Remarks) -> Option<PeerAddress> {
        let tls = self.tls.as_ref();
        let port = match (&self.port, tls) {
            (Some(port), _) => port.number("a port", 1..=u16::MAX, remarks),
            (None, None) => Some(PORT),
            (None, Some(_)) => Some(TLS_PORT),
        };
        let identity = self.identity.as_ref();
        let host = &self.host.text;
        let bare = host.trim_matches(['[', ']']).to_owned();
        let is_name = !bare.is_empty() && !bare.contains(['/', ' ', '@']);
        let is_host =
            is_name && (!bare.contains(':') || bare.parse::<std::net::Ipv6Addr>().is_ok());
        if !is_host {
            let text = format!(
                "`{}` is not a host; use a name or an address, and `port` for the port",
                quote(host)
            );
            remarks.error(self.host.place, text);
        }
        let identity = match identity {
            Some(identity) => Some(name(identity, remarks)?),
            None => None,
        };
        let tls = match tls {
            Some(tls) => Some(tls.resolve((files, path), &self.host, remarks)?),
            None => None,
        };
        Some(PeerAddress {
            host: bare,
            port: port?,
            identity,
            tls,
        })
    }
}

impl TlsWritten {
    pub(super) fn resolve(
        &self,
        (files, path): (Files, &Path),
        host: &Written,
        remarks: &mut Remarks,
    ) -> Option<Tls> {
        let mut pem = |written: &Written| {
            let file = beside(path, &written.text);
            let text = files.text(&file, PEM_LEN_MAX);
            text.map_err(|wrong| {
                let text = format!("cannot read `{}`: {wrong}", file.display());
                remarks.error(written.place, text);
            })
            .ok()
        };
        let ca = pem(&self.ca_file);
        let own = match (&self.certificate, &self.key) {
            (None, None) => None,
            (Some(chain), Some(key)) => Some((pem(chain)?, pem(key)?)),
            (Some(only), None) => {
                remarks.error(only.place, "the certificate has no `key`; add it");
                return None;
            }
            (None, Some(only)) => {
                remarks.error(only.place, "the key has no `certificate`; add it");
                return None;
            }
        };
        let own = own
            .as_ref()
            .map(|(chain, key)| OwnCertificate { chain, key });
        let name = self.name.as_ref().unwrap_or(host);
        Tls::new(name.text.trim_matches(['[', ']']), &ca?, own)
            .map_err(|bad| {
                let written = match &bad {
                    BadTls::Name => Some(name),
                    BadTls::Authorities(_) => Some(&self.ca_file),
                    BadTls::Certificate(_) => self.certificate.as_ref(),
                    BadTls::Key(_) => self.key.as_ref(),
                };
                let written = written.unwrap_or(&self.ca_file);
                let text = format!("`{}`: {}", quote(&written.text), one_line(&bad));
                remarks.error(written.place, text);
            })
            .ok()
    }
}

/// Reads the name of a node or a realm (RFC 6733 section 4.3.1).
fn name(written: &Written, remarks: &mut Remarks) -> Option<Arc<str>> {
    let text = &written.text;
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let good = text.len() <= IDENTITY_LEN_MAX && text.split('.').all(is_part);
    if !good {
        let text = format!(
            "`{}` is not a name in Diameter; use the form of a DNS name, `gateway.example`",
            quote(text)
        );
        remarks.error(written.place, text);
    }
    good.then(|| Arc::from(text.as_str()))
}

fn avp_name(vendor: &Written, code: &Written, remarks: &mut Remarks) -> Option<AvpName> {
    let vendor = vendor.number("an enterprise number", 1..=u32::MAX, remarks);
    let code = code.number("the code of an AVP", 1..=u32::MAX, remarks);
    Some(AvpName::of(vendor?, code?))
}

/// Remarks on a word that is another than the one that is left.
fn word_is(only: &str, word: &str, known: &str, place: policy::Place, remarks: &mut Remarks) {
    if word != only {
        let word = quote(word);
        let text = format!("`{word}` is not known here; use {known}");
        remarks.error(place, text);
    }
}

fn word_or_default<T: Copy + Default>(
    written: Option<&Written>,
    words: &[(&str, T)],
    remarks: &mut Remarks,
) -> T {
    let read = written.and_then(|written| written.word(words, remarks));
    read.unwrap_or_default()
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for WordOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrVisitor(std::marker::PhantomData))
    }
}

struct WordOrVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for WordOrVisitor<T> {
    type Value = WordOr<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word, or keys with values (`key: value`)")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<WordOr<T>, E> {
        Ok(WordOr::Word(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WordOr<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(WordOr::Keys)
    }
}
