use categories::Database;
use uri::NormalUri;

use crate::config::PrefixUnit;
use crate::metrics::Categorized;
use crate::subject::Subject;

/// What `/categorize` says about a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Known {
    /// The categories, separated by commas; empty: nothing is known.
    pub(crate) attribute: String,
    /// How many characters of the URI the answer holds for.
    pub(crate) prefix: Option<u64>,
}

/// Looks up what an encapsulated request asks for. A request without a valid URI is not an error
/// here: an ICAP client would make it one for the user.
pub(crate) fn categorize(
    database: &Database,
    unit: PrefixUnit,
    http_head: &[u8],
) -> (Known, Categorized) {
    let Ok(subject) = Subject::of(http_head) else {
        return (Known::default(), Categorized::Invalid);
    };
    let found = database.lookup(&subject.readings);
    if found.is_empty() {
        return (Known::default(), Categorized::Unknown);
    }
    let mut attribute = String::new();
    for category in found.categories() {
        if !attribute.is_empty() {
            attribute.push_str(", ");
        }
        attribute.push_str(category);
    }
    let shared = found.prefix_len().filter(|len| subject.shares(*len));
    let known = Known {
        attribute,
        prefix: shared.and_then(|len| counted(len, unit, subject.readings.normal())),
    };
    (known, Categorized::Found)
}

/// Counts the first `len` characters of a URI in the unit that ICAP clients were promised.
fn counted(len: usize, unit: PrefixUnit, uri: &NormalUri) -> Option<u64> {
    let counted = match unit {
        PrefixUnit::Uri => Some(len),
        // A path of no character is none (draft-stecher-icap-subid 4.4).
        PrefixUnit::Path => len
            .checked_sub(path_start(uri.as_str()))
            .filter(|counted| *counted > 0),
        PrefixUnit::Off => None,
    };
    u64::try_from(counted?).ok()
}

/// Returns where the path of a URI in normal form starts.
fn path_start(uri: &str) -> usize {
    let authority = uri.find("://").map_or(0, |at| at + 3);
    let path = uri.get(authority..).and_then(|rest| rest.find('/'));
    authority + path.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_counted_in_their_unit() {
        for (uri, len, in_path) in [
            ("http://games.example/", 21, Some(1)),
            ("http://games.example/football/", 30, Some(10)),
            ("https://games.example:8443/a", 27, Some(1)),
            ("http://games.example/a", 20, None),
            ("http://games.example/a", 18, None),
        ] {
            let uri = NormalUri::parse(uri.as_bytes()).unwrap();
            assert_eq!(counted(len, PrefixUnit::Uri, &uri), Some(len as u64));
            assert_eq!(counted(len, PrefixUnit::Path, &uri), in_path, "{uri:?}");
            assert_eq!(counted(len, PrefixUnit::Off, &uri), None);
        }
    }
}
