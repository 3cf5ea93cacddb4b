use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sessions::{LiveLimits, LiveSessions, Report, SessionId};

use super::*;

/// A policy server that remembers what it is told, and takes so much.
#[derive(Debug)]
struct Listener {
    told: Mutex<Vec<SessionEvent>>,
    room: AtomicUsize,
}

impl PolicyServer for Listener {
    fn has_room(&self) -> bool {
        self.room.load(Ordering::Relaxed) > self.told.lock().unwrap().len()
    }

    fn tell(&self, event: SessionEvent) -> Result<(), Busy> {
        let mut told = self.told.lock().map_err(|_| Busy)?;
        told.push(event);
        Ok(())
    }
}

struct World {
    subscribers: Arc<Subscribers>,
    listener: Arc<Listener>,
    drain: Drain,
}

impl World {
    fn new(lifetime_s: u32) -> Self {
        let limits = LiveLimits {
            sessions_max: 10_000,
            lifetime_s,
        };
        let store: Arc<dyn SessionStore> = Arc::new(LiveSessions::new(limits));
        let metrics = Arc::new(Metrics::new(Arc::clone(&store)));
        let drain = Drain::default();
        let subscribers = Subscribers::start(store, Basis::default(), &metrics, &drain);
        let listener = Arc::new(Listener {
            told: Mutex::default(),
            room: AtomicUsize::new(usize::MAX),
        });
        Self {
            subscribers,
            listener,
            drain,
        }
    }

    fn listens(self) -> Self {
        self.subscribers.ask(Arc::clone(&self.listener) as _);
        self
    }

    async fn report(&self, id: &str, ranges: &[&str]) -> Result<Effect, Unchanged> {
        self.subscribers.change(report(id, ranges)).await
    }

    /// What was told, a word for each event, with the first range of who opened or changed.
    fn told(&self) -> Vec<String> {
        let told = self.listener.told.lock().unwrap();
        let mut names: HashMap<SessionKey, String> = HashMap::new();
        let words = told.iter().map(|event| match event {
            SessionEvent::Opened(key, who) => {
                let name = who.ranges[0].to_string();
                names.insert(*key, name.clone());
                format!("opened {name}")
            }
            SessionEvent::Changed(key, _) => format!("changed {}", names[key]),
            SessionEvent::ChangedElsewhere(key, _) => format!("elsewhere {}", names[key]),
            SessionEvent::Unselected(key, _) => format!("unselected {}", names[key]),
            SessionEvent::Closed(key) => format!("closed {}", names[key]),
        });
        words.collect()
    }
}

#[tokio::test]
async fn the_policy_server_hears_of_every_session() {
    let world = World::new(100).listens();
    world.report("a", &["10.0.0.1/32"]).await.unwrap();
    world.report("b", &["10.0.0.2/32"]).await.unwrap();
    world.report("a", &["10.0.0.1/32"]).await.unwrap();
    world.report("c", &["10.0.0.2/32"]).await.unwrap();
    let close = Change::Close {
        nas: "nas".into(),
        id: id("c"),
        event_s: now_s(),
    };
    world.subscribers.change(close.clone()).await.unwrap();
    world.subscribers.change(close).await.unwrap();
    let told = [
        "opened 10.0.0.1/32",
        "opened 10.0.0.2/32",
        "changed 10.0.0.1/32",
        "closed 10.0.0.2/32",
        "opened 10.0.0.2/32",
        "closed 10.0.0.2/32",
    ];
    assert_eq!(world.told(), told);
    world.drain.drain(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn nothing_changes_while_the_policy_server_has_no_room() {
    let world = World::new(100).listens();
    world.listener.room.store(0, Ordering::Relaxed);
    let refused = world.report("a", &["10.0.0.1/32"]).await;
    assert_eq!(refused.unwrap_err(), Unchanged::Busy);
    assert!(world.subscribers.store().is_empty());
    assert_eq!(world.told(), [""; 0]);
}

#[tokio::test]
async fn a_session_that_ends_by_itself_is_told_of() {
    let world = World::new(1).listens();
    world.report("a", &["10.0.0.1/32"]).await.unwrap();
    let ended = async {
        while world.told().len() < 2 {
            sleep(ROOM_PAUSE).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .unwrap();
    let told = ["opened 10.0.0.1/32", "closed 10.0.0.1/32"];
    assert_eq!(world.told(), told);
}

#[tokio::test]
async fn restored_sessions_are_told_of_once() {
    let world = World::new(100);
    for n in 0..2_500 {
        let range = format!("10.0.{}.{}/32", n / 250, n % 250);
        world.report(&format!("s{n}"), &[&range]).await.unwrap();
    }
    assert_eq!(world.told(), [""; 0]);
    let world = world.listens();
    world.subscribers.tell_restored().await;
    let mut told = world.told();
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 2_500);
}

#[tokio::test]
async fn restored_sessions_that_end_meanwhile_are_told_of_in_order() {
    const SESSIONS: usize = 20;
    let world = World::new(1);
    for n in 0..SESSIONS {
        let range = format!("10.0.0.{n}/32");
        world.report(&format!("s{n}"), &[&range]).await.unwrap();
    }
    let world = world.listens();
    world.listener.room.store(SESSIONS / 2, Ordering::Relaxed);
    let over_s = now_s() + 3;
    let room = async {
        while now_s() < over_s {
            sleep(ROOM_PAUSE).await;
        }
        world.listener.room.store(usize::MAX, Ordering::Relaxed);
    };
    tokio::join!(world.subscribers.tell_restored(), room);
    let all = async {
        while world.told().len() < 2 * SESSIONS {
            sleep(ROOM_PAUSE).await;
        }
    };
    let patience = Duration::from_secs(10);
    tokio::time::timeout(patience, all).await.unwrap();
    // The words of an end have the name of a beginning before it.
    let ends = world.told();
    let ends = ends.iter().filter(|it| it.starts_with("closed"));
    assert_eq!(ends.count(), SESSIONS);
}

#[tokio::test]
async fn the_policy_server_selects_again_what_an_operator_gives_back() {
    let world = World::new(100).listens();
    world.report("a", &["10.0.0.1/32"]).await.unwrap();
    for profile in [Some("child".into()), None] {
        let assignment = Assignment {
            profile,
            ..Assignment::default()
        };
        let assign = Change::Assign("10.0.0.1/32".parse().unwrap(), assignment);
        world.subscribers.change(assign).await.unwrap();
    }
    let told = [
        "opened 10.0.0.1/32",
        "changed 10.0.0.1/32",
        "unselected 10.0.0.1/32",
    ];
    assert_eq!(world.told(), told);
}

#[tokio::test]
async fn no_session_ends_before_it_begins_whoever_changes_it() {
    let world = World::new(100).listens();
    thread::scope(|scope| {
        for teller in 0..4 {
            let subscribers = &world.subscribers;
            scope.spawn(move || {
                for turn in 0..2_000 {
                    let change = match (turn + teller) % 3 {
                        // What has ended does not begin again, so each has a name of its own.
                        0 | 1 => report(&format!("{}", turn / 2), &["10.0.0.1/32"]),
                        _ => Change::Remove("10.0.0.1/32".parse().unwrap()),
                    };
                    // What it did was done when the call returned.
                    drop(subscribers.change(change));
                }
            });
        }
    });
    let told = world.listener.told.lock().unwrap();
    let mut is_open = HashMap::new();
    for event in told.iter() {
        match event {
            SessionEvent::Opened(key, _) => assert_eq!(is_open.insert(*key, true), None),
            SessionEvent::Changed(key, _)
            | SessionEvent::ChangedElsewhere(key, _)
            | SessionEvent::Unselected(key, _) => assert!(is_open[key]),
            SessionEvent::Closed(key) => assert_eq!(is_open.insert(*key, false), Some(true)),
        }
    }
    assert!(is_open.len() > 100, "{}", is_open.len());
}

fn report(name: &str, ranges: &[&str]) -> Change {
    Change::Report(Report {
        nas: "nas".into(),
        id: id(name),
        ranges: ranges.iter().map(|range| range.parse().unwrap()).collect(),
        msisdn: None,
        imsi: None,
        apn: None,
        profile: None,
        event_s: now_s(),
    })
}

fn id(name: &str) -> SessionId {
    SessionId::new(name.as_bytes()).unwrap()
}
