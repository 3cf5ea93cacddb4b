//! From a request to a decision: session, profile, filter, categorizer.

use std::sync::Arc;
use std::time::Duration;

use filter::{Decision, Protocol, Target};
use sessions::Session;

use crate::connection::Connection;
use crate::worker::Worker;

/// A decision with what enforcement and the access log need beside it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) decision: Decision,
    pub(crate) session: Option<Arc<Session>>,
    /// From the request to the decision.
    pub(crate) took: Duration,
    /// Of it, waiting for the categorizer.
    pub(crate) icap_took: Option<Duration>,
}

impl Worker {
    /// Judges one request of a connection. Never takes longer than the ICAP deadline.
    pub(crate) async fn judge(
        &self,
        _connection: &Connection,
        _protocol: Protocol,
        _target: Target<'_>,
    ) -> Judged {
        todo!()
    }
}
