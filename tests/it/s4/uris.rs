//! S4 2: configured URIs, addresses that are not filtered, normal form, server names.

use tests::gateway::Setup;
use tests::icap_peer::IcapPeer;
use tests::origin::Origin;
use tests::tls::{self, TlsOrigin};

use super::categories;

const POLICY: &str = r#"
lists:
  example: ["http://www.example.co"]
  secret: ["http://www.norm.test/secret", "http://[::1]/"]
profiles:
  child:
    block_list: [example, secret]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: forbidden
default_profile: child
"#;

#[test]
fn s4_2_www_example_co_matches_com_and_co_uk() {
    let origin = Origin::start("web");
    let names = [
        ("www.example.com", 403),
        ("www.example.co.uk", 403),
        ("www.example.co", 403),
        ("www.example.org", 200),
        ("example.com", 200),
    ];
    let mut setup = Setup::new(POLICY);
    for (name, _) in names {
        setup = setup.host(name, origin.address);
    }
    let gateway = setup.start();
    let mut client = gateway.client();
    for (name, status) in names {
        let response = client.get(&format!("http://{name}/index.html"));
        assert_eq!(response.status, status, "{name}");
    }
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn s4_2_escapes_ports_and_ipv6_are_normalised_before_they_are_compared() {
    let origin = Origin::start("web");
    let gateway = Setup::new(POLICY)
        .host("www.norm.test", origin.address)
        .start();
    let mut client = gateway.client();
    for uri in [
        "http://www.norm.test/secret",
        "http://www.norm.test:80/secret",
        "http://WWW.Norm.Test/secrets",
        "http://www.norm.test/%73ecret",
        "http://www.norm.test/%2573ecret",
        "http://www.norm.test/open/../secret",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[0000::0001]:80/",
    ] {
        assert_eq!(client.get(uri).status, 403, "{uri}");
    }
    assert_eq!(client.get("http://www.norm.test/open").status, 200);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn s4_2_requests_to_bypass_addresses_are_not_filtered() {
    let policy = POLICY.replace("unknown_action: pass", "unknown_action: block");
    let origin = Origin::start("web");
    let address = origin.address;
    let setup = Setup::new(&format!("{policy}bypass: [\"127.0.0.0/8\"]\n"))
        .host("www.norm.test", address)
        .http_port(address.port());
    let gateway = setup.start();
    let mut client = gateway.client();
    let by_address = format!("http://{address}/secret");
    assert_eq!(client.get(&by_address).status, 200);
    // A proxy that clients name is told names; where a name leads is no reason to pass it.
    assert_eq!(client.get("http://www.norm.test/open").status, 403);
    assert_eq!(super::sources(&gateway, &by_address, 1), ["bypass"]);
    let (mut tunnel, status) = gateway.connect(&address.to_string());
    assert_eq!(status, 200);
    tunnel.send(format!("GET /secret HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    assert_eq!(tunnel.response().status, 200);

    gateway.reload(&policy);
    assert_eq!(
        gateway.client().get(&by_address).status,
        403,
        "without bypass"
    );
}

#[test]
fn s4_2_the_cache_goes_before_the_lists_and_the_lists_before_icap() {
    let policy = POLICY.replace("default_action", "icap: true\n    default_action");
    let peer = IcapPeer::start(|_| categories("news"));
    let origin = Origin::start("web");
    let gateway = Setup::new(&policy)
        .workers(1)
        .host("www.norm.test", origin.address)
        .icap(peer.address)
        .icap_line("deadline_ms: 5000")
        .start();
    let mut client = gateway.client();
    for (path, status) in [
        ("secret", 403),
        ("secret", 403),
        ("open", 200),
        ("open", 200),
    ] {
        let response = client.get(&format!("http://www.norm.test/{path}"));
        assert_eq!(response.status, status, "{path}");
    }
    assert_eq!(
        super::sources(&gateway, "http://www.norm.test/", 4),
        ["block_list", "cache", "default", "cache"]
    );
    assert_eq!(peer.asked(), ["http://www.norm.test/open"]);
}

#[test]
fn s4_2_2_the_categorizer_is_asked_about_a_server_name_as_a_uri() {
    let policy = POLICY.replace("default_action", "icap: true\n    default_action");
    let peer = IcapPeer::start(|_| categories("news"));
    let web = TlsOrigin::start(&["web.test"], "web");
    let gateway = Setup::new(&policy)
        .workers(1)
        .host("web.test", web.address)
        .icap(peer.address)
        .icap_line("deadline_ms: 5000")
        .start();
    let (client, status) = gateway.connect("web.test:443");
    assert_eq!(status, 200);
    let answer = tls::get(client.into_socket(), "web.test", &web, "/secret").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(peer.asked(), ["https://web.test/"]);
}
