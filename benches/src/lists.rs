//! Category lists to measure and to check with: published ones from a folder, or names made up
//! from a seed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use categories::{Builder, Database, ListKind};

/// The files of a folder in squidGuard's layout.
const KINDS: [(&str, ListKind); 3] = [
    ("domains", ListKind::Domains),
    ("urls", ListKind::Urls),
    ("expressions", ListKind::Expressions),
];

/// Categories of made-up lists.
const CATEGORIES: u64 = 79;

/// Parts of made-up names.
const SYLLABLES: [&str; 16] = [
    "ba", "co", "di", "fer", "gu", "han", "jo", "ki", "lo", "mer", "na", "pol", "ri", "sta", "tu",
    "web",
];

/// Endings of made-up names, the frequent ones more often.
const ENDINGS: [&str; 8] = ["com", "com", "com", "net", "org", "de", "co.uk", "info"];

/// Lists: category, kind, text.
#[derive(Clone, Debug, Default)]
pub struct Lists(pub Vec<(String, ListKind, Vec<u8>)>);

impl Lists {
    /// Reads a folder: `CATEGORY.txt` with a name a line, or folders in squidGuard's layout.
    #[must_use]
    pub fn read(folder: &Path) -> Self {
        let mut lists = Vec::new();
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            // A link is a second name of a category.
            if path.is_symlink() {
                continue;
            }
            let category = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if path.extension().is_some_and(|ending| ending == "txt") {
                lists.push((category, ListKind::Domains, fs::read(&path).unwrap()));
                continue;
            }
            for (name, kind) in KINDS {
                if let Ok(text) = fs::read(path.join(name)) {
                    lists.push((category.clone(), kind, text));
                }
            }
        }
        lists.sort();
        Self(lists)
    }

    /// Makes up `count` names, of which a quarter lies below another one, in lists of very
    /// different lengths.
    #[must_use]
    pub fn made_up(count: usize) -> Self {
        let mut random = Random(1);
        let mut names: Vec<(u64, String)> = Vec::with_capacity(count);
        for _ in 0..count {
            let below = random.below(4) == 0;
            let parent = usize::try_from(random.below(names.len().max(1) as u64)).unwrap();
            let name = match names.get(parent).filter(|_| below) {
                // What lies below a name is mostly about the same.
                Some((category, parent)) => (*category, format!("{}.{parent}", label(&mut random))),
                None => {
                    // The product of two makes low numbers more frequent.
                    let category = random.below(CATEGORIES) * random.below(CATEGORIES) / CATEGORIES;
                    let ending = usize::try_from(random.below(ENDINGS.len() as u64)).unwrap();
                    let ending = ENDINGS.get(ending).unwrap();
                    (category, format!("{}.{ending}", label(&mut random)))
                }
            };
            names.push(name);
        }
        let mut texts: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for (category, name) in names {
            let second = (random.below(3) == 0).then_some((category + 1) % CATEGORIES);
            for category in second.into_iter().chain([category]) {
                push_line(texts.entry(category).or_default(), &name);
            }
        }
        let lists = texts.into_iter();
        let list = |(number, text)| (format!("made-up-{number}"), ListKind::Domains, text);
        Self(lists.map(list).collect())
    }

    /// Returns about `count` names of these lists, or as many as there are and further ones made
    /// of a label of one and the parent of another.
    #[must_use]
    pub fn resized(&self, count: usize) -> Self {
        let mut random = Random(2);
        let lines: Vec<(&str, &str)> = self.lines().collect();
        if count <= lines.len() {
            let step = lines.len() / count;
            let mut kept: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
            for (category, line) in lines.iter().step_by(step.max(1)) {
                let text = kept.entry(category).or_default();
                push_line(text, line);
            }
            let lists = kept.into_iter();
            return Self(
                lists
                    .map(|(name, text)| (name.to_owned(), ListKind::Domains, text))
                    .collect(),
            );
        }
        let mut texts: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        let any = |random: &mut Random| {
            let at = usize::try_from(random.below(lines.len() as u64)).unwrap();
            *lines.get(at).unwrap()
        };
        for _ in lines.len()..count {
            let (_, other) = any(&mut random);
            let (category, name) = any(&mut random);
            let first = other.split('.').next().unwrap_or_default();
            let parent = name.split_once('.').map_or("com", |(_, parent)| parent);
            push_line(
                texts.entry(category).or_default(),
                &format!("{first}.{parent}"),
            );
        }
        let more = texts.into_iter();
        let more = more.map(|(name, text)| (name.to_owned(), ListKind::Domains, text));
        Self(self.0.iter().cloned().chain(more).collect())
    }

    /// Returns the names with their categories.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let domains = self
            .0
            .iter()
            .filter(|(_, kind, _)| *kind == ListKind::Domains);
        domains.flat_map(|(category, _, text)| {
            let text = str::from_utf8(text).unwrap_or_default();
            let lines = text.lines().map(str::trim);
            lines
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(|line| (category.as_str(), line))
        })
    }

    /// Compiles the lists.
    #[must_use]
    pub fn database(&self) -> Database {
        let mut builder = Builder::new();
        for (category, kind, text) in &self.0 {
            builder.add_file(category, *kind, category, text).unwrap();
        }
        builder.build().unwrap()
    }
}

fn push_line(text: &mut Vec<u8>, line: &str) {
    text.extend_from_slice(line.as_bytes());
    text.push(b'\n');
}

fn label(random: &mut Random) -> String {
    let mut label = String::new();
    for _ in 0..2 + random.below(3) {
        let at = usize::try_from(random.below(SYLLABLES.len() as u64)).unwrap();
        label.push_str(SYLLABLES.get(at).unwrap());
    }
    if random.below(2) == 0 {
        label.push_str(&random.below(1_000).to_string());
    }
    label
}

/// Numbers that are the same in every run (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// Returns a number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made-up names must not need more sets of categories than a database has numbers for, which
    /// real lists are far from.
    #[test]
    fn lists_of_any_size_fit_into_a_database() {
        let lists = Lists::made_up(20_000);
        for count in [5_000, 20_000, 60_000] {
            let resized = lists.resized(count);
            let lines = resized.lines().count();
            assert!((count..=count * 2).contains(&lines), "{lines} of {count}");
            let rules = resized.database().stats().domains;
            assert!(rules * 2 > count as u64, "{rules} of {count}");
        }
    }
}
