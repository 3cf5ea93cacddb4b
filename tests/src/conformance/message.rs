//! What the suite sends. `{uri}`, `{authority}` and `{path}` stand for those of the service.

/// An HTTP request that no list knows, with names in several cases.
pub const GET: &str = "GET http://conformance.test/a?b=c HTTP/1.1\r\nHost: conformance.test\r\n\
    User-Agent: Conformance/1\r\naccept: */*\r\nX-MiXed-CaSe: Value  With  Spaces\r\n\
    Accept: text/html;q=0.1\r\n\r\n";

/// The head of an HTTP request with a body of unknown length.
pub const POST: &str = "POST http://conformance.test/form HTTP/1.1\r\nHost: conformance.test\r\n\
    Content-Type: application/octet-stream\r\nX-MiXed-CaSe: Value\r\n\r\n";

/// The head of an HTTP response.
pub const RESPONSE: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-MiXed-CaSe: Value\r\n\r\n";

/// The end of a body.
pub const LAST: &str = "0\r\n\r\n";

/// The end of a preview that was the whole body.
pub const IEOF: &str = "0; ieof\r\n\r\n";

/// A message under construction. What is not changed is right.
#[derive(Clone, Debug)]
pub struct Message {
    start: String,
    host: &'static str,
    fields: String,
    names: [&'static str; 3],
    encapsulated: Option<String>,
    heads: Vec<u8>,
    body: Vec<u8>,
}

/// Starts an OPTIONS request.
pub fn options() -> Message {
    Message {
        start: "OPTIONS {uri} ICAP/1.0".to_owned(),
        host: "Host: {authority}\r\n",
        fields: String::new(),
        names: ["Encapsulated", "Allow", "Preview"],
        encapsulated: None,
        heads: Vec::new(),
        body: Vec::new(),
    }
}

/// Starts a REQMOD request for a request head without a body.
pub fn reqmod(head: &str) -> Message {
    Message {
        start: "REQMOD {uri} ICAP/1.0".to_owned(),
        encapsulated: Some(format!("req-hdr=0, null-body={}", head.len())),
        heads: head.as_bytes().to_vec(),
        ..options()
    }
}

/// A REQMOD request with an `Encapsulated` and what follows the ICAP head, right or wrong.
pub fn reqmod_as(encapsulated: &str, rest: &str) -> Message {
    Message {
        encapsulated: Some(encapsulated.to_owned()),
        heads: rest.as_bytes().to_vec(),
        ..reqmod("")
    }
}

/// Starts a RESPMOD request for a response head without a body.
pub fn respmod() -> Message {
    let len = GET.len() + RESPONSE.len();
    Message {
        start: "RESPMOD {uri} ICAP/1.0".to_owned(),
        encapsulated: Some(format!("req-hdr=0, res-hdr={}, null-body={len}", GET.len())),
        heads: [GET, RESPONSE].concat().into_bytes(),
        ..options()
    }
}

impl Message {
    /// Another start line.
    pub fn start(mut self, line: &str) -> Self {
        self.start = line.to_owned();
        self
    }

    /// Another line for `Host`, its end included; it may be none.
    pub fn host(mut self, line: &'static str) -> Self {
        self.host = line;
        self
    }

    /// Lines that stand between `Host` and the rest, without the end of the last.
    pub fn field(mut self, lines: &str) -> Self {
        self.fields.push_str(lines);
        self.fields.push_str("\r\n");
        self
    }

    /// `Allow: 204`
    pub fn allow(self) -> Self {
        let line = format!("{}: 204", self.names[1]);
        self.field(&line)
    }

    /// `Preview: len`
    pub fn preview(self, len: usize) -> Self {
        let line = format!("{}: {len}", self.names[2]);
        self.field(&line)
    }

    /// Other spellings of `Encapsulated`, `Allow` and `Preview`.
    pub fn names(mut self, names: [&'static str; 3]) -> Self {
        self.names = names;
        self
    }

    /// A body, as it is on the wire.
    pub fn body(mut self, chunks: impl Into<Vec<u8>>) -> Self {
        let kind = if self.start.starts_with("RESPMOD") {
            "res-body"
        } else {
            "req-body"
        };
        self.encapsulated = self
            .encapsulated
            .map(|value| value.replace("null-body", kind));
        self.body = chunks.into();
        self
    }

    /// The field `Encapsulated` with another value, or none.
    pub fn encapsulated(mut self, value: Option<&str>) -> Self {
        self.encapsulated = value.map(str::to_owned);
        self
    }

    /// The bytes, still with the names of what the service has.
    pub fn bytes(&self) -> Vec<u8> {
        let encapsulated = self
            .encapsulated
            .as_ref()
            .map_or_else(String::new, |it| format!("{}: {it}\r\n", self.names[0]));
        let head = format!(
            "{}\r\n{}{}{encapsulated}\r\n",
            self.start, self.host, self.fields
        );
        [head.as_bytes(), &self.heads, &self.body].concat()
    }
}

impl From<Message> for Vec<u8> {
    fn from(message: Message) -> Self {
        message.bytes()
    }
}

/// Writes a chunk for each part, without the end of the body.
pub fn chunks(parts: &[&[u8]]) -> Vec<u8> {
    let chunk = |part: &&[u8]| {
        let size = format!("{:x}\r\n", part.len());
        [size.as_bytes(), part, b"\r\n"].concat()
    };
    parts.iter().flat_map(chunk).collect()
}

/// Writes a body of these chunks.
pub fn whole(parts: &[&[u8]]) -> Vec<u8> {
    [chunks(parts), LAST.into()].concat()
}

/// Returns bytes of every value, `len` of them.
pub fn binary(len: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(len).collect()
}

/// Puts in what the service has.
pub fn fill(bytes: &[u8], authority: &str, path: &str) -> Vec<u8> {
    let uri = format!("icap://{authority}{path}");
    let names: [(&[u8], &str); 3] = [
        (b"{uri}", &uri),
        (b"{authority}", authority),
        (b"{path}", path),
    ];
    let mut filled = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'{') {
        filled.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let name = names.iter().find(|(name, _)| rest.starts_with(name));
        let (name, value) = name.map_or((&b"{"[..], "{"), |(name, value)| (*name, *value));
        filled.extend_from_slice(value.as_bytes());
        rest = &rest[name.len()..];
    }
    filled.extend_from_slice(rest);
    filled
}
