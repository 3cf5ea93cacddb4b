//! A category file that is replaced while the real ICAP server answers from it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use tests::client::Client;
use tests::program::{Program, run, write_files};
use tests::reloads::{Setup, reload_under_load};
use tests::{WAIT_MAX, wait_for};

const SETUP: Setup = Setup {
    reloads: 40,
    names: 100_000,
    clients: 4,
};

/// By what part memory may grow.
const GROWTH_MAX: f64 = 0.05;

#[test]
fn a_replaced_file_gives_no_wrong_answer_and_its_memory_back() {
    let outcome = reload_under_load(SETUP);
    assert_eq!((outcome.wrong, outcome.dropped), (0, 0), "{outcome:?}");
    assert!(outcome.answers > 1_000, "{outcome:?}");
    // Enough to be seen, should one stay.
    assert!(outcome.file_len.iter().all(|len| *len > 2_000_000));
    assert!(
        outcome.growth() <= GROWTH_MAX,
        "{} {outcome:?}",
        outcome.growth()
    );
}

/// A way to spoil a file, and what the log says of it.
type Spoiled = (&'static str, fn(&Path, &[u8]), &'static str);

const SPOILED: [Spoiled; 8] = [
    (
        "cut off",
        |path, good| fs::write(path, &good[..good.len() - 64]).unwrap(),
        "the category database is cut off; copy or build it again",
    ),
    (
        "a bit flipped",
        |path, good| {
            let mut bytes = good.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        "the category database is damaged: the checksum of its ",
    ),
    (
        "of another version",
        |path, good| {
            let mut bytes = good.to_vec();
            // The version follows eight bytes that name the format.
            bytes[8] = 250;
            fs::write(path, bytes).unwrap();
        },
        "the category database has version 250, and ",
    ),
    (
        "bytes behind its end",
        |path, good| fs::write(path, [good, b"more"].concat()).unwrap(),
        "the category database has bytes behind its end; copy or build it again",
    ),
    (
        "no database",
        |path, _| fs::write(path, "news.example\n").unwrap(),
        "this is no category database; make one with `weir categories build`",
    ),
    (
        "removed",
        |path, _| fs::remove_file(path).unwrap(),
        "No such file or directory",
    ),
    (
        // To open it waits for a writer, who never comes.
        "a pipe",
        |path, _| {
            let _ = fs::remove_file(path);
            let made = std::process::Command::new("mkfifo").arg(path).status();
            assert!(made.unwrap().success());
        },
        "it is no file",
    ),
    (
        // Root may read what permissions forbid; nobody can read this.
        "unreadable",
        |path, _| {
            let _ = fs::remove_file(path);
            std::os::unix::fs::symlink(path, path).unwrap();
        },
        "Too many levels of symbolic links",
    ),
];

#[test]
fn a_spoiled_file_changes_nothing_and_raises_the_alarm() {
    let folder = tempfile::tempdir().unwrap();
    let good = database(folder.path(), "news");
    let other = database(folder.path(), "games");
    let config = "icap_server: {admin: '127.0.0.1:0', listen: ['127.0.0.1:0'], categories: c.db}\n";
    write_files(folder.path(), &[("weir.yaml", config)]);
    let path = folder.path().join("c.db");
    fs::write(&path, &good).unwrap();
    let file = folder.path().join("weir.yaml");
    let mut program = Program::start(&["icap-server", "--config", file.to_str().unwrap()], &[]);
    let address = program.address("icap", 0);
    let admin = program.address("icap_server_admin", 0);
    let mut client = Client::connect(address);
    let before = ask(&mut client);
    assert!(before.contains("\r\nX-Attribute: news\r\n"), "{before}");
    for (nth, (what, spoil, said)) in SPOILED.iter().enumerate() {
        spoil(&path, &good);
        program.signal("HUP");
        let refused = format!("weir_icap_server_refused_reloads_total {}\n", nth + 1);
        let alarm = "weir_icap_server_reload_failed 1\n";
        let page = wait_for(what, || {
            Some(metrics(admin)).filter(|it| it.contains(&refused) && it.contains(alarm))
        });
        assert!(
            page.contains("weir_icap_server_reloads_total 0\n"),
            "{page}"
        );
        program.wait_for_line(&["weir.yaml:1:", "c.db", said]);
        // The same connection, the same answer with the same tag.
        assert_eq!(without_date(&ask(&mut client)), without_date(&before));
        let _ = fs::remove_file(&path);
        fs::write(&path, &good).unwrap();
    }
    fs::write(folder.path().join("next.db"), other).unwrap();
    fs::rename(folder.path().join("next.db"), &path).unwrap();
    program.signal("HUP");
    // It is counted first, and then the alarm ends.
    wait_for("a good file", || {
        let page = metrics(admin);
        let lines = ["reloads_total 1\n", "reload_failed 0\n"];
        let lines = lines.map(|line| format!("weir_icap_server_{line}"));
        lines.iter().all(|line| page.contains(line)).then_some(())
    });
    let after = ask(&mut client);
    assert!(after.contains("\r\nX-Attribute: games\r\n"), "{after}");
    assert_eq!(program.stop(), 0);
}

/// Builds a database in which `web.test` has this category.
pub(crate) fn database(folder: &Path, category: &str) -> Vec<u8> {
    let list = format!("lists-{category}/{category}/domains");
    write_files(folder, &[(&list, "web.test\n")]);
    let file = format!("{category}.db");
    let source = format!("lists-{category}");
    let built = run(folder, &["categories", "build", &source, "-o", &file]);
    assert!(built.status.success(), "{built:?}");
    fs::read(folder.join(file)).unwrap()
}

pub(crate) fn ask(client: &mut Client) -> String {
    let http = "GET http://web.test/ HTTP/1.1\r\nHost: web.test\r\n\r\n";
    client.send(format!(
        "REQMOD icap://x/categorize ICAP/1.0\r\nHost: x\r\nAllow: 204\r\n\
         Encapsulated: req-hdr=0, null-body={}\r\n\r\n{http}",
        http.len()
    ));
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.extend(client.take(1));
    }
    String::from_utf8(answer).unwrap()
}

pub(crate) fn without_date(answer: &str) -> Vec<&str> {
    let lines = answer.lines();
    lines.filter(|line| !line.starts_with("Date: ")).collect()
}

pub(crate) fn metrics(admin: SocketAddr) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
