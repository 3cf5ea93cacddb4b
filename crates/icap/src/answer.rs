use crate::attribute::{cache_directive, cacheability, categories, prefix_length};
use crate::chunk::ChunkDecoder;
use crate::fields::{Fields, LineScan, digits, find_head, slots};
use crate::start_line::status_line;
use crate::{
    BadChunk, BadEncapsulated, BadHead, BadHttpHead, BadIsTag, CATEGORIES_MAX, CATEGORY_LEN_MAX,
    CacheDirective, Cacheability, Connection, Encapsulated, EncapsulatedBody, HttpResponse, IsTag,
    PrefixLength, SKIP_LEN_MAX, Shape, Skip,
};

/// The question that an answer belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exchange {
    /// OPTIONS
    Options,
    /// REQMOD
    Reqmod,
}

/// The head of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The ICAP status.
    pub status: u16,
    /// The state of the service.
    pub is_tag: Option<IsTag>,
    /// X-Attribute: the categories in lower case; none: there is no such field.
    pub categories: Option<Vec<String>>,
    /// X-Attribute-Prefix.
    pub prefix: PrefixLength,
    /// X-Attribute-Cacheability.
    pub cacheability: Cacheability,
    /// Cache-Control and Pragma.
    pub cache_directive: CacheDirective,
    /// Whether the peer closes the connection after this answer.
    pub connection: Connection,
    /// What the service offers; only in answers to OPTIONS.
    pub options: Option<OptionsFields>,
    /// The sections that follow; none: not said.
    pub encapsulated: Option<Encapsulated>,
    /// The HTTP response that is sent instead of the request's answer; only read by a reader that
    /// is told to ([`AnswerReader::with_http_response`]).
    pub http_response: Option<HttpResponse>,
    /// What is left to read before the connection can be used again.
    pub rest: Rest,
}

/// What a service offers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OptionsFields {
    /// Whether Methods lists REQMOD.
    pub reqmod: bool,
    /// Whether Allow lists 204.
    pub allow_204: bool,
    /// The longest preview.
    pub preview: Option<u64>,
    /// How long all this holds, in seconds.
    pub ttl_s: Option<u64>,
    /// How many connections one client may open.
    pub connections_max: Option<u64>,
    /// X-Include: the fields that the service wants, in lower case.
    pub include: Vec<String>,
}

/// What follows the head of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rest {
    /// Nothing: the connection is ready for the next question.
    Nothing,
    /// HTTP heads and perhaps a body, to be read past.
    Skip(Skip),
    /// Nobody can say: the connection must be closed.
    Unframed,
}

/// Reads answers from the bytes of a connection. One reader serves one answer.
#[derive(Clone, Debug)]
pub struct AnswerReader {
    exchange: Exchange,
    scan: LineScan,
    http: Http,
    /// An answer whose HTTP response head is not there yet, and how long its own head is.
    begun: Option<(Box<Answer>, usize)>,
}

/// Whether HTTP response heads are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Http {
    Skip,
    Read,
}

/// What an [`AnswerReader`] read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FedAnswer {
    /// More bytes are needed.
    NeedMore,
    /// An answer, and how many bytes its head took.
    Answer(Box<Answer>, usize),
    /// No answer. The connection must be closed.
    Bad(BadAnswer),
}

/// Why an answer is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadAnswer {
    /// The ICAP head.
    #[error(transparent)]
    Head(#[from] BadHead),
    /// The first line.
    #[error("`{0}` is not a status line; expected `ICAP/1.0` and a status")]
    StatusLine(String),
    /// The ISTag.
    #[error(transparent)]
    IsTag(#[from] BadIsTag),
    /// X-Attribute.
    #[error("over {CATEGORIES_MAX} categories, or one of over {CATEGORY_LEN_MAX} bytes")]
    Categories,
    /// The `Encapsulated` field.
    #[error(transparent)]
    Encapsulated(#[from] BadEncapsulated),
    /// The chunks of the body.
    #[error(transparent)]
    Chunk(#[from] BadChunk),
    /// The HTTP response head of the answer.
    #[error("the HTTP response in the answer cannot be read")]
    HttpResponse(#[source] BadHttpHead),
    /// Too much to read past.
    #[error("more than {SKIP_LEN_MAX} bytes follow the answer")]
    BodyTooLong,
}

impl AnswerReader {
    /// Creates a reader for the answer to one question.
    #[must_use]
    pub fn new(exchange: Exchange) -> Self {
        Self {
            exchange,
            scan: LineScan::default(),
            http: Http::Skip,
            begun: None,
        }
    }

    /// Reads the head of an HTTP response too, where an answer has one.
    #[must_use]
    pub fn with_http_response(self) -> Self {
        Self {
            http: Http::Read,
            ..self
        }
    }

    /// Reads the head of the answer from `received`: all bytes that came since the question.
    ///
    /// What [`Answer::rest`] skips starts where the head ends, with an HTTP response head too.
    pub fn feed(&mut self, received: &[u8]) -> FedAnswer {
        let (answer, len) = match self.begun.take() {
            Some(begun) => begun,
            None => match self.head(received) {
                Ok(Some(begun)) => begun,
                Ok(None) => return FedAnswer::NeedMore,
                Err(bad) => return FedAnswer::Bad(bad),
            },
        };
        let Some((start, end)) = self.http_head(&answer, len) else {
            return FedAnswer::Answer(answer, len);
        };
        if end - len > SKIP_LEN_MAX {
            return FedAnswer::Bad(BadAnswer::BodyTooLong);
        }
        let Some(head) = received.get(start..end) else {
            self.begun = Some((answer, len));
            return FedAnswer::NeedMore;
        };
        match HttpResponse::parse(head) {
            Ok(response) => {
                let http_response = Some(response);
                let answer = Answer {
                    http_response,
                    ..*answer
                };
                FedAnswer::Answer(Box::new(answer), len)
            }
            Err(bad) => FedAnswer::Bad(BadAnswer::HttpResponse(bad)),
        }
    }

    fn head(&mut self, received: &[u8]) -> Result<Option<(Box<Answer>, usize)>, BadAnswer> {
        let Some(len) = find_head(&mut self.scan, received)? else {
            return Ok(None);
        };
        let head = received.get(..len).unwrap_or(received);
        let answer = Answer::parse(head, self.exchange)?;
        Ok(Some((Box::new(answer), len)))
    }

    /// Returns where the HTTP response head starts and ends, if it is to be read.
    fn http_head(&self, answer: &Answer, len: usize) -> Option<(usize, usize)> {
        match (self.http, &answer.rest) {
            (Http::Read, Rest::Skip(_)) => {}
            (Http::Skip, _) | (Http::Read, Rest::Nothing | Rest::Unframed) => return None,
        }
        let said = answer.encapsulated?;
        let response_len = said.response_head? as usize;
        let end = len.checked_add(said.heads_len() as usize)?;
        Some((end.checked_sub(response_len)?, end))
    }
}

impl Answer {
    fn parse(head: &[u8], exchange: Exchange) -> Result<Self, BadAnswer> {
        let at = head
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(head.len(), |at| at + 1);
        let (line, block) = head.split_at_checked(at).unwrap_or((head, &[]));
        let status = status_line(line.strip_suffix(b"\r\n").unwrap_or(line))?;
        let mut slots = slots();
        let fields = Fields::parse(block, &mut slots)?;
        let (encapsulated, rest) = rest(exchange, status, fields)?;
        Ok(Self {
            status,
            is_tag: fields.first("ISTag").map(IsTag::parse).transpose()?,
            categories: categories(fields).map_err(|()| BadAnswer::Categories)?,
            prefix: prefix_length(fields),
            cacheability: cacheability(fields),
            cache_directive: cache_directive(fields),
            connection: fields.connection(),
            options: match exchange {
                Exchange::Options => Some(OptionsFields::parse(fields)),
                Exchange::Reqmod => None,
            },
            encapsulated,
            http_response: None,
            rest,
        })
    }
}

impl OptionsFields {
    /// Numbers that cannot be read count as not sent: nothing here frames a message.
    fn parse(fields: Fields<'_, '_>) -> Self {
        let number = |name| fields.first(name).and_then(digits);
        Self {
            reqmod: fields.lists("Methods", "REQMOD"),
            allow_204: fields.lists("Allow", "204"),
            preview: number("Preview"),
            ttl_s: number("Options-TTL"),
            connections_max: number("Max-Connections"),
            include: fields
                .list("X-Include")
                .map(|name| String::from_utf8_lossy(name).to_lowercase())
                .collect(),
        }
    }

    /// Returns whether X-Include asks for a field.
    #[must_use]
    pub fn includes(&self, field: &str) -> bool {
        self.include
            .iter()
            .any(|wanted| wanted.eq_ignore_ascii_case(field))
    }
}

fn rest(
    exchange: Exchange,
    status: u16,
    fields: Fields<'_, '_>,
) -> Result<(Option<Encapsulated>, Rest), BadAnswer> {
    let shape = match exchange {
        Exchange::Options => Shape::Options,
        Exchange::Reqmod => Shape::ReqmodAnswer,
    };
    let value = fields.single("Encapsulated")?;
    let parsed = value
        .map(|value| Encapsulated::parse(value, shape))
        .transpose();
    match (status, exchange) {
        (100 | 204, _) => {
            // Neither has anything to carry. Some services say so, most say nothing.
            let (encapsulated, rest) = match parsed {
                Ok(None) => (None, Rest::Nothing),
                Ok(Some(said)) if is_empty(said) => (Some(said), Rest::Nothing),
                Ok(Some(said)) => (Some(said), Rest::Unframed),
                Err(_) => (None, Rest::Unframed),
            };
            Ok((encapsulated, rest))
        }
        (200..=299, Exchange::Options) => match parsed? {
            None => Ok((None, Rest::Nothing)),
            Some(said) => Ok((Some(said), framed(said))),
        },
        (200..=299, Exchange::Reqmod) => match parsed? {
            None => Ok((None, Rest::Unframed)),
            Some(said) => Ok((Some(said), framed(said))),
        },
        // An error is the end of a connection for us, whatever else it says.
        (_, _) => Ok((None, Rest::Unframed)),
    }
}

fn is_empty(said: Encapsulated) -> bool {
    said.heads_len() == 0 && said.body == EncapsulatedBody::Null
}

fn framed(said: Encapsulated) -> Rest {
    if is_empty(said) {
        return Rest::Nothing;
    }
    let chunks = match said.body {
        EncapsulatedBody::Null => None,
        EncapsulatedBody::Request | EncapsulatedBody::Response | EncapsulatedBody::Options => {
            Some(ChunkDecoder::default())
        }
    };
    Rest::Skip(Skip::new(said.heads_len(), chunks))
}

#[cfg(test)]
mod tests;
