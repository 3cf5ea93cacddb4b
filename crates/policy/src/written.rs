//! Files as their authors wrote them: values that know their place, and remarks about them.

use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_yaml::{
    DuplicateKeyPolicy, Error, Location, MergeKeyPolicy, MessageFormatter, Spanned,
    UserMessageFormatter,
};

pub use crate::remarks::{REMARKS_MAX, Remarks};
use crate::suggest::nearest;
use crate::{Diagnostic, Place, Severity};

/// Bytes of one file. Long lists go into files of their own.
pub const FILE_LEN_MAX: usize = 16 * 1024 * 1024;

/// Values of one file, those that aliases repeat included.
pub const VALUES_MAX: usize = 250_000;

/// How deep lists and mappings may lie in each other.
pub const DEPTH_MAX: usize = 32;

/// Characters of a file that a remark quotes at most.
pub const QUOTE_LEN_MAX: usize = 60;

/// Words that are all shown where another was written.
const WORDS_FEW: usize = 4;

/// A single value of a file, as text, with its place.
///
/// What it means is decided by whoever knows the key, so that everything wrong with a file can be
/// told at once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written {
    /// The value without quotes.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

/// Any part of a file, with its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Placed<T> {
    /// The part.
    pub value: T,
    /// Where it starts.
    pub place: Place,
}

/// A mapping whose keys are names that the author chooses, in the order of the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named<T>(pub Vec<(Written, T)>);

/// Reads the text of the file called `file` as a `T`.
///
/// # Errors
///
/// Fails at the first place where the text is no YAML or has another shape than `T`: an unknown or
/// repeated key, a list in the place of a value.
pub fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Diagnostic> {
    let refuse = |place, text| Diagnostic {
        file: file.to_owned(),
        place,
        severity: Severity::Error,
        text,
        warning: None,
    };
    if text.len() > FILE_LEN_MAX {
        return Err(refuse(None, too_much()));
    }
    // Nothing at all reads as the mapping without keys, so that what is missing is named.
    let bare = text.lines().all(|line| {
        let line = line.trim_start();
        line.is_empty() || line.starts_with('#')
    });
    let text = if bare { "{}" } else { text };
    serde_yaml::from_str_with_options(text, options())
        .map_err(|error| refuse(error.location().and_then(known), explain(&error, text)))
}

fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_nodes: VALUES_MAX,
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
        },
        alias_limits: serde_yaml::alias_limits! {
            max_total_replayed_events: VALUES_MAX,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        // A list may be called `n`.
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn too_much() -> String {
    format!(
        "too much for one file; use at most {FILE_LEN_MAX} bytes, {VALUES_MAX} values and \
         {DEPTH_MAX} levels, and files of their own for long lists"
    )
}

impl Written {
    /// Reads the value, or remarks that it is not `accepted`.
    pub fn parse<T: FromStr>(&self, accepted: &str, remarks: &mut Remarks) -> Option<T> {
        let value = self.text.parse().ok();
        if value.is_none() {
            self.reject(accepted, remarks);
        }
        value
    }

    /// Reads a whole number from `range`, or remarks what is accepted.
    pub fn number<T>(
        &self,
        what: &str,
        range: std::ops::RangeInclusive<T>,
        remarks: &mut Remarks,
    ) -> Option<T>
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let digits = self.text.bytes().all(|byte| byte.is_ascii_digit());
        let value = self.text.parse().ok();
        let value = value.filter(|value| digits && range.contains(value));
        if value.is_none() {
            let accepted = format!("{what}; use {} to {}", range.start(), range.end());
            self.reject(&accepted, remarks);
        }
        value
    }

    /// Picks the value whose word this is, or remarks which words there are.
    pub fn word<T: Copy>(&self, words: &[(&str, T)], remarks: &mut Remarks) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == self.text);
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let found = quote(&self.text);
            // Few words are better seen than guessed.
            let near = nearest(&self.text, words.iter().copied());
            let text = match near.filter(|_| words.len() > WORDS_FEW) {
                Some(near) => format!("`{found}` is not known here; did you mean `{near}`?"),
                None => format!("`{found}` is not known here; use {}", or(&words)),
            };
            remarks.error(self.place, text);
        }
        found.map(|(_, value)| *value)
    }

    /// Reads a range of addresses, or a single address as the range that holds it alone.
    /// IPv4-mapped ranges are IPv4.
    pub fn range(&self, remarks: &mut Remarks) -> Option<IpNet> {
        const ACCEPTED: &str =
            "a range of addresses; use the form `192.0.2.0/24` or `2001:db8::/32`";
        let address = || self.text.parse::<IpAddr>().ok().map(IpNet::from);
        let Some(range) = self.text.parse().ok().or_else(address) else {
            self.reject(ACCEPTED, remarks);
            return None;
        };
        if range != range.trunc() {
            let trunc = range.trunc();
            remarks.error(
                self.place,
                format!("`{range}` has bits set behind its length; use `{trunc}`"),
            );
        }
        Some(as_ipv4(range))
    }

    /// Reads an address with a port.
    pub fn address(&self, remarks: &mut Remarks) -> Option<SocketAddr> {
        const ACCEPTED: &str =
            "an address with a port; use the form `127.0.0.1:3128` or `[::1]:3128`";
        self.parse(ACCEPTED, remarks)
    }

    /// Reads `true` or `false`.
    pub fn truth(&self, remarks: &mut Remarks) -> Option<bool> {
        self.word(&[("true", true), ("false", false)], remarks)
    }

    fn reject(&self, accepted: &str, remarks: &mut Remarks) {
        let text = format!("`{}` is not {accepted}", quote(&self.text));
        remarks.error(self.place, text);
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Scalar>::deserialize(deserializer)?;
        let place = place(spanned.referenced);
        Ok(Self {
            text: spanned.value.0,
            place,
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Placed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        let place = place(spanned.referenced);
        Ok(Self {
            value: spanned.value,
            place,
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamedVisitor(PhantomData))
    }
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct NamedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NamedVisitor<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names with values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Named(entries))
    }
}

impl PartialOrd for Written {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Written {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.place, &self.text).cmp(&(other.place, &other.text))
    }
}

/// A value of any spelling, as text.
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a single value")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar(text.to_owned()))
    }
}

fn as_ipv4(range: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let bits = range.prefix_len().checked_sub(MAPPED_BITS);
    match (range.addr().to_canonical(), bits) {
        (address @ IpAddr::V4(_), Some(bits)) if matches!(range, IpNet::V6(_)) => {
            IpNet::new(address, bits).unwrap_or(range)
        }
        _ => range,
    }
}

/// Says what is wrong in the words of the file's author, who knows neither Rust nor the reader.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a foreign enum that grows; its other texts are good as they are"
)]
fn explain(error: &Error, text: &str) -> String {
    match error.without_snippet() {
        Error::SerdeUnknownField {
            field, expected, ..
        } => match nearest(field, expected.iter().copied()) {
            Some(near) => format!(
                "`{}` is not a key here; did you mean `{near}`?",
                quote(field)
            ),
            None => format!("`{}` is not a key here; use {}", quote(field), or(expected)),
        },
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => {
            format!(
                "`{}` is not known here; use {}",
                quote(variant),
                or(expected)
            )
        }
        Error::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{}` is here twice; keep one", quote(key))
        }
        Error::MergeKeyNotAllowed { .. } => "`<<` is not a key here; write the keys out".to_owned(),
        Error::Unexpected { expected, .. } => {
            let accepted = match *expected {
                "string scalar" | "scalar" => "a single value",
                "sequence start" => "a list (`[a, b]`, or lines that start with `-`)",
                "mapping start" => "keys with values (`key: value`)",
                other => other,
            };
            format!("{} stands here; use {accepted}", found(error, text))
        }
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            format!("{} stands here; use {expected}", found(error, text))
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => too_much(),
        Error::NullIntoString { .. } => "the value is missing".to_owned(),
        other => visible(&UserMessageFormatter.format_message(other)),
    }
}

/// Quotes what the file has at the place of an error.
fn found(error: &Error, text: &str) -> String {
    let rest = error
        .location()
        .and_then(known)
        .and_then(|Place { line, column }| {
            let line = text
                .lines()
                .nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
            let skip = usize::try_from(column).ok()?.checked_sub(1)?;
            Some(line.chars().skip(skip).collect::<String>())
        });
    match rest
        .as_deref()
        .map(str::trim)
        .filter(|rest| !rest.is_empty())
    {
        Some(rest) => format!("`{}`", quote(rest)),
        None => "nothing".to_owned(),
    }
}

/// Cuts text for a remark and makes control characters visible.
#[must_use]
pub fn quote(text: &str) -> String {
    let head: String = text.chars().take(QUOTE_LEN_MAX).collect();
    let mut quoted = visible(&head);
    if text.chars().nth(QUOTE_LEN_MAX).is_some() {
        quoted.push('…');
    }
    quoted
}

/// Makes control characters visible.
#[must_use]
pub fn visible(text: &str) -> String {
    let escape = |char: char| match char.is_control() {
        true => char.escape_default().to_string(),
        false => char.to_string(),
    };
    text.chars().map(escape).collect()
}

/// Joins words as a person would: `a`, `b` or `c`.
#[must_use]
pub fn or(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => format!("`{only}`"),
        [init @ .., last] => {
            let init: Vec<String> = init.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", init.join(", "))
        }
    }
}

fn place(location: Location) -> Place {
    Place {
        line: location.line(),
        column: location.column(),
    }
}

fn known(location: Location) -> Option<Place> {
    (location != Location::UNKNOWN).then(|| place(location))
}

#[cfg(test)]
mod tests;
