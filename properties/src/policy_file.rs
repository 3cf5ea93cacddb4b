use std::net::IpAddr;

use policy::written::{FILE_LEN_MAX, REMARKS_MAX};
use policy::{Compiled, Diagnostic, FileKind, PolicySet, TestFile, compile};
use uri::{NormalUri, Readings};

/// The name of the file that is read.
const FILE: &str = "policy.yaml";

/// The text of a policy file or of policy tests: it is used, or each mistake has a place in it.
pub fn policy_file(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    assert!(text.len() <= FILE_LEN_MAX);
    let _ = FileKind::of(text);
    // Whatever file a list is in, its lines are those of this one.
    let read = |name: &str| match name {
        "none" => Err("no such file".to_owned()),
        _ => Ok(text.to_owned()),
    };
    match compile(FILE, text, &read) {
        Ok(Compiled { set, warnings, .. }) => {
            are_in(text, &warnings);
            can_be_used(&set, text);
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            are_in(text, &errors);
        }
    }
    if let Err(errors) = TestFile::parse(FILE, text) {
        assert!(!errors.is_empty(), "refused without a reason");
        are_in(text, &errors);
    }
}

fn are_in(text: &str, remarks: &[Diagnostic]) {
    // Errors, warnings, and a line for each that says how many there are beyond.
    assert!(remarks.len() <= 2 * (REMARKS_MAX + 1));
    let ends_unified = text.replace("\r\n", "\n").replace('\r', "\n");
    for remark in remarks {
        let line = remark.to_string();
        assert!(!line.contains(char::is_control), "{line}");
        let Some(place) = remark.place else {
            continue;
        };
        // A CR ends a line of YAML, and is white space in a file of entries.
        let text = match remark.file.as_str() {
            FILE => &ends_unified,
            _ => text,
        };
        let at = usize::try_from(place.line).unwrap().checked_sub(1);
        let line = at.and_then(|at| text.split('\n').nth(at));
        let column = usize::try_from(place.column).unwrap();
        assert!(
            line.is_some_and(|line| (1..=line.chars().count() + 1).contains(&column)),
            "not a place of the file: {remark}"
        );
    }
}

fn can_be_used(set: &PolicySet, text: &str) {
    let uris = text.split_whitespace().take(32);
    let uris: Vec<Readings> = uris
        .filter_map(|word| Readings::parse_typed(word.as_bytes()).ok())
        .collect();
    for profile in set.profiles() {
        assert_eq!(set.profile(&profile.name).unwrap().name, profile.name);
        if let Some(id) = profile.id {
            assert_eq!(set.profile_by_id(id).unwrap().name, profile.name);
        }
        for uri in uris.iter().flat_map(Readings::iter) {
            let Some(hit) = profile.lists.find(uri, policy::Active::NONE) else {
                continue;
            };
            let shared = hit.prefix_len.map(|len| &uri.as_str()[..len]);
            assert!(shared.is_none_or(|shared| shared.len() >= uri.origin_len()));
            is_whole(uri, &hit.rule);
        }
    }
    for word in text.split_whitespace() {
        if let Ok(address) = word.parse::<IpAddr>() {
            let _ = set.bypasses(address);
        }
    }
}

/// An entry that decides a URI is its beginning, or its host or one above.
fn is_whole(uri: &NormalUri, rule: &str) {
    let above = uri.host().strip_suffix(rule);
    let is_above = above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    assert!(
        uri.as_str().starts_with(rule) || is_above,
        "{rule} for {uri}"
    );
}
