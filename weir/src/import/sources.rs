//! The file that says which lists are which category and of which format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use categories::ListKind;
use policy::Diagnostic;
use policy::written::{Placed, Remarks, Written};
use serde::Deserialize;
use uri::{NormalUri, Readings};

use crate::files::{Files, beside};
use crate::load;

/// `sources`: entries at most.
pub const SOURCES_MAX: usize = 10_000;

/// `canaries`: entries at most.
pub const CANARIES_MAX: usize = 10_000;

/// The words for formats.
const FORMATS: [(&str, Format); 8] = [
    ("squidguard", Format::Squidguard),
    ("domains", Format::Lists(ListKind::Domains)),
    ("hostnames", Format::Lists(ListKind::Hostnames)),
    ("hosts", Format::Lists(ListKind::Hosts)),
    ("adblock", Format::Lists(ListKind::Adblock)),
    ("urls", Format::Lists(ListKind::Urls)),
    ("url_csv", Format::Lists(ListKind::UrlTable)),
    ("expressions", Format::Lists(ListKind::Expressions)),
];

/// Everything that a database is made of.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Where lists are.
    pub list: Vec<Source>,
    /// Second names of categories.
    pub aliases: BTreeMap<String, String>,
    /// What a good database answers.
    pub canaries: Vec<Canary>,
}

/// A file, an archive or a folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub format: Format,
    /// The category of its rules, where its files are not called like theirs.
    pub category: Option<String>,
}

/// What is in a source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// A folder for each category, with lists called `domains`, `urls` and `expressions`.
    Squidguard,
    /// A list, or files that are one list each.
    Lists(ListKind),
}

/// A URI whose categories are known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Canary {
    /// The URI.
    pub uri: NormalUri,
    /// Categories that it must have; none: it must have no category.
    pub categories: Vec<String>,
}

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    sources: Placed<Vec<Entry>>,
    #[serde(default)]
    aliases: BTreeMap<Written, Written>,
    canaries: Option<Placed<Vec<WrittenCanary>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: Written,
    format: Written,
    category: Option<Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCanary {
    uri: Written,
    #[serde(default)]
    categories: Vec<Written>,
}

impl Sources {
    /// Returns a folder or an archive in squidGuard's layout as the only source.
    #[must_use]
    pub fn squidguard(path: &Path) -> Self {
        let source = Source {
            path: path.to_owned(),
            format: Format::Squidguard,
            category: None,
        };
        Self {
            list: vec![source],
            ..Self::default()
        }
    }

    /// Reads a file of sources if the path ends as one does; else the path is the only source.
    ///
    /// # Errors
    ///
    /// Fails with everything that is wrong with the file.
    pub fn of(path: &Path) -> Result<Self, Vec<Diagnostic>> {
        let is_file = path
            .extension()
            .is_some_and(|ending| ending == "yaml" || ending == "yml");
        if !is_file {
            return Ok(Self::squidguard(path));
        }
        let text = load::text(Files::Disk, path).map_err(|remark| vec![remark])?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let name = path.display().to_string();
        let file: File = policy::written::read(&name, text).map_err(|remark| vec![remark])?;
        let mut remarks = Remarks::new(&name);
        remarks.counted(&file.sources, SOURCES_MAX, "sources");
        let list = file.sources.value.iter().take(SOURCES_MAX);
        let list = list
            .filter_map(|entry| entry.check(path, &mut remarks))
            .collect();
        let canaries = file.canaries.map(|canaries| {
            remarks.counted(&canaries, CANARIES_MAX, "canaries");
            let list = canaries.value.iter().take(CANARIES_MAX);
            list.filter_map(|canary| canary.check(&mut remarks))
                .collect()
        });
        let aliases = file.aliases.into_iter();
        let sources = Self {
            list,
            aliases: aliases
                .map(|(alias, category)| (alias.text, category.text))
                .collect(),
            canaries: canaries.unwrap_or_default(),
        };
        match remarks.usable() {
            true => Ok(sources),
            false => Err(remarks.into_list()),
        }
    }
}

impl Entry {
    fn check(&self, path: &Path, remarks: &mut Remarks) -> Option<Source> {
        let format = self.format.word(&FORMATS, remarks)?;
        if let (Format::Squidguard, Some(category)) = (format, &self.category) {
            let text = "the folders of squidGuard's layout name the categories; leave this out";
            remarks.error(category.place, text);
        }
        Some(Source {
            path: beside(path, &self.path.text),
            format,
            category: self.category.as_ref().map(|it| it.text.clone()),
        })
    }
}

impl WrittenCanary {
    fn check(&self, remarks: &mut Remarks) -> Option<Canary> {
        match Readings::parse_typed(self.uri.text.as_bytes()) {
            Ok(readings) => Some(Canary {
                uri: readings.normal().clone(),
                categories: self
                    .categories
                    .iter()
                    .map(|it| it.text.to_lowercase())
                    .collect(),
            }),
            Err(error) => {
                remarks.error(self.uri.place, error.to_string());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn paths_are_beside_the_file() {
        let text = "sources: [{path: ut1, format: squidguard}, {path: /a/hosts.gz, format: hosts, category: ads}]\n\
                    aliases: {porn: adult}\ncanaries: [{uri: Casino.example, categories: [Gambling]}, {uri: gov.example}]";
        let sources = Sources::parse(Path::new("lists/sources.yaml"), text).unwrap();
        let paths: Vec<_> = sources
            .list
            .iter()
            .map(|it| it.path.display().to_string())
            .collect();
        assert_eq!(paths, ["lists/ut1", "/a/hosts.gz"]);
        let formats: Vec<_> = sources.list.iter().map(|it| it.format).collect();
        assert_eq!(
            formats,
            [Format::Squidguard, Format::Lists(ListKind::Hosts)]
        );
        assert_eq!(
            sources.aliases.get("porn").map(String::as_str),
            Some("adult")
        );
        let canaries: Vec<_> = sources
            .canaries
            .iter()
            .map(|it| (it.uri.as_str(), it.categories.join(",")))
            .collect();
        let expected = [
            ("http://casino.example/", "gambling"),
            ("http://gov.example/", ""),
        ];
        assert_eq!(
            canaries,
            expected.map(|(uri, names)| (uri, names.to_owned()))
        );
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let text = "sources: [{path: ut1, format: squidGuard}, {path: b, format: squidguard, category: ads}]\n\
                    canaries: [{uri: 'http://a b/'}]";
        let remarks = Sources::parse(Path::new("s.yaml"), text).unwrap_err();
        let lines: String = remarks.iter().map(|it| format!("{it}\n")).collect();
        expect![[r#"
            s.yaml:1:31: error: `squidGuard` is not known here; did you mean `squidguard`?
            s.yaml:1:84: error: the folders of squidGuard's layout name the categories; leave this out
            s.yaml:2:18: error: `a b` is not a host name or an IP address
        "#]]
        .assert_eq(&lines);
        let none = Sources::parse(Path::new("s.yaml"), "sources: []").unwrap_err();
        assert_eq!(
            none[0].to_string(),
            "s.yaml:1:10: error: 0 sources are here; use 1 to 10000"
        );
    }
}
