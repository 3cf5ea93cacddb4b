//! `weir categories lookup`: prints what is known of URIs.

use std::io::{self, BufRead, Write};

use categories::Database;
use policy::Diagnostic;
use service::exit;
use uri::Readings;

use super::{Form, json, open, unusable};
use crate::cli::Lookup;
use crate::files::Files;
use crate::load::{OVERRIDES_LEN_MAX, error, overridden};
use crate::{Failure, excerpt};

/// Bytes of a line of standard input at most; a longer one is an invalid URI.
pub(super) const LINE_LEN_MAX: u64 = 64 * 1024;

pub(super) fn run(options: &Lookup, out: &mut dyn Write) -> Result<u8, Failure> {
    let database = database(options)?;
    let form = Form::of(options.json);
    match options.uris.as_slice() {
        [only] if only == "-" => {
            lookup_lines(&database, form, &mut io::BufReader::new(io::stdin()), out)
        }
        uris => lookup_all(&database, form, uris, out),
    }
}

fn database(options: &Lookup) -> Result<Database, Failure> {
    let database = open(&options.file)?;
    let Some(path) = &options.overrides else {
        return Ok(database);
    };
    let text = Files::Disk.text(path, OVERRIDES_LEN_MAX).map_err(|why| {
        let remark: Diagnostic = error(path, None, format!("cannot read the overrides: {why}"));
        Failure::Configuration(vec![remark])
    })?;
    let (database, remarks) =
        overridden(database, path, &text).map_err(|cause| unusable(path, cause))?;
    excerpt::print(&remarks);
    Ok(database)
}

pub(super) fn lookup_all(
    database: &Database,
    form: Form,
    uris: &[String],
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let mut status = exit::SUCCESS;
    for uri in uris {
        if !lookup(database, form, uri.as_bytes(), out)? {
            status = exit::FAILURE;
        }
    }
    Ok(status)
}

/// Looks up a URI a line. A line that is none is told in its place and changes nothing else.
pub(super) fn lookup_lines(
    database: &Database,
    form: Form,
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
            unknown(form, &line, &mut out)?;
        } else {
            lookup(database, form, line.trim_ascii_end(), &mut out)?;
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
fn lookup(
    database: &Database,
    form: Form,
    uri: &[u8],
    out: &mut dyn Write,
) -> Result<bool, Failure> {
    let Ok(readings) = Readings::parse(uri) else {
        unknown(form, uri, out)?;
        return Ok(false);
    };
    let found = database.lookup(&readings);
    let names: Vec<&str> = found.categories().collect();
    if form == Form::Json {
        let uri = String::from_utf8_lossy(uri);
        json(
            out,
            &serde_json::json!({
                "uri": uri, "valid": true, "categories": names,
                "prefix_len": found.prefix_len().unwrap_or(0),
            }),
        )?;
        return Ok(true);
    }
    out.write_all(uri)?;
    writeln!(
        out,
        "\t{}\t{}",
        names.join(","),
        found.prefix_len().unwrap_or(0)
    )?;
    Ok(true)
}

/// Prints that a text is no URI.
fn unknown(form: Form, uri: &[u8], out: &mut dyn Write) -> io::Result<()> {
    if form == Form::Json {
        let uri = String::from_utf8_lossy(uri);
        return json(out, &serde_json::json!({"uri": uri, "valid": false}));
    }
    out.write_all(uri)?;
    writeln!(out, "\t\t0")
}
