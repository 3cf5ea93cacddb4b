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
                [only] if only == "-" => {
                    lookup_lines(&database, &mut io::BufReader::new(io::stdin()), out)
                }
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
    input: &mut io::BufReader<impl io::Read>,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let mut out = io::BufWriter::new(out);
    let mut line = Vec::new();
    loop {
        // Whoever writes line by line reads the answers before it writes on.
        if input.buffer().is_empty() {
            out.flush()?;
        }
        line.clear();
        let len = io::Read::take(&mut *input, LINE_LEN_MAX).read_until(b'\n', &mut line)?;
        if len == 0 {
            out.flush()?;
            return Ok(exit::SUCCESS);
        }
        if !line.ends_with(b"\n") && pass_over(input)? {
            unknown(&line, &mut out)?;
        } else {
            lookup(database, line.trim_ascii_end(), &mut out)?;
        }
    }
}

/// Reads to the end of a line that is too long; returns whether there was anything left of it.
fn pass_over(input: &mut impl BufRead) -> io::Result<bool> {
    let mut any = false;
    loop {
        let buffered = input.fill_buf()?;
        let end = buffered.iter().position(|byte| *byte == b'\n');
        let len = end.map_or(buffered.len(), |end| end + 1);
        any |= len > 0;
        input.consume(len);
        if len == 0 || end.is_some() {
            return Ok(any);
        }
    }
}

/// Prints what is known of one URI; returns whether it is one.
fn lookup(database: &Database, uri: &[u8], out: &mut dyn Write) -> Result<bool, Failure> {
    let Ok(readings) = Readings::parse(uri) else {
        unknown(uri, out)?;
        return Ok(false);
    };
    out.write_all(uri)?;
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

/// Prints that a text is no URI.
fn unknown(uri: &[u8], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(uri)?;
    writeln!(out, "\t\t0")
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
        assert_eq!(lines(&input), ["news\t20", "\t0", "\t0", "news\t20"]);
    }

    #[test]
    fn a_line_over_the_limit_is_no_uri_and_not_the_start_of_one() {
        let line = |len: usize| format!("http://news.example/{}", "x".repeat(len - 20));
        let limit = usize::try_from(LINE_LEN_MAX).unwrap();
        let (fits, over) = (line(limit - 1), line(limit));
        let input = format!("{fits}\n{over}\n{over}x\n{fits}");
        assert_eq!(lines(&input), ["news\t20", "\t0", "\t0", "news\t20"]);
        assert_eq!(lines(&over), ["news\t20"]);
    }

    #[test]
    fn an_answer_does_not_wait_for_the_next_line() {
        let (reader, mut writer) = io::pipe().unwrap();
        let (mut answers, out) = io::pipe().unwrap();
        let worker = std::thread::spawn(move || {
            let mut out = out;
            lookup_lines(&database(), &mut io::BufReader::new(reader), &mut out).unwrap()
        });
        for _ in 0..3 {
            writer.write_all(b"http://news.example/\n").unwrap();
            let expected = b"http://news.example/\tnews\t20\n";
            let mut answer = vec![0; expected.len()];
            io::Read::read_exact(&mut answers, &mut answer).unwrap();
            assert_eq!(answer, expected);
        }
        drop(writer);
        assert_eq!(worker.join().unwrap(), exit::SUCCESS);
    }

    #[test]
    fn counts() {
        let mut out = Vec::new();
        stats(&database(), &mut out).unwrap();
        expect![[r#"
            category	domains	urls	expressions
            news	1	0	0
            total	1	0	0
            bytes	832
            tag	e706854c01d506d53a82a7c9905f9a5b
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

    /// Returns what is told about each line, without the line.
    fn lines(input: &str) -> Vec<String> {
        let mut out = Vec::new();
        let mut input = io::BufReader::new(input.as_bytes());
        let status = lookup_lines(&database(), &mut input, &mut out).unwrap();
        assert_eq!(status, exit::SUCCESS);
        let out = String::from_utf8(out).unwrap();
        out.lines()
            .map(|line| line.split_once('\t').unwrap().1.to_owned())
            .collect()
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
