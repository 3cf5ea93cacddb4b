//! Category lists searched slowly: what look-ups are held to.

use std::collections::{BTreeMap, BTreeSet};

use categories::{Builder, Database, ListKind};
use uri::{Domain, NormalUri, Readings};

use crate::lists::{Lists, Random};

/// Lists as they were given, in normal form.
pub struct Model {
    /// Names with their categories.
    domains: BTreeMap<String, BTreeSet<String>>,
    /// Host without `www`, and path in lower case, with their categories.
    urls: BTreeMap<String, Vec<(String, String)>>,
    /// A database with the expressions alone: they have an engine, and no second one here.
    expressions: Database,
    len: usize,
}

impl Model {
    /// Reads the lists.
    #[must_use]
    pub fn of(lists: &Lists) -> Self {
        let mut domains: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut urls: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        let mut expressions = Builder::new();
        let mut len = 0;
        for (category, kind, text) in &lists.0 {
            let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            for line in lines.filter(|line| !line.is_empty() && !line.starts_with(b"#")) {
                len += 1;
                match kind {
                    ListKind::Domains => {
                        let name = str::from_utf8(line)
                            .ok()
                            .and_then(|it| Domain::parse(it).ok());
                        if let Some(name) = name {
                            let set = domains.entry(name.as_str().to_owned()).or_default();
                            set.insert(category.clone());
                        }
                    }
                    ListKind::Urls if !line.starts_with(b"/") => {
                        if let Ok(url) = NormalUri::parse_typed(line) {
                            let path = url.path_and_query().to_ascii_lowercase();
                            let rules = urls.entry(without_www(url.host()).to_owned()).or_default();
                            rules.push((path, category.clone()));
                        }
                    }
                    ListKind::Expressions => {
                        expressions
                            .add_file(category, *kind, category, line)
                            .unwrap();
                    }
                    ListKind::Urls
                    | ListKind::Hostnames
                    | ListKind::Hosts
                    | ListKind::Adblock
                    | ListKind::UrlTable => {}
                }
            }
        }
        Self {
            domains,
            urls,
            expressions: expressions.build().unwrap(),
            len,
        }
    }

    /// Returns the number of lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the categories, by the names above the host. `database` has their order.
    #[must_use]
    pub fn categories<'a>(&self, readings: &Readings, database: &'a Database) -> Vec<&'a str> {
        let mut found = BTreeSet::new();
        for uri in readings.iter() {
            let host = uri.host();
            let starts = host.match_indices('.').map(|(at, _)| at + 1);
            let is_address = uri.address().is_some();
            for start in std::iter::once(0).chain(starts.filter(|_| !is_address)) {
                let set = self.domains.get(host.get(start..).unwrap());
                found.extend(set.into_iter().flatten().map(String::as_str));
            }
            let rules = self.urls.get(without_www(host));
            let rules = rules.into_iter().flatten();
            self.add_rest(
                uri,
                rules.map(|(path, category)| (without_www(host), path, category)),
                &mut found,
            );
        }
        in_order(&found, database)
    }

    /// Returns the categories, by comparing every rule with the URI.
    #[must_use]
    pub fn scanned<'a>(&self, readings: &Readings, database: &'a Database) -> Vec<&'a str> {
        let mut found = BTreeSet::new();
        for uri in readings.iter() {
            let host = uri.host();
            for (name, set) in &self.domains {
                let before = host.strip_suffix(name.as_str());
                let covers = |before: &str| {
                    before.is_empty() || (before.ends_with('.') && uri.address().is_none())
                };
                if before.is_some_and(covers) {
                    found.extend(set.iter().map(String::as_str));
                }
            }
            let rules = self.urls.iter().flat_map(|(host, rules)| {
                rules
                    .iter()
                    .map(move |(path, category)| (host.as_str(), path, category))
            });
            self.add_rest(uri, rules, &mut found);
        }
        in_order(&found, database)
    }

    /// Adds the categories of URL rules and of expressions.
    fn add_rest<'a>(
        &'a self,
        uri: &NormalUri,
        rules: impl Iterator<Item = (&'a str, &'a String, &'a String)>,
        found: &mut BTreeSet<&'a str>,
    ) {
        let path = uri.path_and_query().to_ascii_lowercase();
        for (host, rule, category) in rules {
            if host == without_www(uri.host()) && path.starts_with(rule.as_str()) {
                found.insert(category);
            }
        }
        found.extend(self.expressions.lookup_uri(uri).categories());
    }
}

/// Makes up URIs about the lists: names as listed, below and above them, changed by a letter, and
/// paths of URL rules and of none.
pub fn questions<'a>(
    lists: &'a Lists,
    random: &'a mut Random,
) -> impl Iterator<Item = String> + use<'a> {
    let names: Vec<&str> = lists.lines().map(|(_, name)| name).collect();
    let urls: Vec<&str> = lists
        .0
        .iter()
        .filter(|(_, kind, _)| *kind == ListKind::Urls)
        .flat_map(|(_, _, text)| str::from_utf8(text).unwrap_or_default().lines())
        .collect();
    std::iter::repeat_with(move || {
        let pick = |list: &[&'a str], random: &mut Random| {
            let at = usize::try_from(random.below(list.len() as u64)).unwrap();
            list.get(at).copied().unwrap_or("other.example")
        };
        let name = pick(&names, random);
        match random.below(8) {
            0 => format!("http://{name}/"),
            1 => format!("https://zz.{name}/index.html"),
            2 => format!("http://www.a-b.{name}:8080/x?y=z"),
            3 => format!(
                "http://{}/",
                name.split_once('.').map_or(name, |(_, parent)| parent)
            ),
            4 => format!("http://x{name}/"),
            5 => format!("http://{}", pick(&urls, random)),
            6 => format!("http://www.{}x/y", pick(&urls, random)),
            _ => {
                let url = pick(&urls, random);
                let len = usize::try_from(random.below(url.len() as u64 + 1)).unwrap();
                format!("http://{}", url.get(..len).unwrap_or(url))
            }
        }
    })
}

fn in_order<'a>(found: &BTreeSet<&str>, database: &'a Database) -> Vec<&'a str> {
    database
        .categories()
        .filter(|name| found.contains(name))
        .collect()
}

/// Drops a first label `www`, `web` or `ftp` with any number, where two labels are left.
fn without_www(host: &str) -> &str {
    let Some((first, rest)) = host.split_once('.') else {
        return host;
    };
    let word = first.trim_end_matches(|c: char| c.is_ascii_digit());
    match ["www", "web", "ftp"].contains(&word) && rest.contains('.') {
        true => rest,
        false => host,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The lists of the fixtures, every rule one by one.
    #[test]
    fn lookups_in_published_lists_agree_with_a_linear_search() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/categories");
        let lists = Lists::read(&folder);
        let (database, model) = (lists.database(), Model::of(&lists));
        let (mut random, mut found) = (Random(6), 0);
        for text in questions(&lists, &mut random).take(400) {
            let Ok(readings) = Readings::parse(text.as_bytes()) else {
                continue;
            };
            let listed: Vec<&str> = database.lookup(&readings).categories().collect();
            assert_eq!(listed, model.scanned(&readings, &database), "{text}");
            assert_eq!(listed, model.categories(&readings, &database), "{text}");
            found += usize::from(!listed.is_empty());
        }
        assert!(found > 100, "{found}");
    }
}
