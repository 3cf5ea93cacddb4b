use bytes::Bytes;

use crate::AvpName;

/// Bit of an AVP: who does not understand it must not go on (RFC 6733 section 4.1).
pub const MANDATORY: u8 = 0x40;
/// Bit of an AVP that the RFC keeps for protection from end to end.
pub const PROTECTED: u8 = 0x20;

const VENDOR: u8 = 0x80;
const CODE_FLAGS_LEN: usize = 8;
const VENDOR_LEN: usize = 4;

/// One attribute with its value, written exactly as it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Avp {
    code: u32,
    /// None: the field is absent. 0 can be written too, and then stays.
    vendor: Option<u32>,
    /// All flags but the one that tells of the vendor.
    flags: u8,
    value: Value,
    padding: Padding,
}

/// What an AVP carries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// Octets, of whatever type.
    Octets(Bytes),
    /// Other AVPs.
    Group(Vec<Avp>),
}

/// The octets that fill an AVP up to a multiple of four. They ought to be zero, and there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Padding {
    octets: [u8; 3],
    len: u8,
}

/// The fields of an AVP before its value.
pub(crate) struct AvpHead {
    pub(crate) name: AvpName,
    code: u32,
    vendor: Option<u32>,
    flags: u8,
    /// As written: with the head, without padding.
    len: usize,
    head_len: usize,
}

impl Avp {
    /// Makes an AVP that must be understood.
    #[must_use]
    pub fn mandatory(name: AvpName, value: impl Into<Value>) -> Self {
        Self::new(name, MANDATORY, value.into())
    }

    /// Makes an AVP that may be skipped.
    #[must_use]
    pub fn optional(name: AvpName, value: impl Into<Value>) -> Self {
        Self::new(name, 0, value.into())
    }

    /// Makes an AVP of [`MANDATORY`] and [`PROTECTED`], or neither.
    #[must_use]
    pub fn new(name: AvpName, flags: u8, value: Value) -> Self {
        let mut avp = Self {
            code: name.code,
            vendor: (name.vendor != 0).then_some(name.vendor),
            flags: flags & !VENDOR,
            value,
            padding: Padding::default(),
        };
        avp.padding = Padding::zeros(avp.len());
        avp
    }

    /// Returns what the AVP is.
    #[must_use]
    pub fn name(&self) -> AvpName {
        AvpName::of(self.vendor.unwrap_or(0), self.code)
    }

    /// Returns whether the AVP must be understood.
    #[must_use]
    pub fn is_mandatory(&self) -> bool {
        self.flags & MANDATORY != 0
    }

    /// Returns the value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the AVPs inside; none if the AVP is no group.
    #[must_use]
    pub fn inside(&self) -> &[Self] {
        match &self.value {
            Value::Octets(_) => &[],
            Value::Group(avps) => avps,
        }
    }

    /// Returns the octets of the value; none if the AVP is a group.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        match &self.value {
            Value::Octets(octets) => octets,
            Value::Group(_) => &[],
        }
    }

    /// Returns an AVP of the same head around one AVP of its own.
    #[must_use]
    pub(crate) fn around(&self, inside: Self) -> Self {
        Self::new(self.name(), self.flags, Value::Group(vec![inside]))
    }

    pub(crate) fn read(head: &AvpHead, value: Value, padding: Padding) -> Self {
        Self {
            code: head.code,
            vendor: head.vendor,
            flags: head.flags,
            value,
            padding,
        }
    }

    /// Returns the octets that the AVP takes, padding included.
    #[must_use]
    pub fn padded_len(&self) -> usize {
        self.len().saturating_add(usize::from(self.padding.len))
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.code.to_be_bytes());
        // A message that is too long for this has been refused before.
        let [_, l0, l1, l2] = u32::try_from(self.len()).unwrap_or(u32::MAX).to_be_bytes();
        let vendor_flag = if self.vendor.is_some() { VENDOR } else { 0 };
        out.extend_from_slice(&[self.flags | vendor_flag, l0, l1, l2]);
        if let Some(vendor) = self.vendor {
            out.extend_from_slice(&vendor.to_be_bytes());
        }
        match &self.value {
            Value::Octets(octets) => out.extend_from_slice(octets),
            Value::Group(avps) => avps.iter().for_each(|avp| avp.write(out)),
        }
        out.extend_from_slice(self.padding.octets());
    }

    /// Returns the value of the length field.
    fn len(&self) -> usize {
        let value = match &self.value {
            Value::Octets(octets) => octets.len(),
            Value::Group(avps) => avps.iter().map(Self::padded_len).sum(),
        };
        let vendor = if self.vendor.is_some() { VENDOR_LEN } else { 0 };
        value.saturating_add(CODE_FLAGS_LEN + vendor)
    }
}

impl AvpHead {
    /// Reads the head of the AVP that starts here; none if it is cut.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (start, rest) = bytes.split_first_chunk::<CODE_FLAGS_LEN>()?;
        let [c0, c1, c2, c3, flags, l0, l1, l2] = *start;
        let len = usize::try_from(u32::from_be_bytes([0, l0, l1, l2])).ok()?;
        let code = u32::from_be_bytes([c0, c1, c2, c3]);
        let (vendor, head_len) = match flags & VENDOR {
            0 => (None, CODE_FLAGS_LEN),
            _ => {
                let vendor = u32::from_be_bytes(*rest.first_chunk::<VENDOR_LEN>()?);
                (Some(vendor), CODE_FLAGS_LEN + VENDOR_LEN)
            }
        };
        Some(Self {
            name: AvpName::of(vendor.unwrap_or(0), code),
            code,
            vendor,
            flags: flags & !VENDOR,
            len,
            head_len,
        })
    }

    /// Returns where the value starts and ends, counted from the head; none if the length is
    /// less than that of the head.
    pub(crate) fn value(&self) -> Option<std::ops::Range<usize>> {
        (self.len >= self.head_len).then_some(self.head_len..self.len)
    }

    /// Returns the AVP with so many zeros for a value, as a Failed-AVP names one whose length
    /// is wrong (RFC 6733 section 7.5).
    pub(crate) fn with_zeros(&self, len: usize) -> Avp {
        let zeros = Value::Octets(Bytes::from(vec![0; len]));
        Avp::new(self.name, self.flags, zeros)
    }
}

impl Padding {
    /// Takes the padding of an AVP that ends at `len` from what follows it; the end of a group
    /// may cut it.
    pub(crate) fn read(len: usize, following: &[u8]) -> Self {
        let mut padding = Self::zeros(len);
        let found = following
            .get(..usize::from(padding.len))
            .unwrap_or(following);
        padding.len = u8::try_from(found.len()).unwrap_or(0);
        for (to, from) in padding.octets.iter_mut().zip(found) {
            *to = *from;
        }
        padding
    }

    pub(crate) fn len(self) -> usize {
        usize::from(self.len)
    }

    fn zeros(len: usize) -> Self {
        let len = len.next_multiple_of(4) - len;
        Self {
            octets: [0; 3],
            len: u8::try_from(len).unwrap_or(0),
        }
    }

    fn octets(&self) -> &[u8] {
        self.octets.get(..self.len()).unwrap_or(&self.octets)
    }
}

impl From<Bytes> for Value {
    fn from(octets: Bytes) -> Self {
        Self::Octets(octets)
    }
}

impl From<&[u8]> for Value {
    fn from(octets: &[u8]) -> Self {
        Self::Octets(Bytes::copy_from_slice(octets))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        number.to_be_bytes().as_slice().into()
    }
}

impl From<Vec<Avp>> for Value {
    fn from(avps: Vec<Avp>) -> Self {
        Self::Group(avps)
    }
}
