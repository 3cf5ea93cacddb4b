//! Answers as bytes.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use jiff::Timestamp;
use serde::Serialize;
use sessions::{Digits, Page, Record};

use super::refusal::Refusal;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The type of RFC 9457.
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// When to try again, in seconds.
const RETRY_S: HeaderValue = HeaderValue::from_static("1");

#[derive(Serialize)]
struct Sessions {
    sessions: Vec<Session>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct Session {
    ranges: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msisdn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imsi: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    apn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    origin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nas: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

#[derive(Serialize)]
struct Problem {
    title: &'static str,
    status: u16,
    detail: String,
}

impl Session {
    fn of(record: &Record) -> Self {
        let nas = record.nas().map(str::to_owned);
        // An operator gives a session no id.
        let id = nas
            .as_ref()
            .map(|_| record.id().bytes().escape_ascii().to_string());
        Self {
            ranges: record.ranges().iter().map(ToString::to_string).collect(),
            msisdn: record.msisdn.map(digits),
            imsi: record.imsi.map(digits),
            apn: record.apn.as_deref().map(str::to_owned),
            profile: record.profile.as_deref().map(str::to_owned),
            origin: record.origin.as_str(),
            nas,
            id,
            changed: moment(record.changed_s),
            expires: record.expires_s().and_then(moment),
        }
    }
}

/// Answers with one session.
pub(super) fn session(status: StatusCode, record: &Record) -> Response<Full<Bytes>> {
    with(status, JSON, &Session::of(record))
}

/// Answers with a page of them.
pub(super) fn page(page: &Page) -> Response<Full<Bytes>> {
    let sessions = page.sessions.iter().map(|record| Session::of(record));
    let sessions = Sessions {
        sessions: sessions.collect(),
        next: page.next.map(|next| next.to_string()),
    };
    with(StatusCode::OK, JSON, &sessions)
}

/// Answers that it is done.
pub(super) fn nothing() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Answers with what is wrong (RFC 9457).
pub(super) fn problem(refusal: &Refusal) -> Response<Full<Bytes>> {
    let status = refusal.status();
    let problem = Problem {
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail: refusal.to_string(),
    };
    let mut response = with(status, PROBLEM, &problem);
    if let Some((name, value)) = field(refusal, status) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Returns the field that a status asks for.
fn field(refusal: &Refusal, status: StatusCode) -> Option<(http::HeaderName, HeaderValue)> {
    match (refusal, status) {
        (Refusal::Method(methods), _) => {
            let methods = methods.replace(" or ", ", ");
            Some((ALLOW, HeaderValue::from_str(&methods).ok()?))
        }
        // RFC 6750 section 3.
        (Refusal::WrongToken, _) => {
            let value = "Bearer realm=\"sessions\", error=\"invalid_token\"";
            Some((WWW_AUTHENTICATE, HeaderValue::from_static(value)))
        }
        (_, StatusCode::UNAUTHORIZED) => {
            let value = "Bearer realm=\"sessions\"";
            Some((WWW_AUTHENTICATE, HeaderValue::from_static(value)))
        }
        (_, StatusCode::SERVICE_UNAVAILABLE) => Some((RETRY_AFTER, RETRY_S)),
        (_, _) => None,
    }
}

fn with(status: StatusCode, kind: HeaderValue, body: &impl Serialize) -> Response<Full<Bytes>> {
    // Strings and numbers are always JSON.
    let mut text = serde_json::to_vec(body).unwrap_or_default();
    text.push(b'\n');
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Writes seconds since 1970 as RFC 3339 has them.
fn moment(seconds: u32) -> Option<String> {
    let moment = Timestamp::from_second(i64::from(seconds)).ok()?;
    Some(moment.to_string())
}

fn digits(digits: Digits) -> String {
    (*digits.text()).to_owned()
}
