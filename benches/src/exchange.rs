//! One exchange over ICAP, from both ends.

use std::hint::black_box;

use icap::{
    Answer, AnswerReader, Connection, Exchange, Fed, FedAnswer, HttpRequest, IsTag, PrefixLength,
    PreviewOffer, ReplyFields, ReqmodQuestion, Request, RequestReader, ServiceUri,
};

use crate::Subject;

/// Squid asks about a GET.
const QUESTION: &[u8] = include_bytes!("../../fixtures/icap/sq-urlcheck-1-02-reqmod.req");

/// c-icap answers 204 with categories and the length of a prefix.
const ANSWER: &[u8] =
    include_bytes!("../../fixtures/icap/cic-reqmod-get-urlcheck-match-url-1-02-reqmod.rsp");

pub(crate) fn subjects() -> Vec<Subject> {
    let request = request();
    let http = HttpRequest::parse(&request.http_head).unwrap();
    assert_eq!(http.target, "http://www.example.com:8081/index.html");
    let answer = answer();
    assert_eq!(
        (answer.status, answer.prefix),
        (204, PrefixLength::Number(24))
    );
    vec![
        Subject::new("icap/the server reads Squid's GET", self::request),
        Subject::new(
            "icap/the server reads Squid's GET, and its HTTP head",
            || {
                let request = self::request();
                let http = HttpRequest::parse(&request.http_head).unwrap();
                http.target.len()
            },
        ),
        write_reply(),
        write_question(),
        Subject::new("icap/the client reads a 204", self::answer),
    ]
}

fn request() -> Box<Request> {
    match RequestReader::default().feed(black_box(QUESTION)) {
        Fed::Request(request, _) => request,
        other @ (Fed::NeedMore | Fed::Bad(_)) => panic!("{other:?}"),
    }
}

fn answer() -> Box<Answer> {
    match AnswerReader::new(Exchange::Reqmod).feed(black_box(ANSWER)) {
        FedAnswer::Answer(answer, _) => answer,
        other @ (FedAnswer::NeedMore | FedAnswer::Bad(_)) => panic!("{other:?}"),
    }
}

/// The buffer of a connection is used again and again.
fn write_reply() -> Subject {
    let is_tag = IsTag::parse(b"\"0123456789abcdef0123456789abcdef\"").unwrap();
    let mut out = Vec::new();
    Subject::new("icap/the server writes a 204", move || {
        let fields = ReplyFields {
            is_tag: &is_tag,
            date: Some("Fri, 20 Nov 2026 18:49:51 GMT"),
            connection: Connection::KeepAlive,
            attribute: black_box("games,kids"),
            prefix: Some(24),
            profile: None,
            response_info: None,
            response_desc: None,
            cache_control: None,
        };
        out.clear();
        fields.write_no_content(&mut out);
        out.len()
    })
}

fn write_question() -> Subject {
    let service = ServiceUri::parse("icap://127.0.0.1:1344/categorize").unwrap();
    let mut out = Vec::new();
    Subject::new("icap/the client writes a question", move || {
        let question = ReqmodQuestion {
            service: &service,
            uri: black_box("http://www.example.com/news/world/some-article.html?id=1"),
            authority: "www.example.com",
            preview: PreviewOffer::None,
            client: Some([10, 1, 0, 7].into()),
            server: Some([192, 0, 2, 1].into()),
            subscriber: None,
        };
        out.clear();
        question.write(&mut out).unwrap();
        out.len()
    })
}
