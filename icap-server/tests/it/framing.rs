use std::net::Shutdown;

use crate::harness::{Client, GET, exchange, reqmod, reqmod_body, started};

const POST: &str = "POST http://games.example/ HTTP/1.1\r\nContent-Length: 5\r\n\r\n";
const CHUNKS: &str = "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";

#[tokio::test]
async fn requests_that_arrive_together_are_answered_in_order() {
    let server = started().await;
    let other = GET.replace("games.example", "other.example");
    let requests = [
        reqmod("Allow: 204\r\n", GET),
        reqmod("Allow: 204\r\n", &other),
        reqmod_body("Allow: 204\r\n", POST, CHUNKS),
        reqmod_body("Preview: 0\r\n", POST, "0\r\n\r\n"),
        reqmod_body("Preview: 9\r\n", POST, "5\r\nabcde\r\n0; ieof\r\n\r\n"),
        reqmod_body("", POST, CHUNKS),
        reqmod("Allow: 204\r\n", &other),
    ];
    let answer = exchange(server.addresses()[0], requests.concat());
    let seen: Vec<&str> = answer
        .lines()
        .filter(|line| line.starts_with("ICAP/1.0") || line.starts_with("X-Attribute: "))
        .collect();
    let (no_content, known) = ("ICAP/1.0 204 No Content", "X-Attribute: games, kids");
    assert_eq!(
        seen,
        [
            no_content,
            known,
            no_content,
            no_content,
            known,
            no_content,
            known,
            no_content,
            known,
            "ICAP/1.0 200 OK",
            known,
            no_content
        ]
    );
}

#[tokio::test]
async fn empty_lines_before_a_request_are_skipped_however_they_are_cut() {
    let server = started().await;
    let mut client = Client::connect(server.addresses()[0]);
    for pieces in [
        &["\r\n"][..],
        &["\r", "\n"],
        &["\r\n\r", "\n\r\n"],
        &["\r\n", "\r\n", "\r", "\n"],
    ] {
        for piece in pieces {
            client.send(piece);
            std::thread::yield_now();
        }
        client.send(reqmod("Allow: 204\r\n", GET));
        let answer = client.head();
        assert!(answer.starts_with("ICAP/1.0 204 "), "{pieces:?} {answer}");
    }
}

#[tokio::test]
async fn every_cut_of_a_request_gets_the_same_answer() {
    let server = started().await;
    let address = server.addresses()[0];
    for request in [
        reqmod("Allow: 204\r\nPreview: 0\r\n", GET),
        reqmod_body("Allow: 204\r\n", POST, CHUNKS),
        reqmod_body("Preview: 3\r\n", POST, "3\r\nabc\r\n0\r\n\r\n"),
        reqmod_body("", POST, "3\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n"),
    ] {
        let whole = unchunked(&exchange(address, &request));
        assert!(whole.starts_with("ICAP/1.0 20"), "{whole}");
        for cut in 1..request.len() {
            let mut client = Client::connect(address);
            client.send(&request[..cut]);
            std::thread::yield_now();
            client.send(&request[cut..]);
            client.0.shutdown(Shutdown::Write).unwrap();
            assert_eq!(unchunked(&client.rest()), whole, "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn a_preview_is_answered_without_100_and_the_connection_goes_on() {
    let server = started().await;
    let mut client = Client::connect(server.addresses()[0]);
    for (fields, body) in [
        ("Preview: 0\r\n", "0\r\n\r\n"),
        ("Preview: 0\r\n", "0; ieof\r\n\r\n"),
        ("Preview: 5\r\nAllow: 204\r\n", "5\r\nabcde\r\n0\r\n\r\n"),
    ] {
        client.send(reqmod_body(fields, POST, body));
        let answer = client.head();
        assert!(answer.starts_with("ICAP/1.0 204 "), "{answer}");
    }
}

#[tokio::test]
async fn nothing_is_waited_for_when_nothing_follows() {
    let server = started().await;
    let mut client = Client::connect(server.addresses()[0]);
    for _ in 0..3 {
        client.send(reqmod("Preview: 0\r\nAllow: 204, trailers\r\n", GET));
        assert!(client.head().starts_with("ICAP/1.0 204 "));
    }
}

#[tokio::test]
async fn with_leave_for_204_the_answer_comes_before_the_body_ends() {
    let server = started().await;
    let mut client = Client::connect(server.addresses()[0]);
    client.send(reqmod_body("Allow: 204\r\n", POST, "3\r\nabc\r\n"));
    assert!(client.head().starts_with("ICAP/1.0 204 "));
    client.send("2\r\nde\r\n0\r\n\r\n");
    client.send(reqmod("Allow: 204\r\n", GET));
    assert!(client.head().starts_with("ICAP/1.0 204 "));
}

#[tokio::test]
async fn a_copy_streams_back_with_its_trailers() {
    let server = started().await;
    let mut client = Client::connect(server.addresses()[0]);
    client.send(reqmod_body("", POST, "3\r\nabc\r\n"));
    let head = client.read_to("3\r\nabc\r\n");
    assert!(
        head.contains("\nEncapsulated: req-hdr=0, req-body=78\n\nPOST "),
        "{head}"
    );
    client.send("2\r\nde\r\n");
    assert_eq!(client.read_to("de\r\n"), "2\nde\n");
    client.send("0\r\nT: 1\r\n\r\n");
    assert_eq!(client.head(), "0\nT: 1\n\n");
    client.send(reqmod("Allow: 204\r\n", GET));
    assert!(client.head().starts_with("ICAP/1.0 204 "));
}

#[tokio::test]
async fn a_large_copy_comes_back_whole() {
    let server = started().await;
    let body = "z".repeat(3_000_000);
    let request = reqmod_body(
        "",
        POST,
        &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
    );
    let client = Client::connect(server.addresses()[0]);
    let mut writer = Client(client.0.try_clone().unwrap());
    // A client must read while it writes.
    let writing = std::thread::spawn(move || {
        writer.send(request);
        writer.0.shutdown(Shutdown::Write).unwrap();
    });
    let answer = unchunked(&{ client }.rest());
    writing.join().unwrap();
    assert_eq!(answer.matches('z').count(), body.len());
    assert!(
        answer.ends_with("z<0>\n"),
        "{}",
        &answer[answer.len() - 20..]
    );
}

#[tokio::test]
async fn bad_chunks_end_the_connection() {
    let server = started().await;
    let address = server.addresses()[0];
    for (fields, body, statuses) in [
        (
            "Preview: 0\r\n",
            "x\r\n\r\n",
            &["ICAP/1.0 400 Bad Request"][..],
        ),
        (
            "Preview: 2\r\n",
            "5\r\nabcde\r\n0\r\n\r\n",
            &["ICAP/1.0 400 Bad Request"],
        ),
        // The answer was given before the body was looked at.
        ("Allow: 204\r\n", "x\r\n\r\n", &["ICAP/1.0 204 No Content"]),
        ("", "x\r\n\r\n", &["ICAP/1.0 200 OK"]),
    ] {
        let request = reqmod_body(fields, POST, body) + &reqmod("Allow: 204\r\n", GET);
        let answer = exchange(address, request);
        let found: Vec<&str> = answer
            .lines()
            .filter(|line| line.starts_with("ICAP/1.0 "))
            .collect();
        assert_eq!(found, statuses, "{fields}{body}");
    }
}

/// Joins the chunks of an answer, which may be cut anywhere; `<0>` is the end.
fn unchunked(answer: &str) -> String {
    let Some((head, body)) = answer.split_once("weir\n\n") else {
        return answer.to_owned();
    };
    let mut joined = format!("{head}weir\n\n");
    let mut rest = body;
    while let Some((size, after)) = rest.split_once('\n') {
        let Ok(size @ 1..) = usize::from_str_radix(size, 16) else {
            return format!("{joined}<{size}>\n{}", after.trim_end());
        };
        joined += &after[..size];
        rest = &after[size + 1..];
    }
    joined + rest
}
