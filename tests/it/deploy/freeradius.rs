//! FreeRADIUS with the files of `deploy/freeradius` tells two gateways of every session.

use std::fs;
use std::net::SocketAddr;

use tests::peers::radius::{CONFIG, RELAY_SECRET, Relay, radclient, unanswered};
use tests::wait_for;

use super::path;
use crate::radius::{KIDS, SECRET, START, World, changed, is_missing};

/// FreeRADIUS with the files of `deploy/`, where only the gateways' addresses and ports are others.
fn replicator(gateways: [SocketAddr; 2]) -> Relay {
    let read = |name: &str| fs::read_to_string(path("freeradius").join(name)).unwrap();
    let mut sites = read("sites-weir");
    for (nth, gateway) in (1..).zip(gateways) {
        let place = format!("ipaddr = 10.0.0.1{nth}\n  port = 1813\n");
        assert!(sites.contains(&place), "{place}");
        let here = format!("ipaddr = {}\n  port = {}\n", gateway.ip(), gateway.port());
        sites = sites.replace(&place, &here);
    }
    // The program's own part, without the realm that it has in other tests.
    let (own, server) = CONFIG.split_once("server accounting {").unwrap();
    let (listen, _) = server.split_once("  preacct {").unwrap();
    let own = own
        .replace("modules {\n", "modules {\n  $INCLUDE @DIR@/mods-weir\n")
        .replace("@WEIR@", "1")
        .replace("@SECRET@", SECRET);
    let config = format!(
        "radacctdir = @DIR@\nconfdir = @DIR@\n{own}$INCLUDE @DIR@/sites-weir\nserver accounting {{{listen}\
         accounting {{\n    weir_1\n    weir_2\n  }}\n}}\n"
    );
    Relay::start_from(&[
        ("radiusd.conf", &config),
        ("mods-weir", &read("mods-weir")),
        ("sites-weir", &sites),
        ("weir.secret", &format!("weir_secret = {SECRET}\n")),
    ])
}

#[test]
fn both_gateways_hear_of_sessions_one_that_was_away_later() {
    if is_missing() {
        return;
    }
    let [a, mut b] = [World::start(), World::start()];
    let relay = replicator([a.radius, b.radius]);
    let report = |lines: &str| radclient(relay.address, RELAY_SECRET, lines).0;
    wait_for("FreeRADIUS", || {
        let (answered, _) = unanswered(relay.address, RELAY_SECRET, START);
        answered.then_some(())
    });
    for gateway in [&a, &b] {
        wait_for(&format!("a session:\n{}", relay.output()), || {
            (gateway.ask() == KIDS).then_some(())
        });
    }

    let place = b.radius;
    assert_eq!(b.gateway.program.stop(), 0);
    assert!(report(&changed("Stop", "")), "answered without b");
    wait_for("the end of the session", || {
        (a.ask() == "passed").then_some(())
    });
    b = World::start_at(b.files, place.port());
    wait_for("the end of the session, late", || {
        (b.ask() == "passed").then_some(())
    });
}
