//! Folders and archives: in squidGuard's layout, or with one list a file.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use categories::ListKind;

use super::input::{Input, Whole, decompressed, open};
use super::{Feed, Format, ImportError, List, MEMBERS_MAX, Source};

/// The files of a category, by name. What else lies in a folder is left alone.
const KINDS: [(&str, ListKind); 3] = [
    ("domains", ListKind::Domains),
    ("urls", ListKind::Urls),
    ("expressions", ListKind::Expressions),
];

/// The file that says what a category is published for.
const USAGE: &str = "usage";

/// Bytes of it that are read.
const USAGE_LEN_MAX: u64 = 4096;

/// Endings of compressed files.
const COMPRESSED: [&str; 3] = [".gz", ".xz", ".zst"];

/// What a file in a folder of squidGuard's layout is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Member {
    List(ListKind),
    Usage,
}

impl Feed<'_> {
    pub(super) fn folder(&mut self, source: &Source) -> Result<(), ImportError> {
        let root = source.path.as_path();
        for name in names(root)? {
            let path = root.join(&name);
            match source.format {
                Format::Lists(kind) if path.is_file() => {
                    self.one_list(source, kind, &path)?;
                }
                // Lists are published with second names for categories as symbolic links.
                Format::Squidguard => match alias_of(root, &path) {
                    Some(category) => {
                        self.aliases.insert(name, category);
                    }
                    None if path.is_dir() => self.category(&name, &path)?,
                    None => {}
                },
                Format::Lists(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn file(&mut self, source: &Source) -> Result<(), ImportError> {
        let path = source.path.as_path();
        let read = |cause| ImportError::Read(path.to_owned(), cause);
        match (open(path).map_err(read)?, source.format) {
            (Input::Tar(reader), _) => self.archive(source, reader),
            (Input::Plain(mut reader), Format::Lists(kind)) => {
                let list = List {
                    name: path.display().to_string(),
                    category: source
                        .category
                        .clone()
                        .ok_or_else(|| ImportError::NoCategory(path.to_owned()))?,
                    kind,
                };
                self.list(list, &mut reader, path)
            }
            (Input::Plain(_), Format::Squidguard) => Err(ImportError::NoLayout(path.to_owned())),
        }
    }

    /// Reads the folder of one category.
    fn category(&mut self, category: &str, folder: &Path) -> Result<(), ImportError> {
        for name in names(folder)? {
            let path = folder.join(&name);
            let Some(member) = member(&name).filter(|_| path.is_file()) else {
                continue;
            };
            let read = |cause| ImportError::Read(path.clone(), cause);
            let file = fs::File::open(&path).map_err(read)?;
            let mut input = decompressed(BufReader::new(file)).map_err(read)?;
            self.member(member, category, &path, &mut input)?;
        }
        Ok(())
    }

    /// Reads a file that is one list, which is called like its category unless the source says so.
    fn one_list(
        &mut self,
        source: &Source,
        kind: ListKind,
        path: &Path,
    ) -> Result<(), ImportError> {
        let file =
            fs::File::open(path).map_err(|cause| ImportError::Read(path.to_owned(), cause))?;
        let input = decompressed(BufReader::new(file));
        let mut input = input.map_err(|cause| ImportError::Read(path.to_owned(), cause))?;
        let list = List {
            name: path.display().to_string(),
            category: source.category.clone().unwrap_or_else(|| stem(path)),
            kind,
        };
        self.list(list, &mut input, path)
    }

    fn archive(&mut self, source: &Source, reader: Box<dyn Read>) -> Result<(), ImportError> {
        let root = source.path.as_path();
        let failed = |cause| ImportError::Read(root.to_owned(), cause);
        let mut archive = tar::Archive::new(Whole::new(reader));
        for (count, entry) in archive.entries().map_err(failed)?.enumerate() {
            if count == MEMBERS_MAX {
                return Err(ImportError::TooMany(root.to_owned()));
            }
            let mut entry = entry.map_err(failed)?;
            let inside = entry.path().map_err(failed)?.into_owned();
            let kind = entry.header().entry_type();
            if kind.is_symlink() {
                let target = entry.link_name().map_err(failed)?;
                let target = target.as_deref().and_then(last_name);
                if let (Some(alias), Some(category)) = (last_name(&inside), target)
                    && member(&alias).is_none()
                {
                    self.aliases.insert(alias, category);
                }
            } else if kind.is_file() {
                self.archived(source, &inside, &mut entry)?;
            }
        }
        archive.into_inner().end().map_err(failed)
    }

    fn archived(
        &mut self,
        source: &Source,
        inside: &Path,
        entry: &mut dyn Read,
    ) -> Result<(), ImportError> {
        let path = source.path.join(inside);
        match source.format {
            Format::Lists(kind) => {
                let list = List {
                    name: path.display().to_string(),
                    category: source.category.clone().unwrap_or_else(|| stem(inside)),
                    kind,
                };
                self.list(list, entry, &path)
            }
            Format::Squidguard => {
                let category = inside.parent().and_then(last_name);
                let found = last_name(inside).as_deref().and_then(member);
                match (found, category) {
                    (Some(member), Some(category)) => self.member(member, &category, &path, entry),
                    (Some(_), None) | (None, _) => Ok(()),
                }
            }
        }
    }

    fn member(
        &mut self,
        member: Member,
        category: &str,
        path: &Path,
        input: &mut dyn Read,
    ) -> Result<(), ImportError> {
        match member {
            Member::List(kind) => {
                let list = List {
                    name: path.display().to_string(),
                    category: category.to_owned(),
                    kind,
                };
                self.list(list, input, path)
            }
            Member::Usage => {
                let mut text = String::new();
                // What is no text says nothing.
                let _ = input.take(USAGE_LEN_MAX).read_to_string(&mut text);
                let mut words = text.split_whitespace();
                if words.any(|word| word == "white")
                    && !text.split_whitespace().any(|it| it == "black")
                {
                    self.white.push(category.to_owned());
                }
                Ok(())
            }
        }
    }
}

/// Tells what a file of a category is. Lists that are too long for their publisher are cut, and
/// the parts numbered: `domains.0`, `domains.1`.
fn member(name: &str) -> Option<Member> {
    if name == USAGE {
        return Some(Member::Usage);
    }
    let name = without_compression(name);
    let kind = KINDS.iter().find(|(kind, _)| {
        name.strip_prefix(kind).is_some_and(|rest| {
            let part = rest.strip_prefix('.').filter(|part| !part.is_empty());
            rest.is_empty() || part.is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit()))
        })
    });
    kind.map(|(_, kind)| Member::List(*kind))
}

fn without_compression(name: &str) -> &str {
    let mut endings = COMPRESSED.iter();
    endings
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name)
}

/// Returns the name of a file without its endings.
fn stem(path: &Path) -> String {
    let name = last_name(path).unwrap_or_default();
    let name = without_compression(&name);
    let end = name.rfind('.').filter(|at| *at > 0);
    name.get(..end.unwrap_or(name.len()))
        .unwrap_or_default()
        .to_owned()
}

fn last_name(path: &Path) -> Option<String> {
    path.file_name()?.to_str().map(str::to_owned)
}

/// Returns the names in a folder in their order. Names that are not UTF-8 are no categories.
fn names(path: &Path) -> Result<BTreeSet<String>, ImportError> {
    let failed = |cause| ImportError::Read(path.to_owned(), cause);
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        names.extend(
            name.to_str()
                .filter(|name| !name.starts_with('.'))
                .map(str::to_owned),
        );
        if names.len() > MEMBERS_MAX {
            return Err(ImportError::TooMany(path.to_owned()));
        }
    }
    Ok(names)
}

/// Returns the name of the folder beside it that a symbolic link leads to.
fn alias_of(root: &Path, link: &Path) -> Option<String> {
    if !fs::symlink_metadata(link).ok()?.is_symlink() {
        return None;
    }
    let target: PathBuf = link.canonicalize().ok()?;
    let beside = target.parent()? == root.canonicalize().ok()? && target.is_dir();
    beside.then(|| last_name(&target)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_a_category() {
        let list = |kind| Some(Member::List(kind));
        for (name, expected) in [
            ("domains", list(ListKind::Domains)),
            ("domains.gz", list(ListKind::Domains)),
            ("domains.0", list(ListKind::Domains)),
            ("domains.12.zst", list(ListKind::Domains)),
            ("urls.xz", list(ListKind::Urls)),
            ("expressions", list(ListKind::Expressions)),
            ("usage", Some(Member::Usage)),
            ("domains.", None),
            ("domains.invalid", None),
            ("domains.bz2", None),
            ("very_restrictive_expression", None),
        ] {
            assert_eq!(member(name), expected, "{name}");
        }
    }

    #[test]
    fn a_category_is_called_like_its_file() {
        for (path, expected) in [
            ("a/games.txt", "games"),
            ("games.txt.gz", "games"),
            ("games", "games"),
            ("games.gz", "games"),
            (".games", ".games"),
        ] {
            assert_eq!(stem(Path::new(path)), expected);
        }
    }
}
