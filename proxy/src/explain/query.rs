//! The query of `/explain`.

use std::net::IpAddr;

use filter::Requested;
use percent_encoding::percent_decode_str;
use policy::written::quote;

/// What is asked, and how it is to be answered.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) requested: Requested,
    pub(super) client: Option<IpAddr>,
    /// In place of the session's.
    pub(super) profile: Option<String>,
    /// The address that the client dialled.
    pub(super) destination: Option<IpAddr>,
    pub(super) form: Form,
}

/// How the answer is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Form {
    /// Lines for a person.
    #[default]
    Text,
    /// One object.
    Json,
}

/// The values as they are written.
#[derive(Debug, Default)]
struct Written {
    uri: Option<String>,
    sni: Option<String>,
    client: Option<String>,
    profile: Option<String>,
    destination: Option<String>,
    format: Option<String>,
}

impl Query {
    /// Reads a query whose values are escaped.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let written = Written::read(text)?;
        let requested = match (&written.uri, &written.sni) {
            (Some(uri), None) if uri.contains("://") => Requested::uri(uri),
            (Some(uri), None) => {
                let uri = quote(uri);
                return Err(format!(
                    "`{uri}` has no scheme; use `uri=http://{uri}`, or `sni={uri}` for TLS"
                ));
            }
            (None, Some(name)) => Requested::server_name(name),
            (None, None) | (Some(_), Some(_)) => {
                return Err("use either `uri=` or `sni=`".to_owned());
            }
        };
        Ok(Self {
            requested,
            client: address("client", written.client)?,
            profile: written.profile,
            destination: address("destination", written.destination)?,
            form: match written.format.as_deref() {
                None | Some("text") => Form::Text,
                Some("json") => Form::Json,
                Some(other) => {
                    let other = quote(other);
                    return Err(format!("`{other}` is no format; use `text` or `json`"));
                }
            },
        })
    }
}

impl Written {
    fn read(text: &str) -> Result<Self, String> {
        let mut written = Self::default();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let place = match key {
                "uri" => &mut written.uri,
                "sni" => &mut written.sni,
                "client" => &mut written.client,
                "profile" => &mut written.profile,
                "destination" => &mut written.destination,
                "format" => &mut written.format,
                _ => {
                    return Err(format!(
                        "`{}` is not known here; use `uri`, `sni`, `client`, `profile`, \
                         `destination` or `format`",
                        quote(key)
                    ));
                }
            };
            let Ok(value) = percent_decode_str(value).decode_utf8() else {
                return Err(format!("`{key}` is not UTF-8"));
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(format!("`{key}` is here twice"));
            }
        }
        for subject in [&mut written.uri, &mut written.sni] {
            subject.take_if(|text| text.is_empty());
        }
        Ok(written)
    }
}

fn address(key: &str, written: Option<String>) -> Result<Option<IpAddr>, String> {
    let Some(text) = written else {
        return Ok(None);
    };
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(Some(address.to_canonical())),
        Err(_) => Err(format!("`{key}={}` is no IP address", quote(&text))),
    }
}
