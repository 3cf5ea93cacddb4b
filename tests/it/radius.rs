//! RADIUS accounting by programs of others, and the profile of the next request.

mod damages;
mod icap;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use tests::gateway::{Gateway, Setup};
use tests::origin::Origin;
use tests::peers::radius::{RELAY_SECRET, Relay, radclient, unanswered};
use tests::{program_missing, tier_missing, wait_for};

/// Each profile leads somewhere else, so that an answer names it. Without one a request passes.
const POLICY: &str = r#"
profiles:
  kids: {unknown_action: {redirect: "http://kids.test/?m=%M&i=%S"}, default_action: block, error_action: block, undecidable_action: block}
  teens: {unknown_action: {redirect: "http://teens.test/"}, default_action: block, error_action: block, undecidable_action: block}
  access: {unknown_action: {redirect: "http://access.test/"}, default_action: block, error_action: block, undecidable_action: block}
"#;

pub(crate) const SECRET: &str = "weir-secret";

const SUBSCRIBER: &str = "127.0.0.2";

pub(crate) const START: &str = "Acct-Status-Type = Start\nAcct-Session-Id = \"0A01\"\nNAS-IP-Address = 192.0.2.1\n\
    Framed-IP-Address = 127.0.0.2\nFramed-IPv6-Prefix = 2001:db8:7::/64\n\
    Calling-Station-Id = \"111220000001\"\nCalled-Station-Id = \"internet\"\n\
    3GPP-IMSI = \"10020000000007\"\nClass = 0x6b696473\n";

pub(crate) const KIDS: &str = "http://kids.test/?m=111220000001&i=10020000000007";

pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) radius: SocketAddr,
    _origin: Origin,
    /// Where the secret and the snapshot are.
    pub(crate) files: TempDir,
}

impl World {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    fn start_in(files: TempDir) -> Self {
        Self::start_at(files, 0)
    }

    /// Starts with the files of one before, and takes reports at this port.
    pub(crate) fn start_at(files: TempDir, port: u16) -> Self {
        let origin = Origin::start("web");
        std::fs::write(files.path().join("secret"), format!("{SECRET}\n")).unwrap();
        let gateway = Setup::new(POLICY)
            .host("web.test", origin.address)
            .line(&sessions(files.path(), port))
            .start();
        let line = gateway.program.wait_for_line(&["\"listener\":\"radius\""]);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        let fields = json.get("fields").unwrap_or(&json);
        let radius = fields["address"].as_str().unwrap().parse().unwrap();
        Self {
            gateway,
            radius,
            _origin: origin,
            files,
        }
    }

    /// Asks as the subscriber; returns where that leads, or `passed`.
    pub(crate) fn ask(&self) -> String {
        let response = self
            .gateway
            .client_at(SUBSCRIBER)
            .get("http://web.test/page");
        let location = response.header("location").map(str::to_owned);
        location.unwrap_or_else(|| {
            assert_eq!(response.status, 200);
            "passed".to_owned()
        })
    }

    #[track_caller]
    fn report(&self, lines: &str) {
        let (answered, printed) = radclient(self.radius, SECRET, lines);
        assert!(answered, "{printed}");
    }

    fn outcome(&mut self, outcome: &str) -> u64 {
        let row = format!("weir_radius_requests_total{{outcome=\"{outcome}\"}}");
        self.gateway.metric(&row)
    }
}

fn sessions(files: &Path, port: u16) -> String {
    let files = files.display();
    format!(
        "sessions:
  static: [{{clients: ['127.0.0.3/32'], profile: teens}}]
  apn_defaults: {{school: access}}
  live: {{lifetime_s: 600, snapshot: '{files}/snapshot'}}
  radius:
    listen: ['127.0.0.1:{port}']
    clients: [{{address: 127.0.0.1, secret_file: '{files}/secret'}}]
    profiles:
      - {{attribute: class, value: kids, profile: kids, priority: 1}}
      - {{attribute: filter_id, value: teens, profile: teens, priority: 2}}"
    )
}

pub(crate) fn is_missing() -> bool {
    tier_missing(
        "9, real peers",
        program_missing(&["radclient", "freeradius"]),
    )
}

/// One session of the report `START`, told of otherwise.
pub(crate) fn changed(status: &str, more: &str) -> String {
    START.replace("= Start", &format!("= {status}")) + more
}

#[test]
fn what_radclient_reports_is_the_profile_of_the_next_request() {
    if is_missing() {
        return;
    }
    let mut world = World::start();
    let mut open = world.gateway.client_at(SUBSCRIBER);
    assert_eq!(open.get("http://web.test/before").status, 200);
    world.report(START);
    let next = open.get("http://web.test/after");
    assert_eq!(
        next.header("location"),
        Some(KIDS),
        "on a connection that was open"
    );
    assert_eq!(world.ask(), KIDS);
    world.report(&changed("Interim-Update", "Filter-Id = \"teens\"\n"));
    assert_eq!(world.ask(), "http://teens.test/");
    world.report(&changed("Stop", "").replace("0A01", "0A02"));
    assert_eq!(
        world.ask(),
        "http://teens.test/",
        "a Stop of another session"
    );
    world.report(&changed("Stop", ""));
    assert_eq!(world.ask(), "passed");
    assert_eq!(world.gateway.metric("weir_live_sessions"), 0);
    for (outcome, count) in [("opened", 1), ("changed", 1), ("ignored", 1), ("closed", 1)] {
        assert_eq!(world.outcome(outcome), count, "{outcome}");
    }
}

#[test]
fn an_access_point_selects_where_no_attribute_does() {
    if is_missing() {
        return;
    }
    let world = World::start();
    let plain = START.replace("Class = 0x6b696473\n", "");
    world.report(&plain.replace("internet", "School"));
    assert_eq!(world.ask(), "http://access.test/");
}

#[test]
fn an_address_that_is_used_again_and_a_nas_that_is_switched_on() {
    if is_missing() {
        return;
    }
    let world = World::start();
    world.report(&(START.to_owned() + "Event-Timestamp = 1000\n"));
    assert_eq!(world.ask(), "passed", "an event of long ago opens nothing");
    world.report(START);
    let next = START
        .replace("0A01", "0A02")
        .replace("Class = 0x6b696473", "Filter-Id = \"teens\"");
    world.report(&next);
    assert_eq!(world.ask(), "http://teens.test/");
    world.report(&changed("Stop", ""));
    assert_eq!(
        world.ask(),
        "http://teens.test/",
        "the address is another session's"
    );
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        + 2;
    let on = format!(
        "Acct-Status-Type = Accounting-On\nAcct-Session-Id = \"0\"\n\
         NAS-IP-Address = 192.0.2.1\nEvent-Timestamp = {now}\n"
    );
    world.report(&on.replace("192.0.2.1", "192.0.2.9"));
    assert_eq!(world.ask(), "http://teens.test/", "another NAS");
    world.report(&on);
    assert_eq!(world.ask(), "passed");
}

#[test]
fn who_does_not_know_the_secret_changes_nothing() {
    if is_missing() {
        return;
    }
    let mut world = World::start();
    let (answered, printed) = unanswered(world.radius, "another", START);
    assert!(!answered, "{printed}");
    assert_eq!(world.ask(), "passed");
    assert_eq!(world.outcome("wrong_secret"), 1);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let stranger = std::net::UdpSocket::bind("127.0.0.4:0").unwrap();
    for (bytes, outcome) in [
        (&[4, 1, 0, 20][..], "malformed"),
        (&[0; 0], "malformed"),
        (&[4; 4_097], "too_long"),
        (
            &[1, 1, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            "wrong_code",
        ),
    ] {
        let before = world.outcome(outcome);
        socket.send_to(bytes, world.radius).unwrap();
        wait_for(outcome, || (world.outcome(outcome) > before).then_some(()));
    }
    stranger.send_to(&[4; 20], world.radius).unwrap();
    wait_for("the stranger", || {
        (world.outcome("unknown_client") == 1).then_some(())
    });
    world.report(START);
    assert_eq!(world.ask(), KIDS, "it goes on");
}

#[test]
fn a_replaced_secret_counts_after_a_reload() {
    if is_missing() {
        return;
    }
    let world = World::start();
    std::fs::write(world.files.path().join("secret"), "new-secret").unwrap();
    world.gateway.reload(POLICY);
    assert!(!unanswered(world.radius, SECRET, START).0);
    assert!(radclient(world.radius, "new-secret", START).0);
    assert_eq!(world.ask(), KIDS, "live sessions stay over a reload");
    world.gateway.reload(POLICY);
    assert_eq!(world.ask(), KIDS);
}

#[test]
fn freeradius_passes_accounting_on() {
    if is_missing() {
        return;
    }
    let world = World::start();
    let relay = Relay::start(world.radius, SECRET);
    let starting = || {
        unanswered(relay.address, RELAY_SECRET, START)
            .0
            .then_some(())
    };
    wait_for("FreeRADIUS", starting);
    assert_eq!(world.ask(), KIDS, "{}", relay.output());
    let (answered, printed) = radclient(relay.address, RELAY_SECRET, &changed("Stop", ""));
    assert!(answered, "{printed}\n{}", relay.output());
    assert_eq!(world.ask(), "passed");
}

#[test]
fn live_sessions_outlive_a_restart() {
    if is_missing() {
        return;
    }
    let mut world = World::start();
    world.report(START);
    assert_eq!(world.gateway.program.stop(), 0);
    let world = World::start_in(world.files);
    assert_eq!(world.ask(), KIDS);
    world
        .gateway
        .program
        .wait_for_line(&["live sessions restored"]);
    let files = world.files;
    let mut gateway = world.gateway;
    assert_eq!(gateway.program.stop(), 0);
    let path = files.path().join("snapshot");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let world = World::start_in(files);
    world
        .gateway
        .program
        .wait_for_line(&["the snapshot of live sessions is refused", "checksum"]);
    assert_eq!(world.ask(), "passed");
}
