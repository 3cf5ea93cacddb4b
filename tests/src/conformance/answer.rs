//! What an ICAP server answers, read by a reader of the suite's own: strict, so that whoever agrees
//! with it agrees with the text of RFC 3507.

/// Bytes of an answer's head before it is given up.
const HEAD_LEN_MAX: usize = 256 * 1024;

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The number of the status line.
    pub status: u16,
    /// The status line, as received.
    pub line: String,
    /// Names and values, in order.
    pub fields: Vec<(String, String)>,
    /// The sections of `Encapsulated` with their offsets, in order; none: no such field.
    pub sections: Vec<(String, usize)>,
    /// Why `Encapsulated` frames nothing, if it names no body: the head is read to its empty line.
    pub unframed: Option<String>,
    /// The HTTP heads, each with its empty line.
    pub heads: Vec<Vec<u8>>,
    /// The bytes of the encapsulated body; none: there is none.
    pub body: Option<Vec<u8>>,
    /// The lines with the sizes of the chunks, as received.
    pub chunk_lines: Vec<String>,
    /// The lines after the last chunk, without the empty one.
    pub trailers: Vec<u8>,
}

/// What the bytes so far are.
#[derive(Debug)]
pub enum Read {
    /// The beginning of an answer.
    NeedMore,
    /// An answer, and how many bytes it has.
    Answer(Box<Answer>, usize),
    /// No answer, and why.
    Bad(String),
}

impl Answer {
    /// Reads the answer at the start of `bytes`.
    pub fn read(bytes: &[u8]) -> Read {
        match read(bytes) {
            Ok(Some((answer, used))) => Read::Answer(Box::new(answer), used),
            Ok(None) => Read::NeedMore,
            Err(why) => Read::Bad(why),
        }
    }

    /// Returns the values of a field, the lines joined with commas.
    pub fn field(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .fields
            .iter()
            .filter(|(it, _)| it.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Returns whether a comma list has a word.
    pub fn lists(&self, name: &str, word: &str) -> bool {
        let value = self.field(name).unwrap_or_default();
        let mut words = value.split(',').map(str::trim);
        words.any(|it| it.eq_ignore_ascii_case(word))
    }

    /// Returns the names of the sections, separated by spaces.
    pub fn shape(&self) -> String {
        let names: Vec<&str> = self.sections.iter().map(|(name, _)| &**name).collect();
        names.join(" ")
    }

    /// Returns whether the HTTP request came back.
    pub fn is_request(&self) -> bool {
        self.sections
            .first()
            .is_some_and(|(name, _)| name == "req-hdr")
    }

    /// Returns whether an HTTP response came.
    pub fn is_response(&self) -> bool {
        self.sections
            .first()
            .is_some_and(|(name, _)| name == "res-hdr")
    }
}

type Part<T> = Result<Option<T>, String>;

fn read(bytes: &[u8]) -> Part<(Answer, usize)> {
    let start = b"ICAP/1.0 ";
    let compared = bytes.len().min(start.len());
    if bytes[..compared] != start[..compared] {
        let seen = bytes[..bytes.len().min(24)].escape_ascii();
        return Err(format!("no status line: `{seen}`"));
    }
    let Some(head_len) = end_of_head(bytes) else {
        let long = bytes.len() > HEAD_LEN_MAX;
        return if long {
            Err("a head without end".to_owned())
        } else {
            Ok(None)
        };
    };
    let mut answer = parse_head(&bytes[..head_len])?;
    let mut used = head_len;
    let Some((body, heads_len)) = answer.sections.last().cloned() else {
        return Ok(Some((answer, used)));
    };
    let Some(heads) = bytes.get(head_len..head_len + heads_len) else {
        return Ok(None);
    };
    used += heads_len;
    answer.heads = split_heads(heads, &answer.sections)?;
    if answer.unframed.is_some() {
        let Some(len) = end_of_head(&bytes[used..]) else {
            return Ok(None);
        };
        answer.heads.push(bytes[used..used + len].to_vec());
        used += len;
    } else if body != "null-body" {
        let Some(len) = read_body(&bytes[used..], &mut answer)? else {
            return Ok(None);
        };
        used += len;
    }
    Ok(Some((answer, used)))
}

fn parse_head(head: &[u8]) -> Result<Answer, String> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let line = lines.next().unwrap_or_default();
    let code = line.get(9..12).unwrap_or_default();
    let after = line.get(12..).unwrap_or_default();
    let digits = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !(after.is_empty() || after.starts_with(' ')) {
        return Err(format!("no status line: `{}`", line.escape_debug()));
    }
    let mut answer = Answer {
        status: code.parse().unwrap_or(0),
        line: line.to_owned(),
        ..Answer::default()
    };
    for line in lines {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| format!("no header field: `{}`", line.escape_debug()))?;
        if name.is_empty() || !name.bytes().all(is_token) || line.contains(['\n', '\0']) {
            return Err(format!("no header field: `{}`", line.escape_debug()));
        }
        answer
            .fields
            .push((name.to_owned(), value.trim().to_owned()));
    }
    if let Some(value) = answer.field("Encapsulated") {
        answer.sections = sections(&value)?;
        let last = answer.sections.last();
        if last.is_some_and(|(name, _)| !name.ends_with("-body")) {
            answer.unframed = Some(format!("unframed: `Encapsulated: {value}`"));
        }
    }
    Ok(answer)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn sections(value: &str) -> Result<Vec<(String, usize)>, String> {
    let wrong = || format!("unframed: `Encapsulated: {}`", value.escape_debug());
    let mut found: Vec<(String, usize)> = Vec::new();
    for entry in value.split(',') {
        let (name, offset) = entry.trim().split_once('=').ok_or_else(wrong)?;
        let offset = offset.parse().map_err(|_| wrong())?;
        let in_order = found
            .last()
            .map_or(offset == 0, |(_, before)| *before < offset);
        if !in_order {
            return Err(wrong());
        }
        found.push((name.to_owned(), offset));
    }
    let is_body = |(name, _): &&(String, usize)| name.ends_with("-body");
    let bodies = found.iter().filter(is_body).count();
    let one_head = bodies == 0 && found.len() == 1;
    if !one_head && (bodies != 1 || !found.last().as_ref().is_some_and(is_body)) {
        return Err(wrong());
    }
    Ok(found)
}

fn split_heads(bytes: &[u8], sections: &[(String, usize)]) -> Result<Vec<Vec<u8>>, String> {
    let mut heads = Vec::new();
    for pair in sections.windows(2) {
        let [(name, start), (_, end)] = pair else {
            continue;
        };
        let head = &bytes[*start..*end];
        if end_of_head(head) != Some(head.len()) {
            return Err(format!("the `{name}` does not end where its section does"));
        }
        heads.push(head.to_vec());
    }
    Ok(heads)
}

fn read_body(bytes: &[u8], answer: &mut Answer) -> Part<usize> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Some(line_len) = line_len(&bytes[at..]) else {
            return Ok(None);
        };
        let line = String::from_utf8_lossy(&bytes[at..at + line_len - 2]).into_owned();
        let size = line.split(';').next().unwrap_or_default().trim();
        let good = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = usize::from_str_radix(size, 16).ok().filter(|_| good);
        let size = size.ok_or_else(|| format!("no chunk size: `{}`", line.escape_debug()))?;
        answer.chunk_lines.push(line);
        at += line_len;
        if size == 0 {
            break;
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else {
            return Ok(None);
        };
        if !chunk.ends_with(b"\r\n") {
            return Err("a chunk that does not end where it says".to_owned());
        }
        body.extend_from_slice(&chunk[..size]);
        at += size + 2;
    }
    loop {
        let Some(line_len) = line_len(&bytes[at..]) else {
            return Ok(None);
        };
        let line = &bytes[at..at + line_len];
        at += line_len;
        if line_len == 2 {
            answer.body = Some(body);
            return Ok(Some(at));
        }
        answer.trailers.extend_from_slice(line);
    }
}

fn line_len(bytes: &[u8]) -> Option<usize> {
    Some(bytes.windows(2).position(|two| two == b"\r\n")? + 2)
}

/// Returns where the first empty line ends.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    Some(bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COPY: &[u8] =
        b"ICAP/1.0 200 OK\r\nISTag: \"a\"\r\nEncapsulated: req-hdr=0, req-body=18\r\n\r\n\
        GET / HTTP/1.1\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: u\r\n\r\n";

    #[test]
    fn parts() {
        let Read::Answer(answer, used) = Answer::read(COPY) else {
            panic!("no answer");
        };
        assert_eq!((answer.status, used), (200, COPY.len()));
        assert_eq!(answer.shape(), "req-hdr req-body");
        assert_eq!(answer.heads, [b"GET / HTTP/1.1\r\n\r\n"]);
        assert_eq!(answer.body.as_deref(), Some(&b"abcde"[..]));
        assert_eq!(answer.chunk_lines, ["3", "2;x=y", "0"]);
        assert_eq!(answer.trailers, b"T: u\r\n");
    }

    #[test]
    fn every_beginning_needs_more() {
        for len in 0..COPY.len() {
            assert!(
                matches!(Answer::read(&COPY[..len]), Read::NeedMore),
                "{len}"
            );
        }
    }

    #[test]
    fn a_head_without_a_body_is_read_and_noted() {
        let text = b"ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        let Read::Answer(answer, used) = Answer::read(text) else {
            panic!("no answer");
        };
        assert_eq!(used, text.len());
        assert_eq!(answer.heads, [b"GET / HTTP/1.1\r\n\r\n"]);
        assert!(answer.unframed.is_some());
    }

    #[test]
    fn no_answers() {
        for text in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "ICAP/1.0 2x0 OK\r\n\r\n",
            "ICAP/1.0 200 OK\r\nno field\r\n\r\n",
            "ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, res-hdr=9\r\n\r\n",
            "ICAP/1.0 200 OK\r\nEncapsulated: null-body=4\r\n\r\n",
            "ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=9, null-body=4\r\n\r\n",
            "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, null-body=4\r\n\r\nabcdefgh",
            "ICAP/1.0 200 OK\r\nEncapsulated: opt-body=0\r\n\r\nx\r\n",
        ] {
            assert!(
                matches!(Answer::read(text.as_bytes()), Read::Bad(_)),
                "{text}"
            );
        }
    }
}
