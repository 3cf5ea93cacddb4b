use std::fs::{self, File};
use std::io::Write as _;

use categories::Database;
use tempfile::TempDir;
use uri::Readings;

use super::*;

/// A list of `games.example`, compressed by the tools that publishers use.
const GZ: &[u8] = include_bytes!("../../../fixtures/category-archives/games.gz");
const XZ: &[u8] = include_bytes!("../../../fixtures/category-archives/games.xz");
const ZST: &[u8] = include_bytes!("../../../fixtures/category-archives/games.zst");
/// `games/domains` with `games.example`, and the link `play` to `games`.
const TAR_XZ: &[u8] = include_bytes!("../../../fixtures/category-archives/games.tar.xz");

#[test]
fn lists_may_be_compressed() {
    for (name, bytes) in [("domains.gz", GZ), ("domains.xz", XZ), ("domains.zst", ZST)] {
        let folder = folder(&[(&format!("games/{name}"), bytes)]);
        check(
            &Sources::squidguard(folder.path()),
            "http://games.example/",
            "games",
        );
        // Streams one after the other are one file.
        let twice = [bytes, bytes].concat();
        let path = folder.path().join("twice");
        fs::write(&path, twice).unwrap();
        let sources = one(&path, Format::Lists(ListKind::Domains), Some("play"));
        let imported = import(&sources, &mut Progress::hidden()).unwrap();
        assert_eq!(
            imported.reports.values().map(|it| it.rules).sum::<usize>(),
            2,
            "{name}"
        );
    }
}

#[test]
fn a_cut_archive_is_an_error() {
    for bytes in [GZ, XZ, ZST, TAR_XZ] {
        let folder = folder(&[("cut", bytes.get(..bytes.len() - 6).unwrap())]);
        let path = folder.path().join("cut");
        let sources = one(&path, Format::Lists(ListKind::Domains), Some("games"));
        let read = import(&sources, &mut Progress::hidden());
        assert!(matches!(read, Err(ImportError::Read(..))), "{read:?}");
    }
}

#[test]
fn a_cut_tar_file_is_an_error_wherever_it_was_cut() {
    let mut tar = Vec::new();
    lzma_rust2::XzReader::new(TAR_XZ, true)
        .read_to_end(&mut tar)
        .unwrap();
    let end = tar.len() - tar.iter().rev().take_while(|byte| **byte == 0).count();
    for len in (512..end + 512).step_by(100) {
        let folder = folder(&[("cut", tar.get(..len).unwrap())]);
        let sources = Sources::squidguard(&folder.path().join("cut"));
        let read = import(&sources, &mut Progress::hidden());
        assert!(read.is_err(), "{len} bytes");
    }
}

#[test]
fn an_archive_is_a_folder() {
    let folder = folder(&[("lists", TAR_XZ)]);
    let path = folder.path().join("lists");
    check(
        &Sources::squidguard(&path),
        "http://www.games.example/",
        "games,play",
    );
    // The same archive as files with one list each.
    let lists = one(&path, Format::Lists(ListKind::Domains), None);
    check(&lists, "http://www.games.example/", "domains");
}

#[test]
fn a_folder_may_have_one_list_a_file() {
    let folder = folder(&[("games.txt", b"games.example\n"), ("news.txt.gz", GZ)]);
    let sources = one(folder.path(), Format::Lists(ListKind::Hostnames), None);
    check(&sources, "http://games.example/", "games,news");
    check(&sources, "http://www.games.example/", "");
}

#[test]
fn a_tree_with_links_and_parts_is_read() {
    let folder = folder(&[
        ("adult/domains.0", b"a.example\n"),
        ("adult/domains.1", b"b.example\n"),
        ("adult/usage", b"black\n"),
        ("good/domains", b"c.example\n"),
        ("good/usage", b"white\n"),
        ("README", b"no list"),
    ]);
    std::os::unix::fs::symlink("adult", folder.path().join("porn")).unwrap();
    std::os::unix::fs::symlink("nothing", folder.path().join("broken")).unwrap();
    let sources = Sources::squidguard(folder.path());
    check(&sources, "http://b.example/", "adult,porn");
    let imported = import(&sources, &mut Progress::hidden()).unwrap();
    assert_eq!(imported.white, ["good"]);
    assert_eq!(imported.lists, 3);
}

#[test]
fn what_cannot_be_lists_is_told() {
    let folder = folder(&[("list.txt", b"a.example\n"), ("empty/README", b"")]);
    let failed = |sources: Sources| import(&sources, &mut Progress::hidden()).unwrap_err();
    let list = folder.path().join("list.txt");
    assert!(matches!(
        failed(Sources::squidguard(&list)),
        ImportError::NoLayout(_)
    ));
    assert!(matches!(
        failed(Sources::squidguard(folder.path())),
        ImportError::Empty(_)
    ));
    let none = one(&list, Format::Lists(ListKind::Domains), None);
    assert!(matches!(failed(none), ImportError::NoCategory(_)));
    let nowhere = folder.path().join("nowhere");
    assert!(matches!(
        failed(Sources::squidguard(&nowhere)),
        ImportError::Read(..)
    ));
    let unnamed = one(&list, Format::Lists(ListKind::Domains), Some("a b"));
    assert!(matches!(failed(unnamed), ImportError::Build(_)));
}

/// Lines across the ends of blocks, and one that is longer than a block.
#[test]
fn blocks_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    let mut file = File::create(&path).unwrap();
    // Remarks fill the blocks, so that the names are few.
    let (filler, count) = ("x".repeat(997), 2 * BLOCK_LEN / 1_000);
    for n in 0..count {
        writeln!(file, "# {filler}\na{n}.example").unwrap();
    }
    file.write_all(&vec![b'x'; BLOCK_LEN * 2]).unwrap();
    write!(file, "\nno host\nlast.example").unwrap();
    drop(file);
    let sources = one(&path, Format::Lists(ListKind::Domains), Some("games"));
    let imported = import(&sources, &mut Progress::hidden()).unwrap();
    let report = imported.reports.values().next().unwrap();
    assert_eq!((report.rules, report.bad), (count + 3, 2));
    let bad: Vec<_> = report.bad_lines.iter().map(|it| it.line).collect();
    assert_eq!(bad, [2 * count + 1, 2 * count + 2]);
    let database = imported.builder.build().unwrap();
    assert_eq!(database.stats().domains, count as u64 + 1);
    let whole = fs::read(&path).unwrap();
    let mut builder = Builder::new();
    builder
        .add_file("games", ListKind::Domains, "list", &whole)
        .unwrap();
    assert_eq!(builder.build().unwrap().as_bytes(), database.as_bytes());
}

fn one(path: &Path, format: Format, category: Option<&str>) -> Sources {
    let source = Source {
        path: path.to_owned(),
        format,
        category: category.map(str::to_owned),
    };
    Sources {
        list: vec![source],
        ..Sources::default()
    }
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

#[track_caller]
fn check(sources: &Sources, uri: &str, expected: &str) {
    let imported = import(sources, &mut Progress::hidden()).unwrap();
    let database: Database = imported.builder.build().unwrap();
    let found = database.lookup(&Readings::parse(uri.as_bytes()).unwrap());
    assert_eq!(found.categories().collect::<Vec<_>>().join(","), expected);
}
