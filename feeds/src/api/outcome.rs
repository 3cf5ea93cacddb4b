//! What became of a request, as it is counted.

/// What became of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// Answered with what is.
    Read,
    /// A session was opened.
    Opened,
    /// A session was changed.
    Changed,
    /// A session was closed.
    Closed,
    /// There is no such session.
    Unknown,
    /// The request is wrong.
    Wrong,
    /// Without a token, or with one that is not known.
    Unauthorized,
    /// With a token that is for reading, or from elsewhere.
    Forbidden,
    /// There is no room.
    Full,
    /// The store cannot be asked.
    Unavailable,
}

impl Outcome {
    /// Returns the word of metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Opened => "opened",
            Self::Changed => "changed",
            Self::Closed => "closed",
            Self::Unknown => "unknown",
            Self::Wrong => "wrong",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Full => "full",
            Self::Unavailable => "unavailable",
        }
    }
}
