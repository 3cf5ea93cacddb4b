/// The ICAP statuses that are written; a received one stays a number.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Status {
    /// 200
    Ok,
    /// 204
    NoContent,
    /// 400
    BadRequest,
    /// 404: no such service.
    NotFound,
    /// 405: a method that the service does not have.
    MethodNotAllowed,
    /// 408: the request did not arrive in time.
    RequestTimeout,
    /// 418: not the encapsulated sections that the service needs.
    BadComposition,
    /// 500
    Internal,
    /// 501: a method that nobody has.
    NotImplemented,
    /// 503: over a limit.
    Overloaded,
    /// 505: another version of ICAP.
    Version,
}

impl Status {
    /// Returns the number on the wire.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::NoContent => 204,
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::BadComposition => 418,
            Self::Internal => 500,
            Self::NotImplemented => 501,
            Self::Overloaded => 503,
            Self::Version => 505,
        }
    }

    /// Returns the reason phrase (RFC 3507 section 4.3.3).
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::NoContent => "No Content",
            Self::BadRequest => "Bad Request",
            Self::NotFound => "ICAP Service Not Found",
            Self::MethodNotAllowed => "Method Not Allowed For Service",
            Self::RequestTimeout => "Request Timeout",
            Self::BadComposition => "Bad Composition",
            Self::Internal => "Server Error",
            Self::NotImplemented => "Method Not Implemented",
            Self::Overloaded => "Service Overloaded",
            Self::Version => "ICAP Version Not Supported",
        }
    }
}
