//! The published Safe Browsing canonicalization vectors.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use uri::{InvalidUri, NormalUri, Readings};

const VECTORS: &str = include_str!("../../../fixtures/safe-browsing-canonicalization.tsv");

/// Rows where the normal form differs on purpose, and how.
const EXCEPTIONS: &[(&str, Exception)] = &[
    (
        "http://host%23.com/%257Ea%2521b%2540c%2523d%2524e%25f%255E00%252611%252A22%252833%252944_55%252B",
        Exception::NoHost,
    ),
    (r"http://\x01\x80.com/", Exception::NoHost),
    ("http:// leadingspace.com/", Exception::NoHost),
    ("http://%20leadingspace.com/", Exception::NoHost),
    ("%20leadingspace.com/", Exception::NoHost),
    ("http://W!eird<>Ho$^.com/", Exception::NoHost),
    ("http://some%1bhost.com/%1b", Exception::NoHost),
    // The port says which service is asked, and tests of ports depend on it.
    (
        "http://www.gotaport.com:1234/",
        Exception::Becomes("http://www.gotaport.com:1234/"),
    ),
    // An escaped scheme is no scheme, and `%3A` ends no host.
    ("http%3A%2F%2Fwackyurl.com:80/", Exception::NoHost),
    // Only web schemes are filtered.
    ("ftp://ftp.myfiles.com/", Exception::OtherScheme),
    // Overflow is modulo 2^32 for inet_aton, and an error for browsers.
    ("276.2.3", Exception::NoHost),
    // A host that ends in a number is an address or an error for browsers.
    ("123.123.0.0.1", Exception::NoHost),
    ("10.192.95.89 xy", Exception::NoHost),
    // No address, and no error either: the last label is no number.
    ("1.2.3.00x0", Exception::Becomes("http://1.2.3.00x0/")),
    // Without slashes this is a user, a password and a host.
    (
        "mailto:bryner@google.com",
        Exception::Becomes("http://google.com/"),
    ),
    // Browsers read the host from behind any number of slashes.
    ("/asdf", Exception::Becomes("http://asdf/")),
    ("/blah", Exception::Becomes("http://blah/")),
    ("/blah#ref", Exception::Becomes("http://blah/")),
    ("/blah?query#ref", Exception::Becomes("http://blah/?query")),
    ("/blah;param", Exception::Becomes("http://blah;param/")),
    ("http:///blah#ref", Exception::Becomes("http://blah/")),
    (
        "http:///blah?query#ref",
        Exception::Becomes("http://blah/?query"),
    ),
    (
        "http:///blah;param",
        Exception::Becomes("http://blah;param/"),
    ),
    (
        "http:///blah;param?query#ref",
        Exception::Becomes("http://blah;param/?query"),
    ),
];

#[derive(Clone, Copy)]
enum Exception {
    NoHost,
    OtherScheme,
    Becomes(&'static str),
}

#[test]
fn published_vectors() {
    let rows: Vec<[&str; 3]> = VECTORS.lines().filter_map(row).collect();
    assert_eq!(rows.iter().filter(|r| r[0] == "google-v4").count(), 33);
    for [origin, input, expected] in &rows {
        let text = unescape(input);
        let found = Readings::parse_typed(&text).map(|r| r.normal().clone());
        match EXCEPTIONS.iter().find(|(row, _)| row == input) {
            Some((_, Exception::NoHost)) => {
                assert!(
                    matches!(found, Err(InvalidUri::Host(_))),
                    "{input}: {found:?}"
                );
            }
            Some((_, Exception::OtherScheme)) => {
                assert!(
                    matches!(found, Err(InvalidUri::Scheme(_))),
                    "{input}: {found:?}"
                );
            }
            Some((_, Exception::Becomes(other))) => {
                assert_eq!(found.unwrap().as_str(), *other, "{input}");
            }
            None if *expected == "<ERROR>" => assert!(found.is_err(), "{input}: {found:?}"),
            None => assert_eq!(part(origin, &found.unwrap()), *expected, "{input}"),
        }
    }
    // Of the published 33 only ports and invalid hosts differ.
    let differs = |row: &&[&str; 3]| EXCEPTIONS.iter().any(|(input, _)| *input == row[1]);
    let published = rows.iter().filter(|row| row[0] == "google-v4");
    let different: Vec<&str> = published.filter(differs).map(|row| row[1]).collect();
    assert_eq!(different.len(), 6, "{different:?}");
    let are_invalid = |input: &&str| Readings::parse_typed(&unescape(input)).is_err();
    assert_eq!(
        different.iter().filter(|input| are_invalid(input)).count(),
        5
    );
    assert!(different.contains(&"http://www.gotaport.com:1234/"));
    for (exception, _) in EXCEPTIONS {
        assert!(
            rows.iter().any(|r| r[1] == *exception),
            "{exception} is no row"
        );
    }
}

fn row(line: &str) -> Option<[&str; 3]> {
    let cells: Vec<&str> = line.split('\t').collect();
    let comment = line.starts_with('#') || line.starts_with("origin\t");
    (!comment).then(|| [cells[0], cells[1], cells[2]])
}

/// Returns what a row of this origin is about.
fn part<'a>(origin: &str, uri: &'a NormalUri) -> &'a str {
    match origin {
        "go-host" | "go-ip" => uri.host(),
        "go-path" => uri.path_and_query(),
        _ => uri.as_str(),
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().unwrap() {
            b't' => b'\t',
            b'r' => b'\r',
            b'n' => b'\n',
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => panic!("unknown escape `{}`", char::from(other)),
        });
    }
    bytes
}
