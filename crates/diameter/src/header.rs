use crate::frame::BadFrame;

/// Octets of a header.
pub const HEADER_LEN: usize = 20;

/// Bit of [`Header::flags`]: a request, not an answer.
pub const REQUEST: u8 = 0x80;
/// Bit of [`Header::flags`]: agents may pass the message on.
pub const PROXIABLE: u8 = 0x40;
/// Bit of [`Header::flags`]: an answer about a protocol error.
pub const ERROR: u8 = 0x20;
/// Bit of [`Header::flags`]: a request that was perhaps received before.
pub const RETRANSMITTED: u8 = 0x10;

/// What stands before the AVPs (RFC 6733 section 3), but for version and length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// [`REQUEST`], [`PROXIABLE`], [`ERROR`], [`RETRANSMITTED`]; reserved bits stay as they came.
    pub flags: u8,
    /// The command code, 24 bits of it.
    pub command: u32,
    /// The application id.
    pub application: u32,
    /// Ties an answer to its request on one connection.
    pub hop_by_hop: u32,
    /// Ties an answer to its request, and a resent request to the first, over all connections.
    pub end_to_end: u32,
}

impl Header {
    /// Returns whether the message is a request.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.flags & REQUEST != 0
    }

    /// Returns whether the request was perhaps received before.
    #[must_use]
    pub fn is_retransmitted(&self) -> bool {
        self.flags & RETRANSMITTED != 0
    }

    /// Reads the header of a framed message; returns it with the length that it names and the
    /// octets behind it.
    ///
    /// # Errors
    ///
    /// Fails if there are not [`HEADER_LEN`] octets, or the version is not 1.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Self, usize, &[u8]), BadFrame> {
        let short = BadFrame::Length(bytes.len());
        let (start, rest) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(short)?;
        let [
            version,
            l0,
            l1,
            l2,
            flags,
            c0,
            c1,
            c2,
            a0,
            a1,
            a2,
            a3,
            h0,
            h1,
            h2,
            h3,
            e0,
            e1,
            e2,
            e3,
        ] = *start;
        if version != 1 {
            return Err(BadFrame::Version(version));
        }
        let len = u32::from_be_bytes([0, l0, l1, l2]);
        let header = Self {
            flags,
            command: u32::from_be_bytes([0, c0, c1, c2]),
            application: u32::from_be_bytes([a0, a1, a2, a3]),
            hop_by_hop: u32::from_be_bytes([h0, h1, h2, h3]),
            end_to_end: u32::from_be_bytes([e0, e1, e2, e3]),
        };
        Ok((header, usize::try_from(len).unwrap_or(usize::MAX), rest))
    }

    /// Writes the header of a message of `len` octets, of which 24 bits count.
    pub(crate) fn write(&self, len: u32, out: &mut Vec<u8>) {
        let [_, l0, l1, l2] = len.to_be_bytes();
        let [_, c0, c1, c2] = self.command.to_be_bytes();
        out.extend_from_slice(&[1, l0, l1, l2, self.flags, c0, c1, c2]);
        out.extend_from_slice(&self.application.to_be_bytes());
        out.extend_from_slice(&self.hop_by_hop.to_be_bytes());
        out.extend_from_slice(&self.end_to_end.to_be_bytes());
    }
}
