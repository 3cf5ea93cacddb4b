//! One reading of an HTTP/1 request head (RFC 9112): what is judged, how its body is framed, and
//! whether two recipients could differ about either. A head that lets them differ is refused.
//!
//! [`judge()`] looks at the first bytes of a message and has its verdict as early as it can; the
//! verdict is the same under every way to cut the same bytes. A line ends in CRLF and nothing
//! else: RFC 9112 section 2.2 lets a recipient take a bare LF, which is a second reading.

mod authority;
mod bad;
mod body;
mod fields;
mod foreign;
mod head;
mod judge;
mod target;

pub use bad::BadHead;
pub use body::{BadBody, Body, CHUNK_LINE_LEN_MAX, Reach, TRAILER_LEN_MAX};
pub use fields::{FIELD_NAME_LEN_MAX, FIELDS_MAX};
pub use head::{Framing, Head, Upgrade, Version};
pub use judge::{LEADING_LINES_MAX, Limits, METHOD_LEN_MAX, Verdict, judge};
pub use target::{TARGET_GROWTH_MAX, TARGET_LEN_MAX, Target};
