//! From a report to a change of the table.

use std::net::IpAddr;

use accounting::{Request, Status, Unread};
use sessions::{Applied, Change, Digits, Report, SessionId, Switched};

use super::Config;

/// Seconds that the clock of a NAS may be ahead of ours; a later event is as late as this.
pub const CLOCK_AHEAD_S_MAX: u32 = 300;

/// What became of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// A session was opened.
    Opened,
    /// A session was changed, or goes on.
    Changed,
    /// A session was closed.
    Closed,
    /// A NAS was switched on or off.
    Switched,
    /// Somebody asked whether we are here: answered.
    Status,
    /// The same bytes were taken before: answered, and nothing else.
    Repeated,
    /// Something later is known of the session or its address: answered, nothing changed.
    Stale,
    /// There is nothing that it could change: answered.
    Ignored,
    /// There is no room: not answered.
    Refused,
    /// From an address that may not report.
    UnknownClient,
    /// The authenticator does not fit the secret.
    WrongSecret,
    /// Not an Accounting-Request.
    WrongCode,
    /// Longer than a datagram may be.
    TooLong,
    /// Not whole, or its attributes do not fit together.
    Malformed,
}

impl Outcome {
    pub(super) fn of(wrong: Unread) -> Self {
        match wrong {
            Unread::TooLong => Self::TooLong,
            Unread::Code(_) => Self::WrongCode,
            Unread::Authenticator => Self::WrongSecret,
            Unread::Truncated | Unread::Attributes => Self::Malformed,
        }
    }

    /// Returns the word of metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Changed => "changed",
            Self::Closed => "closed",
            Self::Switched => "switched",
            Self::Status => "status",
            Self::Repeated => "repeated",
            Self::Stale => "stale",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::UnknownClient => "unknown_client",
            Self::WrongSecret => "wrong_secret",
            Self::WrongCode => "wrong_code",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
        }
    }
}

/// Returns the change that a report asks for, if it does.
pub(super) fn change(
    config: &Config,
    (request, from): (&Request, IpAddr),
    now_s: u32,
) -> Option<Change> {
    let nas = request.nas();
    let nas: Box<str> = nas
        .unwrap_or_else(|| from.to_canonical().to_string())
        .into();
    let event_s = event_s(request, now_s);
    let switch = |switched| Change::Switch {
        nas: nas.clone(),
        switched,
        event_s,
    };
    let id = request.session_id().and_then(|id| SessionId::new(&id));
    match (request.status(), id) {
        (Some(Status::On), _) => Some(switch(Switched::On)),
        (Some(Status::Off), _) => Some(switch(Switched::Off)),
        (Some(Status::Stop), Some(id)) if request.ends_the_session() => {
            Some(Change::Close { nas, id, event_s })
        }
        (Some(Status::Start | Status::Interim), Some(id)) => {
            Some(Change::Report(report(request, config, (nas, id), event_s)))
        }
        (Some(Status::Stop | Status::Start | Status::Interim | Status::Other(_)) | None, _) => None,
    }
}

/// Returns when the event was: as Event-Timestamp says (RFC 2869 section 5.3), which does not change
/// when it is sent again, else before now by Acct-Delay-Time.
fn event_s(request: &Request, now_s: u32) -> u32 {
    let told = request.event_timestamp();
    let told = told.unwrap_or_else(|| now_s.saturating_sub(request.delay_s()));
    told.min(now_s.saturating_add(CLOCK_AHEAD_S_MAX))
}

fn report(
    request: &Request,
    config: &Config,
    (nas, id): (Box<str>, SessionId),
    event_s: u32,
) -> Report {
    let number = request.calling_station();
    let number = number.as_deref().map(|it| it.trim_start_matches('+'));
    Report {
        nas,
        id,
        ranges: request.ranges(),
        msisdn: number.and_then(Digits::new),
        imsi: request.imsi().as_deref().and_then(Digits::new),
        apn: request.called_station().map(String::into_boxed_str),
        profile: config.profile(request).cloned(),
        event_s,
    }
}

impl From<Applied> for Outcome {
    fn from(applied: Applied) -> Self {
        match applied {
            Applied::Opened(_) => Self::Opened,
            Applied::Changed(_) => Self::Changed,
            Applied::Closed(_) => Self::Closed,
            Applied::Switched => Self::Switched,
            Applied::Stale => Self::Stale,
            Applied::Unknown => Self::Ignored,
        }
    }
}
