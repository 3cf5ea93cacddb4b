/// Why a head is refused: RFC 9112 refuses it, or it has two readings.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum BadHead {
    /// No CR before a LF.
    #[error("a line ends in LF; use CRLF")]
    BareLf,
    /// No LF after a CR.
    #[error("a CR stands alone; use CRLF")]
    BareCr,
    /// NUL, DEL and their kind.
    #[error("a control character")]
    Control,
    /// Not `method SP target SP version`.
    #[error("the request line is not `method target version`")]
    RequestLine,
    /// A request line without a version (HTTP/0.9), or with one that is not written as RFC 9112
    /// writes it.
    #[error("the version is not `HTTP/1.1` or `HTTP/1.0`")]
    Version,
    /// A version of another major number.
    #[error("HTTP of this version is not spoken here; use `HTTP/1.1`")]
    VersionUnsupported,
    /// A target in none of the four forms, or one that the method does not allow.
    #[error(
        "the target is not a path, an absolute URI, `host:port` for CONNECT or `*` for OPTIONS"
    )]
    Target,
    /// The target is over its limit.
    #[error("the target is too long")]
    TargetTooLong,
    /// A line that starts with white space.
    #[error("a field is folded over two lines")]
    Folded,
    /// A name that is no token, white space before the colon included, or one that some take for
    /// that of a framing field.
    #[error("a field name is not a token followed by a colon, or resembles a framing field's")]
    FieldName,
    /// The head, or the number of its fields, or a field name, is over its limit.
    #[error("the head is too long")]
    TooLong,
    /// HTTP/1.1 without Host.
    #[error("there is no Host")]
    HostMissing,
    /// More than one Host.
    #[error("there is more than one Host")]
    HostRepeated,
    /// A Host or authority with userinfo, a list, or bytes that no host and port has.
    #[error("the authority is not `host` or `host:port`")]
    Authority,
    /// Content-Length beside Transfer-Encoding.
    #[error("there is a Content-Length beside a Transfer-Encoding")]
    TwoFramings,
    /// A Content-Length that is repeated, a list or no number.
    #[error("the Content-Length is not one number")]
    ContentLength,
    /// A Transfer-Encoding other than `chunked`, or in HTTP/1.0.
    #[error("the Transfer-Encoding is not `chunked`")]
    TransferEncoding,
    /// CONNECT with a body, which it cannot have (RFC 9110 section 9.3.6).
    #[error("CONNECT has no body")]
    ConnectBody,
    /// A second parser reads the head in another way.
    #[error("the head has two readings")]
    TwoReadings,
}

impl BadHead {
    /// Returns the status to answer with.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::TooLong => 431,
            Self::VersionUnsupported => 505,
            Self::BareLf
            | Self::BareCr
            | Self::Control
            | Self::RequestLine
            | Self::Version
            | Self::Target
            | Self::Folded
            | Self::FieldName
            | Self::HostMissing
            | Self::HostRepeated
            | Self::Authority
            | Self::TwoFramings
            | Self::ContentLength
            | Self::TransferEncoding
            | Self::ConnectBody
            | Self::TwoReadings => 400,
        }
    }

    /// Returns the word for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BareLf => "bare_lf",
            Self::BareCr => "bare_cr",
            Self::Control => "control",
            Self::RequestLine => "request_line",
            Self::Version => "version",
            Self::VersionUnsupported => "version_unsupported",
            Self::Target => "target",
            Self::TargetTooLong => "target_too_long",
            Self::Folded => "folded",
            Self::FieldName => "field_name",
            Self::TooLong => "too_long",
            Self::HostMissing => "host_missing",
            Self::HostRepeated => "host_repeated",
            Self::Authority => "authority",
            Self::TwoFramings => "two_framings",
            Self::ContentLength => "content_length",
            Self::TransferEncoding => "transfer_encoding",
            Self::ConnectBody => "connect_body",
            Self::TwoReadings => "two_readings",
        }
    }
}
