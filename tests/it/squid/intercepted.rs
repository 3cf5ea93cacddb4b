//! Squid that intercepts connections in network namespaces, by REDIRECT and TPROXY.

use std::net::{SocketAddr, TcpStream};

use tests::icap_server::IcapServer;
use tests::lab::{self, Lab, ORIGIN};
use tests::origin::Origin;
use tests::peers::squid::{self, INTERCEPTED_HTTP_PORT, INTERCEPTED_TLS_PORT, Squid, Tls, Way};
use tests::tls::{self, TlsOrigin};

use super::{CHUNKED, NAMES, server};

struct Set {
    web: Origin,
    secure: TlsOrigin,
    server: IcapServer,
    squid: Squid,
    /// It goes last: what runs in it is above.
    lab: Lab,
}

/// Nothing, with a printed reason, if it cannot be had here.
fn set(way: Way, use_of_tls: Tls) -> Option<Set> {
    if tests::tier_missing("transparent", lab::missing())
        || tests::tier_missing("real peers", squid::bump_missing())
    {
        return None;
    }
    let lab = Lab::new();
    let origin = |port: u16| SocketAddr::new(ORIGIN[0].parse().unwrap(), port);
    let (web, secure) = lab.within(&lab.origin, || {
        let web = Origin::start_at(origin(80), "web");
        (web, TlsOrigin::start_at(origin(443), &NAMES, "secure"))
    });
    let (server, squid) = lab.within(&lab.gateway, || {
        let server = server().start();
        let squid = squid::Setup::new(&server.service("filter"))
            .hosts(&NAMES, origin(0).ip())
            .way(way)
            .tls(use_of_tls)
            .start();
        (server, squid)
    });
    match way {
        Way::Explicit => {}
        Way::Redirect => lab.redirect_to_each(INTERCEPTED_HTTP_PORT, INTERCEPTED_TLS_PORT),
        Way::Tproxy => lab.tproxy_to_each(INTERCEPTED_HTTP_PORT, INTERCEPTED_TLS_PORT),
    }
    Some(Set {
        web,
        secure,
        server,
        squid,
        lab,
    })
}

impl Set {
    /// Fetches by curl in the client's namespace. It trusts Squid's authority and no other.
    fn curl(&self, url: &str, more: &[&str]) -> String {
        let (scheme, rest) = url.split_once("://").unwrap();
        let port = if scheme == "http" { 80 } else { 443 };
        let name = rest.split('/').next().unwrap();
        let resolve = format!("{name}:{port}:{}", ORIGIN[0]);
        let certificate = self.squid.certificate().display().to_string();
        let arguments = ["--resolve", &resolve, "--cacert", &certificate];
        let shown = ["--write-out", "%{http_code} %{redirect_url}", url];
        let output = self.lab.curl(&[&arguments[..], more, &shown].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Fetches a page over TLS, with no other trust than in the origin's own certificate.
    fn tls(&self, name: &str) -> std::io::Result<String> {
        self.lab.within(&self.lab.client, || {
            let socket = TcpStream::connect((ORIGIN[0], 443))?;
            socket.set_read_timeout(Some(tests::WAIT_MAX))?;
            tls::get(socket, name, &self.secure, "/a")
        })
    }

    fn decisions(&self, action: &str, source: &str) -> u64 {
        let counted = || self.server.decisions(action, source);
        self.lab.within(&self.lab.gateway, counted)
    }
}

fn http(way: Way) {
    let Some(set) = set(way, Tls::PeekAndSplice) else {
        return;
    };
    assert_eq!(
        set.curl("http://news.test/a", &[]),
        "origin web: GET /a\n200 "
    );
    for url in [
        "http://adult.test/",
        "http://news.test/adult/x",
        "http://blocked.test/",
    ] {
        let page = set.curl(url, &[]);
        assert!(
            page.contains("Blocked") && page.ends_with("403 "),
            "{url}: {page}"
        );
    }
    let moved = set.curl("http://moved.test/x", &[]);
    let expected = "302 http://notice.test/?uri=http%3A%2F%2Fmoved.test%2Fx";
    assert!(moved.ends_with(expected), "{moved}");
    let body = "z".repeat(20_000);
    for more in [&[][..], &CHUNKED] {
        let post = |url| set.curl(url, &[more, &["--data", &body]].concat());
        assert_eq!(post("http://news.test/echo"), format!("{body}200 "));
        assert!(post("http://adult.test/echo").ends_with("403 "));
    }
    assert_eq!(set.decisions("pass", "default"), 3);
    assert_eq!(set.decisions("block", "icap"), 4);
    assert_eq!(set.decisions("block", "block_list"), 1);
    assert_eq!(set.decisions("redirect", "redirect_list"), 1);
    assert_eq!(set.web.requests().len(), 3);
}

/// Squid asks about the address first, and about the name once it has seen the hello.
fn spliced(way: Way) {
    let Some(set) = set(way, Tls::PeekAndSplice) else {
        return;
    };
    let page = set.tls("secure.test").unwrap();
    assert!(page.ends_with("origin secure: GET /a\n"), "{page}");
    let address = (format!("CONNECT {}:443", ORIGIN[0]), 204);
    let name = ("CONNECT secure.test:443".to_owned(), 204);
    assert_eq!(set.squid.wait_for_exchanges(2), [address, name]);
    let received = set.secure.bytes_received();
    // Squid writes the page as plain text where the client waits for TLS.
    for name in ["blocked.test", "adult.test", "moved.test"] {
        let error = set.tls(name).expect_err(name);
        assert!(
            !error.to_string().contains("certificate"),
            "{name}: {error}"
        );
    }
    assert_eq!(
        set.secure.bytes_received(),
        received,
        "nothing of theirs reached the origin"
    );
    assert_eq!(set.decisions("block", "block_list"), 1);
    assert_eq!(set.decisions("block", "icap"), 1);
    assert_eq!(set.decisions("redirect", "redirect_list"), 1);
}

fn bumped(way: Way) {
    let Some(set) = set(way, Tls::Bump) else {
        return;
    };
    let passed = set.curl("https://secure.test/a", &[]);
    assert_eq!(passed, "origin secure: GET /a\n200 ");
    let asked = ["CONNECT 10.71.2.2:443", "GET https://secure.test/a"];
    let asked = asked.map(|request| (request.to_owned(), 204));
    assert_eq!(set.squid.wait_for_exchanges(2), asked);
    for url in ["https://secure.test/adult/x", "https://blocked.test/"] {
        let page = set.curl(url, &[]);
        assert!(
            page.contains("Blocked") && page.ends_with("403 "),
            "{url}: {page}"
        );
    }
    let body = "z".repeat(20_000);
    for more in [&[][..], &CHUNKED] {
        let post = |url| set.curl(url, &[more, &["--data", &body]].concat());
        assert_eq!(post("https://secure.test/echo"), format!("{body}200 "));
        assert!(post("https://secure.test/adult/echo").ends_with("403 "));
    }
    assert_eq!(set.decisions("block", "icap"), 3);
    assert_eq!(set.secure.requests().len(), 3);
}

#[test]
fn redirect_http() {
    http(Way::Redirect);
}

#[test]
fn redirect_spliced() {
    spliced(Way::Redirect);
}

#[test]
fn redirect_bumped() {
    bumped(Way::Redirect);
}

#[test]
fn tproxy_http() {
    http(Way::Tproxy);
}

#[test]
fn tproxy_spliced() {
    spliced(Way::Tproxy);
}

#[test]
fn tproxy_bumped() {
    bumped(Way::Tproxy);
}
