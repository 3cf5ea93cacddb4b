//! Squid as an explicit proxy: TLS, opened or passed on.

use std::process::Command;

use tests::ToEnd as _;
use tests::client::Client;
use tests::icap_server::IcapServer;
use tests::peers::squid::{self, Squid, Tls};
use tests::tls::{self, TlsOrigin};

use super::{CHUNKED, NAMES, server, squid_before};

struct Set {
    server: IcapServer,
    origin: TlsOrigin,
    squid: Squid,
}

/// Nothing, with a printed reason, if Squid cannot be had here.
fn set(use_of_tls: Tls) -> Option<Set> {
    if tests::tier_missing("real peers", squid::bump_missing()) {
        return None;
    }
    let server = server().start();
    let squid = squid_before(&server).tls(use_of_tls).start();
    Some(Set {
        server,
        origin: TlsOrigin::start(&NAMES, "secure"),
        squid,
    })
}

/// Fetches by curl, which trusts Squid's authority and no other.
fn fetch(set: &Set, arguments: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--max-time", "20"])
        .args(["--proxy", &format!("http://{}", set.squid.peer.address)])
        .arg("--cacert")
        .arg(set.squid.certificate())
        .args([
            "--write-out",
            "%{http_connect} %{http_code} %{redirect_url}",
        ])
        .args(arguments)
        .to_end();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Opens a tunnel to an authority and in it fetches a page of a name, with no other trust than in
/// the origin's own certificate. Returns the status of CONNECT and what came.
fn tunnel(set: &Set, authority: &str, name: &str) -> (u16, std::io::Result<String>) {
    let mut client = Client::connect(set.squid.peer.address);
    client.send(format!(
        "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"
    ));
    let status = client.response_to("CONNECT").status;
    if status != 200 {
        return (status, Ok(String::new()));
    }
    (
        status,
        tls::get(client.into_socket(), name, &set.origin, "/a"),
    )
}

#[test]
fn bump_asks_about_the_tunnel_and_about_each_request_inside() {
    let Some(set) = set(Tls::Bump) else { return };
    let port = set.origin.address.port();
    let url = |name: &str, path: &str| format!("https://{name}:{port}{path}");
    let passed = fetch(&set, &[&url("secure.test", "/a")]);
    assert_eq!(passed, "origin secure: GET /a\n200 200 ");
    let inside = fetch(&set, &[&url("secure.test", "/adult/x")]);
    assert!(
        inside.contains("Blocked") && inside.ends_with("200 403 "),
        "{inside}"
    );
    assert_eq!(
        set.squid.wait_for_exchanges(4),
        [
            (format!("CONNECT secure.test:{port}"), 204),
            (format!("GET https://secure.test:{port}/a"), 204),
            (format!("CONNECT secure.test:{port}"), 204),
            (format!("GET https://secure.test:{port}/adult/x"), 200),
        ]
    );
    assert_eq!(set.server.decisions("pass", "unknown"), 3);
    assert_eq!(set.server.decisions("block", "icap"), 1);
    assert_eq!(set.origin.requests().len(), 1);
}

#[test]
fn bump_posts_with_and_without_length() {
    let Some(set) = set(Tls::Bump) else { return };
    let port = set.origin.address.port();
    let url = |path: &str| format!("https://secure.test:{port}{path}");
    let file = set.squid.peer.dir.path().join("body");
    let data = format!("@{}", file.display());
    for more in [&[][..], &CHUNKED] {
        let post = |path: &str, len: usize| {
            let body = "z".repeat(len);
            std::fs::write(&file, &body).unwrap();
            let to = url(path);
            let got = fetch(&set, &[more, &["--data-binary", &data, &to]].concat());
            (got, body)
        };
        let (passed, body) = post("/echo", 1024 * 1024);
        assert!(
            passed == format!("{body}200 200 "),
            "{more:?}: {passed:.900}"
        );
        // A client that still sends when Squid closes with its page could lose the page.
        let (blocked, _) = post("/adult/echo", 3_000);
        assert!(blocked.ends_with("200 403 "), "{more:?}: {blocked:.900}");
    }
    assert_eq!(set.server.decisions("block", "icap"), 2);
    assert_eq!(set.origin.requests().len(), 2);
}

#[test]
fn a_tunnel_is_refused_before_it_is_opened() {
    for use_of_tls in [Tls::Bump, Tls::PeekAndSplice, Tls::Tunnel] {
        let Some(set) = set(use_of_tls) else { return };
        let port = set.origin.address.port();
        // Nothing in a tunnel would follow a redirect: it is a block.
        for name in ["blocked.test", "adult.test", "moved.test"] {
            let (status, _) = tunnel(&set, &format!("{name}:{port}"), name);
            assert_eq!(status, 403, "{use_of_tls:?} {name}");
        }
        assert_eq!(set.server.decisions("block", "block_list"), 1);
        assert_eq!(set.server.decisions("block", "icap"), 1);
        assert_eq!(set.server.decisions("redirect", "redirect_list"), 1);
        assert_eq!(set.server.answers("filter", "REQMOD", 200), 3);
        assert_eq!(set.origin.bytes_received(), 0);
    }
}

#[test]
fn bump_asks_about_the_name_that_the_hello_says() {
    let Some(set) = set(Tls::Bump) else { return };
    let port = set.origin.address.port();
    let to = format!("blocked.test:{port}:127.0.0.1:{port}");
    let page = fetch(
        &set,
        &[
            "--connect-to",
            &to,
            &format!("https://blocked.test:{port}/"),
        ],
    );
    assert!(
        page.contains("Blocked") && page.ends_with("200 403 "),
        "{page}"
    );
    assert_eq!(set.server.decisions("block", "block_list"), 1);
    assert_eq!(set.origin.requests().len(), 0);
}

#[test]
fn splice_passes_the_origins_own_certificate_and_asks_twice() {
    let Some(set) = set(Tls::PeekAndSplice) else {
        return;
    };
    let authority = format!("secure.test:{}", set.origin.address.port());
    let (status, page) = tunnel(&set, &authority, "secure.test");
    assert_eq!(status, 200);
    assert!(page.unwrap().ends_with("origin secure: GET /a\n"));
    let connect = (format!("CONNECT {authority}"), 204);
    assert_eq!(set.squid.wait_for_exchanges(2), [connect.clone(), connect]);
    assert_eq!(set.server.decisions("pass", "unknown"), 2);
    assert_eq!(set.server.connections(), 1);
}

/// In a tunnel of an explicit client Squid 5 asks about the authority alone, also after it saw the
/// Client Hello, so no ICAP service can judge the name in it. docs/ICAP.md says what to do.
#[test]
fn splice_keeps_the_name_of_the_hello_to_itself() {
    let Some(set) = set(Tls::PeekAndSplice) else {
        return;
    };
    let authority = set.origin.address.to_string();
    let (status, page) = tunnel(&set, &authority, "blocked.test");
    assert_eq!((status, page.is_ok()), (200, true));
    let connect = (format!("CONNECT {authority}"), 204);
    assert_eq!(set.squid.wait_for_exchanges(2), [connect.clone(), connect]);
}
