//! The entries of lists, from the policy file or from files of their own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use uri::Entry;

use crate::Place;
use crate::file::ListWritten;
use crate::remarks::Site;
use crate::written::{Named, Placed, Remarks, Written};

/// Bytes of one list file: some two million entries.
pub const LIST_LEN_MAX: usize = 64 * 1024 * 1024;

/// One entry, with what errors about it need.
#[derive(Debug)]
pub(crate) struct ReadEntry {
    pub(crate) entry: Entry,
    /// The entry in normal form.
    pub(crate) rule: Arc<str>,
    pub(crate) site: Site,
}

type ListFiles<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// Reads all lists, by name.
pub(crate) fn read_all<'a>(
    lists: &'a Named<Placed<ListWritten>>,
    read: ListFiles<'_>,
    remarks: &mut Remarks,
) -> BTreeMap<&'a str, Vec<ReadEntry>> {
    let mut all = BTreeMap::new();
    for (name, list) in &lists.0 {
        let entries = match &list.value {
            ListWritten::Inline(entries) => inline(entries, remarks),
            ListWritten::File(path) => from_file(path, read, remarks),
            ListWritten::Neither(kind) => {
                let text = format!(
                    "`{}` is {kind}; use a list of entries or `{{file: lists/name.txt}}`",
                    name.text
                );
                remarks.error(list.place, text);
                Vec::new()
            }
        };
        all.insert(name.text.as_str(), entries);
    }
    all
}

fn inline(entries: &[Written], remarks: &mut Remarks) -> Vec<ReadEntry> {
    entries
        .iter()
        .filter_map(|text| {
            let site = remarks.site(text.place);
            parse(&text.text, site, remarks)
        })
        .collect()
}

fn from_file(path: &Written, read: ListFiles<'_>, remarks: &mut Remarks) -> Vec<ReadEntry> {
    let text = match read(&path.text) {
        Ok(text) => text,
        Err(cause) => {
            let text = format!("list file `{}`: {cause}", path.text);
            remarks.error(path.place, text);
            return Vec::new();
        }
    };
    if text.len() > LIST_LEN_MAX {
        let text = format!(
            "list file `{}`: {} bytes are too many; use at most {LIST_LEN_MAX}",
            path.text,
            text.len()
        );
        remarks.error(path.place, text);
        return Vec::new();
    }
    let file: Arc<str> = beside(&remarks.site(path.place).file, &path.text).into();
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    (1..)
        .zip(text.lines())
        .filter_map(|(line, text)| {
            let (column, entry) = entry_of(text)?;
            let site = Site {
                file: file.clone(),
                place: Place { line, column },
            };
            parse(entry, site, remarks)
        })
        .collect()
}

/// Returns the entry on a line of a list file, and its column; nothing for an empty line or a
/// comment. A `#` inside an entry starts a comment only after white space.
fn entry_of(line: &str) -> Option<(u64, &str)> {
    let entry = line.trim_start();
    let indent = line.chars().count() - entry.chars().count();
    let mut before = ' ';
    let end = entry.char_indices().find_map(|(index, c)| {
        let comment = c == '#' && before.is_whitespace();
        before = c;
        comment.then_some(index)
    });
    let entry = end.map_or(entry, |end| entry.get(..end).unwrap_or(entry));
    let entry = entry.trim_end();
    let column = u64::try_from(indent).ok()? + 1;
    (!entry.is_empty()).then_some((column, entry))
}

fn parse(text: &str, site: Site, remarks: &mut Remarks) -> Option<ReadEntry> {
    match Entry::parse(text) {
        Ok(entry) => Some(ReadEntry {
            rule: entry.as_str().into(),
            entry,
            site,
        }),
        Err(bad) => {
            remarks.error_at(&site, format!("{bad}: {}", bad.source));
            None
        }
    }
}

/// Returns `path` as seen from where `file` was named.
fn beside(file: &str, path: &str) -> String {
    let path = Path::new(file).with_file_name(path);
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_lines() {
        for (line, expected) in [
            ("", None),
            ("   ", None),
            ("# a", None),
            ("  # a", None),
            ("a.example", Some((1, "a.example"))),
            ("\u{e9} a.example # b", Some((1, "\u{e9} a.example"))),
            ("  a.example\t# b", Some((3, "a.example"))),
            ("http://a.example/#b", Some((1, "http://a.example/#b"))),
            ("a.example\r", Some((1, "a.example"))),
        ] {
            assert_eq!(entry_of(line), expected, "{line:?}");
        }
    }

    #[test]
    fn list_files_are_shown_beside_the_policy_file() {
        for (file, path, expected) in [
            (
                "policies/family.yaml",
                "lists/a.txt",
                "policies/lists/a.txt",
            ),
            ("family.yaml", "a.txt", "a.txt"),
            ("policies/family.yaml", "/lists/a.txt", "/lists/a.txt"),
        ] {
            assert_eq!(beside(file, path), expected);
        }
    }
}
