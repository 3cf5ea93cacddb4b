//! What a line says.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use filter::{Binding, Protocol};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use sessions::Digits;

use super::Exchange;
use crate::config::Mode;
use crate::connection::Connection;
use crate::judge::Judged;
use crate::metrics::action_word;

/// Bytes of a client's text in a line, before escaping; what is longer ends in an ellipsis.
pub(super) const TEXT_LEN_MAX: usize = 4096;

/// One line; what is absent is left out.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    time: String,
    kind: &'static str,
    listener: &'static str,
    client: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tunnel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(flatten)]
    request: Option<Request<'a>>,
    #[serde(flatten)]
    decision: Option<Decided<'a>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "digits")]
    msisdn: Option<Digits>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "digits")]
    imsi: Option<Digits>,
}

#[derive(Debug, Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sni: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ech: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
    bytes_in: u64,
    bytes_out: u64,
    duration_us: u64,
}

#[derive(Debug, Serialize)]
struct Decided<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
    action: &'static str,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    undecidable: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icap_failure: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    categories: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sni_check: Option<&'static str>,
    enforcement: &'static str,
    /// `false` where the action is only told.
    #[serde(skip_serializing_if = "Option::is_none")]
    enforced: Option<bool>,
    decision_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    icap_us: Option<u64>,
}

impl<'a> Line<'a> {
    /// Starts a line of this moment.
    pub(super) fn new(kind: &'static str, mode: Mode, client: SocketAddr) -> Self {
        Self {
            time: format!("{:.6}", Timestamp::now()),
            kind,
            listener: mode.as_str(),
            client,
            destination: None,
            tunnel: None,
            reason: None,
            request: None,
            decision: None,
            msisdn: None,
            imsi: None,
        }
    }

    /// Starts a line about something that happened on a connection.
    pub(super) fn about(kind: &'static str, connection: &'a Connection) -> Self {
        let mut line = Self::new(kind, connection.mode, connection.client);
        line.destination = connection.original_destination();
        line.tunnel = connection.tunnel.as_ref().map(|t| t.authority.authority());
        line
    }

    /// Adds why something was refused.
    pub(super) fn reason(&mut self, reason: &'static str) {
        self.reason = Some(reason);
    }

    /// Adds what was requested and how it went.
    pub(super) fn exchange(&mut self, exchange: &'a Exchange, redact_query: bool) {
        let uri = exchange.uri.as_deref();
        let uri = uri.map(|uri| {
            if redact_query {
                without_query(uri)
            } else {
                uri
            }
        });
        self.request = Some(Request {
            method: exchange.method.as_deref().map(cut),
            uri: uri.map(cut),
            sni: exchange.sni.as_deref().map(lossy),
            ech: exchange.ech,
            status: exchange.status,
            failure: exchange.failure,
            bytes_in: exchange.bytes_in,
            bytes_out: exchange.bytes_out,
            duration_us: micros(exchange.took.unwrap_or_else(|| exchange.started.elapsed())),
        });
    }

    /// Adds what was decided.
    pub(super) fn decision(&mut self, judged: &'a Judged, protocol: Protocol) {
        let decision = &judged.decision;
        self.decision = Some(Decided {
            profile: decision.profile.as_deref(),
            action: action_word(decision.action),
            source: decision.source.as_str(),
            undecidable: decision.undecidable.map(|reason| reason.as_str()),
            icap_failure: decision.failure.map(|failure| failure.as_str()),
            rule: decision.rule.as_deref(),
            categories: decision.categories.iter().map(|name| &**name).collect(),
            sni_check: judged.binding().map(Binding::as_str),
            enforcement: decision.enforcement(protocol).as_str(),
            enforced: decision.is_only_reported().then_some(false),
            decision_us: micros(judged.took),
            icap_us: judged.icap_took.map(micros),
        });
    }

    /// Adds who the subscriber is.
    pub(super) fn subscriber(&mut self, judged: &'a Judged) {
        if let Some(session) = &judged.session {
            self.msisdn = session.msisdn;
            self.imsi = session.imsi;
        }
    }

    /// Returns the line as JSON with its line feed.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        // Escaping makes every line feed and control character part of a string.
        let mut line = serde_json::to_vec(self).ok()?;
        line.push(b'\n');
        Some(line)
    }
}

fn without_query(uri: &str) -> &str {
    uri.split_once('?').map_or(uri, |(path, _)| path)
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => cut(text),
        Cow::Owned(text) => Cow::Owned(cut(&text).into_owned()),
    }
}

fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_LEN_MAX {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(TEXT_LEN_MAX);
    let start = text.get(..end).unwrap_or_default();
    Cow::Owned(format!("{start}\u{2026}"))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn digits<S: Serializer>(digits: &Option<Digits>, serializer: S) -> Result<S::Ok, S::Error> {
    digits.map(Digits::text).as_deref().serialize(serializer)
}
