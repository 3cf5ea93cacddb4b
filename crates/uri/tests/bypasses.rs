//! Ways around URI filters that were found in the wild, each against lists of one entry.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use uri::{Domain, DomainMap, Prefix, PrefixMap, Readings, Scheme};

/// A blocked host stays blocked in every spelling.
#[test]
fn a_listed_host_is_found() {
    for text in [
        // Trailing dots, with and without port and path.
        "http://bad.example./",
        "http://bad.example.:80/",
        "http://bad.example..",
        "http://bad.example.?x",
        // Nothing but a query or a fragment after the host.
        "http://bad.example?x",
        "http://bad.example#x",
        // Userinfo, and what ends an authority.
        "http://good.example@bad.example/",
        "http://a@b@bad.example/",
        "http://good.example%2f@bad.example/",
        r"http://bad.example\@good.example/",
        // Slashes.
        r"http:\\bad.example\",
        "http:/bad.example/",
        "http:///bad.example/",
        "http:bad.example",
        // What browsers drop.
        "ht\ttp://bad.\nexample/",
        "\u{1} http://bad.example/ ",
        // Escapes.
        "http://bad%2Eexample/",
        "http://%62ad.example/",
        "http://%2562ad.example/",
        // Letter case, IDNA.
        "http://BAD.Example/",
        "http://bad。example/",
        "http://ｂａｄ．example/",
        "http://b%C2%ADad.example/",
        // Subdomains, ports.
        "http://a.b.c.bad.example:8080/",
    ] {
        check_host("bad.example", text);
    }
    check_host("xn--bcher-kva.example", "http://BÜCHER.example/");
    check_host("xn--bcher-kva.example", "http://b%C3%BCcher.example/");
    check_host("xn--bcher-kva.example", "http://XN--bcher-KVA.example/");
    for text in [
        "http://151587081/",
        "http://0x9.9.2313/",
        "http://011.9.9.9/",
        "http://9.9.9.9./",
        "http://[::ffff:9.9.9.9]/",
        "http://[64:ff9b::909:909]/",
    ] {
        check_host("9.9.9.9", text);
    }
    check_host("[2001:db8::1]", "http://[2001:0DB8::0:1]:81/");
}

/// A blocked path is in one of the readings, and so is one outside of an allowed path.
#[test]
fn a_listed_path_is_found() {
    for path in [
        "/ba%64/",
        "/%2562ad/",
        "/%62ad/?x=%zz",
        "/bad%2F",
        r"/bad\",
        "/%00bad/",
        "/bad/%00",
        "/x/../bad/",
        "/x/%2e%2e/bad/",
        "//bad/",
        "/./bad/",
        "/bad;p=1/path",
        "/;x/bad/",
        "/ok/..%2fbad/",
        "/ok/%252e%252e/bad/",
        "/ok;/../bad/",
        "/ok/..;/bad/",
        "/ok/..%3b/bad/",
        r"/ok/..\bad/",
        "/ok/..%5cbad/",
        "/ok//../bad/",
        "/ok/x//..//../bad/",
        "/ok#/../bad/",
        "/ok/%3f/../../bad/",
        "/bad/%3f/../../ok/",
        "/bad/x%2f..%2f..%2fok/",
        r"/ok/a\b%2f..%2f..%2fbad/",
        "/ok/.%00./bad/",
        "/ok/;%2fb/..;/..;/bad/",
        "/ok/a%25252fb/%252e%252e/%252e%252e/bad/",
    ] {
        check_path("http://a.example/bad/", &format!("http://a.example{path}"));
    }
    let slashes = "/".repeat(60_000);
    check_path(
        "http://a.example/bad/",
        &format!("http://a.example{slashes}bad{slashes}"),
    );
}

/// Host field, CONNECT authority, absolute form and server name go through one function.
#[test]
fn all_sources_of_a_host_agree() {
    for name in ["Bad.Example.", "bad%2eexample", "bad.example"] {
        let text = format!("https://{name}");
        let uri = Readings::parse(text.as_bytes()).unwrap();
        let request = Readings::of_request(Scheme::Https, name.as_bytes(), b"/", Some(443));
        assert_eq!(Readings::of_sni(name.as_bytes(), 443).unwrap(), uri);
        assert_eq!(request.unwrap(), uri);
    }
}

/// Where filters and origins disagree about the host, there is none.
#[test]
fn what_could_be_two_hosts_is_none() {
    for text in [
        "http://276.2.3/",
        "http://a\u{2100}b.example/",
        "http://bad.example%00.good.example/",
        "http://bad.example%23.good.example/",
        "http://bad.example:80%40good.example/",
        "http://bad.example%3a80/",
        "http://[::ffff:9.9.9.9%25eth0]/",
        "http://bad.example\u{0}/",
    ] {
        assert!(Readings::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[track_caller]
fn check_host(listed: &str, text: &str) {
    let map = DomainMap::new(vec![(Domain::parse(listed).unwrap(), ())]);
    let readings = Readings::parse(text.as_bytes()).unwrap();
    assert!(map.longest(readings.normal().host()).is_some(), "{text}");
}

#[track_caller]
fn check_path(listed: &str, text: &str) {
    let map = PrefixMap::new(vec![(Prefix::parse(listed).unwrap(), ())]);
    let readings = Readings::parse(text.as_bytes()).unwrap();
    assert!(
        readings.iter().any(|uri| map.matches(uri).next().is_some()),
        "{text}"
    );
}
