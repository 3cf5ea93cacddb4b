use std::fmt;

use crate::fields::digits;

/// Bytes of the HTTP heads inside one ICAP message.
pub const HTTP_HEADS_LEN_MAX: u32 = 256 * 1024;

/// How the part after an ICAP head is cut up: the `Encapsulated` header (RFC 3507 section 4.4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Encapsulated {
    /// Bytes of the HTTP request head; none: there is no such section.
    pub request_head: Option<u32>,
    /// Bytes of the HTTP response head; none: there is no such section.
    pub response_head: Option<u32>,
    /// What follows the heads.
    pub body: EncapsulatedBody,
}

/// The section that ends an ICAP message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EncapsulatedBody {
    /// `null-body`: nothing.
    Null,
    /// `req-body`
    Request,
    /// `res-body`
    Response,
    /// `opt-body`
    Options,
}

/// The messages that carry an `Encapsulated` header; each allows other sections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// A REQMOD request: `[req-hdr] req-body`.
    ReqmodRequest,
    /// The answer to a REQMOD request: `{[req-hdr] req-body} | {[res-hdr] res-body}`.
    ReqmodAnswer,
    /// A RESPMOD request: `[req-hdr] [res-hdr] res-body`.
    RespmodRequest,
    /// An OPTIONS request or its answer: `opt-body`.
    Options,
}

/// Why an `Encapsulated` value is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadEncapsulated {
    /// Not a list of sections and offsets.
    #[error("`{0}` is not a section and its offset, such as `req-hdr=0`")]
    Section(String),
    /// A section that has no place in this message, or not after the ones before it.
    #[error("`{section}` cannot be there in {shape}; use {}", shape.grammar())]
    Misplaced {
        /// The section found.
        section: String,
        /// The message it was found in.
        shape: Shape,
    },
    /// Not a decimal number that fits.
    #[error("offset `{0}` is not a number below 2^32")]
    Offset(String),
    /// The first section starts where the ICAP head ends.
    #[error("the first section starts at {0}, not at 0")]
    FirstNotZero(u32),
    /// A head of no bytes, or one that starts before the one before it.
    #[error("offset {0} is not beyond the one before it")]
    NotIncreasing(u32),
    /// Where the last head ends is unknown.
    #[error("no section ends the message; use a body or `null-body`")]
    NoBody,
    /// More than is kept in memory for one message.
    #[error("heads of {found} bytes; at most {len_max} are read")]
    TooLong {
        /// Bytes that are announced.
        found: u32,
        /// Bytes that are read at most.
        len_max: u32,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Section {
    RequestHead,
    ResponseHead,
    Body(EncapsulatedBody),
}

impl Encapsulated {
    /// Parses the value of an `Encapsulated` header.
    ///
    /// # Errors
    ///
    /// Fails if the sections are not those of `shape`, in order and at increasing offsets.
    pub fn parse(value: &[u8], shape: Shape) -> Result<Self, BadEncapsulated> {
        Self::parse_within(value, shape, HTTP_HEADS_LEN_MAX)
    }

    /// Like [`parse`](Self::parse), for heads of at most `len_max` bytes together.
    ///
    /// # Errors
    ///
    /// Fails as [`parse`](Self::parse) does.
    pub fn parse_within(value: &[u8], shape: Shape, len_max: u32) -> Result<Self, BadEncapsulated> {
        let mut found = Self {
            request_head: None,
            response_head: None,
            body: EncapsulatedBody::Null,
        };
        let mut open: Option<(Section, u32)> = None;
        for text in value.split(|byte| *byte == b',') {
            let text = text.trim_ascii();
            let (section, offset) = section(text)?;
            if !shape.allows(open.map(|(section, _)| section), section) {
                let section = text.escape_ascii().to_string();
                return Err(BadEncapsulated::Misplaced { section, shape });
            }
            match open {
                None if offset != 0 => return Err(BadEncapsulated::FirstNotZero(offset)),
                None => {}
                Some((head, start)) => found.close(head, start, offset)?,
            }
            open = Some((section, offset));
        }
        match open {
            Some((Section::Body(body), heads_len)) if heads_len <= len_max => {
                found.body = body;
                Ok(found)
            }
            Some((Section::Body(_), found)) => Err(BadEncapsulated::TooLong { found, len_max }),
            Some((Section::RequestHead | Section::ResponseHead, _)) | None => {
                Err(BadEncapsulated::NoBody)
            }
        }
    }

    /// Returns the bytes of all heads: where the body starts.
    #[must_use]
    pub fn heads_len(&self) -> u32 {
        let request_head = self.request_head.unwrap_or(0);
        request_head.saturating_add(self.response_head.unwrap_or(0))
    }

    fn close(&mut self, head: Section, start: u32, end: u32) -> Result<(), BadEncapsulated> {
        let len = end.checked_sub(start).filter(|len| *len > 0);
        let len = len.ok_or(BadEncapsulated::NotIncreasing(end))?;
        match head {
            Section::RequestHead => self.request_head = Some(len),
            Section::ResponseHead => self.response_head = Some(len),
            Section::Body(_) => {}
        }
        Ok(())
    }
}

/// Writes the value as on the wire.
impl fmt::Display for Encapsulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.request_head.is_some() {
            write!(f, "req-hdr=0, ")?;
        }
        if self.response_head.is_some() {
            write!(f, "res-hdr={}, ", self.request_head.unwrap_or(0))?;
        }
        write!(f, "{}={}", self.body.as_str(), self.heads_len())
    }
}

impl EncapsulatedBody {
    fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null-body",
            Self::Request => "req-body",
            Self::Response => "res-body",
            Self::Options => "opt-body",
        }
    }
}

impl Shape {
    /// Returns whether `next` may follow `before`.
    fn allows(self, before: Option<Section>, next: Section) -> bool {
        use EncapsulatedBody as Body;
        use Section::{Body as Ends, RequestHead, ResponseHead};
        match (self, before, next) {
            (_, Some(Ends(_)), _) => false,
            (Self::Options, None, Ends(Body::Options | Body::Null))
            | (
                Self::ReqmodRequest | Self::ReqmodAnswer | Self::RespmodRequest,
                None,
                RequestHead | Ends(Body::Null),
            )
            | (Self::RespmodRequest, _, Ends(Body::Response | Body::Null))
            | (Self::RespmodRequest, None | Some(RequestHead), ResponseHead)
            | (
                Self::ReqmodRequest | Self::ReqmodAnswer,
                None | Some(RequestHead),
                Ends(Body::Request | Body::Null),
            )
            | (Self::ReqmodAnswer, None, ResponseHead)
            | (Self::ReqmodAnswer, None | Some(ResponseHead), Ends(Body::Response | Body::Null)) => {
                true
            }
            (_, _, RequestHead | ResponseHead | Ends(_)) => false,
        }
    }

    fn grammar(self) -> &'static str {
        match self {
            Self::ReqmodRequest => "`[req-hdr] req-body|null-body`",
            Self::ReqmodAnswer => {
                "`[req-hdr] req-body|null-body` or `[res-hdr] res-body|null-body`"
            }
            Self::RespmodRequest => "`[req-hdr] [res-hdr] res-body|null-body`",
            Self::Options => "`opt-body|null-body`",
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReqmodRequest => "a REQMOD request",
            Self::ReqmodAnswer => "an answer to REQMOD",
            Self::RespmodRequest => "a RESPMOD request",
            Self::Options => "an OPTIONS message",
        })
    }
}

fn section(text: &[u8]) -> Result<(Section, u32), BadEncapsulated> {
    let unknown = || BadEncapsulated::Section(text.escape_ascii().to_string());
    let at = text
        .iter()
        .position(|byte| *byte == b'=')
        .ok_or_else(unknown)?;
    let (name, offset) = text.split_at_checked(at).ok_or_else(unknown)?;
    let offset = offset.strip_prefix(b"=").unwrap_or(offset);
    let section = [
        ("req-hdr", Section::RequestHead),
        ("res-hdr", Section::ResponseHead),
        ("null-body", Section::Body(EncapsulatedBody::Null)),
        ("req-body", Section::Body(EncapsulatedBody::Request)),
        ("res-body", Section::Body(EncapsulatedBody::Response)),
        ("opt-body", Section::Body(EncapsulatedBody::Options)),
    ]
    .into_iter()
    .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))
    .map(|(_, section)| section)
    .ok_or_else(unknown)?;
    let offset = digits(offset)
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| BadEncapsulated::Offset(offset.escape_ascii().to_string()))?;
    Ok((section, offset))
}

#[cfg(test)]
mod tests;
