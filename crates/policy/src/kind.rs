use serde::de::IgnoredAny;

use crate::written::{self, Named};

/// What a YAML file is for, told by its keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileKind {
    /// The operator's file: `proxy`, `icap_server`, `sessions`.
    Config,
    /// The policy author's file: `profiles`, `policies`, `lists` and so on.
    Policy,
    /// Policy tests: `cases` or `tables`.
    Test,
}

const POLICY_KEYS: [&str; 7] = [
    "profiles",
    "policies",
    "schedules",
    "lists",
    "bypass",
    "default_profile",
    "allow_warnings",
];

impl FileKind {
    /// Tells what `text` is for. Works for files with mistakes too, so that the reader of the
    /// right kind can report them; nothing if no key is known.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let keys = keys(text);
        let has = |names: &[&str]| keys.iter().any(|key| names.contains(&key.as_str()));
        if has(&["cases", "tables"]) {
            Some(Self::Test)
        } else if has(&["proxy", "icap_server", "sessions"]) {
            Some(Self::Config)
        } else if has(&POLICY_KEYS) {
            Some(Self::Policy)
        } else if has(&["profile"]) {
            Some(Self::Test)
        } else if has(&["policy"]) {
            Some(Self::Config)
        } else {
            None
        }
    }
}

/// Returns the keys of the outermost map.
fn keys(text: &str) -> Vec<String> {
    match written::read::<Named<IgnoredAny>>("", text) {
        Ok(map) => map.0.into_iter().map(|(key, _)| key.text).collect(),
        // Not YAML. What starts a line and ends in a colon is still a key to people.
        Err(_) => text
            .lines()
            .filter(|line| !line.starts_with([' ', '#', '-']))
            .filter_map(|line| line.split_once(':'))
            .map(|(key, _)| key.trim_matches(['"', '\'', ' ']).to_owned())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        check("profiles: {}", Some(FileKind::Policy));
        check("{profiles: {}}", Some(FileKind::Policy));
        check("lists: {a: [b]}", Some(FileKind::Policy));
        check(
            "policy: a.yaml\nprofile: b\ncases: []",
            Some(FileKind::Test),
        );
        check("policy: a.yaml\nprofile: b", Some(FileKind::Test));
        check("policy: a.yaml\nproxy: {}", Some(FileKind::Config));
        check("icap_server: {}", Some(FileKind::Config));
        check("policy: a.yaml", Some(FileKind::Config));
        check("", None);
        check("hello", None);
        check("other: 1", None);
    }

    #[test]
    fn a_file_with_mistakes_still_has_a_kind() {
        check("# cases: no\nprofiles:\n  a: [", Some(FileKind::Policy));
        check("profiles: {}\nprofiles: {}", Some(FileKind::Policy));
        check("'cases':\n- a: b: c", Some(FileKind::Test));
        check("proxy: \"", Some(FileKind::Config));
    }

    #[track_caller]
    fn check(text: &str, expected: Option<FileKind>) {
        assert_eq!(FileKind::of(text), expected, "{text}");
    }
}
