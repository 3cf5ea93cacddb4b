//! What a filter did with something that was sent.

use std::fmt;
use std::str::FromStr;

/// What becomes of one request or Client Hello, in the words of the access log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It goes on to the origin.
    Passed,
    /// A list, or an action of the profile, blocks it.
    Blocked,
    /// It cannot be judged, for this reason, and is blocked for that.
    Undecidable(String),
    /// It is refused whatever the profile, for this reason.
    Refused(String),
}

impl Outcome {
    /// Returns what becomes of a whole connection: the first thing that was not passed.
    pub fn of_all(outcomes: &[Self]) -> Option<Self> {
        let stopped = outcomes.iter().find(|outcome| **outcome != Self::Passed);
        stopped.or_else(|| outcomes.first()).cloned()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Blocked => f.write_str("blocked"),
            Self::Undecidable(reason) => write!(f, "undecidable {reason}"),
            Self::Refused(reason) => write!(f, "refused {reason}"),
        }
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(' ') {
            None if text == "passed" => Ok(Self::Passed),
            None if text == "blocked" => Ok(Self::Blocked),
            Some(("undecidable", reason)) => Ok(Self::Undecidable(reason.to_owned())),
            Some(("refused", reason)) => Ok(Self::Refused(reason.to_owned())),
            Some(_) | None => Err(format!(
                "`{text}` is no verdict; use `passed`, `blocked`, `undecidable REASON` or \
                 `refused REASON`"
            )),
        }
    }
}
