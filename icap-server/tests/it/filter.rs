use std::sync::Arc;

use expect_test::{Expect, expect};
use icap_server::{Content, Running, start};
use sessions::{Directory, Selection, Session};

use crate::harness::{Client, config, content, exchange, reqmod_of};

pub const POLICY: &str = r#"
lists:
  banned: [casino.example]
  moved: ["http://old.example/"]
policies:
  family:
    block: [kids]
profiles:
  child:
    icap: true
    policy: family
    block_list: [banned]
    redirect_list: [{to: "http://new.example/?m=%M&s=%S&u=%U", lists: [moved]}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
  open:
    default_action: pass
    unknown_action: pass
    error_action: pass
    undecidable_action: pass
default_profile: open
bypass: ["192.0.2.0/24"]
"#;

const CHILD: &str = "X-Client-IP: 10.1.2.3\r\nAllow: 204\r\n";

#[tokio::test]
async fn pass() {
    for (service, fields, http) in [
        ("/filter", CHILD, get("http://news.example/")),
        (
            "/filter",
            CHILD,
            "CONNECT news.example:443 HTTP/1.1\r\n\r\n".to_owned(),
        ),
        (
            "/filter?profile=child",
            "Preview: 0\r\n",
            get("http://news.example/"),
        ),
    ] {
        check(
            service,
            fields,
            &http,
            expect![[r#"
                ICAP/1.0 204 No Content
                ISTag: TAG
                X-ICAP-Profile: child
                X-Response-Info: Allowed
                X-Response-Desc: DESC
                Cache-Control: no-store

            "#]],
        )
        .await;
    }
}

#[tokio::test]
async fn block() {
    for (service, fields, http) in [
        ("/filter", CHILD, get("http://casino.example/x")),
        ("/filter", CHILD, get("http://games.example/")),
        ("/filter", CHILD, get("ftp://news.example/")),
        (
            "/filter",
            CHILD,
            "CONNECT games.example:443 HTTP/1.1\r\n\r\n".to_owned(),
        ),
        (
            "/filter",
            CHILD,
            "CONNECT old.example:80 HTTP/1.1\r\n\r\n".to_owned(),
        ),
        ("/filter?profile=child", "", get("http://casino.example/")),
    ] {
        check(
            service,
            fields,
            &http,
            expect![[r#"
                ICAP/1.0 200 OK
                ISTag: TAG
                X-ICAP-Profile: child
                X-Response-Info: Blocked
                X-Response-Desc: DESC
                Cache-Control: no-store
                Encapsulated: res-hdr=0, res-body=112

                HTTP/1.1 403 Forbidden
                Content-Type: text/html; charset=utf-8
                Content-Length: 196
                Cache-Control: no-store

                c4
                <!doctype html>
                <html lang="en">
                <head><meta charset="utf-8"><title>Blocked</title></head>
                <body><h1>Blocked</h1><p>The content filter of this network does not allow this page.</p></body>
                </html>

                0

            "#]],
        )
        .await;
    }
}

#[tokio::test]
async fn redirect() {
    check(
        "/filter",
        CHILD,
        &get("http://u:p@old.example/a?b=c&d"),
        expect![[r#"
            ICAP/1.0 200 OK
            ISTag: TAG
            X-ICAP-Profile: child
            X-Response-Info: Redirected
            X-Response-Desc: DESC
            Cache-Control: no-store
            Encapsulated: res-hdr=0, null-body=172

            HTTP/1.1 302 Found
            Location: http://new.example/?m=111220000001&s=10020000000007&u=http%3A%2F%2Fold.example%2Fa%3Fb%3Dc%26d
            Content-Length: 0
            Cache-Control: no-store

        "#]],
    )
    .await;
}

#[tokio::test]
async fn the_client_of_a_head_request_reads_no_page() {
    let server = started(POLICY).await;
    let http = "HEAD http://casino.example/ HTTP/1.1\r\n\r\n";
    let answer = exchange(server.addresses()[0], reqmod_of("/filter", CHILD, http));
    assert!(
        answer.contains("\nEncapsulated: res-hdr=0, null-body=112\n"),
        "{answer}"
    );
    assert!(
        answer.ends_with("\nCache-Control: no-store\n\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn the_profile_is_the_named_one_else_the_sessions_else_the_default() {
    let server = started(POLICY).await;
    let address = server.addresses()[0];
    let http = get("http://casino.example/");
    for (service, fields, profile) in [
        ("/filter", "X-Client-IP: 10.1.2.3\r\n", "child"),
        ("/filter", "X-Client-IP: ::ffff:10.1.2.3\r\n", "child"),
        ("/filter", "X-Client-IP: 10.2.0.1\r\n", "open"),
        ("/filter", "", "open"),
        ("/filter?profile=open", "X-Client-IP: 10.1.2.3\r\n", "open"),
        ("/filter?profile=ch%69ld", "", "child"),
    ] {
        let answer = exchange(address, reqmod_of(service, fields, &http));
        let line = format!("\nX-ICAP-Profile: {profile}\n");
        assert!(answer.contains(&line), "{service} {fields}{answer}");
    }
    for service in ["/filter?profile=other", "/filter?profile="] {
        let answer = exchange(address, reqmod_of(service, CHILD, &http));
        assert!(answer.starts_with("ICAP/1.0 404 "), "{service} {answer}");
        // An ICAP client hears of it when it starts.
        let options = format!("OPTIONS icap://h{service} ICAP/1.0\r\nHost: h\r\n\r\n");
        let answer = exchange(address, options);
        assert!(answer.starts_with("ICAP/1.0 404 "), "{service} {answer}");
    }
}

#[tokio::test]
async fn bypass_addresses_pass() {
    let server = started(POLICY).await;
    let address = server.addresses()[0];
    let fields = format!("X-Server-IP: 192.0.2.7\r\n{CHILD}");
    for (fields, http) in [
        (fields.as_str(), get("http://casino.example/")),
        (CHILD, "CONNECT 192.0.2.7:443 HTTP/1.1\r\n\r\n".to_owned()),
    ] {
        let answer = exchange(address, reqmod_of("/filter", fields, &http));
        assert!(answer.starts_with("ICAP/1.0 204 "), "{answer}");
    }
}

#[tokio::test]
async fn a_reload_changes_the_next_answer_and_the_tag_on_the_same_connection() {
    let server = started(POLICY).await;
    let mut client = Client::connect(server.addresses()[0]);
    let request = reqmod_of("/filter", CHILD, &get("http://casino.example/"));
    client.send(&request);
    let before = client.read_to("\r\n0\r\n\r\n");
    assert!(before.starts_with("ICAP/1.0 200 "), "{before}");
    let other = POLICY.replace("casino.example", "other.example");
    assert!(
        server
            .reload(&config(), with_policy(&other))
            .unwrap()
            .is_empty()
    );
    client.send(&request);
    assert!(client.head().starts_with("ICAP/1.0 204 "));
    server.reload(&config(), content()).unwrap();
    client.send(&request);
    assert!(client.rest().starts_with("ICAP/1.0 404 "));
}

fn get(uri: &str) -> String {
    format!("GET {uri} HTTP/1.1\r\nUser-Agent: x\r\n\r\n")
}

async fn check(service: &str, fields: &str, http: &str, expected: Expect) {
    let server = started(POLICY).await;
    let request = reqmod_of(service, fields, http);
    let answer = exchange(server.addresses()[0], request);
    let lines = answer.split_inclusive('\n').map(|line| match line {
        // Why differs from row to row.
        line if line.starts_with("X-Response-Desc: ") => "X-Response-Desc: DESC\n",
        line => line,
    });
    expected.assert_eq(&lines.collect::<String>());
    assert_eq!(server.stop().await, 0);
}

async fn started(policy: &str) -> Running {
    start(config(), with_policy(policy)).await.unwrap()
}

pub fn with_policy(policy: &str) -> Content {
    let compiled = policy::compile("family.yaml", policy, &|_| Err("no files".to_owned())).unwrap();
    let session = Session {
        msisdn: sessions::Digits::new("111220000001"),
        imsi: sessions::Digits::new("10020000000007"),
        profile: Some("child".into()),
        ..Session::default()
    };
    let range = "10.1.0.0/16".parse().unwrap();
    Content {
        policy: Some(Arc::new(compiled.set)),
        policy_tag: policy.to_owned(),
        sessions: Directory::new([(range, Arc::new(session))], Selection::default()),
        ..content()
    }
}
