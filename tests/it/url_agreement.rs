//! The hosts that browsers find: our normal form against the `url` crate, over the test data that
//! the crate ships.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;
use serde::de::IgnoredAny;
use tests::ToEnd as _;
use uri::Readings;
use url::{Host, Url};

/// Where the two differ, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    // A name of dots alone is no name once they are gone.
    ("http://./", "host, none"),
    ("http://../", "host, none"),
    // Without its dots the last label is a number, and the host no IPv4 address.
    ("http://foo.09..", "host, none"),
    // Without the second dot it is an IPv4 address, which some resolvers dial.
    ("http://0..0x300/", "none, host"),
    ("http://0..0x300./", "none, host"),
    // Escapes come off before brackets are looked at.
    ("http://[::%31]", "none, host"),
];

#[derive(Deserialize)]
#[serde(untagged)]
enum Row {
    Case(Case),
    Remark(IgnoredAny),
}

#[derive(Deserialize)]
struct Case {
    input: String,
    base: Option<String>,
}

#[test]
fn hosts_are_those_of_the_url_crate() {
    let mut comparison = Comparison::default();
    for text in url_cases() {
        comparison.add(&text, |text| {
            DIFFERENCES.iter().any(|(known, _)| *known == text)
        });
    }
    comparison.conclude("urltestdata.json", [200, 150]);
    for (text, difference) in DIFFERENCES {
        let shown = |host: Option<String>| if host.is_some() { "host" } else { "none" };
        let (theirs, ours) = hosts(text);
        assert_eq!(
            format!("{}, {}", shown(theirs), shown(ours)),
            *difference,
            "{text}"
        );
    }
}

/// The names that UTS 46 tests have, where dots are many.
#[test]
fn international_names_are_those_of_the_url_crate() {
    let mut comparison = Comparison::default();
    for name in idna_cases() {
        // Dots that name no label may be what the two differ by.
        let is_dot = |c| matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}');
        let has_extra_dots = name.split(is_dot).any(str::is_empty);
        comparison.add(&format!("http://{name}/"), |text| {
            has_extra_dots || is_over_the_limits_of_dns(text)
        });
    }
    comparison.conclude("IdnaTestV2.txt", [500, 2000]);
}

/// Browsers leave it to DNS to refuse such a name.
fn is_over_the_limits_of_dns(text: &str) -> bool {
    let (theirs, _) = hosts(text);
    theirs.is_some_and(|host| {
        let is_long = |label: &str| label.len() > uri::LABEL_LEN_MAX;
        host.len() > uri::HOST_LEN_MAX || host.split('.').any(is_long)
    })
}

/// What came of two readers of the same URIs.
#[derive(Debug, Default)]
struct Comparison {
    agreed: usize,
    invalid_for_both: usize,
    known: usize,
    faults: Vec<String>,
}

impl Comparison {
    fn add(&mut self, text: &str, is_known: impl Fn(&str) -> bool) {
        match hosts(text) {
            (Some(theirs), Some(ours)) if theirs == ours => self.agreed += 1,
            (None, None) => self.invalid_for_both += 1,
            (Some(_), None) | (None, Some(_)) if is_known(text) => self.known += 1,
            (theirs, ours) => self
                .faults
                .push(format!("{text:?}: {theirs:?}, ours {ours:?}")),
        }
    }

    #[track_caller]
    #[expect(
        clippy::print_stdout,
        reason = "the counts are what a reader looks for"
    )]
    fn conclude(self, name: &str, [agreed_min, invalid_min]: [usize; 2]) {
        println!(
            "{name}: {} hosts agree, {} are invalid for both, {} differ as they should",
            self.agreed, self.invalid_for_both, self.known
        );
        assert!(self.faults.is_empty(), "{}", self.faults.join("\n"));
        assert!(self.agreed > agreed_min && self.invalid_for_both > invalid_min);
    }
}

/// Returns the host that the `url` crate finds, spelled our way, and ours.
fn hosts(text: &str) -> (Option<String>, Option<String>) {
    let theirs = Url::parse(text).ok();
    let ours = Readings::parse(text.as_bytes()).ok();
    (
        theirs.and_then(|url| url.host().map(spelled)),
        ours.map(|readings| readings.normal().host().to_owned()),
    )
}

/// Returns every absolute web URI of the test data: as written, and joined to its base.
fn url_cases() -> Vec<String> {
    let text = std::fs::read_to_string(test_data("url").join("urltestdata.json")).unwrap();
    let rows: Vec<Row> = serde_json::from_str(&text).unwrap();
    let cases = rows.into_iter().filter_map(|row| match row {
        Row::Case(case) => Some(case),
        Row::Remark(IgnoredAny) => None,
    });
    let mut texts: Vec<String> = cases
        .flat_map(|Case { input, base }| {
            let base = base.and_then(|base| Url::parse(&base).ok());
            let joined = base.and_then(|base| base.join(&input).ok());
            let joined = joined.filter(|url| matches!(url.scheme(), "http" | "https"));
            let joined = joined.map(String::from);
            let is_web = is_web(&input);
            joined.into_iter().chain(is_web.then_some(input))
        })
        .collect();
    texts.sort();
    texts.dedup();
    texts
}

/// Returns whether a text is an absolute web URI, with or without a host.
fn is_web(text: &str) -> bool {
    let text = text
        .trim_start_matches(|c: char| c <= ' ')
        .replace(['\t', '\r', '\n'], "");
    let scheme = text.split(':').next().unwrap().to_ascii_lowercase();
    text.contains(':') && matches!(scheme.as_str(), "http" | "https")
}

/// Returns the names of the test file of UTS 46: the first column, in which code points may be
/// escaped.
fn idna_cases() -> Vec<String> {
    let text = std::fs::read_to_string(test_data("idna").join("IdnaTestV2.txt")).unwrap();
    let lines = text.lines().map(|line| line.split('#').next().unwrap());
    let names = lines.filter_map(|line| Some(line.split_once(';')?.0.trim()));
    names.filter_map(without_escapes).collect()
}

/// Undoes `\uHHHH`. None: half a surrogate pair, which no text holds.
fn without_escapes(name: &str) -> Option<String> {
    let mut parts = name.split("\\u");
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(4)?;
        out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        out.push_str(rest);
    }
    Some(out)
}

/// Returns where the source of a crate has its test data. Only packages of this platform are asked
/// for: the build has fetched no others.
fn test_data(name: &str) -> PathBuf {
    let platform = platform();
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(["--filter-platform", &platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .to_end();
    assert!(
        metadata.status.success(),
        "{}",
        String::from_utf8_lossy(&metadata.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == name);
    let manifest = package.expect("a dependency")["manifest_path"].as_str();
    PathBuf::from(manifest.unwrap()).with_file_name("tests")
}

/// Returns the target triple that cargo builds for by itself.
fn platform() -> String {
    let version = Command::new(env!("CARGO")).arg("-vV").to_end().stdout;
    let version = String::from_utf8(version).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("cargo names its host").to_owned()
}

/// Writes a host as our normal form does: without the dots that name no label, and with an IPv4
/// address for what stands for one.
fn spelled(host: Host<&str>) -> String {
    match host {
        Host::Domain(name) => {
            let labels: Vec<&str> = name.split('.').filter(|label| !label.is_empty()).collect();
            labels.join(".")
        }
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => match address.segments() {
            [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                let [a, b] = high.to_be_bytes();
                let [c, d] = low.to_be_bytes();
                Ipv4Addr::new(a, b, c, d).to_string()
            }
            _ => host.to_string(),
        },
    }
}
