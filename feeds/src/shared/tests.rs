//! Stores beside a real Redis.

use std::net::IpAddr;

use ipnet::IpNet;
use sessions::{Applied, Assignment, LiveLimits, Report, Selected, SessionId, Switched};
use tokio::time::timeout;

use super::*;

mod agreement;
mod outages;

#[expect(unreachable_pub, reason = "other tests use it too")]
#[path = "../../../tests/src/peers/redis.rs"]
mod peer;

use peer::Redis;

/// How long anything may take here before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway's store.
struct Gateway {
    store: Arc<SharedStore>,
    metrics: Metrics,
    drain: Drain,
}

impl Gateway {
    fn start(config: Config) -> Self {
        let (metrics, drain) = (Metrics::default(), Drain::default());
        let store = SharedStore::start(config, &metrics, &drain);
        Self {
            store,
            metrics,
            drain,
        }
    }

    async fn up(config: Config) -> Self {
        let gateway = Self::start(config);
        gateway.wait_until(true).await;
        gateway
    }

    /// Two that share a store.
    async fn two(redis: &Redis) -> (Self, Self) {
        (Self::up(config(redis)).await, Self::up(config(redis)).await)
    }

    async fn wait_until(&self, is_up: bool) {
        let change = async {
            while self.store.shared.epochs.now().is_open != is_up {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, change).await.expect("up or down in time");
    }

    async fn change(&self, change: Change) -> Result<Effect, Unstored> {
        self.store.change(change, 20).await
    }

    async fn applied(&self, change: Change) -> Applied {
        self.change(change).await.unwrap().applied
    }

    async fn id_at(&self, client: &str) -> Option<String> {
        let client: IpAddr = client.parse().unwrap();
        let record = self.store.behind(client).answer().await.unwrap()?;
        Some(String::from_utf8(record.id().bytes().to_vec()).unwrap())
    }

    /// Waits until the session behind an address is this one.
    async fn wait_for(&self, client: &str, id: Option<&str>) {
        let found = async {
            while self.id_at(client).await.as_deref() != id {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, found).await.expect("found in time");
    }

    async fn stop(self) {
        self.drain.drain(Duration::from_secs(1)).await.unwrap();
    }
}

fn config(redis: &Redis) -> Config {
    at(Address::Unix(redis.socket()))
}

fn at(address: Address) -> Config {
    Config {
        address,
        tls: None,
        login: None,
        database: 0,
        realm: "".into(),
        timeout: Duration::from_secs(5),
        entries_max: 1_024,
        entry_lifetime_s: 60,
        outage_s: 600,
        lifetime_s: 100,
        watch: Watch::Nothing,
    }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn report(id: &str, ranges: &[&str], event_s: u32) -> Change {
    Change::Report(Report {
        nas: "nas".into(),
        id: SessionId::new(id.as_bytes()).unwrap(),
        ranges: ranges.iter().map(|range| net(range)).collect(),
        msisdn: None,
        imsi: None,
        apn: Some("internet".into()),
        profile: None,
        event_s,
    })
}

fn close(id: &str, event_s: u32) -> Change {
    Change::Close {
        nas: "nas".into(),
        id: SessionId::new(id.as_bytes()).unwrap(),
        event_s,
    }
}

fn select(session: SessionKey, profile: &str) -> Change {
    Change::Select {
        session,
        selected: Selected::Profile(profile.into()),
        origin: sessions::Origin::ProfileId,
    }
}

fn is_missing() -> bool {
    let is_there = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|dir| dir.join("redis-server").exists());
    if !is_there {
        assert!(
            std::env::var_os("WEIR_REQUIRE_ALL").is_none(),
            "redis-server is missing"
        );
        eprintln!("skipped: redis-server is missing");
    }
    !is_there
}

#[tokio::test]
async fn what_one_gateway_writes_another_finds() {
    if is_missing() {
        return;
    }
    let redis = Redis::start(&[]);
    let (a, b) = Gateway::two(&redis).await;
    assert_eq!(b.id_at("10.0.0.1").await, None);
    let ranges = ["10.0.0.1/32", "2001:db8:7::/64"];
    let opened = a.applied(report("a", &ranges, 10)).await;
    let Applied::Opened(opened) = opened else {
        panic!("{opened:?}");
    };
    assert_eq!(a.id_at("10.0.0.1").await.as_deref(), Some("a"));
    b.wait_for("::ffff:10.0.0.1", Some("a")).await;
    b.wait_for("2001:db8:7::9", Some("a")).await;
    assert_eq!(b.id_at("2001:db8:8::9").await, None);
    let found = b.store.get(net("10.0.0.1/32")).await.unwrap().unwrap();
    assert_eq!(b.store.key(&found), a.store.key(&opened));
    assert_eq!(found.apn.as_deref(), Some("internet"));
    // What is known is answered without a question.
    let known = b.store.lookup("10.0.0.1".parse().unwrap());
    assert!(matches!(known, Lookup::Known(Some(_))), "{known:?}");
    assert!(matches!(
        b.applied(close("a", 30)).await,
        Applied::Closed(_)
    ));
    assert_eq!(b.id_at("10.0.0.1").await, None);
    a.wait_for("10.0.0.1", None).await;
    a.wait_for("2001:db8:7::9", None).await;
    assert!(a.metrics.asked.get() > 0 && b.metrics.known.get() > 0);
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_switched_nas_ends_its_sessions_everywhere_at_once() {
    if is_missing() {
        return;
    }
    let redis = Redis::start(&[]);
    let (a, b) = Gateway::two(&redis).await;
    for n in 0..200 {
        let range = format!("10.0.0.{n}/32");
        a.change(report(&format!("s{n}"), &[&range], 10))
            .await
            .unwrap();
    }
    b.wait_for("10.0.0.7", Some("s7")).await;
    let before = redis.call(&["INFO", "commandstats"]);
    let switch = Change::Switch {
        nas: "nas".into(),
        switched: Switched::Off,
        event_s: 20,
    };
    assert!(matches!(a.applied(switch.clone()).await, Applied::Switched));
    assert!(matches!(b.applied(switch).await, Applied::Stale));
    assert_eq!(a.id_at("10.0.0.7").await, None);
    b.wait_for("10.0.0.7", None).await;
    let after = redis.call(&["INFO", "commandstats"]);
    let sets = |text: &str| {
        let (_, calls) = text.split_once("cmdstat_setex:calls=").unwrap();
        let (digits, _) = calls.split_once(',').unwrap();
        digits.parse::<u32>().unwrap()
    };
    assert_eq!(sets(&after) - sets(&before), 1, "however many it has");
    assert!(matches!(
        b.applied(report("s7", &["10.0.0.7/32"], 20)).await,
        Applied::Stale
    ));
}

#[tokio::test]
async fn changes_of_one_session_keep_their_order_and_nobody_has_to_wait() {
    if is_missing() {
        return;
    }
    let redis = Redis::start(&[]);
    let a = Gateway::up(config(&redis)).await;
    let mut last = Vec::new();
    for n in 0..100 {
        let id = format!("s{n}");
        let range = format!("10.0.0.{n}/32");
        for event_s in 0..9 {
            // The answer is thrown away: the change is under way all the same.
            drop(a.store.change(report(&id, &[&range], event_s), 20));
        }
        last.push(a.store.change(close(&id, 9), 20));
        last.push(a.store.change(report(&id, &[&range], 10), 20));
    }
    for (nth, answer) in last.into_iter().enumerate() {
        let applied = answer.await.unwrap().applied;
        match nth % 2 {
            0 => assert!(matches!(applied, Applied::Closed(_)), "{applied:?}"),
            _ => assert!(matches!(applied, Applied::Opened(_)), "{applied:?}"),
        }
    }
    assert_eq!(a.id_at("10.0.0.99").await.as_deref(), Some("s99"));
}

#[tokio::test]
async fn two_gateways_that_write_one_address_leave_one_whole_session() {
    if is_missing() {
        return;
    }
    let redis = Redis::start(&[]);
    let (a, b) = Gateway::two(&redis).await;
    let mut answers = Vec::new();
    for n in 0..6 {
        let ranges = ["10.0.0.1/32", "2001:db8::/64"];
        answers.push(a.store.change(report(&format!("a{n}"), &ranges, 10), 20));
        answers.push(b.store.change(report(&format!("b{n}"), &ranges, 10), 20));
    }
    let mut ended = Vec::new();
    for answer in answers {
        let effect = answer.await.unwrap();
        assert!(matches!(effect.applied, Applied::Opened(_)));
        ended.extend(effect.ended.iter().map(|it| it.id().bytes().to_vec()));
    }
    assert_eq!(ended.len(), 11, "each but the last ended once");
    let owner = a.id_at("10.0.0.1").await.unwrap();
    assert_eq!(b.store.page(None, 10).await.unwrap().sessions.len(), 1);
    b.wait_for("2001:db8::1", Some(&owner)).await;
    assert!(a.metrics.retries.get() + b.metrics.retries.get() > 0);
}

#[tokio::test]
async fn pages_have_every_session_and_an_operator_keeps_the_profile() {
    if is_missing() {
        return;
    }
    let redis = Redis::start(&[]);
    let mut north = config(&redis);
    north.realm = "north*".into();
    let (a, b) = (Gateway::up(config(&redis)).await, Gateway::up(north).await);
    for n in 0..3_000 {
        let range = format!("10.0.{}.{}/32", n / 250, n % 250);
        let ipv6 = format!("2001:db8:{n}::/64");
        drop(
            a.store
                .change(report(&format!("s{n}"), &[&range, &ipv6], 10), 20),
        );
        if n % 1_000 == 0 {
            a.change(report("s0", &[], 10)).await.unwrap();
        }
    }
    let strict = Assignment {
        profile: Some("strict".into()),
        ..Assignment::default()
    };
    let range = net("10.9.9.9/32");
    a.change(Change::Assign(range, strict.clone()))
        .await
        .unwrap();
    b.change(Change::Assign(range, strict)).await.unwrap();
    let (mut seen, mut from) = (Vec::new(), None);
    loop {
        let page = a.store.page(from, 100).await.unwrap();
        assert!(page.sessions.len() <= PAGE_MAX);
        seen.extend(page.sessions.iter().map(|it| it.id().bytes().to_vec()));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 3_001);
    let page = b.store.page(None, 100).await.unwrap();
    assert_eq!(page.sessions.len(), 1, "of its own realm");
    let ttl = redis.call(&["TTL", "weir:r:10.9.9.9/32"]);
    assert_eq!(ttl, ":-1\r\n", "an operator's session stays");
    let ttl = redis.call(&["TTL", "weir:r:10.0.0.1/32"]);
    let ttl: i32 = ttl.trim_matches([':', '\r', '\n']).parse().unwrap();
    assert!((80..=100).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn the_gateway_that_took_a_report_hears_what_others_do() {
    if is_missing() {
        return;
    }
    let redis = Redis::start(&[]);
    let watching = Config {
        watch: Watch::Reported,
        ..config(&redis)
    };
    let (a, b) = (
        Gateway::up(watching.clone()).await,
        Gateway::up(watching).await,
    );
    for (nth, id) in ["kept", "changed", "closed", "deleted"]
        .into_iter()
        .enumerate()
    {
        let range = format!("2001:db8:{nth}::/64");
        a.change(report(id, &[&range], 10)).await.unwrap();
    }
    let key = a
        .store
        .get(net("2001:db8::/64"))
        .await
        .unwrap()
        .unwrap()
        .stored_key();
    let first = a.store.noticed(20).await;
    assert!(first.ended.is_empty() && first.changed.is_empty());
    let Change::Report(mut moved) = report("changed", &["2001:db8:99::/64"], 11) else {
        panic!("a report");
    };
    moved.msisdn = sessions::Digits::new("111220000001");
    b.change(Change::Report(moved)).await.unwrap();
    b.change(close("closed", 11)).await.unwrap();
    redis.call(&["DEL", "weir:s:3:nas:deleted"]);
    let mut noticed = Noticed::default();
    let both = async {
        while noticed.ended.len() < 2 || noticed.changed.is_empty() {
            let more = a.store.noticed(20).await;
            noticed.ended.extend(more.ended);
            noticed.changed.extend(more.changed);
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, both).await.expect("noticed in time");
    assert_eq!(
        noticed.ended.len() + noticed.changed.len(),
        3,
        "{noticed:?}"
    );
    assert!(b.store.noticed(20).await.ended.is_empty());
    // Who holds it selects its profile, whoever is asked for it.
    a.change(select(key, "teen")).await.unwrap();
    let found = b.store.get(net("2001:db8::/64")).await.unwrap().unwrap();
    assert_eq!(found.profile.as_deref(), Some("teen"));
    assert_eq!(found.stored_key(), key);
    // When its time is over and nobody reported it, it has ended here too.
    redis.call(&["DEL", "weir:s:3:nas:kept"]);
    let last = async {
        while a.store.noticed(120).await.ended.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, last).await.expect("noticed in time");
}

/// Until what is written at one gateway is in force at another: far more than it takes, as others
/// use the machine too.
const HANDED_ON_MAX: Duration = Duration::from_millis(250);

#[tokio::test]
async fn what_one_gateway_writes_is_soon_in_force_at_another() {
    if is_missing() {
        return;
    }
    let redis = Redis::start(&[]);
    let (a, b) = Gateway::two(&redis).await;
    let mut took = Vec::new();
    for n in 0..1_000 {
        let id = format!("s{n}");
        a.change(report(&id, &["10.0.0.1/32"], 10)).await.unwrap();
        let began = Instant::now();
        b.wait_for("10.0.0.1", Some(&id)).await;
        took.push(began.elapsed());
    }
    took.sort();
    // The slowest say what else the machine does.
    assert!(took[500] <= HANDED_ON_MAX, "{:?}", took[500]);
}
