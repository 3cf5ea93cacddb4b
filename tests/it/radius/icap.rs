//! `/filter` of an ICAP server, whose clients name the subscriber's address.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use tests::client::Client;
use tests::icap_server::{IcapServer, Setup};

use super::*;

/// What a client of the ICAP server learns of one request: the profile, where it leads, and the
/// tag of the state.
#[derive(Debug, Eq, PartialEq)]
struct Verdict {
    profile: Option<String>,
    location: Option<String>,
    tag: String,
}

fn start(files: &Path) -> (IcapServer, SocketAddr) {
    std::fs::write(files.join("secret"), SECRET).unwrap();
    let server = Setup::new(POLICY)
        .category("adult/domains", "adult.test\n")
        .file_line(&sessions(files, 0))
        .start();
    let line = server.program.wait_for_line(&["\"listener\":\"radius\""]);
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    let fields = json.get("fields").unwrap_or(&json);
    let radius = fields["address"].as_str().unwrap().parse().unwrap();
    (server, radius)
}

/// Asks about one URI for a subscriber. Whatever the answer is, nobody may keep it.
#[track_caller]
fn ask(client: &mut Client, subscriber: &str) -> Verdict {
    let http = "GET http://web.test/ HTTP/1.1\r\nHost: web.test\r\n\r\n";
    client.send(format!(
        "REQMOD icap://x/filter ICAP/1.0\r\nHost: x\r\nAllow: 204\r\nX-Client-IP: {subscriber}\r\n\
         Encapsulated: req-hdr=0, null-body={}\r\n\r\n{http}",
        http.len()
    ));
    let mut answer = String::new();
    let read = |client: &mut Client, answer: &mut String, end: &str| {
        while !answer.ends_with(end) {
            answer.push(char::from(client.take(1)[0]));
        }
    };
    read(client, &mut answer, "\r\n\r\n");
    assert!(
        answer.contains("\r\nCache-Control: no-store\r\n"),
        "{answer}"
    );
    if answer.starts_with("ICAP/1.0 200 ") {
        let body = answer.contains("res-body=");
        read(client, &mut answer, "HTTP/1.1");
        read(
            client,
            &mut answer,
            if body { "\r\n0\r\n\r\n" } else { "\r\n\r\n" },
        );
    } else {
        assert!(answer.starts_with("ICAP/1.0 204 "), "{answer}");
    }
    let field = |name: &str| {
        let value = |line: &str| Some(line.strip_prefix(name)?.to_owned());
        answer.lines().find_map(value)
    };
    Verdict {
        profile: field("X-ICAP-Profile: "),
        location: field("Location: "),
        tag: field("ISTag: ").unwrap(),
    }
}

#[test]
fn an_icap_server_answers_by_the_session_of_the_address_that_its_client_names() {
    if is_missing() {
        return;
    }
    let files = tempfile::tempdir().unwrap();
    let (server, radius) = start(files.path());
    let mut client = Client::connect(server.address);
    let mut tags = BTreeSet::new();
    let mut check = |subscriber: &str, profile: Option<&str>, location: Option<&str>| {
        let verdict = ask(&mut client, subscriber);
        assert_eq!(verdict.profile.as_deref(), profile, "{subscriber}");
        assert_eq!(verdict.location.as_deref(), location, "{subscriber}");
        tags.insert(verdict.tag);
    };
    let report = |lines: &str| {
        let (answered, printed) = radclient(radius, SECRET, lines);
        assert!(answered, "{printed}");
    };
    check(SUBSCRIBER, None, None);
    report(START);
    check(SUBSCRIBER, Some("kids"), Some(KIDS));
    check("2001:db8:7::5", Some("kids"), Some(KIDS));
    check("2001:db8:8::5", None, None);
    // Over one connection, in turn: the answer for one is never that for another.
    check("127.0.0.3", Some("teens"), Some("http://teens.test/"));
    check(SUBSCRIBER, Some("kids"), Some(KIDS));
    check("127.0.0.9", None, None);
    report(&changed("Interim-Update", "Filter-Id = \"teens\"\n"));
    check(SUBSCRIBER, Some("teens"), Some("http://teens.test/"));
    report(&changed("Stop", ""));
    check(SUBSCRIBER, None, None);
    assert_eq!(tags.len(), 1, "sessions come and go without another state");
}
