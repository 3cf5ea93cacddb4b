use std::fmt;
use std::num::NonZeroU64;
use std::ops::Deref;

/// Digits of an MSISDN (E.164) and of an IMSI (E.212) at most.
pub const DIGITS_MAX: usize = 15;

/// Bits of a digit.
const DIGIT_BITS: usize = 4;

/// 1 to [`DIGITS_MAX`] decimal digits in 8 bytes: half a byte each, and their number on top.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Digits(NonZeroU64);

/// Digits as text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DigitsText {
    text: [u8; DIGITS_MAX],
    len: usize,
}

impl Digits {
    /// Reads digits; returns nothing if there are none, too many, or something else.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        if text.len() > DIGITS_MAX {
            return None;
        }
        let mut bits = u64::try_from(text.len()).ok()? << (DIGITS_MAX * DIGIT_BITS);
        for (place, byte) in text.bytes().enumerate() {
            let digit = char::from(byte).to_digit(10)?;
            bits |= u64::from(digit) << (place * DIGIT_BITS);
        }
        NonZeroU64::new(bits).map(Self)
    }

    /// Returns what [`of_bits`](Self::of_bits) reads; never 0.
    pub(crate) fn bits(self) -> u64 {
        self.0.get()
    }

    /// Reads what [`bits`](Self::bits) returned; 0 is none.
    pub(crate) fn of_bits(bits: u64) -> Option<Self> {
        NonZeroU64::new(bits).map(Self)
    }

    /// Returns the digits as text.
    #[must_use]
    pub fn text(self) -> DigitsText {
        let mut text = [b'0'; DIGITS_MAX];
        for (place, byte) in text.iter_mut().enumerate() {
            let digit = (self.0.get() >> (place * DIGIT_BITS)) & 0xF;
            *byte += u8::try_from(digit).unwrap_or_default();
        }
        let len = self.0.get() >> (DIGITS_MAX * DIGIT_BITS);
        DigitsText {
            text,
            len: usize::try_from(len).unwrap_or_default(),
        }
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digits({})", &*self.text())
    }
}

impl Deref for DigitsText {
    type Target = str;

    fn deref(&self) -> &str {
        let digits = self.text.get(..self.len).unwrap_or_default();
        std::str::from_utf8(digits).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stay_as_they_are() {
        for text in ["0", "00", "111220000001", "999999999999999"] {
            assert_eq!(&*Digits::new(text).unwrap().text(), text);
        }
        assert_eq!(size_of::<Option<Digits>>(), 8);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "+1", "1a", "１", "1234567890123456"] {
            assert_eq!(Digits::new(text), None, "{text}");
        }
    }
}
