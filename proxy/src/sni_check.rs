//! Whether a name that passes leads to the address that the client dialled.
//!
//! A client may write any name into its Client Hello or its `Host` field and dial any address, and
//! its bytes go to the address. Where a pass list or a category let the name pass, DNS is asked:
//! with `log` while the bytes are under way, with `require` before the first of them is.

mod resolver;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use filter::{Binding, Decision};
use policy::{PolicySet, SniCheck};
use tokio::time::{Instant, timeout_at};
use uri::Readings;

use crate::access_log::Entry;
use crate::clients::client_of;
use crate::connection::{Connection, address_of};
use crate::dial::Turns;
use crate::worker::Worker;

pub(crate) use resolver::Resolver;

/// Look-ups that one worker has under way or waiting for their turn; a further one ends at once.
pub(crate) const LOOK_UPS_MAX: usize = 1024;

/// Of those, the look-ups of one client: one that asks for silent names leaves the others theirs.
pub(crate) const CLIENT_LOOK_UPS_MAX: usize = 128;

/// The look-ups of one worker. Their turns are their own, so that they hold up no dialling.
#[derive(Debug, Default)]
pub(crate) struct LookUps {
    turns: Turns,
    open: Cell<usize>,
    /// Of each client that has any.
    of_clients: RefCell<HashMap<IpAddr, usize>>,
}

/// One comparison, which may go on while the request that it is about is served.
#[derive(Debug, Default)]
pub(crate) struct Check {
    binding: Cell<Option<Binding>>,
    /// The line of a request that was over first.
    line: RefCell<Option<Box<Entry>>>,
}

/// The name that matched on a connection last: requests that follow need not ask again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bound(Rc<RefCell<Option<Box<str>>>>);

/// How a comparison ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The address is one of the name's.
    Match,
    /// It is none of them.
    Mismatch,
    /// The name has no address.
    NoAddress,
    /// DNS could not be asked, or did not answer rightly.
    Failed,
    /// No answer before the deadline.
    Late,
    /// Too many look-ups.
    Busy,
}

/// What is compared.
#[derive(Debug)]
struct Asked {
    host: String,
    dialled: IpAddr,
    client: IpAddr,
    bound: Bound,
}

impl Worker {
    /// Compares the name of a request that passes with the address that its client dialled, as
    /// far as the decision asks for it, and returns what becomes of the decision. `policy` is the
    /// one that was decided under.
    pub(crate) async fn check(
        self: &Rc<Self>,
        connection: &Connection,
        requested: Option<&Readings>,
        decision: Decision,
        policy: &PolicySet,
    ) -> (Decision, Option<Rc<Check>>) {
        let mode = decision.sni_check;
        let Some(asked) = Asked::new(connection, requested).filter(|_| mode != SniCheck::Off)
        else {
            return (decision, None);
        };
        if let Some(outcome) = self.known(&asked) {
            self.note(&asked, mode, outcome);
            let check = Check::settled(outcome.binding());
            return (decision.bound(policy, outcome.binding()), Some(check));
        }
        match mode {
            SniCheck::Off | SniCheck::Log => (decision, Some(self.watch(asked, mode))),
            SniCheck::Require => {
                let outcome = Box::pin(self.ask_dns(&asked)).await;
                self.note(&asked, mode, outcome);
                let check = Check::settled(outcome.binding());
                (decision.bound(policy, outcome.binding()), Some(check))
            }
        }
    }

    /// Compares beside the request, which does not wait.
    fn watch(self: &Rc<Self>, asked: Asked, mode: SniCheck) -> Rc<Check> {
        let check = Rc::new(Check::default());
        let settling = Settling(Rc::clone(&check));
        let worker = Rc::clone(self);
        self.drain.spawn_local(async move {
            let outcome = worker.ask_dns(&asked).await;
            worker.note(&asked, mode, outcome);
            settling.0.settle(outcome.binding());
        });
        check
    }

    /// Compares with what is known without DNS.
    fn known(&self, asked: &Asked) -> Option<Outcome> {
        if asked.bound.is(&asked.host) {
            return Some(Outcome::Match);
        }
        let live = self.shared.live.load();
        let fixed = live.content.static_hosts.get(&asked.host);
        match address_of(&asked.host).or_else(|| fixed.map(SocketAddr::ip)) {
            Some(address) => Some(asked.compare([address])),
            None => live.resolver.is_none().then_some(Outcome::Failed),
        }
    }

    /// Compares with what DNS says, for no longer than the deadline.
    async fn ask_dns(&self, asked: &Asked) -> Outcome {
        let live = self.shared.live.load_full();
        let Some(resolver) = &live.resolver else {
            return Outcome::Failed;
        };
        let Some(_place) = self.look_ups.place(asked.client) else {
            return Outcome::Busy;
        };
        let deadline = Instant::now() + live.config.dns.deadline;
        let addresses = async {
            let _turn = self.look_ups.turns.next(asked.client).await.ok()?;
            resolver.addresses(&asked.host, asked.dialled).await
        };
        match timeout_at(deadline, addresses).await {
            Ok(Some(addresses)) => asked.compare(addresses),
            Ok(None) => Outcome::Failed,
            Err(_) => Outcome::Late,
        }
    }

    fn note(&self, asked: &Asked, mode: SniCheck, outcome: Outcome) {
        self.shared.metrics.sni_checked(mode, outcome);
        if outcome == Outcome::Match {
            asked.bound.remember(&asked.host);
        }
        tracing::debug!(
            client = %asked.client,
            name = asked.host,
            dialled = %asked.dialled,
            outcome = outcome.as_str(),
            "name compared with the address dialled"
        );
    }
}

impl Asked {
    /// Returns what to compare: nothing where the client left it to us to find the address.
    fn new(connection: &Connection, requested: Option<&Readings>) -> Option<Self> {
        Some(Self {
            host: requested?.normal().host().to_owned(),
            dialled: connection.original_destination()?.ip(),
            client: connection.client.ip(),
            bound: connection.bound.clone(),
        })
    }

    fn compare(&self, addresses: impl IntoIterator<Item = IpAddr>) -> Outcome {
        match Binding::of(self.dialled, addresses) {
            Binding::Match => Outcome::Match,
            Binding::Mismatch => Outcome::Mismatch,
            Binding::Unresolved => Outcome::NoAddress,
        }
    }
}

impl Check {
    fn settled(binding: Binding) -> Rc<Self> {
        Rc::new(Self {
            binding: Cell::new(Some(binding)),
            line: RefCell::default(),
        })
    }

    /// Returns the result, if it is there.
    pub(crate) fn binding(&self) -> Option<Binding> {
        self.binding.get()
    }

    /// Keeps the line of a request that is over until there is a result, and writes it then.
    pub(crate) fn keep(&self, line: Entry) {
        self.line.replace(Some(Box::new(line)));
    }

    fn settle(&self, binding: Binding) {
        self.binding.set(Some(binding));
        // Dropping it writes it.
        drop(self.line.take());
    }
}

/// Settles a check at the end of its look-up, however that ends: a line that is kept for it must
/// be written.
struct Settling(Rc<Check>);

impl Drop for Settling {
    fn drop(&mut self) {
        if self.0.binding().is_none() {
            self.0.settle(Binding::Unresolved);
        }
    }
}

impl Bound {
    fn is(&self, host: &str) -> bool {
        self.0.borrow().as_deref() == Some(host)
    }

    fn remember(&self, host: &str) {
        if !self.is(host) {
            self.0.replace(Some(host.into()));
        }
    }
}

impl LookUps {
    fn place(&self, client: IpAddr) -> Option<Place<'_>> {
        let client = client_of(client);
        let open = self.open.get();
        let mut of_clients = self.of_clients.borrow_mut();
        let own = of_clients.get(&client).copied().unwrap_or_default();
        if open >= LOOK_UPS_MAX || own >= CLIENT_LOOK_UPS_MAX {
            return None;
        }
        self.open.set(open + 1);
        of_clients.insert(client, own + 1);
        Some(Place {
            look_ups: self,
            client,
        })
    }
}

/// A place among the look-ups of a worker.
struct Place<'a> {
    look_ups: &'a LookUps,
    client: IpAddr,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let LookUps {
            open, of_clients, ..
        } = self.look_ups;
        open.set(open.get().saturating_sub(1));
        let mut of_clients = of_clients.borrow_mut();
        if let Some(own) = of_clients.get_mut(&self.client) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                of_clients.remove(&self.client);
            }
        }
    }
}

impl Outcome {
    /// Returns what it says of name and address.
    fn binding(self) -> Binding {
        match self {
            Self::Match => Binding::Match,
            Self::Mismatch => Binding::Mismatch,
            Self::NoAddress | Self::Failed | Self::Late | Self::Busy => Binding::Unresolved,
        }
    }

    /// Returns the word for logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Mismatch => "mismatch",
            Self::NoAddress => "no_address",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Busy => "busy",
        }
    }
}

#[cfg(test)]
mod tests;
