//! Vendor-Specific attributes (RFC 2865 section 5.26), of which the codec knows none.

/// The vendor 3GPP (TS 29.061 section 16.4.7).
pub const VENDOR_3GPP: u32 = 10_415;

pub(crate) const VENDOR_SPECIFIC: u8 = 26;
pub(crate) const IMSI: u8 = 1;
pub(crate) const NSAPI: u8 = 10;
pub(crate) const SESSION_STOP: u8 = 11;

/// Returns the value of the first attribute of a vendor that has this type.
pub(crate) fn find(
    mut attributes: impl Iterator<Item = Vec<u8>>,
    vendor: u32,
    kind: u8,
) -> Option<Vec<u8>> {
    attributes.find_map(|attribute| {
        let (from, rest) = attribute.split_first_chunk::<4>()?;
        if u32::from_be_bytes(*from) != vendor {
            return None;
        }
        within(rest, kind)
    })
}

fn within(mut rest: &[u8], kind: u8) -> Option<Vec<u8>> {
    while let [found, len, ..] = rest {
        let (attribute, others) = rest.split_at_checked(usize::from(*len))?;
        let value = attribute.get(2..)?;
        if *found == kind {
            return Some(value.to_vec());
        }
        rest = others;
    }
    None
}
