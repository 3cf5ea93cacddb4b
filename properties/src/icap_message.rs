use icap::{
    Answer, AnswerReader, Body, BodyPiece, BodyReader, CATEGORY_LEN_MAX, Encapsulated, Exchange,
    Fed, FedAnswer, HEAD_LEN_MAX, HTTP_HEADS_LEN_MAX, HttpRequest, IsTag, PrefixLength,
    ReplyFields, Request, RequestReader, Rest, ServiceUri, Shape, Skip, Skipped,
};

use crate::cuts;

/// What an ICAP client or an ICAP server sends: read alike under every cut and within bounds; and
/// what is written of it is read as it was meant.
pub fn icap_message(bytes: &[u8]) {
    request(bytes);
    answer(bytes, Exchange::Reqmod);
    answer(bytes, Exchange::Options);
    encapsulated(bytes);
    if let Ok(uri) = str::from_utf8(bytes).map_or_else(|_| ServiceUri::parse(""), ServiceUri::parse)
    {
        assert_eq!(ServiceUri::parse(&uri.to_string()), Ok(uri));
    }
    if let Ok(tag) = IsTag::parse(bytes) {
        assert_eq!(IsTag::parse(tag.to_string().as_bytes()), Ok(tag));
    }
}

fn request(bytes: &[u8]) {
    let whole = RequestReader::default().feed(bytes);
    for ends in cuts::ways(bytes) {
        let mut reader = RequestReader::default();
        let fed = ends.iter().map(|end| reader.feed(&bytes[..*end]));
        let first = fed.into_iter().find(|fed| *fed != Fed::NeedMore);
        assert_eq!(
            first.unwrap_or(Fed::NeedMore),
            whole,
            "pieces end at {ends:?}"
        );
    }
    match whole {
        Fed::NeedMore => assert!(bytes.len() < HEAD_LEN_MAX + HTTP_HEADS_LEN_MAX as usize),
        Fed::Request(request, used) => {
            assert!(used <= bytes.len());
            http_request(&request);
            body(request.body, &bytes[used..]);
        }
        Fed::Bad(bad) => assert!((400..=505).contains(&bad.status().code())),
    }
}

fn http_request(request: &Request) {
    assert!(request.http_head.is_empty() || request.http_head.ends_with(b"\r\n\r\n"));
    let written = request.service.to_string();
    assert_eq!(ServiceUri::parse(&written).as_ref(), Ok(&request.service));
    if let Ok(http) = HttpRequest::parse(&request.http_head) {
        let line = format!("{} {} HTTP/1.", http.method, http.target);
        assert!(request.http_head.starts_with(line.as_bytes()));
    }
}

/// What was read of a body: its bytes, the places where the ICAP client waits, trailer and length.
#[derive(Debug, Default, Eq, PartialEq)]
struct Read {
    bytes: Vec<u8>,
    waits_after: Option<usize>,
    trailers: Vec<u8>,
    /// Of what was received. None: it does not end.
    len: Option<usize>,
    is_bad: bool,
}

fn body(body: Body, bytes: &[u8]) {
    let whole = read(body, bytes, &[bytes.len()]);
    for ends in cuts::ways(bytes) {
        let found = read(body, bytes, &ends);
        // Bytes before the fault are given out as they come.
        if !whole.is_bad || !found.is_bad {
            assert_eq!(found, whole, "pieces end at {ends:?}");
        }
    }
    assert!(whole.len.is_none_or(|len| len <= bytes.len()));
    if let (Body::Preview(len), Some(preview)) = (body, whole.waits_after) {
        assert!(preview as u64 <= len);
    }
}

fn read(body: Body, bytes: &[u8], ends: &[usize]) -> Read {
    let mut reader = BodyReader::new(body);
    let mut found = Read::default();
    let mut at = 0;
    for end in ends {
        loop {
            let received = bytes.get(at..*end).unwrap_or_default();
            let Ok((used, piece)) = reader.read(received) else {
                found.is_bad = true;
                return found;
            };
            assert!(used <= received.len());
            at += used;
            match piece {
                BodyPiece::NeedMore => break,
                BodyPiece::Bytes(bytes) => {
                    assert!(!bytes.is_empty());
                    found.bytes.extend(bytes);
                }
                BodyPiece::PreviewEnd => {
                    found.waits_after = Some(found.bytes.len());
                    reader.proceed();
                }
                BodyPiece::End { trailers } => {
                    found.trailers = trailers.to_vec();
                    found.len = Some(at);
                    return found;
                }
            }
        }
    }
    found
}

fn answer(bytes: &[u8], exchange: Exchange) {
    let whole = AnswerReader::new(exchange).feed(bytes);
    for ends in cuts::ways(bytes) {
        let mut reader = AnswerReader::new(exchange);
        let fed = ends.iter().map(|end| reader.feed(&bytes[..*end]));
        let first = fed.into_iter().find(|fed| *fed != FedAnswer::NeedMore);
        let first = first.unwrap_or(FedAnswer::NeedMore);
        assert_eq!(first, whole, "pieces end at {ends:?}");
    }
    match whole {
        FedAnswer::NeedMore => assert!(bytes.len() < HEAD_LEN_MAX),
        FedAnswer::Answer(answer, used) => {
            assert!(used <= bytes.len());
            if let Rest::Skip(rest) = &answer.rest {
                skip(rest, &bytes[used..]);
            }
            is_read_as_written(&answer);
        }
        FedAnswer::Bad(_) => {}
    }
}

fn skip(rest: &Skip, bytes: &[u8]) {
    let end = |ends: &[usize]| {
        let mut skip = rest.clone();
        let mut at = 0;
        for end in ends {
            match skip.feed(bytes.get(at..*end).unwrap_or_default()) {
                Ok((used, Skipped::Done)) => return Ok(Some(at + used)),
                Ok((used, Skipped::NeedMore)) => at += used,
                Err(bad) => return Err(bad),
            }
        }
        Ok(None)
    };
    let whole = end(&[bytes.len()]);
    for ends in cuts::ways(bytes) {
        assert_eq!(end(&ends), whole, "pieces end at {ends:?}");
    }
}

/// An answer of ours that says the same is read as the same.
fn is_read_as_written(answer: &Answer) {
    let Some(is_tag) = &answer.is_tag else {
        return;
    };
    let attribute = answer.categories.clone().unwrap_or_default().join(",");
    if attribute.contains(char::is_control) {
        // A tab within a name; what we write has no control characters.
        return;
    }
    let prefix = match answer.prefix {
        PrefixLength::Number(len) => Some(len),
        PrefixLength::Absent | PrefixLength::Malformed => None,
    };
    let fields = ReplyFields {
        is_tag,
        date: None,
        connection: answer.connection,
        attribute: &attribute,
        prefix,
        profile: None,
        response_info: None,
        response_desc: None,
        cache_control: None,
    };
    let mut written = Vec::new();
    fields.write_no_content(&mut written);
    let FedAnswer::Answer(again, used) = AnswerReader::new(Exchange::Reqmod).feed(&written) else {
        panic!("refused: {}", written.escape_ascii());
    };
    assert_eq!(used, written.len());
    assert_eq!(again.is_tag.as_ref(), Some(is_tag));
    assert_eq!(again.connection, answer.connection);
    assert_eq!(again.categories.unwrap_or_default().join(","), attribute);
    let names = answer.categories.iter().flatten();
    assert!(names.into_iter().all(|name| name.len() <= CATEGORY_LEN_MAX));
}

fn encapsulated(bytes: &[u8]) {
    let value = bytes
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    for shape in [
        Shape::ReqmodRequest,
        Shape::ReqmodAnswer,
        Shape::RespmodRequest,
        Shape::Options,
    ] {
        if let Ok(read) = Encapsulated::parse(value, shape) {
            assert!(read.heads_len() <= HTTP_HEADS_LEN_MAX);
            let written = read.to_string();
            assert_eq!(Encapsulated::parse(written.as_bytes(), shape), Ok(read));
        }
    }
}
