/// Bytes that come at the end and go at the start.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    used: usize,
}

impl Buffer {
    /// Returns what is there.
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.used..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.rest().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Drops the first `len` bytes.
    pub(crate) fn advance(&mut self, len: usize) {
        debug_assert!(len <= self.len());
        self.used = self.used.saturating_add(len).min(self.bytes.len());
        if self.used == self.bytes.len() {
            self.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.used = 0;
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.end().extend_from_slice(bytes);
    }

    /// Returns where bytes are added. What is already there must stay.
    pub(crate) fn end(&mut self) -> &mut Vec<u8> {
        // Moving what is left costs no more than what was used up.
        if self.used > self.bytes.len() / 2 {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
        &mut self.bytes
    }

    /// Gives the memory of an empty buffer back if it is more than `kept_len_max`.
    pub(crate) fn release(&mut self, kept_len_max: usize) {
        if self.is_empty() && self.bytes.capacity() > kept_len_max {
            *self = Self::default();
        }
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let mut buffer = Buffer::default();
        buffer.extend(b"abcdef");
        buffer.advance(4);
        assert_eq!((buffer.rest(), buffer.len()), (&b"ef"[..], 2));
        buffer.extend(b"gh");
        assert_eq!(buffer.rest(), b"efgh");
        buffer.advance(1);
        buffer.extend(b"i");
        assert_eq!(buffer.rest(), b"fghi");
        buffer.advance(4);
        assert!(buffer.is_empty());
    }

    #[test]
    fn memory_is_bounded_by_what_is_there() {
        let mut buffer = Buffer::default();
        buffer.extend(&[0; 10]);
        for _ in 0..10_000 {
            buffer.extend(&[0; 10]);
            buffer.advance(10);
        }
        assert_eq!(buffer.len(), 10);
        assert!(buffer.capacity() < 100);
    }
}
