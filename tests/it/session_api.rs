//! The admin API for sessions, asked by its requests and by `weir sessions`.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::client::{Client, Response};
use tests::gateway::{Gateway, Setup};
use tests::origin::Origin;

mod access;
mod commands;
mod document;
mod radius;

/// Each profile leads somewhere else, so that an answer names it. Without one a request passes.
const POLICY: &str = r#"
profiles:
  child: {unknown_action: {redirect: "http://child.test/?m=%M&i=%S"}, default_action: block, error_action: block, undecidable_action: block}
  teen: {unknown_action: {redirect: "http://teen.test/"}, default_action: block, error_action: block, undecidable_action: block}
"#;

const CHANGING: &str = "changing-changing-changing-changing";
const READING: &str = "reading-reading-reading-reading-reading";

const SUBSCRIBER: &str = "127.0.0.2";

struct World {
    gateway: Gateway,
    admin: SocketAddr,
    _origin: Origin,
    /// Where the tokens are.
    files: TempDir,
}

impl World {
    fn start() -> Self {
        Self::start_with("")
    }

    /// Starts with further keys of `sessions`.
    fn start_with(keys: &str) -> Self {
        let origin = Origin::start("web");
        let files = tempfile::tempdir().unwrap();
        std::fs::write(
            files.path().join("tokens"),
            format!("# the portal\n{CHANGING}\n"),
        )
        .unwrap();
        std::fs::write(files.path().join("readers"), READING).unwrap();
        let mut gateway = Setup::new(POLICY)
            .host("web.test", origin.address)
            .line(&sessions(&files, keys))
            .start();
        let admin = gateway.program.address("proxy_admin", 0);
        Self {
            gateway,
            admin,
            _origin: origin,
            files,
        }
    }

    /// Asks as the subscriber; returns where that leads, or `passed`.
    fn browse(&self) -> String {
        leads_to(&mut self.gateway.client_at(SUBSCRIBER))
    }

    fn ask(&self, method: &str, target: &str) -> Response {
        Asked::new(method, target).send(self.admin)
    }

    fn put(&self, range: &str, body: &Value) -> Response {
        let target = format!("/sessions/{range}");
        Asked::new("PUT", &target)
            .json(&body.to_string())
            .send(self.admin)
    }

    fn outcome(&mut self, outcome: &str) -> u64 {
        let row = format!("weir_session_api_requests_total{{outcome=\"{outcome}\"}}");
        self.gateway.metric(&row)
    }
}

fn sessions(files: &TempDir, keys: &str) -> String {
    let files = files.path().display();
    format!(
        "sessions:
  static: [{{clients: ['127.0.0.3/32'], profile: teen}}]
  admin: {{token_file: '{files}/tokens', read_token_file: '{files}/readers'}}
  {keys}"
    )
}

/// A request of the API.
#[derive(Clone)]
struct Asked {
    method: String,
    target: String,
    fields: Vec<String>,
    body: String,
}

impl Asked {
    /// One with a good token.
    fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            fields: vec![format!("Authorization: Bearer {CHANGING}")],
            body: String::new(),
        }
    }

    fn at(&self, method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            ..self.clone()
        }
    }

    fn without_token(mut self) -> Self {
        self.fields.clear();
        self
    }

    fn field(mut self, field: &str) -> Self {
        self.fields.push(field.to_owned());
        self
    }

    fn json(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self.field("Content-Type: application/json")
    }

    fn send(&self, admin: SocketAddr) -> Response {
        let mut client = Client::connect(admin);
        client.send(self.bytes(admin));
        client.response_to(&self.method)
    }

    fn bytes(&self, admin: SocketAddr) -> String {
        let Self {
            method,
            target,
            body,
            ..
        } = self;
        let fields: String = self
            .fields
            .iter()
            .map(|field| format!("{field}\r\n"))
            .collect();
        let len = body.len();
        format!(
            "{method} {target} HTTP/1.1\r\nHost: {admin}\r\n{fields}Content-Length: {len}\r\n\r\n{body}"
        )
    }
}

fn leads_to(client: &mut Client) -> String {
    let response = client.get("http://web.test/page");
    let location = response.header("location").map(str::to_owned);
    location.unwrap_or_else(|| {
        assert_eq!(response.status, 200);
        "passed".to_owned()
    })
}

fn body(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap()
}

#[track_caller]
fn check_problem(response: &Response, status: u16, detail: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(
        response.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(body(response)["detail"], detail);
}

#[test]
fn what_an_operator_says_is_the_profile_of_the_next_request() {
    let mut world = World::start();
    let mut open = world.gateway.client_at(SUBSCRIBER);
    assert_eq!(leads_to(&mut open), "passed");
    let child = json!({"profile": "child", "msisdn": "111220000001", "imsi": "10020000000007"});
    let created = world.put(SUBSCRIBER, &child);
    assert_eq!(
        (created.status, &body(&created)["ranges"]),
        (201, &json!(["127.0.0.2/32"]))
    );
    let leads = "http://child.test/?m=111220000001&i=10020000000007";
    assert_eq!(leads_to(&mut open), leads, "on a connection that was open");
    assert_eq!(
        world
            .put("127.0.0.2%2f32", &json!({"profile": "teen"}))
            .status,
        200
    );
    assert_eq!(leads_to(&mut open), "http://teen.test/");
    assert_eq!(world.put("127.0.0.2/32", &json!({})).status, 200);
    assert_eq!(leads_to(&mut open), "passed", "as the configuration says");
    // A range around it is behind it.
    assert_eq!(
        world
            .put("127.0.0.0/29", &json!({"profile": "child"}))
            .status,
        201
    );
    assert_eq!(leads_to(&mut open), "passed");
    assert_eq!(world.ask("DELETE", "/sessions/127.0.0.2").status, 204);
    assert_eq!(leads_to(&mut open), "http://child.test/?m=&i=");
    assert_eq!(world.ask("DELETE", "/sessions/127.0.0.0/29").status, 204);
    assert_eq!(leads_to(&mut open), "passed");
    // What the configuration has comes after what an operator says, and back.
    let mut fixed = world.gateway.client_at("127.0.0.3");
    assert_eq!(leads_to(&mut fixed), "http://teen.test/");
    assert_eq!(
        world.put("127.0.0.3", &json!({"profile": "child"})).status,
        201
    );
    assert_eq!(leads_to(&mut fixed), "http://child.test/?m=&i=");
    assert_eq!(world.ask("DELETE", "/sessions/127.0.0.3").status, 204);
    assert_eq!(leads_to(&mut fixed), "http://teen.test/");
    for (outcome, count) in [("opened", 3), ("changed", 2), ("closed", 3), ("read", 0)] {
        assert_eq!(world.outcome(outcome), count, "{outcome}");
    }
}

#[test]
fn an_ipv6_prefix_has_every_spelling() {
    let world = World::start();
    assert_eq!(
        world
            .put("2001:db8:7::/64", &json!({"profile": "child"}))
            .status,
        201
    );
    for spelling in [
        "2001:db8:7::/64",
        "2001:DB8:7:0::%2F64",
        "2001%3Adb8%3A7%3A%3A%2f64",
        "2001%3adb8:7::/64",
    ] {
        let found = world.ask("GET", &format!("/sessions/{spelling}"));
        assert_eq!(
            body(&found)["ranges"],
            json!(["2001:db8:7::/64"]),
            "{spelling}"
        );
    }
    let behind = world.ask("GET", "/sessions?client=2001:db8:7::9");
    assert_eq!(body(&behind)["sessions"][0]["profile"], "child");
    assert_eq!(
        world.ask("GET", "/sessions/2001:db8:7::9").status,
        404,
        "it is exact"
    );
}

#[test]
fn pages_have_every_session_that_stays_while_others_change() {
    const STAYING: usize = 2_000;
    let world = World::start();
    let range = |n: usize| format!("10.1.{}.{}", n / 250, n % 250);
    for n in 0..STAYING {
        assert_eq!(world.put(&range(n), &json!({})).status, 201);
    }
    let admin = world.admin;
    let changing = thread::spawn(move || {
        for n in 0..400 {
            let target = format!("/sessions/10.2.{}.{}", n / 250, n % 250);
            let put = Asked::new("PUT", &target).json("{\"profile\": \"teen\"}");
            assert_eq!(put.send(admin).status, 201);
            let change = ["PUT", "DELETE"][n % 2];
            let status = Asked::new(change, &target).json("{}").send(admin).status;
            assert_eq!(status, [200, 204][n % 2]);
        }
    });
    let mut rounds = 0;
    while rounds == 0 || !changing.is_finished() {
        let mut seen = Vec::new();
        let mut target = "/sessions?count=37".to_owned();
        loop {
            let page = body(&world.ask("GET", &target));
            let ranges = page["sessions"].as_array().unwrap().iter();
            let ranges = ranges.map(|it| it["ranges"][0].as_str().unwrap().to_owned());
            let staying = ranges.filter(|range| range.starts_with("10.1."));
            seen.extend(staying);
            let Some(next) = page["next"].as_str() else {
                break;
            };
            target = format!("/sessions?count=37&from={next}");
        }
        assert_eq!(seen.len(), STAYING, "each once");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), STAYING);
        rounds += 1;
    }
    changing.join().unwrap();
}

#[test]
fn a_long_or_slow_body_ends_in_time() {
    let world = World::start();
    let put = |len: usize| {
        let mut client = Client::connect(world.admin);
        client.send(format!(
            "PUT /sessions/10.0.0.1 HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {CHANGING}\r\n\
             Content-Type: application/json\r\nContent-Length: {len}\r\n\r\n",
            world.admin
        ));
        client
    };
    let too_long = "the body is too long; send at most 4096 bytes";
    let mut client = put(900_000);
    client.send(vec![b' '; 900_000]);
    check_problem(&client.response(), 413, too_long);
    let start = Instant::now();
    let mut slow = put(10);
    slow.send("{");
    let mut endless = put(1 << 40);
    while endless.try_send(vec![b' '; 64 * 1024]) {
        assert!(
            start.elapsed() < Duration::from_secs(15),
            "it is not read for ever"
        );
    }
    check_problem(
        &slow.response(),
        408,
        "the body did not come within 5 s; send it again",
    );
    // Who waits to be told to send is answered at once.
    for (fields, status) in [
        (format!("Authorization: Bearer {CHANGING}"), 413),
        ("Authorization: Bearer none".to_owned(), 401),
    ] {
        let mut client = Client::connect(world.admin);
        client.send(format!(
            "PUT /sessions/10.0.0.1 HTTP/1.1\r\nHost: {}\r\n{fields}\r\nExpect: 100-continue\r\n\
             Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n",
            world.admin
        ));
        assert_eq!(client.response().status, status);
    }
    let mut client = Client::connect(world.admin);
    client.send(format!(
        "PUT /sessions/10.0.0.1 HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {CHANGING}\r\n\
         Expect: 100-continue\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        world.admin
    ));
    assert_eq!(client.response().status, 100);
    client.send("1\r\n{\r\n1\r\n}\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 201);
}
