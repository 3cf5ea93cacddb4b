use expect_test::{Expect, expect};

use crate::harness::{Client, GET, exchange, reqmod, reqmod_of, started};

#[tokio::test]
async fn what_is_known_is_said() {
    check(
        reqmod("Allow: 204\r\n", GET),
        expect![[r#"
            ICAP/1.0 204 No Content
            ISTag: TAG
            X-Attribute: games, kids
            X-Attribute-Prefix: 21

        "#]],
    )
    .await;
    check(
        reqmod(
            "Preview: 0\r\n",
            "CONNECT games.example:443 HTTP/1.1\r\n\r\n",
        ),
        expect![[r#"
            ICAP/1.0 204 No Content
            ISTag: TAG
            X-Attribute: games, kids

        "#]],
    )
    .await;
}

#[tokio::test]
async fn what_is_not_known_or_no_uri_is_a_plain_204() {
    for http in [
        "GET http://other.example/ HTTP/1.1\r\n\r\n",
        "GET ftp://games.example/ HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "CONNECT 192.0.2.10:443 HTTP/1.1\r\nHost: 192.0.2.10\r\n\r\n",
        "not http at all\r\n\r\n",
    ] {
        check(
            reqmod("Allow: 204\r\n", http),
            expect![[r#"
                ICAP/1.0 204 No Content
                ISTag: TAG

            "#]],
        )
        .await;
    }
}

#[tokio::test]
async fn without_leave_for_204_the_request_comes_back() {
    check(
        reqmod("", GET),
        expect![[r#"
            ICAP/1.0 200 OK
            ISTag: TAG
            X-Attribute: games, kids
            X-Attribute-Prefix: 21
            Encapsulated: req-hdr=0, null-body=80

            GET http://games.example/a HTTP/1.1
            Host: games.example
            Via: ICAP/1.0 weir

        "#]],
    )
    .await;
}

#[tokio::test]
async fn options() {
    for request in [
        "OPTIONS icap://127.0.0.1:1344/categorize ICAP/1.0\r\nHost: 127.0.0.1:1344\r\nAllow: 206, trailers\r\n\r\n",
        "OPTIONS icap://127.0.0.1/categorize?x ICAP/1.0\r\nEncapsulated: null-body=0\r\n\r\n",
        "OPTIONS icap://127.0.0.1/categorize ICAP/1.0\r\nEncapsulated: opt-body=0\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ] {
        check(
            request.to_owned(),
            expect![[r#"
                ICAP/1.0 200 OK
                Methods: REQMOD
                Service: weir categorize
                Service-ID: categorize
                ISTag: TAG
                Options-TTL: 3600
                Max-Connections: 100
                Allow: 204
                Preview: 0
                Transfer-Preview: *
                X-Include: X-Client-IP, X-Server-IP, X-Subscriber-ID, X-Authenticated-User, X-Client-Username
                Encapsulated: null-body=0

            "#]],
        )
        .await;
    }
}

#[tokio::test]
async fn each_error_has_its_status() {
    let respmod = "RESPMOD icap://h/categorize ICAP/1.0\r\nEncapsulated: res-hdr=0, null-body=19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    let start = |line: &str| format!("{line}\r\nHost: h\r\n\r\n");
    for (request, status) in [
        (reqmod_of("/other", "Allow: 204\r\n", GET), "404 ICAP Service Not Found"),
        (reqmod_of("/filter", "Allow: 204\r\n", GET), "404 ICAP Service Not Found"),
        (reqmod_of("", "Allow: 204\r\n", GET), "404 ICAP Service Not Found"),
        (start("OPTIONS icap://h/other ICAP/1.0"), "404 ICAP Service Not Found"),
        (respmod.to_owned(), "405 Method Not Allowed For Service"),
        (start("BREW icap://h/categorize ICAP/1.0"), "501 Method Not Implemented"),
        (start("OPTIONS icap://h/categorize ICAP/2.0"), "505 ICAP Version Not Supported"),
        (start("OPTIONS /categorize ICAP/1.0"), "400 Bad Request"),
        (start("REQMOD icap://h/categorize ICAP/1.0"), "400 Bad Request"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "400 Bad Request"),
        (reqmod("Encapsulated: null-body=0\r\n", GET), "400 Bad Request"),
        (
            "REQMOD icap://h/categorize ICAP/1.0\r\nEncapsulated: null-body=0\r\n\r\n".to_owned(),
            "418 Bad Composition",
        ),
        (
            "REQMOD icap://h/categorize ICAP/1.0\r\nEncapsulated: req-hdr=0, null-body=5\r\n\r\n12345"
                .to_owned(),
            "400 Bad Request",
        ),
    ] {
        let server = started().await;
        // What follows an error is never read as a request.
        let answer = exchange(server.addresses()[0], format!("{request}{}", reqmod("", GET)));
        let lines: Vec<&str> = answer.lines().collect();
        let first = format!("ICAP/1.0 {status}");
        let expected = [
            &first,
            "ISTag: TAG",
            "Connection: close",
            "Encapsulated: null-body=0",
            "",
        ];
        assert_eq!(lines, expected, "{request}");
    }
}

#[tokio::test]
async fn an_error_has_the_tag_of_the_service_that_it_is_about() {
    let server = started().await;
    let tag = |request: String| {
        let mut client = Client::connect(server.addresses()[0]);
        client.send(request);
        client.field("ISTag")
    };
    let good = tag(reqmod("Allow: 204\r\n", GET));
    for request in [
        "RESPMOD icap://h/categorize ICAP/1.0\r\nEncapsulated: null-body=0\r\n\r\n",
        "BREW icap://h/categorize ICAP/1.0\r\n\r\n",
        "REQMOD icap://h/categorize ICAP/2.0\r\n\r\n",
        "REQMOD icap://h/categorize ICAP/1.0\r\n\r\n",
        "REQMOD icap://h/categorize ICAP/1.0\r\nEncapsulated: null-body=0\r\n\r\n",
    ] {
        assert_eq!(tag(request.to_owned()), good, "{request}");
    }
    let none = tag(reqmod_of("/other", "", GET));
    assert_ne!(none, good);
    assert_eq!(tag("GET / HTTP/1.1\r\n\r\n".to_owned()), none);
}

async fn check(request: String, expected: Expect) {
    let server = started().await;
    expected.assert_eq(&exchange(server.addresses()[0], request));
    assert_eq!(server.stop().await, 0);
}
