//! Real clients: curl and Chromium.

use std::net::SocketAddr;
use std::process::Command;

use tests::ToEnd as _;
use tests::gateway::{Gateway, Setup};
use tests::origin::Origin;
use tests::tls::TlsOrigin;

const POLICY: &str = r#"
lists:
  banned: [blocked.test]
  moved: [moved.test]
  open: [notice.test]
profiles:
  child:
    pass_list: [open]
    block_list: [banned]
    redirect_list: [{to: "http://notice.test/?uri=%U", lists: [moved]}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: forbidden
default_profile: child
"#;

struct Browsing {
    gateway: Gateway,
    web: Origin,
    tls: TlsOrigin,
}

fn browsing() -> Browsing {
    let (web, tls) = (
        Origin::start("web"),
        TlsOrigin::start(&["secure.test", "blocked.test"], "secure"),
    );
    let gateway = Setup::new(POLICY)
        .host("news.test", web.address)
        .host("notice.test", web.address)
        .host("moved.test", web.address)
        .host("blocked.test", web.address)
        .host("secure.test", tls.address)
        .start();
    Browsing { gateway, web, tls }
}

#[test]
fn curl_over_http_and_https() {
    if tests::tier_missing("real peers", tests::program_missing(&["curl"])) {
        return;
    }
    let set = browsing();
    let curl = |arguments: &[&str]| {
        let shown = ["--insecure", "--write-out", "%{http_code}"];
        curl(set.gateway.address, &[&shown, arguments].concat())
    };
    assert_eq!(curl(&["http://news.test/a"]), "origin web: GET /a\n200");
    assert_eq!(
        curl(&["https://secure.test/a"]),
        "origin secure: GET /a\n200"
    );
    assert!(curl(&["http://blocked.test/"]).ends_with("403"));
    assert_eq!(curl(&["https://blocked.test/"]), "000");
    assert!(curl(&["--location", "http://moved.test/"]).starts_with("origin web: GET /?uri="));
    assert_eq!(set.tls.requests().len(), 1);
}

#[test]
fn chromium_over_http_and_https() {
    if tests::tier_missing("real peers", tests::program_missing(&["chromium"])) {
        return;
    }
    let set = browsing();
    let profile = tempfile::tempdir().unwrap();
    let load = |url: &str| {
        let output = Command::new("timeout")
            .args([
                "90",
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .args([
                "--disable-sync",
                "--disable-dev-shm-usage",
                "--ignore-certificate-errors",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--proxy-server=http://{}", set.gateway.address))
            .args(["--dump-dom", url])
            .to_end();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(load("http://news.test/page").contains("origin web: GET /page"));
    assert!(load("https://secure.test/page").contains("origin secure: GET /page"));
    let page = load("http://blocked.test/");
    assert!(
        page.contains("blocked.test") && page.contains("</html>"),
        "{page}"
    );
    let redirected = load("http://moved.test/");
    assert!(
        redirected.contains("origin web: GET /?uri=http%3A%2F%2Fmoved.test%2F"),
        "{redirected}"
    );
    assert!(!set.web.requests().is_empty());
}

/// Runs curl through a proxy and returns what it printed.
fn curl(proxy: SocketAddr, arguments: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--max-time", "20"])
        .args(["--proxy", &format!("http://{proxy}")])
        .args(arguments)
        .to_end();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
