//! Each key of `icap_server:` does what the page of the configuration says.

use std::time::{Duration, Instant};

use tests::client::{Client, find};
use tests::program::{Program, run, write_files};

const POLICY: &str = r#"
profiles:
  child: {icap: true, default_action: block, unknown_action: pass, error_action: block, undecidable_action: block}
default_profile: child
"#;

const LISTS: (&str, &str) = ("categories/adult/domains", "adult.test\n");

fn start(section: &str) -> Program {
    let config = format!("policy: policy.yaml\nicap_server: {section}\n");
    let files = [
        ("weir.yaml", config.as_str()),
        ("policy.yaml", POLICY),
        LISTS,
    ];
    Program::start(&["icap-server", "--config", "weir.yaml"], &files)
}

/// Sends a request of an ICAP client about a URI that is listed; it may be answered with 204.
fn ask(client: &mut Client, service: &str) {
    let http = "GET http://adult.test/ HTTP/1.1\r\nHost: adult.test\r\n\r\n";
    client.send(format!(
        "REQMOD icap://x/{service} ICAP/1.0\r\nHost: x\r\nAllow: 204\r\n\
         Encapsulated: req-hdr=0, null-body={}\r\n\r\n{http}",
        http.len()
    ));
}

/// Reads the head of an answer.
#[track_caller]
fn head(client: &mut Client) -> String {
    let mut head = Vec::new();
    while find(&head, b"\r\n\r\n").is_none() {
        head.extend(client.take(1));
    }
    String::from_utf8(head).unwrap()
}

#[track_caller]
fn answer(client: &mut Client, service: &str) -> String {
    ask(client, service);
    head(client)
}

#[test]
fn every_address_serves_and_admin_has_metrics() {
    let section =
        "{admin: '127.0.0.1:0', listen: ['127.0.0.1:0', '[::1]:0'], categories: categories}";
    let mut program = start(section);
    for nth in [0, 1] {
        let mut client = Client::connect(program.address("icap", nth));
        let head = answer(&mut client, "categorize");
        assert!(head.contains("\r\nX-Attribute: adult\r\n"), "{head}");
    }
    let mut client = Client::connect(program.address("icap_server_admin", 0));
    client.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(client.response().text().contains("# EOF"));
}

#[test]
fn categories_may_be_a_built_file() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), &[LISTS]);
    let built = folder.path().join("built");
    let built = built.to_str().unwrap();
    let output = run(
        folder.path(),
        &["categories", "build", "categories", "-o", built],
    );
    assert_eq!(output.status.code(), Some(0));
    let section = format!("{{listen: ['127.0.0.1:0'], categories: '{built}'}}");
    let mut program = start(&section);
    let mut client = Client::connect(program.address("icap", 0));
    let head = answer(&mut client, "categorize");
    assert!(head.contains("\r\nX-Attribute: adult\r\n"), "{head}");
    assert!(head.contains("\r\nX-Attribute-Prefix: 18\r\n"), "{head}");
}

#[test]
fn overload_of_the_filter_may_pass_and_of_the_categorizer_may_not() {
    for (overload, filter) in [("503", "503"), ("204", "204")] {
        let section = format!(
            "{{listen: ['127.0.0.1:0'], categories: categories, connections_max: 1, \
             overload: '{overload}'}}"
        );
        let mut program = start(&section);
        let address = program.address("icap", 0);
        let first = tests::wait_for("the only place", || {
            let mut client = Client::connect(address);
            let head = answer(&mut client, "filter");
            head.starts_with("ICAP/1.0 200").then_some(client)
        });
        for (service, status) in [("filter", filter), ("categorize", "503")] {
            let head = answer(&mut Client::connect(address), service);
            let expected = format!("ICAP/1.0 {status} ");
            assert!(head.starts_with(&expected), "{service}: {head}");
            assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
            assert!(!head.contains("X-Attribute"), "{head}");
        }
        drop(first);
    }
}

#[test]
fn options_tell_how_many_connections_there_may_be() {
    let section = "{listen: ['127.0.0.1:0'], categories: categories, connections_max: 77}";
    let mut program = start(section);
    let mut client = Client::connect(program.address("icap", 0));
    client.send("OPTIONS icap://x/categorize ICAP/1.0\r\nHost: x\r\n\r\n");
    let head = head(&mut client);
    assert!(head.contains("\r\nMax-Connections: 77\r\n"), "{head}");
}

#[test]
fn workers_are_as_many_as_configured() {
    for count in [1, 3] {
        let section =
            format!("{{listen: ['127.0.0.1:0'], categories: categories, workers: {count}}}");
        let mut program = start(&section);
        program.address("icap", 0);
        let tasks = format!("/proc/{}/task", program.id());
        let names = std::fs::read_dir(tasks).unwrap().filter_map(|task| {
            let name = std::fs::read_to_string(task.ok()?.path().join("comm"));
            name.ok().filter(|name| name.trim() == "icap")
        });
        assert_eq!(names.count(), count);
    }
}

#[test]
fn drain_is_over_when_its_time_is() {
    // One worker: it has read the one connection once it has answered on the other.
    let section = "{listen: ['127.0.0.1:0'], categories: categories, workers: 1, drain_s: 1}";
    let mut program = start(section);
    let mut client = Client::connect(program.address("icap", 0));
    // A request that never ends.
    client.send("REQMOD icap://x/categorize ICAP/1.0\r\n");
    let mut other = Client::connect(program.address("icap", 0));
    answer(&mut other, "categorize");
    let start = Instant::now();
    assert_eq!(program.stop(), 0);
    let took = start.elapsed();
    assert!(took > Duration::from_millis(900), "{took:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn a_listener_may_be_a_socket_of_the_file_system() {
    let section =
        "{listen: ['127.0.0.1:0', {unix: icap.sock, mode: '0600'}], categories: categories}";
    let mut program = start(section);
    program.address("icap", 0);
    program.wait_for_line(&["icap_unix", "listening"]);
    let path = program.dir.path().join("icap.sock");
    let mut socket = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let options = "OPTIONS icap://x/categorize ICAP/1.0\r\nHost: x\r\nConnection: close\r\n\r\n";
    std::io::Write::write_all(&mut socket, options.as_bytes()).unwrap();
    let answer = std::io::read_to_string(socket).unwrap();
    assert!(answer.starts_with("ICAP/1.0 200 "), "{answer}");
    assert_eq!(program.stop(), 0);
    assert!(!path.exists());
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let config = "icap_server:\n  categories: categories\n  listen:\n    - address: 127.0.0.1:0\n      \
                  tls: {certificate: icap.pem, key: icap.key}\n";
    write_files(
        folder.path(),
        &[("weir.yaml", config), ("icap.pem", "no"), LISTS],
    );
    for command in ["check", "icap-server"] {
        let arguments = match command {
            "check" => vec!["check", "weir.yaml"],
            _ => vec!["icap-server", "--config", "weir.yaml"],
        };
        let output = run(folder.path(), &arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{told}");
        let expected = "weir.yaml:5:12: error: cannot use `icap.pem`: it has no certificate in PEM";
        assert!(told.contains(expected), "{told}");
    }
}
