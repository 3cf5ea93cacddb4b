//! Squid as an explicit proxy: HTTP.

use std::sync::atomic::{AtomicBool, Ordering};

use tests::origin::Origin;
use tests::peers::squid;
use tests::relay::Relay;

use super::{CHUNKED, LOOPBACK, NAMES, POLICY, curl, server, squid_before, squid_missing};

/// A body over all windows and buffers between the programs.
const LARGE: usize = 10 * 1024 * 1024;

#[test]
fn every_verdict_reaches_the_user() {
    if squid_missing() {
        return;
    }
    let (server, origin) = (server().start(), Origin::start("web"));
    let squid = squid_before(&server).start();
    let port = origin.address.port();
    let url = |name: &str, path: &str| format!("http://{name}:{port}{path}");
    let get = |name: &str, path: &str| curl(squid.peer.address, &[&url(name, path)]);
    assert_eq!(get("news.test", "/a"), "origin web: GET /a\n200 ");
    for (name, path) in [
        ("adult.test", "/"),
        ("news.test", "/adult/x"),
        ("blocked.test", "/"),
    ] {
        let page = get(name, path);
        assert!(page.contains("Blocked") && page.ends_with("403 "), "{page}");
    }
    let moved = get("moved.test", "/x?y=1");
    let expected =
        format!("302 http://notice.test/?uri=http%3A%2F%2Fmoved.test%3A{port}%2Fx%3Fy%3D1");
    assert!(moved.ends_with(&expected), "{moved}");
    assert_eq!(origin.requests().len(), 1, "what is blocked is not fetched");
    assert_eq!(server.decisions("block", "icap"), 2);
    assert_eq!(server.decisions("block", "block_list"), 1);
    assert_eq!(server.decisions("redirect", "redirect_list"), 1);
    assert_eq!(server.decisions("pass", "default"), 1);
    assert_eq!(server.answers("filter", "REQMOD", 200), 4);
    assert_eq!(server.answers("filter", "OPTIONS", 200), 1);
    let exchanges = squid.wait_for_exchanges(5).into_iter();
    let statuses: Vec<u16> = exchanges.map(|(_, status)| status).collect();
    assert_eq!(statuses, [204, 200, 200, 200, 200], "{statuses:?}");
}

#[test]
fn bodies_pass_and_are_blocked_with_and_without_length() {
    if squid_missing() {
        return;
    }
    let (server, origin) = (server().start(), Origin::start("web"));
    let squid = squid_before(&server).start();
    let port = origin.address.port();
    for (body, passed, blocked) in [("a=b".to_owned(), 1, 1), ("z".repeat(20_000), 2, 2)] {
        let pass = format!("http://news.test:{port}/echo");
        let block = format!("http://adult.test:{port}/echo");
        let post = |more: &[&str], url: &str| {
            curl(
                squid.peer.address,
                &[more, &["--data", &body, url]].concat(),
            )
        };
        assert_eq!(post(&[], &pass), format!("{body}200 "));
        assert_eq!(post(&CHUNKED, &pass), format!("{body}200 "));
        assert!(post(&[], &block).ends_with("403 "));
        assert!(post(&CHUNKED, &block).ends_with("403 "));
        assert_eq!(server.decisions("pass", "default"), 2 * passed);
        assert_eq!(server.decisions("block", "icap"), 2 * blocked);
    }
    assert_eq!(origin.requests().len(), 4, "what is blocked is not sent on");
    assert_eq!(server.answers("filter", "REQMOD", 204), 4, "all by preview");
}

#[test]
fn one_connection_serves_many_requests() {
    if squid_missing() {
        return;
    }
    let (server, origin) = (server().start(), Origin::start("web"));
    let squid = squid_before(&server).start();
    let port = origin.address.port();
    let urls = format!("http://{{news,adult}}.test:{port}/[1-20]");
    let answers = curl(squid.peer.address, &[&urls]);
    assert_eq!(answers.matches("200 ").count(), 20, "{answers}");
    assert_eq!(answers.matches("403 ").count(), 20, "{answers}");
    assert_eq!(server.decisions("pass", "default"), 20);
    assert_eq!(server.decisions("block", "icap"), 20);
    // One for OPTIONS and all that follows; Squid may open another while that one is busy.
    let connections = server.connections();
    assert!(
        connections <= 3,
        "{connections} connections for 40 requests"
    );
}

#[test]
fn a_profile_of_the_service_uri() {
    if squid_missing() {
        return;
    }
    let (server, origin) = (server().start(), Origin::start("web"));
    let service = server.service("filter?profile=strict");
    let squid = squid::Setup::new(&service).hosts(&NAMES, LOOPBACK).start();
    let url = format!("http://secure.test:{}/", origin.address.port());
    assert!(curl(squid.peer.address, &[&url]).ends_with("403 "));
    assert_eq!(server.decisions("block", "unknown"), 1);
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn the_address_of_the_client_chooses_the_profile() {
    if squid_missing() {
        return;
    }
    let session = "sessions:\n  static:\n    - {clients: [\"127.0.0.2/32\"], profile: strict}";
    let (server, origin) = (server().file_line(session).start(), Origin::start("web"));
    let squid = squid_before(&server).start();
    let url = format!("http://secure.test:{}/", origin.address.port());
    for (client, status) in [
        ("127.0.0.1", "200 "),
        ("127.0.0.2", "403 "),
        ("127.0.0.3", "200 "),
    ] {
        let got = curl(squid.peer.address, &["--interface", client, &url]);
        assert!(got.ends_with(status), "{client}: {got}");
    }
    assert_eq!(server.decisions("block", "unknown"), 1);
}

#[test]
fn offers_of_206_are_taken_as_if_they_were_not_there() {
    if squid_missing() {
        return;
    }
    let (server, origin) = (server().start(), Origin::start("web"));
    // Squid offers 206 to services that say they know it.
    let relay = Relay::start(
        server.address,
        b"\r\nAllow: 204\r\n",
        b"\r\nAllow: 204, 206\r\n",
    );
    let service = format!("icap://{}/filter", relay.address);
    let squid = squid::Setup::new(&service).hosts(&NAMES, LOOPBACK).start();
    let url = format!("http://news.test:{}/echo", origin.address.port());
    let body = "z".repeat(50_000);
    for more in [&[][..], &CHUNKED] {
        let got = curl(
            squid.peer.address,
            &[more, &["--data", &body, &url]].concat(),
        );
        assert_eq!(got, format!("{body}200 "));
    }
    let asked = relay.asked();
    for offer in [
        "\r\nAllow: 204, 206, trailers\r\n",
        "\r\nAllow: 206, trailers\r\n",
    ] {
        assert!(asked.contains(offer), "{offer:?} is not in {asked:.3000}");
    }
    assert_eq!(server.answers("filter", "REQMOD", 204), 2);
}

#[test]
fn large_bodies_go_through_with_a_preview_and_without() {
    if squid_missing() {
        return;
    }
    let (server, origin) = (server().start(), Origin::start("web"));
    let port = origin.address.port();
    // Without a preview Squid allows 204 only for bodies that it can keep, up to 64 KiB: else the
    // whole request has to come back.
    for (preview, len, of_known, of_unknown) in [
        ("on", LARGE, 204, 204),
        ("off", LARGE, 200, 200),
        ("off", 3_000, 204, 200),
    ] {
        let squid = squid_before(&server)
            .line(&format!("icap_preview_enable {preview}"))
            .start();
        let body: Vec<u8> = (0..len)
            .map(|at| ((at ^ (at >> 9)) % 251).to_le_bytes()[0])
            .collect();
        let file = |name: &str| squid.peer.dir.path().join(name).display().to_string();
        std::fs::write(file("body"), &body).unwrap();
        let (data, back) = (format!("@{}", file("body")), file("back"));
        let post = |more: &[&str], name: &str| {
            let url = format!("http://{name}:{port}/echo");
            let to = ["--output", &back, "--data-binary", &data, &url];
            curl(squid.peer.address, &[more, &to].concat())
        };
        for (more, status) in [(&[][..], of_known), (&CHUNKED, of_unknown)] {
            let row = format!("preview {preview}, {len} bytes, {more:?}");
            let answers = server.answers("filter", "REQMOD", status);
            let blocked = server.decisions("block", "icap");
            assert_eq!(post(more, "news.test"), "200 ", "{row}");
            assert!(
                std::fs::read(&back).unwrap() == body,
                "{row}: not what was sent"
            );
            let more_answers = server.answers("filter", "REQMOD", status) - answers;
            assert_eq!(more_answers, 1, "{row}");
            assert_eq!(post(more, "adult.test"), "403 ", "{row}");
            assert_eq!(server.decisions("block", "icap"), blocked + 1, "{row}");
        }
    }
    assert_eq!(origin.requests().len(), 6);
}

#[test]
fn reloads_meanwhile_lose_no_request() {
    if squid_missing() {
        return;
    }
    let (server, origin) = (server().start(), Origin::start("web"));
    let squid = squid_before(&server).start();
    let url = format!("http://secure.test:{}/[1-50]", origin.address.port());
    let stricter = POLICY.replace(
        "banned: [blocked.test]",
        "banned: [blocked.test, secure.test]",
    );
    let over = AtomicBool::new(false);
    let (answers, asked) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut answers, mut asked) = (String::new(), 0);
            while !over.load(Ordering::Relaxed) {
                answers += &curl(squid.peer.address, &["--output", "/dev/null", &url]);
                asked += 50;
            }
            (answers, asked)
        });
        for _ in 0..10 {
            for policy in [stricter.as_str(), POLICY] {
                server.reload(policy);
                let seen = server.count("requests");
                // Both policies meet requests.
                tests::wait_for("requests after a reload", || {
                    (server.count("requests") > seen + 2).then_some(())
                });
            }
        }
        over.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    let (passed, blocked) = (
        answers.matches("200 ").count(),
        answers.matches("403 ").count(),
    );
    assert_eq!(passed + blocked, asked, "{answers}");
    assert!(
        passed > 0 && blocked > 0,
        "{passed} passed, {blocked} blocked"
    );
    assert_eq!(server.decisions("block", "block_list"), blocked as u64);
    let failed: Vec<_> = squid
        .exchanges()
        .into_iter()
        .filter(|it| !matches!(it.status, 200 | 204))
        .collect();
    assert_eq!(failed, [], "{failed:?}");
    // A reload closes no connection.
    assert_eq!(server.count("ended_connections{reason=\"drained\"}"), 0);
}
