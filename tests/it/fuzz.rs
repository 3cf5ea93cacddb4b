//! The bodies of the fuzz targets, with the committed corpus and with the fixtures.

use std::fs;
use std::path::Path;

use tests::evasion::attempt::Way;
use tests::evasion::case::Corpus;

use crate::architecture::root;

/// Bytes of the corpus of one target: a clone of the project stays small.
const CORPUS_LEN_MAX: usize = 128 * 1024;

#[test]
fn every_property_is_a_target_and_has_a_corpus() {
    let named: Vec<&str> = properties::ALL.iter().map(|(name, _)| *name).collect();
    let files = |folder: &str| {
        let names = paths(&root().join(folder)).into_iter();
        let names = names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
        names.collect::<Vec<String>>()
    };
    assert_eq!(files("fuzz/targets"), named);
    assert_eq!(files("fuzz/corpus"), named);
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    for name in named {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let len: usize = corpus(name).iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(len <= CORPUS_LEN_MAX, "{name} has {len} bytes");
    }
}

#[test]
fn properties_hold_for_the_corpus() {
    for (name, property) in properties::ALL {
        for (path, bytes) in corpus(name) {
            holds(&format!("{name}: {path}"), property, &bytes);
        }
    }
}

/// What was written for one format is bytes to all others.
#[test]
fn properties_hold_for_the_corpus_of_others() {
    for (name, property) in properties::ALL {
        for (other, _) in properties::ALL {
            for (path, bytes) in corpus(other) {
                holds(&format!("{name}: {path}"), property, &bytes);
            }
        }
    }
}

#[test]
fn properties_hold_for_recorded_icap() {
    for path in paths(&root().join("fixtures/icap")) {
        let bytes = fs::read(&path).unwrap();
        let name = path.display().to_string();
        holds(&name, properties::icap_message, &bytes);
        for (at, _) in bytes
            .windows(4)
            .enumerate()
            .filter(|it| it.1 == b"\r\n\r\n")
        {
            let rest = &bytes[at + 4..];
            holds(&name, properties::http_head, rest);
            holds(&name, properties::http_chunks, rest);
        }
    }
}

#[test]
fn properties_hold_for_published_uris() {
    let rows = root().join("fixtures/safe-browsing-canonicalization.tsv");
    let rows = fs::read_to_string(rows).unwrap();
    for uri in rows.lines().flat_map(|row| row.split('\t')) {
        holds(uri, properties::normal_form, uri.as_bytes());
        holds(uri, properties::redirect_template, uri.as_bytes());
    }
}

#[test]
fn properties_hold_for_evasions() {
    for attempt in Corpus::read().attempts() {
        let property = match attempt.way {
            Way::Tls => properties::client_hello,
            Way::Http | Way::Explicit => properties::http_head,
            Way::Alone => properties::normal_form,
        };
        holds(&attempt.case, property, &attempt.sending.bytes());
    }
}

fn holds(name: &str, property: properties::Property, bytes: &[u8]) {
    let held = std::panic::catch_unwind(|| property(bytes));
    assert!(held.is_ok(), "broken by {name}: {}", bytes.escape_ascii());
}

/// Returns the names and bytes of the corpus of a target.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let files = paths(&root().join("fuzz/corpus").join(target)).into_iter();
    let files = files.map(|path| {
        let bytes = fs::read(&path).unwrap();
        (path.display().to_string(), bytes)
    });
    files.collect()
}

fn paths(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
