//! Every recorded exchange parses, and parses the same however it is cut.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

use std::path::{Path, PathBuf};

use icap::{
    Answer, AnswerReader, BodyPiece, BodyReader, Exchange, Fed, FedAnswer, HttpRequest, Method,
    Request, RequestReader, Rest, Skipped,
};

#[test]
fn requests() {
    let mut count = 0;
    for path in recorded("req") {
        let bytes = std::fs::read(&path).unwrap();
        let rest = std::fs::read(path.with_extension("cont")).unwrap_or_default();
        let whole = request_in_pieces(&bytes, &rest, bytes.len());
        if whole.0.method != Method::Options {
            HttpRequest::parse(&whole.0.http_head).unwrap();
        }
        for cut in 1..bytes.len() {
            assert_eq!(
                request_in_pieces(&bytes, &rest, cut),
                whole,
                "{path:?} cut at {cut}"
            );
        }
        assert_eq!(
            request_in_pieces(&bytes, &rest, 1),
            whole,
            "{path:?} byte by byte"
        );
        count += 1;
    }
    assert_eq!(count, 64);
}

#[test]
fn answers() {
    let mut count = 0;
    for path in recorded("rsp") {
        let bytes = std::fs::read(&path).unwrap();
        let exchange = match path.to_str().unwrap() {
            name if name.contains("-options.") => Exchange::Options,
            name if name.contains("-reqmod.") => Exchange::Reqmod,
            // RESPMOD answers have other sections, and nobody asks for them.
            _ => continue,
        };
        let whole = answers_in_pieces(exchange, &bytes, bytes.len());
        assert!(!whole.is_empty());
        for cut in 1..bytes.len() {
            assert_eq!(
                answers_in_pieces(exchange, &bytes, cut),
                whole,
                "{path:?} cut at {cut}"
            );
        }
        assert_eq!(
            answers_in_pieces(exchange, &bytes, 1),
            whole,
            "{path:?} byte by byte"
        );
        count += 1;
    }
    assert_eq!(count, 61);
}

#[test]
fn categories_of_c_icap() {
    for (name, status, categories, prefix) in [
        (
            "cic-reqmod-get-urlcheck-match-url-1-02-reqmod.rsp",
            204,
            &["sport", "all"][..],
            Some(24),
        ),
        (
            "cic-reqmod-get-urlcheck-block-1-02-reqmod.rsp",
            200,
            &["adult"],
            None,
        ),
        ("sq-intercept-1-06-reqmod.rsp", 200, &["adult"], None),
        ("sq-urlcheck-1-02-reqmod.rsp", 204, &["all"], None),
    ] {
        let bytes = std::fs::read(folder().join(name)).unwrap();
        let answer = answers_in_pieces(Exchange::Reqmod, &bytes, bytes.len()).remove(0);
        assert_eq!(answer.status, status);
        assert_eq!(answer.categories.unwrap(), categories);
        assert_eq!(answer.is_tag.unwrap().as_str(), "CI0001-XXXXXXXXX");
        let expected = prefix.map_or(icap::PrefixLength::Absent, icap::PrefixLength::Number);
        assert_eq!(answer.prefix, expected);
    }
}

/// Reads one request with its body; `rest` is what the client sent after 100 Continue. The bytes
/// arrive in two parts, or with `cut` 1 one by one.
fn request_in_pieces(bytes: &[u8], rest: &[u8], cut: usize) -> (Request, Vec<u8>, bool) {
    let step = if cut == 1 { 1 } else { bytes.len() };
    let mut reader = RequestReader::default();
    let mut end = cut;
    let (request, mut used) = loop {
        match reader.feed(&bytes[..end]) {
            Fed::NeedMore => end = (end + step).min(bytes.len()),
            Fed::Request(request, used) => break (*request, used),
            Fed::Bad(bad) => panic!("{bad}"),
        }
    };
    let mut body = BodyReader::new(request.body);
    let (mut read, mut waited) = (Vec::new(), false);
    loop {
        let (more, piece) = body.read(&bytes[used..end]).unwrap();
        used += more;
        match piece {
            BodyPiece::NeedMore => end = (end + step).min(bytes.len()),
            BodyPiece::Bytes(bytes) => read.extend(bytes),
            BodyPiece::PreviewEnd => {
                waited = true;
                break;
            }
            BodyPiece::End { .. } => break,
        }
    }
    assert_eq!(used, bytes.len(), "to the last byte");
    if !rest.is_empty() {
        assert!(waited);
        body.proceed();
        read_rest(&mut body, rest, &mut read);
    }
    (request, read, waited)
}

fn read_rest(body: &mut BodyReader, rest: &[u8], read: &mut Vec<u8>) {
    let mut used = 0;
    loop {
        let (more, piece) = body.read(&rest[used..]).unwrap();
        used += more;
        match piece {
            BodyPiece::Bytes(bytes) => read.extend(bytes),
            BodyPiece::End { .. } => break,
            BodyPiece::NeedMore | BodyPiece::PreviewEnd => panic!("the body does not end"),
        }
    }
    assert_eq!(used, rest.len(), "to the last byte");
}

/// Reads the answers of one exchange: a 100 and what followed it, or one.
fn answers_in_pieces(exchange: Exchange, bytes: &[u8], cut: usize) -> Vec<Answer> {
    let step = if cut == 1 { 1 } else { bytes.len() };
    let (mut answers, mut used, mut end) = (Vec::new(), 0, cut);
    while used < bytes.len() {
        let mut reader = AnswerReader::new(exchange);
        let answer = loop {
            match reader.feed(&bytes[used.min(end)..end]) {
                FedAnswer::NeedMore => end = (end + step).min(bytes.len()),
                FedAnswer::Answer(answer, more) => {
                    used += more;
                    break *answer;
                }
                FedAnswer::Bad(bad) => panic!("{bad}"),
            }
        };
        if let Rest::Skip(mut skip) = answer.rest.clone() {
            loop {
                let (more, skipped) = skip.feed(&bytes[used.min(end)..end]).unwrap();
                used += more;
                match skipped {
                    Skipped::NeedMore => end = (end + step).min(bytes.len()),
                    Skipped::Done => break,
                }
            }
        }
        answers.push(answer);
    }
    assert_eq!(used, bytes.len(), "to the last byte");
    answers
}

fn recorded(extension: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    paths
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/icap")
}
