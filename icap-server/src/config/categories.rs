//! Where the categories of an ICAP server come from.

use std::path::PathBuf;
use std::time::Duration;

use policy::Place;

/// Where categories come from, and when it is looked for new ones.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Categories {
    /// A folder of lists, or a built file.
    pub path: PathBuf,
    /// Where the configuration file names it.
    pub place: Place,
    /// How often it is looked whether the path, or the overrides, changed. None: never.
    pub check_every: Option<Duration>,
    /// Where a new file is fetched from, to be put at the path. None: nowhere.
    pub pull: Option<Pull>,
}

impl Categories {
    /// Returns whether others come from the same place in the same way, wherever the configuration
    /// file says so.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        let Self {
            path,
            place: _,
            check_every,
            pull,
        } = self;
        (path, check_every, pull) == (&other.path, &other.check_every, &other.pull)
    }
}

/// Where a built file is fetched from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pull {
    /// `https:`, or with a key also `http:`.
    pub url: String,
    /// How often.
    pub every: Duration,
    /// How long a request may take, its answer included.
    pub deadline: Duration,
    /// Bytes of a file at most.
    pub len_max: u64,
    /// Whose signature the file must have, as minisign prints the key. None: anybody's.
    pub minisign_key: Option<String>,
    /// Certificates of those who sign for the URL's host, in PEM. None: the system's.
    pub ca_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_in_the_configuration_says_nothing_of_the_source() {
        let at = |line, path: &str| Categories {
            path: path.into(),
            place: Place { line, column: 1 },
            check_every: None,
            pull: None,
        };
        assert!(at(1, "c.db").is_as(&at(2, "c.db")));
        assert!(!at(1, "c.db").is_as(&at(1, "d.db")));
    }
}
