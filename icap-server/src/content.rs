use std::borrow::Cow;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use categories::Database;
use filter::Rules;
use icap::{IsTag, ServiceUri};
use jiff::Timestamp;
use policy::{PolicySet, Span};
use sessions::Directory;

use crate::config::{Config, PrefixUnit};
use crate::verdict::PROFILE_PARAMETER;

/// How long ICAP clients may rely on an answer to OPTIONS, in seconds. Squid asks again 20 s
/// earlier; a changed ISTag reaches clients with the next answer anyway.
pub const OPTIONS_TTL_S: u32 = 3_600;

/// Characters of a tag: room for all that RFC 3507 section 4.7 allows.
const TAG_LEN: usize = icap::IS_TAG_LEN_MAX;

/// What a reload replaces.
#[derive(Clone, Debug)]
pub struct Content {
    /// The categories.
    pub database: Arc<Database>,
    /// The policy that `/filter` applies; without it there is no `/filter`.
    pub policy: Option<Arc<PolicySet>>,
    /// Names the state of policy and sessions: it must change whenever `/filter` may answer
    /// otherwise with the same categories, such as a hash of the files' text.
    pub policy_tag: String,
    /// Who is behind an address.
    pub sessions: Directory,
}

/// The services.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Service {
    /// `/categorize`
    Categorize,
    /// `/filter`
    Filter,
}

/// Content with what follows from it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) prefix_unit: PrefixUnit,
    pub(crate) database: Arc<Database>,
    pub(crate) sessions: Directory,
    /// None: there is no `/filter`.
    pub(crate) rules: Option<Rules>,
    pub(crate) stamps: Arc<Stamps>,
}

/// What answers say about the content that they come from. An exchange keeps these while it waits
/// for a body, and not the categories, so that a slow client keeps no replaced database in memory.
#[derive(Debug)]
pub(crate) struct Stamps {
    /// Cache-Control of `/categorize`.
    pub(crate) max_age: Option<String>,
    policy: Option<Arc<PolicySet>>,
    categorize_tag: IsTag,
    filter_tag: IsTag,
    /// The tag of `/filter` while schedules are active, and when that is.
    scheduled_tag: ArcSwapOption<(Span, IsTag)>,
    no_service_tag: IsTag,
}

impl Loaded {
    pub(crate) fn new(config: &Config, content: Content) -> Self {
        let tag = content.database.tag();
        let tag = tag.as_bytes();
        let unit: &[u8] = match config.prefix_unit {
            PrefixUnit::Uri => b"uri",
            PrefixUnit::Path => b"path",
            PrefixUnit::Off => b"off",
        };
        let stamps = Stamps {
            max_age: config
                .max_age
                .map(|age| format!("max-age={}", age.as_secs())),
            policy: content.policy.clone(),
            // ICAP clients that kept a prefix under another unit must forget it.
            categorize_tag: is_tag(&[b"categorize", tag, unit]),
            filter_tag: is_tag(&[b"filter", tag, content.policy_tag.as_bytes()]),
            scheduled_tag: ArcSwapOption::empty(),
            no_service_tag: is_tag(&[b"no service"]),
        };
        Self {
            prefix_unit: config.prefix_unit,
            stamps: Arc::new(stamps),
            rules: content.policy.map(|policy| Rules {
                policy,
                // Nothing is cached here, so nothing needs to be told from its past.
                policy_generation: 0,
                icap_generation: 0,
                now: None,
            }),
            database: content.database,
            sessions: content.sessions,
        }
    }

    /// Returns the service that a request names, if there is one.
    pub(crate) fn service(&self, uri: &ServiceUri) -> Option<Service> {
        match uri.path() {
            "/categorize" => Some(Service::Categorize),
            "/filter" if self.rules.is_some() => Some(Service::Filter),
            _ => None,
        }
    }

    /// Returns the rules of this moment, or none where there is no `/filter`.
    pub(crate) fn rules_now(&self) -> Option<Cow<'_, Rules>> {
        let rules = self.rules.as_ref()?;
        if rules.policy.timetable().is_empty() {
            return Some(Cow::Borrowed(rules));
        }
        let mut rules = rules.clone();
        rules.now = Some(Timestamp::now());
        Some(Cow::Owned(rules))
    }

    /// Returns whether the request names a profile that the policy does not have.
    pub(crate) fn lacks_profile(&self, service: Service, uri: &ServiceUri) -> bool {
        match (service, &self.rules) {
            (Service::Filter, Some(rules)) => uri
                .parameter(PROFILE_PARAMETER)
                .is_some_and(|name| rules.policy.profile(&name).is_none()),
            (Service::Categorize | Service::Filter, _) => false,
        }
    }
}

impl Stamps {
    /// Returns the tag that changes whenever the service may answer otherwise. Errors about what
    /// is no service here have one too, which never changes.
    pub(crate) fn tag(&self, service: Option<Service>) -> Cow<'_, IsTag> {
        match service {
            Some(Service::Categorize) => Cow::Borrowed(&self.categorize_tag),
            Some(Service::Filter) => self.filter_tag(),
            None => Cow::Borrowed(&self.no_service_tag),
        }
    }

    /// Returns the tag of `/filter`, which changes when a schedule of the policy does.
    fn filter_tag(&self) -> Cow<'_, IsTag> {
        let timetable = self.policy.as_ref().map(|policy| policy.timetable());
        let Some(timetable) = timetable.filter(|timetable| !timetable.is_empty()) else {
            return Cow::Borrowed(&self.filter_tag);
        };
        let now = Timestamp::now();
        if let Some(known) = self.scheduled_tag.load().as_deref()
            && known.0.covers(now)
        {
            return Cow::Owned(known.1.clone());
        }
        let span = timetable.span(now);
        let base = self.filter_tag.as_str().as_bytes();
        let tag = is_tag(&[base, &span.active.bits().to_le_bytes()]);
        self.scheduled_tag
            .store(Some(Arc::new((span, tag.clone()))));
        Cow::Owned(tag)
    }
}

/// Makes a tag of hexadecimal digits from everything that answers follow from.
fn is_tag(parts: &[&[u8]]) -> IsTag {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        // The length keeps `ab`, `c` and `a`, `bc` apart.
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let hex = hasher.finalize().to_hex();
    let tag = hex.as_str().get(..TAG_LEN).unwrap_or(hex.as_str());
    IsTag::new(tag).expect("hexadecimal digits of the right number are a tag")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_as_long_as_allowed_and_follows_every_part() {
        let tag = is_tag(&[b"filter", b"ab", b"c"]);
        assert_eq!(tag.as_str().len(), TAG_LEN);
        assert_eq!(tag, is_tag(&[b"filter", b"ab", b"c"]));
        for other in [
            is_tag(&[b"categorize", b"ab", b"c"]),
            is_tag(&[b"filter", b"a", b"bc"]),
            is_tag(&[b"filter", b"ab"]),
        ] {
            assert_ne!(tag, other);
        }
    }
}
