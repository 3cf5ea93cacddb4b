use categories::{Database, FORMAT_VERSION};
use uri::Readings;
use xxhash_rust::xxh3::xxh3_64;

/// Magic, version, length of all, checksum of what follows.
const HEADER_LEN: usize = 8 + 4 + 8 + 8;

/// A database made by somebody who does not mean well: the header is put right, so that what is
/// behind it is looked at. It is refused, or every look-up ends.
pub fn category_database(bytes: &[u8]) {
    let _ = Database::from_bytes(bytes.to_vec());
    let body = bytes.get(HEADER_LEN..).unwrap_or_default();
    let len = (HEADER_LEN + body.len()) as u64;
    let database = [
        b"weircat\n",
        &FORMAT_VERSION.to_le_bytes()[..],
        &len.to_le_bytes(),
        &xxh3_64(body).to_le_bytes(),
        body,
    ];
    let Ok(database) = Database::from_bytes(database.concat()) else {
        return;
    };
    assert!(database.stats().categories.len() <= bytes.len());
    assert!(database.tag().len() <= bytes.len());
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
