use proptest::prelude::*;

use super::*;

#[test]
fn honest_uris_have_one_reading() {
    for path in [
        "/",
        "/a/b.html",
        "/a?b=c&d=%2F%3F;x",
        "/a%20b/%C3%A9",
        "/a/../b",
        "/~user/",
        "/a//b",
        "/%7Euser",
        "/a@b:c,d=e+f!$'()*",
        "/?q=http://x/../y//z;p",
    ] {
        check(path, &[]);
    }
    let deep = "/a".repeat(1000);
    check(&deep, &[]);
}

#[test]
fn escapes_of_escapes() {
    check("/ok/%252e%252e/bad", &["/ok/%252e%252e/bad"]);
    check("/%2562ad", &["/%2562ad"]);
    check("/100%25", &[]);
    check("/%252562ad", &["/%252562ad", "/%2562ad"]);
}

#[test]
fn encoded_slashes() {
    check("/ok/..%2fbad", &["/ok/..%2Fbad"]);
    check("/bad/x%2f..%2f..%2fok", &["/bad/x%2F..%2F..%2Fok"]);
    check("/group%2Fproject", &["/group%2Fproject"]);
}

#[test]
fn backslashes() {
    check(r"/ok\..\bad", &[r"/ok%5C..%5Cbad"]);
    check("/ok/..%5cbad", &["/ok/..%5Cbad"]);
}

#[test]
fn both_slashes_together() {
    // A server that decodes `%2f` and leaves `\` alone serves /bad.
    check(
        r"/ok/a\b%2f..%2f..%2fbad",
        &[
            r"/ok/a/b%2F..%2F..%2Fbad",
            "/bad",
            r"/ok/a%5Cb%2F..%2F..%2Fbad",
        ],
    );
}

#[test]
fn backslashes_of_both_kinds() {
    // A server that parses the target as a browser does leaves the encoded ones alone.
    check(
        r"/ok\..\bad%5c..%5cx",
        &["/bad%5C..%5Cx", "/ok%5C..%5Cbad%5C..%5Cx"],
    );
}

#[test]
fn dot_segments_of_the_path_as_written() {
    // Resolved before anything is decoded, `..` takes the encoded dots away.
    check("/bad/%2e%2e/../x", &["/bad/x"]);
    check("/bad/%2e/../x", &["/bad/x"]);
    check("/bad/%2e%2e/x", &[]);
}

#[test]
fn what_a_gateway_leaves_is_read_again() {
    // The gateway takes `..;` for a name, and the server behind it drops the parameters.
    check("/a/..;/../bad;c/x", &["/a/bad/x", "/bad/x", "/"]);
    // Each of the two decodes once and resolves dot segments.
    check(
        "/ok/y/%252e%252e/../%252e%252e/bad",
        &["/ok/y/%252e%252e/bad", "/ok/bad"],
    );
}

#[test]
fn two_slashes_at_the_start_may_begin_an_authority() {
    check("//a/bad", &["/bad"]);
    check(r"/\a/bad", &[r"/%5Ca/bad", "/bad"]);
    check("///a?b", &["/?b"]);
    check("//", &[]);
    check("/a//b/c", &[]);
}

#[test]
fn old_escapes() {
    check("/%u0062ad", &["/bad"]);
    check("/ok/%c0%ae%c0%ae%c0%afbad", &["/bad", "/ok/..%2Fbad"]);
    check("/ok/%e0%80%ae./bad", &["/bad"]);
    check("/%C3%BC%E4%BD%A0", &[]);
}

#[test]
fn path_parameters() {
    check("/bad;p=1/path", &["/bad/path"]);
    check("/ok;/../bad", &["/ok"]);
    check("/ok/..;/bad", &["/", "/bad"]);
    check("/ok/..;x=1/bad", &["/", "/bad"]);
    check("/ok/%2e%2e%3b/bad", &["/", "/bad"]);
    // With the dot segments as written resolved first, `..;` takes the empty segment away later.
    check("/bad//..;/..;/../x", &["/", "/bad/", "/bad/x", "/x"]);
    // As Tomcat, which drops parameters before it decodes, and as servers that do it after.
    check(
        "/ok/;%2fb/..;/..;/bad",
        &["/ok/;%2Fb/..;/..;/bad", "/bad", "/ok/bad", "/ok/"],
    );
}

#[test]
fn empty_segments_that_only_one_kind_of_server_sees() {
    // Without its parameters, or its NUL, this is /ok//../bad; with runs collapsed first, /bad.
    check("/ok/;/../bad", &["/ok/", "/bad"]);
    check("/ok/;x=1/../bad", &["/ok/", "/bad"]);
    check("/ok//..;/bad", &["/ok/bad", "/bad", "/ok/", "/"]);
    check("/ok/%00/../bad", &["/ok/", "/bad"]);
}

#[test]
fn encoded_nul() {
    check("/%00bad", &["/bad", "/"]);
    check("/bad%00.html", &["/bad.html", "/bad"]);
    // A server that decodes before it looks for an authority finds one in what is left of these.
    check("/%00/a/bad", &["/a/bad", "/bad", "/"]);
    check("//a%00./bad", &["/", "/a", "/a./bad", "/bad"]);
}

#[test]
fn encoded_question_mark() {
    check("/bad%3f/../ok", &["/bad?/../ok"]);
    check("/bad%3fx?y", &["/bad?x?y"]);
}

#[test]
fn a_number_sign_may_be_sent() {
    check("/ok#/../bad", &["/bad"]);
    check("/ok?a#b", &[]);
}

#[test]
fn an_empty_segment_may_count() {
    check("/ok//../bad", &["/bad"]);
    check("/ok/x//../bad", &["/ok/bad"]);
}

#[test]
fn too_many_readings_leave_the_normal_form() {
    let everything = "/a;b%2f..%5c%252e%3f%00";
    let one = Readings::parse(format!("http://a.example{everything}").as_bytes()).unwrap();
    assert!(!one.are_all());
    assert_eq!(one.others(), &[]);
    assert_eq!(one.normal().as_str(), "http://a.example/.%3F%00");
}

/// Redirectors and advertisers write whole URIs into a path; a reader follows their links.
#[test]
fn uris_in_paths_are_judged() {
    for (path, readings) in [
        ("/web/2020/http%3A%2F%2Fb.example%2Fc%3Fd%3D1", 4),
        (
            "/act/src=1;type=a;u1=http%3A%2F%2Fb.example%2Fc%3Fd%3D1;ord=1?",
            8,
        ),
        (
            "/activity;src=1;u1=http%253A%252F%252Fb.example%252F%253Fq",
            9,
        ),
        (
            "/L0/https:%2F%2Fb.example%2Fp%3Fs=a%252Fb%26u=%252520/1/0100",
            10,
        ),
        (
            "/fetch/w_100;h_200/https%3A%2F%2Fb.example%2Fc%2520d.png%3Fv%3D1",
            16,
        ),
        (
            "/x/https%3A%2F%2Fb.example%2Fp%3Bjsessionid%3D1%3Fu%3Dhttp%253A%252F%252Fc%252F/z",
            15,
        ),
    ] {
        let found = Readings::parse(format!("http://a.example{path}").as_bytes());
        assert_eq!(found.unwrap().iter().count(), readings, "{path}");
    }
}

#[test]
fn work_is_bounded() {
    for piece in ["%252f;", "%2525", "/..;", "a%5c..//", "%00;"] {
        let text = format!("http://a.example/{}", piece.repeat(100_000 / piece.len()));
        let _ = Readings::parse(text.as_bytes());
    }
}

#[test]
fn requests() {
    let read = |authority: &str, path: &str, port| {
        Readings::of_request(Scheme::Http, authority.as_bytes(), path.as_bytes(), port)
            .map(|readings| readings.normal().as_str().to_owned())
    };
    let uri = |text: &str| Ok(text.to_owned());
    assert_eq!(
        read("A.example.", "/x?y", None),
        uri("http://a.example/x?y")
    );
    assert_eq!(read("a.example:80", "/", None), uri("http://a.example/"));
    assert_eq!(read("a.example:81", "", None), uri("http://a.example:81/"));
    assert_eq!(
        read("a.example:81", "?q", Some(80)),
        uri("http://a.example/?q")
    );
    assert_eq!(
        read("a.example", "/", Some(8080)),
        uri("http://a.example:8080/")
    );
    assert_eq!(
        read("u@a.example", "//b.example/", None),
        uri("http://a.example/b.example/")
    );
    assert_eq!(
        read("a.example", "/x\t", None),
        uri("http://a.example/x%09")
    );
    assert_eq!(read("", "/", None), Err(InvalidUri::HostEmpty));
    for authority in ["a.example/b", r"a\b", "a?b", "a#b", "a b", "a,b c"] {
        let refused = read(authority, "/", None);
        assert!(
            matches!(refused, Err(InvalidUri::Host(_))),
            "{authority}: {refused:?}"
        );
    }
}

#[test]
fn server_names() {
    let read = |name: &[u8], port| {
        Readings::of_sni(name, port).map(|readings| readings.normal().as_str().to_owned())
    };
    assert_eq!(read(b"A.example", 443), Ok("https://a.example/".to_owned()));
    assert_eq!(
        read(b"a.example.", 8443),
        Ok("https://a.example:8443/".to_owned())
    );
    assert_eq!(read(b"", 443), Err(InvalidUri::HostEmpty));
    for name in [&b"a.example:80"[..], b"a/b", b"a@b", b"a\0b", b"\xff"] {
        assert!(
            matches!(read(name, 443), Err(InvalidUri::Host(_))),
            "{name:?}"
        );
    }
}

#[test]
fn typed_uris_may_lack_the_scheme() {
    let read =
        |text: &str| Readings::parse_typed(text.as_bytes()).map(|r| r.normal().as_str().to_owned());
    assert_eq!(read("a.example"), Ok("http://a.example/".to_owned()));
    assert_eq!(
        read("a.example:81/x"),
        Ok("http://a.example:81/x".to_owned())
    );
    assert_eq!(
        read(" HTTPS:a.example"),
        Ok("https://a.example/".to_owned())
    );
    assert_eq!(
        read("ftp://a.example"),
        Err(InvalidUri::Scheme("ftp".into()))
    );
    assert_eq!(
        read("a.example/http://b.example/"),
        Ok("http://a.example/http:/b.example/".to_owned())
    );
    assert_eq!(read("/x"), Ok("http://x/".to_owned()));
    assert_eq!(read(""), Err(InvalidUri::HostEmpty));
}

#[track_caller]
fn check(path: &str, expected: &[&str]) {
    let readings = Readings::parse(format!("http://a.example{path}").as_bytes()).unwrap();
    let others = readings.others().iter();
    let mut others: Vec<&str> = others.map(NormalUri::path_and_query).collect();
    let mut expected = expected.to_vec();
    others.sort_unstable();
    expected.sort_unstable();
    assert_eq!(others, expected, "{path} beside {}", readings.normal());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn readings_are_few_and_different(path in "[a/.;%2fF5cC03?\\\\#e]{0,30}") {
        let text = format!("http://a.example/{path}");
        let Ok(readings) = Readings::parse(text.as_bytes()) else {
            return Ok(());
        };
        prop_assert_eq!(readings.normal(), &NormalUri::parse(text.as_bytes()).unwrap());
        let all: Vec<&NormalUri> = readings.iter().collect();
        let distinct: std::collections::BTreeSet<&str> =
            all.iter().map(|uri| uri.as_str()).collect();
        prop_assert_eq!(distinct.len(), all.len());
        prop_assert!(all.len() <= READINGS_MAX);
        for uri in all {
            prop_assert!(uri.as_str().bytes().all(|b| b.is_ascii_graphic()));
            let path = uri.as_str().split('?').next().unwrap();
            prop_assert!(!path.contains("/../"), "{uri}");
        }
    }
}
