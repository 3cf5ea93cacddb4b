mod held;
mod keep;
mod restart;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use diameter::client::Failure;
use diameter::command::{CreditControlAnswer, ReAuthRequest, RequestType};
use diameter::name::{SESSION_ID, SESSION_RELEASE_CAUSE, command_code, result};
use diameter::{Bad, Fields, Message};
use sessions::{Busy, ProfileFacts, SessionEvent, SessionKey};

use crate::{Carrier, Facts, Settings};
use held::{Held, Queue, State, Wish};

/// Sessions at most, whatever is configured.
pub const SESSIONS_MAX: usize = 10_000_000;

/// How often the end of a session is told to a policy server that does not answer.
const TERMINATIONS_MAX: u8 = 2;

/// What came of a message, for those who count and select.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Note {
    /// What is known about the profile of a session has changed.
    Facts(SessionKey, ProfileFacts),
    /// The policy server answered, but not with a decision: its result code.
    Declined(u32),
    /// An answer had no meaning.
    BadAnswer(Bad),
}

/// What to ask the policy server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ask {
    /// The session that it is about.
    pub session: SessionKey,
    /// Whether the session begins, changes or ends.
    pub kind: RequestType,
    /// The CCR, without ids.
    pub message: Message,
}

/// Whether a profile of a session was selected before it is told of here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Selected {
    Never,
    Before,
}

/// All sessions at the policy server.
#[derive(Debug)]
pub struct Gx {
    settings: Settings,
    sessions: BTreeMap<SessionKey, Held>,
    /// By Session-Id.
    ids: HashMap<Arc<str>, SessionKey>,
    /// Sessions with something to ask, each once.
    ready: VecDeque<SessionKey>,
    /// Sessions that wait to be asked for again.
    later: BTreeSet<(Instant, SessionKey)>,
    /// Sessions that opened, and when they get what is configured unless something was said.
    unheard: VecDeque<(Instant, SessionKey)>,
    /// The Origin-State-Id of hosts that know sessions.
    hosts: BTreeMap<Arc<str>, u32>,
    /// The number of the last Session-Id.
    last_id: u64,
    notes: VecDeque<Note>,
}

impl Gx {
    /// Creates the machine without sessions.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let last_id = u64::from(settings.first_id);
        Self {
            settings,
            sessions: BTreeMap::new(),
            ids: HashMap::new(),
            ready: VecDeque::new(),
            later: BTreeSet::new(),
            unheard: VecDeque::new(),
            hosts: BTreeMap::new(),
            last_id,
            notes: VecDeque::new(),
        }
    }

    /// Returns how many sessions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Returns whether there are no sessions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Returns the next note.
    pub fn note(&mut self) -> Option<Note> {
        self.notes.pop_front()
    }

    /// Returns when to [`tick`](Self::tick) at the latest.
    #[must_use]
    pub fn wakes(&self) -> Option<Instant> {
        let later = self.later.first().map(|(at, _)| *at);
        let unheard = self.unheard.front().map(|(at, _)| *at);
        later.into_iter().chain(unheard).min()
    }

    /// Returns whether there is something to ask.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        while let Some((at, key)) = self.unheard.front().copied() {
            if now < at {
                break;
            }
            self.unheard.pop_front();
            let is_unheard = |held: &Held| held.told.is_none();
            if self.sessions.get(&key).is_some_and(is_unheard) {
                self.note_fallback(key);
            }
        }
        while let Some((at, key)) = self.later.first().copied() {
            if now < at {
                break;
            }
            self.later.pop_first();
            if let Some(held) = self.sessions.get_mut(&key) {
                held.queue = Queue::Ready;
                self.ready.push_back(key);
            }
        }
    }

    /// A peer is there again after there was none: nothing waits any longer.
    pub fn peer_is_back(&mut self) {
        for (_, key) in std::mem::take(&mut self.later) {
            if let Some(held) = self.sessions.get_mut(&key) {
                held.failures = 0;
                held.queue = Queue::Ready;
                self.ready.push_back(key);
            }
        }
    }

    /// A session opened, changed, or closed. One that changes and is not known was open before
    /// this began: it is opened at the policy server, and while nobody answers the profile stays
    /// that was selected for it.
    ///
    /// # Errors
    ///
    /// Fails if there are as many sessions as may be.
    pub fn tell(&mut self, event: SessionEvent, now: Instant) -> Result<(), Busy> {
        match event {
            SessionEvent::Opened(key, subscriber) => {
                self.open_or_change((key, Selected::Never), subscriber, now)
            }
            SessionEvent::Changed(key, subscriber) => {
                self.open_or_change((key, Selected::Before), subscriber, now)
            }
            SessionEvent::ChangedElsewhere(key, subscriber) => {
                match self.sessions.contains_key(&key) {
                    true => self.open_or_change((key, Selected::Before), subscriber, now),
                    false => Ok(()),
                }
            }
            SessionEvent::Unselected(key, subscriber) => {
                self.select_again(key);
                self.open_or_change((key, Selected::Never), subscriber, now)
            }
            SessionEvent::Closed(key) => {
                self.close(key);
                Ok(())
            }
        }
    }

    /// Returns what to ask next; its answer comes back by
    /// [`answered`](Self::answered) or [`failed`](Self::failed).
    pub fn next_request(&mut self) -> Option<Ask> {
        loop {
            let key = self.ready.pop_front()?;
            let Some(held) = self.sessions.get_mut(&key) else {
                continue;
            };
            held.queue = Queue::Nowhere;
            let kind = match (held.state, held.wish) {
                (State::Absent | State::Released, Wish::Tell) => RequestType::Initial,
                (State::Present, Wish::Tell) => RequestType::Update,
                (State::Present, Wish::End | Wish::Release) => RequestType::Termination,
                (State::Absent, Wish::End | Wish::Release) if held.may_be_there => {
                    RequestType::Termination
                }
                (State::Absent | State::Released, Wish::End) => {
                    self.forget(key);
                    continue;
                }
                (State::Asked(_), _) | (_, Wish::None) => continue,
                (State::Absent | State::Released, Wish::Release) => {
                    held.state = State::Released;
                    held.wish = Wish::None;
                    continue;
                }
            };
            let message = self.settings.ask(held, kind);
            held.state = State::Asked(kind);
            if held.wish == Wish::Tell {
                held.wish = Wish::None;
            }
            return Some(Ask {
                session: key,
                kind,
                message,
            });
        }
    }

    /// The policy server, or an agent, answered what was asked for a session.
    pub fn answered(&mut self, key: SessionKey, answer: &Message, now: Instant) {
        let read = CreditControlAnswer::read(answer);
        let held = self.sessions.get_mut(&key);
        let Some((held, State::Asked(kind))) = held.map(|held| {
            let state = held.state;
            (held, state)
        }) else {
            return;
        };
        let other = |it: &CreditControlAnswer<'_>| it.session.is_some_and(|id| *id != *held.id);
        let answer = match read {
            Ok(answer) if other(&answer) => {
                let id = answer.avps.required(SESSION_ID);
                Err(id.map_or_else(|bad| bad, |id| Bad::Value(Box::new(id.clone()))))
            }
            read => read,
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(bad) => {
                held.may_be_there = true;
                self.notes.push_back(Note::BadAnswer(bad));
                return self.undecided(key, kind, now);
            }
        };
        if let Some(state) = restart::origin_state(answer.avps) {
            self.heard_of(&answer.origin.host, state);
        }
        if answer.outcome.is_success() {
            return self.decided(key, kind, &answer, now);
        }
        self.notes.push_back(Note::Declined(answer.outcome.code()));
        if answer.outcome.code() == result::UNKNOWN_SESSION_ID || kind == RequestType::Termination {
            return self.lost_at_the_policy_server(key, kind, now);
        }
        self.undecided(key, kind, now);
    }

    /// There is no answer to what was asked for a session.
    pub fn failed(&mut self, key: SessionKey, failure: Failure, now: Instant) {
        let Some(State::Asked(kind)) = self.sessions.get(&key).map(|held| held.state) else {
            return;
        };
        self.unanswered(key, kind, now);
        let Some(held) = self.sessions.get_mut(&key) else {
            return;
        };
        // What one host of the realm does not answer, another may.
        held.host = None;
        // The request may have arrived: what ends here, now or later, must not stay there.
        held.may_be_there |= failure != Failure::NoPeer;
    }

    /// The policy server asks something. Returns the answer to it.
    pub fn asked(&mut self, request: &Message) -> Message {
        let own = self.settings.own.clone();
        if request.header.command != command_code::RE_AUTH {
            return request.answer(result::COMMAND_UNSUPPORTED, &own);
        }
        match self.re_authorize(request) {
            Ok(result) => request.answer(result, &own),
            Err(bad) => request.refuse(&bad, &own),
        }
    }

    fn re_authorize(&mut self, request: &Message) -> Result<u32, Bad> {
        let read = ReAuthRequest::read(request)?;
        if !read
            .destination
            .host
            .eq_ignore_ascii_case(&self.settings.own.host)
        {
            return Ok(result::UNABLE_TO_DELIVER);
        }
        if let Some(state) = restart::origin_state(&read.avps) {
            self.heard_of(&read.origin.host, state);
        }
        let key = self.ids.get(&*read.session).copied();
        let found = key.and_then(|key| Some((key, self.sessions.get_mut(&key)?)));
        let Some((key, held)) = found.filter(|(_, held)| match held.state {
            State::Present | State::Asked(_) => true,
            State::Absent | State::Released => false,
        }) else {
            return Ok(result::UNKNOWN_SESSION_ID);
        };
        if read.avps.optional(SESSION_RELEASE_CAUSE)?.is_some() {
            if held.wish != Wish::End {
                held.wish = Wish::Release;
            }
            held.facts = Facts::default();
        } else {
            held.facts = held
                .facts
                .after(Carrier::ReAuth, &read.avps, &self.settings)?;
        }
        let facts = held.facts.profile();
        self.note_facts(key, facts);
        self.enqueue(key);
        Ok(result::SUCCESS)
    }

    /// A request was answered as it should be.
    fn decided(
        &mut self,
        key: SessionKey,
        kind: RequestType,
        answer: &CreditControlAnswer<'_>,
        now: Instant,
    ) {
        let carrier = match kind {
            RequestType::Initial => Carrier::Initial,
            RequestType::Update => Carrier::Update,
            RequestType::Termination => return self.ended(key),
        };
        let Some(held) = self.sessions.get_mut(&key) else {
            return;
        };
        let facts = held.facts.after(carrier, answer.avps, &self.settings);
        held.state = State::Present;
        match facts {
            Ok(facts) => {
                held.host = Some(Arc::clone(&answer.origin.host));
                held.failures = 0;
                held.was_selected = true;
                let told = facts.profile();
                held.facts = facts;
                self.note_facts(key, told);
                self.enqueue(key);
            }
            Err(bad) => {
                held.may_be_there = true;
                self.notes.push_back(Note::BadAnswer(bad));
                self.undecided(key, kind, now);
            }
        }
    }

    /// The policy server has forgotten a session, as it was asked to.
    fn ended(&mut self, key: SessionKey) {
        let Some(held) = self.sessions.get_mut(&key) else {
            return;
        };
        if held.wish == Wish::End {
            return self.forget(key);
        }
        held.state = State::Released;
        if held.wish == Wish::Release {
            held.wish = Wish::None;
        }
        self.renew_id(key);
        self.enqueue(key);
    }

    /// The policy server does not know the session: it is asked for as a new one.
    fn lost_at_the_policy_server(&mut self, key: SessionKey, kind: RequestType, now: Instant) {
        if kind == RequestType::Termination {
            return self.ended(key);
        }
        let Some(held) = self.sessions.get_mut(&key) else {
            return;
        };
        held.state = State::Absent;
        held.host = None;
        if held.wish == Wish::None {
            held.wish = Wish::Tell;
        }
        self.renew_id(key);
        if kind == RequestType::Initial {
            // Who does not know what is new will not know it a moment later.
            return self.undecided(key, kind, now);
        }
        self.enqueue(key);
    }

    /// There was an answer, and no decision: the configuration says what becomes of the session.
    fn undecided(&mut self, key: SessionKey, kind: RequestType, now: Instant) {
        if let Some(held) = self.sessions.get_mut(&key) {
            held.was_selected &= kind != RequestType::Initial;
        }
        self.unanswered(key, kind, now);
    }

    /// Nobody decided: what was selected before stays; else the configuration says what becomes of
    /// the session meanwhile.
    fn unanswered(&mut self, key: SessionKey, kind: RequestType, now: Instant) {
        let Some(held) = self.sessions.get_mut(&key) else {
            return;
        };
        held.failures = held.failures.saturating_add(1);
        held.state = match kind {
            RequestType::Initial => State::Absent,
            RequestType::Update | RequestType::Termination => State::Present,
        };
        match held.wish {
            Wish::None => held.wish = Wish::Tell,
            Wish::Tell => {}
            Wish::End | Wish::Release => {
                if kind == RequestType::Termination && held.failures >= TERMINATIONS_MAX {
                    return self.ended(key);
                }
            }
        }
        if kind == RequestType::Initial && !held.was_selected {
            self.note_fallback(key);
        }
        self.enqueue_later(key, now);
    }

    fn note_fallback(&mut self, key: SessionKey) {
        let fallback = ProfileFacts::Unanswered(self.settings.fallback.clone());
        self.note_facts(key, fallback);
    }

    /// What is known about the profile of a session is to be selected by again.
    fn select_again(&mut self, key: SessionKey) {
        let told = self.sessions.get_mut(&key).and_then(|it| it.told.take());
        if let Some(facts) = told {
            self.note_facts(key, facts);
        }
    }

    fn note_facts(&mut self, key: SessionKey, facts: ProfileFacts) {
        let Some(held) = self.sessions.get_mut(&key) else {
            return;
        };
        if held.told.as_ref() != Some(&facts) && held.wish != Wish::End {
            held.told = Some(facts.clone());
            self.notes.push_back(Note::Facts(key, facts));
        }
    }
}

#[cfg(test)]
mod tests;
