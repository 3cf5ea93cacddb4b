use std::borrow::Cow;
use std::net::IpAddr;

use crate::fields::{FIELDS_MAX, Fields, LineScan, digits, find_head_within, slots};
use crate::http::is_one_head;
use crate::start_line::request_line;
use crate::user::{authenticated_user, base64_text};
use crate::{
    BadChunk, BadEncapsulated, BadHead, BadServiceUri, Body, Connection, Encapsulated,
    EncapsulatedBody, Method, RequestLimits, ServiceUri, Shape, Status,
};

/// A request up to where its body starts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// What is wanted.
    pub method: Method,
    /// Of which service.
    pub service: ServiceUri,
    /// The `Host` field; some clients leave it out.
    pub host: Option<String>,
    /// Whether 204 may be answered outside a preview.
    pub allow_204: bool,
    /// The length of the preview.
    pub preview: Option<u64>,
    /// Whether the client closes the connection after the answer.
    pub connection: Connection,
    /// X-Client-IP: the HTTP client. IPv4-mapped addresses are IPv4.
    pub client_ip: Option<IpAddr>,
    /// X-Server-IP: the HTTP destination.
    pub server_ip: Option<IpAddr>,
    /// X-Subscriber-ID.
    pub subscriber_id: Option<String>,
    /// X-Authenticated-User: the name, without scheme.
    pub authenticated_user: Option<String>,
    /// X-Authenticated-User, as sent.
    pub authenticated_user_sent: Option<String>,
    /// X-Client-Username, as sent.
    pub client_username: Option<String>,
    /// The HTTP request head as sent, its empty line included; empty if there is none.
    pub http_head: Vec<u8>,
    /// What follows.
    pub body: Body,
}

/// Reads requests from the bytes of a connection. One reader serves the requests in turn.
#[derive(Clone, Debug, Default)]
pub struct RequestReader {
    limits: RequestLimits,
    scan: LineScan,
    /// A request whose HTTP heads are not there yet.
    pending: Option<Pending>,
}

/// What a [`RequestReader`] read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fed {
    /// More bytes are needed.
    NeedMore,
    /// A request, and how many bytes it took; its body follows.
    Request(Box<Request>, usize),
    /// No request. The connection must be closed after the answer.
    Bad(BadRequest),
}

/// Why a request is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadRequest {
    /// The ICAP head.
    #[error(transparent)]
    Head(#[from] BadHead),
    /// The first line.
    #[error("`{0}` is not a request line; use `METHOD icap://host/service ICAP/1.0`")]
    RequestLine(String),
    /// Another version.
    #[error("version `{0}` is not spoken; use `ICAP/1.0`")]
    Version(String),
    /// Another method.
    #[error("method `{0}` is unknown; use OPTIONS or REQMOD")]
    Method(String),
    /// The URI of the service.
    #[error(transparent)]
    ServiceUri(#[from] BadServiceUri),
    /// The `Preview` field.
    #[error("preview `{0}` is not a number")]
    Preview(String),
    /// The `Encapsulated` field.
    #[error(transparent)]
    Encapsulated(#[from] BadEncapsulated),
    /// No `Encapsulated` field where there must be one.
    #[error("a {} request needs `Encapsulated`", .0.as_str())]
    NotEncapsulated(Method),
    /// Legal sections, but not those that are needed.
    #[error("a REQMOD request needs an HTTP request head; use `req-hdr=0`")]
    Composition,
    /// The offset is the framing: a wrong one would put both ends out of step.
    #[error("an HTTP head does not end where `Encapsulated` says")]
    HttpHeadEnd,
    /// The chunks of the body.
    #[error(transparent)]
    Chunk(#[from] BadChunk),
    /// More preview than announced.
    #[error("the preview is longer than announced")]
    PreviewTooLong,
}

#[derive(Clone, Debug)]
struct Pending {
    request: Box<Request>,
    encapsulated: Option<Encapsulated>,
    head_len: usize,
}

impl Request {
    /// Returns the names that the HTTP client's user may have, the likeliest first:
    /// X-Authenticated-User as it is usually encoded, then as sent; X-Client-Username as it is
    /// usually sent, then what that encodes, since ICAP clients can be told to.
    pub fn user_names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let read = self.authenticated_user.as_deref();
        let sent = self.authenticated_user_sent.as_deref();
        let sent = sent.filter(|sent| Some(*sent) != read);
        let username = self.client_username.as_deref();
        let encoded = username.and_then(|name| base64_text(name.as_bytes()));
        let borrowed = [read, sent, username].into_iter().flatten();
        borrowed
            .map(Cow::Borrowed)
            .chain(encoded.into_iter().map(Cow::Owned))
    }
}

impl RequestReader {
    /// Creates a reader that reads no more than this.
    #[must_use]
    pub fn new(limits: RequestLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Reads one request from `received`: all bytes of the connection that were not used yet.
    pub fn feed(&mut self, received: &[u8]) -> Fed {
        match self.read(received) {
            Ok(None) => Fed::NeedMore,
            Ok(Some((request, used))) => {
                *self = Self::new(self.limits);
                Fed::Request(request, used)
            }
            Err(bad) => Fed::Bad(bad),
        }
    }

    fn read(&mut self, received: &[u8]) -> Result<Option<(Box<Request>, usize)>, BadRequest> {
        let pending = match self.pending.take() {
            Some(pending) => pending,
            None => {
                let len_max = self.limits.head_len_max;
                let Some(head_len) = find_head_within(&mut self.scan, received, len_max)? else {
                    return Ok(None);
                };
                Pending::parse(received.get(..head_len).unwrap_or(received), &self.limits)?
            }
        };
        let Some(heads) = received.get(pending.head_len..pending.end()) else {
            self.pending = Some(pending);
            return Ok(None);
        };
        let used = pending.end();
        Ok(Some((pending.with_heads(heads)?, used)))
    }
}

impl Pending {
    fn parse(head: &[u8], limits: &RequestLimits) -> Result<Self, BadRequest> {
        let at = head
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(head.len(), |at| at + 1);
        let (line, block) = head.split_at_checked(at).unwrap_or((head, &[]));
        let (method, service) = request_line(line.strip_suffix(b"\r\n").unwrap_or(line))?;
        let mut slots = slots();
        let lines_max = limits.fields_max.min(FIELDS_MAX);
        let slots = slots.get_mut(..lines_max).unwrap_or_default();
        let fields = Fields::parse_into(block, slots)?;
        let encapsulated = encapsulated(method, fields, limits.http_heads_len_max)?;
        let preview = preview(fields)?;
        let request = Request {
            method,
            service,
            host: fields.text("Host"),
            allow_204: fields.lists("Allow", "204"),
            preview,
            connection: fields.connection(),
            client_ip: address(fields.first("X-Client-IP")),
            server_ip: address(fields.first("X-Server-IP")),
            subscriber_id: fields.text("X-Subscriber-ID"),
            authenticated_user: fields
                .first("X-Authenticated-User")
                .and_then(authenticated_user),
            authenticated_user_sent: fields.text("X-Authenticated-User"),
            client_username: fields.text("X-Client-Username"),
            http_head: Vec::new(),
            body: body(encapsulated, preview),
        };
        Ok(Self {
            request: Box::new(request),
            encapsulated,
            head_len: head.len(),
        })
    }

    /// Returns where the HTTP heads end.
    fn end(&self) -> usize {
        let heads_len = self
            .encapsulated
            .map_or(0, |encapsulated| encapsulated.heads_len());
        self.head_len.saturating_add(heads_len as usize)
    }

    fn with_heads(mut self, heads: &[u8]) -> Result<Box<Request>, BadRequest> {
        let Some(encapsulated) = self.encapsulated else {
            return Ok(self.request);
        };
        let request_len = encapsulated.request_head.unwrap_or(0) as usize;
        let (request_head, response_head) = heads
            .split_at_checked(request_len)
            .ok_or(BadRequest::HttpHeadEnd)?;
        let mut heads = [request_head, response_head]
            .into_iter()
            .filter(|head| !head.is_empty());
        if !heads.all(is_one_head) {
            return Err(BadRequest::HttpHeadEnd);
        }
        self.request.http_head = request_head.to_vec();
        Ok(self.request)
    }
}

impl BadRequest {
    /// Returns the status to answer with.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Version(_) => Status::Version,
            Self::Method(_) => Status::NotImplemented,
            Self::Composition => Status::BadComposition,
            Self::Head(_)
            | Self::RequestLine(_)
            | Self::ServiceUri(_)
            | Self::Preview(_)
            | Self::Encapsulated(_)
            | Self::NotEncapsulated(_)
            | Self::HttpHeadEnd
            | Self::Chunk(_)
            | Self::PreviewTooLong => Status::BadRequest,
        }
    }
}

fn encapsulated(
    method: Method,
    fields: Fields<'_, '_>,
    len_max: u32,
) -> Result<Option<Encapsulated>, BadRequest> {
    let shape = match method {
        Method::Options => Shape::Options,
        Method::Reqmod => Shape::ReqmodRequest,
        Method::Respmod => Shape::RespmodRequest,
    };
    let Some(value) = fields.single("Encapsulated")? else {
        return match method {
            // Squid sends none with OPTIONS.
            Method::Options => Ok(None),
            Method::Reqmod | Method::Respmod => Err(BadRequest::NotEncapsulated(method)),
        };
    };
    let encapsulated = Encapsulated::parse_within(value, shape, len_max)?;
    if method == Method::Reqmod && encapsulated.request_head.is_none() {
        return Err(BadRequest::Composition);
    }
    Ok(Some(encapsulated))
}

fn preview(fields: Fields<'_, '_>) -> Result<Option<u64>, BadRequest> {
    let Some(value) = fields.single("Preview")? else {
        return Ok(None);
    };
    match digits(value) {
        Some(len) => Ok(Some(len)),
        None => Err(BadRequest::Preview(value.escape_ascii().to_string())),
    }
}

fn body(encapsulated: Option<Encapsulated>, preview: Option<u64>) -> Body {
    match (encapsulated.map(|encapsulated| encapsulated.body), preview) {
        (None | Some(EncapsulatedBody::Null), _) => Body::None,
        (Some(EncapsulatedBody::Options), _) => Body::Whole,
        (Some(EncapsulatedBody::Request | EncapsulatedBody::Response), None) => Body::Whole,
        (Some(EncapsulatedBody::Request | EncapsulatedBody::Response), Some(len)) => {
            Body::Preview(len)
        }
    }
}

/// Parses an address. One that is none is as good as absent: it only narrows a profile.
fn address(value: Option<&[u8]>) -> Option<IpAddr> {
    let address: IpAddr = str::from_utf8(value?).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests;
