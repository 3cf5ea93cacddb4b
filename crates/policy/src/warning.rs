use crate::suggest::nearest;
use crate::written::or;

/// What may be said of a file that can be used all the same. Each kind has a name, by which its
/// author can silence it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Warning {
    /// A prefix ends inside a host name.
    PrefixInHost,
    /// A prefix ends inside a port.
    PrefixInPort,
    /// An entry that no request can match.
    NeverMatches,
    /// An `http` entry without its `https` twin.
    HttpWithoutHttps,
    /// An `http` entry that leaves port 8080 open.
    HttpWithoutPort,
    /// An entry or a list is there twice.
    ListedTwice,
    /// Another entry has the same effect without this one.
    ShadowedEntry,
    /// A list that no profile names.
    UnusedList,
    /// A policy that no profile names.
    UnusedPolicy,
    /// A profile that nothing selects.
    UnselectedProfile,
    /// A policy server that can select no profile.
    NothingToSelectBy,
    /// A destination that is redirected itself.
    RedirectLoops,
    /// A destination that no pass list covers.
    RedirectNotPassed,
    /// A destination that is cut for requests as they are usual.
    RedirectTooLong,
    /// A destination sends subscriber identities without encryption.
    SubscriberInClear,
    /// A category that the categorizer never answers.
    UnknownCategory,
    /// A line of a category list that is left out.
    BadCategoryLine,
}

impl Warning {
    /// Every kind, in the order of the documents.
    pub const ALL: [Self; 17] = [
        Self::PrefixInHost,
        Self::PrefixInPort,
        Self::NeverMatches,
        Self::HttpWithoutHttps,
        Self::HttpWithoutPort,
        Self::ListedTwice,
        Self::ShadowedEntry,
        Self::UnusedList,
        Self::UnusedPolicy,
        Self::UnselectedProfile,
        Self::NothingToSelectBy,
        Self::RedirectLoops,
        Self::RedirectNotPassed,
        Self::RedirectTooLong,
        Self::SubscriberInClear,
        Self::UnknownCategory,
        Self::BadCategoryLine,
    ];

    /// Returns the name, as it is shown and silenced.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrefixInHost => "prefix_in_host",
            Self::PrefixInPort => "prefix_in_port",
            Self::NeverMatches => "never_matches",
            Self::HttpWithoutHttps => "http_without_https",
            Self::HttpWithoutPort => "http_without_port",
            Self::ListedTwice => "listed_twice",
            Self::ShadowedEntry => "shadowed_entry",
            Self::UnusedList => "unused_list",
            Self::UnusedPolicy => "unused_policy",
            Self::UnselectedProfile => "unselected_profile",
            Self::NothingToSelectBy => "nothing_to_select_by",
            Self::RedirectLoops => "redirect_loops",
            Self::RedirectNotPassed => "redirect_not_passed",
            Self::RedirectTooLong => "redirect_too_long",
            Self::SubscriberInClear => "subscriber_in_clear",
            Self::UnknownCategory => "unknown_category",
            Self::BadCategoryLine => "bad_category_line",
        }
    }

    /// Returns the kind of this name.
    ///
    /// # Errors
    ///
    /// Fails with the names there are, or the one that was probably meant.
    pub fn of_name(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str);
            match nearest(name, names) {
                Some(near) => format!("no warning is called `{name}`; did you mean `{near}`?"),
                None => format!("no warning is called `{name}`; use {}", or(&names)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for warning in Warning::ALL {
            assert_eq!(Warning::of_name(warning.as_str()), Ok(warning));
        }
        assert_eq!(
            Warning::of_name("unused_lists"),
            Err("no warning is called `unused_lists`; did you mean `unused_list`?".to_owned())
        );
        assert!(Warning::of_name("x").unwrap_err().contains("`unused_list`"));
    }
}
