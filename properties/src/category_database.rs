use categories::{Database, sealed};
use uri::Readings;

/// A database made by somebody who does not mean well: lengths and checksums are put right, so that
/// what is behind them is looked at. It is refused, or every look-up ends.
pub fn category_database(bytes: &[u8]) {
    let _ = Database::from_bytes(bytes.to_vec());
    let Ok(database) = Database::from_bytes(sealed(bytes)) else {
        return;
    };
    assert!(database.stats().categories.len() <= bytes.len());
    assert!(database.tag().len() <= bytes.len());
    let changes = database.diff(&database, &mut |change| panic!("{change:?}"));
    assert_eq!(changes.len(), database.categories().count());
    for uri in [
        "http://a.example/",
        "http://www.a.example/x/y?z",
        "http://b.a.example:8080/x",
        "https://192.0.2.1/",
        "http://[2001:db8::1]/a%2525%2fb",
    ] {
        let readings = Readings::parse(uri.as_bytes()).unwrap();
        let found = database.lookup(&readings);
        let _ = found.categories().count();
        let uri = readings.normal();
        let longest = uri.origin_len()..=uri.as_str().len();
        assert!(found.prefix_len().is_none_or(|len| longest.contains(&len)));
    }
}
