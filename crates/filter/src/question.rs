use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use policy::{Active, RedirectTemplate};
use uri::{NormalUri, Readings};

use crate::decide::Generations;
use crate::per_reading::PerReading;
use crate::verdict::Basis;
use crate::{Decision, Undecidable};

/// One request to judge.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The profile of the session, by name. None: the session has none.
    pub profile: Option<&'a str>,
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
    /// The schedules that were active then.
    pub(crate) active: Active,
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
    /// What the categorizer itself wants done, where it is listened to. It stands beside the
    /// actions of the categories; the most restrictive applies.
    pub verdict: Option<AnswerVerdict>,
    /// How far the answer holds. One with a verdict holds for its own URI alone, whatever this
    /// says: a prefix is about categories.
    pub prefix: Option<SharedPrefix>,
    /// How long the answer may be kept, if the service said so and is listened to. Zero: not at
    /// all.
    pub lifetime: Option<Duration>,
}

/// What a categorizer wants done with a request: the HTTP response inside its answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AnswerVerdict {
    /// Not to be let through: a page or an error of this HTTP status.
    Block(u16),
    /// The client is to be sent elsewhere.
    Redirect {
        /// The HTTP status.
        status: u16,
        /// Where to.
        location: Arc<RedirectTemplate>,
    },
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

impl AnswerVerdict {
    /// Reads an HTTP response that is sent in place of the origin's: a redirect if it is one with
    /// an absolute http or https URI that is not too long, else a block.
    #[must_use]
    pub fn of_response(status: u16, location: Option<&str>) -> Self {
        let location = location
            .filter(|_| (300..400).contains(&status))
            .and_then(|text| RedirectTemplate::literal(text).ok());
        match location {
            Some(location) => Self::Redirect {
                status,
                location: Arc::new(location),
            },
            None => Self::Block(status),
        }
    }

    /// Returns the words for the log: what the categorizer answered with.
    #[must_use]
    pub fn rule(&self) -> String {
        let (Self::Block(status) | Self::Redirect { status, .. }) = self;
        format!("http_response {status}")
    }
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
