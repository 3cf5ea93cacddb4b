//! `weir explain` as people and programs run it.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tests::gateway::{Gateway, Setup};
use tests::icap_peer::{IcapPeer, Reply};
use tests::origin::Origin;
use tests::program::{run, write_files};

use crate::architecture::root;
use crate::docs::blocks;
use crate::schemas::validator;
use crate::wait_for_decisions;

#[test]
fn the_steps_of_the_guide_are_those_of_the_program() {
    let page = std::fs::read_to_string(root().join("docs/POLICY.md")).unwrap();
    let mut examples = blocks(&page).into_iter().map(|(_, text)| text);
    let policy = examples
        .find(|text| text.starts_with("schedules:"))
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), &[("p.yaml", &policy)]);
    let moment = "2026-11-20T15:30[Europe/Madrid]";
    let arguments = [
        "explain",
        "--policy",
        "p.yaml",
        "--now",
        moment,
        "http://social.example/",
    ];
    let output = run(folder.path(), &arguments);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        page.contains(&format!("```text\n{shown}```\n")),
        "the page lacks:\n{shown}"
    );
}

#[test]
fn json_is_as_its_schema_says() {
    let validator = validator("explain");
    for arguments in [
        &["http://play.example/", "--categories", "games,gambling"][..],
        &["--profile", "homework", "http://%61.example/%252e"],
        &["--icap-failure", "overload", "http://a.example/"],
        &["--icap", "icap://127.0.0.1:1/x", "http://a.example/"],
        &["--tls", "casino.example"],
        &["http://a b/"],
        &["http://old.example/"],
    ] {
        let start = ["explain", "--json", "--policy", "policies/family.yaml"];
        let output = run(&root(), &[&start, arguments].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let faults: Vec<_> = validator
            .iter_errors(&value)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert_eq!(faults, Vec::<String>::new(), "{text}");
    }
}

const POLICY: &str = r#"
policies: {family: {block: [adult], redirect: [{to: "http://notice.test/?imsi=%S", categories: [gambling]}]}}
lists: {school: [school.test]}
profiles:
  child:
    icap: true
    policy: family
    pass_list: [school]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: forbidden
  adult: {default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
default_profile: child
"#;

const SESSIONS: &str =
    r#"sessions: {static: [{clients: [10.1.2.0/24], imsi: "10020000000007", apn: internet}]}"#;

/// A gateway with its categorizer, and whom it asks.
struct Set {
    gateway: Gateway,
    peer: IcapPeer,
    _origin: Origin,
}

#[test]
fn a_gateway_tells_without_traffic_what_it_would_do() {
    let mut set = Set::start();
    let uri = "http://web.test/page";
    let before = set.json(&[uri]);
    assert_eq!(before["readings"][0]["categories"][0]["category"], "games");
    assert_eq!(
        before["workers"],
        serde_json::json!({"running": 2, "answered": 2})
    );
    assert_eq!(before["readings"][0].get("cached"), None);
    assert_eq!(set.peer.asked(), [uri]);
    for row in [
        "weir_decisions_total",
        "weir_icap_questions_total",
        "weir_cache_entries",
    ] {
        assert_eq!(set.gateway.metric(row), 0, "{row}");
    }
    // Each connection may be another worker's.
    for _ in 0..8 {
        assert_eq!(set.gateway.client().get(uri).status, 200);
    }
    let entries = set.gateway.metric("weir_cache_entries");
    let decisions = set.gateway.metric("weir_decisions_total");
    let told = set.json(&[uri]);
    let cached = &told["readings"][0]["cached"][0];
    assert_eq!(cached["workers"].as_u64(), Some(entries), "{told}");
    assert_eq!(
        (&cached["extent"], &cached["agrees"]),
        (&"exact".into(), &true.into())
    );
    assert_eq!(cached["categories"], serde_json::json!(["games"]));
    // The categorizer changes its mind, and the caches have not heard of it.
    set.peer.follow(|_| categories("adult"));
    let told = set.json(&[uri]);
    let reading = &told["readings"][0];
    assert_eq!(reading["cached"][0]["agrees"], false, "{told}");
    assert_eq!(reading["cached"][0]["action"], "pass");
    assert_eq!(told["decision"]["action"], "block");
    let text = set.text(&[uri]);
    assert!(text.contains("games): pass, for 3"), "{text}");
    assert!(text.contains("; not what is decided now\n"), "{text}");
    assert_eq!(set.gateway.metric("weir_cache_entries"), entries);
    assert_eq!(set.gateway.metric("weir_decisions_total"), decisions);
    let lines = wait_for_decisions(&set.gateway, &["web.test"], 8);
    assert_eq!(lines.len(), 8, "one for each request: {lines:?}");
    assert_eq!(
        set.gateway.client().get(uri).status,
        200,
        "the caches are as they were"
    );
}

#[test]
fn a_gateway_explains_with_its_sessions() {
    let mut set = Set::start();
    set.peer.follow(|_| categories("gambling"));
    let told = set.json(&["--client", "10.1.2.3", "http://play.test/"]);
    let facts = serde_json::json!({
        "client": "10.1.2.3", "known": true, "imsi": "10020000000007", "apn": "internet"
    });
    assert_eq!(told["session"], facts);
    let location = "http://notice.test/?imsi=10020000000007";
    assert_eq!(told["decision"]["location"], location);
    let text = set.text(&["--client", "10.1.2.3", "http://web.example/page"]);
    let page = std::fs::read_to_string(root().join("docs/OPERATIONS.md")).unwrap();
    let head: String = text.split_inclusive('\n').take(4).collect();
    assert!(
        page.contains(&format!("```text\n{head}```\n")),
        "the page lacks:\n{head}"
    );
    let told = set.json(&["--client", "10.9.9.9", "http://play.test/"]);
    assert_eq!(told["decision"]["location"], "http://notice.test/?imsi=");
    let told = set.json(&["--profile", "adult", "--tls", "play.test"]);
    assert_eq!(
        (&told["protocol"], &told["decision"]["source"]),
        (&"tls".into(), &"unknown".into())
    );
    let told = set.json(&["http://a.school.test/"]);
    assert_eq!(told["readings"][0]["list"]["entry"], "school.test");
}

#[test]
fn a_slow_categorizer_holds_up_one_question_and_no_client() {
    let mut set = Set::start();
    let gate = Arc::new(Mutex::new(false));
    let held = Arc::clone(&gate);
    set.peer.follow(move |uri| match uri.contains("slow") {
        true => Reply::Gated(vec!["X-Attribute: games".to_owned()], Arc::clone(&held)),
        false => categories("games"),
    });
    let admin = set.admin();
    let ask = |uri: &'static str| {
        let admin = admin.clone();
        std::thread::spawn(move || run(&root(), &["explain", "--admin", &admin, uri]))
    };
    let asking = [ask("http://slow.test/"), ask("http://slow.test/2")];
    tests::wait_for("both questions", || {
        (set.peer.asked().len() >= 2).then_some(())
    });
    assert_eq!(set.gateway.client().get("http://web.test/").status, 200);
    let third = run(&root(), &["explain", "--admin", &admin, "http://web.test/"]);
    let text = String::from_utf8(third.stderr).unwrap();
    assert_eq!(third.status.code(), Some(71));
    assert!(
        text.contains("status 503 Service Unavailable: 2 questions are being answered; ask again"),
        "{text}"
    );
    *gate.lock().unwrap() = true;
    for asked in asking {
        let output = asked.join().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn what_no_gateway_answers_is_told() {
    let mut set = Set::start();
    let admin = set.admin();
    let proxy = format!("http://{}", set.gateway.address);
    for (arguments, status, expected) in [
        (
            ["--admin", &admin, "--profile", "chid", "http://a/"],
            64,
            "error: no profile is called `chid`; use `adult` or `child`\n",
        ),
        (
            ["--admin", "https://a/", "--profile", "child", "http://a/"],
            64,
            "error: `https://a/` is no admin address; use the form `http://127.0.0.1:9090`\n",
        ),
        (
            [
                "--admin",
                "http://127.0.0.1:1",
                "--profile",
                "child",
                "http://a/",
            ],
            71,
            "error: no answer from the gateway at `http://127.0.0.1:1`; give the `proxy.admin` address of one that runs\n  \
             because: Connection refused (os error 111)\n",
        ),
        (
            ["--admin", &proxy, "--profile", "child", "http://a/"],
            71,
            "because: what answers there is no admin endpoint\n",
        ),
    ] {
        let output = run(&root(), &[&["explain"], &arguments[..]].concat());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert_eq!(output.status.code(), Some(status), "{text}");
    }
    let long = format!("http://a/{}", "a".repeat(9_000));
    let output = run(&root(), &["explain", "--admin", &admin, &long]);
    let text = String::from_utf8(output.stderr).unwrap();
    let told = "error: the question is too long for the gateway, which takes 8192 bytes; give a \
                shorter URI\n";
    assert_eq!((&*text, output.status.code()), (told, Some(64)));
    // The endpoint does not go by names, and is asked by its address.
    let named = admin.replace("127.0.0.1", "localhost");
    let output = run(&root(), &["explain", "--admin", &named, "http://a/"]);
    assert_eq!(output.status.code(), Some(0));
    // The ICAP server has nothing to explain.
    let mut server = tests::icap_server::Setup::new(POLICY)
        .category("games/domains", "games.example\n")
        .start();
    let admin = server.program.address("icap_server_admin", 0);
    let admin = format!("http://{admin}");
    let output = run(&root(), &["explain", "--admin", &admin, "http://a/"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("status 404 Not Found: use /metrics, /ready or /live\n"),
        "{text}"
    );
}

impl Set {
    fn start() -> Self {
        let origin = Origin::start("web");
        let peer = IcapPeer::start(|_| categories("games"));
        let setup = Setup::new(POLICY).host("web.test", origin.address);
        let setup = setup
            .icap(peer.address)
            .icap_line("deadline_ms: 9000")
            .line(SESSIONS);
        Self {
            gateway: setup.start(),
            peer,
            _origin: origin,
        }
    }

    fn admin(&mut self) -> String {
        format!("http://{}", self.gateway.program.address("proxy_admin", 0))
    }

    #[track_caller]
    fn text(&mut self, arguments: &[&str]) -> String {
        let admin = self.admin();
        let output = run(
            &root(),
            &[&["explain", "--admin", &admin], arguments].concat(),
        );
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&mut self, arguments: &[&str]) -> Value {
        let text = self.text(&[&["--json"], arguments].concat());
        let value = serde_json::from_str(&text).unwrap();
        let faults: Vec<_> = validator("explain")
            .iter_errors(&value)
            .map(|fault| fault.to_string())
            .collect();
        assert_eq!(faults, Vec::<String>::new(), "{text}");
        value
    }
}

fn categories(names: &str) -> Reply {
    Reply::Lines(vec![format!("X-Attribute: {names}")])
}
