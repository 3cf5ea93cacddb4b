//! An ICAP server that fetches its category file: from a real web server, with real signatures.

use std::fs;
use std::io::Cursor;
use std::net::SocketAddr;

use minisign::KeyPair;
use tempfile::TempDir;
use tests::client::Client;
use tests::list_server::{ListServer, Served};
use tests::program::{Program, run, write_files};
use tests::wait_for;

use crate::reloads::{ask, database, metrics, without_date};

mod settings;

/// Where the file lies on the web server.
const PATH: &str = "/lists/c.db";
const SIGNATURE: &str = "/lists/c.db.minisig";

/// Over the files here, which have about 2 KiB.
const BYTES_MAX: usize = 64 * 1024;

/// A folder with a configuration, and what may be served.
struct Bench {
    folder: TempDir,
    keys: KeyPair,
    news: Vec<u8>,
    games: Vec<u8>,
}

/// A running ICAP server.
struct Running {
    program: Program,
    client: Client,
    admin: SocketAddr,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            news: database(folder.path(), "news"),
            games: database(folder.path(), "games"),
            keys: KeyPair::generate_unencrypted_keypair().unwrap(),
            folder,
        }
    }

    /// Writes the configuration.
    fn configure(&self, server: &ListServer, more: &str) {
        self.configure_url(&server.url(PATH), more);
        let certificate = server.certificate.as_deref().unwrap_or_default();
        write_files(self.folder.path(), &[("ca.pem", certificate)]);
    }

    fn configure_url(&self, url: &str, more: &str) {
        let config = format!(
            "icap_server: {{admin: '127.0.0.1:0', listen: ['127.0.0.1:0'], categories: {{file: c.db, \
             url: '{url}', every_s: 1, deadline_s: 5, bytes_max: {BYTES_MAX}{more}}}}}\n"
        );
        write_files(self.folder.path(), &[("weir.yaml", &config)]);
    }

    fn key(&self) -> String {
        format!(", minisign_key: '{}'", self.keys.pk.to_base64())
    }

    fn start(&self) -> Running {
        let path = self.folder.path().join("weir.yaml");
        let arguments = ["icap-server", "--config", path.to_str().unwrap()];
        let mut program = Program::start(&arguments, &[]);
        let client = Client::connect(program.address("icap", 0));
        let admin = program.address("icap_server_admin", 0);
        Running {
            program,
            client,
            admin,
        }
    }

    /// Serves a file with a signature of this time.
    fn sign(&self, server: &ListServer, file: &[u8], etag: &'static str, at: u64) {
        let signature = signature(&self.keys, file, at);
        server.serve(SIGNATURE, Served::File(signature, "\"s\""));
        server.serve(PATH, Served::File(file.to_vec(), etag));
    }
}

impl Running {
    /// Waits until `web.test` has this category, and returns the answer.
    #[track_caller]
    fn wait_for_category(&mut self, category: &str) -> String {
        let line = format!("\r\nX-Attribute: {category}\r\n");
        wait_for(category, || {
            Some(ask(&mut self.client)).filter(|answer| answer.contains(&line))
        })
    }

    /// Waits until the metrics have this line.
    #[track_caller]
    fn wait_for_metric(&self, line: &str) {
        wait_for(line, || metrics(self.admin).contains(line).then_some(()));
    }

    /// Waits until attempts ended so, and returns the metrics.
    #[track_caller]
    fn wait_for_attempt(&self, outcome: &str) -> String {
        let line = format!("category_pulls_total{{outcome=\"{outcome}\"}} ");
        wait_for(&format!("{outcome} in {}", metrics(self.admin)), || {
            Some(metrics(self.admin)).filter(|page| page.contains(&line))
        })
    }
}

fn signature(keys: &KeyPair, file: &[u8], at: u64) -> Vec<u8> {
    let comment = format!("timestamp:{at}\tfile:c.db");
    let signed = minisign::sign(None, &keys.sk, Cursor::new(file), Some(&comment), None);
    signed.unwrap().into_string().into_bytes()
}

#[test]
fn a_signed_file_is_fetched_once_and_known_after_a_restart() {
    let bench = Bench::new();
    let server = ListServer::https();
    bench.configure(&server, &format!(", ca_file: ca.pem{}", bench.key()));
    bench.sign(&server, &bench.news, "\"1\"", 1_000);
    // There is no file: it is fetched before anything is answered.
    let mut running = bench.start();
    let news = ask(&mut running.client);
    assert!(news.contains("\r\nX-Attribute: news\r\n"), "{news}");
    running.wait_for_attempt("unchanged");
    server.wait_for_request(1, &["GET /lists/c.db ", "if-none-match: \"1\"\r\n"]);
    bench.sign(&server, &bench.games, "\"2\"", 1_001);
    let games = running.wait_for_category("games");
    let page = running.wait_for_attempt("new");
    assert!(page.contains("category_pull_failed 0\n"), "{page}");
    assert!(!page.contains("pull_timestamp_seconds 0\n"), "{page}");
    assert_eq!(running.program.stop(), 0);
    assert_eq!(
        fs::read(bench.folder.path().join("c.db")).unwrap(),
        bench.games
    );
    assert!(!bench.folder.path().join("c.db.pulling").exists());
    let before = server.requests().len();
    let mut running = bench.start();
    assert_eq!(
        without_date(&ask(&mut running.client)),
        without_date(&games)
    );
    running.wait_for_attempt("unchanged");
    let asked = server.requests().split_off(before);
    let known = asked
        .iter()
        .all(|it| it.contains("if-none-match: \"2\"\r\n"));
    assert!(known, "{asked:?}");
    // A file that somebody else put there is not what the web server knows.
    let before = server.requests().len();
    let path = bench.folder.path().join("c.db");
    fs::write(bench.folder.path().join("other.db"), &bench.news).unwrap();
    fs::rename(bench.folder.path().join("other.db"), &path).unwrap();
    wait_for("the file of the web server", || {
        (fs::read(&path).unwrap() == bench.games).then_some(())
    });
    let asked = server.requests().split_off(before);
    assert!(asked.iter().any(|it| !it.contains("if-none-match")));
}

/// What is wrong with what is served, and how the attempt is counted.
type Row = (
    &'static str,
    fn(&Bench, &ListServer),
    &'static str,
    &'static str,
);

const ROWS: [Row; 14] = [
    (
        "the signature of another key",
        |bench, server| {
            let other = KeyPair::generate_unencrypted_keypair().unwrap();
            let signature = signature(&other, &bench.games, 2_000);
            server.serve(SIGNATURE, Served::File(signature, "\"s\""));
        },
        "signature",
        "the signature is not that of `minisign_key` for this file",
    ),
    (
        "the signature of another file",
        |bench, server| {
            let signature = signature(&bench.keys, &bench.news, 2_000);
            server.serve(SIGNATURE, Served::File(signature, "\"s\""));
        },
        "signature",
        "the signature is not that of `minisign_key` for this file",
    ),
    (
        "a trusted comment that was changed",
        |bench, server| {
            let signature = signature(&bench.keys, &bench.games, 2_000);
            let text = String::from_utf8(signature).unwrap();
            let text = text.replace("timestamp:2000", "timestamp:3000");
            server.serve(SIGNATURE, Served::File(text.into_bytes(), "\"s\""));
        },
        "signature",
        "the signature is not that of `minisign_key` for this file",
    ),
    (
        "no signature",
        |_, server| server.serve(SIGNATURE, Served::Status(404)),
        "signature",
        "the signature has the status 404",
    ),
    (
        "a page in place of a signature",
        |_, server| server.serve(SIGNATURE, Served::File(vec![b'x'; 8_192], "\"p\"")),
        "signature",
        "what is at the URL of the signature is none",
    ),
    (
        "a signature from before",
        |bench, server| bench.sign(server, &bench.games, "\"2\"", 999),
        "older",
        "the signature is older than that of the file in use",
    ),
    (
        "a file cut off",
        |bench, server| server.serve(PATH, Served::CutOff(bench.games.clone())),
        "unreachable",
        "no category file was fetched",
    ),
    (
        "a file too long, as it says",
        |_, server| server.serve(PATH, Served::File(vec![b'x'; BYTES_MAX + 1], "\"3\"")),
        "too_long",
        "the file has more than 65536 bytes",
    ),
    (
        "a file too long, as it is found",
        |_, server| server.serve(PATH, Served::Unannounced(2 * BYTES_MAX)),
        "too_long",
        "the file has more than 65536 bytes",
    ),
    (
        "a file that does not come to an end",
        |_, server| server.serve(PATH, Served::Slow),
        "late",
        "the answer took longer than `deadline_s`",
    ),
    (
        "an error",
        |_, server| server.serve(PATH, Served::Status(500)),
        "status",
        "the answer had the status 500",
    ),
    (
        "a redirect to itself",
        |_, server| server.serve(PATH, Served::Redirect(server.url(PATH))),
        "status",
        "it leads elsewhere too often, or from `https:` to `http:`",
    ),
    (
        "a redirect away from TLS",
        |bench, server| {
            let plain = ListServer::http("127.0.0.1:0".parse().unwrap());
            bench.sign(&plain, &bench.games, "\"2\"", 2_000);
            server.serve(PATH, Served::Redirect(plain.url(PATH)));
        },
        "status",
        "it leads elsewhere too often, or from `https:` to `http:`",
    ),
    (
        "a signed file that is no database",
        |bench, server| bench.sign(server, b"news.example\n", "\"4\"", 2_000),
        "invalid",
        "this is no category database",
    ),
];

#[test]
fn what_is_wrong_is_not_used_and_told() {
    let bench = Bench::new();
    let server = ListServer::https();
    bench.configure(&server, &format!(", ca_file: ca.pem{}", bench.key()));
    bench.sign(&server, &bench.news, "\"1\"", 1_000);
    for (what, spoil, outcome, told) in ROWS {
        // A program for each, so that the counters say which.
        bench.sign(&server, &bench.news, "\"1\"", 1_000);
        let mut running = bench.start();
        let before = ask(&mut running.client);
        assert!(before.contains("\r\nX-Attribute: news\r\n"), "{what}");
        running.wait_for_attempt("unchanged");
        server.serve(PATH, Served::File(bench.games.clone(), "\"2\""));
        spoil(&bench, &server);
        let page = running.wait_for_attempt(outcome);
        assert!(page.contains("category_pull_failed 1\n"), "{what}: {page}");
        assert!(!page.contains("\"new\""), "{what}: {page}");
        running.program.wait_for_line(&[told]);
        let after = ask(&mut running.client);
        assert_eq!(without_date(&after), without_date(&before), "{what}");
        assert_eq!(
            fs::read(bench.folder.path().join("c.db")).unwrap(),
            bench.news,
            "{what}"
        );
        // It goes on, and takes a good one.
        bench.sign(&server, &bench.news, "\"1\"", 1_000);
        wait_for(what, || {
            let page = metrics(running.admin);
            page.contains("category_pull_failed 0\n").then_some(())
        });
        assert_eq!(running.program.stop(), 0, "{what}");
        assert!(!bench.folder.path().join("c.db.pulling").exists(), "{what}");
    }
}

#[test]
fn a_web_server_may_be_gone_and_come_back() {
    let bench = Bench::new();
    let address = tests::peers::free_address();
    bench.configure_url(&format!("http://{address}{PATH}"), &bench.key());
    // Without any file there is nothing to start with.
    let output = run(
        bench.folder.path(),
        &["icap-server", "--config", "weir.yaml"],
    );
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(71), "{told}");
    assert!(
        told.contains("is not there and could not be fetched"),
        "{told}"
    );
    assert!(told.contains("Connection refused"), "{told}");
    let checked = run(bench.folder.path(), &["check", "weir.yaml"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    fs::write(bench.folder.path().join("c.db"), &bench.news).unwrap();
    let mut running = bench.start();
    running.wait_for_attempt("unreachable");
    let news = ask(&mut running.client);
    assert!(news.contains("\r\nX-Attribute: news\r\n"), "{news}");
    let server = ListServer::http(address);
    bench.sign(&server, &bench.games, "\"1\"", 1_000);
    running.wait_for_category("games");
    assert_eq!(running.program.stop(), 0);
}

#[test]
fn a_web_server_that_is_not_trusted_is_not_used() {
    let bench = Bench::new();
    let (server, other) = (ListServer::https(), ListServer::https());
    server.serve(PATH, Served::File(bench.games.clone(), "\"1\""));
    bench.configure(&server, ", ca_file: ca.pem");
    let certificate = other.certificate.unwrap();
    write_files(bench.folder.path(), &[("ca.pem", &certificate)]);
    fs::write(bench.folder.path().join("c.db"), &bench.news).unwrap();
    let mut running = bench.start();
    running.wait_for_attempt("unreachable");
    let news = ask(&mut running.client);
    assert!(news.contains("\r\nX-Attribute: news\r\n"), "{news}");
    // Trusted, it needs no signature.
    bench.configure(&server, ", ca_file: ca.pem");
    running.wait_for_category("games");
    // Another configuration is in force after a signal.
    bench.configure(&server, &format!(", ca_file: ca.pem{}", bench.key()));
    running.program.signal("HUP");
    running.wait_for_attempt("signature");
    bench.sign(&server, &bench.news, "\"1\"", 1_000);
    // Though the web server calls it as before: that one was not looked at.
    running.wait_for_category("news");
    // What is not tried any more does not fail any more.
    server.serve(PATH, Served::Status(500));
    running.wait_for_attempt("status");
    let config = "icap_server: {admin: '127.0.0.1:0', listen: ['127.0.0.1:0'], categories: c.db}\n";
    write_files(bench.folder.path(), &[("weir.yaml", config)]);
    running.program.signal("HUP");
    running.wait_for_metric("category_pull_failed 0\n");
    assert_eq!(running.program.stop(), 0);
}

#[test]
fn what_another_process_fetched_is_taken_too() {
    let bench = Bench::new();
    let server = ListServer::https();
    bench.configure(&server, &format!(", ca_file: ca.pem{}", bench.key()));
    bench.sign(&server, &bench.news, "\"1\"", 1_000);
    let mut one = bench.start();
    one.wait_for_attempt("unchanged");
    one.program.halt();
    bench.sign(&server, &bench.games, "\"2\"", 1_001);
    let mut other = bench.start();
    other.wait_for_category("games");
    assert_eq!(other.program.stop(), 0);
    // The web server says that the file here is the one, which is not yet the one in force.
    one.program.signal("CONT");
    one.wait_for_category("games");
    assert_eq!(one.program.stop(), 0);
}

#[test]
fn new_categories_say_nothing_of_a_configuration_that_was_refused() {
    let bench = Bench::new();
    let config = "icap_server: {admin: '127.0.0.1:0', listen: ['127.0.0.1:0'], \
                  categories: {file: c.db, check_every_s: 1}}\n";
    let put = |bytes: &[u8]| {
        let next = bench.folder.path().join("next.db");
        fs::write(&next, bytes).unwrap();
        fs::rename(next, bench.folder.path().join("c.db")).unwrap();
    };
    put(&bench.news);
    write_files(bench.folder.path(), &[("weir.yaml", config)]);
    let mut running = bench.start();
    write_files(bench.folder.path(), &[("weir.yaml", "icap_server: 1\n")]);
    running.program.signal("HUP");
    running.wait_for_metric("weir_icap_server_reload_failed 1\n");
    put(&bench.games);
    running.wait_for_category("games");
    // Counted after it came in force, before the alarm would end.
    running.program.wait_for_line(&["categories in force"]);
    let page = metrics(running.admin);
    assert!(
        page.contains("weir_icap_server_reload_failed 1\n"),
        "{page}"
    );
    write_files(bench.folder.path(), &[("weir.yaml", config)]);
    running.program.signal("HUP");
    running.wait_for_metric("weir_icap_server_reload_failed 0\n");
    assert_eq!(running.program.stop(), 0);
}

#[test]
fn a_file_that_changes_is_taken_without_a_signal() {
    let bench = Bench::new();
    let config = "icap_server: {admin: '127.0.0.1:0', listen: ['127.0.0.1:0'], overrides: own.txt, \
                  categories: {file: c.db, check_every_s: 1}}\n";
    write_files(
        bench.folder.path(),
        &[("weir.yaml", config), ("own.txt", "")],
    );
    let path = bench.folder.path().join("c.db");
    let put = |bytes: &[u8]| {
        let next = bench.folder.path().join("next.db");
        fs::write(&next, bytes).unwrap();
        fs::rename(next, &path).unwrap();
    };
    put(&bench.news);
    let mut running = bench.start();
    running.wait_for_category("news");
    put(&bench.games);
    running.wait_for_category("games");
    let alarm = |state: usize| {
        running.wait_for_metric(&format!("weir_icap_server_reload_failed {state}\n"));
    };
    put(&bench.news[..bench.news.len() - 1]);
    alarm(1);
    running
        .program
        .wait_for_line(&["the category database is cut off"]);
    put(&bench.games);
    alarm(0);
    fs::remove_file(&path).unwrap();
    alarm(1);
    // Told once, and not at every look.
    running.wait_for_metric("refused_reloads_total 2\n");
    put(&bench.games);
    alarm(0);
    let games = ask(&mut running.client);
    assert!(games.contains("\r\nX-Attribute: games\r\n"), "{games}");
    write_files(bench.folder.path(), &[("own.txt", "web.test own\n")]);
    running.wait_for_category("own");
    assert_eq!(running.program.stop(), 0);
}
