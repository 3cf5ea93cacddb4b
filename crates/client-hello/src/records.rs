use std::borrow::Cow;

/// Bytes of a record's header: type, version and length.
const HEADER_LEN: usize = 5;

/// Returns the first `len` bytes that these records hold together, without a copy if one record
/// holds them all. The records were looked at before: whatever their type, they are whole, but
/// for the last.
pub(crate) fn content(records: &[u8], len: usize) -> Cow<'_, [u8]> {
    let mut contents = Contents(records).filter(|content| !content.is_empty());
    let first = contents.next().unwrap_or_default();
    if let Some(content) = first.get(..len) {
        return Cow::Borrowed(content);
    }
    let mut joined = Vec::with_capacity(len);
    for content in std::iter::once(first).chain(contents) {
        let wanted = content.len().min(len - joined.len());
        joined.extend_from_slice(content.get(..wanted).unwrap_or_default());
    }
    Cow::Owned(joined)
}

/// The contents of records, one after another; of the last as much as is there.
struct Contents<'a>(&'a [u8]);

impl<'a> Iterator for Contents<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let ([_, _, _, high, low], rest) = self.0.split_first_chunk::<HEADER_LEN>()?;
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let (content, after) = rest.split_at(len.min(rest.len()));
        self.0 = after;
        Some(content)
    }
}
