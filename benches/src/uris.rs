//! The normal form and the other readings.

use std::hint::black_box;

use uri::{Readings, Scheme};

use crate::Subject;

pub(crate) const HOST: &[u8] = b"www.example.com";
pub(crate) const PATH: &[u8] = b"/news/world/2026/some-article-title.html?source=feed&id=12345";

pub(crate) fn subjects() -> Vec<Subject> {
    vec![
        Subject::new("uri/absolute, normal already", || {
            Readings::parse(black_box(
                b"http://www.example.com/news/world/some-article.html?id=1",
            ))
        }),
        request("uri/request", HOST, PATH),
        request(
            "uri/request with a few escapes",
            b"en.example.com",
            b"/wiki/Caf%C3%A9_%28Paris%29/list?q=caf%C3%A9%20paris&lang=fr%2Cen",
        ),
        request(
            "uri/request with nasty escapes",
            b"WWW.%65xample.com.",
            b"/a/%2e%2e/%252e%252e//b/./%2541%62;v=1/../c%5cd?%7e%zz",
        ),
        long_with_many_readers(),
        request("uri/request for an A-label", b"xn--bcher-kva.example", PATH),
        request(
            "uri/request for a U-label",
            "b\u{fc}cher.example".as_bytes(),
            PATH,
        ),
        request("uri/request for an IPv4 address", b"192.0.2.17:8080", PATH),
        request("uri/request for an IPv6 address", b"[2001:db8::17]", PATH),
        Subject::new("uri/server name", || {
            Readings::of_sni(black_box(HOST), black_box(443))
        }),
    ]
}

/// The most work that one path may make: its start lets servers differ in many ways, and they all
/// read the 1 700 bytes that follow.
fn long_with_many_readers() -> Subject {
    let path = format!("//%2f%252e;x/../../..{}", "/a".repeat(850));
    let read = move || Readings::of_request(Scheme::Http, HOST, black_box(path.as_bytes()), None);
    read().unwrap();
    Subject::new("uri/request of 1.7 kB with many readers", read)
}

fn request(name: &'static str, host: &'static [u8], path: &'static [u8]) -> Subject {
    let read = move || Readings::of_request(Scheme::Http, black_box(host), black_box(path), None);
    read().unwrap();
    Subject::new(name, read)
}
