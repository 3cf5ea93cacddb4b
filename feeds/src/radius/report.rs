//! From a report to a change of the table.

use std::net::IpAddr;

use accounting::{Request, Status, Unread};
use sessions::{Applied, Digits, LiveSessions, Refused, Report, SessionId, Switched};

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

    /// Returns whether whoever sent it gets an answer.
    pub(super) fn is_answered(self) -> bool {
        match self {
            Self::Opened
            | Self::Changed
            | Self::Closed
            | Self::Switched
            | Self::Repeated
            | Self::Stale
            | Self::Ignored => true,
            Self::Refused
            | Self::UnknownClient
            | Self::WrongSecret
            | Self::WrongCode
            | Self::TooLong
            | Self::Malformed => false,
        }
    }

    /// Returns the word of metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Changed => "changed",
            Self::Closed => "closed",
            Self::Switched => "switched",
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

/// Puts a report in force.
pub(super) fn apply(
    live: &LiveSessions,
    config: &Config,
    (request, from): (&Request, IpAddr),
    now_s: u32,
) -> Outcome {
    let nas = request.nas();
    let nas = nas.unwrap_or_else(|| from.to_canonical().to_string());
    let event_s = event_s(request, now_s);
    let id = request.session_id().and_then(|id| SessionId::new(&id));
    match (request.status(), id) {
        (Some(Status::On), _) => switched(live.switched(&nas, Switched::On, event_s)),
        (Some(Status::Off), _) => switched(live.switched(&nas, Switched::Off, event_s)),
        (Some(Status::Stop), Some(id)) if request.ends_the_session() => {
            Outcome::from(live.close(&nas, &id, event_s))
        }
        (Some(Status::Start | Status::Interim), Some(id)) => {
            let report = report(request, config, (nas, id), event_s);
            match live.report(&report, now_s) {
                Ok(applied) => applied.into(),
                Err(_) => Outcome::Refused,
            }
        }
        (Some(Status::Stop | Status::Start | Status::Interim | Status::Other(_)) | None, _) => {
            Outcome::Ignored
        }
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
    (nas, id): (String, SessionId),
    event_s: u32,
) -> Report {
    let number = request.calling_station();
    let number = number.as_deref().map(|it| it.trim_start_matches('+'));
    Report {
        nas: nas.into(),
        id,
        ranges: request.ranges(),
        msisdn: number.and_then(Digits::new),
        imsi: request.imsi().as_deref().and_then(Digits::new),
        apn: request.called_station().map(String::into_boxed_str),
        profile: config.profile(request).cloned(),
        event_s,
    }
}

fn switched(news: Result<bool, Refused>) -> Outcome {
    match news {
        Ok(true) => Outcome::Switched,
        Ok(false) => Outcome::Stale,
        Err(_) => Outcome::Refused,
    }
}

impl From<Applied> for Outcome {
    fn from(applied: Applied) -> Self {
        match applied {
            Applied::Opened(_) => Self::Opened,
            Applied::Changed(_) => Self::Changed,
            Applied::Closed(_) => Self::Closed,
            Applied::Stale => Self::Stale,
            Applied::Unknown => Self::Ignored,
        }
    }
}
