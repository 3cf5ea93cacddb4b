//! Squid with an ICAP server that is not there, that comes back, or that has no place left.

use tests::client::Client;
use tests::origin::Origin;
use tests::peers::{free_address, squid::Bypass};

use super::{curl, server, squid_before, squid_missing};

/// What users get while the service fails: Squid's own error, or all that they ask for.
const FAILED: [(Bypass, &str); 2] = [(Bypass::Off, "500 "), (Bypass::On, "200 ")];

#[test]
fn a_service_that_was_never_there() {
    if squid_missing() {
        return;
    }
    let origin = Origin::start("web");
    for (bypass, status) in FAILED {
        let service = format!("icap://{}/filter", free_address());
        let squid = tests::peers::squid::Setup::new(&service)
            .hosts(&super::NAMES, super::LOOPBACK)
            .bypass(bypass)
            .start();
        for name in ["news.test", "adult.test"] {
            let url = format!("http://{name}:{}/", origin.address.port());
            let got = curl(squid.peer.address, &[&url]);
            assert!(got.ends_with(status), "{bypass:?} {name}: {got}");
        }
    }
    assert_eq!(origin.requests().len(), 2, "with bypass alone");
}

#[test]
fn a_service_that_ends_and_is_started_again() {
    if squid_missing() {
        return;
    }
    let origin = Origin::start("web");
    let port = origin.address.port();
    let urls = ["news.test", "adult.test"].map(|name| format!("http://{name}:{port}/"));
    for (bypass, failed) in FAILED {
        let setup = server().at(free_address());
        let mut server = setup.start();
        let squid = squid_before(&server).bypass(bypass).start();
        let get = |expected: [&str; 2], when: &str| {
            for (url, status) in urls.iter().zip(expected) {
                let got = curl(squid.peer.address, &[url]);
                assert!(got.ends_with(status), "{when}, {bypass:?}: {got}");
            }
        };
        get(["200 ", "403 "], "before");
        // Once it ends by itself, once it is killed.
        assert_eq!(server.program.stop(), 0);
        get([failed, failed], "stopped");
        server = setup.start();
        get(["200 ", "403 "], "started again");
        assert_eq!(server.decisions("block", "icap"), 1, "{bypass:?}");
        drop(server);
        get([failed, failed], "killed");
        server = setup.start();
        get(["200 ", "403 "], "started a third time");
        assert_eq!(server.decisions("block", "icap"), 1, "{bypass:?}");
    }
}

#[test]
fn a_service_without_a_place_left() {
    if squid_missing() {
        return;
    }
    let origin = Origin::start("web");
    let url = |name: &str| format!("http://{name}:{}/", origin.address.port());
    // `overload: "204"` passes what it cannot judge; then Squid knows of no failure.
    for (bypass, overload, status, answer) in [
        (Bypass::Off, "503", "500 ", 503),
        (Bypass::On, "503", "200 ", 503),
        (Bypass::Off, "204", "200 ", 204),
    ] {
        let server = server()
            .line("connections_max: 1")
            .line(&format!("overload: \"{overload}\""))
            .start();
        let row = format!("{bypass:?} {overload}");
        let squid = squid_before(&server)
            .bypass(bypass)
            .line("icap_persistent_connections off")
            .start();
        let free = || {
            tests::wait_for("the place to be free", || {
                (server.open_connections() == 0).then_some(())
            });
        };
        // Squid asks for OPTIONS with the first request, and may leave no place for the request.
        tests::wait_for("the first verdict", || {
            let got = curl(squid.peer.address, &[&url("adult.test")]);
            got.ends_with("403 ").then_some(())
        });
        free();
        let other = Client::connect(server.address);
        tests::wait_for("the place to be taken", || {
            (server.open_connections() == 1).then_some(())
        });
        let got = curl(squid.peer.address, &[&url("adult.test")]);
        assert!(got.ends_with(status), "{row}: {got}");
        assert!(server.answers("filter", "REQMOD", answer) >= 1, "{row}");
        assert!(
            server.count("accepted_connections{admission=\"refused\"}") >= 1,
            "{row}"
        );
        drop(other);
        free();
        let got = curl(squid.peer.address, &[&url("adult.test")]);
        assert!(got.ends_with("403 "), "{row}: {got}");
    }
}
