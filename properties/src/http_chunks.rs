use http_head::{BadBody, Body, Framing, Reach};
use icap::{Chunk, ChunkDecoder};

use crate::cuts;

/// Bytes that follow a request head: a body of one framing ends at one place, under every cut and
/// for other readers that take it.
pub fn http_chunks(bytes: &[u8]) {
    let whole = end(bytes, Framing::Chunked, &[bytes.len()]);
    for ends in cuts::ways(bytes) {
        let found = end(bytes, Framing::Chunked, &ends);
        assert_eq!(found, whole, "pieces end at {ends:?}");
    }
    if let Ok(Some(end)) = whole {
        assert_eq!(end_by_httparse(&bytes[..end]), Some(end), "httparse");
        // ICAP allows less in trailers and in lines.
        if let Some(theirs) = end_by_icap(bytes) {
            assert_eq!(theirs, end, "the reader of ICAP");
        }
    }
    counted(bytes);
}

/// The first byte is the length of the body.
fn counted(bytes: &[u8]) {
    let Some((len, rest)) = bytes.split_first() else {
        return;
    };
    let len = usize::from(*len);
    let framing = Framing::Length(len as u64);
    let expected = (len <= rest.len()).then_some(len);
    for ends in cuts::ways(rest) {
        assert_eq!(end(rest, framing, &ends), Ok(expected));
    }
}

/// Returns where the body ends, if it does, for one who receives pieces.
fn end(bytes: &[u8], framing: Framing, ends: &[usize]) -> Result<Option<usize>, BadBody> {
    let mut body = Body::of(framing).unwrap();
    let mut start = 0;
    for piece in cuts::pieces(bytes, ends) {
        match body.take(piece)? {
            Reach::All => start += piece.len(),
            Reach::End(len) => {
                assert!(len <= piece.len(), "a body ends in what was received");
                return Ok(Some(start + len));
            }
        }
    }
    Ok(None)
}

/// Returns where a chunked body ends for a reader that is as plain as it can be.
fn end_by_httparse(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(&bytes[at..])
        else {
            return None;
        };
        at += line;
        if size == 0 {
            break;
        }
        at += usize::try_from(size).ok()?;
        at += bytes.get(at..)?.starts_with(b"\r\n").then_some(2)?;
    }
    // Trailers are passed on as lines; nobody here needs them to be fields.
    let lines = bytes.get(at..)?;
    let empty = lines.windows(4).position(|window| window == b"\r\n\r\n");
    Some(match lines {
        [b'\r', b'\n', ..] => at + 2,
        _ => at + empty? + 4,
    })
}

fn end_by_icap(bytes: &[u8]) -> Option<usize> {
    let mut decoder = ChunkDecoder::default();
    let mut at = 0;
    loop {
        let (used, chunk) = decoder.read(&bytes[at..]).ok()?;
        at += used;
        match chunk {
            Chunk::Bytes(_) => {}
            Chunk::Last(_) => return Some(at),
            Chunk::NeedMore => return None,
        }
    }
}
