//! An ICAP server with fewer places than are asked for, and the proxy in front of it.

use tests::client::Client;
use tests::gateway::{Gateway, Setup};
use tests::icap_server::{self, IcapServer};
use tests::origin::Origin;

/// The error action is none that a category leads to.
const POLICY: &str = r#"
policies:
  family: {pass: [news], block: [adult]}
profiles:
  child:
    policy: family
    icap: true
    default_action: pass
    unknown_action: pass
    error_action: {redirect: "http://failed.test/"}
    undecidable_action: block
    block_response: forbidden
default_profile: child
"#;

const REFUSED: &str = "accepted_connections{admission=\"refused\"}";

fn server(places: usize) -> IcapServer {
    icap_server::Setup::new(POLICY)
        .category("adult/domains", "adult.test\n")
        .category("news/domains", "news.test\n")
        .line(&format!("connections_max: {places}"))
        .start()
}

/// A client that takes a place and keeps it.
fn take_a_place(server: &IcapServer) -> Client {
    let open = server.open_connections();
    let client = Client::connect(server.address);
    tests::wait_for("a place to be taken", || {
        (server.open_connections() == open + 1).then_some(())
    });
    client
}

fn gateway(server: &IcapServer, origin: &Origin) -> Gateway {
    Setup::new(POLICY)
        .host("news.test", origin.address)
        .host("adult.test", origin.address)
        .icap(server.address)
        .icap_line("deadline_ms: 5000")
        // Every path is a question of its own.
        .icap_line("prefix_unit: ignore")
        .start()
}

/// The one place that is left has the proxy's first connection. While the server is halted, a
/// second question needs another connection, which finds no place.
#[test]
fn a_question_over_the_limit_takes_the_error_action_and_the_next_the_true_category() {
    let (server, origin) = (server(2), Origin::start("web"));
    let other = take_a_place(&server);
    let mut gateway = gateway(&server, &origin);
    let mut clients = [gateway.client(), gateway.client()];
    let uri = |number: usize| format!("http://adult.test/{number}");
    assert_eq!(clients[0].get(&uri(0)).status, 403, "the true category");
    assert_eq!(server.count(REFUSED), 0);
    for round in 1..=5 {
        server.program.halt();
        for (number, client) in clients.iter_mut().enumerate() {
            let path = 10 * round + number;
            client.send(format!(
                "GET http://adult.test/{path} HTTP/1.1\r\nHost: adult.test\r\n\r\n"
            ));
        }
        gateway.wait_for_metric("weir_icap_connections_active", |active| active == 2);
        server.program.signal("CONT");
        let mut statuses = clients.each_mut().map(|client| client.response().status);
        statuses.sort_unstable();
        assert_eq!(
            statuses,
            [302, 403],
            "the error action, and the true category"
        );
        let refused = server.answers("categorize", "REQMOD", 503);
        assert_eq!(refused, round as u64);
        for (number, client) in clients.iter_mut().enumerate() {
            let got = client.get(&uri(10 * round + number)).status;
            assert_eq!(
                got, 403,
                "the true category, for the one refused before too"
            );
        }
    }
    assert_eq!(
        gateway.metric("weir_icap_questions_total{outcome=\"overload\"}"),
        5
    );
    let errors = crate::wait_for_decisions(&gateway, &["\"error\""], 5);
    assert_eq!(errors.len(), 5, "{errors:?}");
    let blocked = crate::wait_for_decisions(&gateway, &["\"icap\"", "http://adult.test/"], 6);
    assert!(
        blocked.iter().all(|line| line["rule"] == "adult"),
        "{blocked:?}"
    );
    drop(other);
}

#[test]
fn a_server_without_a_place_is_asked_again_until_it_has_one() {
    let (server, origin) = (server(1), Origin::start("web"));
    let other = take_a_place(&server);
    let mut gateway = gateway(&server, &origin);
    let mut client = gateway.client();
    for number in 0..20 {
        let answer = client.get(&format!("http://news.test/{number}"));
        assert_eq!(answer.status, 302, "the error action");
    }
    assert!(server.count(REFUSED) >= 1);
    assert_eq!(
        gateway.metric("weir_icap_questions_total{outcome=\"answer\"}"),
        0
    );
    drop(other);
    tests::wait_for("the true category", || {
        (client.get("http://adult.test/").status == 403).then_some(())
    });
    assert_eq!(client.get("http://news.test/0").status, 200);
    let lines = crate::wait_for_decisions(&gateway, &["http://adult.test/", "\"icap\""], 1);
    assert_eq!(lines[0]["rule"], "adult");
}
