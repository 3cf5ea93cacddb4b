//! Every way to misbehave at every stage: the right failure within the deadline, and the true
//! answer to the question that follows on the same client.

use super::*;

/// What a row does with the first question, and what it is to be called.
struct Row {
    name: String,
    act: Act,
    expected: Expected,
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    /// One of these failures: where a peer both answers and breaks off, either may be seen.
    Fails(&'static [AskError]),
    /// The answer itself is good, what is around it is not.
    Answers,
    /// A reset may overtake an answer that is not yet read.
    AnswersOrFails,
}

use AskError::{Connect, Overload, Protocol, Status, Timeout};
use Expected::{Answers, AnswersOrFails, Fails};

const GOOD: &str = "ICAP/1.0 204 No Content\r\nISTag: \"one\"\r\nX-Attribute: first\r\n\r\n";

/// An answer with a body, cut at every stage.
const WITH_BODY: &str = "ICAP/1.0 200 OK\r\nISTag: \"one\"\r\nX-Attribute: first\r\n\
    Encapsulated: req-hdr=0, req-body=18\r\n\r\nGET / HTTP/1.1\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

/// Where an answer's head is cut: before a byte, in the status line, in a field, before the end.
fn cuts(whole: &str) -> Vec<usize> {
    let head = whole.find("\r\n\r\n").unwrap();
    vec![
        1,
        5,
        12,
        whole.find("\r\n").unwrap() + 1,
        whole.find("ISTag").unwrap() + 3,
        head,
        head + 3,
    ]
}

fn row(name: impl Into<String>, act: Act, expected: Expected) -> Row {
    let name = name.into();
    Row {
        name,
        act,
        expected,
    }
}

fn say(text: impl Into<String>) -> Act {
    Act::Say(text.into())
}

/// Hangs, closes and resets at every stage.
fn stages() -> Vec<Row> {
    let mut rows = vec![
        row("hang before an answer", Act::Stall, Fails(&[Timeout])),
        row("close before an answer", Act::Close, Fails(&[Connect])),
        row("reset before an answer", Act::Reset, Fails(&[Connect])),
    ];
    for whole in [GOOD, WITH_BODY] {
        for cut in cuts(whole) {
            let part = whole.get(..cut).unwrap();
            rows.push(row(
                format!("hang after {part:?}"),
                say(part),
                Fails(&[Timeout]),
            ));
            let act = Act::SayAndClose(part.to_owned());
            rows.push(row(
                format!("close after {part:?}"),
                act,
                Fails(&[Protocol]),
            ));
            let act = Act::SayAndReset(part.to_owned());
            rows.push(row(
                format!("reset after {part:?}"),
                act,
                Fails(&[Protocol, Connect]),
            ));
        }
    }
    // Once the head is there the question is answered; the connection is never used again.
    let head = WITH_BODY.find("\r\n\r\n").unwrap() + 4;
    for cut in [
        head,
        head + 7,
        head + 18,
        head + 19,
        head + 23,
        WITH_BODY.len() - 2,
    ] {
        let part = WITH_BODY.get(..cut).unwrap();
        rows.push(row(
            format!("hang in the body at {cut}"),
            say(part),
            Answers,
        ));
        let act = Act::SayAndClose(part.to_owned());
        rows.push(row(format!("close in the body at {cut}"), act, Answers));
        let act = Act::SayAndReset(part.to_owned());
        rows.push(row(
            format!("reset in the body at {cut}"),
            act,
            AnswersOrFails,
        ));
    }
    rows.push(row(
        "slow bytes",
        Act::Drip(GOOD.to_owned()),
        Fails(&[Timeout]),
    ));
    rows
}

/// Answers that are none.
fn wrong() -> Vec<Row> {
    let field = |line: &str| say(GOOD.replace("X-Attribute: first", line));
    let protocol = Fails(&[Protocol]);
    let mut rows = Vec::new();
    for line in [
        "HTTP/1.1 204 No Content",
        "ICAP/2.0 204 No Content",
        "ICAP/1.0204 No Content",
        "ICAP/1.0 20 x",
        "ICAP/1.0 2044 x",
        "ICAP/1.0 +04 x",
        "ICAP/1.0 \u{0} x",
        "ICAP/1.0",
        "204",
        " ICAP/1.0 204 x",
        "\u{0}\u{1}\u{2}",
        "SSH-2.0-OpenSSH",
    ] {
        let act = say(GOOD.replace("ICAP/1.0 204 No Content", line));
        rows.push(row(format!("status line {line:?}"), act, protocol));
    }
    for line in [
        "X-Attribute: a\u{0}b",
        "X-Attribute\u{0}: a",
        "X-Attribute : a",
        "X-Attribute",
        ": a",
        " X-Attribute: folded",
        "ISTag: \"a\"\r\nISTag",
    ] {
        rows.push(row(format!("field {line:?}"), field(line), protocol));
    }
    for status in [
        "400", "401", "403", "404", "405", "408", "418", "500", "501", "502", "505",
    ] {
        let act = say(format!("ICAP/1.0 {status} x\r\nX-Attribute: wrong\r\n\r\n"));
        rows.push(row(status, act, Fails(&[Status])));
    }
    rows.push(row(
        "503",
        say("ICAP/1.0 503 x\r\n\r\n"),
        Fails(&[Overload]),
    ));
    rows.push(row("100", say("ICAP/1.0 100 Continue\r\n\r\n"), protocol));
    rows.push(row(
        "100 and an answer",
        say(format!("ICAP/1.0 100 Continue\r\n\r\n{GOOD}")),
        protocol,
    ));
    rows.push(row(
        "200 without anything",
        say("ICAP/1.0 200 OK\r\n\r\n"),
        protocol,
    ));
    rows.push(row(
        "bare line feeds for ever",
        Act::Say("\n".repeat(100_000)),
        protocol,
    ));
    rows.push(row(
        "NUL for ever",
        Act::Say("\0".repeat(100_000)),
        protocol,
    ));
    rows
}

fn head(fields: &str) -> String {
    format!("ICAP/1.0 200 OK\r\nX-Attribute: first\r\n{fields}\r\n\r\n")
}

/// Sections that nobody can follow.
fn sections() -> Vec<Row> {
    let protocol = Fails(&[Protocol]);
    let mut rows = Vec::new();
    for value in [
        "req-hdr=0, null-body=4294967296",
        "req-hdr=0, null-body=18446744073709551616",
        "req-hdr=0, null-body=-1",
        "req-hdr=1, null-body=9",
        "req-hdr=0, req-hdr=9, null-body=18",
        "null-body=0, req-hdr=0",
        "req-hdr=9, null-body=3",
        "res-hdr=0",
        "req-hdr=0; null-body=9",
        "",
    ] {
        let act = say(head(&format!("Encapsulated: {value}")));
        rows.push(row(format!("Encapsulated {value:?}"), act, protocol));
    }
    rows
}

/// Sizes that nobody means.
fn sizes() -> Vec<Row> {
    let protocol = Fails(&[Protocol]);
    let mut rows = sections();
    // Too long to be meant.
    let act = say(head("Encapsulated: req-hdr=0, null-body=4294967295"));
    rows.push(row("a head of 4 GB", act, protocol));
    // More than is read past: the answer counts, the connection does not.
    let act = say(head("Encapsulated: req-hdr=0, null-body=65537") + &"x".repeat(70_000));
    rows.push(row("a head of 64 KiB and a byte", act, Answers));
    for chunk in [
        "ffffffffffffffff",
        "10000000000000000",
        "-1",
        "0x5",
        "",
        "5;",
        "zz",
    ] {
        let text = head("Encapsulated: req-hdr=0, req-body=18") + "GET / HTTP/1.1\r\n\r\n";
        let act = say(format!("{text}{chunk}\r\nhello\r\n0\r\n\r\n"));
        rows.push(row(format!("chunk size {chunk:?}"), act, Answers));
    }
    let many = |count: usize| "X: y\r\n".repeat(count);
    rows.push(row("129 fields", say(head(many(129).trim_end())), protocol));
    rows.push(row(
        "many fields",
        say(head(many(5_000).trim_end())),
        protocol,
    ));
    let long = "x".repeat(100_000);
    rows.push(row(
        "a long field",
        say(head(&format!("Y: {long}"))),
        protocol,
    ));
    rows.push(row(
        "a long line",
        say(format!("ICAP/1.0 204 {long}\r\n\r\n")),
        protocol,
    ));
    rows.push(row(
        "a long name",
        say(head(&format!("{long}: y"))),
        protocol,
    ));
    let names: Vec<String> = (0..300).map(|number| format!("c{number}")).collect();
    let act = say(format!(
        "ICAP/1.0 204 x\r\nX-Attribute: {}\r\n\r\n",
        names.join(",")
    ));
    rows.push(row("300 categories", act, protocol));
    let act = say(format!(
        "ICAP/1.0 204 x\r\nX-Attribute: {}\r\n\r\n",
        "x".repeat(300)
    ));
    rows.push(row("a category of 300 bytes", act, protocol));
    let act = say(GOOD.replace("\"one\"", &"t".repeat(5_000)));
    rows.push(row("a long ISTag", act, protocol));
    rows
}

/// Good answers with something that belongs to nobody.
fn surplus() -> Vec<Row> {
    let wrong = found("wrong");
    let mut rows = Vec::new();
    for (name, more) in [
        ("junk", "junk".to_owned()),
        ("an empty line", "\r\n".to_owned()),
        ("one byte", "\0".to_owned()),
        ("another answer", wrong.clone()),
        ("two answers", wrong.repeat(2)),
        ("a request", "OPTIONS icap://x/ ICAP/1.0\r\n\r\n".to_owned()),
    ] {
        rows.push(row(
            format!("{name} after an answer"),
            say(GOOD.to_owned() + &more),
            Answers,
        ));
        let act = Act::SayInParts(GOOD.to_owned(), more.clone());
        rows.push(row(
            format!("{name} a little after an answer"),
            act,
            Answers,
        ));
        let act = say(WITH_BODY.to_owned() + &more);
        rows.push(row(format!("{name} after a body"), act, Answers));
        let act = Act::SayInParts(WITH_BODY.to_owned(), more.clone());
        rows.push(row(format!("{name} a little after a body"), act, Answers));
        let act = Act::SayAndClose(GOOD.to_owned() + &more);
        rows.push(row(
            format!("{name} after an answer, and closed"),
            act,
            Answers,
        ));
    }
    rows
}

#[tokio::test]
async fn hangs_closes_and_resets_at_every_stage() {
    check(stages()).await;
}

#[tokio::test]
async fn answers_that_are_none() {
    check(wrong()).await;
}

#[tokio::test]
async fn absurd_sizes() {
    check(sizes()).await;
}

#[tokio::test]
async fn more_than_an_answer() {
    check(surplus()).await;
}

/// A peer that is wrong about its OPTIONS in every way still gets its questions, or is told from
/// one that is not there; and once it is well it is asked.
#[tokio::test]
async fn options_that_are_none() {
    let rows = stages().into_iter().chain(wrong()).chain(sizes());
    let mut asking = tokio::task::JoinSet::new();
    for row in rows {
        asking.spawn(async move {
            let script = row.act.clone();
            let peer = Peer::start_at("127.0.0.1:0".parse().unwrap(), move |seen| {
                match seen.method {
                    icap::Method::Options => script.clone(),
                    icap::Method::Reqmod | icap::Method::Respmod => Act::Say(found("true")),
                }
            })
            .await;
            let client = Client::in_haste(&peer);
            for _ in 0..2 {
                match client.categories("http://a.example/x").await {
                    Ok(categories) => assert_eq!(categories, ["true"], "{}", row.name),
                    // Overload: there was no time left to ask.
                    Err(Timeout | Overload | AskError::BreakerOpen) => {}
                    Err(error) => panic!("{error:?} from {}", row.name),
                }
            }
        });
        limited(&mut asking).await;
    }
    while let Some(ended) = asking.join_next().await {
        ended.unwrap();
    }
}

/// Bytes that arrive on an idle connection, before a question, are an answer to nothing.
#[tokio::test]
async fn an_answer_before_its_question_is_nobodys() {
    let peer = Peer::start(|seen| match seen.question % 2 {
        0 => Act::SayInParts(found("true"), found("unsolicited")),
        _ => Act::Say(found("true")),
    })
    .await;
    let client = Client::of(&peer);
    for number in 0..8 {
        let uri = format!("http://a.example/{number}");
        assert_eq!(client.categories(&uri).await, Ok(vec!["true".to_owned()]));
        sleep(Duration::from_millis(50)).await;
    }
    assert!(peer.connections() >= 4, "each that said more was given up");
}

/// Rows run beside each other: most of them wait.
const AT_ONCE: usize = 8;

async fn limited(asking: &mut tokio::task::JoinSet<()>) {
    if asking.len() >= AT_ONCE {
        asking.join_next().await.unwrap().unwrap();
    }
}

/// Asks a peer that misbehaves at the first question and is good from then on: the first gets the
/// right failure in time, and every later one the true answer. Where the deadline is not that failure,
/// it is far away.
async fn check(rows: Vec<Row>) {
    let mut asking = tokio::task::JoinSet::new();
    for row in rows {
        asking.spawn(check_row(row));
        limited(&mut asking).await;
    }
    while let Some(ended) = asking.join_next().await {
        ended.unwrap();
    }
}

async fn check_row(row: Row) {
    let script = row.act.clone();
    let peer = Peer::start(move |seen| {
        // By the URI: a retried question meets the same trouble.
        match seen.uri.ends_with("/first") {
            true => script.clone(),
            false => echo(seen),
        }
    })
    .await;
    let client = Client::in_haste(&peer);
    let time = match row.expected {
        Fails([Timeout]) => DEADLINE,
        Fails(_) | Answers | AnswersOrFails => PATIENCE,
    };
    // The connection that OPTIONS came on, and a fresh one.
    for round in 0..2 {
        let first = client.categories_within(time, "http://a.example/first");
        let answer = first.await;
        match (row.expected, &answer) {
            (Answers, Ok(categories)) => assert_eq!(categories, &["first"], "{}", row.name),
            (AnswersOrFails, Ok(categories)) => assert_eq!(categories, &["first"], "{}", row.name),
            (AnswersOrFails, Err(Protocol | Connect)) => {}
            (Fails(errors), Err(error)) if errors.contains(error) => {}
            (_, _) => panic!("{answer:?} from {}", row.name),
        }
        // What comes after the next question has left cannot be told from its answer: nothing in
        // ICAP says which question an answer is for.
        if matches!(row.act, Act::SayInParts(..)) {
            sleep(Duration::from_millis(50)).await;
        }
        for number in 0..2 {
            let name = format!("true{round}{number}");
            let uri = format!("http://a.example/{name}");
            assert_eq!(
                client.categories_within(PATIENCE, &uri).await,
                Ok(vec![name]),
                "after {}",
                row.name
            );
        }
    }
}
