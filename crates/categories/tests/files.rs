//! The bytes of a database: equal for equal rules, and refused when they are not what was written.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use categories::{Builder, Database, InvalidDatabase, ListKind, sealed};

#[test]
fn bytes_and_tag_depend_on_the_rules_alone() {
    let forth = [
        ("press", ListKind::Domains, "b.example\na.example\n"),
        ("games", ListKind::Urls, "c.example/x\nc.example/x/y\n"),
        ("games", ListKind::Expressions, "x+\ny+\n"),
    ];
    let back = [
        ("games", ListKind::Expressions, "y+\n"),
        ("games", ListKind::Urls, "C.example/x/y\nwww.c.example/x\n"),
        (
            "press",
            ListKind::Domains,
            "# a comment\nA.example.\nb.example\na.example\n",
        ),
        ("games", ListKind::Expressions, "x+\n"),
    ];
    let (forth, back) = (build(&forth), build(&back));
    assert_eq!(forth.as_bytes(), back.as_bytes());
    assert_eq!(forth.tag(), back.tag());
    assert_eq!(forth.tag().len(), 32);
    assert!(forth.tag().bytes().all(|b| b.is_ascii_hexdigit()));
}

#[test]
fn threads_change_no_byte() {
    let mut builder = Builder::new();
    for (category, from) in [("press", 0), ("games", 50_000)] {
        let lines = (from..from + 60_000).map(|i| format!("n{}.example\n", i * 7919 % 100_003));
        let text: String = lines.collect();
        let report = builder.add_file(category, ListKind::Domains, "list", text.as_bytes());
        assert_eq!(report.unwrap().bad, 0);
    }
    let one = builder.clone().compile().unwrap().to_bytes();
    for threads in [2, 3] {
        let other = builder.clone().compile_on(threads).unwrap().to_bytes();
        assert!(one == other, "{threads} threads");
    }
}

#[test]
fn every_change_of_the_rules_changes_the_tag() {
    let tag = |lists: &[(&str, ListKind, &str)]| build(lists).tag().to_owned();
    let tags = [
        tag(&[]),
        tag(&[("press", ListKind::Domains, "")]),
        tag(&[("press", ListKind::Domains, "a.example")]),
        tag(&[("games", ListKind::Domains, "a.example")]),
        tag(&[("press", ListKind::Urls, "a.example")]),
        tag(&[("press", ListKind::Expressions, "a.example")]),
        tag(&[("press", ListKind::Domains, "a.example\nb.example")]),
    ];
    let distinct: std::collections::BTreeSet<&String> = tags.iter().collect();
    assert_eq!(distinct.len(), tags.len());
}

#[test]
fn what_is_written_is_read() {
    let written = sample();
    let read = Database::from_bytes(written.as_bytes().to_vec()).unwrap();
    assert_eq!(read.as_bytes(), written.as_bytes());
    assert_eq!(read.stats(), written.stats());
    let readings = uri::Readings::parse(b"http://x.a.example/").unwrap();
    assert!(read.lookup(&readings).categories().eq(["press"]));
}

#[test]
fn a_cut_file_is_refused() {
    let bytes = sample().as_bytes().to_vec();
    for len in 0..bytes.len() {
        let cut = Database::from_bytes(bytes.get(..len).unwrap().to_vec());
        assert!(cut.is_err(), "{len} bytes");
    }
    let cut = Database::from_bytes(bytes.get(..bytes.len() - 1).unwrap().to_vec());
    assert!(matches!(cut, Err(InvalidDatabase::Truncated)));
    let longer = [&bytes[..], b"x"].concat();
    assert!(matches!(
        Database::from_bytes(longer),
        Err(InvalidDatabase::TooLong)
    ));
}

#[test]
fn a_flipped_bit_is_refused() {
    let bytes = sample().as_bytes().to_vec();
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            if let Some(byte) = flipped.get_mut(index) {
                *byte ^= 1 << bit;
            }
            assert!(
                Database::from_bytes(flipped).is_err(),
                "byte {index}, bit {bit}"
            );
        }
    }
}

/// A small file must not take much memory: what has 16-bit numbers has no more than they can say.
#[test]
fn more_than_a_builder_writes_is_refused() {
    let bytes = build(&[("press", ListKind::Domains, "a.example\n")]);
    for (section, entry_len, most) in [(1, 32, 1 << 16), (2, 4, 1 << 16), (9, 4, 4096)] {
        let few = Database::from_bytes(grown(bytes.as_bytes(), section, entry_len * 16));
        assert!(few.is_ok(), "section {section}: {few:?}");
        let many = Database::from_bytes(grown(bytes.as_bytes(), section, entry_len * (most + 1)));
        let refused = matches!(many, Err(InvalidDatabase::Inconsistent));
        assert!(refused, "section {section}");
    }
    // A tag of 31 bytes in place of 32, and all else as it was.
    let mut other = bytes.as_bytes().to_vec();
    let summary_len = *other.get(40).unwrap();
    assert_eq!(other.get(256..258), Some(&[32, 0][..]));
    other.insert(256 + usize::from(summary_len), 0);
    other.remove(258);
    other.splice(256..=256, [31]);
    let other = Database::from_bytes(sealed(&other));
    assert!(matches!(other, Err(InvalidDatabase::Inconsistent)));
}

/// Returns a file with zeros behind a section, whole otherwise. The header is 256 bytes; lengths of
/// sections are every 16 bytes from its 40th.
fn grown(bytes: &[u8], section: usize, zeros: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let len_at = |bytes: &[u8], nth: usize| {
        let at = 40 + 16 * nth;
        let len = bytes.get(at..at + 8).and_then(<[u8]>::as_array);
        usize::try_from(u64::from_le_bytes(*len.unwrap())).unwrap()
    };
    let before: usize = (0..section)
        .map(|nth| len_at(&bytes, nth).next_multiple_of(64))
        .sum();
    let len = len_at(&bytes, section);
    let (start, new_len) = (256 + before, len + zeros);
    let end = start + len.next_multiple_of(64);
    let mut grown = bytes.get(start..start + len).unwrap().to_vec();
    grown.resize(new_len.next_multiple_of(64), 0);
    bytes.splice(start..end, grown);
    let at = 40 + 16 * section;
    bytes.splice(at..at + 8, (new_len as u64).to_le_bytes());
    sealed(&bytes)
}

#[test]
fn what_is_no_database_is_named() {
    let not = Database::from_bytes(b"news.example\n".to_vec()).unwrap_err();
    assert_eq!(
        not.to_string(),
        "this is no category database; make one with `weir categories build`"
    );
    let mut other = sample().as_bytes().to_vec();
    if let Some(version) = other.get_mut(8) {
        *version = 9;
    }
    assert_eq!(
        Database::from_bytes(other).unwrap_err().to_string(),
        "the category database has version 9, and 3 is read here; build it again"
    );
}

fn sample() -> Database {
    build(&[
        ("press", ListKind::Domains, "a.example\nb.example\n"),
        ("games", ListKind::Urls, "c.example/x\n"),
        ("games", ListKind::Expressions, "/z+/\n"),
    ])
}

fn build(lists: &[(&str, ListKind, &str)]) -> Database {
    let mut builder = Builder::new();
    for (category, kind, text) in lists {
        builder
            .add_file(category, *kind, "list", text.as_bytes())
            .unwrap();
    }
    builder.build().unwrap()
}
