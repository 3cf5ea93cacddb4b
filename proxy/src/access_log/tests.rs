use std::fs;
use std::path::Path;

use filter::Undecidable;
use serde_json::Value;
use sessions::{Digits, Known, Session};
use tempfile::tempdir;

use super::line::TEXT_LEN_MAX;
use super::*;
use crate::config::AccessLog;
use crate::fixture;
use filter::Target;

#[tokio::test]
async fn a_line_is_json_whatever_the_client_sent() {
    let line = logged(no_redaction(), |exchange| {
        exchange.method = Some("GE\"T".to_owned());
        exchange.uri = Some("http://a.example/\u{1}\n\"\\?q=\u{7f}é".to_owned());
        exchange.sni = Some(b"a\xff\n\0\"b"[..].into());
        exchange.status = Some(403);
    })
    .await;
    assert_eq!(line["method"], "GE\"T");
    assert_eq!(line["uri"], "http://a.example/\u{1}\n\"\\?q=\u{7f}é");
    assert_eq!(line["sni"], "a\u{fffd}\n\0\"b");
    assert_eq!(line["status"], 403);
}

#[tokio::test]
async fn a_line_tells_the_decision() {
    let line = logged(no_redaction(), |_| {}).await;
    assert_eq!(line["kind"], "decision");
    assert_eq!(line["listener"], "redirect");
    assert_eq!(line["client"], "127.0.0.1:50000");
    assert_eq!(line["destination"], "198.51.100.1:443");
    assert_eq!(line["profile"], "test");
    assert_eq!(line["action"], "block");
    assert_eq!(line["source"], "undecidable");
    assert_eq!(line["undecidable"], "no_sni");
    assert_eq!(line["enforcement"], "discard");
    assert_eq!(line["msisdn"], "111220000001");
    assert_eq!(line["imsi"], "10020000000007");
    for number in ["decision_us", "duration_us", "bytes_in", "bytes_out"] {
        assert!(line[number].is_u64(), "{number}");
    }
    let time = line["time"].as_str().unwrap();
    assert_eq!(time.len(), "2026-01-02T03:04:05.678901Z".len());
    assert!(time.ends_with('Z'));
    for absent in [
        "method",
        "uri",
        "sni",
        "ech",
        "status",
        "icap_us",
        "rule",
        "categories",
    ] {
        assert_eq!(line[absent], Value::Null, "{absent}");
    }
}

#[tokio::test]
async fn subscriber_and_query_can_be_left_out() {
    let redact = |log: &mut AccessLog| {
        log.redact_subscriber = true;
        log.redact_query = true;
    };
    let line = logged(redact, |exchange| {
        exchange.uri = Some("http://a.example/x?msisdn=1?2".to_owned());
    })
    .await;
    assert_eq!(line["uri"], "http://a.example/x");
    assert_eq!(line["msisdn"], Value::Null);
    assert_eq!(line["imsi"], Value::Null);
}

#[tokio::test]
async fn long_text_is_cut_between_characters() {
    for (len, cut) in [
        (TEXT_LEN_MAX, TEXT_LEN_MAX),
        (TEXT_LEN_MAX + 1, TEXT_LEN_MAX),
    ] {
        let line = logged(no_redaction(), |exchange| {
            exchange.uri = Some("x".repeat(len));
        })
        .await;
        let uri = line["uri"].as_str().unwrap();
        assert_eq!(uri.trim_end_matches('\u{2026}').len(), cut);
        assert_eq!(uri.ends_with('\u{2026}'), len > TEXT_LEN_MAX);
    }
    let line = logged(no_redaction(), |exchange| {
        exchange.uri = Some(format!("x{}", "é".repeat(TEXT_LEN_MAX)));
    })
    .await;
    let uri = line["uri"].as_str().unwrap();
    assert_eq!(uri.len(), TEXT_LEN_MAX - 1 + "\u{2026}".len());
}

#[tokio::test]
async fn refusals_have_lines_of_their_own() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("access.log");
    let worker = worker(&path, no_redaction());
    let client = "192.0.2.7:1".parse().unwrap();
    worker.log_refused(Mode::Explicit, client, Refusal::ClientNotListed);
    let connection = fixture::intercepted("198.51.100.1:80".parse().unwrap());
    worker.log_bad_request(&connection, "two_lengths", &Exchange::new());
    worker.shared.access_log.close();
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let [refused, bad] = &lines[..] else {
        panic!("two lines, not {text}");
    };
    assert_eq!(refused["kind"], "refused");
    assert_eq!(refused["reason"], "client_not_listed");
    assert_eq!(refused["client"], "192.0.2.7:1");
    assert_eq!(bad["kind"], "bad_request");
    assert_eq!(bad["reason"], "two_lengths");
    let metrics = worker.shared.metrics.encode();
    assert!(metrics.contains("weir_connections_refused_total{reason=\"client_not_listed\"} 1"));
    assert!(metrics.contains("weir_bad_requests_total{reason=\"two_lengths\"} 1"));
}

#[test]
fn a_file_that_was_moved_away_is_let_go() {
    let folder = tempdir().unwrap();
    let (path, moved) = (folder.path().join("a.log"), folder.path().join("a.log.1"));
    let worker = worker(&path, no_redaction());
    let log = &worker.shared.access_log;
    log.write(b"first\n".to_vec());
    while fs::read(&path).unwrap().is_empty() {
        std::thread::yield_now();
    }
    fs::rename(&path, &moved).unwrap();
    let live = worker.shared.live.load();
    log.reopen(Sink::open(live.config.access_log.as_ref()).unwrap());
    log.write(b"second\n".to_vec());
    log.close();
    assert_eq!(fs::read(&moved).unwrap(), b"first\n");
    assert_eq!(fs::read(&path).unwrap(), b"second\n");
}

#[test]
fn lines_that_find_no_room_are_counted() {
    let folder = tempdir().unwrap();
    let worker = worker(&folder.path().join("a.log"), no_redaction());
    let log = &worker.shared.access_log;
    let dropped = || worker.shared.metrics.access_log_dropped.get();
    log.write(vec![b'x'; writer::QUEUE_BYTES_MAX]);
    assert_eq!(dropped(), 0);
    log.write(vec![b'x'; writer::QUEUE_BYTES_MAX + 1]);
    assert_eq!(dropped(), 1);
    log.close();
}

fn no_redaction() -> impl FnOnce(&mut AccessLog) {
    |_| {}
}

fn worker(path: &Path, change: impl FnOnce(&mut AccessLog)) -> Rc<Worker> {
    let mut log = AccessLog {
        path: Some(path.to_owned()),
        redact_subscriber: false,
        redact_query: false,
    };
    change(&mut log);
    let mut config = fixture::config();
    config.access_log = Some(log);
    fixture::worker(config, fixture::content("discard", "block"))
}

/// Returns the line of an exchange whose hello had no name.
async fn logged(redact: impl FnOnce(&mut AccessLog), change: impl FnOnce(&mut Exchange)) -> Value {
    let folder = tempdir().unwrap();
    let path = folder.path().join("access.log");
    let worker = worker(&path, redact);
    let connection = fixture::intercepted("198.51.100.1:443".parse().unwrap());
    let target = Target::Undecidable(Undecidable::NoSni);
    let mut judged = worker.judge(&connection, Protocol::Tls, target).await;
    judged.session = Some(Known::Fixed(std::sync::Arc::new(Session {
        msisdn: Digits::new("111220000001"),
        imsi: Digits::new("10020000000007"),
        ..Session::default()
    })));
    let mut exchange = Exchange::new();
    change(&mut exchange);
    worker.log_decision(&connection, Protocol::Tls, &judged, &exchange);
    worker.shared.access_log.close();
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "one line: {text}");
    serde_json::from_str(&text).unwrap()
}
