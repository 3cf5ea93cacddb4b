//! Live sessions in Redis or Valkey, where several gateways share them.
//!
//! What is known here is looked up without a lock, and the store tells when it changes (client
//! tracking, RESP3). A change is planned by the rules of [`sessions::Plan`], by what is taken to be
//! there; one script writes it if that is so, or says what is there, and the change is planned anew.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use redis::Value;
use service::Drain;
use sessions::{
    Change, Effect, Lookup, Noticed, PAGE_MAX, Page, Pending, Record, Reported, SessionKey,
    SessionStore, Unavailable, Unstored,
};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::interval;

use crate::UNDER_WAY_MAX;

mod config;
mod epochs;
mod held;
mod interned;
mod keys;
mod known;
mod lanes;
mod latest;
mod lengths;
mod link;
mod metrics;
mod owed;
mod questions;
mod script;
mod sight;
#[cfg(test)]
mod tests;

pub use config::{Address, Config, Login, Watch};
pub use metrics::Metrics;
pub use owed::OWED_MAX;
pub use questions::QUESTIONS_MAX;

use epochs::Epochs;
use held::Held;
use interned::Interned;
use keys::{About, Keys};
use known::Known;
use lanes::Job;
use latest::Latest;
use lengths::Lengths;
use link::Link;
use owed::Owed;
use questions::{Flights, Question};

/// How exactly the age of answers is known.
const TICK: Duration = Duration::from_millis(250);

/// How often it is told that the store refuses changes.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// Ranges that are asked for at once, where there is no hurry.
const CHUNK: usize = 1_000;

/// Keys that the store is to look through for one part of a page; it may give some more.
const SCANNED: usize = 500;

/// How often the store looks through as many keys for one page at most.
const SCANS_MAX: usize = 64;

/// Sessions that several gateways share.
#[derive(Debug)]
pub struct SharedStore {
    shared: Arc<Shared>,
    changes: mpsc::Sender<Box<Job>>,
}

#[derive(Debug)]
struct Shared {
    config: Config,
    keys: Keys,
    epochs: Epochs,
    known: Known,
    lengths: Lengths,
    interned: Interned,
    held: Held,
    latest: Latest,
    owed: Owed,
    link: Link,
    came_up: Notify,
    flights: Flights,
    questions: mpsc::Sender<Question>,
    metrics: Metrics,
    complaints: Complaints,
}

/// Lets something be told now and then.
#[derive(Debug)]
struct Complaints {
    started: Instant,
    next_ms: AtomicU64,
}

impl SharedStore {
    /// Starts to connect, and to make changes, until `drain` is requested and all that were asked
    /// for are made. Does not wait until the store is connected.
    #[must_use]
    pub fn start(config: Config, metrics: &Metrics, drain: &Drain) -> Arc<Self> {
        let (questions, asked) = mpsc::channel(QUESTIONS_MAX);
        let (changes, jobs) = mpsc::channel(UNDER_WAY_MAX);
        let shared = Arc::new(Shared {
            keys: Keys::new(&config.realm),
            epochs: Epochs::default(),
            known: Known::new(config.entries_max),
            lengths: Lengths::default(),
            interned: Interned::default(),
            held: Held::new(config.watch),
            latest: Latest::new(config.entries_max),
            owed: Owed::new(metrics.owed.clone()),
            link: Link::default(),
            came_up: Notify::new(),
            flights: Flights::default(),
            questions,
            metrics: metrics.clone(),
            complaints: Complaints {
                started: Instant::now(),
                next_ms: AtomicU64::new(0),
            },
            config,
        });
        shared.run((asked, jobs), drain);
        Arc::new(Self { shared, changes })
    }
}

impl Shared {
    fn run(
        self: &Arc<Self>,
        (asked, jobs): (mpsc::Receiver<Question>, mpsc::Receiver<Box<Job>>),
        drain: &Drain,
    ) {
        let over = Arc::new(Stops::default());
        let (shared, stops, ending) = (Arc::clone(self), Arc::clone(&over), drain.clone());
        drain.spawn(async move {
            shared.change_all(jobs, &ending).await;
            stops.link.notify_one();
            stops.questions.notify_one();
            stops.clock.notify_one();
        });
        let (shared, stops, ending) = (Arc::clone(self), Arc::clone(&over), drain.clone());
        drain.spawn(async move { shared.keep_connected(&ending, &stops.link).await });
        let (shared, stops) = (Arc::clone(self), Arc::clone(&over));
        drain.spawn(async move { shared.answer_all(asked, &stops.questions).await });
        let shared = Arc::clone(self);
        drain.spawn(async move {
            tokio::select! {
                () = shared.tell_time() => {}
                () = over.clock.notified() => {}
            }
        });
    }

    async fn tell_time(&self) {
        let started = Instant::now();
        let mut ticks = interval(TICK);
        loop {
            ticks.tick().await;
            let now_s = started.elapsed().as_secs();
            self.epochs.tick(u32::try_from(now_s).unwrap_or(u32::MAX));
        }
    }

    fn behind(self: &Arc<Self>, client: IpAddr) -> Lookup<Arc<Record>> {
        let client = client.to_canonical();
        let now = self.epochs.now();
        let times = (self.config.entry_lifetime_s, self.config.outage_s);
        // Without a length in use there is no session, as long as the store would say so.
        let mut is_known = now.is_open || self.lengths.ranges(client).next().is_some();
        for range in self.lengths.ranges(client) {
            let known = self.known.get(&range, |entry| {
                let serves = self.epochs.serves(entry.asked, now, times);
                serves.then(|| entry.record.clone())
            });
            match known.flatten() {
                Some(Some(record)) if record.is_open() => {
                    self.metrics.known.inc();
                    return Lookup::Known(Some(record));
                }
                Some(_) => {}
                None => is_known = false,
            }
            // While the store is away, a session of a shorter range is better than none.
            if !is_known && now.is_open {
                break;
            }
        }
        if is_known {
            self.metrics.known.inc();
            Lookup::Known(None)
        } else if now.is_open {
            self.metrics.asked.inc();
            Lookup::Asking(self.ask_about(client))
        } else {
            self.metrics.unknown.inc();
            Lookup::Asking(Box::pin(std::future::ready(Err(Unavailable))))
        }
    }

    /// Forgets what the store says was changed.
    fn invalidated(&self, told: Vec<Value>) {
        for value in told {
            let Value::Array(keys) = value else {
                // Everything was.
                self.link.lose();
                return;
            };
            for key in &keys {
                let Value::BulkString(key) = key else {
                    continue;
                };
                self.metrics.invalidations.inc();
                let question = match self.keys.read(key) {
                    Some(About::Range(range)) => {
                        self.known.forget(&range);
                        continue;
                    }
                    Some(About::Owner(owner)) => {
                        self.held.suspect(owner);
                        continue;
                    }
                    Some(About::Nas(nas)) => Question::Nas(nas.into()),
                    Some(About::Lengths) => Question::Lengths,
                    None => continue,
                };
                if self.questions.try_send(question).is_err() {
                    self.link.lose();
                }
            }
        }
    }

    async fn get(&self, range: IpNet) -> Reported<Arc<Record>> {
        let open = self.link.open().ok_or(Unavailable)?;
        let found = self.sessions_at(&open, [range].into_iter()).await;
        let found = found.map_err(|_| Unavailable)?;
        let record = found.into_iter().flatten().map(|it| it.0).next();
        Ok(record.filter(|it| it.is_open()))
    }

    async fn page(&self, from: Option<u64>, count: usize) -> Result<Page, Unavailable> {
        let count = count.clamp(1, PAGE_MAX - SCANNED);
        let (mut page, mut cursor) = (Page::default(), from.unwrap_or(0));
        for _ in 0..SCANS_MAX {
            cursor = self.scan(cursor, &mut page.sessions).await?;
            page.next = (cursor != 0).then_some(cursor);
            if cursor == 0 || page.sessions.len() >= count {
                break;
            }
        }
        Ok(page)
    }

    /// Adds the sessions of a part of the store, and returns where the next part begins, or 0.
    async fn scan(&self, cursor: u64, found: &mut Vec<Arc<Record>>) -> Result<u64, Unavailable> {
        let open = self.link.open().ok_or(Unavailable)?;
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(self.keys.ranges());
        command.arg("COUNT").arg(SCANNED);
        let answer = self.ask(&open, "page", &command).await;
        let answer = answer.map_err(|_| Unavailable)?;
        let (next, keys): (u64, Vec<Vec<u8>>) =
            redis::from_redis_value(answer).map_err(|_| Unavailable)?;
        let ranges: Vec<IpNet> = keys
            .iter()
            .filter_map(|key| match self.keys.read(key) {
                Some(About::Range(range)) => Some(range),
                Some(About::Nas(_) | About::Owner(_) | About::Lengths) | None => None,
            })
            .collect();
        let records = self.sessions_at(&open, ranges.iter().copied()).await;
        let records = records.map_err(|_| Unavailable)?;
        for (range, found_at) in ranges.iter().zip(records) {
            // Each has one first range.
            if let Some((record, _)) = found_at
                && record.is_open()
                && record.ranges().first() == Some(range)
            {
                found.push(record);
            }
        }
        Ok(next)
    }

    /// Looks at what became of sessions that were reported here.
    async fn noticed(&self, now_s: u32) -> Noticed {
        let mut noticed = Noticed::default();
        let Some(open) = self.link.open() else {
            return noticed;
        };
        let all = self.held.to_look_at(now_s);
        let mut chunks = all.chunks(CHUNK);
        while let Some(records) = chunks.next() {
            let keys = records
                .iter()
                .map(|it| self.keys.owner(it.reporter().name(), it.id()));
            let keys: Vec<Vec<u8>> = keys.collect();
            let Ok(found) = self.sessions_in(&open, &keys).await else {
                self.held.suspect_again(records);
                chunks.for_each(|rest| self.held.suspect_again(rest));
                break;
            };
            for (old, now) in records.iter().zip(found) {
                self.held.seen(old, now, &mut noticed);
            }
        }
        noticed
    }
}

impl SessionStore for SharedStore {
    fn behind(&self, client: IpAddr) -> Lookup<Arc<Record>> {
        self.shared.behind(client)
    }

    fn change(&self, change: Change, now_s: u32) -> Pending<Result<Effect, Unstored>> {
        let selection = match &change {
            Change::Select { session, .. } => Some((*session, change.clone())),
            Change::Report(_)
            | Change::Close { .. }
            | Change::Switch { .. }
            | Change::Assign(..)
            | Change::Remove(_) => None,
        };
        let (reply, answer) = oneshot::channel();
        let sent = self.changes.try_send(Job::new(change, now_s, Some(reply)));
        if sent.is_err() {
            self.shared.metrics.failed("busy");
            if let Some((session, change)) = selection {
                self.shared.owed.add(session, change);
            }
            return Box::pin(std::future::ready(Err(Unavailable.into())));
        }
        Box::pin(async move {
            answer
                .await
                .unwrap_or(Err(Unstored::Unavailable(Unavailable)))
        })
    }

    fn get(&self, range: IpNet) -> Pending<Reported<Arc<Record>>> {
        let (shared, range) = (Arc::clone(&self.shared), sessions::unmapped(range).trunc());
        Box::pin(async move { shared.get(range).await })
    }

    fn page(&self, from: Option<u64>, count: usize) -> Pending<Result<Page, Unavailable>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.page(from, count).await })
    }

    fn noticed(&self, now_s: u32) -> Pending<Noticed> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.noticed(now_s).await })
    }

    fn key(&self, record: &Record) -> SessionKey {
        record.stored_key()
    }

    fn len(&self) -> usize {
        self.shared.known.len()
    }
}

/// What ends the tasks of a store.
#[derive(Debug, Default)]
struct Stops {
    link: Notify,
    questions: Notify,
    clock: Notify,
}

impl Complaints {
    fn is_due(&self) -> bool {
        let elapsed = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
        let now_ms = elapsed(self.started.elapsed());
        let next_ms = self.next_ms.load(Ordering::Relaxed);
        let later_ms = now_ms.saturating_add(elapsed(COMPLAIN_EVERY));
        now_ms >= next_ms
            && self
                .next_ms
                .compare_exchange(next_ms, later_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}
