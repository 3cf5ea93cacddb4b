use crate::name::{EXPERIMENTAL_RESULT, EXPERIMENTAL_RESULT_CODE, RESULT_CODE, VENDOR_ID, result};
use crate::{Avp, Bad, Fields};

/// What became of a request: Result-Code, or Experimental-Result of a vendor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// RFC 6733 section 7.1, and RFCs that extend it.
    Base(u32),
    /// A code that the vendor gives.
    Vendor {
        /// The vendor's enterprise number.
        vendor: u32,
        /// The vendor's code, of the same classes as those of the RFC.
        code: u32,
    },
}

impl Outcome {
    /// Reads what became of a request from the AVPs of its answer.
    ///
    /// # Errors
    ///
    /// Fails if there is nothing about it, or it is no number.
    pub fn read(avps: &[Avp]) -> Result<Self, Bad> {
        if let Some(code) = avps.optional(RESULT_CODE)? {
            return Ok(Self::Base(code.number()?));
        }
        let experimental = avps.optional(EXPERIMENTAL_RESULT)?;
        let inside = experimental.ok_or(Bad::Missing(RESULT_CODE))?.inside();
        Ok(Self::Vendor {
            vendor: inside.required(VENDOR_ID)?.number()?,
            code: inside.required(EXPERIMENTAL_RESULT_CODE)?.number()?,
        })
    }

    /// Returns the number, whoever gave it.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::Base(code) | Self::Vendor { code, .. } => code,
        }
    }

    /// Returns whether the request was done: class 2xxx.
    #[must_use]
    pub fn is_success(self) -> bool {
        (2000..3000).contains(&self.code())
    }

    /// Returns whether another way to the same host may do better: nobody could deliver the
    /// request, or who got it had too much to do (RFC 6733 section 7.1.3).
    #[must_use]
    pub fn asks_another_way(self) -> bool {
        matches!(
            self,
            Self::Base(result::UNABLE_TO_DELIVER | result::TOO_BUSY)
        )
    }
}
