//! Questions to the store: who has an address that is not known here. Those that wait go together.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use redis::Value;
use sessions::{Pending, Record, Reported, Unavailable};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Shared;
use super::keys::Kept;
use super::known::{Before, Entry};
use super::lengths::Written;
use super::link::{Fault, Open};
use super::sight::cleared_s;

/// Questions that wait at most.
pub const QUESTIONS_MAX: usize = 4_096;

/// Questions that go together at most.
const TOGETHER_MAX: usize = 64;

/// How many times as many questions are under way at most.
const UNDER_WAY_MAX: usize = 16;

/// What is asked for.
#[derive(Debug)]
pub(super) enum Question {
    /// Who has an address.
    Client(IpAddr),
    /// Whether a NAS was switched.
    Nas(Box<str>),
    /// The lengths of ranges in use.
    Lengths,
}

/// What the store says about an address.
type Told = Reported<Arc<Record>>;

/// Those who wait for the answer about an address, until it is asked for: what comes later may be
/// about something else.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<IpAddr, watch::Sender<Option<Told>>>>);

/// What is asked about one address.
struct Asked {
    ranges: Vec<(IpNet, Before)>,
    waiting: Option<watch::Sender<Option<Told>>>,
}

impl Flights {
    fn all(&self) -> MutexGuard<'_, HashMap<IpAddr, watch::Sender<Option<Told>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Asks who has an address, once for all who want to know it now.
    pub(super) fn ask_about(self: &Arc<Self>, client: IpAddr) -> Pending<Told> {
        let mut flights = self.flights.all();
        let waiting = match flights.get(&client) {
            Some(flight) => flight.subscribe(),
            None => {
                if self.questions.try_send(Question::Client(client)).is_err() {
                    self.metrics.failed("busy");
                    return Box::pin(std::future::ready(Err(Unavailable)));
                }
                let (flight, waiting) = watch::channel(None);
                flights.insert(client, flight);
                waiting
            }
        };
        drop(flights);
        let limit = self.config.timeout;
        Box::pin(async move {
            let mut waiting = waiting;
            let answer = timeout(limit, waiting.wait_for(Option::is_some)).await;
            match answer {
                Ok(Ok(answer)) => answer.clone().unwrap_or(Err(Unavailable)),
                Ok(Err(_)) | Err(_) => Err(Unavailable),
            }
        })
    }

    /// Answers questions until `stop` is said.
    pub(super) async fn answer_all(
        self: Arc<Self>,
        mut line: mpsc::Receiver<Question>,
        stop: &Notify,
    ) {
        let mut under_way = JoinSet::new();
        let mut questions = Vec::new();
        loop {
            tokio::select! {
                _ = under_way.join_next(), if !under_way.is_empty() => {}
                count = line.recv_many(&mut questions, TOGETHER_MAX), if under_way.len() < UNDER_WAY_MAX => {
                    if count == 0 {
                        return;
                    }
                    let (shared, questions) = (Arc::clone(&self), std::mem::take(&mut questions));
                    under_way.spawn(async move { shared.answer(questions).await });
                }
                () = stop.notified() => return,
            }
        }
    }

    async fn answer(&self, questions: Vec<Question>) {
        let mut clients = HashMap::new();
        let (mut nas, mut wants_lengths) = (Vec::new(), false);
        for question in questions {
            match question {
                Question::Client(client) => {
                    let waiting = self.flights.all().remove(&client);
                    let ranges = self.lengths.ranges(client);
                    let ranges = ranges.map(|range| (range, self.known.before(&range)));
                    let ranges = ranges.collect();
                    clients.insert(client, Asked { ranges, waiting });
                }
                Question::Nas(name) => nas.push(name),
                Question::Lengths => wants_lengths = true,
            }
        }
        let clients: Vec<Asked> = clients.into_values().collect();
        let answers = match self.link.open() {
            Some(open) => {
                if wants_lengths {
                    self.ask_lengths(&open).await;
                }
                self.ask_nas(&open, nas).await;
                self.ask_clients(&open, &clients).await.ok()
            }
            None => None,
        };
        let mut answers = answers.into_iter().flatten();
        for client in clients {
            let reported = answers.next().ok_or(Unavailable);
            if let Some(waiting) = client.waiting {
                // Whoever asked may not wait any more.
                let _ = waiting.send(Some(reported));
            }
        }
    }

    /// Returns who has the addresses, one after the other.
    async fn ask_clients(
        &self,
        open: &Open,
        clients: &[Asked],
    ) -> Result<Vec<Option<Arc<Record>>>, Fault> {
        let asked_s = self.epochs.now().now_s;
        let ranges = clients.iter().flat_map(|it| &it.ranges);
        let ranges: Vec<(IpNet, Before)> = ranges.copied().collect();
        let found = self.sessions_at(open, ranges.iter().map(|it| it.0)).await?;
        for ((range, before), record) in ranges.iter().zip(&found) {
            let entry = Entry {
                range: *range,
                record: record.as_ref().map(|it| Arc::clone(&it.0)),
                asked: (open.number, asked_s),
            };
            self.known.put(entry, *before);
        }
        let mut found = found.into_iter();
        let longest = clients.iter().map(|client| {
            let of_client: Vec<_> = found.by_ref().take(client.ranges.len()).collect();
            let mut records = of_client.into_iter().flatten().map(|it| it.0);
            records.find(|record| record.is_open())
        });
        Ok(longest.collect())
    }

    /// Returns the sessions at ranges, with before which time all that is told of them is over.
    /// The store tells from now on when something changes there.
    pub(super) async fn sessions_at(
        &self,
        open: &Open,
        ranges: impl Iterator<Item = IpNet>,
    ) -> Result<Vec<Option<(Arc<Record>, u32)>>, Fault> {
        let keys: Vec<Vec<u8>> = ranges.map(|range| self.keys.range(&range)).collect();
        self.sessions_in(open, &keys).await
    }

    /// Returns the sessions that keys have.
    pub(super) async fn sessions_in(
        &self,
        open: &Open,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Option<(Arc<Record>, u32)>>, Fault> {
        let values = self.values(open, keys).await?;
        let found: Vec<_> = values
            .iter()
            .map(|value| match Kept::read(value, &mut &self.interned) {
                Some(Kept::Open(record, over_s)) => Some((record, over_s)),
                Some(Kept::Ended(_)) | None => None,
            })
            .collect();
        let names = found.iter().flatten().map(|it| it.0.reporter().name());
        let mut unasked: Vec<Box<str>> = names
            .filter(|name| !name.is_empty() && !self.interned.is_asked(name, open.number))
            .map(Box::from)
            .collect();
        unasked.sort_unstable();
        unasked.dedup();
        self.ask_nas(open, unasked).await;
        Ok(found)
    }

    async fn ask_nas(&self, open: &Open, names: Vec<Box<str>>) {
        let keys: Vec<Vec<u8>> = names.iter().map(|it| self.keys.nas(it)).collect();
        match self.values(open, &keys).await {
            Ok(values) => {
                for (name, value) in names.iter().zip(&values) {
                    self.interned
                        .told(name, open.number, cleared_s(Some(value)));
                }
                if !names.is_empty() {
                    self.held.suspect_closed();
                }
            }
            // Whether it was switched is not known, and the store does not say so again.
            Err(_) => self.link.lose(),
        }
    }

    async fn ask_lengths(&self, open: &Open) {
        match self.values(open, &[self.keys.lengths()]).await {
            Ok(values) => {
                let value = values.first().map(Vec::as_slice);
                self.lengths.set(&Written::read(value));
            }
            Err(_) => self.link.lose(),
        }
    }

    /// Returns what the keys have; an empty value is none.
    pub(super) async fn values(
        &self,
        open: &Open,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, Fault> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("MGET");
        command.arg(keys);
        let answer = self.ask(open, "question", &command).await?;
        let Value::Array(values) = answer else {
            return Err(Fault::Away);
        };
        let values = values.into_iter().map(|value| {
            let Value::BulkString(bytes) = value else {
                return Vec::new();
            };
            bytes
        });
        Ok(values.collect())
    }
}
