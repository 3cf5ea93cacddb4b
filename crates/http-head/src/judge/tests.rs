use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    head_len_max: 64 * 1024,
};

#[test]
fn whole_heads() {
    head(
        "GET / HTTP/1.1|Host: a.example||",
        "GET a.example / 11 None keep",
    );
    head(
        "GET /x?y HTTP/1.1|hoSt:A.Example:80||",
        "GET A.Example:80 /x?y 11 None keep",
    );
    head("GET / HTTP/1.0||", "GET - / 10 None close");
    head(
        "GET / HTTP/1.0|Connection: Keep-Alive||",
        "GET - / 10 None keep",
    );
    head("GET / HTTP/1.1|Host:||", "GET  / 11 None keep");
    head("GET / HTTP/1.1|Host: \t a \t||", "GET a / 11 None keep");
    head("||GET / HTTP/1.1|Host: a||", "GET a / 11 None keep");
    head(
        "GET / HTTP/1.1|Host: a|Connection: x, Close||",
        "GET a / 11 None close",
    );
    head(
        "POST / HTTP/1.1|Host: a|Content-Length: 007||",
        "POST a / 11 Length(7) keep",
    );
    head(
        "POST / HTTP/1.1|Host: a|Content-Length: 0||",
        "POST a / 11 None keep",
    );
    head(
        "POST / HTTP/1.1|Host: a|Transfer-Encoding: Chunked||",
        "POST a / 11 Chunked keep",
    );
    head(
        "GET http://b.example/x HTTP/1.1|Host: a||",
        "GET b.example /x 11 None keep",
    );
    head(
        "CONNECT b.example:443 HTTP/1.1|Host: a||",
        "CONNECT b.example:443  11 None keep",
    );
    head(
        "CONNECT b.example:443 HTTP/1.0||",
        "CONNECT b.example:443  10 None close",
    );
    head("OPTIONS * HTTP/1.1|Host: a||", "OPTIONS a  11 None keep");
    head("get / HTTP/1.1|Host: a||", "get a / 11 None keep");
    head(
        "PROPFIND /d HTTP/1.1|Host: a||",
        "PROPFIND a /d 11 None keep",
    );
    head("GET / HTTP/1.1|Host: a|X: \u{e9}||", "GET a / 11 None keep");
    head("GET / HTTP/1.1|Host: a|X:||", "GET a / 11 None keep");
    head(
        "POST / HTTP/1.1|Host: a|Content-Length: 3|Expect: 100-Continue||",
        "POST a / 11 Length(3) keep expect",
    );
    head(
        "GET / HTTP/1.1|Host: a|Connection: keep-alive, Upgrade|Upgrade: h2c, WebSocket||",
        "GET a / 11 None keep websocket",
    );
    head(
        "GET / HTTP/1.1|Host: a|Upgrade: websocket||",
        "GET a / 11 None keep",
    );
    head(
        "GET / HTTP/1.1|Host: a|Connection: Upgrade|Upgrade: h2c||",
        "GET a / 11 None keep",
    );
}

#[test]
fn stray_bytes_are_read_as_their_escapes() {
    head(
        "||GET /a<b>?\"c\" HTTP/1.1|Host: a||",
        "GET a /a%3Cb%3E?%22c%22 11 None keep",
    );
    head(
        "GET http://b.example/`{}^?` HTTP/1.1|Host: a||",
        "GET b.example /%60{}^?` 11 None keep",
    );
    let Verdict::Head(head) = judge(b"GET /\xfc?\xe9 HTTP/1.1\r\nHost: a\r\n\r\n", &LIMITS) else {
        panic!("no head");
    };
    assert_eq!(head.path_and_query(), b"/%FC?%E9");
    assert_eq!(head.host(), Some(&b"a"[..]));
    let target = |count: usize| format!("GET /{} HTTP/1.1|Host: a||", "<".repeat(count));
    let longest = (TARGET_LEN_MAX - 1) / 3;
    let limits = Limits {
        head_len_max: 128 * 1024,
    };
    let judged = |count| judge(target(count).replace('|', "\r\n").as_bytes(), &limits);
    assert_eq!(word(&judged(longest)), "head");
    assert_eq!(word(&judged(longest + 1)), "target_too_long");
}

#[test]
fn heads_with_two_readings_or_none() {
    check("GET / HTTP/1.1||", "host_missing");
    check("GET http://a/ HTTP/1.1||", "host_missing");
    check("GET / HTTP/1.1|Host: a|Host: a||", "host_repeated");
    check("GET / HTTP/1.1|Host: a|hOST: b||", "host_repeated");
    check("GET / HTTP/1.0|Host: a|Host: b||", "host_repeated");
    check("GET / HTTP/1.1|Host: a, b||", "authority");
    check("GET / HTTP/1.1|Host: u@a||", "authority");
    check("GET / HTTP/1.1|Host: a b||", "authority");
    check("GET / HTTP/1.1|Host: http://a||", "authority");
    check("GET http://b/ HTTP/1.1|Host: a b||", "authority");
    check("GET / HTTP/1.1|Host : a||", "field_name");
    check("GET / HTTP/1.1|Host\t: a||", "field_name");
    check("GET / HTTP/1.1|: a||", "field_name");
    check("GET / HTTP/1.1|Host||", "field_name");
    check("GET / HTTP/1.1|H\u{f6}st: a||", "field_name");
    check("GET / HTTP/1.1|Host: a|Content_Length: 1||", "field_name");
    check(
        "GET / HTTP/1.1|Host: a|tRANSFER.eNCODING: x||",
        "field_name",
    );
    check("GET / HTTP/1.1|Host: a|Content_Type: x||", "head");
    check("GET / HTTP/1.1|Host: a|X_Content_Length: x||", "head");
    check("GET / HTTP/1.1|Host: a|ContentXLength: x||", "head");
    check("GET / HTTP/1.1| Host: a||", "folded");
    check("GET / HTTP/1.1|Host: a| b||", "folded");
    check("GET / HTTP/1.1|Host: a|\tb||", "folded");
    check("GET / HTTP/1.1\nHost: a\n\n", "bare_lf");
    check("GET / HTTP/1.1|Host: a\nX: b||", "bare_lf");
    check("GET / HTTP/1.1|Host: a\rX: b||", "bare_cr");
    check("GET / HTTP/1.1|Host: a\r\r\n|", "bare_cr");
    check("GET / HTTP/1.1|Host: a\0b||", "control");
    check("GET / HTTP/1.1|Host: a|X: \u{7f}||", "control");
    check("GET /\0 HTTP/1.1|Host: a||", "control");
    check("GET\t/ HTTP/1.1|Host: a||", "request_line");
    check("GET|", "request_line");
    check(" GET / HTTP/1.1|", "request_line");
    check("\nGET / HTTP/1.1|", "request_line");
    check("|\rGET / HTTP/1.1|", "request_line");
    check("GET /\tHTTP/1.1|Host: a||", "control");
    check("GET  / HTTP/1.1|Host: a||", "request_line");
    check("GET /  HTTP/1.1|Host: a||", "request_line");
    check("GET / HTTP/1.1 |Host: a||", "request_line");
    check("GET / x HTTP/1.1|Host: a||", "request_line");
    check("GET /|", "version");
    check("GET / http/1.1|Host: a||", "version");
    check("GET / HTTP/1.10|Host: a||", "version");
    check("GET / HTTP/11|Host: a||", "version");
    check("GET / FOO/1|Host: a||", "version");
    check("GET / HTTP/2.0|Host: a||", "version_unsupported");
    check("GET / HTTP/1.2|Host: a||", "version_unsupported");
    check(
        "CONNECT a:1 HTTP/1.1|Host: a|Content-Length: 1||",
        "connect_body",
    );
    check("GET x HTTP/1.1|Host: a||", "target");
    check("GET * HTTP/1.1|Host: a||", "target");
    check("GET /#x HTTP/1.1|Host: a||", "target");
}

#[test]
fn framings_with_two_readings() {
    for (fields, expected) in [
        (
            "Content-Length: 3|Transfer-Encoding: chunked",
            "two_framings",
        ),
        (
            "Transfer-Encoding: chunked|Content-Length: 3",
            "two_framings",
        ),
        ("Content-Length: 3|Content-Length: 3", "content_length"),
        ("Content-Length: 3|Content-Length: 4", "content_length"),
        ("Content-Length: 3, 3", "content_length"),
        ("Content-Length: +3", "content_length"),
        ("Content-Length: -3", "content_length"),
        ("Content-Length: 0x3", "content_length"),
        ("Content-Length: 3 3", "content_length"),
        ("Content-Length:", "content_length"),
        ("Content-Length: 18446744073709551614", "content_length"),
        ("Content-Length: 99999999999999999999", "content_length"),
        (
            "Transfer-Encoding: chunked|Transfer-Encoding: chunked",
            "transfer_encoding",
        ),
        ("Transfer-Encoding: gzip, chunked", "transfer_encoding"),
        ("Transfer-Encoding: chunked, chunked", "transfer_encoding"),
        ("Transfer-Encoding: xchunked", "transfer_encoding"),
        ("Transfer-Encoding: \"chunked\"", "transfer_encoding"),
        ("Transfer-Encoding: chunked;q=1", "transfer_encoding"),
        ("Transfer-Encoding: identity", "transfer_encoding"),
        ("Transfer-Encoding:", "transfer_encoding"),
    ] {
        check(&format!("POST / HTTP/1.1|Host: a|{fields}||"), expected);
    }
    check(
        "POST / HTTP/1.0|Transfer-Encoding: chunked||",
        "transfer_encoding",
    );
}

#[test]
fn other_protocols() {
    check("\u{16}\u{3}\u{1}", "not http");
    check("\u{5}\u{1}\0", "not http");
    check("SSH-2.0-OpenSSH_9.2|", "not http");
    check("EHLO a.example|", "not http");
    check("MAIL FROM:<a@a.example>|", "not http");
    check("NICK a|USER a 0 * :A|", "not http");
    check("a1 LOGIN a b|", "not http");
    check("HELP|", "not http");
    check("HELP\n", "not http");
    check("HELP\r", "need more");
    check("<stream:stream", "need more");
    check("<stream:stream xmlns='a'", "not http");
    check("<policy-file-request/>\0", "not http");
    check("{\"a\":1}\n", "not http");
    check("Host: h", "need more");
    check("Host: a|", "not http");
    check("HTTP/1.1 200 OK|", "not http");
    check("@\u{1}", "not http");
    check("\0\0\0\u{c}\u{1}", "not http");
    check("\0\0\0\u{c}hello", "not http");
    check("PRI * HTTP/2.0||SM||", "http2 preface");
    check("PRI * HTTP/2.0||SM|", "need more");
    check("PRI * HTTP/2.0|", "need more");
}

/// The JDK's server and Python's take any word for a method.
#[test]
fn an_odd_word_before_a_target_is_like_a_method() {
    for start in ["@ /", "\"GET\t%2F", "GET@ \\", "FOO(x)  hTTps:"] {
        check(start, "request_line");
    }
}

/// Each of these is HTTP to some reader, or nearly. Were they called not HTTP, a profile that lets
/// that pass would let them and what follows them pass unread.
#[test]
fn what_is_like_http_is_refused() {
    for start in [
        "GET\t/ HTTP/1.1|",
        "FOO\t/ HTTP/1.1|",
        "FOO\t/\tHTTP/1.1|",
        "FOO\u{b}",
        "FOO\u{c}",
        "FOO\u{1f}",
        "FOO\r/ HTTP/1.1|",
        "GET|",
        "GET:",
        "get\0",
        " GET / HTTP/1.1|",
        "\tGET / HTTP/1.1|",
        "\nGET / HTTP/1.1|",
        "|\rGET / HTTP/1.1|",
        "\0GET /",
        "\0\0 \0get /",
        "\u{b}GET /",
        "\u{1c}POST /",
        "\u{feff}GET / HTTP/1.1|",
        "\u{feff}\0GET\t",
        "|\0|QUIT\n",
        "|\u{16}\u{3}\u{1}",
        "|SSH-2.0-x|",
        "|PRI * HTTP/2.0||SM||",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 80|",
        "FOO / HTTP/1.1 |",
        "FOO  / HTTP/1.1|",
        "FOO x y HTTP/1.1|",
        "FOO x y BAR/1.1|",
    ] {
        check(start, "request_line");
    }
    for line in [
        "DESCRIBE /x RTSP/1.1|",
        "DESCRIBE /x RTSP/1.0|",
        "OPTIONS rtsp://a/ RTSP/1.0|",
        "OPTIONS * RTSP/1.0|",
        "GET / RTSP/1.0|",
        "SOURCE /x ICE/1.0|",
        "INVITE sip:a SIP/2.0|",
        "FOO x BAR/1.1|",
        "FOO /x|",
        "FOO %2fx|",
        "FOO *|",
        "FOO http://a/|",
        "FOO x HTTP/|",
        "get / http/1.1|",
        "foo / http/1.1|",
    ] {
        check(line, "version");
    }
    for line in ["FOO /\n", "FOO x HTTP/1.1\n", "foo http://a/ x\n"] {
        check(line, "bare_lf");
    }
    check("FOO x\tHTTP/1.1|", "control");
    check("FOO x\u{c}", "control");
    check("FOO x\rHTTP/1.1|", "bare_cr");
    check("FOO /\0", "control");
    check("FOO x\0", "not http");
    check("PRI / HTTP/2.0|", "version_unsupported");
    check("PRI * HTTP/2.0|Host: a||", "version_unsupported");
    check("PRI * HTTP/2.0||GET / HTTP/1.1|", "version_unsupported");
    // An origin that takes any method would take this one, and whatever follows it.
    check(&"A".repeat(METHOD_LEN_MAX + 1), "request_line");
    for byte in [0x85, 0xa0] {
        let padded = [&[byte][..], b"GET /"].concat();
        assert_eq!(word(&verdict_of_every_prefix(&padded)), "request_line");
        let separated = [b"FOO x", &[byte][..], b"HTTP/1.1\r\n"].concat();
        assert_eq!(word(&verdict_of_every_prefix(&separated)), "version");
    }
}

#[test]
fn limits_on_both_sides() {
    let tight = Limits { head_len_max: 40 };
    let of_len = |len: usize| {
        let head = "GET / HTTP/1.1|Host: a|X: ||".replace('|', "\r\n");
        let filler = "x".repeat(len - head.len());
        head.replace("X: ", &format!("X: {filler}"))
    };
    assert_eq!(word(&judge(of_len(40).as_bytes(), &tight)), "head");
    assert_eq!(word(&judge(of_len(41).as_bytes(), &tight)), "too_long");
    let line = format!("GET /{}", "x".repeat(34));
    assert_eq!(word(&judge(line.as_bytes(), &tight)), "need more");
    assert_eq!(
        word(&judge(format!("{line}x").as_bytes(), &tight)),
        "target_too_long"
    );

    let lines = |count: usize| format!("GET / HTTP/1.1|Host: a|{}|", "X: y|".repeat(count - 1));
    check(&lines(FIELDS_MAX), "head");
    check(&lines(FIELDS_MAX + 1), "too_long");
    let name = |len: usize| format!("GET / HTTP/1.1|Host: a|{}: y||", "n".repeat(len));
    check(&name(fields::FIELD_NAME_LEN_MAX), "head");
    check(&name(fields::FIELD_NAME_LEN_MAX + 1), "too_long");
    let method = |len: usize| format!("{} / HTTP/1.1|Host: a||", "M".repeat(len));
    check(&method(METHOD_LEN_MAX), "head");
    check(&method(METHOD_LEN_MAX + 1), "request_line");
    let empty = |count: usize| format!("{}GET / HTTP/1.1|Host: a||", "|".repeat(count));
    check(&empty(LEADING_LINES_MAX), "head");
    check(&empty(LEADING_LINES_MAX + 1), "request_line");
}

#[test]
fn the_length_counts_empty_lines_and_not_what_follows() {
    let bytes = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nbody";
    let Verdict::Head(head) = judge(bytes, &LIMITS) else {
        panic!("no head");
    };
    assert_eq!(bytes.get(head.len()..), Some(&b"body"[..]));
    assert_eq!(head.field_lines(), b"Host: a\r\n\r\n");
}

#[test]
fn a_scheme_that_is_no_web_scheme_has_no_reading() {
    let Verdict::Head(head) = judge(b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", &LIMITS) else {
        panic!("no head");
    };
    assert_eq!(
        head.readings(None),
        Err(uri::InvalidUri::Scheme("ftp".to_owned()))
    );
}

#[test]
fn a_host_that_a_host_field_cannot_carry_has_no_reading() {
    for (host, is_good) in [
        ("a%2Etest", true),
        ("%2561.test", true),
        ("b%C3%BCcher.test", true),
        ("a.test%2Cb.test", false),
        ("%22a.test", false),
        ("a%257Bb.test", false),
    ] {
        let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let Verdict::Head(head) = judge(text.as_bytes(), &LIMITS) else {
            panic!("no head: {host}");
        };
        assert_eq!(head.readings(None).is_ok(), is_good, "{host}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_get_one_verdict(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        verdict_of_every_prefix(&bytes);
    }

    #[test]
    fn mutated_heads_get_one_verdict(
        at in 0_usize..120, byte in prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b' ')]
    ) {
        let mut bytes = "POST http://u@a.example:80/x?y HTTP/1.1|Host: b|Content-Length: 3|\
            Connection: Upgrade, x|Upgrade: websocket|Expect: 100-continue||"
            .replace('|', "\r\n")
            .into_bytes();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        verdict_of_every_prefix(&bytes);
    }
}

/// Returns the verdict on the whole, after making sure that no prefix has another one.
#[track_caller]
fn verdict_of_every_prefix(bytes: &[u8]) -> Verdict {
    let whole = judge(bytes, &LIMITS);
    let mut known = false;
    for end in 0..bytes.len() {
        match judge(bytes.get(..end).unwrap(), &LIMITS) {
            Verdict::NeedMore => assert!(!known, "a verdict was withdrawn at {end}"),
            verdict @ (Verdict::NotHttp
            | Verdict::Http2Preface
            | Verdict::Bad(_)
            | Verdict::Head(_)) => {
                known = true;
                assert_eq!(verdict, whole, "at {end}");
            }
        }
    }
    whole
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let bytes = text.replace('|', "\r\n").into_bytes();
    let verdict = if bytes.len() < 2_000 {
        verdict_of_every_prefix(&bytes)
    } else {
        judge(&bytes, &LIMITS)
    };
    assert_eq!(word(&verdict), expected, "{text:?}");
}

#[track_caller]
fn head(text: &str, expected: &str) {
    let bytes = text.replace('|', "\r\n").into_bytes();
    let verdict = verdict_of_every_prefix(&bytes);
    let Verdict::Head(head) = verdict else {
        panic!("{text:?}: {verdict:?}");
    };
    assert_eq!(head.len(), bytes.len());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let found = format!(
        "{} {} {} {} {} {}{}{}",
        head.method(),
        text(head.authority().unwrap_or(b"-")),
        text(head.path_and_query()),
        match head.version() {
            Version::Http10 => "10",
            Version::Http11 => "11",
        },
        match head.framing() {
            Framing::None => "None".to_owned(),
            Framing::Length(len) => format!("Length({len})"),
            Framing::Chunked => "Chunked".to_owned(),
        },
        if head.keep_alive() { "keep" } else { "close" },
        if head.expect_continue() {
            " expect"
        } else {
            ""
        },
        match head.upgrade() {
            Upgrade::None => "",
            Upgrade::Websocket => " websocket",
        },
    );
    assert_eq!(found, expected);
    if let Target::Authority(_) | Target::Asterisk = head.target() {
        assert_eq!(head.path_and_query(), b"");
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::NeedMore => "need more",
        Verdict::NotHttp => "not http",
        Verdict::Http2Preface => "http2 preface",
        Verdict::Bad(bad) => bad.as_str(),
        Verdict::Head(_) => "head",
    }
}
