//! The sessions that all feeds tell of: changes them, one after the other, and tells the policy
//! server what became of them.

use std::collections::BTreeMap;
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use service::Drain;
use sessions::{
    Applied, Assignment, Busy, Change, Digits, Effect, Origin, PAGE_MAX, Pending, PolicyServer,
    ProfileFacts, Record, Reselect, Selection, SessionEvent, SessionKey, SessionStore, Subscriber,
    Unstored,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::warn;

use crate::metrics::Metrics;
use crate::{at_once, now_s};

/// Changes at most whose answer the store owes.
pub const UNDER_WAY_MAX: usize = 4_096;

/// How often it is looked at what became of sessions by itself.
const NOTICE_EVERY: Duration = Duration::from_secs(1);

/// How long to wait where the policy server has no room, and nobody can be told to come again.
const ROOM_PAUSE: Duration = Duration::from_millis(10);

/// All that tells of sessions goes through here.
#[derive(Debug)]
pub struct Subscribers {
    store: Arc<dyn SessionStore>,
    basis: ArcSwap<Basis>,
    policy_server: OnceLock<Arc<dyn PolicyServer>>,
    under_way: mpsc::Sender<UnderWay>,
    turn: Mutex<()>,
    /// Whoever tells of many sessions, one after the other: no end is told of while restored ones
    /// are, which would be told of after it.
    telling: tokio::sync::Mutex<()>,
    metrics: Arc<Metrics>,
}

/// What a profile is selected by where a policy server is asked. A reload replaces it.
#[derive(Clone, Debug, Default)]
pub struct Basis {
    /// Charging rules.
    pub selection: Selection,
    /// The names of profiles by id.
    pub ids: BTreeMap<u32, Arc<str>>,
}

/// Why a change was not made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unchanged {
    /// Too much is under way.
    #[error("too many changes of sessions wait for the store or the policy server; try again")]
    Busy,
    /// The store did not take it.
    #[error(transparent)]
    Unstored(#[from] Unstored),
}

/// A change whose answer the store owes, and who waits for it.
#[derive(Debug)]
struct UnderWay {
    storing: Storing,
    choice: Choice,
    reply: oneshot::Sender<Result<Effect, Unchanged>>,
}

/// Who selects the profile of a session after a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Choice {
    /// Who selected it before.
    AsBefore,
    /// The policy server, though an operator may have before.
    GivenBack,
}

struct Storing(Pending<Result<Effect, Unstored>>);

impl Subscribers {
    /// Starts to take changes, until `drain` is requested and all that is under way has ended.
    #[must_use]
    pub fn start(
        store: Arc<dyn SessionStore>,
        basis: Basis,
        metrics: &Arc<Metrics>,
        drain: &Drain,
    ) -> Arc<Self> {
        let (under_way, line) = mpsc::channel(UNDER_WAY_MAX);
        let subscribers = Arc::new(Self {
            store,
            basis: ArcSwap::from_pointee(basis),
            policy_server: OnceLock::new(),
            under_way,
            turn: Mutex::default(),
            telling: tokio::sync::Mutex::default(),
            metrics: Arc::clone(metrics),
        });
        let (settling, noticing) = (Arc::clone(&subscribers), Arc::clone(&subscribers));
        let (ending, stop) = (drain.clone(), drain.clone());
        drain.spawn(async move { settling.settle(line, &ending).await });
        drain.spawn(async move {
            tokio::select! {
                () = noticing.notice() => {}
                () = stop.requested() => {}
            }
        });
        subscribers
    }

    /// Names the policy server, once.
    pub fn ask(&self, policy_server: Arc<dyn PolicyServer>) {
        // A second one is told nothing.
        let _ = self.policy_server.set(policy_server);
    }

    /// Tells the policy server of the sessions that were restored into a store of this process.
    /// Nobody may report before this ends, so that it hears of no end before the beginning; those
    /// that end by themselves meanwhile are told of after it.
    pub async fn tell_restored(&self) {
        let _alone = self.telling.lock().await;
        let mut from = None;
        loop {
            // What is in this process can be asked.
            let page = self.store.page(from, PAGE_MAX).await.unwrap_or_default();
            for record in &page.sessions {
                let event = match record.origin {
                    Origin::Configuration | Origin::Attribute => self.opened(record),
                    // What was selected stays until the policy server says otherwise.
                    Origin::Fallback | Origin::ChargingRule | Origin::ProfileId | Origin::Admin => {
                        self.changed(record)
                    }
                };
                self.tell_when_there_is_room(event).await;
            }
            from = page.next;
            if from.is_none() {
                return;
            }
        }
    }

    /// Returns where sessions are kept.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn SessionStore> {
        &self.store
    }

    /// Puts what profiles are selected by in force, for what the policy server says later.
    pub fn reload(&self, basis: Basis) {
        self.basis.store(Arc::new(basis));
    }

    /// Makes a change. It is under way when this returns, and the policy server has heard of it
    /// when the answer comes. Two changes of one session happen in the order of the calls.
    pub fn change(&self, change: Change) -> Pending<Result<Effect, Unchanged>> {
        let Ok(place) = self.under_way.try_reserve() else {
            return refused(Unchanged::Busy);
        };
        let has_room = self.policy_server.get().is_none_or(|it| it.has_room());
        if !has_room {
            return refused(Unchanged::Busy);
        }
        // The policy server hears in the order in which the store changes.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let choice = Choice::after(&change);
        let mut storing = self.store.change(change, now_s());
        match at_once(&mut storing) {
            Poll::Ready(stored) => {
                let stored = self.stored(stored, choice);
                Box::pin(ready(stored))
            }
            Poll::Pending => {
                let (reply, answer) = oneshot::channel();
                place.send(UnderWay {
                    storing: Storing(storing),
                    choice,
                    reply,
                });
                // The line ends only with the program.
                Box::pin(async move { answer.await.unwrap_or(Err(Unchanged::Busy)) })
            }
        }
    }

    /// Waits for the store's answers in the order of the changes, so that the policy server hears
    /// in this order too.
    async fn settle(&self, mut line: mpsc::Receiver<UnderWay>, drain: &Drain) {
        let mut ending = drain.requested();
        let mut is_ending = false;
        loop {
            let next = tokio::select! {
                next = line.recv() => next,
                () = &mut ending, if !is_ending => {
                    is_ending = true;
                    line.close();
                    continue;
                }
            };
            let Some(UnderWay {
                storing,
                choice,
                reply,
            }) = next
            else {
                return;
            };
            let stored = self.stored(storing.0.await, choice);
            // Who asked may not wait any more.
            let _ = reply.send(stored);
        }
    }

    fn stored(
        &self,
        stored: Result<Effect, Unstored>,
        choice: Choice,
    ) -> Result<Effect, Unchanged> {
        let effect = stored?;
        for record in &effect.ended {
            self.tell(SessionEvent::Closed(self.store.key(record)));
        }
        match &effect.applied {
            Applied::Opened(record) => self.tell(self.opened(record)),
            Applied::Changed(record) => self.tell(match choice {
                Choice::AsBefore => self.changed(record),
                Choice::GivenBack => {
                    SessionEvent::Unselected(self.store.key(record), subscriber(record))
                }
            }),
            Applied::Closed(record) => self.tell(SessionEvent::Closed(self.store.key(record))),
            Applied::Switched | Applied::Stale | Applied::Unknown => {}
        }
        Ok(effect)
    }

    /// Looks every second at what became of sessions by itself.
    async fn notice(&self) {
        let mut ticks = interval(NOTICE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let _alone = self.telling.lock().await;
            let noticed = self.store.noticed(now_s()).await;
            self.metrics.ended(noticed.ended.len());
            if self.policy_server.get().is_none() {
                continue;
            }
            for record in &noticed.ended {
                self.tell_when_there_is_room(SessionEvent::Closed(self.store.key(record)))
                    .await;
            }
            for record in &noticed.changed {
                let event =
                    SessionEvent::ChangedElsewhere(self.store.key(record), subscriber(record));
                self.tell_when_there_is_room(event).await;
            }
        }
    }

    async fn tell_when_there_is_room(&self, event: SessionEvent) {
        while self.policy_server.get().is_some_and(|it| !it.has_room()) {
            sleep(ROOM_PAUSE).await;
        }
        self.tell(event);
    }

    fn tell(&self, event: SessionEvent) {
        let told = self.policy_server.get().map(|it| it.tell(event));
        if told == Some(Err(Busy)) {
            warn!("the policy server is not told of a session: too much waits for it");
        }
    }

    fn opened(&self, record: &Record) -> SessionEvent {
        SessionEvent::Opened(self.store.key(record), subscriber(record))
    }

    fn changed(&self, record: &Record) -> SessionEvent {
        SessionEvent::Changed(self.store.key(record), subscriber(record))
    }
}

impl Reselect for Subscribers {
    fn reselect(&self, session: SessionKey, facts: ProfileFacts) -> Pending<()> {
        let basis = self.basis.load();
        let by_id = |id| basis.ids.get(&id).cloned();
        // The default of the access point is looked up at each request, as the configuration may
        // change.
        let selected = basis.selection.select_by(&facts, by_id, None);
        let change = Change::Select {
            session,
            selected,
            origin: facts.origin(),
        };
        let storing = self.store.change(change, now_s());
        Box::pin(async move {
            if let Err(unstored) = storing.await {
                warn!(%unstored, "the profile of a session is not selected");
            }
        })
    }
}

impl Choice {
    fn after(change: &Change) -> Self {
        match change {
            Change::Assign(_, Assignment { profile: None, .. }) => Self::GivenBack,
            Change::Assign(..)
            | Change::Report(_)
            | Change::Close { .. }
            | Change::Switch { .. }
            | Change::Remove(_)
            | Change::Select { .. } => Self::AsBefore,
        }
    }
}

impl fmt::Debug for Storing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Storing")
    }
}

fn refused(why: Unchanged) -> Pending<Result<Effect, Unchanged>> {
    Box::pin(ready(Err(why)))
}

fn subscriber(record: &Record) -> Arc<Subscriber> {
    let text = |digits: &Digits| Box::from(&*digits.text());
    Arc::new(Subscriber {
        msisdn: record.msisdn.as_ref().map(text),
        imsi: record.imsi.as_ref().map(text),
        apn: record.apn.as_deref().map(Box::from),
        ranges: record.ranges().to_vec(),
    })
}

#[cfg(test)]
mod tests;
