//! Settings of category files that cannot be.

use tests::program::{run, write_files};

#[test]
fn settings_that_cannot_be_are_told() {
    let told = |categories: &str| {
        let folder = tempfile::tempdir().unwrap();
        let config =
            format!("icap_server: {{listen: ['127.0.0.1:0'], categories: {categories}}}\n");
        write_files(folder.path(), &[("weir.yaml", &config)]);
        let output = run(folder.path(), &["check", "weir.yaml"]);
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (categories, expected) in [
        (
            "{file: c.db, url: 'http://a.example/c.db'}",
            "what comes over `http:` may be anybody's",
        ),
        (
            "{file: c.db, url: 'ftp://a.example/c.db'}",
            "is not a URL to fetch a file from",
        ),
        (
            "{file: c.db, url: 'https://me@a.example/'}",
            "without a user name",
        ),
        (
            "{file: c.db, url: 'https://'}",
            "is not a URL to fetch a file from",
        ),
        ("{file: c.db, every_s: 5}", "`every_s` is for a `url`"),
        ("{url: 'https://a.example/'}", "the key `file` is missing"),
        (
            "{file: c.db, url: 'https://a.example/', every_s: 0}",
            "use 1 to 2592000",
        ),
        (
            "{file: c.db, url: 'https://a.example/', minisign_key: RWQ}",
            "is not a public key of minisign",
        ),
        (
            "{file: c.db, url: 'https://a.example/', bytes_max: 1}",
            "use 1024 to 4294967296",
        ),
        ("{file: c.db, check_every_s: 86401}", "use 1 to 86400"),
        (
            "{file: c.db, urls: 1}",
            "`urls` is not a key here; did you mean `url`?",
        ),
        ("[a]", "use a path, or keys with values"),
    ] {
        let text = told(categories);
        assert!(text.contains(expected), "{categories}: {text}");
    }
}
