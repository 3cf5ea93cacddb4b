//! S4 4.1 and 4.3: profiles that the policy server selects. A NAS reports by radclient, the
//! policy server is python-diameter, and the next request through the proxy shows what became of
//! it.

use std::net::SocketAddr;

use tempfile::TempDir;
use tests::client::Client;
use tests::gateway::{Gateway, Setup};
use tests::origin::Origin;
use tests::peers::policy_server::PolicyServer;
use tests::peers::radius::radclient;
use tests::peers::{self, diameter as peer};
use tests::{program_missing, tier_missing, wait_for};

/// Each profile leads somewhere else, so that an answer names it. Without one a request passes.
const POLICY: &str = r#"
profiles:
  child: {id: 7, unknown_action: {redirect: "http://child.test/?m=%M"}, default_action: block, error_action: block, undecidable_action: block}
  teen: {id: 9, unknown_action: {redirect: "http://teen.test/"}, default_action: block, error_action: block, undecidable_action: block}
  access: {unknown_action: {redirect: "http://access.test/"}, default_action: block, error_action: block, undecidable_action: block}
"#;

const SECRET: &str = "weir-secret";
const SUBSCRIBER: &str = "127.0.0.2";
const CHILD: &str = "http://child.test/?m=111220000001";
const TEEN: &str = "http://teen.test/";
const ACCESS: &str = "http://access.test/";
const PASSED: &str = "passed";

/// What the policy server says at first: it knows the AVP, and names profile 7.
const ABLE: &str = r#"{"1": {"id": 7, "flags": 1}}"#;

/// The network of an operator: gateway, policy server, a web server, and who reports.
struct World {
    gateway: Gateway,
    policy_server: PolicyServer,
    radius: SocketAddr,
    _origin: Origin,
    files: TempDir,
}

impl World {
    /// Starts with keys of `sessions.gx`, and whether the access point has a profile.
    fn start(keys: &str, apn_default: &str) -> Self {
        let address = peers::free_address();
        let policy_server = PolicyServer::start(address, "weir", 1);
        let files = tempfile::tempdir().unwrap();
        Self::with((policy_server, address), keys, apn_default, files)
    }

    fn with(
        (policy_server, dialled): (PolicyServer, SocketAddr),
        keys: &str,
        apn_default: &str,
        files: TempDir,
    ) -> Self {
        std::fs::write(files.path().join("secret"), SECRET).unwrap();
        let origin = Origin::start("web");
        let folder = files.path().display();
        let (ip, port) = (dialled.ip(), dialled.port());
        let sessions = format!(
            "sessions:
  apn_defaults: {{{apn_default}}}
  rules: [{{rule: acr-child, profile: child, priority: 10}}, {{rule: acr-teen, profile: teen, priority: 5}}]
  live: {{snapshot: '{folder}/snapshot'}}
  radius: {{listen: ['127.0.0.1:0'], clients: [{{address: 127.0.0.1, secret_file: '{folder}/secret'}}]}}
  gx:
    peers: [{{host: '{ip}', port: {port}}}]
    identity: weir.weir.test
    realm: weir.test
    back_off: {{first_ms: 100, max_ms: 1000}}
    retry_s: 1
    {keys}"
        );
        let gateway = Setup::new(POLICY)
            .host("web.test", origin.address)
            .line(&sessions)
            .start();
        let line = gateway.program.wait_for_line(&["\"listener\":\"radius\""]);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        let fields = json.get("fields").unwrap_or(&json);
        Self {
            radius: fields["address"].as_str().unwrap().parse().unwrap(),
            gateway,
            policy_server,
            _origin: origin,
            files,
        }
    }

    /// A session that the policy server has given profile 7.
    fn activated(keys: &str, apn_default: &str) -> Self {
        let world = Self::start(keys, apn_default);
        world.policy_server.says(ABLE);
        world.report("Start", "");
        world.wait_for(CHILD);
        world
    }

    #[track_caller]
    fn report(&self, status: &str, more: &str) {
        let lines = format!(
            "Acct-Status-Type = {status}\nAcct-Session-Id = \"0A01\"\nNAS-IP-Address = 192.0.2.1\n\
             Framed-IP-Address = {SUBSCRIBER}\nCalling-Station-Id = \"111220000001\"\n\
             Called-Station-Id = \"internet\"\n3GPP-IMSI = \"10020000000007\"\n{more}"
        );
        let (answered, printed) = radclient(self.radius, SECRET, &lines);
        assert!(answered, "{printed}");
    }

    /// Asks as the subscriber; returns where that leads, or `passed`.
    fn ask(&self) -> String {
        ask(&mut self.gateway.client_at(SUBSCRIBER))
    }

    /// Waits until the subscriber is sent there: the answer of the policy server is on its way.
    #[track_caller]
    fn wait_for(&self, expected: &str) {
        wait_for(expected, || (self.ask() == expected).then_some(()));
    }
}

fn ask(client: &mut Client) -> String {
    let response = client.get("http://web.test/page");
    let location = response.header("location").map(str::to_owned);
    location.unwrap_or_else(|| {
        assert_eq!(response.status, 200);
        PASSED.to_owned()
    })
}

fn is_missing() -> bool {
    let missing = program_missing(&["radclient"]).or_else(peer::pcrf_missing);
    tier_missing("9, real peers", missing)
}

const CAPABILITY: &str = "capability: {value: 1}";
const APN: &str = "internet: access";

#[test]
fn s4_figure_3_a_profile_from_activation_to_the_end() {
    if is_missing() {
        return;
    }
    let mut world = World::start(CAPABILITY, "");
    world.policy_server.says(ABLE);
    let mut open = world.gateway.client_at(SUBSCRIBER);
    assert_eq!(ask(&mut open), PASSED);
    world.report("Start", "");
    world.wait_for(CHILD);
    assert_eq!(ask(&mut open), CHILD, "on a connection that was open");
    let asked = world.policy_server.asked(1, 1);
    let about = "number 0 msisdn 111220000001 imsi 10020000000007 apn internet flags [1] session ";
    assert!(asked.starts_with(about), "{asked}");
    world.report("Stop", "");
    assert_eq!(ask(&mut open), PASSED);
    let ended = world.policy_server.asked(3, 1);
    let session = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
    assert_eq!(session(&ended), session(&asked));
    let row = "weir_gx_requests_total{kind=\"termination\",outcome=\"answered\"}";
    world.gateway.wait_for_metric(row, |count| count == 1);
    assert_eq!(world.gateway.metric("weir_gx_sessions"), 0);
}

#[test]
fn s4_figure_3_needs_the_capability_in_both_messages() {
    if is_missing() {
        return;
    }
    for (answers, expected) in [
        (r#"{"1": {"id": 9}}"#, ACCESS),
        (r#"{"1": {"id": 9, "flags": 2}}"#, ACCESS),
        (r#"{"1": {"id": 9, "flags": 3}}"#, TEEN),
    ] {
        let mut world = World::start(CAPABILITY, APN);
        world.policy_server.says(answers);
        world.report("Start", "");
        let row = "weir_gx_requests_total{kind=\"initial\",outcome=\"answered\"}";
        world.gateway.wait_for_metric(row, |count| count == 1);
        // What the answer says is in force a moment after it is counted.
        world.wait_for(expected);
    }
}

#[test]
fn s4_figure_3_with_charging_rules() {
    if is_missing() {
        return;
    }
    let world = World::start("", APN);
    world
        .policy_server
        .says(r#"{"1": {"install": ["acr-teen", "acr-other", "acr-child"]}}"#);
    world.report("Start", "");
    world.wait_for(CHILD);
    let re_authorizes = |said| world.policy_server.re_authorizes(said);
    assert_eq!(re_authorizes(r#"{"remove": ["acr-child"]}"#), "2001");
    assert_eq!(world.ask(), TEEN, "the rule that is left");
    assert_eq!(re_authorizes(r#"{"remove": ["acr-teen"]}"#), "2001");
    assert_eq!(world.ask(), ACCESS, "no rule of a profile is left");
    assert_eq!(
        re_authorizes(r#"{"install": ["acr-teen"], "id": 7}"#),
        "2001"
    );
    assert_eq!(world.ask(), CHILD, "the id comes before the rules");
}

#[test]
fn s4_figure_4_an_update_brings_another_profile() {
    if is_missing() {
        return;
    }
    for release in ["7", "8"] {
        let world = World::activated(&format!("release: {release}"), APN);
        let mut open = world.gateway.client_at(SUBSCRIBER);
        assert_eq!(ask(&mut open), CHILD);
        world.policy_server.says(r#"{"2": {"id": 9}}"#);
        world.report("Interim-Update", "Framed-IPv6-Prefix = 2001:db8:7::/64\n");
        world.wait_for(TEEN);
        assert_eq!(ask(&mut open), TEEN, "on a connection that was open");
        world.report("Interim-Update", "Framed-IPv6-Prefix = 2001:db8:7::/64\n");
        world.report("Stop", "");
        world.policy_server.asked(3, 1);
        let updates = world.policy_server.lines("CCR 2 ").len();
        assert_eq!(updates, 1, "the second report says nothing new");
    }
}

#[test]
fn s4_4_3_2_the_next_request_after_the_answer_to_a_rar_has_the_new_profile() {
    if is_missing() {
        return;
    }
    let world = World::activated("", "");
    let mut open = world.gateway.client_at(SUBSCRIBER);
    for (id, expected) in [("9", TEEN), ("7", CHILD), ("9", TEEN)] {
        let said = format!("{{\"id\": {id}}}");
        assert_eq!(world.policy_server.re_authorizes(&said), "2001");
        assert_eq!(ask(&mut open), expected);
        assert_eq!(world.ask(), expected);
    }
}

#[test]
fn s4_4_3_3_an_update_without_a_profile_ends_it() {
    if is_missing() {
        return;
    }
    for (apn_default, expected) in [(APN, ACCESS), ("", PASSED)] {
        let world = World::activated("release: 7", apn_default);
        let mut open = world.gateway.client_at(SUBSCRIBER);
        assert_eq!(ask(&mut open), CHILD);
        world.policy_server.says("{}");
        world.report("Interim-Update", "Framed-IPv6-Prefix = 2001:db8:7::/64\n");
        world.wait_for(expected);
        assert_eq!(ask(&mut open), expected, "on a connection that was open");
    }
}

#[test]
fn s4_4_1_1_the_table_of_release_8() {
    if is_missing() {
        return;
    }
    let world = World::activated("", APN);
    for (said, expected) in [
        (r#"{"id": 9}"#, TEEN),
        ("{}", TEEN),
        (r#"{"id": 1234}"#, PASSED),
        (r#"{"id": 7}"#, CHILD),
        (r#"{"id": 4294967295}"#, PASSED),
        ("{}", PASSED),
    ] {
        assert_eq!(world.policy_server.re_authorizes(said), "2001");
        assert_eq!(world.ask(), expected, "{said}");
    }
    world.policy_server.says(r#"{"2": {"id": 9}}"#);
    world.report("Interim-Update", "Framed-IPv6-Prefix = 2001:db8:7::/64\n");
    world.wait_for(TEEN);
    world.policy_server.says("{}");
    world.report("Interim-Update", "Framed-IPv6-Prefix = 2001:db8:8::/64\n");
    world.policy_server.asked(2, 2);
    assert_eq!(world.policy_server.re_authorizes("{}"), "2001");
    assert_eq!(world.ask(), TEEN, "an update without an id changes nothing");
}

#[test]
fn s4_4_1_1_the_table_of_release_7() {
    if is_missing() {
        return;
    }
    let world = World::activated("release: 7", APN);
    assert_eq!(world.policy_server.re_authorizes(r#"{"id": 9}"#), "2001");
    assert_eq!(world.ask(), ACCESS, "a RAR carries no id");
    for (nth, said, expected) in [
        (1, r#"{"2": {"id": 9}}"#, TEEN),
        (2, r#"{"2": {"id": 1234}}"#, PASSED),
        (3, r#"{"2": {"id": 7}}"#, CHILD),
        (4, r#"{"2": {"id": 4294967295}}"#, PASSED),
        (5, "{}", ACCESS),
    ] {
        world.policy_server.says(said);
        let prefix = format!("Framed-IPv6-Prefix = 2001:db8:{nth}::/64\n");
        world.report("Interim-Update", &prefix);
        world.wait_for(expected);
    }
}

#[test]
fn s4_figure_3_through_free_diameter() {
    let missing = program_missing(&["radclient"]).or_else(peer::pcrf_missing);
    if tier_missing("9, real peers", missing.or_else(peer::relay_missing)) {
        return;
    }
    let [pcrf, relay] = ["10.99.0.11", "10.99.0.12"];
    peer::Island::new(&[pcrf, relay]).within(|| {
        let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), peer::PORT);
        let policy_server = PolicyServer::start(at(pcrf), "dra", 1);
        policy_server.says(ABLE);
        let _relay = peer::relay(at(relay), at(pcrf));
        let files = tempfile::tempdir().unwrap();
        let world = World::with((policy_server, at(relay)), CAPABILITY, APN, files);
        world.report("Start", "");
        world.wait_for(CHILD);
        let mut open = world.gateway.client_at(SUBSCRIBER);
        assert_eq!(ask(&mut open), CHILD);
        assert_eq!(world.policy_server.re_authorizes(r#"{"id": 9}"#), "2001");
        assert_eq!(ask(&mut open), TEEN, "on a connection that was open");
        world.report("Stop", "");
        assert_eq!(ask(&mut open), PASSED);
        world.policy_server.asked(3, 1);
    });
}

#[test]
fn s4_4_a_session_that_was_restored_is_opened_anew() {
    if is_missing() {
        return;
    }
    let mut world = World::activated("", APN);
    let first = world.policy_server.asked(1, 1);
    assert_eq!(world.gateway.program.stop(), 0);
    assert_eq!(world.policy_server.lines("CCR 3 "), [""; 0], "it stays");
    world.policy_server.says(r#"{"1": {"id": 9}}"#);
    let dialled = world.policy_server.address();
    let world = World::with((world.policy_server, dialled), "", APN, world.files);
    let again = world.policy_server.asked(1, 2);
    assert_ne!(again, first, "another Session-Id");
    world.wait_for(TEEN);
    assert_eq!(world.policy_server.re_authorizes(r#"{"id": 7}"#), "2001");
    assert_eq!(world.ask(), CHILD);
}

#[test]
fn s4_4_a_policy_server_that_restarted_is_told_of_sessions_anew() {
    if is_missing() {
        return;
    }
    let World {
        mut gateway,
        policy_server,
        _origin,
        ..
    } = World::activated("", APN);
    let dialled = policy_server.address();
    drop(policy_server);
    gateway.wait_for_metric("weir_gx_peers_up", |peers| peers == 0);
    let asks = || ask(&mut gateway.client_at(SUBSCRIBER));
    assert_eq!(asks(), CHILD, "what was selected stays");
    let policy_server = PolicyServer::start(dialled, "weir", 2);
    let anew = policy_server.asked(1, 1);
    assert!(anew.starts_with("number 0 "), "{anew}");
    assert_eq!(policy_server.re_authorizes(r#"{"id": 9}"#), "2001");
    assert_eq!(asks(), TEEN);
}
