//! Two gateways that share their live sessions in a real Redis.

mod admin;
mod tls;

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;
use tests::client::Client;
use tests::gateway::{Gateway, Setup};
use tests::origin::Origin;
use tests::peers::radius::{radclient, unanswered};
use tests::peers::redis::Redis;
use tests::program::write_files;
use tests::{program_missing, tier_missing, wait_for};

use crate::radius::{KIDS, SECRET, START};

/// Each profile leads somewhere else, so that an answer names it. Without one a request passes.
const POLICY: &str = r#"
profiles:
  kids: {unknown_action: {redirect: "http://kids.test/?m=%M&i=%S"}, default_action: block, error_action: block, undecidable_action: block}
  away: {unknown_action: {redirect: "http://away.test/"}, default_action: block, error_action: block, undecidable_action: block}
"#;

const STOP: &str = "Acct-Status-Type = Stop\nAcct-Session-Id = \"0A01\"\n\
    NAS-IP-Address = 192.0.2.1\nFramed-IP-Address = 127.0.0.2\n";

/// Nothing that is acknowledged is lost with the process: otherwise Redis answers before it has written
/// as long as its disk is busy.
const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// What the admin API asks for.
const TOKEN: &str = "changing-changing-changing-changing";

/// Two proxies, each with a RADIUS listener.
struct World {
    gateways: [Gateway; 2],
    radius: Vec<SocketAddr>,
    _origin: Origin,
    _files: TempDir,
}

impl World {
    fn start(redis: &Redis, lines: &str) -> Self {
        Self::start_at(&format!("unix:{}", redis.socket().display()), lines)
    }

    fn start_at(redis: &str, lines: &str) -> Self {
        Self::start_with(redis, lines, &[])
    }

    /// Starts with further files, which `lines` call `FILES/NAME`.
    fn start_with(redis: &str, lines: &str, more: &[(&str, &str)]) -> Self {
        let files = tempfile::tempdir().unwrap();
        write_files(files.path(), more);
        std::fs::write(files.path().join("secret"), format!("{SECRET}\n")).unwrap();
        std::fs::write(files.path().join("password"), "right\n").unwrap();
        std::fs::write(files.path().join("tokens"), TOKEN).unwrap();
        let origin = Origin::start("web");
        let setup = Setup::new(POLICY)
            .host("web.test", origin.address)
            .line(&sessions(redis, files.path(), lines));
        let gateways = [setup.start(), setup.start()];
        let radius = gateways.iter().map(radius).collect();
        Self {
            gateways,
            radius,
            _origin: origin,
            _files: files,
        }
    }

    fn wait_until(&mut self, up: u64) {
        for gateway in &mut self.gateways {
            gateway.wait_for_metric("weir_session_store_up", |it| it == up);
        }
    }

    /// Asks a gateway as the client at this address; returns where that leads, or `passed`.
    fn ask(&self, gateway: usize, client: &str) -> String {
        let mut client = self.gateways[gateway].client_at(client);
        let response = client.get("http://web.test/page");
        let location = response.header("location").map(str::to_owned);
        location.unwrap_or_else(|| {
            assert_eq!(response.status, 200);
            "passed".to_owned()
        })
    }

    /// Waits until a gateway answers a client so.
    #[track_caller]
    fn wait_for(&self, gateway: usize, client: &str, expected: &str) {
        wait_for(
            &format!("{expected} for {client} at gateway {gateway}"),
            || (self.ask(gateway, client) == expected).then_some(()),
        );
    }

    #[track_caller]
    fn report(&self, gateway: usize, lines: &str) {
        let (answered, printed) = radclient(self.radius[gateway], SECRET, lines);
        assert!(answered, "{printed}");
    }

    /// Reports where nobody keeps it, so that there is no answer.
    #[track_caller]
    fn report_in_vain(&self, gateway: usize, lines: &str) {
        let (answered, printed) = unanswered(self.radius[gateway], SECRET, lines);
        assert!(!answered, "{printed}");
    }
}

fn radius(gateway: &Gateway) -> SocketAddr {
    let line = gateway.program.wait_for_line(&["\"listener\":\"radius\""]);
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    let fields = json.get("fields").unwrap_or(&json);
    fields["address"].as_str().unwrap().parse().unwrap()
}

fn sessions(redis: &str, files: &Path, lines: &str) -> String {
    let files = files.display();
    format!(
        "sessions:
  live: {{lifetime_s: 600}}
  redis: {{address: '{redis}', timeout_ms: 5000{lines}}}
  admin: {{token_file: '{files}/tokens'}}
  radius:
    listen: ['127.0.0.1:0']
    clients: [{{address: 127.0.0.1, secret_file: '{files}/secret'}}]
    profiles:
      - {{attribute: class, value: kids, profile: kids, priority: 1}}"
    )
    .replace("FILES", &files.to_string())
}

fn is_missing() -> bool {
    let missing = program_missing(&["redis-server", "radclient"]);
    tier_missing("9 (Redis)", missing)
}

#[test]
fn what_is_reported_at_one_gateway_is_in_force_at_the_other() {
    if is_missing() {
        return;
    }
    let redis = Redis::start(&["--requirepass", "right"]);
    let lines = ", password_file: 'FILES/password', realm: north";
    let mut world = World::start(&redis, lines);
    world.wait_until(1);
    assert_eq!(world.ask(1, "127.0.0.2"), "passed");
    world.report(0, START);
    assert_eq!(world.ask(0, "127.0.0.2"), KIDS, "its own next request");
    world.wait_for(1, "127.0.0.2", KIDS);
    world.report(1, STOP);
    assert_eq!(world.ask(1, "127.0.0.2"), "passed");
    world.wait_for(0, "127.0.0.2", "passed");
    for gateway in &mut world.gateways {
        assert_eq!(gateway.program.stop(), 0);
    }
}

#[test]
fn known_sessions_outlive_redis_and_others_take_the_action() {
    if is_missing() {
        return;
    }
    let mut redis = Redis::start(&DURABLE);
    let mut world = World::start(&redis, ", unavailable: {profile: away}");
    world.wait_until(1);
    world.report(0, START);
    world.wait_for(1, "127.0.0.2", KIDS);
    redis.kill();
    world.wait_until(0);
    assert_eq!(world.ask(1, "127.0.0.2"), KIDS, "known");
    assert_eq!(world.ask(1, "127.0.0.3"), "http://away.test/", "not known");
    let other = START
        .replace("0A01", "0A02")
        .replace("127.0.0.2", "127.0.0.3");
    world.report_in_vain(0, &other);
    redis.start_again();
    world.wait_until(1);
    assert_eq!(world.ask(0, "127.0.0.2"), KIDS, "it was acknowledged");
    world.report(0, &other);
    world.wait_for(1, "127.0.0.3", KIDS);
}

#[test]
fn a_gateway_starts_and_is_ready_without_redis() {
    if is_missing() {
        return;
    }
    let redis = Redis::start(&["--requirepass", "other"]);
    let lines = ", password_file: 'FILES/password', unavailable: 'off'";
    let mut world = World::start(&redis, lines);
    for gateway in &mut world.gateways {
        gateway
            .program
            .wait_for_line(&["the store of sessions cannot be reached", "WRONGPASS"]);
        let admin = gateway.program.address("proxy_admin", 0);
        let mut client = Client::connect(admin);
        client.send("GET /ready HTTP/1.1\r\nHost: admin\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(world.ask(0, "127.0.0.2"), "passed", "it is not filtered");
    world.report_in_vain(0, START);
}
