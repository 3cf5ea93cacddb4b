//! What is not HTTP to anybody.
//!
//! Where a profile lets pass what is not HTTP, its bytes go to the origin unread, and so do the
//! requests that may follow on the connection. So nothing is called "not HTTP" that some origin
//! answers as if it were: Node's parser takes `DESCRIBE / RTSP/1.0` with a `Host`, readers in
//! Python split a line at every white space they know, others pass over what stands before it.

/// The preface of HTTP/2 (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The byte order mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Methods that some origin would answer even after a request line which RFC 9112 does not know,
/// and the word that the PROXY protocol puts before one.
const METHODS: [&str; 10] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PROXY", "PUT", "TRACE",
];

/// What the first bytes of a message are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Start {
    /// Not known yet.
    NeedMore,
    /// Something else, to every reader.
    Foreign,
    /// What some reader may take for HTTP, or the thing itself.
    LikeHttp,
}

/// Looks at a message that does not start with a token and a space.
pub(crate) fn start(text: &[u8]) -> Start {
    let word_len = token_len(text);
    let (word, rest) = text.split_at_checked(word_len).unwrap_or_default();
    match rest {
        [] => Start::NeedMore,
        _ if is_method(word) => Start::LikeHttp,
        [first, ..] if first.is_ascii_graphic() => behind_an_odd_word(rest),
        [first, ..] if word.is_empty() => match first {
            b' ' | b'\t' | b'\r' | b'\n' => Start::LikeHttp,
            _ => behind_padding(text),
        },
        // A line of one word.
        [b'\n', ..] | [b'\r', b'\n', ..] => Start::Foreign,
        [b'\r'] => Start::NeedMore,
        [first, ..] if is_white(*first) => Start::LikeHttp,
        [_, ..] => Start::Foreign,
    }
}

/// Looks for a target behind a word that is no token, which some readers take for a method all the
/// same. Protocols of text send whole lines, so the rest of one is waited for; in others a byte
/// that is no text soon tells.
fn behind_an_odd_word(text: &[u8]) -> Start {
    let graphic = text.iter().take_while(|byte| byte.is_ascii_graphic());
    let rest = text.get(graphic.count()..).unwrap_or_default();
    let is_gap = |byte: &u8| is_white(*byte) && !matches!(byte, b'\r' | b'\n');
    let gap = rest.iter().take_while(|byte| is_gap(byte)).count();
    let target = rest.get(gap..).unwrap_or_default();
    match target {
        [] => Start::NeedMore,
        _ if gap == 0 => Start::Foreign,
        [b'/' | b'\\' | b'%', ..] => Start::LikeHttp,
        _ => behind_a_scheme(target),
    }
}

/// Looks for the rest of a target that begins with `http`.
fn behind_a_scheme(target: &[u8]) -> Start {
    let schemes: [&[u8]; 2] = [b"http:", b"https:"];
    let begins = |scheme: &[u8], len: usize| {
        let begin = target.get(..len).zip(scheme.get(..len));
        begin.is_some_and(|(found, wanted)| found.eq_ignore_ascii_case(wanted))
    };
    if schemes.iter().any(|scheme| begins(scheme, scheme.len())) {
        Start::LikeHttp
    } else if schemes.iter().any(|scheme| begins(scheme, target.len())) {
        Start::NeedMore
    } else {
        Start::Foreign
    }
}

/// Looks for a method behind bytes that some reader may pass over. It is looked for only as long
/// as one may come, since other protocols wait for an answer after a few bytes.
fn behind_padding(text: &[u8]) -> Start {
    if text.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(text) {
        return Start::NeedMore;
    }
    let unmarked = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let padding = unmarked
        .iter()
        .take_while(|byte| **byte == 0 || is_white(**byte));
    let rest = unmarked.get(padding.count()..).unwrap_or_default();
    if rest.len() == text.len() {
        return Start::Foreign;
    }
    let word = rest.get(..token_len(rest)).unwrap_or_default();
    if word.len() < rest.len() {
        return match is_method(word) {
            true => Start::LikeHttp,
            false => Start::Foreign,
        };
    }
    let may_come = METHODS.iter().any(|method| {
        let begin = method.as_bytes().get(..word.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(word))
    });
    match may_come {
        true => Start::NeedMore,
        false => Start::Foreign,
    }
}

/// Returns whether a line that starts with a token and a space, or its part before a control
/// character, is a request line to some reader: by its method, by a target in the second place,
/// or by the name and version of a protocol, whichever, at its end.
pub(crate) fn is_like_a_request_line(line: &[u8]) -> bool {
    let mut words = line.split(|byte| *byte == b' ');
    let method = words.next().unwrap_or_default();
    let mut words = words.filter(|word| !word.is_empty());
    let target = words.next().unwrap_or_default();
    let last = words.next_back().unwrap_or_default();
    is_method(method)
        || matches!(target, [b'/' | b'\\' | b'%', ..] | b"*")
        || target.windows(3).any(|part| part == b"://")
        || is_versioned(last)
        || line
            .windows(5)
            .any(|part| part.eq_ignore_ascii_case(b"HTTP/"))
}

/// Returns whether a control character inside a line separates words to some reader.
pub(crate) fn is_white(byte: u8) -> bool {
    // The last two are white space in Latin-1, in which Python's standard library reads a line.
    matches!(byte, b'\t'..=b'\r' | 0x1c..=b' ' | 0x85 | 0xa0)
}

/// Returns what a message is that starts like the preface of HTTP/2: that, or a request of a
/// version that is not known here.
pub(crate) fn http2_preface(text: &[u8]) -> Start {
    if text.starts_with(HTTP2_PREFACE) {
        Start::Foreign
    } else if HTTP2_PREFACE.starts_with(text) {
        Start::NeedMore
    } else {
        Start::LikeHttp
    }
}

/// Returns whether a word is a protocol with its version, such as `RTSP/1.0`.
fn is_versioned(word: &[u8]) -> bool {
    let mut parts = word.splitn(2, |byte| *byte == b'/');
    let (name, version) = (parts.next(), parts.next());
    name.is_some_and(|name| !name.is_empty() && name.iter().all(u8::is_ascii_alphanumeric))
        && version.is_some_and(|version| version.first().is_some_and(u8::is_ascii_digit))
}

fn is_method(word: &[u8]) -> bool {
    METHODS
        .iter()
        .any(|method| word.eq_ignore_ascii_case(method.as_bytes()))
}

fn token_len(text: &[u8]) -> usize {
    text.iter()
        .take_while(|byte| crate::fields::is_in_a_token(**byte))
        .count()
}
