//! HTTP request heads.

use std::hint::black_box;

use http_head::{Head, Limits, Verdict, judge};

use crate::Subject;

const LIMITS: Limits = Limits {
    head_len_max: 64 * 1024,
};

/// What a browser sends for a page, 500 bytes.
pub(crate) const GET: &str = "\
GET /news/world/2026/some-article-title.html?source=feed&id=12345 HTTP/1.1\r
Host: www.example.com\r
Connection: keep-alive\r
Upgrade-Insecure-Requests: 1\r
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36\r
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r
Referer: http://www.example.com/news/\r
Accept-Encoding: gzip, deflate\r
Accept-Language: en-GB,en;q=0.9\r
Cookie: session=0123456789abcdef; seen=1\r
\r
";

pub(crate) fn subjects() -> Vec<Subject> {
    let host = head().host().map(<[u8]>::to_vec);
    assert_eq!(host.as_deref(), Some(crate::uris::HOST));
    vec![
        Subject::new("head/GET of a browser", || {
            judge(black_box(GET.as_bytes()), &LIMITS)
        }),
        Subject::new("head/GET of a browser, and its URI", || {
            head().readings(black_box(Some(80)))
        }),
    ]
}

pub(crate) fn head() -> Box<Head> {
    match judge(black_box(GET.as_bytes()), &LIMITS) {
        Verdict::Head(head) => head,
        other
        @ (Verdict::NeedMore | Verdict::NotHttp | Verdict::Http2Preface | Verdict::Bad(_)) => {
            panic!("{other:?}")
        }
    }
}
