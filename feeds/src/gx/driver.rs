use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use diameter::client::{Asked, Client, ClientAct, is_trouble};
use diameter::command::{Outcome, RequestType};
use diameter::name::result;
use diameter::peer::{Act, CloseReason, Standing};
use diameter::{Dictionary, Identity, Message};
use gx::{Ask, Gx, Note};
use service::Drain;
use sessions::{Fallback, ProfileFacts, Reselect, SessionEvent, SessionKey};
use tokio::sync::mpsc;
use tokio::time::{Instant as TokioInstant, sleep_until};
use tracing::{debug, info, warn};

use super::config::{Config, PeerAddress};
use super::connection::{Connection, Happened, UNSENT_MAX, What};
use super::metrics::{Became, Metrics};
use super::settling::{Settled, Settling};
use crate::at_once;

/// What connections have to tell that waits at most; they are not read meanwhile.
const HAPPENED_MAX: usize = 256;

/// Session events that are taken at once.
const EVENTS_AT_ONCE: usize = 64;

/// The task that owns everything.
pub(super) struct Driver {
    client: Client<Ticket>,
    gx: Gx,
    links: Vec<Link>,
    own: Identity,
    fallback: Fallback,
    settling: Settling,
    /// Messages that wait to be sent on a connection at most: all requests that may be awaited,
    /// and some answers.
    unsent_max: usize,
    dictionary: Arc<Dictionary>,
    directory: Arc<dyn Reselect>,
    metrics: Metrics,
    drain: Drain,
    happened: (mpsc::Sender<Happened>, mpsc::Receiver<Happened>),
}

/// Whether anything is asked any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Running,
    Stopping,
}

/// What ties an answer to a request.
#[derive(Clone, Copy, Debug)]
struct Ticket {
    session: SessionKey,
    kind: RequestType,
    sent: Instant,
}

/// The connection to a peer.
#[derive(Debug)]
struct Link {
    address: PeerAddress,
    /// Counts connections, so that one that is gone is not taken for the next.
    connection: u64,
    unsent: Option<mpsc::Sender<Bytes>>,
    is_up: bool,
}

impl Driver {
    pub(super) fn new(
        config: Config,
        directory: Arc<dyn Reselect>,
        metrics: Metrics,
        drain: Drain,
    ) -> Self {
        let own = config.gx.own.clone();
        let peers = config.peers.iter();
        let peers = peers.map(|address| Arc::new(config.peer(address, &own)));
        // No two processes start alike.
        let seed = RandomState::new().hash_one(&own.host);
        let [a, b, low @ .., _, _] = seed.to_le_bytes();
        let [_, _, c, d] = low;
        let random = u32::from_le_bytes([a, b, c, d]);
        // RFC 6733 section 3: the low 12 bits of the time, and 20 random ones.
        let end_to_end = config.gx.state << 20 | random >> 12;
        let now = now();
        let client = Client::new(config.client, peers, end_to_end, seed, now);
        let link = |address: &PeerAddress| Link {
            address: address.clone(),
            connection: 0,
            unsent: None,
            is_up: false,
        };
        Self {
            client,
            links: config.peers.iter().map(link).collect(),
            own,
            fallback: config.gx.fallback.clone(),
            settling: Settling::default(),
            unsent_max: UNSENT_MAX + config.client.pending_max,
            dictionary: Arc::new(config.gx.dictionary()),
            gx: Gx::new(config.gx),
            directory,
            metrics,
            drain,
            happened: mpsc::channel(HAPPENED_MAX),
        }
    }

    /// Runs until the drain is requested, and then until all peers have said goodbye.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<SessionEvent>) {
        let mut ending = self.drain.requested();
        let mut taken = Vec::with_capacity(EVENTS_AT_ONCE);
        let mut stage = Stage::Running;
        loop {
            self.client.tick(now());
            self.gx.tick(now());
            self.work(stage);
            if stage == Stage::Stopping && self.client.is_stopped() {
                return;
            }
            let wakes = self.wakes();
            let idle = async {
                match wakes {
                    Some(at) => sleep_until(TokioInstant::from_std(at)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(happened) = self.happened.1.recv() => self.happened(happened),
                count = events.recv_many(&mut taken, EVENTS_AT_ONCE), if stage == Stage::Running => {
                    taken.drain(..).for_each(|event| self.told(event));
                    // Nobody is left who could tell anything.
                    if count == 0 {
                        stage = Stage::Stopping;
                        self.client.stop(now());
                    }
                }
                () = &mut ending, if stage == Stage::Running => {
                    stage = Stage::Stopping;
                    self.client.stop(now());
                }
                settled = self.settling.next() => self.settled(settled),
                () = idle => {}
            }
        }
    }

    fn wakes(&self) -> Option<Instant> {
        let wakes = self.client.wakes().into_iter().chain(self.gx.wakes());
        wakes.min()
    }

    /// Asks and does what is to be asked and done.
    fn work(&mut self, stage: Stage) {
        loop {
            while let Some(act) = self.client.act() {
                self.act(act);
            }
            while let Some(note) = self.gx.note() {
                self.noted(note);
            }
            if stage == Stage::Stopping || self.client.room() == 0 {
                break;
            }
            let Some(ask) = self.gx.next_request() else {
                break;
            };
            self.ask(ask);
        }
        self.metrics.sessions.set(number(self.gx.len()));
        self.metrics.pending.set(number(self.client.pending()));
    }

    fn ask(&mut self, ask: Ask) {
        let Ask {
            session,
            kind,
            message,
        } = ask;
        let ticket = Ticket {
            session,
            kind,
            sent: now(),
        };
        let asked = self.client.request(ticket, message, now());
        debug_assert!(asked.is_ok(), "there was room");
    }

    fn told(&mut self, event: SessionEvent) {
        let key = match &event {
            SessionEvent::Opened(key, _)
            | SessionEvent::Changed(key, _)
            | SessionEvent::ChangedElsewhere(key, _)
            | SessionEvent::Unselected(key, _)
            | SessionEvent::Closed(key) => *key,
        };
        if self.gx.tell(event, now()).is_err() {
            self.metrics.refused_events.inc();
            let facts = ProfileFacts::Unanswered(self.fallback.clone());
            self.reselect(key, facts);
        }
    }

    fn reselect(&mut self, session: SessionKey, facts: ProfileFacts) {
        let mut selecting = self.directory.reselect(session, facts);
        if at_once(&mut selecting).is_ready() {
            return;
        }
        match self.settling.is_full() {
            false => self.settling.select(selecting),
            // Nobody who asks is answered while so much waits.
            true => self.drain.spawn(selecting),
        }
    }

    /// The policy server asks something, and is answered when what it changed is in force.
    fn asked(&mut self, asked: Asked) {
        if self.settling.is_full() {
            let answer = asked.request.answer(result::TOO_BUSY, &self.own);
            return self.answer(&asked, answer);
        }
        let answer = self.gx.asked(&asked.request);
        while let Some(note) = self.gx.note() {
            self.noted(note);
        }
        match self.settling.is_empty() {
            true => self.answer(&asked, answer),
            false => self.settling.answer(asked, answer),
        }
    }

    fn settled(&mut self, settled: Option<Settled>) {
        let Some(Settled {
            asked,
            answer,
            is_in_force,
        }) = settled
        else {
            return;
        };
        if is_in_force {
            return self.answer(&asked, answer);
        }
        warn!("the policy server is told that a profile is not in force: the store is late");
        let answer = asked.request.answer(result::UNABLE_TO_COMPLY, &self.own);
        self.answer(&asked, answer);
    }

    fn answer(&mut self, asked: &Asked, answer: Message) {
        if let Ok(outcome) = Outcome::read(&answer.avps) {
            self.metrics.asked(outcome);
        }
        self.client.answer(asked, answer, now());
    }

    fn noted(&mut self, note: Note) {
        match note {
            Note::Facts(session, facts) => self.reselect(session, facts),
            Note::Declined(code) => debug!(code, "policy server declined"),
            Note::BadAnswer(bad) => {
                self.metrics.bad_messages.inc();
                debug!(%bad, "answer of the policy server has no meaning");
            }
        }
    }

    fn act(&mut self, act: ClientAct<Ticket>) {
        match act {
            ClientAct::Peer(place, act) => self.peer(place, act),
            ClientAct::Asked(asked) => self.asked(asked),
            ClientAct::Answered(ticket, answer) => {
                let became = match Outcome::read(&answer.avps) {
                    Ok(outcome) if outcome.is_success() => Became::Answered,
                    Ok(_) => Became::Declined,
                    Err(_) => Became::Bad,
                };
                self.metrics.became(ticket.kind, became);
                self.metrics.took(now().duration_since(ticket.sent));
                self.gx.answered(ticket.session, &answer, now());
            }
            ClientAct::Failed(ticket, failure) => {
                self.metrics.became(ticket.kind, Became::Failed(failure));
                self.gx.failed(ticket.session, failure, now());
            }
            ClientAct::Stray => {
                self.metrics.strays.inc();
            }
            ClientAct::Again => {
                self.metrics.again.inc();
            }
        }
    }

    fn peer(&mut self, place: usize, act: Act) {
        match act {
            Act::Connect => self.connect(place),
            Act::Send(message) => self.send(place, &message),
            Act::Close(reason) => self.close(place, reason),
            Act::Host(host, state) => self.gx.heard_of(&host, state),
            Act::Stands(standing) => self.stands(place, standing),
            // The client keeps these to itself.
            Act::Request(_) | Act::Answer(_) => debug_assert!(false, "{act:?}"),
        }
    }

    fn connect(&mut self, place: usize) {
        let Some(link) = self.links.get_mut(place) else {
            return;
        };
        let (unsent, queue) = mpsc::channel(self.unsent_max);
        link.connection += 1;
        let connection = Connection {
            answers: unsent.downgrade(),
            place,
            connection: link.connection,
            address: link.address.clone(),
            dictionary: Arc::clone(&self.dictionary),
            happened: self.happened.0.clone(),
        };
        link.unsent = Some(unsent);
        self.drain.spawn(connection.run(queue));
    }

    fn send(&mut self, place: usize, message: &Message) {
        let unsent = self.links.get(place).and_then(|link| link.unsent.as_ref());
        let sent = match message.write() {
            Ok(bytes) => unsent.is_some_and(|unsent| unsent.try_send(bytes).is_ok()),
            Err(too_long) => {
                warn!(%too_long, "message to a Diameter peer is too long");
                true
            }
        };
        if !sent {
            // It takes nothing, or is gone and has not said so yet.
            self.lost(place);
        }
    }

    fn close(&mut self, place: usize, reason: CloseReason) {
        let Some(link) = self.links.get_mut(place) else {
            return;
        };
        link.unsent = None;
        self.metrics.disconnects.inc();
        let peer = &link.address;
        match is_trouble(reason) {
            true => warn!(%peer, ?reason, "Diameter peer left"),
            false => info!(%peer, ?reason, "Diameter peer left"),
        }
    }

    fn stands(&mut self, place: usize, standing: Standing) {
        let Some(link) = self.links.get_mut(place) else {
            return;
        };
        link.is_up = standing >= Standing::Reopening;
        let peer = &link.address;
        match link.is_up {
            true => info!(%peer, ?standing, "Diameter peer"),
            false => warn!(%peer, ?standing, "Diameter peer"),
        }
        let up = self.links.iter().filter(|link| link.is_up).count();
        if up == 1 && standing >= Standing::Reopening {
            self.gx.peer_is_back();
        }
        self.metrics.peers_up.set(number(up));
    }

    fn happened(&mut self, happened: Happened) {
        let Happened { place, what, .. } = happened;
        let link = self.links.get(place);
        let link = link.filter(|link| link.unsent.is_some());
        let Some(link) = link.filter(|link| link.connection == happened.connection) else {
            return;
        };
        let peer = &link.address;
        match what {
            What::Connected(local) => self.client.connected(place, local, now()),
            What::Received(message) => self.client.received(place, message, now()),
            What::Refused(refused) => {
                self.metrics.bad_messages.inc();
                debug!(%peer, bad = %refused.bad, "message of a Diameter peer cannot be used");
                self.client.refused(place, &refused, now());
            }
            What::NotDiameter(bad) => {
                self.metrics.bad_messages.inc();
                warn!(%peer, %bad, "peer does not speak Diameter");
                self.lost(place);
            }
            What::Lost(error) => {
                match error {
                    Some(error) => warn!(%peer, %error, "Diameter peer lost"),
                    None => warn!(%peer, "Diameter peer closed the connection"),
                }
                self.lost(place);
            }
        }
    }

    fn lost(&mut self, place: usize) {
        if let Some(link) = self.links.get_mut(place) {
            link.unsent = None;
            self.metrics.disconnects.inc();
        }
        self.client.lost(place, now());
    }
}

/// The clock of the runtime, which tests may hold.
fn now() -> Instant {
    TokioInstant::now().into_std()
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
