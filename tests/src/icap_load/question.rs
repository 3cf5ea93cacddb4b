//! What is asked.

use std::io::Write as _;
use std::net::SocketAddr;

use super::names::{Names, PATHS, Random};

/// A kind of request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A GET as Squid sends it: a preview of nothing, 204 allowed.
    Get,
    /// A POST with so many bytes, which all have to come back: no preview, no 204.
    Post(usize),
}

/// Writes requests for one service.
pub(crate) struct Questions<'a> {
    head: String,
    kind: Kind,
    names: &'a Names,
    random: Random,
    http: Vec<u8>,
}

impl Kind {
    /// Returns the status that is expected.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Get => 204,
            Self::Post(_) => 200,
        }
    }
}

impl<'a> Questions<'a> {
    /// Starts with the first of a fixed sequence.
    pub(crate) fn new(target: SocketAddr, service: &str, kind: Kind, names: &'a Names) -> Self {
        Self {
            head: format!("REQMOD icap://{target}/{service} ICAP/1.0\r\nHost: {target}\r\n"),
            kind,
            names,
            random: Random::default(),
            http: Vec::new(),
        }
    }

    /// Writes the next one. Writing to memory cannot fail.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>) {
        let path = self.random.below(PATHS);
        let host = self.names.any(&mut self.random);
        self.http.clear();
        let (method, length) = match self.kind {
            Kind::Get => ("GET", String::new()),
            Kind::Post(len) => ("POST", format!("Content-Length: {len}\r\n")),
        };
        let _ = write!(
            self.http,
            "{method} http://{host}/a/b/{path}.html HTTP/1.1\r\nUser-Agent: load/1\r\n\
             Accept: */*\r\n{length}Host: {host}\r\n\r\n"
        );
        out.extend_from_slice(self.head.as_bytes());
        let len = self.http.len();
        let _ = match self.kind {
            Kind::Get => write!(
                out,
                "Encapsulated: req-hdr=0, null-body={len}\r\nPreview: 0\r\n\
                 Allow: 204, trailers\r\n\r\n"
            ),
            Kind::Post(_) => write!(out, "Encapsulated: req-hdr=0, req-body={len}\r\n\r\n"),
        };
        out.extend_from_slice(&self.http);
        if let Kind::Post(len) = self.kind {
            let _ = write!(out, "{len:x}\r\n");
            out.resize(out.len() + len, b'B');
            out.extend_from_slice(b"\r\n0\r\n\r\n");
        }
    }
}
