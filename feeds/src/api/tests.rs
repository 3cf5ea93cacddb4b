#![expect(
    clippy::too_many_lines,
    reason = "pinned texts are as long as they are"
)]

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use service::Drain;
use sessions::{LiveLimits, LiveSessions, SessionStore};

use self::away::{Away, Endless, Fault};
use super::*;
use crate::Basis;

mod away;

const CHANGING: &str = "0123456789abcdef0123456789abcdef";
const READING: &str = "fedcba9876543210fedcba9876543210";

const LIMITS: LiveLimits = LiveLimits {
    sessions_max: 2,
    lifetime_s: 60,
};

/// An endpoint's API without the endpoint.
struct Set {
    api: Arc<Api>,
    _drain: Drain,
}

impl Set {
    fn new(store: Arc<dyn SessionStore>) -> Self {
        let drain = Drain::default();
        let metrics = Arc::new(Metrics::new(Arc::clone(&store)));
        let subscribers = Subscribers::start(store, Basis::default(), &metrics, &drain);
        let tokens = |text: &str| Tokens::read(text).unwrap();
        let access = Access {
            tokens: Tokens::new(tokens(CHANGING), tokens(READING)),
            profiles: Arc::new(|name| match name {
                "child" => Ok("child".into()),
                other => Err(format!("no profile is called `{other}`; use `child`")),
            }),
        };
        Self {
            api: Api::new(&subscribers, &metrics, access),
            _drain: drain,
        }
    }

    fn of_two() -> Self {
        Self::new(Arc::new(LiveSessions::new(LIMITS)))
    }

    /// Sends `METHOD target [body]` with a token, and returns status, some fields and body.
    async fn ask(&self, line: &str) -> String {
        let mut words = line.splitn(3, ' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("authorization", format!("Bearer {CHANGING}"))
            .header("content-type", "application/json");
        let body = words.next().unwrap_or_default().to_owned();
        let request = request.body(Full::<Bytes>::from(body)).unwrap();
        told(self.api.answer(request).await).await
    }
}

async fn told(response: Response<Full<Bytes>>) -> String {
    let (head, body) = response.into_parts();
    let mut text = head.status.as_u16().to_string();
    for name in ["allow", "www-authenticate", "retry-after"] {
        if let Some(value) = head.headers.get(name) {
            let _ = write!(text, " [{name}: {}]", value.to_str().unwrap());
        }
    }
    let body = body.collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    match body.get("detail") {
        Some(detail) => {
            let kind = head.headers.get("content-type").unwrap();
            assert_eq!(kind, "application/problem+json");
            assert_eq!(body["status"], head.status.as_u16());
            let _ = write!(text, " {}", detail.as_str().unwrap());
        }
        None => {
            let _ = write!(text, " {body}");
        }
    }
    text
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    check(
        &[
            "GET /sessions/",
            "GET /sessions/10.0.0",
            "GET /sessions/10.0.0.1/24",
            "PUT /sessions/10.0.0.1%2F24 {}",
            "GET /sessions/10.0.0.0/33",
            "GET /sessions/10.0.0.0/24/7",
            "GET /sessions/0.0.0.0/0",
            "GET /sessions/::/0",
            "GET /sessions/::ffff:0.0.0.0%2F96",
            "GET /sessions/::ffff:0.0.0.0%2F95",
            "GET /sessions/%ff%00",
            "GET /sessions/2001%3Adb8%3A%3A1%252F64",
            "GET /sessions/10.0.0.1?count=1",
            "GET /sessions?cuont=1",
            "GET /sessions?count=0",
            "GET /sessions?count=1001",
            "GET /sessions?count=+5",
            "GET /sessions?count=1&count=2",
            "GET /sessions?from=a",
            "GET /sessions?from=18446744073709551616",
            "GET /sessions?client=a",
            "GET /sessions?client=10.0.0.1&count=1",
            "POST /sessions",
            "POST /sessions/10.0.0.1",
            "OPTIONS /sessions/10.0.0.1",
            "GET /sessions/10.0.0.1",
            "DELETE /sessions/10.0.0.1",
        ],
        expect![[r#"
            GET /sessions/
                400 `` is not a range of addresses; use the form `192.0.2.7`, `192.0.2.0/24` or `2001:db8:7::/64`
            GET /sessions/10.0.0
                400 `10.0.0` is not a range of addresses; use the form `192.0.2.7`, `192.0.2.0/24` or `2001:db8:7::/64`
            GET /sessions/10.0.0.1/24
                400 `10.0.0.1/24` has bits set behind its length; use `10.0.0.0/24`
            PUT /sessions/10.0.0.1%2F24 {}
                400 `10.0.0.1/24` has bits set behind its length; use `10.0.0.0/24`
            GET /sessions/10.0.0.0/33
                400 `10.0.0.0/33` is not a range of addresses; use the form `192.0.2.7`, `192.0.2.0/24` or `2001:db8:7::/64`
            GET /sessions/10.0.0.0/24/7
                400 `10.0.0.0/24/7` is not a range of addresses; use the form `192.0.2.7`, `192.0.2.0/24` or `2001:db8:7::/64`
            GET /sessions/0.0.0.0/0
                400 `0.0.0.0/0` is everybody; use a longer prefix, or `default_profile` of the policy
            GET /sessions/::/0
                400 `::/0` is everybody; use a longer prefix, or `default_profile` of the policy
            GET /sessions/::ffff:0.0.0.0%2F96
                400 `0.0.0.0/0` is everybody; use a longer prefix, or `default_profile` of the policy
            GET /sessions/::ffff:0.0.0.0%2F95
                400 `::ffff:0.0.0.0/95` has bits set behind its length; use `::fffe:0:0/95`
            GET /sessions/%ff%00
                400 `�\u{0}` is not a range of addresses; use the form `192.0.2.7`, `192.0.2.0/24` or `2001:db8:7::/64`
            GET /sessions/2001%3Adb8%3A%3A1%252F64
                400 `2001:db8::1%2F64` is not a range of addresses; use the form `192.0.2.7`, `192.0.2.0/24` or `2001:db8:7::/64`
            GET /sessions/10.0.0.1?count=1
                400 a session has no parameters; leave away what is behind the `?`
            GET /sessions?cuont=1
                400 `cuont` is not a parameter here; use `from` and `count`, or `client`
            GET /sessions?count=0
                400 `0` is not a count; use 1 to 1000
            GET /sessions?count=1001
                400 `1001` is not a count; use 1 to 1000
            GET /sessions?count=+5
                400 `+5` is not a count; use 1 to 1000
            GET /sessions?count=1&count=2
                400 the parameter `count` is here twice; keep one
            GET /sessions?from=a
                400 `a` is not where a page begins; use `next` of the page before
            GET /sessions?from=18446744073709551616
                400 `18446744073709551616` is not where a page begins; use `next` of the page before
            GET /sessions?client=a
                400 `a` is not an address; use the form `192.0.2.7` or `2001:db8::7`
            GET /sessions?client=10.0.0.1&count=1
                400 `client` stands alone; leave `from` and `count` away
            POST /sessions
                405 [allow: GET, HEAD] use GET or HEAD
            POST /sessions/10.0.0.1
                405 [allow: GET, HEAD, PUT, DELETE] use GET, HEAD, PUT or DELETE
            OPTIONS /sessions/10.0.0.1
                405 [allow: GET, HEAD, PUT, DELETE] use GET, HEAD, PUT or DELETE
            GET /sessions/10.0.0.1
                404 no live session has exactly the range `10.0.0.1/32`; `/sessions?client=ADDRESS` finds who has an address
            DELETE /sessions/10.0.0.1
                404 no live session has exactly the range `10.0.0.1/32`; `/sessions?client=ADDRESS` finds who has an address
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_body_that_is_no_session_is_told_of() {
    let long = format!("PUT /sessions/10.0.0.1 {{\"{}\": 1}}", "a".repeat(99));
    let huge = format!("PUT /sessions/10.0.0.1 {}", " ".repeat(BODY_LEN_MAX + 1));
    let bodies = [
        "",
        "{",
        "[]",
        " [null, null, null, \"child\"]",
        "7",
        "null",
        "{} {}",
        "{\"profil\": \"child\"}",
        "{\"profile\": \"child\", \"profile\": \"child\"}",
        "{\"profile\": \"chlid\"}",
        "{\"profile\": 7}",
        "{\"msisdn\": \"+49111\"}",
        "{\"msisdn\": 49111}",
        "{\"imsi\": \"\"}",
        "{\"imsi\": \"1234567890123456\"}",
        "{\"apn\": \"inter net\\u0007\"}",
        "{\"apn\": \"\"}",
        "{\"profile\": \"\u{1}\"}",
    ];
    let lines = bodies.map(|body| format!("PUT /sessions/10.0.0.1 {body}"));
    let lines: Vec<&str> = lines.iter().chain([&long, &huge]).map(|it| &**it).collect();
    check(&lines, expect![[r#"
        PUT /sessions/10.0.0.1 
            400 the body is no session: EOF while parsing a value at line 1 column 0; use an object such as `{"profile": "child"}`
        PUT /sessions/10.0.0.1 {
            400 the body is no session: EOF while parsing an object at line 1 column 1; use an object such as `{"profile": "child"}`
        PUT /sessions/10.0.0.1 []
            400 the body is no session: it is a list; use an object such as `{"profile": "child"}`
        PUT /sessions/10.0.0.1  [null, null, null, "child"]
            400 the body is no session: it is a list; use an object such as `{"profile": "child"}`
        PUT /sessions/10.0.0.1 7
            400 the body is no session: invalid type: integer `7`, expected an object at line 1 column 1; use an object such as `{"profile": "child"}`
        PUT /sessions/10.0.0.1 null
            400 the body is no session: invalid type: null, expected an object at line 1 column 4; use an object such as `{"profile": "child"}`
        PUT /sessions/10.0.0.1 {} {}
            400 the body is no session: trailing characters at line 1 column 4; use an object such as `{"profile": "child"}`
        PUT /sessions/10.0.0.1 {"profil": "child"}
            400 the body is no session: unknown field `profil`, expected one of `msisdn`, `imsi`, `apn`, `profile` at line 1 column 9; use an object such as `{"profile": "child"}`
        PUT /sessions/10.0.0.1 {"profile": "child", "profile": "chil
            400 the body is no session: duplicate field `profile` at line 1 column 30; use an object such as `{"profile": "child"}`
        PUT /sessions/10.0.0.1 {"profile": "chlid"}
            400 no profile is called `chlid`; use `child`
        PUT /sessions/10.0.0.1 {"profile": 7}
            400 the body is no session: invalid type: integer `7`, expected a string at line 1 column 13; use an object such as `{"profile": "child"}`
        PUT /sessions/10.0.0.1 {"msisdn": "+49111"}
            400 `+49111` is not an MSISDN; use 1 to 15 digits
        PUT /sessions/10.0.0.1 {"msisdn": 49111}
            400 the body is no session: invalid type: integer `49111`, expected a string at line 1 column 16; use an object such as `{"profile": "child"}`
        PUT /sessions/10.0.0.1 {"imsi": ""}
            400 `` is not an IMSI; use 1 to 15 digits
        PUT /sessions/10.0.0.1 {"imsi": "1234567890123456"}
            400 `1234567890123456` is not an IMSI; use 1 to 15 digits
        PUT /sessions/10.0.0.1 {"apn": "inter net\u0007"}
            400 `inter net\u{7}` is not an access point name; use letters, digits, `-` and `.`, at most 100
        PUT /sessions/10.0.0.1 {"apn": ""}
            400 `` is not an access point name; use letters, digits, `-` and `.`, at most 100
        PUT /sessions/10.0.0.1 {"profile": ""}
            400 the body is no session: control character (\u0000-\u001F) found while parsing a string at line 1 column 14; use an object such as `{"profile": "child"}`
        PUT /sessions/10.0.0.1 {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
            400 the body is no session: unknown field `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…`, expected one of `msisdn`, `imsi`, `apn`, `profile` at line 1 column 102; use an object such as `{"profile": "child"}`
        PUT /sessions/10.0.0.1                                      
            413 the body is too long; send at most 4096 bytes
    "#]]).await;
}

#[tokio::test]
async fn a_session_comes_changes_and_goes() {
    check(
        &[
            "PUT /sessions/::ffff:10.0.0.1 {\"msisdn\": \"111220000001\", \"apn\": \"Internet\"}",
            "PUT /sessions/10.0.0.1%2F32 {\"profile\": \"child\", \"imsi\": null}",
            "PUT /sessions/2001:db8:7::/64 {}",
            "PUT /sessions/10.0.0.3 {}",
            "GET /sessions/2001%3Adb8%3A7%3A%3A%2f64",
            "GET /sessions?client=2001:db8:7::9",
            "GET /sessions?client=::ffff:10.0.0.9",
            "DELETE /sessions/10.0.0.1",
            "GET /sessions?",
            "DELETE /sessions/2001:db8:7::/64",
            "GET /sessions?count=1000",
        ],
        expect![[r#"
            PUT /sessions/::ffff:10.0.0.1 {"msisdn": "111220000001", "ap
                201 {"apn":"internet","changed":"…","msisdn":"111220000001","origin":"configuration","ranges":["10.0.0.1/32"]}
            PUT /sessions/10.0.0.1%2F32 {"profile": "child", "imsi": nul
                200 {"changed":"…","origin":"admin","profile":"child","ranges":["10.0.0.1/32"]}
            PUT /sessions/2001:db8:7::/64 {}
                201 {"changed":"…","origin":"configuration","ranges":["2001:db8:7::/64"]}
            PUT /sessions/10.0.0.3 {}
                409 there are as many sessions as `sessions.live.sessions_max` allows; delete some, or raise the limit
            GET /sessions/2001%3Adb8%3A7%3A%3A%2f64
                200 {"changed":"…","origin":"configuration","ranges":["2001:db8:7::/64"]}
            GET /sessions?client=2001:db8:7::9
                200 {"sessions":[{"changed":"…","origin":"configuration","ranges":["2001:db8:7::/64"]}]}
            GET /sessions?client=::ffff:10.0.0.9
                200 {"sessions":[]}
            DELETE /sessions/10.0.0.1
                204 null
            GET /sessions?
                200 {"sessions":[{"changed":"…","origin":"configuration","ranges":["2001:db8:7::/64"]}]}
            DELETE /sessions/2001:db8:7::/64
                204 null
            GET /sessions?count=1000
                200 {"sessions":[]}
        "#]],
    )
    .await;
}

async fn check(lines: &[&str], expected: Expect) {
    let set = Set::of_two();
    let mut text = String::new();
    for line in lines {
        let answer = set.ask(line).await;
        let line: String = line.chars().take(60).collect();
        let _ = writeln!(text, "{line}\n    {answer}");
    }
    // Moments are those of the clock.
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("\"changed\":\"") {
        let (_, after) = after.split_once('"').unwrap();
        plain += before;
        plain += "\"changed\":\"…\"";
        rest = after;
    }
    expected.assert_eq(&(plain + rest));
}

#[tokio::test]
async fn who_is_not_known_is_told_nothing() {
    let good = format!("authorization: Bearer {CHANGING}");
    let reading = format!("authorization: bearer {READING}");
    for (method, fields, expected) in [
        (
            "GET",
            &[][..],
            "401 [www-authenticate: Bearer realm=\"sessions\"] the token is missing; send `Authorization: Bearer TOKEN`, with a token that `sessions.admin` names",
        ),
        (
            "GET",
            &["authorization: Basic YTpi"],
            "401 [www-authenticate: Bearer realm=\"sessions\"] the token is missing; send `Authorization: Bearer TOKEN`, with a token that `sessions.admin` names",
        ),
        (
            "GET",
            &["authorization: Bearer"],
            "401 [www-authenticate: Bearer realm=\"sessions\"] the token is missing; send `Authorization: Bearer TOKEN`, with a token that `sessions.admin` names",
        ),
        (
            "GET",
            &["authorization: Bearer 0123456789abcdef0123456789abcdeg"],
            "401 [www-authenticate: Bearer realm=\"sessions\", error=\"invalid_token\"] the token is not known; send one that `sessions.admin` names",
        ),
        (
            "POST",
            &["authorization: Bearer x"],
            "401 [www-authenticate: Bearer realm=\"sessions\", error=\"invalid_token\"] the token is not known; send one that `sessions.admin` names",
        ),
        (
            "GET",
            &[&good, &good],
            "401 [www-authenticate: Bearer realm=\"sessions\"] the token is missing; send `Authorization: Bearer TOKEN`, with a token that `sessions.admin` names",
        ),
        (
            "DELETE",
            &[&reading],
            "403 the token is for reading; use one of `sessions.admin.token_file`",
        ),
        (
            "GET",
            &[&reading],
            "404 no live session has exactly the range `10.0.0.1/32`; `/sessions?client=ADDRESS` finds who has an address",
        ),
        (
            "GET",
            &[&good, "origin: http://evil.example"],
            "403 ask by IP address or as localhost, and not from a page of another site; `weir sessions` does",
        ),
        (
            "GET",
            &[&good, "host: evil.example"],
            "403 ask by IP address or as localhost, and not from a page of another site; `weir sessions` does",
        ),
        (
            "DELETE",
            &[&good],
            "404 no live session has exactly the range `10.0.0.1/32`; `/sessions?client=ADDRESS` finds who has an address",
        ),
    ] {
        let mut request = Request::builder().method(method).uri("/sessions/10.0.0.1");
        for field in fields {
            let (name, value) = field.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let answer = told(Set::of_two().api.answer(request).await).await;
        assert_eq!(answer, expected, "{method} {fields:?}");
    }
}

#[test]
fn tokens_are_read_from_lines() {
    let good = format!("# of the portal\n\n {CHANGING} \r\n{READING}");
    assert_eq!(Tokens::read(&good).unwrap().len(), 2);
    assert_eq!(first(&good), Ok(CHANGING));
    let many = format!("{CHANGING}\n").repeat(TOKENS_MAX + 1);
    let long = "a".repeat(TOKEN_LEN_MAX + 1);
    for (text, expected) in [
        ("", BadTokens::Empty),
        ("# none\n", BadTokens::Empty),
        ("short", BadTokens::NotAToken(1)),
        (
            "#\nwith spaces in it 0123456789abcdef",
            BadTokens::NotAToken(2),
        ),
        (&long, BadTokens::NotAToken(1)),
        (&many, BadTokens::Many),
    ] {
        assert_eq!(Tokens::read(text), Err(expected), "{text}");
    }
    let tokens = Tokens::new(Tokens::read(&good).unwrap(), Vec::new());
    assert_eq!(format!("{tokens:?}"), "Tokens { change: 2, read: 0 }");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_told_of() {
    let late = "503 [retry-after: 1] the store of sessions did not answer within 5 s; try again";
    let unknown = "503 [retry-after: 1] the store of sessions did not answer in time, and may make \
                   the change or not; look at the session, or try again";
    for fault in [Fault::Refuses, Fault::IsSilent] {
        let set = Set::new(Arc::new(Away(fault)));
        for (line, expected) in [
            ("GET /sessions", late),
            ("GET /sessions?client=10.0.0.1", late),
            ("GET /sessions/10.0.0.1", late),
            ("PUT /sessions/10.0.0.1 {}", unknown),
            ("DELETE /sessions/10.0.0.1", unknown),
        ] {
            assert_eq!(set.ask(line).await, expected, "{line}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_given_up() {
    let set = Set::of_two();
    let request = Request::put("/sessions/10.0.0.1")
        .header("authorization", format!("Bearer {CHANGING}"))
        .header("content-type", "application/json; charset=utf-8")
        .body(Endless)
        .unwrap();
    let answer = told(set.api.answer(request).await).await;
    assert_eq!(
        answer,
        "408 the body did not come within 5 s; send it again"
    );
    for (kind, coding) in [("text/plain", None), ("application/json", Some("gzip"))] {
        let mut request = Request::put("/sessions/10.0.0.1")
            .header("authorization", format!("Bearer {CHANGING}"))
            .header("content-type", kind);
        if let Some(coding) = coding {
            request = request.header("content-encoding", coding);
        }
        let answer = told(set.api.answer(request.body(Endless).unwrap()).await).await;
        assert!(
            answer.starts_with("415 the body is not JSON; send it"),
            "{answer}"
        );
    }
}
