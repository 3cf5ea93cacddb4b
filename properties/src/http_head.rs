use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_head::{FIELDS_MAX, Framing, Head, Limits, Target, Verdict, judge};
use uri::{Readings, Scheme};

use crate::cuts;

/// The first bytes on an HTTP port: one verdict under every cut; and of a head that is taken,
/// other readers read the same, and so does the origin it is forwarded to.
pub fn http_head(bytes: &[u8]) {
    for head_len_max in [64 * 1024, 256] {
        let limits = Limits { head_len_max };
        let whole = judge(bytes, &limits);
        is_the_verdict_on_its_prefixes(bytes, &limits, &whole);
        if let Verdict::Head(head) = whole {
            assert!(head.len() <= bytes.len().min(head_len_max));
            httparse_agrees(&head, &bytes[..head.len()]);
            hyper_can_say_it(&head);
            is_judged_alike_when_forwarded(&head);
        }
    }
}

fn is_the_verdict_on_its_prefixes(bytes: &[u8], limits: &Limits, whole: &Verdict) {
    for end in cuts::ways(bytes).concat() {
        let verdict = judge(&bytes[..end], limits);
        if verdict == Verdict::NeedMore {
            assert!(end < limits.head_len_max, "{end} bytes are waited for");
        } else {
            assert_eq!(&verdict, whole, "of the first {end} bytes");
        }
    }
}

fn httparse_agrees(head: &Head, bytes: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let status = request.parse(bytes);
    if status == Err(httparse::Error::Token) && str::from_utf8(bytes).is_err() {
        // It takes no target that is not UTF-8; here its bytes are escaped.
        return;
    }
    assert_eq!(status, Ok(httparse::Status::Complete(bytes.len())));
    assert_eq!(request.method, Some(head.method()));
    let target = request.path.unwrap().as_bytes();
    let before = before_escaped(target, head.path_and_query());
    match head.target() {
        Target::Origin => assert_eq!(before, b""),
        Target::Asterisk => assert_eq!(before, b"*"),
        Target::Authority(_) => assert_eq!(Some(before), head.authority()),
        Target::Absolute { .. } => assert!(before.ends_with(head.authority().unwrap())),
    }
    let theirs = request.headers.iter();
    let theirs = theirs.map(|field| (field.name.as_bytes(), field.value));
    assert!(theirs.eq(head.fields()), "fields differ");
}

/// Returns what stands in a target before its path and query, which it ends with but for bytes
/// that no URI may have: those were escaped.
fn before_escaped<'a>(target: &'a [u8], mut path_and_query: &[u8]) -> &'a [u8] {
    let mut rest = target;
    while let Some((last, before)) = rest.split_last() {
        let escape = format!("%{last:02X}");
        let is_stray = matches!(last, b'<' | b'>' | b'"' | b'`' | 0x80..);
        if let Some(same) = path_and_query.strip_suffix(&[*last]) {
            path_and_query = same;
        } else if let (true, Some(same)) =
            (is_stray, path_and_query.strip_suffix(escape.as_bytes()))
        {
            path_and_query = same;
        } else {
            break;
        }
        rest = before;
    }
    assert_eq!(
        path_and_query,
        b"",
        "not at the end of {}",
        target.escape_ascii()
    );
    rest
}

/// What the proxy hands to hyper on the way to the origin is never refused there, nor changed.
fn hyper_can_say_it(head: &Head) {
    let method = Method::from_bytes(head.method().as_bytes()).unwrap();
    assert_eq!(method.as_str(), head.method());
    for (name, value) in head.fields() {
        let kept = HeaderName::from_bytes(name).unwrap();
        assert!(kept.as_str().as_bytes().eq_ignore_ascii_case(name));
        assert_eq!(HeaderValue::from_bytes(value).unwrap().as_bytes(), value);
    }
    let path = head.path_and_query();
    if path.starts_with(b"/") {
        let kept = http::uri::PathAndQuery::try_from(path).unwrap();
        assert_eq!(kept.as_str().as_bytes(), path);
    }
}

/// What is judged is what is forwarded.
fn is_judged_alike_when_forwarded(head: &Head) {
    let judged = head.readings(None).ok();
    // A CONNECT goes nowhere; of what has no host nothing is promised.
    let (Some(judged), false) = (judged, matches!(head.target(), Target::Authority(_))) else {
        return;
    };
    let written = forwarded(head, &judged);
    let limits = Limits {
        head_len_max: usize::MAX,
    };
    let Verdict::Head(again) = judge(&written, &limits) else {
        panic!("refused: {}", written.escape_ascii());
    };
    assert_eq!(again.len(), written.len());
    assert_eq!(again.method(), head.method());
    assert_eq!(again.framing(), head.framing());
    let again = again.readings(None).unwrap();
    match head.scheme() {
        Some(Scheme::Http) | None => assert_eq!(again, judged),
        Some(Scheme::Https) => {
            let path = |readings: &Readings| readings.normal().path_and_query().to_owned();
            assert_eq!(again.normal().host(), judged.normal().host());
            assert_eq!(path(&again), path(&judged));
        }
    }
}

/// Writes the head for the origin: the judged authority as the one Host, the path as the client
/// wrote it, and one framing.
fn forwarded(head: &Head, judged: &Readings) -> Vec<u8> {
    let mut fields = HeaderMap::new();
    for (name, value) in head.fields() {
        let name = HeaderName::from_bytes(name).unwrap();
        fields.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    let authority = judged.normal().authority();
    fields.insert(http::header::HOST, authority.parse().unwrap());
    fields.remove(http::header::TRANSFER_ENCODING);
    fields.remove(http::header::CONTENT_LENGTH);
    match head.framing() {
        Framing::None => {}
        Framing::Length(length) => {
            fields.insert(http::header::CONTENT_LENGTH, length.into());
        }
        Framing::Chunked => {
            let chunked = HeaderValue::from_static("chunked");
            fields.insert(http::header::TRANSFER_ENCODING, chunked);
        }
    }
    let slash: &[u8] = match (head.target(), head.path_and_query()) {
        (Target::Asterisk, _) => b"*",
        (_, [b'/', ..]) => b"",
        (_, _) => b"/",
    };
    let line = [
        head.method().as_bytes(),
        b" ",
        slash,
        head.path_and_query(),
        b" HTTP/1.1\r\n",
    ];
    let mut written = line.concat();
    for (name, value) in &fields {
        written.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    written.extend(b"\r\n");
    written
}
