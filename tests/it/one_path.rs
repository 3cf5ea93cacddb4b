//! An allow list of one path, and an origin that sees every byte: whatever a path looks like,
//! nothing outside of the allowed one is asked for.

use tests::client::Client;
use tests::gateway::{Gateway, Setup};
use tests::origin::Origin;

const POLICY: &str = "
lists:
  one: ['http://one.test/ok/']
profiles:
  all:
    pass_list: [one]
    default_action: block
    unknown_action: block
    error_action: block
    undecidable_action: block
    block_response: forbidden
default_profile: all
";

/// Some server behind the proxy serves something else than `/ok/` for each.
const OUTSIDE: &[&str] = &[
    "/",
    "",
    "/ok",
    "/okay/",
    "/OK/",
    "/bad",
    "//bad",
    "//ok/bad",
    "///ok/bad",
    "/ok/../bad",
    "/ok/./../bad",
    "/ok/x/../../bad",
    "/ok/../ok/../bad",
    "/ok/..",
    "/ok/.%2e/bad",
    "/ok/%2e./bad",
    "/ok/%2e%2e/bad",
    "/ok/%2E%2E/bad",
    "/ok/%252e%252e/bad",
    "/ok/%252e%252e%252fbad",
    "/ok/%25252e%25252e/bad",
    "/ok/%%32%65%%32%65/bad",
    "/ok/..%2fbad",
    "/ok/..%2Fbad",
    "/ok/..%252fbad",
    "/ok/%2e%2e%2fbad",
    "/ok%2fx%2f..%2f..%2fbad",
    "/x%2f..%2fok/",
    "/ok%2F../bad",
    r"/ok/..\bad",
    r"/ok/..\..\bad",
    r"/ok\..\bad",
    r"\bad",
    "/ok/..%5cbad",
    "/ok/..%255cbad",
    r"/ok/a\b%2f..%2f..%2fbad",
    r"/bad%5c..%5cok\..\ok/",
    "/bad%3F/../ok/",
    "/bad%3f/%2e%2e/ok/",
    "/bad%253F/../ok/",
    "/ok/%3F/../../bad",
    "/ok/..;/bad",
    "/ok/..;x=1/bad",
    "/ok/..%3b/bad",
    "/ok/..%253b/bad",
    "/ok;/../bad",
    "/ok;x",
    "/ok/;/../../bad",
    "/ok/;/../bad",
    "/bad;/../ok/",
    "/ok//../bad",
    "/ok/x//..//../bad",
    "/ok/%00/../../bad",
    "/ok/.%00./bad",
    "/bad%00/../ok/",
    "/bad/%2e%2e/../ok/",
    "/ok/%2e%2e/../ok/bad/%2e%2e/%2e%2e/",
    "/ok/%c0%ae%c0%ae/bad",
    "/ok/%c0%ae%c0%ae%c0%afbad",
    "/ok/%u002e%u002e/bad",
    "/ok/..%u2215bad/../../bad",
    "/ok#/../bad",
    "/ok/#/../../bad",
    "/ok/\t../../bad",
    "/ok/ ../../bad",
    "/ok/../bad?/ok/",
    "/bad?/../ok/",
    "/bad#/ok/",
    "/bad%23/../ok/../bad",
    "/bad%23/../ok/",
    "/ok/..%23",
    "/bad/x%23/../../ok/",
    "/%2fok/bad",
    "/%5Cx/bad/../ok/",
    "/o%6b/%2e%2e/b%61d",
];

/// What each server understands as below `/ok/`, and is sent as it is written.
const WITHIN: &[&str] = &[
    "/ok/",
    "/ok/x",
    "/o%6B/x",
    "/ok/x/../y",
    "/ok/x%2Fy",
    "/ok//x",
    "/ok/x;y=z",
    "/ok/%3Fx",
    "/ok/a%20b%2520c",
    "/ok/?../../bad",
    "/ok/?x=http://bad.test/..;/",
    "/ok/a|b{c}[d]^e\"f",
    "/ok/b\u{fc}cher",
    "/ok/...",
    "/x/../ok/y",
];

/// What is sent escaped, since no URI has it as it is.
const MENDED: &[(&[u8], &str)] = &[
    (b"/ok/<a>`?<b>\"", "/ok/%3Ca%3E%60?%3Cb%3E%22"),
    (b"/ok/caf\xe9?\xfc", "/ok/caf%E9?%FC"),
];

#[test]
fn nothing_outside_of_one_path_is_reached() {
    let origin = Origin::start("one");
    let gateway = Setup::new(POLICY).host("one.test", origin.address).start();
    for path in OUTSIDE {
        let (status, _) = ask(&gateway, path.as_bytes());
        assert!(matches!(status, 400 | 403), "{path}: {status}");
        let seen = origin.requests();
        assert!(seen.is_empty(), "{path} was sent on: {seen:?}");
    }
    let within = WITHIN.iter().map(|path| (path.as_bytes(), *path));
    let mut asked = 0;
    for (path, sent) in within.chain(MENDED.iter().copied()) {
        let (status, body) = ask(&gateway, path);
        assert_eq!(status, 200, "{sent}");
        assert_eq!(body, format!("origin one: GET {sent}\n"));
        asked += 1;
    }
    let seen = origin.wait_for_requests(asked);
    assert_eq!(seen.len(), asked, "{seen:?}");
    println!("{} paths outside, {asked} within", OUTSIDE.len());
}

fn ask(gateway: &Gateway, path: &[u8]) -> (u16, String) {
    let mut client: Client = gateway.client();
    client.send(
        [
            b"GET http://one.test",
            path,
            b" HTTP/1.1\r\nHost: one.test\r\n\r\n",
        ]
        .concat(),
    );
    let response = client.response();
    (response.status, response.text())
}
