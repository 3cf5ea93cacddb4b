//! Every way to send a request, and what must come back: {preview} × {leave for 204} × {body} ×
//! {verdict}, one connection for all, so that an answer too long, too short or too many shows.

use std::net::SocketAddr;

use icap_server::start;

use crate::filter::{POLICY, with_policy};
use crate::harness::{Client, config, reqmod_of};

/// The `Preview` field and what is sent of the body.
#[derive(Clone, Copy, Debug)]
struct Preview {
    field: Option<usize>,
    body: Sent,
}

/// What follows the heads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sent {
    /// `null-body`
    Null,
    /// A body, whole, that ends with `0`.
    Whole(&'static str),
    /// The first bytes of a longer body, that end with `0`: the client waits.
    Part(&'static str),
    /// A body that fits into the preview, that ends with `0; ieof`.
    Fits(&'static str),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Pass,
    Block,
    Redirect,
}

const PREVIEWS: [Preview; 13] = [
    row(None, Sent::Null),
    row(None, Sent::Whole("")),
    row(None, Sent::Whole("0123456789")),
    row(Some(0), Sent::Null),
    row(Some(0), Sent::Part("")),
    row(Some(0), Sent::Fits("")),
    row(Some(4), Sent::Null),
    row(Some(4), Sent::Part("0123")),
    row(Some(4), Sent::Fits("0123")),
    row(Some(4), Sent::Fits("01")),
    row(Some(100), Sent::Null),
    row(Some(100), Sent::Part("0123456789")),
    row(Some(100), Sent::Fits("0123456789")),
];

const ALLOWS: [&str; 5] = [
    "",
    "Allow: 204\r\n",
    "Allow: 204, 206, trailers\r\n",
    "Allow: trailers\r\nAllow:204\r\n",
    "Allow: 206, trailers\r\n",
];

/// Fields of the HTTP request that say how long its body is, or do not.
const LENGTHS: [&str; 3] = ["", "Content-Length: 10\r\n", "X-Length: unknown\r\n"];

const fn row(field: Option<usize>, body: Sent) -> Preview {
    Preview { field, body }
}

#[tokio::test]
async fn every_way_to_ask_is_answered_in_its_form() {
    let server = start(config(), with_policy(POLICY)).await.unwrap();
    let address = server.addresses()[0];
    let rows = tokio::task::spawn_blocking(move || {
        let services = [
            ("/categorize", "http://news.example/", Verdict::Pass),
            ("/categorize", "http://games.example/", Verdict::Pass),
            (
                "/filter?profile=child",
                "http://news.example/",
                Verdict::Pass,
            ),
            (
                "/filter?profile=child",
                "http://casino.example/",
                Verdict::Block,
            ),
            (
                "/filter?profile=child",
                "http://old.example/",
                Verdict::Redirect,
            ),
        ];
        services.map(|(service, uri, verdict)| all(address, service, uri, verdict))
    })
    .await
    .unwrap();
    assert_eq!(rows, [PREVIEWS.len() * ALLOWS.len() * LENGTHS.len(); 5]);
    assert_eq!(server.stop().await, 0);
}

/// Sends every row for one verdict over one connection; returns how many there were.
fn all(address: SocketAddr, service: &str, uri: &str, verdict: Verdict) -> usize {
    let mut client = Client::connect(address);
    let mut rows = 0;
    for preview in PREVIEWS {
        for allow in ALLOWS {
            for length in LENGTHS {
                let case = format!("{service} {uri} {preview:?} {allow}{length}");
                let http = format!("POST {uri} HTTP/1.1\r\nhOST:  a\r\n{length}\r\n");
                client.send(request(service, &http, preview, allow));
                let answer = Answer::read(&mut client);
                check(&answer, &http, (preview, allow, verdict), &case);
                rows += 1;
            }
        }
    }
    // Nothing is left over, and the connection still serves.
    let get = "GET http://news.example/ HTTP/1.1\r\n\r\n";
    client.send(reqmod_of(
        service,
        "Allow: 204\r\nConnection: close\r\n",
        get,
    ));
    let rest = client.rest();
    assert!(rest.starts_with("ICAP/1.0 204 "), "{rest}");
    assert!(
        rest.ends_with("\n\n") && rest.matches("ICAP/1.0").count() == 1,
        "{rest}"
    );
    rows
}

fn request(service: &str, http: &str, preview: Preview, allow: &str) -> String {
    let field = preview
        .field
        .map_or_else(String::new, |len| format!("Preview: {len}\r\n"));
    let (section, body) = match preview.body {
        Sent::Null => ("null-body", String::new()),
        Sent::Whole(body) | Sent::Part(body) => ("req-body", chunked(body, "0\r\n\r\n")),
        Sent::Fits(body) => ("req-body", chunked(body, "0; ieof\r\n\r\n")),
    };
    format!(
        "REQMOD icap://127.0.0.1{service} ICAP/1.0\r\nHost: 127.0.0.1\r\n{field}{allow}\
         Encapsulated: req-hdr=0, {section}={}\r\n\r\n{http}{body}",
        http.len()
    )
}

/// Cuts a body into two chunks.
fn chunked(body: &str, end: &str) -> String {
    let (first, second) = body.split_at(body.len() / 3);
    let chunk = |part: &str| match part.len() {
        0 => String::new(),
        len => format!("{len:x};n=v\r\n{part}\r\n"),
    };
    format!("{}{}{end}", chunk(first), chunk(second))
}

#[track_caller]
fn check(answer: &Answer, http: &str, row: (Preview, &str, Verdict), case: &str) {
    let (preview, allow, verdict) = row;
    assert!(answer.head.contains("\nISTag: "), "{case}\n{answer:?}");
    assert!(
        !answer.head.contains("Connection: close"),
        "{case}\n{answer:?}"
    );
    let may_204 = preview.field.is_some() || allow.contains("204");
    let body = match preview.body {
        Sent::Null => None,
        Sent::Whole(body) | Sent::Part(body) | Sent::Fits(body) => Some(body.to_owned()),
    };
    let found = (answer.status, answer.sections.as_str());
    match verdict {
        Verdict::Pass if may_204 => {
            assert_eq!(found, (204, ""), "{case}");
            assert_eq!((answer.http.as_str(), &answer.body), ("", &None), "{case}");
        }
        Verdict::Pass => {
            let sections = match body {
                Some(_) => "req-hdr, req-body",
                None => "req-hdr, null-body",
            };
            assert_eq!(found, (200, sections), "{case}");
            let lines = http.strip_suffix("\r\n").unwrap();
            assert_eq!(
                answer.http,
                format!("{lines}Via: ICAP/1.0 weir\r\n\r\n"),
                "{case}"
            );
            assert_eq!(answer.body, body, "{case}");
        }
        Verdict::Block => {
            assert_eq!(found, (200, "res-hdr, res-body"), "{case}");
            assert!(
                answer.http.starts_with("HTTP/1.1 403 Forbidden\r\n"),
                "{case}"
            );
            let page = answer.body.as_ref().unwrap();
            let length = format!("\r\nContent-Length: {}\r\n", page.len());
            assert!(answer.http.contains(&length), "{case}");
        }
        Verdict::Redirect => {
            assert_eq!(found, (200, "res-hdr, null-body"), "{case}");
            assert!(
                answer.http.starts_with("HTTP/1.1 302 Found\r\nLocation: "),
                "{case}"
            );
            assert!(answer.http.contains("\r\nContent-Length: 0\r\n"), "{case}");
        }
    }
}

/// An answer as its own framing cuts it.
#[derive(Debug)]
struct Answer {
    head: String,
    status: u16,
    /// The names in `Encapsulated`; empty: there is no such field.
    sections: String,
    http: String,
    body: Option<String>,
}

impl Answer {
    fn read(client: &mut Client) -> Self {
        let head = client.head();
        let status = head[9..12].parse().unwrap();
        let value = head
            .lines()
            .find_map(|line| line.strip_prefix("Encapsulated: "))
            .unwrap_or_default();
        let parts: Vec<(&str, usize)> = value
            .split(", ")
            .filter_map(|part| part.split_once('='))
            .map(|(name, offset)| (name, offset.parse().unwrap()))
            .collect();
        let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
        let (last, heads_len) = parts.last().copied().unwrap_or(("null-body", 0));
        let http = client.bytes(heads_len);
        Self {
            status,
            sections: names.join(", "),
            http: String::from_utf8(http).unwrap(),
            body: (last != "null-body").then(|| read_chunks(client)),
            head,
        }
    }
}

fn read_chunks(client: &mut Client) -> String {
    let mut body = Vec::new();
    loop {
        let size = client.read_to("\r\n");
        match usize::from_str_radix(size.trim(), 16).unwrap() {
            0 => break,
            len => body.extend(client.bytes(len)),
        }
        assert_eq!(client.bytes(2), b"\r\n");
    }
    assert_eq!(client.bytes(2), b"\r\n");
    String::from_utf8(body).unwrap()
}
