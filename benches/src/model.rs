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
    /// The ends of the names, and of the hosts of URL rules, each in the order of its map.
    domain_ends: Ends,
    host_ends: Ends,
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
            domain_ends: Ends::of(domains.keys()),
            host_ends: Ends::of(urls.keys()),
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

    /// Returns the categories of each, by comparing every rule with every URI: one after the other,
    /// first the last bytes of the name, and where they are equal all of it.
    #[must_use]
    pub fn scanned<'a>(&self, asked: &[Readings], database: &'a Database) -> Vec<Vec<&'a str>> {
        let uris: Vec<Vec<&NormalUri>> = asked.iter().map(|it| it.iter().collect()).collect();
        let hosts = |fold: fn(&str) -> &str| {
            let each = uris.iter().enumerate();
            let each = each.flat_map(|(at, uris)| uris.iter().map(move |uri| (at, *uri)));
            each.map(move |(at, uri)| (at, uri, end_of(fold(uri.host())).0))
                .collect::<Vec<_>>()
        };
        let domains: Vec<_> = self.domains.iter().collect();
        let urls: Vec<_> = self.urls.iter().collect();
        let mut found = vec![BTreeSet::new(); asked.len()];
        self.domain_ends.scan(&hosts(|host| host), |at, uri, rule| {
            let (name, set) = domains.get(rule).unwrap();
            let before = uri.host().strip_suffix(name.as_str());
            let covers = |before: &str| {
                before.is_empty() || (before.ends_with('.') && uri.address().is_none())
            };
            if before.is_some_and(covers) {
                let found: &mut BTreeSet<&str> = found.get_mut(at).unwrap();
                found.extend(set.iter().map(String::as_str));
            }
        });
        self.host_ends.scan(&hosts(without_www), |at, uri, rule| {
            let (host, rules) = urls.get(rule).unwrap();
            let path = uri.path_and_query().to_ascii_lowercase();
            let rules = rules.iter().filter(|(rule, _)| path.starts_with(rule));
            if *host == without_www(uri.host()) {
                let found: &mut BTreeSet<&str> = found.get_mut(at).unwrap();
                found.extend(rules.map(|(_, category)| category.as_str()));
            }
        });
        for (found, uris) in found.iter_mut().zip(&uris) {
            for uri in uris {
                found.extend(self.expressions.lookup_uri(uri).categories());
            }
        }
        let found = found.iter();
        found.map(|found| in_order(found, database)).collect()
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

/// Rules that are compared with all URIs before the next ones are.
const SCANNED_AT_ONCE: usize = 1024;

/// The last bytes of every name, and which of them it has.
struct Ends(Vec<(u64, u64)>);

impl Ends {
    fn of<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        Self(names.map(|name| end_of(name)).collect())
    }

    /// Tells of every name whose last bytes are those of a host.
    fn scan<'a>(
        &self,
        hosts: &[(usize, &'a NormalUri, u64)],
        mut each: impl FnMut(usize, &'a NormalUri, usize),
    ) {
        for (block, ends) in self.0.chunks(SCANNED_AT_ONCE).enumerate() {
            for (at, uri, host) in hosts {
                for (rule, (end, mask)) in ends.iter().enumerate() {
                    if host & mask == *end {
                        each(*at, uri, block * SCANNED_AT_ONCE + rule);
                    }
                }
            }
        }
    }
}

/// Returns up to eight last bytes, the last one highest, and the bits that they take.
fn end_of(name: &str) -> (u64, u64) {
    let mut end = (0, 0);
    for byte in name.bytes().rev().take(8).collect::<Vec<_>>().iter().rev() {
        end = (end.0 >> 8 | u64::from(*byte) << 56, end.1 >> 8 | 0xff << 56);
    }
    end
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
            assert_eq!(listed, model.categories(&readings, &database), "{text}");
            found += usize::from(!listed.is_empty());
            let scanned = model.scanned(&[readings], &database);
            assert_eq!(scanned, [listed], "{text}");
        }
        assert!(found > 100, "{found}");
    }
}
