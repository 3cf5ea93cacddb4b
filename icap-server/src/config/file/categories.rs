//! `categories:`, as written.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use policy::Place;
use policy::written::{Remarks, Written, quote};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use uri::NormalUri;

use crate::config::{Categories, Pull};

/// `every_s` when it is absent.
pub const EVERY_S: u64 = 3_600;
/// `every_s` at most.
pub const EVERY_S_MAX: u64 = 2_592_000;
/// `check_every_s` at most.
pub const CHECK_EVERY_S_MAX: u64 = 86_400;
/// `deadline_s` when it is absent.
pub const DEADLINE_S: u64 = 600;
/// `deadline_s` at most.
pub const DEADLINE_S_MAX: u64 = 86_400;
/// `bytes_max` when it is absent.
pub const BYTES: u64 = 1024 * 1024 * 1024;
/// `bytes_max` at least.
pub const BYTES_MIN: u64 = 1_024;
/// `bytes_max` at most.
pub const BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// `url`: bytes at most.
pub const URL_LEN_MAX: usize = 2_048;

/// Categories: a path, or a mapping.
#[derive(Debug)]
pub struct Entry(Form);

#[derive(Debug)]
enum Form {
    Path(String),
    Mapping(Box<Mapping>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mapping {
    file: Written,
    check_every_s: Option<Written>,
    url: Option<Written>,
    every_s: Option<Written>,
    deadline_s: Option<Written>,
    bytes_max: Option<Written>,
    minisign_key: Option<Written>,
    ca_file: Option<Written>,
}

impl Entry {
    /// Returns the key of signatures as written.
    #[must_use]
    pub fn minisign_key(&self) -> Option<&Written> {
        match &self.0 {
            Form::Path(_) => None,
            Form::Mapping(mapping) => mapping.minisign_key.as_ref(),
        }
    }

    /// Returns where categories come from. Paths are relative to `folder`; `place` is where the
    /// entry stands.
    pub fn resolve(&self, place: Place, folder: &Path, remarks: &mut Remarks) -> Categories {
        match &self.0 {
            Form::Path(path) => Categories {
                path: folder.join(path),
                place,
                check_every: None,
                pull: None,
            },
            Form::Mapping(mapping) => Categories {
                path: folder.join(&mapping.file.text),
                place: mapping.file.place,
                check_every: seconds(mapping.check_every_s.as_ref(), CHECK_EVERY_S_MAX, remarks),
                pull: mapping.pull(folder, remarks),
            },
        }
    }
}

impl Mapping {
    fn pull(&self, folder: &Path, remarks: &mut Remarks) -> Option<Pull> {
        let every = seconds(self.every_s.as_ref(), EVERY_S_MAX, remarks);
        let deadline = seconds(self.deadline_s.as_ref(), DEADLINE_S_MAX, remarks);
        let len_max = self
            .bytes_max
            .as_ref()
            .and_then(|bytes| bytes.number("a number of bytes", BYTES_MIN..=BYTES_MAX, remarks));
        let Some(url) = &self.url else {
            self.needs_url(remarks);
            return None;
        };
        self.check_url(url, remarks);
        Some(Pull {
            url: url.text.clone(),
            every: every.unwrap_or(Duration::from_secs(EVERY_S)),
            deadline: deadline.unwrap_or(Duration::from_secs(DEADLINE_S)),
            len_max: len_max.unwrap_or(BYTES),
            minisign_key: self.minisign_key.as_ref().map(|key| key.text.clone()),
            ca_file: self.ca_file.as_ref().map(|file| folder.join(&file.text)),
        })
    }

    fn needs_url(&self, remarks: &mut Remarks) {
        for (name, written) in [
            ("every_s", &self.every_s),
            ("deadline_s", &self.deadline_s),
            ("bytes_max", &self.bytes_max),
            ("minisign_key", &self.minisign_key),
            ("ca_file", &self.ca_file),
        ] {
            if let Some(written) = written {
                let text = format!("`{name}` is for a `url`; add one, or leave it out");
                remarks.error(written.place, text);
            }
        }
    }

    fn check_url(&self, url: &Written, remarks: &mut Remarks) {
        let text = url.text.as_str();
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        let authority = rest.and_then(|rest| rest.split(['/', '?']).next());
        let good = authority.is_some_and(|it| !it.is_empty() && !it.contains('@'))
            && text.len() <= URL_LEN_MAX
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'#')
            && NormalUri::parse(text.as_bytes()).is_ok();
        if !good {
            let text = format!(
                "`{}` is not a URL to fetch a file from; use the form `https://lists.example/categories.db`, \
                 up to {URL_LEN_MAX} bytes without a user name",
                quote(text)
            );
            remarks.error(url.place, text);
        } else if text.starts_with("http://") && self.minisign_key.is_none() {
            let text =
                "what comes over `http:` may be anybody's; use `https:`, or add a `minisign_key`";
            remarks.error(url.place, text);
        }
    }
}

fn seconds(written: Option<&Written>, most: u64, remarks: &mut Remarks) -> Option<Duration> {
    let seconds = written?.number("a number of seconds", 1..=most, remarks);
    seconds.map(Duration::from_secs)
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor).map(Self)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Form;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, or keys with values (`file: …`, `url: …`)")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Form, E> {
        Ok(Form::Path(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Form, A::Error> {
        let mapping = Mapping::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Form::Mapping(Box::new(mapping)))
    }
}
