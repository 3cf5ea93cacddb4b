//! Answers that carry an HTTP response.

use filter::AnswerVerdict;

use super::*;

/// 200 with this HTTP response head, and perhaps a body.
fn response(head: &str, body: &str) -> String {
    let head = format!("{head}\r\n\r\n");
    let (section, body) = match body {
        "" => ("null-body", String::new()),
        body => (
            "res-body",
            format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
        ),
    };
    let len = head.len();
    format!(
        "ICAP/1.0 200 OK\r\nISTag: \"one\"\r\nX-Attribute-Prefix: 17\r\nEncapsulated: res-hdr=0, {section}={len}\r\n\r\n{head}{body}"
    )
}

fn honouring(peer: &Peer) -> Client {
    Client::start(&Icap {
        honour_http_response: true,
        ..config(&[service(peer)])
    })
}

/// Says what the categorizer wants.
fn wanted(answer: &Answer) -> String {
    match &answer.verdict {
        None => "nothing".to_owned(),
        Some(AnswerVerdict::Block(status)) => format!("block {status}"),
        Some(AnswerVerdict::Redirect { status, location }) => {
            format!("redirect {status} {}", location.as_str())
        }
    }
}

#[tokio::test]
async fn an_http_response_is_a_verdict_where_that_is_configured() {
    let long = format!(
        "HTTP/1.1 302 x\r\nLocation: http://a.example/{}",
        "x".repeat(900)
    );
    for (head, body, expected) in [
        ("HTTP/1.1 403 Forbidden", "no", "block 403"),
        ("HTTP/1.1 403 Forbidden", "", "block 403"),
        ("HTTP/1.1 500 Error", "", "block 500"),
        ("HTTP/1.1 200 OK\r\nX: y", "a page", "block 200"),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://n.example/?a=%4D&b=%U",
            "",
            "redirect 302 https://n.example/?a=%4D&b=%U",
        ),
        (
            "HTTP/1.1 307 x\r\nLocation: http://n.example",
            "x",
            "redirect 307 http://n.example",
        ),
        ("HTTP/1.1 302 x", "", "block 302"),
        ("HTTP/1.1 302 x\r\nLocation: /here", "", "block 302"),
        ("HTTP/1.1 302 x\r\nLocation: javascript:x", "", "block 302"),
        (&long, "", "block 302"),
        (
            "HTTP/1.1 201 x\r\nLocation: http://n.example/",
            "",
            "block 201",
        ),
    ] {
        let text = response(head, body);
        let peer = Peer::start(move |_| Act::Say(text.clone())).await;
        let client = honouring(&peer);
        for _ in 0..3 {
            let answer = client.ask("http://a.example/x").await.unwrap();
            assert_eq!(wanted(&answer), expected, "{head}");
            assert_eq!(answer.prefix, None, "it holds for its own URI alone");
        }
        assert_eq!(peer.connections(), 1, "what follows is read past: {head}");
        let client = Client::of(&peer);
        let answer = client.ask("http://a.example/x").await.unwrap();
        assert_eq!(wanted(&answer), "nothing", "not configured");
    }
}

#[tokio::test]
async fn other_answers_are_read_as_before() {
    let request = "GET / HTTP/1.1\r\n\r\n";
    for text in [
        found("right"),
        format!(
            "ICAP/1.0 200 OK\r\nX-Attribute: right\r\nEncapsulated: req-hdr=0, null-body=18\r\n\r\n{request}"
        ),
    ] {
        let peer = Peer::start(move |_| Act::Say(text.clone())).await;
        let answer = honouring(&peer).ask("http://a.example/x").await.unwrap();
        assert_eq!(
            (wanted(&answer).as_str(), answer.categories[0].as_ref()),
            ("nothing", "right")
        );
    }
}

#[tokio::test]
async fn a_response_that_cannot_be_read_is_a_failure_and_no_verdict() {
    let whole = response("HTTP/1.1 403 Forbidden", "");
    for (act, expected) in [
        (
            Act::Say(whole.replace("HTTP/1.1 403", "HTTP/1.1 100")),
            AskError::Protocol,
        ),
        (
            Act::Say(whole.replace("HTTP/1.1 403", "GET / HTTP/1")),
            AskError::Protocol,
        ),
        (
            Act::Say(whole.replace("null-body=26", "null-body=25")),
            AskError::Protocol,
        ),
        (
            Act::Say(whole.replace("null-body=26", "null-body=70000")),
            AskError::Protocol,
        ),
        (
            Act::Say(whole.replace("null-body=26", "null-body=27")),
            AskError::Timeout,
        ),
        (
            Act::SayAndClose(whole.replace("null-body=26", "null-body=27")),
            AskError::Protocol,
        ),
        (
            Act::Drip(whole.clone() + &"x".repeat(99)),
            AskError::Timeout,
        ),
    ] {
        let script = act.clone();
        let peer = Peer::start(move |seen| match seen.question {
            0 => script.clone(),
            _ => Act::Say(response(
                "HTTP/1.1 302 x\r\nLocation: http://n.example/",
                "",
            )),
        })
        .await;
        let client = honouring(&peer);
        let time = if expected == AskError::Timeout {
            DEADLINE
        } else {
            PATIENCE
        };
        assert_eq!(
            client
                .ask_within(time, "http://a.example/x")
                .await
                .unwrap_err(),
            expected,
            "{act:?}"
        );
        let answer = client.ask("http://a.example/x").await.unwrap();
        assert_eq!(wanted(&answer), "redirect 302 http://n.example/", "{act:?}");
    }
}
