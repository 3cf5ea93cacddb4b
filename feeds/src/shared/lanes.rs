//! Changes on their way to the store: those of one session one after the other, those of many
//! sessions together.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{ErrorKind, ServerErrorKind};
use service::Drain;
use sessions::{Applied, Change, Effect, Plan, SessionKey, Unavailable, Unstored};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::Shared;
use super::lengths::Written;
use super::link::{CHANGE, Fault, Open};
use super::script::{Batch, CHANGES_MAX, SCRIPT, Told};
use super::sight::{Planned, Put, Read, plan};
use crate::UNDER_WAY_MAX;

/// Calls of the script that are under way at most.
const FLYING_MAX: usize = 4;

/// How often a change is planned at most, as others change the same.
const TRIES_MAX: u8 = 16;

/// How often selections are tried that could not be put in force.
const OWED_EVERY: Duration = Duration::from_secs(1);

/// A change on its way.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) change: Change,
    pub(super) now_s: u32,
    pub(super) since: Instant,
    /// Nobody waits for a selection that is tried again.
    pub(super) reply: Option<oneshot::Sender<Result<Effect, Unstored>>>,
    lane: u32,
    read: Read,
    tries: u8,
    together: Together,
}

/// Whether a change may go with others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Together {
    Others,
    /// The store did not take it with others.
    Alone,
}

/// What became of a change in one call of the script.
enum Outcome {
    Done(Result<Effect, Unstored>),
    /// It is planned anew by what is there.
    Again(Read),
    /// It is tried without others.
    Alone,
}

/// A change that goes to the store, and what comes in force here when it is made.
struct Flight {
    job: Box<Job>,
    plan: Plan,
    put: Option<Put>,
    lengths: Option<Written>,
}

struct Lanes {
    shared: Arc<Shared>,
    ready: VecDeque<Box<Job>>,
    /// What waits until an earlier change of its lane is done.
    busy: HashMap<u32, VecDeque<Box<Job>>>,
    flying: JoinSet<Vec<(Box<Job>, Outcome)>>,
    count: usize,
}

impl Job {
    pub(super) fn new(
        change: Change,
        now_s: u32,
        reply: Option<oneshot::Sender<Result<Effect, Unstored>>>,
    ) -> Box<Self> {
        Box::new(Self {
            lane: lane(&change),
            change,
            now_s,
            since: Instant::now(),
            reply,
            read: Read::new(),
            tries: 0,
            together: Together::Others,
        })
    }

    fn selects(&self) -> Option<SessionKey> {
        match &self.change {
            Change::Select { session, .. } => Some(*session),
            Change::Report(_)
            | Change::Close { .. }
            | Change::Switch { .. }
            | Change::Assign(..)
            | Change::Remove(_) => None,
        }
    }
}

/// Returns the lane of a change: one for all changes of a session that somebody reports, whom the
/// key of the session names too.
fn lane(change: &Change) -> u32 {
    let hash = |bytes: &[u8]| {
        let [a, b, c, d, ..] = xxhash_rust::xxh3::xxh3_64(bytes).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    };
    match change {
        Change::Report(report) => sessions::owner_of(&report.nas, &report.id),
        Change::Close { nas, id, .. } => sessions::owner_of(nas, id),
        Change::Select { session, .. } => u32::try_from(session.0 >> u32::BITS).unwrap_or_default(),
        Change::Switch { nas, .. } => hash(nas.as_bytes()),
        Change::Assign(range, _) | Change::Remove(range) => hash(range.to_string().as_bytes()),
    }
}

impl Shared {
    /// Makes changes, until `drain` is requested and all that were asked for are made.
    pub(super) async fn change_all(
        self: Arc<Self>,
        mut line: mpsc::Receiver<Box<Job>>,
        drain: &Drain,
    ) {
        let mut lanes = Lanes {
            shared: Arc::clone(&self),
            ready: VecDeque::new(),
            busy: HashMap::new(),
            flying: JoinSet::new(),
            count: 0,
        };
        let mut ticks = interval(OWED_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ending = drain.requested();
        let (mut is_ending, mut is_over) = (false, false);
        let mut arrived = Vec::new();
        while !(is_over && lanes.count == 0) {
            lanes.launch();
            tokio::select! {
                Some(landed) = lanes.flying.join_next() => {
                    for (job, outcome) in landed.into_iter().flatten() {
                        lanes.land(job, outcome);
                    }
                }
                count = line.recv_many(&mut arrived, CHANGES_MAX), if !is_over && lanes.count < UNDER_WAY_MAX => {
                    is_over = count == 0;
                    for job in arrived.drain(..) {
                        lanes.add(job);
                    }
                }
                _ = ticks.tick(), if !is_over => lanes.add_owed(),
                () = self.came_up.notified(), if !is_over => lanes.add_owed(),
                () = &mut ending, if !is_ending => {
                    is_ending = true;
                    line.close();
                }
            }
        }
    }
}

impl Lanes {
    fn add(&mut self, job: Box<Job>) {
        self.count += 1;
        match self.busy.get_mut(&job.lane) {
            Some(waiting) => waiting.push_back(job),
            None => {
                self.busy.insert(job.lane, VecDeque::new());
                self.ready.push_back(job);
            }
        }
    }

    /// Tries once more what the policy server selected while the store was away.
    fn add_owed(&mut self) {
        if !self.shared.link.is_open() {
            return;
        }
        let owed: Vec<Change> = self.shared.owed.take();
        for change in owed {
            self.add(Job::new(change, 0, None));
        }
    }

    fn launch(&mut self) {
        while self.flying.len() < FLYING_MAX {
            let (mut flights, mut batch) = (Vec::new(), Batch::default());
            while batch.len() < CHANGES_MAX
                && let Some(job) = self.ready.pop_front()
            {
                let is_alone = job.together == Together::Alone;
                if is_alone && batch.len() > 0 {
                    self.ready.push_front(job);
                    break;
                }
                let Some((job, planned)) = self.plan(job) else {
                    continue;
                };
                let Planned {
                    plan,
                    request,
                    put,
                    lengths,
                } = planned;
                if batch.add(request).is_err() {
                    self.ready.push_front(job);
                    break;
                }
                flights.push(Flight {
                    job,
                    plan,
                    put,
                    lengths,
                });
                if is_alone {
                    break;
                }
            }
            if flights.is_empty() {
                return;
            }
            let shared = Arc::clone(&self.shared);
            self.flying
                .spawn(async move { shared.write(flights, batch).await });
        }
    }

    /// Plans a change, or ends it here.
    fn plan(&mut self, job: Box<Job>) -> Option<(Box<Job>, Planned)> {
        let unavailable = Err(Unavailable.into());
        let is_late = job.since.elapsed() > self.shared.config.timeout;
        if (is_late && job.reply.is_some()) || job.tries >= TRIES_MAX {
            self.shared.metrics.failed("late");
            self.finish(job, unavailable);
            return None;
        }
        if !self.shared.link.is_open() {
            self.finish(job, unavailable);
            return None;
        }
        match plan(&self.shared, &job.change, &job.read, job.now_s) {
            Ok(planned) if planned.request.is_empty() => {
                self.finish(job, Ok(planned.plan.effect));
                None
            }
            Ok(planned) => Some((job, planned)),
            Err(refused) => {
                self.finish(job, Err(refused.into()));
                None
            }
        }
    }

    fn land(&mut self, mut job: Box<Job>, outcome: Outcome) {
        match outcome {
            Outcome::Done(result) => self.finish(job, result),
            Outcome::Again(read) => {
                self.shared.metrics.retries.inc();
                job.tries += 1;
                job.read.extend(read);
                self.ready.push_front(job);
            }
            Outcome::Alone => {
                job.together = Together::Alone;
                self.ready.push_back(job);
            }
        }
    }

    fn finish(&mut self, job: Box<Job>, result: Result<Effect, Unstored>) {
        self.count -= 1;
        let waiting = self.busy.get_mut(&job.lane);
        let next = waiting.and_then(VecDeque::pop_front);
        if let Some(session) = job.selects() {
            let is_selected_anew = next.iter().any(|it| it.selects() == Some(session))
                || self
                    .busy
                    .get(&job.lane)
                    .is_some_and(|waiting| waiting.iter().any(|it| it.selects() == Some(session)));
            match &result {
                Err(Unstored::Unavailable(_)) if !is_selected_anew => {
                    self.shared.owed.add(session, job.change.clone());
                }
                Err(_) => {}
                Ok(_) => self.shared.owed.remove(session),
            }
        }
        match next {
            Some(next) => self.ready.push_back(next),
            None => {
                self.busy.remove(&job.lane);
            }
        }
        if let Some(reply) = job.reply {
            // Who asked may not wait any more.
            let _ = reply.send(result);
        }
    }
}

impl Shared {
    /// Writes changes, all of each or nothing of it.
    async fn write(&self, flights: Vec<Flight>, batch: Batch) -> Vec<(Box<Job>, Outcome)> {
        let told = match self.link.open() {
            Some(open) => self.call(&open, &batch).await,
            None => Err(Fault::Away),
        };
        let told = match told {
            Ok(told) => told,
            Err(fault) => {
                let is_alone = flights.len() == 1;
                return flights
                    .into_iter()
                    .map(|it| (it.job, self.failed(&fault, is_alone)))
                    .collect();
            }
        };
        let outcomes = flights.into_iter().zip(told).map(|(flight, told)| {
            let Flight {
                job,
                plan,
                put,
                lengths,
            } = flight;
            let outcome = match told {
                Told::Written => {
                    if let Some(lengths) = lengths {
                        self.lengths.set(&lengths);
                    }
                    Outcome::Done(Ok(self.written(plan, put)))
                }
                Told::Differs(values) => Outcome::Again(values.into_iter().collect()),
            };
            (job, outcome)
        });
        outcomes.collect()
    }

    async fn call(&self, open: &Open, batch: &Batch) -> Result<Vec<Told>, Fault> {
        let known = batch.command("EVALSHA", &open.script);
        let answer = match self.ask(open, CHANGE, &known).await {
            Err(Fault::Refused(error))
                if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) =>
            {
                let whole = batch.command("EVAL", SCRIPT);
                self.ask(open, CHANGE, &whole).await?
            }
            answer => answer?,
        };
        batch.told(answer).ok_or(Fault::Away)
    }

    fn failed(&self, fault: &Fault, is_alone: bool) -> Outcome {
        if let Fault::Refused(error) = fault {
            let code = error.code().unwrap_or_default();
            // What makes room can still be written.
            if code == "OOM" && !is_alone {
                return Outcome::Alone;
            }
            self.metrics.failed("refused");
            if self.complaints.is_due() {
                warn!(%error, "the store of sessions refuses changes");
            }
            // It is no primary any more, and whoever is has the same name.
            if code == "READONLY" {
                self.link.lose();
            }
        }
        Outcome::Done(Err(Unavailable.into()))
    }

    /// Puts in force here what was written.
    fn written(&self, plan: Plan, written: Option<Put>) -> Effect {
        let Plan {
            effect,
            put,
            freed,
            ended,
            cleared,
        } = plan;
        let taken = put.iter().flat_map(|record| record.ranges());
        for range in taken.chain(&freed) {
            self.known.forget(range);
        }
        if let Some((nas, cleared_s)) = cleared {
            nas.clear(cleared_s);
            self.held.suspect_closed();
        }
        for it in &ended {
            self.latest.put(&self.keys.owner(&it.nas, &it.id), None);
        }
        for ended in &effect.ended {
            self.held.release(ended);
        }
        if let (Some(record), Some(written)) = (put, written) {
            let owner = self.keys.owner(record.reporter().name(), record.id());
            self.latest.put(&owner, Some(written.value));
            self.held.keep(&record, written.over_s);
        }
        if let Applied::Closed(record) = &effect.applied {
            self.held.release(record);
        }
        effect
    }
}
