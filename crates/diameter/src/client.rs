//! Requests of an application over several peers: answers are tied to them, and what a lost peer
//! owes is asked of the next (RFC 6733 section 5.5.4).

mod recent;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use recent::{RECENT_AGE, RECENT_MAX};

use crate::command::Outcome;
use crate::peer::{Act, CloseReason, Jitter, Peer, PeerSettings, Standing};
use crate::{Message, RETRANSMITTED, Refused};
use recent::Recent;

/// How many peers are asked the same at most, one after the other.
pub const PEERS_ASKED_MAX: usize = 4;

/// How requests are treated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientSettings {
    /// How long the answer to a request may take, over all peers.
    pub answer: Duration,
    /// How many requests may wait for their answers.
    pub pending_max: usize,
}

/// What the driver is to do, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientAct<T> {
    /// Something at the connection with this place in the list of peers. It is never
    /// [`Act::Request`] or [`Act::Answer`].
    Peer(usize, Act),
    /// Somebody asks this; answer with [`Client::answer`].
    Asked(Asked),
    /// The answer to a request.
    Answered(T, Message),
    /// There will be no answer to a request.
    Failed(T, Failure),
    /// An answer to nothing that was asked, or that was given up since.
    Stray,
    /// A request that was answered before, and is so again.
    Again,
}

/// A request of somebody, which is to be answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    peer: usize,
    /// What is asked.
    pub request: Message,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Failure {
    /// No peer stands.
    NoPeer,
    /// It took too long.
    Deadline,
    /// Every peer that was asked was lost before it answered.
    Lost,
}

/// A request that could not be taken, since as many wait for answers as may.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Full;

/// Connections to peers, best first, and what is asked over them. `T` ties an answer to what the
/// caller asked for.
#[derive(Debug)]
pub struct Client<T> {
    settings: ClientSettings,
    peers: Vec<Peer>,
    /// By end-to-end id.
    pending: BTreeMap<u32, Pending<T>>,
    /// With the end-to-end id, in the order in which they end; some have been answered.
    deadlines: VecDeque<(Instant, u32)>,
    end_to_end: u32,
    recent: Recent,
    acts: VecDeque<ClientAct<T>>,
}

#[derive(Debug)]
struct Pending<T> {
    token: T,
    /// What was asked, to ask it again.
    request: Message,
    /// The peers that were asked, the last one with the hop-by-hop id.
    asked: Vec<usize>,
    hop_by_hop: u32,
}

impl<T> Client<T> {
    /// Creates the client of the peers, best first. `end_to_end` is the first id of a request:
    /// its upper 12 bits from the clock, as RFC 6733 section 3 has it, so that requests before
    /// and after a restart differ.
    #[must_use]
    pub fn new(
        settings: ClientSettings,
        peers: impl IntoIterator<Item = Arc<PeerSettings>>,
        end_to_end: u32,
        seed: u64,
        now: Instant,
    ) -> Self {
        let mut jitter = Jitter::new(seed);
        let peers = peers.into_iter();
        Self {
            settings,
            peers: peers
                .map(|peer| Peer::new(peer, u64::from(jitter.number()), now))
                .collect(),
            pending: BTreeMap::new(),
            deadlines: VecDeque::new(),
            end_to_end,
            recent: Recent::default(),
            acts: VecDeque::new(),
        }
    }

    /// Returns what to do next.
    pub fn act(&mut self) -> Option<ClientAct<T>> {
        self.acts.pop_front()
    }

    /// Returns how many requests can be taken now: none without a peer that stands.
    #[must_use]
    pub fn room(&self) -> usize {
        match self.best(&[]) {
            None => 0,
            Some(_) => self.settings.pending_max.saturating_sub(self.pending.len()),
        }
    }

    /// Returns how many requests wait for answers.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Returns the best standing of any peer.
    #[must_use]
    pub fn stands(&self) -> Standing {
        let standings = self.peers.iter().map(Peer::stands);
        standings.max().unwrap_or(Standing::Down)
    }

    /// Returns when to [`tick`](Self::tick) at the latest.
    #[must_use]
    pub fn wakes(&self) -> Option<Instant> {
        let deadline = self.deadlines.front().map(|(at, _)| *at);
        self.peers
            .iter()
            .filter_map(Peer::wakes)
            .chain(deadline)
            .min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        for place in 0..self.peers.len() {
            self.with_peer(place, now, |peer| peer.tick(now));
        }
        while let Some((at, end_to_end)) = self.deadlines.front().copied() {
            if now < at && self.pending.contains_key(&end_to_end) {
                break;
            }
            self.deadlines.pop_front();
            self.expire(end_to_end);
        }
    }

    /// The transport to a peer stands; `local` is its address on this side.
    pub fn connected(&mut self, place: usize, local: IpAddr, now: Instant) {
        self.with_peer(place, now, |peer| peer.connected(local, now));
    }

    /// The transport to a peer is gone, or never came.
    pub fn lost(&mut self, place: usize, now: Instant) {
        self.with_peer(place, now, |peer| peer.lost(now));
    }

    /// A message came from a peer.
    pub fn received(&mut self, place: usize, message: Message, now: Instant) {
        self.with_peer(place, now, |peer| peer.received(message, now));
    }

    /// A message came from a peer that cannot be used. An answer fails its request only at the
    /// deadline, as if it had not come.
    pub fn refused(&mut self, place: usize, refused: &Refused, now: Instant) {
        self.with_peer(place, now, |peer| peer.refused(refused, now));
    }

    /// Says goodbye to all peers, for good.
    pub fn stop(&mut self, now: Instant) {
        for place in 0..self.peers.len() {
            self.with_peer(place, now, |peer| peer.stop(now));
        }
    }

    /// Returns whether all connections are closed for good.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.peers.iter().all(Peer::is_stopped)
    }

    /// Asks the best peer; without one, the request fails at once.
    ///
    /// # Errors
    ///
    /// Fails if as many requests wait for answers as may.
    pub fn request(&mut self, token: T, mut request: Message, now: Instant) -> Result<(), Full> {
        if self.pending.len() >= self.settings.pending_max {
            return Err(Full);
        }
        self.end_to_end = self.end_to_end.wrapping_add(1);
        request.header.end_to_end = self.end_to_end;
        let deadline = now + self.settings.answer;
        self.deadlines.push_back((deadline, self.end_to_end));
        self.ask(
            Pending {
                token,
                request,
                asked: Vec::new(),
                hop_by_hop: 0,
            },
            Failure::NoPeer,
            now,
        );
        Ok(())
    }

    /// Answers somebody, on the connection that the request came on, and every time that the
    /// request comes again.
    pub fn answer(&mut self, asked: &Asked, answer: Message, now: Instant) {
        self.recent.keep(&asked.request, &answer, now);
        self.with_peer(asked.peer, now, |peer| peer.answer(answer));
    }

    fn with_peer(&mut self, place: usize, now: Instant, event: impl FnOnce(&mut Peer)) {
        let Some(peer) = self.peers.get_mut(place) else {
            return;
        };
        event(peer);
        while let Some(act) = self.peers.get_mut(place).and_then(Peer::act) {
            match act {
                Act::Request(request) => self.asked(place, request, now),
                Act::Answer(answer) => self.answered(place, answer, now),
                Act::Stands(standing) => {
                    self.acts.push_back(ClientAct::Peer(place, act));
                    if matches!(standing, Standing::Down | Standing::Suspect) {
                        self.ask_others(place, now);
                    }
                }
                Act::Connect | Act::Send(_) | Act::Close(_) | Act::Host(..) => {
                    self.acts.push_back(ClientAct::Peer(place, act));
                }
            }
        }
    }

    fn asked(&mut self, peer: usize, request: Message, now: Instant) {
        match self.recent.answer(&request, now) {
            Some(answer) => {
                self.acts.push_back(ClientAct::Again);
                self.with_peer(peer, now, |peer| peer.answer(answer));
            }
            None => self
                .acts
                .push_back(ClientAct::Asked(Asked { peer, request })),
        }
    }

    fn answered(&mut self, place: usize, answer: Message, now: Instant) {
        let header = answer.header;
        let belongs = |pending: &Pending<T>| {
            pending.asked.last() == Some(&place)
                && pending.hop_by_hop == header.hop_by_hop
                && pending.request.header.command == header.command
        };
        let found = self.pending.get(&header.end_to_end).is_some_and(belongs);
        let found = found.then(|| self.pending.remove(&header.end_to_end));
        let Some(pending) = found.flatten() else {
            self.acts.push_back(ClientAct::Stray);
            return;
        };
        let outcome = Outcome::read(&answer.avps);
        let elsewhere = outcome.is_ok_and(Outcome::asks_another_way);
        if elsewhere && self.best(&pending.asked).is_some() {
            return self.ask(pending, Failure::NoPeer, now);
        }
        let act = ClientAct::Answered(pending.token, answer);
        self.acts.push_back(act);
    }

    /// A peer owes answers that it may never give.
    fn ask_others(&mut self, place: usize, now: Instant) {
        let is_owed = |pending: &Pending<T>| pending.asked.last() == Some(&place);
        let owed = self.pending.iter().filter(|(_, pending)| is_owed(pending));
        let owed: Vec<u32> = owed.map(|(end_to_end, _)| *end_to_end).collect();
        let peer = self.peers.get(place);
        let is_down = peer.is_none_or(|peer| peer.stands() == Standing::Down);
        for end_to_end in owed {
            let stays = |pending: &Pending<T>| !is_down && self.best(&pending.asked).is_none();
            // Who is only suspected may still answer, where nobody else can.
            if self.pending.get(&end_to_end).is_some_and(stays) {
                continue;
            }
            if let Some(mut pending) = self.pending.remove(&end_to_end) {
                pending.request.header.flags |= RETRANSMITTED;
                self.ask(pending, Failure::Lost, now);
            }
        }
    }

    /// Asks the best peer that was not asked yet; `failure` is why nobody is left.
    fn ask(&mut self, mut pending: Pending<T>, failure: Failure, now: Instant) {
        let place = self.best(&pending.asked);
        let sent = place.and_then(|place| {
            let peer = self.peers.get_mut(place)?;
            let hop = peer.request(pending.request.clone())?;
            Some((place, hop))
        });
        match sent {
            Some((place, hop_by_hop)) => {
                pending.asked.push(place);
                pending.hop_by_hop = hop_by_hop;
                let end_to_end = pending.request.header.end_to_end;
                self.pending.insert(end_to_end, pending);
                self.with_peer(place, now, |_| {});
            }
            None => self
                .acts
                .push_back(ClientAct::Failed(pending.token, failure)),
        }
    }

    /// Returns the best peer but for some: the first of those that stand best. Suspects are not
    /// asked anything.
    fn best(&self, asked: &[usize]) -> Option<usize> {
        if asked.len() >= PEERS_ASKED_MAX {
            return None;
        }
        let peers = self.peers.iter().enumerate();
        let left = peers
            .filter(|(place, peer)| peer.stands() >= Standing::Reopening && !asked.contains(place));
        let best = left.min_by_key(|(place, peer)| (std::cmp::Reverse(peer.stands()), *place));
        best.map(|(place, _)| place)
    }

    fn expire(&mut self, end_to_end: u32) {
        if let Some(pending) = self.pending.remove(&end_to_end) {
            let act = ClientAct::Failed(pending.token, Failure::Deadline);
            self.acts.push_back(act);
        }
    }
}

impl Asked {
    /// Returns the place of the peer in the list.
    #[must_use]
    pub fn peer(&self) -> usize {
        self.peer
    }
}

/// Returns whether a connection was closed for a reason that somebody should hear of.
#[must_use]
pub fn is_trouble(reason: CloseReason) -> bool {
    match reason {
        CloseReason::Stopped | CloseReason::AskedTo => false,
        CloseReason::SetupDeadline
        | CloseReason::Silent
        | CloseReason::Refused
        | CloseReason::OtherHost
        | CloseReason::NoCommonApplication
        | CloseReason::NoCapabilities => true,
    }
}

#[cfg(test)]
mod tests;
