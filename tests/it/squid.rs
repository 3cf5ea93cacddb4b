//! Squid in front of the ICAP server: what its users get, and what the server counted.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use tests::ToEnd as _;
use tests::icap_server::{self, IcapServer};
use tests::peers::squid;

mod explicit;
mod failures;
mod intercepted;
mod tls;

const POLICY: &str = r#"
lists:
  banned: [blocked.test]
  moved: [moved.test]
  open: [notice.test]
policies:
  family: {block: [adult]}
profiles:
  child:
    policy: family
    icap: true
    pass_list: [open]
    block_list: [banned]
    redirect_list: [{to: "http://notice.test/?uri=%U", lists: [moved]}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: forbidden
  strict:
    icap: true
    default_action: block
    unknown_action: block
    error_action: block
    undecidable_action: block
    block_response: forbidden
default_profile: child
"#;

/// The names that tests ask for. Below `/adult` every one of them but the first is adult.
const NAMES: [&str; 6] = [
    "notice.test",
    "news.test",
    "adult.test",
    "blocked.test",
    "moved.test",
    "secure.test",
];

/// Makes curl send a body without its length.
const CHUNKED: [&str; 2] = ["--header", "Transfer-Encoding: chunked"];

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn server() -> icap_server::Setup {
    icap_server::Setup::new(POLICY)
        .category("adult/domains", "adult.test\n")
        .category("adult/urls", "news.test/adult\nsecure.test/adult\n")
        .category("news/domains", "news.test\n")
}

/// Squid on loopback that asks `/filter`; the names lead to loopback.
fn squid_before(server: &IcapServer) -> squid::Setup {
    squid::Setup::new(&server.service("filter")).hosts(&NAMES, LOOPBACK)
}

fn squid_missing() -> bool {
    let missing = tests::program_missing(&["squid", "curl", "unshare"]);
    tests::tier_missing("real peers", missing)
}

/// Runs curl through a proxy, and returns the body it got, the status, and where a redirect leads.
fn curl(proxy: SocketAddr, arguments: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--max-time", "20"])
        .args(["--proxy", &format!("http://{proxy}")])
        .args(["--write-out", "%{http_code} %{redirect_url}"])
        .args(arguments)
        .to_end();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
