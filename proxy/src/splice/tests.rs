use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::fixture::{self, pair};

/// More than every buffer on the way holds.
const MEGABYTES: usize = 12 * 1024 * 1024;

#[tokio::test]
async fn megabytes_pass_both_ways_at_once_and_each_side_ends_for_itself() {
    let worker = worker();
    let ((client, accepted), (dialled, origin)) = (pair().await, pair().await);
    let mut stream = fixture::client(accepted);
    stream.read_ahead.extend_from_slice(b"read ahead ");
    let passing = worker.pass_through(stream, dialled);
    let (up, down) = (pattern(MEGABYTES, 7), pattern(MEGABYTES / 2, 11));
    let (passed, received, answered) =
        tokio::join!(passing, exchange(origin, &down), exchange(client, &up));
    assert_eq!(received, [b"read ahead ", &up[..]].concat());
    assert_eq!(answered, down);
    let expected = Passed {
        from_client: 11 + len(&up),
        to_client: len(&down),
        failure: None,
    };
    assert_eq!(passed, expected);
    assert!(worker.pipes.kept() > 0, "pipes are kept for the next");
}

#[tokio::test]
async fn an_idle_tunnel_holds_no_pipe() {
    let worker = worker();
    let ((mut client, accepted), (dialled, mut origin)) = (pair().await, pair().await);
    let passing = worker.pass_through(fixture::client(accepted), dialled);
    let talking = async {
        let mut byte = [0];
        for _ in 0..3 {
            client.write_all(b"x").await.unwrap();
            origin.read_exact(&mut byte).await.unwrap();
            origin.write_all(b"y").await.unwrap();
            client.read_exact(&mut byte).await.unwrap();
        }
        // Bytes that arrived have left their pipe; let the tunnel find that there are no more.
        tokio::task::yield_now().await;
        assert!((1..=2).contains(&worker.pipes.kept()));
        drop((client, origin));
    };
    tokio::join!(passing, talking);
}

#[tokio::test]
async fn a_reset_becomes_a_reset() {
    let worker = worker();
    let ((mut client, accepted), (dialled, origin)) = (pair().await, pair().await);
    let passing = worker.pass_through(fixture::client(accepted), dialled);
    close::reset(origin);
    let (passed, read) = tokio::join!(passing, async { client.read(&mut [0]).await });
    assert_eq!(passed.failure, Some("connection_lost"));
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_answer_that_breaks_off_after_the_end_of_the_request_is_a_reset() {
    let worker = worker();
    let ((mut client, accepted), (dialled, mut origin)) = (pair().await, pair().await);
    let passing = worker.pass_through(fixture::client(accepted), dialled);
    let exchange = async {
        client.shutdown().await.unwrap();
        assert_eq!(origin.read(&mut [0]).await.unwrap(), 0);
        origin.write_all(b"half an ans").await.unwrap();
        let mut received = [0; 11];
        client.read_exact(&mut received).await.unwrap();
        close::reset(origin);
        client.read(&mut [0]).await.unwrap_err().kind()
    };
    let (passed, end) = tokio::join!(passing, exchange);
    assert_eq!(passed.failure, Some("connection_lost"));
    assert_eq!(end, io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_upload_that_breaks_off_after_the_end_of_the_answer_is_a_reset() {
    let worker = worker();
    let ((mut client, accepted), (dialled, mut origin)) = (pair().await, pair().await);
    let passing = worker.pass_through(fixture::client(accepted), dialled);
    let exchange = async {
        origin.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        client.write_all(b"half an upl").await.unwrap();
        let mut received = [0; 11];
        origin.read_exact(&mut received).await.unwrap();
        close::reset(client);
        origin.read(&mut [0]).await.unwrap_err().kind()
    };
    let (passed, end) = tokio::join!(passing, exchange);
    assert_eq!(passed.failure, Some("connection_lost"));
    assert_eq!(end, io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_answer_before_a_reset_arrives_although_the_upload_fails() {
    let worker = worker();
    let ((client, accepted), (dialled, mut origin)) = (pair().await, pair().await);
    // What the system sends at once: a reset throws away what it has not.
    let answer = pattern(32 * 1024, 5);
    let passing = worker.pass_through(fixture::client(accepted), dialled);
    let (mut read, mut write) = client.into_split();
    let answering = async {
        origin.read_exact(&mut [0]).await.unwrap();
        origin.write_all(&answer).await.unwrap();
        // With bytes of the upload unread, the system makes this a reset.
        drop(origin);
    };
    let uploading = async { while write.write_all(&[0; 4096]).await.is_ok() {} };
    let receiving = async {
        let mut received = Vec::new();
        // Writing may have been told of the reset already; then reading is not.
        let _ = read.read_to_end(&mut received).await;
        received
    };
    let ends = async { tokio::join!(answering, uploading, receiving).2 };
    let (passed, received) = tokio::join!(passing, ends);
    assert_eq!(passed.failure, Some("connection_lost"));
    assert_eq!(received.len(), answer.len());
}

#[tokio::test]
async fn bytes_for_a_side_that_went_away_are_no_stall() {
    let worker = worker();
    let ((mut client, accepted), (dialled, origin)) = (pair().await, pair().await);
    let traffic = Traffic::new(Limits::default());
    let up = &traffic.from_client;
    let uploading = async { while client.write_all(&[0; 65536]).await.is_ok() {} };
    let going = async {
        while up.waits.get().is_none() {
            tokio::task::yield_now().await;
        }
        close::reset(origin);
    };
    let passing = worker.pass(&accepted, &dialled, &traffic, up);
    let ended = tokio::select! {
        ended = async { tokio::join!(passing, going).0 } => ended,
        () = uploading => unreachable!("nobody closes the client"),
    };
    assert_eq!(ended, Err(Lost::Destination));
    assert_eq!(up.waits.get(), None);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_tunnel() {
    let worker = worker();
    let ((_client, accepted), (dialled, _origin)) = (pair().await, pair().await);
    let started = Instant::now();
    let passed = worker
        .pass_through(fixture::client(accepted), dialled)
        .await;
    assert_eq!(passed.failure, Some("idle"));
    let silent = started.elapsed();
    let limits = Limits::default();
    assert!(silent >= limits.tunnel_idle && silent < limits.tunnel_idle + limits.half_closed_idle);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_half_closed_tunnel_sooner() {
    let worker = worker();
    let ((mut client, accepted), (dialled, mut origin)) = (pair().await, pair().await);
    client.shutdown().await.unwrap();
    let started = Instant::now();
    let passing = worker.pass_through(fixture::client(accepted), dialled);
    let (passed, end) = tokio::join!(passing, async { origin.read(&mut [0]).await });
    assert_eq!(passed.failure, Some("idle"));
    assert_eq!(
        end.unwrap(),
        0,
        "the end of the client's side reached the origin"
    );
    let silent = started.elapsed();
    let half_closed = Limits::default().half_closed_idle;
    assert!(silent >= half_closed && silent < 3 * half_closed);
}

#[tokio::test]
async fn bytes_are_copied_where_there_is_no_pipe() {
    let ((mut client, accepted), (dialled, mut origin)) = (pair().await, pair().await);
    let sent = pattern(100_000, 3);
    let writing = async {
        client.write_all(&sent).await.unwrap();
        drop(client);
    };
    let direction = Direction::new();
    let copying = async {
        loop {
            accepted.readable().await.unwrap();
            if copy(&accepted, &dialled, &direction).await.unwrap() {
                break end_writing(&dialled).unwrap();
            }
        }
    };
    let mut received = Vec::new();
    let (_, (), read) = tokio::join!(writing, copying, origin.read_to_end(&mut received));
    read.unwrap();
    assert_eq!(received, sent);
    assert_eq!(direction.bytes.get(), len(&sent));
}

/// Writes everything, ends, and returns everything that was read.
async fn exchange(stream: TcpStream, sent: &[u8]) -> Vec<u8> {
    let (mut read, mut write) = stream.into_split();
    let mut received = Vec::new();
    let writing = async {
        write.write_all(sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let ((), read) = tokio::join!(writing, read.read_to_end(&mut received));
    read.unwrap();
    received
}

fn pattern(len: usize, step: usize) -> Vec<u8> {
    (0..len)
        .map(|n| u8::try_from(n * step / 251 % 256).unwrap())
        .collect()
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

fn worker() -> std::rc::Rc<Worker> {
    fixture::worker(fixture::config(), fixture::content("discard", "block"))
}
