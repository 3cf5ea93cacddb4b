use crate::frame::BadFrame;
use crate::message::{AVPS_MAX, DEPTH_MAX};
use crate::name::result;
use crate::{Avp, AvpName, Header};

/// What is wrong with a message.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Bad {
    /// No message at all, or one of another length than was framed.
    #[error(transparent)]
    Frame(#[from] BadFrame),
    /// The length field and the octets disagree.
    #[error("the header says {said} octets and there are {found}")]
    Length {
        /// What the header says.
        said: usize,
        /// What there is.
        found: usize,
    },
    /// A request that is an error, or carries such bits together.
    #[error("the header has the flags `{0:#04x}`; a request has no error bit")]
    HeaderBits(u8),
    /// An AVP that ends before its head does, or after what it is in.
    #[error("AVP {} is longer or shorter than it can be", .0.name())]
    AvpLength(Box<Avp>),
    /// Octets behind the last AVP that are too few for one.
    #[error("{0} octets behind the last AVP are too few for one; an AVP has 8 at least")]
    Rest(usize),
    /// Over [`AVPS_MAX`].
    #[error("the message has more than {AVPS_MAX} AVPs")]
    TooMany,
    /// Over [`DEPTH_MAX`].
    #[error("AVP {0} is a group in more than {DEPTH_MAX} others")]
    TooDeep(AvpName),
    /// A mandatory AVP that is not in the dictionary. Where it is in a group, the group is given
    /// with nothing else in it.
    #[error("AVP {} must be understood and is not known", .0.name())]
    Unknown(Box<Avp>),
    /// No value of its type.
    #[error("AVP {} has no value of its type", .0.name())]
    Value(Box<Avp>),
    /// An AVP is missing.
    #[error("AVP {0} is missing")]
    Missing(AvpName),
    /// An AVP is there twice that may be there once.
    #[error("AVP {} may be there once", .0.name())]
    Twice(Box<Avp>),
    /// Another command than expected.
    #[error("the message has command {0}, which is another than expected")]
    Command(u32),
}

/// A message that cannot be used, with what is needed to answer it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a Diameter message cannot be used")]
pub struct Refused {
    /// The header; none if not even that could be read.
    pub header: Option<Header>,
    /// The AVPs before the fault.
    pub avps: Vec<Avp>,
    /// What is wrong.
    #[source]
    pub bad: Bad,
}

impl Bad {
    /// Returns the result code that answers a request with this fault (RFC 6733 section 7.1).
    #[must_use]
    pub fn result_code(&self) -> u32 {
        match self {
            Self::Frame(BadFrame::Version(_)) => result::UNSUPPORTED_VERSION,
            Self::Frame(BadFrame::Length(_)) | Self::Length { .. } => {
                result::INVALID_MESSAGE_LENGTH
            }
            Self::HeaderBits(_) => result::INVALID_HDR_BITS,
            Self::AvpLength(_) | Self::Rest(_) => result::INVALID_AVP_LENGTH,
            Self::TooMany | Self::TooDeep(_) => result::UNABLE_TO_COMPLY,
            Self::Unknown(_) => result::AVP_UNSUPPORTED,
            Self::Value(_) => result::INVALID_AVP_VALUE,
            Self::Missing(_) => result::MISSING_AVP,
            Self::Twice(_) => result::AVP_OCCURS_TOO_MANY_TIMES,
            Self::Command(_) => result::COMMAND_UNSUPPORTED,
        }
    }

    /// Returns what Failed-AVP holds in the answer; none if no AVP is at fault. One that is
    /// missing is named with an empty value.
    #[must_use]
    pub fn failed_avp(&self) -> Option<Avp> {
        match self {
            Self::AvpLength(avp) | Self::Unknown(avp) | Self::Value(avp) | Self::Twice(avp) => {
                Some((**avp).clone())
            }
            Self::Missing(name) => Some(Avp::mandatory(*name, [].as_slice())),
            Self::Frame(_)
            | Self::Length { .. }
            | Self::HeaderBits(_)
            | Self::Rest(_)
            | Self::TooMany
            | Self::TooDeep(_)
            | Self::Command(_) => None,
        }
    }
}
