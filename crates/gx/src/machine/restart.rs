//! A policy server that has lost its sessions says so by a greater Origin-State-Id (RFC 6733
//! section 8.16).

use std::sync::Arc;

use diameter::name::ORIGIN_STATE_ID;
use diameter::{Avp, Fields};
use sessions::SessionKey;

use super::Gx;
use super::held::{State, Wish};

/// Hosts whose Origin-State-Id is remembered at most.
pub(super) const HOSTS_MAX: usize = 256;

impl Gx {
    /// A host has said which state it is in. The sessions that it knew and has lost are opened
    /// anew; the profiles that it selected stay until it says others.
    pub fn heard_of(&mut self, host: &Arc<str>, state: u32) {
        match self.hosts.get_mut(host) {
            Some(before) if *before < state => *before = state,
            Some(_) => return,
            None => {
                if self.hosts.len() < HOSTS_MAX {
                    self.hosts.insert(Arc::clone(host), state);
                }
                return;
            }
        }
        let lost = self.sessions.iter();
        let lost = lost.filter(|(_, held)| {
            held.state == State::Present && held.host.as_ref().is_some_and(|it| it == host)
        });
        let lost: Vec<SessionKey> = lost.map(|(key, _)| *key).collect();
        for key in lost {
            self.renew_id(key);
            if let Some(held) = self.sessions.get_mut(&key) {
                held.state = State::Absent;
                if held.wish == Wish::None {
                    held.wish = Wish::Tell;
                }
            }
            self.enqueue(key);
        }
    }
}

/// Returns what a message says of the state of who sent it. A value that is none says nothing.
pub(super) fn origin_state(avps: &[Avp]) -> Option<u32> {
    avps.optional(ORIGIN_STATE_ID).ok()??.number().ok()
}
