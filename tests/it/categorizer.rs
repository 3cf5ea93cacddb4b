//! The proxy with an ICAP server behind it: flows, failures, reloads, prefixes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tests::client::{Client, End};
use tests::gateway::{Gateway, Setup};
use tests::icap_peer::{IcapPeer, Reply};
use tests::origin::Origin;

const POLICY: &str = r#"
policies:
  family:
    pass: [news]
    block: [adult]
    redirect: [{to: "http://notice.test/?imsi=%S&msisdn=%M&uri=%U", categories: [gambling]}]
profiles:
  child:
    icap: true
    policy: family
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: forbidden
default_profile: child
"#;

/// The deadline where it is what ends a question. Elsewhere it is far away: a busy machine takes
/// hundreds of milliseconds for itself.
const DEADLINE: Duration = Duration::from_millis(200);

/// How much later a decision may be. Whatever the machine does meanwhile, the best of a few shows
/// what the deadline itself allows.
const SLACK: Duration = Duration::from_millis(20);

/// Decisions of which one shows it.
const DECISIONS_MAX: usize = 20;

fn lines(category: &str) -> Reply {
    Reply::Lines(vec![format!("X-Attribute: {category}")])
}

fn by_name(uri: &str) -> Reply {
    if uri.contains("casino") {
        lines("games, gambling")
    } else if uri.contains("adult") {
        lines("adult")
    } else {
        lines("news")
    }
}

fn start(peer: &IcapPeer) -> (Gateway, Origin) {
    start_within(Duration::from_secs(15), peer)
}

fn start_within(deadline: Duration, peer: &IcapPeer) -> (Gateway, Origin) {
    let origin = Origin::start("web");
    let mut setup = Setup::new(POLICY)
        .icap(peer.address)
        .icap_line(&format!("deadline_ms: {}", deadline.as_millis()));
    for name in [
        "news.test",
        "adult.test",
        "casino.test",
        "www.ericsson.com",
        "other.test",
    ] {
        setup = setup.host(name, origin.address);
    }
    (setup.start(), origin)
}

/// Asks for URIs until one takes no longer than the deadline allows. All get the error action.
#[track_caller]
fn costs_the_deadline_and_no_more(client: &mut Client, uri: &str) {
    let mut best = Duration::MAX;
    for number in 0..DECISIONS_MAX {
        let start = Instant::now();
        let status = client.get(&format!("{uri}{number}")).status;
        best = best.min(start.elapsed());
        assert_eq!(status, 403, "the error action");
        if best < DEADLINE + SLACK {
            return;
        }
    }
    panic!("{best:?}");
}

#[test]
fn categories_map_to_actions_and_the_answer_is_cached() {
    let peer = IcapPeer::start(by_name);
    let (gateway, origin) = start(&peer);
    let mut client = gateway.client();
    assert_eq!(client.get("http://news.test/a").status, 200);
    assert_eq!(client.get("http://adult.test/").status, 403);
    let redirect = client.get("http://casino.test/");
    assert_eq!(redirect.status, 302);
    assert_eq!(
        redirect.header("location"),
        Some("http://notice.test/?imsi=&msisdn=&uri=http%3A%2F%2Fcasino.test%2F")
    );
    let asked = peer.asked();
    assert_eq!(
        asked,
        [
            "http://news.test/a",
            "http://adult.test/",
            "http://casino.test/"
        ]
    );
    // The second time every worker may have to ask for itself, but a connection stays with one.
    assert_eq!(client.get("http://adult.test/").status, 403);
    assert_eq!(client.get("http://casino.test/").status, 302);
    assert_eq!(peer.asked().len(), 3);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn the_question_carries_no_credentials() {
    let peer = IcapPeer::start(by_name);
    let (gateway, _origin) = start(&peer);
    let mut client = gateway.client();
    client.send("GET http://news.test/a HTTP/1.1\r\nHost: news.test\r\nCookie: secret=1\r\nAuthorization: Basic c2VjcmV0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let question = peer.requests().remove(0);
    let (icap, http) = question.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        http,
        "GET http://news.test/a HTTP/1.1\r\nHost: news.test\r\n\r\n"
    );
    assert!(icap.contains("\r\nAllow: 204"), "{icap}");
    assert!(icap.contains("\r\nX-Client-IP: 127.0.0.1"), "{icap}");
    assert!(!icap.to_lowercase().contains("x-subscriber-id"), "{icap}");
}

#[test]
fn s4_7_2_a_prefix_of_24_answers_the_second_uri_from_the_cache() {
    let peer = IcapPeer::start(|_| {
        Reply::Lines(vec![
            "X-Attribute: news".to_owned(),
            "X-Attribute-Prefix: 24".to_owned(),
        ])
    });
    let (gateway, origin) = start(&peer);
    let mut client = gateway.client();
    assert_eq!(client.get("http://www.ericsson.com/first").status, 200);
    assert_eq!(client.get("http://www.ericsson.com/second?q").status, 200);
    assert_eq!(peer.asked(), ["http://www.ericsson.com/first"]);
    assert_eq!(origin.requests().len(), 2);
    let sources: Vec<String> = crate::wait_for_decisions(&gateway, &["www.ericsson.com"], 2)
        .iter()
        .map(|line| line["source"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(sources, ["icap", "cache"]);
}

#[test]
fn unsound_prefixes_poison_nothing() {
    for prefix in [
        "23",
        "1",
        "99999",
        "-1",
        "0",
        "",
        "twenty",
        "18446744073709551616",
    ] {
        let peer = IcapPeer::start(move |uri| {
            if uri == "http://www.ericsson.com/first" {
                let prefix = format!("X-Attribute-Prefix: {prefix}");
                Reply::Lines(vec!["X-Attribute: adult".to_owned(), prefix])
            } else {
                lines("news")
            }
        });
        let (gateway, _origin) = start(&peer);
        let mut client = gateway.client();
        assert_eq!(
            client.get("http://www.ericsson.com/first").status,
            403,
            "{prefix}"
        );
        assert_eq!(
            client.get("http://www.ericsson.com/second").status,
            200,
            "{prefix}"
        );
        assert_eq!(client.get("http://news.test/").status, 200, "{prefix}");
        assert_eq!(
            client.get("http://www.ericsson.com/first").status,
            403,
            "{prefix}"
        );
        assert_eq!(peer.asked().len(), 3, "the exact entry is kept: {prefix}");
    }
}

#[test]
fn s4_6_1_a_changed_tag_flushes_the_cache() {
    let peer = IcapPeer::start(by_name);
    let (gateway, _origin) = start(&peer);
    let mut client = gateway.client();
    for _ in 0..2 {
        assert_eq!(client.get("http://other.test/").status, 200);
    }
    assert_eq!(peer.asked().len(), 1);
    peer.follow(|_| lines("adult"));
    peer.set_tag("two");
    assert_eq!(
        client.get("http://news.test/").status,
        403,
        "brings the new tag"
    );
    assert_eq!(client.get("http://other.test/").status, 403, "asked again");
    assert_eq!(peer.asked().len(), 3);
}

#[test]
fn a_dead_server_means_error_action_and_a_new_one_is_found() {
    // A port that nobody takes while the peer is away.
    let address = tests::peers::free_address();
    let peer = IcapPeer::start_at(address, by_name);
    let (gateway, _origin) = start(&peer);
    let mut client = gateway.client();
    assert_eq!(client.get("http://news.test/").status, 200);
    peer.kill();
    for number in 0..20 {
        let start = Instant::now();
        assert_eq!(
            client.get(&format!("http://other.test/{number}")).status,
            403
        );
        assert!(
            start.elapsed() < tests::WAIT_MAX / 4,
            "nothing is waited for"
        );
    }
    drop(peer);
    let _peer = IcapPeer::start_at(address, by_name);
    tests::wait_for("recovery", || {
        (client.get("http://other.test/again").status == 200).then_some(())
    });
}

#[test]
fn a_stalled_server_costs_the_deadline_and_recovers() {
    let peer = IcapPeer::start(|_| Reply::Stall);
    let (gateway, _origin) = start_within(DEADLINE, &peer);
    let mut client = gateway.client();
    costs_the_deadline_and_no_more(&mut client, "http://news.test/");
    peer.follow(by_name);
    tests::wait_for("recovery", || {
        (client.get("http://news.test/0").status == 200).then_some(())
    });
}

#[test]
fn answers_that_are_none_mean_error_action_and_are_not_cached() {
    for raw in [
        "ICAP/1.0 500 Error\r\nISTag: \"one\"\r\n\r\n",
        "ICAP/1.0 404 Not Found\r\nISTag: \"one\"\r\nConnection: close\r\n\r\n",
        "ICAP/1.0 100 Continue\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "junk\r\n\r\n",
        "ICAP/1.0 200 OK\r\nISTag: \"one\"\r\n\r\n",
    ] {
        let bad = Arc::new(Mutex::new(true));
        let still_bad = Arc::clone(&bad);
        let peer = IcapPeer::start(move |uri| {
            if *still_bad.lock().unwrap() {
                Reply::Raw(raw.as_bytes().to_vec())
            } else {
                by_name(uri)
            }
        });
        let (gateway, _origin) = start(&peer);
        let mut client = gateway.client();
        assert_eq!(client.get("http://news.test/").status, 403, "{raw:?}");
        *bad.lock().unwrap() = false;
        tests::wait_for("recovery", || {
            (client.get("http://news.test/").status == 200).then_some(())
        });
    }
}

#[test]
fn bytes_after_an_answer_never_answer_a_later_question() {
    let peer = IcapPeer::start(|uri| {
        if uri.contains("news") {
            Reply::Raw(
                b"ICAP/1.0 204 No Content\r\nISTag: \"one\"\r\nX-Attribute: news\r\n\r\n\
                  ICAP/1.0 204 No Content\r\nISTag: \"one\"\r\nX-Attribute: news\r\n\r\n"
                    .to_vec(),
            )
        } else {
            lines("adult")
        }
    });
    let (gateway, _origin) = start(&peer);
    let mut client = gateway.client();
    for number in 0..10 {
        assert_eq!(
            client.get(&format!("http://news.test/{number}")).status,
            200
        );
        assert_eq!(
            client.get(&format!("http://adult.test/{number}")).status,
            403
        );
    }
}

#[test]
fn a_reload_while_a_request_waits_maps_the_answer_by_the_new_policy() {
    let gate = Arc::new(Mutex::new(false));
    let opened = Arc::clone(&gate);
    let peer = IcapPeer::start(move |_| {
        Reply::Gated(vec!["X-Attribute: news".to_owned()], Arc::clone(&opened))
    });
    let origin = Origin::start("web");
    let gateway = Setup::new(POLICY)
        .host("news.test", origin.address)
        .icap(peer.address)
        .icap_line("deadline_ms: 10000")
        .start();
    let mut client = gateway.client();
    client.send("GET http://news.test/ HTTP/1.1\r\nHost: news.test\r\n\r\n");
    tests::wait_for("the question", || (!peer.asked().is_empty()).then_some(()));
    gateway.reload(&POLICY.replace("pass: [news]\n    block: [adult]", "block: [adult, news]"));
    *gate.lock().unwrap() = true;
    assert_eq!(client.response().status, 403);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_session_change_while_a_request_waits_leaves_it_its_profile() {
    let gate = Arc::new(Mutex::new(false));
    let opened = Arc::clone(&gate);
    let peer = IcapPeer::start(move |_| {
        Reply::Gated(vec!["X-Attribute: adult".to_owned()], Arc::clone(&opened))
    });
    let origin = Origin::start("web");
    let policy = POLICY.replace("default_profile: child", "  open:\n    icap: true\n    default_action: pass\n    unknown_action: pass\n    error_action: pass\n    undecidable_action: pass\ndefault_profile: child");
    let setup = Setup::new(&policy)
        .host("adult.test", origin.address)
        .icap(peer.address)
        .icap_line("deadline_ms: 10000");
    let session = |profile: &str| {
        format!("sessions:\n  static:\n    - {{clients: [\"127.0.0.0/8\"], profile: {profile}}}")
    };
    let gateway = setup.clone().line(&session("child")).start();
    let mut waiting = gateway.client();
    waiting.send("GET http://adult.test/ HTTP/1.1\r\nHost: adult.test\r\n\r\n");
    tests::wait_for("the question", || (!peer.asked().is_empty()).then_some(()));
    gateway
        .program
        .write("weir.yaml", &setup.line(&session("open")).config());
    gateway.reload(&policy);
    let mut after = gateway.client();
    after.send("GET http://adult.test/after HTTP/1.1\r\nHost: adult.test\r\n\r\n");
    tests::wait_for("the second question", || {
        (peer.asked().len() > 1).then_some(())
    });
    *gate.lock().unwrap() = true;
    assert_eq!(
        waiting.response().status,
        403,
        "judged under the profile it was received with"
    );
    assert_eq!(after.response().status, 200, "judged under the new profile");
}

/// A link of a click counter: 16 readings, two rounds of questions.
const CLICK: &str = "http://news.test/w_1;h_2/https%3A%2F%2Fb.test%2Fc%2520d.png%3Fv%3D1";

#[test]
fn every_reading_of_a_path_is_asked_about() {
    let peer = IcapPeer::start(by_name);
    let (gateway, origin) = start(&peer);
    assert_eq!(gateway.client().get(CLICK).status, 200);
    let asked = peer.asked();
    assert_eq!(asked.len(), 16, "{asked:?}");
    assert_eq!(origin.requests().len(), 1);
    // Whichever reading is the blocked one.
    for number in [0, 7, 8, 15] {
        let blocked = asked[number].clone();
        let peer = IcapPeer::start(move |uri| lines(if uri == blocked { "adult" } else { "news" }));
        let (gateway, _origin) = start(&peer);
        assert_eq!(gateway.client().get(CLICK).status, 403, "{}", asked[number]);
    }
}

#[test]
fn all_rounds_of_questions_share_one_deadline() {
    let peer = IcapPeer::start(|_| {
        std::thread::sleep(DEADLINE * 3 / 4);
        lines("news")
    });
    let (gateway, _origin) = start_within(DEADLINE, &peer);
    let mut client = gateway.client();
    assert_eq!(client.get(CLICK).status, 403, "the error action");
    assert!(peer.asked().len() <= 16);
    costs_the_deadline_and_no_more(&mut client, CLICK);
}

#[test]
fn a_bad_reload_leaves_the_old_policy_in_force() {
    let peer = IcapPeer::start(by_name);
    let (mut gateway, _origin) = start(&peer);
    gateway
        .program
        .write("policy.yaml", "profiles: {child: {icap: maybe}}\n");
    gateway.program.signal("HUP");
    gateway.program.wait_for_line(&["policy.yaml", "maybe"]);
    assert!(gateway.program.runs());
    assert_eq!(gateway.client().get("http://adult.test/").status, 403);
    assert_eq!(gateway.client().get("http://news.test/").status, 200);
}

#[test]
fn sigterm_lets_a_request_finish_and_ends_the_program() {
    let peer = IcapPeer::start(by_name);
    let (mut gateway, _origin) = start(&peer);
    let mut client = gateway.client();
    client.send("GET http://news.test/slow/500 HTTP/1.1\r\nHost: news.test\r\n\r\n");
    tests::wait_for("the question", || (!peer.asked().is_empty()).then_some(()));
    let mut idle = gateway.client();
    assert_eq!(idle.get("http://news.test/").status, 200);
    gateway.program.signal("TERM");
    assert_eq!(client.response().text(), "late");
    assert_eq!(idle.rest(), (Vec::new(), End::Closed));
    assert_eq!(gateway.program.stop_status(), 0);
}
