use categories::Database;

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
pub(crate) fn categorize(database: &Database, http_head: &[u8]) -> (Known, Categorized) {
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
        prefix: shared.and_then(|len| u64::try_from(len).ok()),
    };
    (known, Categorized::Found)
}
