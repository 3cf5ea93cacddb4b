//! S4 7: the signal flows.

use tests::gateway::{Gateway, Setup};
use tests::icap_peer::IcapPeer;
use tests::origin::Origin;

use super::{categories, prefix};

const POLICY: &str = r#"
lists: {notice: [notice.test]}
policies:
  family:
    pass: [news]
    redirect: [{to: "http://notice.test/?imsi=%S&requiri=%U", categories: [gambling]}]
profiles:
  child:
    icap: true
    policy: family
    pass_list: [notice]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
default_profile: child
"#;

/// Two UEs with the same profile.
const SESSIONS: &str = "sessions:
  static:
    - {clients: [\"127.0.0.2/32\"], profile: child, imsi: \"10020000000002\"}
    - {clients: [\"127.0.0.3/32\"], profile: child, imsi: \"10020000000003\"}";

/// One worker, so that all clients share one cache.
fn start(names: &[(&str, &Origin)], peer: &IcapPeer) -> Gateway {
    let mut setup = Setup::new(POLICY)
        .workers(1)
        .icap(peer.address)
        .icap_line("deadline_ms: 10000")
        .line(SESSIONS);
    for (name, origin) in names {
        setup = setup.host(name, origin.address);
    }
    setup.start()
}

#[test]
fn s4_7_1_redirect_then_the_notice_is_resolved_locally() {
    let peer = IcapPeer::start(|_| categories("gambling"));
    let (web, notice) = (Origin::start("web"), Origin::start("notice"));
    let gateway = start(&[("casino.test", &web), ("notice.test", &notice)], &peer);
    let mut client = gateway.client_at("127.0.0.2");
    let redirect = client.get("http://casino.test/play");
    assert_eq!(redirect.status, 302);
    let location = redirect.header("location").unwrap();
    assert_eq!(
        location,
        "http://notice.test/?imsi=10020000000002&requiri=http%3A%2F%2Fcasino.test%2Fplay"
    );
    assert_eq!(
        client.get(location).text(),
        "origin notice: GET /?imsi=10020000000002&requiri=http%3A%2F%2Fcasino.test%2Fplay\n"
    );
    assert_eq!(peer.asked(), ["http://casino.test/play"]);
    assert_eq!(web.connections(), 0);
    assert_eq!(super::sources(&gateway, "imsi", 2), ["icap", "pass_list"]);
}

#[test]
fn s4_7_2_a_prefix_of_24_answers_the_second_ue_from_the_cache() {
    let peer = IcapPeer::start(|_| prefix("news", 24));
    let web = Origin::start("web");
    let gateway = start(&[("www.ericsson.com", &web)], &peer);
    let mut first = gateway.client_at("127.0.0.2");
    assert_eq!(first.get("http://www.ericsson.com/first").status, 200);
    let mut second = gateway.client_at("127.0.0.3");
    assert_eq!(second.get("http://www.ericsson.com/second?q").status, 200);
    assert_eq!(peer.asked(), ["http://www.ericsson.com/first"]);
    assert_eq!(web.requests().len(), 2);
    assert_eq!(
        super::sources(&gateway, "www.ericsson.com", 2),
        ["icap", "cache"]
    );
}

#[test]
fn s4_7_2_a_hit_is_formatted_for_the_subscriber_who_asks() {
    let peer = IcapPeer::start(|_| prefix("gambling", 24));
    let gateway = start(&[], &peer);
    for (source, path, imsi) in [
        ("127.0.0.2", "a", "10020000000002"),
        ("127.0.0.3", "b", "10020000000003"),
        ("127.0.0.1", "c", ""),
    ] {
        let mut client = gateway.client_at(source);
        let response = client.get(&format!("http://www.ericsson.com/{path}"));
        let expected = format!(
            "http://notice.test/?imsi={imsi}&requiri=http%3A%2F%2Fwww.ericsson.com%2F{path}"
        );
        let location = response.header("location");
        assert_eq!(location, Some(expected.as_str()), "{source}");
    }
    assert_eq!(peer.asked(), ["http://www.ericsson.com/a"]);
}
