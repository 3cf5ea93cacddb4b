//! c-icap-client in front of the ICAP server.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use tests::ToEnd as _;
use tests::icap_server::{self, IcapServer};

const POLICY: &str = r#"
lists:
  moved: [moved.test]
policies:
  family: {block: [adult]}
profiles:
  child:
    policy: family
    icap: true
    redirect_list: [{to: "http://notice.test/?uri=%U", lists: [moved]}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
default_profile: child
"#;

/// What the client was told.
#[derive(Debug)]
struct Told {
    /// All that it shows of heads.
    text: String,
    /// The body that it got; none: that it may use its own.
    body: Option<Vec<u8>>,
}

impl Told {
    #[track_caller]
    fn has(&self, parts: &[&str]) {
        for part in parts {
            assert!(
                self.text.contains(part),
                "{part:?} is not in:\n{}",
                self.text
            );
        }
    }
}

/// Nothing, with a printed reason, if the client is not here.
fn server() -> Option<IcapServer> {
    let missing = tests::program_missing(&["c-icap-client"]);
    if tests::tier_missing("real peers", missing) {
        return None;
    }
    let setup = icap_server::Setup::new(POLICY)
        .category("adult/domains", "adult.test\n")
        .category("news/domains", "news.test\n");
    Some(setup.start())
}

/// Runs the client with these options and, unless it is empty, a file of these bytes.
fn ask(server: SocketAddr, service: &str, options: &[&str], file: &[u8]) -> Told {
    let dir = tempfile::tempdir().unwrap();
    let (sent, got) = (dir.path().join("sent"), dir.path().join("got"));
    let mut command = Command::new("c-icap-client");
    command
        .args(["-i", "127.0.0.1", "-p", &server.port().to_string(), "-v"])
        .args(["-s", service])
        .args(options);
    if !file.is_empty() {
        fs::write(&sent, file).unwrap();
        command.arg("-f").arg(&sent).arg("-o").arg(&got);
    }
    let output = command.to_end();
    assert!(output.status.success(), "{options:?}: {output:?}");
    Told {
        text: String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned(),
        body: fs::read(&got).ok(),
    }
}

#[test]
fn options_of_both_services() {
    let Some(server) = server() else { return };
    for service in ["categorize", "filter", "filter?profile=child"] {
        let told = ask(server.address, service, &[], b"");
        told.has(&[
            "Allow 204: Yes",
            "Allow 206: No",
            "Preview: 0",
            "Keep alive: Yes",
            "ICAP/1.0 200 OK",
            "Methods: REQMOD\n",
            "ISTag: \"",
        ]);
    }
    ask(server.address, "nowhere", &[], b"").has(&["ICAP/1.0 404"]);
    assert_eq!(server.answers("categorize", "OPTIONS", 200), 1);
    assert_eq!(server.answers("filter", "OPTIONS", 200), 2);
    assert_eq!(server.answers("unknown", "OPTIONS", 404), 1);
}

#[test]
fn requests_without_a_body() {
    let Some(server) = server() else { return };
    let get = |service: &str, name: &str, more: &[&str]| {
        let uri = format!("http://{name}/");
        ask(
            server.address,
            service,
            &[&["-req", &uri], more].concat(),
            b"",
        )
    };
    let attribute = "X-Attribute: adult\n";
    get("categorize", "adult.test", &[]).has(&[
        "ICAP/1.0 204 ",
        attribute,
        "X-Attribute-Prefix: 18\n",
    ]);
    let unknown = get("categorize", "other.test", &[]);
    unknown.has(&["ICAP/1.0 204 "]);
    assert!(!unknown.text.contains("X-Attribute"), "{}", unknown.text);
    let no_204 = get("categorize", "adult.test", &["-no204", "-nopreview"]);
    no_204.has(&[
        "ICAP/1.0 200 ",
        attribute,
        "GET http://adult.test/ HTTP/1.0",
        "Via: ICAP/1.0 weir",
    ]);
    get("filter", "news.test", &[]).has(&["ICAP/1.0 204 ", "X-Response-Info: Allowed"]);
    get("filter", "adult.test", &[]).has(&["HTTP/1.1 403", "X-Response-Info: Blocked"]);
    get("filter", "moved.test", &[]).has(&[
        "HTTP/1.1 302",
        "Location: http://notice.test/?uri=http%3A%2F%2Fmoved.test%2F\n",
    ]);
    get("filter?profile=nobody", "news.test", &[]);
    // It asks for OPTIONS first, and shows nothing of errors.
    assert_eq!(server.answers("filter", "OPTIONS", 404), 1);
    assert_eq!(server.count("categorized{outcome=\"found\"}"), 2);
    assert_eq!(server.count("categorized{outcome=\"unknown\"}"), 1);
    assert_eq!(server.decisions("pass", "default"), 1);
    assert_eq!(server.decisions("block", "icap"), 1);
    assert_eq!(server.decisions("redirect", "redirect_list"), 1);
}

/// Offers of the client, and whether a request with a body may be answered by 204 under them.
const OFFERS: [(&[&str], bool); 8] = [
    (&[], true),
    (&["-nopreview"], true),
    (&["-no204"], true),
    (&["-206"], true),
    (&["-206", "-no204"], true),
    (&["-w", "1024"], true),
    (&["-206", "-no204", "-nopreview"], false),
    (&["-no204", "-nopreview"], false),
];

#[test]
fn files_that_pass_come_back_or_need_not() {
    let Some(server) = server() else { return };
    let large: Vec<u8> = (0..1024 * 1024)
        .map(|at: usize| (at % 251).to_le_bytes()[0])
        .collect();
    let mut rows = 0;
    for (offer, may_be_204) in OFFERS {
        for len in [1, 4_096, large.len()] {
            let file = &large[..len];
            for service in ["categorize", "filter"] {
                let options = [&["-req", "http://news.test/upload"], offer].concat();
                let told = ask(server.address, service, &options, file);
                if may_be_204 {
                    told.has(&["ICAP/1.0 204 "]);
                    assert_eq!(told.body, None, "{offer:?} {len}");
                } else {
                    told.has(&["ICAP/1.0 200 ", "Via: ICAP/1.0 weir"]);
                    assert!(
                        told.body.as_deref() == Some(file),
                        "{offer:?} {len}: not the file"
                    );
                }
                rows += 1;
            }
        }
    }
    assert_eq!(server.count("categorized{outcome=\"found\"}"), rows / 2);
    assert_eq!(server.decisions("pass", "default"), rows / 2);
    let unmodified = |service| server.answers(service, "REQMOD", 204);
    assert_eq!(
        unmodified("categorize") + unmodified("filter"),
        rows * 6 / 8
    );
}

/// Beyond a preview this client reads an answer of 200 and shows nothing of it: then only what the
/// server counted can be looked at.
#[test]
fn files_that_are_blocked_get_the_page() {
    let Some(server) = server() else { return };
    let file = vec![b'z'; 300_000];
    let mut blocked = 0;
    for (offer, _) in OFFERS {
        let options = [&["-req", "http://adult.test/upload"], offer].concat();
        let told = ask(server.address, "filter", &options, &file);
        if offer.contains(&"-nopreview") {
            told.has(&["ICAP/1.0 200 ", "HTTP/1.1 403", "X-Response-Info: Blocked"]);
            let page = String::from_utf8(told.body.unwrap()).unwrap();
            assert!(
                page.contains("Blocked") && page.ends_with("</html>\n"),
                "{page}"
            );
        }
        blocked += 1;
        assert_eq!(server.decisions("block", "icap"), blocked, "{offer:?}");
        assert_eq!(
            server.answers("filter", "REQMOD", 200),
            blocked,
            "{offer:?}"
        );
    }
}

#[test]
fn responses_are_not_its_business() {
    let Some(server) = server() else { return };
    for service in ["categorize", "filter"] {
        let options = ["-resp", "http://news.test/", "-nopreview"];
        ask(server.address, service, &options, b"an answer of an origin");
        assert_eq!(server.answers(service, "RESPMOD", 405), 1);
    }
}

#[test]
fn a_reload_changes_what_it_is_told() {
    let Some(server) = server() else { return };
    let tag = |told: &Told| {
        let (_, rest) = told.text.split_once("ISTag: \"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let get = || {
        ask(
            server.address,
            "filter",
            &["-req", "http://news.test/"],
            b"",
        )
    };
    let before = get();
    before.has(&["ICAP/1.0 204 "]);
    server.reload(&POLICY.replace("block: [adult]", "block: [adult, news]"));
    let after = get();
    after.has(&["HTTP/1.1 403"]);
    assert_ne!(tag(&before), tag(&after));
}

#[test]
fn a_server_that_ends_and_is_started_again() {
    if tests::tier_missing("real peers", tests::program_missing(&["c-icap-client"])) {
        return;
    }
    let setup = icap_server::Setup::new(POLICY)
        .category("adult/domains", "adult.test\n")
        .at(tests::peers::free_address());
    for _ in 0..3 {
        let mut server = setup.start();
        ask(
            server.address,
            "filter",
            &["-req", "http://adult.test/"],
            b"",
        )
        .has(&["HTTP/1.1 403"]);
        assert_eq!(server.program.stop(), 0);
    }
}
