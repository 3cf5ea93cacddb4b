//! The `proxy.icap` section: the categorizer as written.

use std::path::Path;
use std::time::Duration;

use policy::written::{Placed, Remarks, Written};
use serde::Deserialize;

use self::tier::{TierWritten, tiers};
use super::Bounds;
use crate::config::{ClientIdentity, Endpoint, Icap, IcapService, PrefixUnit, SendSubscriber};

mod tier;

/// `icap.services`: entries at most.
pub const SERVICES_MAX: usize = 16;
/// `icap.deadline_ms`
pub const DEADLINE_MS: Bounds<u64> = Bounds::new(5, 250, 60_000);
/// The port of `icap:` (RFC 3507 4.2).
pub const ICAP_PORT: u16 = 1344;
/// The port of `icaps:`, which IANA has none for; that of the usual programs.
pub const ICAPS_PORT: u16 = 11344;

/// How a service is written.
pub const SERVICE: &str = "an ICAP service; use the form `icap://host:1344/service`, \
                       `icaps://host:11344/service` or `unix:/path/of/socket#service`";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    services: Placed<Vec<Placed<TierWritten>>>,
    deadline_ms: Option<Written>,
    cache_control: Option<Written>,
    prefix_unit: Option<Written>,
    honour_http_response: Option<Written>,
    send_subscriber: Option<Written>,
    ca_file: Option<Written>,
    client_certificate: Option<Written>,
    client_key: Option<Written>,
}

impl Section {
    pub(super) fn resolve(&self, folder: &Path, remarks: &mut Remarks) -> Icap {
        remarks.counted(&self.services, SERVICES_MAX, "services");
        let services = tiers(&self.services, folder, remarks);
        let ms = DEADLINE_MS.read(
            self.deadline_ms.as_ref(),
            "a number of milliseconds",
            remarks,
        );
        let honor = [("ignore", false), ("honor", true)];
        let unit = [
            ("uri", PrefixUnit::Uri),
            ("path", PrefixUnit::Path),
            ("ignore", PrefixUnit::Ignore),
        ];
        let subscriber = [
            ("none", SendSubscriber::Never),
            ("msisdn", SendSubscriber::Msisdn),
            ("imsi", SendSubscriber::Imsi),
        ];
        Icap {
            services,
            ca_file: self.ca_file.as_ref().map(|file| folder.join(&file.text)),
            client: self.client(folder, remarks),
            deadline: Duration::from_millis(ms),
            honor_cache_control: word_or(false, self.cache_control.as_ref(), &honor, remarks),
            honour_http_response: self
                .honour_http_response
                .as_ref()
                .and_then(|written| written.truth(remarks))
                .unwrap_or_default(),
            prefix_unit: word_or(PrefixUnit::Uri, self.prefix_unit.as_ref(), &unit, remarks),
            send_subscriber: word_or(
                SendSubscriber::Never,
                self.send_subscriber.as_ref(),
                &subscriber,
                remarks,
            ),
        }
    }
}

impl Section {
    fn client(&self, folder: &Path, remarks: &mut Remarks) -> Option<ClientIdentity> {
        let (certificate, key) = match (&self.client_certificate, &self.client_key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) => return None,
            (Some(only), None) => {
                remarks.error(only.place, "the certificate has no `client_key`; add it");
                return None;
            }
            (None, Some(only)) => {
                remarks.error(only.place, "the key has no `client_certificate`; add it");
                return None;
            }
        };
        Some(ClientIdentity {
            certificate: folder.join(&certificate.text),
            key: folder.join(&key.text),
        })
    }
}

/// Reads a word; absence and errors read as the default.
fn word_or<T: Copy>(
    default: T,
    written: Option<&Written>,
    words: &[(&str, T)],
    remarks: &mut Remarks,
) -> T {
    written
        .and_then(|written| written.word(words, remarks))
        .unwrap_or(default)
}

/// Reads the URI of a service. A relative path of a Unix socket is meant from `folder`.
#[must_use]
pub fn parse_service(text: &str, folder: &Path) -> Option<IcapService> {
    if let Some(rest) = text.strip_prefix("unix:") {
        let (path, name) = rest.split_once('#')?;
        let uri = format!("icap://localhost/{}", name.trim_start_matches('/'));
        let known = !path.is_empty() && parse_service(&uri, folder).is_some();
        let endpoint = Endpoint::Unix(folder.join(path));
        return known.then_some(IcapService {
            uri,
            endpoint,
            weight: 1,
        });
    }
    let uri: http::Uri = text.parse().ok()?;
    let authority = uri.authority()?;
    let port = match authority.as_str() == authority.host() {
        true => None,
        false => Some(authority.port_u16().filter(|port| *port != 0)?),
    };
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let whole = !host.is_empty() && !authority.as_str().contains('@');
    if !whole || text.contains('#') || uri.path().len() < 2 {
        return None;
    }
    let endpoint = match uri.scheme_str()? {
        "icap" => Endpoint::Tcp {
            host,
            port: port.unwrap_or(ICAP_PORT),
        },
        "icaps" => Endpoint::Tls {
            host,
            port: port.unwrap_or(ICAPS_PORT),
        },
        _ => return None,
    };
    Some(IcapService {
        uri: text.to_owned(),
        endpoint,
        weight: 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_in_every_form() {
        let tcp = |host: &str, port| Endpoint::Tcp {
            host: host.to_owned(),
            port,
        };
        check("icap://127.0.0.1:1344/categorize", tcp("127.0.0.1", 1344));
        check("icap://icap.example/a?profile=x", tcp("icap.example", 1344));
        check("icap://[::1]:99/a", tcp("::1", 99));
        let host = "icap.example".to_owned();
        check(
            "icaps://icap.example/a",
            Endpoint::Tls { host, port: 11344 },
        );
        let service = parse_service("unix:run/icap.sock#categorize", Path::new("/etc")).unwrap();
        assert_eq!(service.uri, "icap://localhost/categorize");
        assert_eq!(
            service.endpoint,
            Endpoint::Unix("/etc/run/icap.sock".into())
        );
    }

    #[test]
    fn what_is_no_service() {
        for text in [
            "",
            "categorize",
            "127.0.0.1:1344",
            "http://a.example/x",
            "icap://a.example",
            "icap://a.example/",
            "icap:///x",
            "icap://a.example:0/x",
            "icap://a.example:65536/x",
            "icap://user@a.example/x",
            "icap://a.example/x#y",
            "icap://a.example/ x",
            "unix:/a",
            "unix:#x",
            "unix:/a#",
        ] {
            assert_eq!(parse_service(text, Path::new("/etc")), None, "{text}");
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Endpoint) {
        let service = parse_service(text, Path::new("/etc")).unwrap();
        assert_eq!(service.endpoint, expected);
        assert_eq!(service.uri, text);
    }
}
