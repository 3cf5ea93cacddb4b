//! `weir categories`: builds, queries and counts category files.

use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;

use categories::Database;
use service::exit;
use uri::Readings;

use crate::cli::Categories;
use crate::load::category_source;
use crate::{Failure, failure};

/// What a path to categories must be.
const HINT: &str = "give a folder of lists, or a file from `weir categories build`";

/// Bytes of a line of standard input at most; a longer one is an invalid URI.
const LINE_LEN_MAX: u64 = 64 * 1024;

/// Runs one of the commands.
pub(crate) fn run(command: &Categories, out: &mut dyn Write) -> Result<u8, Failure> {
    match command {
        Categories::Build { folder, output } => build(folder, output, out),
        Categories::Lookup { file, uris } => {
            let database = open(file)?;
            match uris.as_slice() {
                [only] if only == "-" => lookup_lines(&database, &mut io::stdin().lock(), out),
                uris => lookup_all(&database, uris, out),
            }
        }
        Categories::Stats { file } => stats(&open(file)?, out),
    }
}

fn open(path: &Path) -> Result<Database, Failure> {
    let (database, remarks) = category_source(path).map_err(|source| Failure::File {
        path: path.to_owned(),
        hint: HINT,
        source: Box::new(source),
    })?;
    failure::print(&remarks);
    Ok(database)
}

fn build(folder: &Path, output: &Path, out: &mut dyn Write) -> Result<u8, Failure> {
    let database = open(folder)?;
    replace(output, database.as_bytes()).map_err(|source| Failure::Write {
        path: output.to_owned(),
        source,
    })?;
    let stats = database.stats();
    writeln!(
        out,
        "{}: {} categories, {} domains, {} urls, {} expressions, {} bytes",
        output.display(),
        stats.categories.len(),
        stats.domains,
        stats.urls,
        stats.expressions,
        stats.bytes,
    )?;
    Ok(exit::SUCCESS)
}

/// Puts a whole file in the place of another, so that nobody ever reads half of it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let draft = path.with_file_name(name);
    let written = fs::File::create(&draft).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    });
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    written
}

fn lookup_all(database: &Database, uris: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let mut status = exit::SUCCESS;
    for uri in uris {
        if !lookup(database, uri.as_bytes(), out)? {
            status = exit::FAILURE;
        }
    }
    Ok(status)
}

/// Looks up a URI a line. A line that is none is told in its place and changes nothing else.
fn lookup_lines(
    database: &Database,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let mut out = io::BufWriter::new(out);
    let mut line = Vec::new();
    loop {
        line.clear();
        let len = io::Read::take(&mut *input, LINE_LEN_MAX).read_until(b'\n', &mut line)?;
        if len == 0 {
            out.flush()?;
            return Ok(exit::SUCCESS);
        }
        while !line.ends_with(b"\n") && !input.fill_buf()?.is_empty() {
            // Too long for a URI that anything is known of; the rest of the line is passed over.
            let mut rest = Vec::new();
            io::Read::take(&mut *input, LINE_LEN_MAX).read_until(b'\n', &mut rest)?;
            if rest.ends_with(b"\n") {
                break;
            }
        }
        lookup(database, line.trim_ascii_end(), &mut out)?;
    }
}

/// Prints what is known of one URI; returns whether it is one.
fn lookup(database: &Database, uri: &[u8], out: &mut dyn Write) -> Result<bool, Failure> {
    out.write_all(uri)?;
    let Ok(readings) = Readings::parse(uri) else {
        writeln!(out, "\t\t0")?;
        return Ok(false);
    };
    let found = database.lookup(&readings);
    let names: Vec<&str> = found.categories().collect();
    writeln!(
        out,
        "\t{}\t{}",
        names.join(","),
        found.prefix_len().unwrap_or(0)
    )?;
    Ok(true)
}

fn stats(database: &Database, out: &mut dyn Write) -> Result<u8, Failure> {
    let stats = database.stats();
    writeln!(out, "category\tdomains\turls\texpressions")?;
    for category in &stats.categories {
        writeln!(
            out,
            "{}\t{}\t{}\t{}",
            category.name, category.domains, category.urls, category.expressions
        )?;
    }
    writeln!(
        out,
        "total\t{}\t{}\t{}",
        stats.domains, stats.urls, stats.expressions
    )?;
    writeln!(out, "bytes\t{}", stats.bytes)?;
    writeln!(out, "tag\t{}", database.tag())?;
    Ok(exit::SUCCESS)
}

#[cfg(test)]
mod tests {
    use categories::{Builder, ListKind};
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_line_for_each_uri() {
        let uris = [
            "http://www.news.example/a",
            "https://other.example/",
            "http://a b/",
        ];
        let uris: Vec<String> = uris.map(str::to_owned).into();
        let mut out = Vec::new();
        assert_eq!(
            lookup_all(&database(), &uris, &mut out).unwrap(),
            exit::FAILURE
        );
        expect![[r#"
            http://www.news.example/a	news	24
            https://other.example/		22
            http://a b/		0
        "#]]
        .assert_eq(&String::from_utf8(out).unwrap());
    }

    #[test]
    fn standard_input_may_have_anything_in_it() {
        let long = "x".repeat(usize::try_from(LINE_LEN_MAX).unwrap() * 2);
        let input = format!("http://news.example/\r\n\n{long}\nhttp://news.example/");
        let mut out = Vec::new();
        let mut input = input.as_bytes();
        assert_eq!(
            lookup_lines(&database(), &mut input, &mut out).unwrap(),
            exit::SUCCESS
        );
        let out = String::from_utf8(out).unwrap();
        let ends: Vec<&str> = out
            .lines()
            .map(|line| line.split_once('\t').unwrap().1)
            .collect();
        assert_eq!(ends, ["news\t20", "\t0", "\t0", "news\t20"]);
    }

    #[test]
    fn counts() {
        let mut out = Vec::new();
        stats(&database(), &mut out).unwrap();
        expect![[r#"
            category	domains	urls	expressions
            news	1	0	0
            total	1	0	0
            bytes	290
            tag	98efe0f11110783de7b2f25044b4a4be
        "#]]
        .assert_eq(&String::from_utf8(out).unwrap());
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("built");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert!(replace(&folder.path().join("no/built"), b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    fn database() -> Database {
        let mut builder = Builder::new();
        let text = b"news.example\n";
        builder
            .add_file("news", ListKind::Domains, "news/domains", text)
            .unwrap();
        builder.build().unwrap()
    }
}
