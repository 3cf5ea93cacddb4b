use super::*;

#[test]
fn every_host() {
    reached("GET / HTTP/1.1|Host: a||", "a/");
    reached("GET / HTTP/1.1|Host: a|Host: B:80||", "a/ b/");
    reached("GET http://c@d:1/ HTTP/1.1|Host: a||", "a/ c/ d/");
    reached("GET / HTTP/1.1|Host: a, b.||", "a/ b/");
    reached("GET / HTTP/1.1|Host : a||", "a/");
    reached("GET / HTTP/1.1|X: y\nHost: a||", "198.51.100.1/ a/");
    reached("GET / HTTP/1.0||", "198.51.100.1/");
    reached("GET /|", "198.51.100.1/");
    reached("GET / HTTP/1.1|Host: 0300.0x2.66||", "192.2.0.66/");
    reached(
        "GET / HTTP/1.1|Host: [::ffff:192.0.2.66]:80||",
        "192.0.2.66/",
    );
    reached("GET / HTTP/1.1|Host: %61%2562||", "%61%2562/ a%62/ ab/");
}

#[test]
fn every_path() {
    path("/a", "/a");
    path("/x/../bad", "/bad");
    path("//bad", "/bad");
    path("/%62ad?x", "/bad");
    path("/%252e%252e/bad", "/%2e%2e/bad /bad");
    path("/a;x/b", "/a/b /a;x/b");
    path("/a%00b", "/a /a\\x00b /ab");
    path("/a\\..\\b", "/a\\\\..\\\\b /b");
    path("/a/..%2fb", "/b");
    path("/a/..;/b", "/a/..;/b /b");
    path("http:/\\a\\b", "/\\\\b /b");
}

#[test]
fn every_request() {
    reached(
        "GET / HTTP/1.1|Host: a|Content-Length: 3||abcGET /b HTTP/1.1|Host: b||",
        "a/ b/b",
    );
    let smuggled = "GET /c HTTP/1.1|Host: c||";
    let len = smuggled.replace('|', "\r\n").len();
    reached(
        &format!("GET / HTTP/1.1|Host: a|Content-Length: {len}||{smuggled}"),
        "a/",
    );
    for fields in [
        format!("Content-Length: {len}|Transfer_Encoding: chunked"),
        format!("Content-Length: +{len}"),
        format!("Content-Length: {len}|Content-Length: 0"),
    ] {
        reached(
            &format!("GET / HTTP/1.1|Host: a|{fields}||{smuggled}"),
            "a/ c/c",
        );
    }
    reached(
        &format!("GET / HTTP/1.1|Host: a|Transfer-Encoding: chunked||{len:x}|{smuggled}|0||"),
        "a/",
    );
    reached(
        "GET / HTTP/1.1|Host: a|Transfer-Encoding: chunked||0||GET /b HTTP/1.1|Host: b||",
        "a/ b/b",
    );
    reached(
        "GET / HTTP/1.1|Host: a|Transfer-Encoding: chunked||1|x|0|Host: b||",
        "a/ b/",
    );
    reached(
        "GET / HTTP/1.1|Host: a|Transfer-Encoding: chunked||26|GET / HTTP/1.1|Host: b|",
        "a/",
    );
    reached("PRI * HTTP/2.0||SM||", "bytes that are no request");
    reached("\u{16}\u{3}\u{1}", "bytes that are no request");
}

#[track_caller]
fn reached(text: &str, expected: &str) {
    let bytes = text.replace('|', "\r\n").into_bytes();
    let places = places(&bytes, "198.51.100.1".parse().unwrap());
    let found: Vec<String> = places.iter().map(ToString::to_string).collect();
    assert_eq!(found.join(" "), expected, "{text:?}");
}

#[track_caller]
fn path(target: &str, expected: &str) {
    let (_, path) = path::split(target.as_bytes());
    let readings = path::readings(path);
    let found: Vec<String> = readings
        .iter()
        .map(|path| path.escape_ascii().to_string())
        .collect();
    assert_eq!(found.join(" "), expected, "{target}");
}
