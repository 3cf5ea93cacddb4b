//! An entry of `services`: one endpoint, or several that share its load.

use std::fmt;
use std::path::Path;

use policy::written::{Placed, Remarks, Written, quote};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::{SERVICE, parse_service};
use crate::config::{ENDPOINTS_MAX, Endpoint, IcapService, IcapTier, TierRole};

/// `icap.services[].endpoints[].weight`: the greatest.
const WEIGHT_MAX: u32 = 100;

/// Bytes of the path of a Unix socket, its folder included: what the system can connect to.
const SOCKET_PATH_LEN_MAX: usize = 107;

/// An entry as written.
#[derive(Debug)]
pub(super) enum TierWritten {
    Service(String),
    Tier(Members),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Members {
    endpoints: Placed<Vec<Placed<MemberWritten>>>,
    backup: Option<Written>,
}

/// An endpoint as written.
#[derive(Debug)]
enum MemberWritten {
    Service(String),
    Weighted(Weighted),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Weighted {
    uri: Written,
    weight: Option<Written>,
}

/// Reads the entries.
pub(super) fn tiers(
    written: &Placed<Vec<Placed<TierWritten>>>,
    folder: &Path,
    remarks: &mut Remarks,
) -> Vec<IcapTier> {
    let mut tiers: Vec<IcapTier> = Vec::new();
    for entry in &written.value {
        let tier = match &entry.value {
            TierWritten::Service(text) => {
                let text = Written {
                    text: text.clone(),
                    place: entry.place,
                };
                service(&text, folder, remarks).map(IcapTier::from)
            }
            TierWritten::Tier(members) => Some(members.resolve(folder, remarks)),
        };
        let is_regular = tier
            .as_ref()
            .is_some_and(|tier| tier.role == TierRole::Regular);
        if is_regular && tiers.iter().any(|tier| tier.role == TierRole::Backup) {
            let text =
                "a backup stands before this entry; put backups last, since they are asked last";
            remarks.error(entry.place, text);
        }
        tiers.extend(tier);
    }
    let count: usize = tiers.iter().map(|tier| tier.endpoints.len()).sum();
    if count > ENDPOINTS_MAX {
        let text =
            format!("{count} endpoints are here; use at most {ENDPOINTS_MAX} in all entries");
        remarks.error(written.place, text);
    }
    if !tiers.is_empty() && tiers.iter().all(|tier| tier.role == TierRole::Backup) {
        let text = "every entry is a backup; leave `backup` out of one";
        remarks.error(written.place, text);
    }
    tiers
}

impl Members {
    fn resolve(&self, folder: &Path, remarks: &mut Remarks) -> IcapTier {
        remarks.counted(&self.endpoints, ENDPOINTS_MAX, "endpoints");
        let members = self.endpoints.value.iter();
        let endpoints = members.filter_map(|member| match &member.value {
            MemberWritten::Service(text) => {
                let text = Written {
                    text: text.clone(),
                    place: member.place,
                };
                service(&text, folder, remarks)
            }
            MemberWritten::Weighted(weighted) => weighted.resolve(folder, remarks),
        });
        let endpoints = endpoints.collect();
        let backup = self.backup.as_ref();
        let backup = backup.and_then(|text| text.truth(remarks));
        IcapTier {
            endpoints,
            role: match backup {
                Some(true) => TierRole::Backup,
                Some(false) | None => TierRole::Regular,
            },
        }
    }
}

impl Weighted {
    fn resolve(&self, folder: &Path, remarks: &mut Remarks) -> Option<IcapService> {
        let weight = self.weight.as_ref();
        let weight = weight.and_then(|text| text.number("a weight", 1..=WEIGHT_MAX, remarks));
        Some(IcapService {
            weight: weight.unwrap_or(1),
            ..service(&self.uri, folder, remarks)?
        })
    }
}

fn service(written: &Written, folder: &Path, remarks: &mut Remarks) -> Option<IcapService> {
    let service = parse_service(&written.text, folder);
    let socket = service
        .as_ref()
        .and_then(|service| match &service.endpoint {
            Endpoint::Unix(path) => Some(path),
            Endpoint::Tcp { .. } | Endpoint::Tls { .. } => None,
        });
    let quoted = || quote(&written.text);
    if service.is_none() {
        remarks.error(written.place, format!("`{}` is not {SERVICE}", quoted()));
    } else if socket.is_some_and(|path| path.as_os_str().len() > SOCKET_PATH_LEN_MAX) {
        let text = format!(
            "the path in `{}` is too long for a socket; use 1 to {SOCKET_PATH_LEN_MAX} bytes, \
             the folder of this file included",
            quoted()
        );
        remarks.error(written.place, text);
    }
    service
}

impl<'de> Deserialize<'de> for TierWritten {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;
        impl<'de> Visitor<'de> for Entry {
            type Value = TierWritten;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the URI of a service or `{endpoints: [URI, …]}`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<TierWritten, E> {
                Ok(TierWritten::Service(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TierWritten, A::Error> {
                let members = Members::deserialize(MapAccessDeserializer::new(map))?;
                Ok(TierWritten::Tier(members))
            }
        }
        deserializer.deserialize_any(Entry)
    }
}

impl<'de> Deserialize<'de> for MemberWritten {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;
        impl<'de> Visitor<'de> for Entry {
            type Value = MemberWritten;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the URI of a service or `{uri: URI, weight: 2}`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<MemberWritten, E> {
                Ok(MemberWritten::Service(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MemberWritten, A::Error> {
                let weighted = Weighted::deserialize(MapAccessDeserializer::new(map))?;
                Ok(MemberWritten::Weighted(weighted))
            }
        }
        deserializer.deserialize_any(Entry)
    }
}
