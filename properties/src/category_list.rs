use categories::{BAD_LINES_KEPT_MAX, BuildError, Builder, Database, ListKind};
use uri::{Domain, Readings};

/// Bytes of a list of expressions: they take long to compile, and each is on its own.
const EXPRESSIONS_LEN_MAX: usize = 200;

/// The category of the list.
const CATEGORY: &str = "press";

/// A list as a vendor ships it; its first letter says of what kind it is. Lines that are taken
/// are found by look-ups, and the file of the database is read as it was written.
pub fn category_list(bytes: &[u8]) {
    let (kind, text) = match bytes.split_first() {
        Some((b'd', text)) => (ListKind::Domains, text),
        Some((b'n', text)) => (ListKind::Hostnames, text),
        Some((b'h', text)) => (ListKind::Hosts, text),
        Some((b'a', text)) => (ListKind::Adblock, text),
        Some((b'u', text)) => (ListKind::Urls, text),
        Some((b't', text)) => (ListKind::UrlTable, text),
        Some((b'e', text)) if text.len() <= EXPRESSIONS_LEN_MAX => (ListKind::Expressions, text),
        Some(_) | None => return,
    };
    let mut builder = Builder::new();
    let report = match builder.add_file(CATEGORY, kind, "list", text) {
        Ok(report) => report,
        Err(error) => panic!("a small list is refused: {error}"),
    };
    let skipped = report.bad + report.left_out;
    assert!(skipped <= report.rules);
    assert_eq!(report.bad_lines.len(), skipped.min(BAD_LINES_KEPT_MAX));
    let database = match builder.build() {
        Ok(database) => database,
        // Good one by one, and too big together.
        Err(BuildError::ReadBack(_)) if kind == ListKind::Expressions => return,
        Err(error) => panic!("a good list does not build: {error}"),
    };
    let taken = report.rules - skipped;
    let stats = database.stats();
    // A line of a hosts file may have many names.
    let is_one_a_line = !matches!(kind, ListKind::Hosts | ListKind::Adblock);
    assert!(!is_one_a_line || stats.domains + stats.urls + stats.expressions <= taken as u64);
    is_read_as_written(&database);
    let bad: Vec<usize> = report.bad_lines.iter().map(|bad| bad.line).collect();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1..) {
        let line = line.trim_ascii();
        let is_rule = !line.is_empty() && !line.starts_with(b"#") && !bad.contains(&number);
        if is_rule && skipped <= BAD_LINES_KEPT_MAX {
            is_found(&database, kind, line);
        }
    }
}

fn is_read_as_written(database: &Database) {
    let again = Database::from_bytes(database.as_bytes().to_vec()).unwrap();
    assert_eq!(again.as_bytes(), database.as_bytes());
    assert_eq!(again.tag(), database.tag());
    assert_eq!(again.stats(), database.stats());
}

fn is_found(database: &Database, kind: ListKind, line: &[u8]) {
    let readings = match kind {
        // A remark may follow the name.
        ListKind::Domains | ListKind::Hostnames if line.contains(&b'#') => return,
        ListKind::Domains | ListKind::Hostnames => {
            let domain = Domain::parse(str::from_utf8(line).unwrap()).unwrap();
            let below = format!("https://below.{}:8443/path", domain.as_str());
            let below = Readings::parse(below.as_bytes());
            if let (ListKind::Domains, Ok(below)) = (kind, below) {
                assert_eq!(categories(database, &below), [CATEGORY], "below {domain:?}");
            }
            Readings::parse(format!("http://{}/", domain.as_str()).as_bytes())
        }
        ListKind::Urls => Readings::parse_typed(line),
        // What an expression matches is for its engine to say; the others have more on a line.
        ListKind::Hosts | ListKind::Adblock | ListKind::UrlTable | ListKind::Expressions => return,
    };
    let readings = readings.unwrap();
    assert_eq!(categories(database, &readings), [CATEGORY], "{readings:?}");
}

fn categories<'a>(database: &'a Database, readings: &Readings) -> Vec<&'a str> {
    let found = database.lookup(readings);
    if let Some(len) = found.prefix_len() {
        let uri = readings.normal();
        assert!((uri.origin_len()..=uri.as_str().len()).contains(&len));
    }
    found.categories().collect()
}
