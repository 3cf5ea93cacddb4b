//! ICAP messages (RFC 3507 with its errata) as bytes and as values; no sockets.
//!
//! The answering side reads with [`RequestReader`] and [`BodyReader`] and writes with
//! [`ReplyFields`], [`OptionsReply`] and the `write_…` functions. The asking side writes with
//! [`ReqmodQuestion`] and [`write_options_question`] and reads with [`AnswerReader`] and [`Skip`].
//!
//! Every reader is fed all bytes that were received and not yet used, and says how many it used;
//! it keeps no copy. The same bytes give the same result however they were cut.

mod answer;
mod attribute;
mod body;
mod chunk;
mod encapsulated;
mod fields;
mod http;
mod is_tag;
mod limits;
mod question;
mod reply;
mod request;
mod service_uri;
mod skip;
mod start_line;
mod status;
mod user;

pub use answer::{Answer, AnswerReader, BadAnswer, Exchange, FedAnswer, OptionsFields, Rest};
pub use attribute::{CATEGORIES_MAX, CATEGORY_LEN_MAX, CacheDirective, Cacheability, PrefixLength};
pub use body::{Body, BodyPiece, BodyReader};
pub use chunk::{BadChunk, CHUNK_LINE_LEN_MAX, Chunk, ChunkDecoder, LastChunk, TRAILER_LEN_MAX};
pub use encapsulated::{
    BadEncapsulated, Encapsulated, EncapsulatedBody, HTTP_HEADS_LEN_MAX, Shape,
};
pub use fields::{BadHead, Connection, FIELDS_MAX, HEAD_LEN_MAX, empty_lines_len};
pub use http::{BadHttpHead, HttpRequest, HttpResponse};
pub use is_tag::{BadIsTag, IS_TAG_LEN_MAX, IS_TAG_RECEIVED_LEN_MAX, IsTag};
pub use limits::{ChunkLimits, RequestLimits};
pub use question::{PreviewOffer, ReqmodQuestion, Unsendable, write_options_question};
pub use reply::{
    OptionsReply, ReplyFields, write_chunk, write_continue, write_error, write_last_chunk,
};
pub use request::{BadRequest, Fed, Request, RequestReader};
pub use service_uri::{BadServiceUri, ServiceScheme, ServiceUri};
pub use skip::{SKIP_LEN_MAX, Skip, Skipped};
pub use start_line::{Method, named_service};
pub use status::Status;
