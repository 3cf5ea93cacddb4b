//! A client that sends exactly the bytes it is given.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::WAIT_MAX;

/// One connection of a client.
#[derive(Debug)]
pub struct Client {
    /// The socket, with [`WAIT_MAX`] as time-out.
    pub socket: TcpStream,
    buffer: Vec<u8>,
}

/// An HTTP answer, whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// Decoded from chunks.
    pub body: Vec<u8>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// The other side closed.
    Closed,
    /// The other side reset.
    Reset,
}

impl Response {
    /// Returns the first value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name)?;
        Some(&found.1)
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    /// Connects.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect_timeout(&address, WAIT_MAX).expect("a connection"))
    }

    /// Connects from this address of the machine.
    #[track_caller]
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        Self::dial(SocketAddr::new(source, 0), address).expect("a connection")
    }

    /// Connects from this address and port of the machine.
    ///
    /// # Errors
    ///
    /// The connection was refused, or not answered within [`WAIT_MAX`].
    #[track_caller]
    pub fn dial(source: SocketAddr, address: SocketAddr) -> std::io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&source.into()).expect("an address of ours");
        socket.connect_timeout(&address.into(), WAIT_MAX)?;
        Ok(Self::over(socket.into()))
    }

    fn over(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(WAIT_MAX)).unwrap();
        socket.set_write_timeout(Some(WAIT_MAX)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self {
            socket,
            buffer: Vec::new(),
        }
    }

    /// Sends bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).expect("bytes sent");
    }

    /// Sends bytes; a peer that already closed is no failure.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.socket.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends one GET with the target and Host of an absolute URI, as to a proxy, and reads the
    /// answer.
    #[track_caller]
    pub fn get(&mut self, uri: &str) -> Response {
        let host = uri.split('/').nth(2).expect("an absolute URI");
        self.send(format!("GET {uri} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        self.response()
    }

    /// Reads an answer to a request that was not HEAD.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    /// Reads an answer to a request with this method.
    #[track_caller]
    pub fn response_to(&mut self, method: &str) -> Response {
        self.try_response(method)
            .expect("an answer before the connection ends")
    }

    /// Reads an answer to a request with this method, or nothing if the connection ends first.
    #[track_caller]
    pub fn try_response(&mut self, method: &str) -> Option<Response> {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            if self.fill().is_some() {
                let so_far = String::from_utf8_lossy(&self.buffer);
                assert!(
                    so_far.is_empty(),
                    "the connection ended inside a head: {so_far:?}"
                );
                return None;
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut response = Response {
            status,
            headers,
            body: Vec::new(),
        };
        response.body = self.body_of(&response, method);
        Some(response)
    }

    /// Reads until the connection ends, and returns what came and how it ended.
    #[track_caller]
    pub fn rest(&mut self) -> (Vec<u8>, End) {
        loop {
            if let Some(end) = self.fill() {
                return (std::mem::take(&mut self.buffer), end);
            }
        }
    }

    /// Reads exactly `len` bytes.
    #[track_caller]
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        while self.buffer.len() < len {
            assert!(
                self.fill().is_none(),
                "the connection ended before {len} bytes"
            );
        }
        self.buffer.drain(..len).collect()
    }

    /// Closes the sending side.
    pub fn finish(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Takes the socket out, if nothing was read ahead.
    #[track_caller]
    pub fn into_socket(self) -> TcpStream {
        assert!(self.buffer.is_empty(), "bytes were read ahead");
        self.socket
    }

    #[track_caller]
    fn body_of(&mut self, response: &Response, method: &str) -> Vec<u8> {
        let bodiless = method == "HEAD"
            || response.status < 200
            || response.status == 204
            || response.status == 304
            || (method == "CONNECT" && response.status == 200);
        if bodiless {
            return Vec::new();
        }
        if response.header("transfer-encoding").is_some() {
            return self.chunks();
        }
        match response.header("content-length") {
            Some(len) => self.take(len.parse().unwrap()),
            None => self.rest().0,
        }
    }

    #[track_caller]
    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = find(&self.buffer, b"\r\n") {
                    break end;
                }
                assert!(self.fill().is_none(), "the connection ended inside a chunk");
            };
            let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
            let line = String::from_utf8(line).unwrap();
            let len = usize::from_str_radix(line.trim().split(';').next().unwrap(), 16).unwrap();
            let chunk = self.take(len + 2);
            body.extend_from_slice(&chunk[..len]);
            if len == 0 {
                return body;
            }
        }
    }

    /// Reads once; says how the connection ended if it did.
    #[track_caller]
    fn fill(&mut self) -> Option<End> {
        let mut bytes = [0; 64 * 1024];
        match self.socket.read(&mut bytes) {
            Ok(0) => Some(End::Closed),
            Ok(len) => {
                self.buffer.extend_from_slice(&bytes[..len]);
                None
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Some(End::Reset),
            Err(error) if error.kind() == ErrorKind::Interrupted => None,
            Err(error) => panic!(
                "nothing came within {WAIT_MAX:?}: {error}; so far {:?}",
                String::from_utf8_lossy(&self.buffer)
            ),
        }
    }
}

/// Returns where `needle` starts in `bytes`.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}
