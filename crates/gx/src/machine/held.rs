use std::sync::Arc;
use std::time::Instant;

use diameter::command::{CreditControlRequest, RequestType, SessionRequest};
use diameter::name::{IP_CAN_TYPE, TERMINATION_CAUSE, application};
use diameter::{Avp, Message};
use sessions::{ProfileFacts, Subscriber};

use crate::subscriber::{avps, vendor_avp};
use crate::{Facts, Settings};

/// DIAMETER_LOGOUT (RFC 6733 section 8.15): the session ended as sessions do.
const LOGOUT: u32 = 1;

/// One session.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: Arc<str>,
    pub(super) subscriber: Arc<Subscriber>,
    pub(super) state: State,
    /// Whether the policy server may know it where it is absent: it was asked for, and no answer
    /// said what became of that.
    pub(super) may_be_there: bool,
    pub(super) wish: Wish,
    /// In `ready`, or waiting in `later` until then.
    pub(super) queue: Queue,
    /// CC-Request-Number of the next request.
    pub(super) number: u32,
    /// Failures in a row.
    pub(super) failures: u8,
    /// The host that answered first, which knows the session.
    pub(super) host: Option<Arc<str>>,
    pub(super) facts: Facts,
    /// Whether a profile was selected for it, here or before this began.
    pub(super) was_selected: bool,
    /// What was told to the directory last.
    pub(super) told: Option<ProfileFacts>,
}

/// What the policy server knows of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    Absent,
    Present,
    /// The answer to this is awaited.
    Asked(RequestType),
    /// The policy server ended it. It is asked for again when it changes.
    Released,
}

/// What is to be asked of the policy server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wish {
    None,
    /// To know the session as it is now.
    Tell,
    /// To forget the session, which then is forgotten here.
    End,
    /// To forget the session, which is kept here.
    Release,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Queue {
    Nowhere,
    Ready,
    Later(Instant),
}

impl Settings {
    /// Makes the next request for a session, and counts it.
    pub(super) fn ask(&self, held: &mut Held, kind: RequestType) -> Message {
        let mut said = avps(&held.subscriber);
        match kind {
            RequestType::Initial => {
                held.number = 0;
                said.push(vendor_avp(IP_CAN_TYPE, self.network));
                let capability = self.capability;
                said.extend(capability.map(|it| vendor_avp(it.avp, it.value)));
            }
            RequestType::Update => {}
            RequestType::Termination => said.push(Avp::mandatory(TERMINATION_CAUSE, LOGOUT)),
        }
        let request = CreditControlRequest {
            about: SessionRequest {
                session: Box::from(&*held.id),
                application: application::GX,
                origin: self.own.clone(),
                realm: Arc::clone(&self.realm),
                host: held.host.clone(),
                state: Some(self.state),
            },
            kind,
            number: held.number,
            avps: said,
        };
        held.number = held.number.wrapping_add(1);
        request.message()
    }
}
