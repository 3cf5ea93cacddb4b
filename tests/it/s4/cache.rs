//! S4 6: what is cached, which entry goes first, and when all are dropped.

use tests::gateway::{Gateway, Setup};
use tests::icap_peer::{IcapPeer, Reply};
use tests::origin::Origin;

use super::{categories, prefix};

const POLICY: &str = r#"
lists: {open: ["http://list.test/"]}
policies: {family: {pass: [news], block: [adult]}}
profiles:
  child:
    icap: true
    policy: family
    pass_list: [open]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: forbidden
  grown:
    icap: true
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
default_profile: child
"#;

struct Set {
    gateway: Gateway,
    peer: IcapPeer,
    _origin: Origin,
}

/// Starts with one worker, so that all connections share one cache.
fn start(peer: IcapPeer, change: impl Fn(Setup) -> Setup) -> Set {
    let origin = Origin::start("web");
    let setup = Setup::new(POLICY)
        .workers(1)
        .host("web.test", origin.address)
        .host("list.test", origin.address)
        .icap(peer.address)
        .icap_line("deadline_ms: 10000");
    Set {
        gateway: change(setup).start(),
        peer,
        _origin: origin,
    }
}

impl Set {
    #[track_caller]
    fn ask(&self, uri: &str, status: u16) {
        let uri = format!("http://{uri}");
        assert_eq!(self.gateway.client().get(&uri).status, status, "{uri}");
    }
}

#[test]
fn s4_6_exact_entries_go_before_prefix_entries() {
    let peer = IcapPeer::start(|uri| match uri {
        "http://web.test/adult/exact" => categories("adult"),
        _ => prefix("news", "http://web.test/".len()),
    });
    let set = start(peer, |setup| setup);
    set.ask("web.test/adult/exact", 403);
    set.ask("web.test/first", 200);
    set.ask("web.test/adult/exact", 403);
    set.ask("web.test/adult/other", 200);
    assert_eq!(
        set.peer.asked(),
        ["http://web.test/adult/exact", "http://web.test/first"]
    );
}

#[test]
fn s4_6_an_answer_without_a_prefix_is_an_exact_entry() {
    let set = start(IcapPeer::start(|_| categories("news")), |setup| setup);
    for path in ["a", "a", "a/b", "a?b", "a/b"] {
        set.ask(&format!("web.test/{path}"), 200);
    }
    assert_eq!(
        set.peer.asked(),
        [
            "http://web.test/a",
            "http://web.test/a/b",
            "http://web.test/a?b"
        ]
    );
}

#[test]
fn s4_6_uris_of_lists_are_cached_as_prefixes() {
    let set = start(IcapPeer::start(|_| categories("adult")), |setup| setup);
    set.ask("list.test/a", 200);
    set.ask("list.test/b", 200);
    set.ask("web.test/other", 403);
    assert_eq!(
        super::sources(&set.gateway, ".test/", 3),
        ["pass_list", "cache", "icap"]
    );
}

#[test]
fn s4_6_the_error_action_is_never_cached() {
    let set = start(IcapPeer::start(|_| Reply::Close), |setup| setup);
    set.ask("web.test/page", 403);
    set.peer.follow(|_| categories("news"));
    tests::wait_for("recovery", || {
        let response = set.gateway.client().get("http://web.test/page");
        (response.status == 200).then_some(())
    });
    let sources = super::sources(&set.gateway, "web.test/page", 2);
    assert_eq!(sources.first().unwrap(), "error");
    assert!(!sources.contains(&"cache".to_owned()), "{sources:?}");
}

#[test]
fn s4_6_a_cache_that_is_off_asks_every_time() {
    let set = start(
        IcapPeer::start(|_| prefix("news", "http://web.test/".len())),
        |setup| setup.proxy_line("cache: {enabled: false}"),
    );
    for uri in ["web.test/a", "web.test/a", "list.test/a", "list.test/a"] {
        set.ask(uri, 200);
    }
    assert_eq!(
        super::sources(&set.gateway, ".test/", 4),
        ["icap", "icap", "pass_list", "pass_list"]
    );
    assert_eq!(set.peer.asked().len(), 2);
}

#[test]
fn s4_6_cache_directives_are_ignored_unless_they_are_to_be_honoured() {
    for (line, asked) in [("cache_control: ignore", 1), ("cache_control: honor", 2)] {
        let peer = IcapPeer::start(|_| {
            Reply::Lines(vec![
                "X-Attribute: news".to_owned(),
                "Cache-Control: no-store".to_owned(),
            ])
        });
        let set = start(peer, |setup| setup.icap_line(line));
        set.ask("web.test/a", 200);
        set.ask("web.test/a", 200);
        assert_eq!(set.peer.asked().len(), asked, "{line}");
    }
}

#[test]
fn s4_6_entries_belong_to_a_profile() {
    let set = start(IcapPeer::start(|_| categories("adult")), |setup| {
        setup.line("sessions: {static: [{clients: [\"127.0.0.2/32\"], profile: grown}]}")
    });
    for _ in 0..2 {
        for (source, status) in [("127.0.0.1", 403), ("127.0.0.2", 200)] {
            let mut client = set.gateway.client_at(source);
            assert_eq!(client.get("http://web.test/a").status, status, "{source}");
        }
    }
    assert_eq!(
        super::sources(&set.gateway, "http://web.test/a", 4),
        ["icap", "default", "cache", "cache"]
    );
}

#[test]
fn s4_6_1_a_modified_tag_in_a_reqmod_answer_flushes() {
    let set = start(IcapPeer::start(|_| categories("news")), |setup| setup);
    set.ask("web.test/a", 200);
    set.ask("web.test/a", 200);
    set.peer.follow(|_| categories("adult"));
    set.ask("web.test/a", 200);
    set.peer.set_tag("two");
    set.ask("web.test/b", 403);
    set.ask("web.test/a", 403);
    assert_eq!(set.peer.asked().len(), 3);
}

#[test]
fn s4_6_1_a_modified_tag_in_an_options_answer_flushes() {
    let peer = IcapPeer::start(|_| categories("news"));
    peer.set_options_ttl(1);
    let set = start(peer, |setup| setup);
    set.ask("web.test/a", 200);
    set.peer.follow(|_| categories("adult"));
    set.ask("web.test/a", 200);
    set.peer.set_tag("two");
    // No question goes out until an OPTIONS answer has brought the new tag.
    tests::wait_for("the flush", || {
        let response = set.gateway.client().get("http://web.test/a");
        (response.status == 403).then_some(())
    });
    assert_eq!(set.peer.asked().len(), 2);
}

#[test]
fn s4_6_1_a_modified_configuration_flushes() {
    let set = start(
        IcapPeer::start(|_| prefix("news", "http://web.test/".len())),
        |setup| setup,
    );
    set.ask("web.test/a", 200);
    set.ask("list.test/", 200);
    set.gateway
        .reload(&POLICY.replace("pass_list", "block_list"));
    set.ask("list.test/", 403);
    set.ask("web.test/b", 200);
    assert_eq!(set.peer.asked(), ["http://web.test/a", "http://web.test/b"]);
}
