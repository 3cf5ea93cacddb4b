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
