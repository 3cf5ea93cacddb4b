//! Why a request is not answered as asked.

use http::StatusCode;
use ipnet::IpNet;
use sessions::{DIGITS_MAX, PAGE_MAX, Unstored};

use super::outcome::Outcome;
use super::written::APN_LEN_MAX;
use super::{BODY_DEADLINE, BODY_LEN_MAX, STORE_DEADLINE};
use crate::Unchanged;

/// Characters of a request that an answer quotes at most.
pub(super) const QUOTE_LEN_MAX: usize = 60;

/// Why a request is refused. The text is for whoever sent it.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "ask by IP address or as localhost, and not from a page of another site; `weir sessions` \
         does"
    )]
    Elsewhere,
    #[error(
        "the token is missing; send `Authorization: Bearer TOKEN`, with a token that `sessions.admin` names"
    )]
    NoToken,
    #[error("the token is not known; send one that `sessions.admin` names")]
    WrongToken,
    #[error("the token is for reading; use one of `sessions.admin.token_file`")]
    ReadOnly,
    #[error("use {0}")]
    Method(&'static str),
    #[error("`{0}` is not {RANGE}")]
    NotARange(String),
    #[error("`{0}` has bits set behind its length; use `{1}`")]
    BitsBehind(IpNet, IpNet),
    #[error("`{0}` is everybody; use a longer prefix, or `default_profile` of the policy")]
    Everybody(IpNet),
    #[error("`{0}` is not a parameter here; use `from` and `count`, or `client`")]
    Parameter(String),
    #[error("the parameter `{0}` is here twice; keep one")]
    Twice(&'static str),
    #[error("a session has no parameters; leave away what is behind the `?`")]
    Parameters,
    #[error("`client` stands alone; leave `from` and `count` away")]
    NotAlone,
    #[error("`{0}` is not a count; use 1 to {PAGE_MAX}")]
    NotACount(String),
    #[error("`{0}` is not where a page begins; use `next` of the page before")]
    NotAPlace(String),
    #[error("`{0}` is not an address; use the form `192.0.2.7` or `2001:db8::7`")]
    NotAnAddress(String),
    #[error("the body is not JSON; send it as it is with `Content-Type: application/json`")]
    Media,
    #[error("the body is too long; send at most {BODY_LEN_MAX} bytes")]
    TooLong,
    #[error("the body did not come within {} s; send it again", BODY_DEADLINE.as_secs())]
    SlowBody,
    #[error("the body ended early; send it again")]
    BrokenBody,
    #[error("the body is no session: {0}; use an object such as `{{\"profile\": \"child\"}}`")]
    NotASession(String),
    #[error("`{found}` is not {key}; use 1 to {DIGITS_MAX} digits")]
    NotDigits { key: &'static str, found: String },
    #[error(
        "`{0}` is not an access point name; use letters, digits, `-` and `.`, at most {APN_LEN_MAX}"
    )]
    NotAnApn(String),
    #[error("{0}")]
    Profile(String),
    #[error("no live session has exactly the range `{0}`; `{path}?client=ADDRESS` finds who has an address", path = super::PATH)]
    Unknown(IpNet),
    #[error("{0}; delete some, or raise the limit")]
    Full(sessions::Refused),
    #[error("too much waits for the store of sessions or the policy server; try again")]
    Busy,
    #[error("{0}")]
    Late(Late),
}

/// What the store did not do in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Late {
    #[error(
        "the store of sessions did not answer within {} s; try again",
        STORE_DEADLINE.as_secs()
    )]
    Question,
    #[error(
        "the store of sessions did not answer in time, and may make the change or not; look at the \
         session, or try again"
    )]
    Change,
}

/// What is accepted as a range.
const RANGE: &str = "a range of addresses; use the form `192.0.2.7`, `192.0.2.0/24` or \
                     `2001:db8:7::/64`";

impl Refusal {
    /// Returns the status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::WrongToken => StatusCode::UNAUTHORIZED,
            Self::Elsewhere | Self::ReadOnly => StatusCode::FORBIDDEN,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotARange(_)
            | Self::BitsBehind(..)
            | Self::Everybody(_)
            | Self::Parameter(_)
            | Self::Twice(_)
            | Self::Parameters
            | Self::NotAlone
            | Self::NotACount(_)
            | Self::NotAPlace(_)
            | Self::NotAnAddress(_)
            | Self::BrokenBody
            | Self::NotASession(_)
            | Self::NotDigits { .. }
            | Self::NotAnApn(_)
            | Self::Profile(_) => StatusCode::BAD_REQUEST,
            Self::Unknown(_) => StatusCode::NOT_FOUND,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::Full(_) => StatusCode::CONFLICT,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Media => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Busy | Self::Late(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Returns what is counted.
    pub(super) fn outcome(&self) -> Outcome {
        match self.status() {
            StatusCode::UNAUTHORIZED => Outcome::Unauthorized,
            StatusCode::FORBIDDEN => Outcome::Forbidden,
            StatusCode::NOT_FOUND => Outcome::Unknown,
            StatusCode::CONFLICT => Outcome::Full,
            StatusCode::SERVICE_UNAVAILABLE => Outcome::Unavailable,
            _ => Outcome::Wrong,
        }
    }
}

impl From<Unchanged> for Refusal {
    fn from(unchanged: Unchanged) -> Self {
        match unchanged {
            Unchanged::Busy => Self::Busy,
            Unchanged::Unstored(Unstored::Refused(refused)) => Self::Full(refused),
            Unchanged::Unstored(Unstored::Unavailable(_)) => Self::Late(Late::Change),
        }
    }
}

/// Cuts text of a request for an answer, and makes control characters visible.
pub(super) fn quote(text: &str) -> String {
    cut(text, QUOTE_LEN_MAX)
}

/// Cuts text after so many characters, and makes control characters visible.
pub(super) fn cut(text: &str, len_max: usize) -> String {
    let mut quoted = String::new();
    for char in text.chars().take(len_max) {
        match char.is_control() {
            true => quoted.extend(char.escape_default()),
            false => quoted.push(char),
        }
    }
    if text.chars().nth(len_max).is_some() {
        quoted.push('…');
    }
    quoted
}
