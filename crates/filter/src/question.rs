use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use uri::{NormalUri, Readings};

use crate::decide::Generations;
use crate::per_reading::PerReading;
use crate::verdict::Basis;
use crate::{Decision, Undecidable};

/// One request to judge.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The profile of the session, by name. None: the session has none.
    pub profile: Option<&'a Arc<str>>,
    /// What is requested.
    pub target: Target<'a>,
    /// The address to compare with the bypass addresses: the original destination, or in
    /// explicit mode an address that was written as the authority.
    pub destination: Option<IpAddr>,
}

/// What is requested.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A URI, in all its readings.
    Uri(&'a Readings),
    /// A URI that can be judged, beside something that cannot: the more restrictive action applies.
    Doubtful(&'a Readings, Undecidable),
    /// Something that cannot be judged.
    Undecidable(Undecidable),
}

/// What the driver does next.
#[derive(Debug)]
pub enum Step {
    /// The request is decided.
    Decided(Decision),
    /// The categorizer must be asked.
    Ask(Question),
}

/// A question that is out with the categorizer. It remembers all that [`Filter::finish`] needs.
///
/// [`Filter::finish`]: crate::Filter::finish
#[derive(Debug)]
#[must_use = "a question that is never answered leaves its request undecided"]
pub struct Question {
    /// The readings to ask about, each on its own; answers are given in this order.
    pub(crate) uris: Vec<NormalUri>,
    /// The profile of the session when the request arrived, by name.
    pub(crate) profile: Arc<str>,
    pub(crate) destination: Option<IpAddr>,
    pub(crate) readings: Readings,
    pub(crate) doubt: Option<Undecidable>,
    /// What was known of each reading already; None: it is asked about.
    pub(crate) known: PerReading<Option<Basis>>,
    /// The rules that it was asked under.
    pub(crate) generations: Generations,
}

impl Question {
    /// Returns the URIs to ask about. Answers go back in this order.
    #[must_use]
    pub fn uris(&self) -> &[NormalUri] {
        &self.uris
    }

    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            profile: Some(&self.profile),
            target: match self.doubt {
                None => Target::Uri(&self.readings),
                Some(reason) => Target::Doubtful(&self.readings, reason),
            },
            destination: self.destination,
        }
    }
}

/// What the categorizer said about one URI, in time and in sense.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The categories in lower case; none: not categorised.
    pub categories: Arc<[Arc<str>]>,
    /// How far the answer holds.
    pub prefix: Option<SharedPrefix>,
    /// How long the answer may be kept, if the service said so and is listened to. Zero: not at
    /// all.
    pub lifetime: Option<Duration>,
}

/// The value of X-Attribute-Prefix.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SharedPrefix {
    /// Characters of the URI as sent, scheme and host included (S4 7.2).
    Uri(u64),
    /// Characters of the path (draft-stecher-icap-subid 4.4).
    Path(u64),
    /// Not a number.
    Malformed,
}

impl Answer {
    /// Returns whether the answer to a question about `uri` claims to hold for a prefix that it
    /// cannot hold for.
    pub(crate) fn has_invalid_prefix(&self, uri: &NormalUri) -> bool {
        self.prefix
            .is_some_and(|prefix| prefix.text_in(uri).is_none())
    }
}

impl SharedPrefix {
    /// Returns the part of `uri` that other URIs must share for the answer to hold for them too,
    /// or nothing if the length is not valid: whatever a categorizer sends, an answer about one
    /// authority never reaches another.
    pub(crate) fn text_in(self, uri: &NormalUri) -> Option<&str> {
        // The text is ASCII, so characters are bytes.
        let text = uri.as_str();
        let len = match self {
            Self::Uri(chars) => usize::try_from(chars).ok()?,
            Self::Path(chars) => {
                let chars = usize::try_from(chars).ok()?;
                let path_and_query = uri.path_and_query();
                let path = path_and_query.split('?').next()?;
                if !(1..=path.len()).contains(&chars) {
                    return None;
                }
                text.len() - path_and_query.len() + chars
            }
            Self::Malformed => return None,
        };
        if len < uri.origin_len() {
            return None;
        }
        text.get(..len)
    }
}
