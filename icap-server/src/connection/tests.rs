use std::num::NonZeroUsize;
use std::time::Duration;

use categories::Builder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::io::InspectWriter;

use super::*;
use crate::config::{Config, Overload, PrefixUnit};
use crate::content::Content;
use crate::content::Loaded;
use crate::wire::READ_LEN_MAX;

const WHOLE: &str = "REQMOD icap://h/categorize ICAP/1.0\r\nAllow: 204\r\n\
    Encapsulated: req-hdr=0, null-body=34\r\n\r\nGET http://a.example/ HTTP/1.1\r\n\r\n";

const BODY: &str = "REQMOD icap://h/categorize ICAP/1.0\r\nEncapsulated: req-hdr=0, req-body=35\r\n\
    \r\nPOST http://a.example/ HTTP/1.1\r\n\r\n";

/// Less than the default, so that the test is quick.
const READ_OVER_LEN_MAX: usize = 3 * 1024 * 1024;

const MIB: usize = 1024 * 1024;

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_without_a_word() {
    let (mut client, served) = served(Admission::Admitted);
    client.write_all(WHOLE.as_bytes()).await.unwrap();
    let start = Instant::now();
    let answer = rest_of(&mut client).await;
    assert_eq!(start.elapsed().as_secs(), Limits::default().idle.as_secs());
    assert_eq!(answer.matches("ICAP/1.0 ").count(), 1, "{answer}");
    drop(client);
    assert_eq!(served.await.unwrap().0, End::Idle);
}

#[tokio::test(start_paused = true)]
async fn empty_lines_keep_no_connection_open() {
    let (client, served) = served(Admission::Admitted);
    let start = Instant::now();
    let (_reader, mut writer) = tokio::io::split(client);
    tokio::spawn(async move {
        while writer.write_all(b"\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(7)).await;
        }
    });
    assert_eq!(served.await.unwrap().0, End::Idle);
    assert_eq!(start.elapsed().as_secs(), Limits::default().idle.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_408_however_its_bytes_drip() {
    let (client, served) = served(Admission::Admitted);
    let start = Instant::now();
    let (mut reader, mut writer) = tokio::io::split(client);
    tokio::spawn(async move {
        for byte in WHOLE.bytes() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            // The server gives up in the midst of it.
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    });
    let mut answer = [0; 13];
    reader.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ICAP/1.0 408 ");
    // The first byte came after a second.
    assert_eq!(
        start.elapsed().as_secs(),
        1 + Limits::default().head.as_secs()
    );
    assert_eq!(served.await.unwrap().0, End::Slow);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_ends_the_connection() {
    let with_204 = BODY.replace("ICAP/1.0\r\n", "ICAP/1.0\r\nAllow: 204\r\n");
    let preview = BODY.replace("ICAP/1.0\r\n", "ICAP/1.0\r\nPreview: 9\r\n");
    for request in [BODY, &with_204, &preview] {
        let (mut client, served) = served(Admission::Admitted);
        client.write_all(request.as_bytes()).await.unwrap();
        client.write_all(b"5\r\nab").await.unwrap();
        let start = Instant::now();
        let answer = rest_of(&mut client).await;
        assert_eq!(
            start.elapsed().as_secs(),
            Limits::default().stall.as_secs(),
            "{request}"
        );
        let status = match request {
            request if request.contains("Preview") => "408",
            request if request.contains("204") => "204",
            _ => "200",
        };
        assert_eq!(answer.get(9..12), Some(status), "{answer}");
        assert_eq!(answer.matches("\nISTag: ").count(), 1, "{answer}");
        drop(client);
        assert_eq!(served.await.unwrap().0, End::Slow);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_stops_the_copy_in_bounded_memory() {
    let (client, served) = served(Admission::Admitted);
    let (_reader, mut writer) = tokio::io::split(client);
    let body = format!("{BODY}{:x}\r\n{}", 8 * MIB, "z".repeat(8 * MIB));
    let writing = tokio::spawn(async move { writer.write_all(body.as_bytes()).await });
    let (end, kept) = served.await.unwrap();
    assert_eq!(end, End::Slow);
    assert!(kept >= COPY_WINDOW, "{kept}");
    assert!(kept <= 2 * (COPY_WINDOW + READ_LEN_MAX), "{kept}");
    assert!(writing.await.unwrap().is_err(), "the rest was never read");
}

#[tokio::test]
async fn a_copy_is_whole_even_if_the_client_says_that_nothing_follows() {
    // Sizes around the window, where the end of the body waits while the window is full.
    for len in (COPY_WINDOW - 200..COPY_WINDOW + 20).step_by(7) {
        let (client, served) = served(Admission::Admitted);
        let (mut reader, mut writer) = tokio::io::split(client);
        let request = format!("{BODY}{len:x}\r\n{}\r\n0\r\n\r\n", "z".repeat(len));
        let writing = tokio::spawn(async move {
            writer.write_all(request.as_bytes()).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let mut answer = String::new();
        reader.read_to_string(&mut answer).await.unwrap();
        writing.await.unwrap();
        assert!(answer.ends_with("z\r\n0\r\n\r\n"), "{len}");
        assert_eq!(answer.matches('z').count(), len);
        assert_eq!(served.await.unwrap().0, End::Client);
    }
}

#[tokio::test]
async fn a_dropped_body_has_a_limit() {
    let request = BODY.replace("ICAP/1.0\r\n", "ICAP/1.0\r\nAllow: 204\r\n");
    // Size line, line end, last chunk.
    let frame = "0000000\r\n\r\n0\r\n\r\n".len();
    for (len, end) in [
        (READ_OVER_LEN_MAX, End::Client),
        (READ_OVER_LEN_MAX + 1, End::Refused),
    ] {
        let limits = Limits {
            read_over_len_max: READ_OVER_LEN_MAX,
            ..Limits::default()
        };
        let (mut client, served) = served_within(Admission::Admitted, limits);
        client.write_all(request.as_bytes()).await.unwrap();
        let bytes = len - frame;
        client
            .write_all(format!("{bytes:07x}\r\n").as_bytes())
            .await
            .unwrap();
        let piece = vec![b'z'; MIB];
        let mut left = bytes;
        while left > 0 {
            let now = left.min(MIB);
            client.write_all(&piece[..now]).await.unwrap();
            left -= now;
        }
        client.write_all(b"\r\n0\r\n\r\n").await.unwrap();
        client.shutdown().await.unwrap();
        rest_of(&mut client).await;
        assert_eq!(served.await.unwrap().0, end, "{len}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_preview_over_its_limit_is_answered_before_it_ends() {
    let request = BODY.replace("ICAP/1.0\r\n", "ICAP/1.0\r\nPreview: 500\r\n");
    let limits = Limits {
        preview_len_max: 100,
        ..Limits::default()
    };
    // Size line and line end are counted too.
    for (len, early) in [(93, false), (97, true)] {
        let (mut client, served) = served_within(Admission::Admitted, limits);
        let sent = format!("{request}{:04x}\r\n{}", 499, "z".repeat(len));
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut status = [0; 13];
        let answered = client.read_exact(&mut status);
        let answered = tokio::time::timeout(Duration::from_millis(200), answered).await;
        assert_eq!(answered.is_ok(), early, "{len}");
        let rest = format!("{}\r\n0\r\n\r\n{WHOLE}", "z".repeat(499 - len));
        client.write_all(rest.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let rest = rest_of(&mut client).await;
        let answers = rest.matches("ICAP/1.0 204 ").count() + usize::from(early);
        assert_eq!(answers, 2, "{len} {rest}");
        assert_eq!(served.await.unwrap().0, End::Client);
    }
}

#[tokio::test(start_paused = true)]
async fn waits_are_as_long_as_configured() {
    let limits = Limits {
        head: Duration::from_secs(3),
        stall: Duration::from_secs(5),
        idle: Duration::from_secs(7),
        ..Limits::default()
    };
    let stalled = format!("{BODY}5\r\nab");
    for (sent, seconds, end) in [
        ("", 7, End::Idle),
        (WHOLE, 7, End::Idle),
        ("REQMOD", 3, End::Slow),
        (&stalled, 5, End::Slow),
    ] {
        let (mut client, served) = served_within(Admission::Admitted, limits);
        client.write_all(sent.as_bytes()).await.unwrap();
        let start = Instant::now();
        rest_of(&mut client).await;
        assert_eq!(start.elapsed().as_secs(), seconds, "{sent}");
        drop(client);
        assert_eq!(served.await.unwrap().0, end, "{sent}");
    }
}

#[tokio::test]
async fn what_is_read_has_the_limits_of_the_configuration() {
    let mut limits = Limits::default();
    limits.request.head_len_max = 1_024;
    limits.request.fields_max = 8;
    limits.request.http_heads_len_max = 1_024;
    limits.request.chunks.line_len_max = 32;
    limits.request.chunks.trailer_len_max = 64;
    let lines =
        |count: usize| WHOLE.replace("Allow", &format!("{}Allow", "A: b\r\n".repeat(count - 2)));
    let head = |len: usize| {
        let fixed = WHOLE.len() - 34 + "A: \r\n".len();
        WHOLE.replace("Allow", &format!("A: {}\r\nAllow", "b".repeat(len - fixed)))
    };
    let heads = |len: usize| {
        let get = format!(
            "GET http://a.example/ HTTP/1.1\r\nA: {}\r\n\r\n",
            "b".repeat(len - 39)
        );
        WHOLE
            .replace("null-body=34", &format!("null-body={len}"))
            .replace("GET http://a.example/ HTTP/1.1\r\n\r\n", &get)
    };
    let preview = BODY.replace("ICAP/1.0\r\n", "ICAP/1.0\r\nPreview: 9\r\n");
    let line = |len: usize| format!("{preview}1;{}\r\nz\r\n0\r\n\r\n", "a".repeat(len - 4));
    let trailer = |len: usize| format!("{preview}0; ieof\r\na:{}\r\n\r\n", "b".repeat(len - 6));
    for (good, over) in [
        (lines(8), lines(9)),
        (head(1_024), head(1_025)),
        (heads(1_024), heads(1_025)),
        (line(32), line(33)),
        (trailer(64), trailer(65)),
    ] {
        for (request, status) in [(good, "204"), (over, "400")] {
            let (mut client, served) = served_within(Admission::Admitted, limits);
            client.write_all(request.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
            let answer = rest_of(&mut client).await;
            assert_eq!(answer.get(9..12), Some(status), "{request}{answer}");
            served.await.unwrap();
        }
    }
}

#[tokio::test]
async fn answers_to_a_flood_of_requests_do_not_pile_up() {
    let (client, served) = served(Admission::Admitted);
    let flood = WHOLE.repeat(2_000);
    let reader = tokio::spawn(async move {
        let (mut reader, mut writer) = tokio::io::split(client);
        let writing = tokio::spawn(async move {
            writer.write_all(flood.as_bytes()).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let mut answers = String::new();
        reader.read_to_string(&mut answers).await.unwrap();
        writing.await.unwrap();
        answers.matches("ICAP/1.0 204 ").count()
    });
    assert_eq!(reader.await.unwrap(), 2_000);
    assert_eq!(served.await.unwrap().0, End::Client);
}

#[tokio::test]
async fn answers_to_requests_that_came_together_leave_in_one_write() {
    let (near, mut client) = duplex(MIB / 4);
    let (count, mut writes) = mpsc::unbounded_channel();
    let near = InspectWriter::new(near, move |bytes: &[u8]| count.send(bytes.len()).unwrap());
    let shared = shared(Limits::default());
    let mut connection = Connection::new(near, shared, Admission::Admitted);
    let served = tokio::spawn(async move { connection.serve().await });
    for requests in [1, 2, 50] {
        client
            .write_all(WHOLE.repeat(requests).as_bytes())
            .await
            .unwrap();
        let len = writes.recv().await.unwrap();
        let mut answers = vec![0; len];
        client.read_exact(&mut answers).await.unwrap();
        let answers = String::from_utf8(answers).unwrap();
        assert_eq!(answers.matches("ICAP/1.0 204 ").count(), requests);
    }
    client.shutdown().await.unwrap();
    assert_eq!(served.await.unwrap(), End::Client);
    assert!(writes.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_hears_why_and_no_more() {
    let (mut client, served) = served(Admission::Refused);
    client.write_all(WHOLE.repeat(3).as_bytes()).await.unwrap();
    let answer = rest_of(&mut client).await;
    assert!(answer.starts_with("ICAP/1.0 503 "), "{answer}");
    assert_eq!(answer.matches("ICAP/1.0 ").count(), 1, "{answer}");
    drop(client);
    assert_eq!(served.await.unwrap().0, End::Refused);
}

/// Serves one connection; the task tells why it ended and how many bytes were kept then.
fn served(admission: Admission) -> (DuplexStream, JoinHandle<(End, usize)>) {
    served_within(admission, Limits::default())
}

fn served_within(admission: Admission, limits: Limits) -> (DuplexStream, JoinHandle<(End, usize)>) {
    let (near, far) = duplex(MIB / 4);
    let mut connection = Connection::new(near, shared(limits), admission);
    let task = tokio::spawn(async move {
        let mut kept = 0;
        let end = loop {
            if let Err(end) = connection.exchange().await {
                break end;
            }
            kept = kept.max(connection.wire.output.len());
        };
        kept = kept.max(connection.wire.output.len());
        connection.finish(end).await;
        (end, kept)
    });
    (far, task)
}

fn shared(limits: Limits) -> Arc<Shared> {
    let config = Config {
        admin: None,
        listen: Vec::new(),
        overload: Overload::Refuse,
        prefix_unit: PrefixUnit::Uri,
        max_age: None,
        limits,
        connections_max: NonZeroUsize::MIN,
        workers: None,
        drain: Duration::ZERO,
    };
    let loaded = Loaded::new(
        &config,
        Content {
            database: Arc::new(Builder::new().build().unwrap()),
            policy: None,
            policy_tag: String::new(),
            sessions: sessions::Directory::default(),
        },
    );
    Arc::new(Shared::new(&config, Vec::new(), loaded))
}

async fn rest_of(client: &mut DuplexStream) -> String {
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}
