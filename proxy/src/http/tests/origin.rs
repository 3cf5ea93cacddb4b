use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An origin that keeps what it was sent and answers by the path.
pub(super) struct TestOrigin {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl TestOrigin {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((socket, _)) = listener.accept().await {
                number += 1;
                let peer = Peer {
                    socket,
                    buffer: BytesMut::new(),
                    seen: Arc::clone(&keep),
                    number,
                };
                tokio::spawn(peer.serve());
            }
        });
        Self { address, seen }
    }

    /// Returns the requests so far, each as `connection number: head|body`.
    pub(super) fn seen_as_sent(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns the requests so far, without the port of this origin.
    pub(super) fn seen(&self) -> Vec<String> {
        let port = format!(":{}", self.address.port());
        let seen = self.seen_as_sent();
        seen.iter().map(|text| text.replace(&port, "")).collect()
    }
}

struct Peer {
    socket: TcpStream,
    buffer: BytesMut,
    seen: Arc<Mutex<Vec<String>>>,
    number: usize,
}

impl Peer {
    async fn serve(mut self) {
        let mut served = 0;
        while let Some(head) = self.read_head().await {
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            if path == "/silent-later" && served > 0 {
                return;
            }
            served += 1;
            match path.as_str() {
                "/continue" => self.send("HTTP/1.1 100 Continue||").await,
                "/hints" => {
                    let hints = "HTTP/1.1 103 Early Hints|Link: </a>|Connection: x|X: 1||";
                    self.send(hints).await;
                }
                "/early" => {
                    self.keep(&head, "");
                    let answer = "HTTP/1.1 413 Content Too Large|Content-Length: 8|\
                        Connection: close||too much";
                    return self.send(answer).await;
                }
                "/final" => {
                    self.keep(&head, "");
                    let answer = "HTTP/1.1 401 Unauthorized|Content-Length: 2||no";
                    self.send(answer).await;
                    continue;
                }
                _ => {}
            }
            let body = self.read_body(&head).await;
            self.keep(&head, &body);
            match path.as_str() {
                "/never" => std::future::pending().await,
                "/socket" => {
                    let answer = "HTTP/1.1 101 Switching Protocols|Upgrade: websocket|\
                        Connection: Upgrade|Sec-WebSocket-Accept: x||first";
                    self.send(answer).await;
                    return self.echo().await;
                }
                path => self.send(&answer(path, &body)).await,
            }
            if ["/eof", "/broken", "/nonsense"].contains(&path.as_str()) {
                return;
            }
        }
    }

    fn keep(&self, head: &str, body: &str) {
        let text = format!("{}: {head}{body}", self.number);
        self.seen.lock().unwrap().push(text.replace("\r\n", "|"));
    }

    async fn read_head(&mut self) -> Option<String> {
        loop {
            let text = String::from_utf8_lossy(&self.buffer).into_owned();
            if let Some(end) = text.find("\r\n\r\n") {
                return Some(take(&mut self.buffer, end + 4));
            }
            if self.fill().await == 0 {
                if !self.buffer.is_empty() {
                    self.keep(&text, "<cut>");
                }
                return None;
            }
        }
    }

    async fn read_body(&mut self, head: &str) -> String {
        let head = head.to_ascii_lowercase();
        if head.contains("transfer-encoding: chunked") {
            loop {
                let text = String::from_utf8_lossy(&self.buffer).into_owned();
                if let Some(end) = text.find("0\r\n\r\n") {
                    return take(&mut self.buffer, end + 5);
                }
                if self.fill().await == 0 {
                    return format!("{text}<cut>");
                }
            }
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        while self.buffer.len() < length {
            if self.fill().await == 0 {
                return "<cut>".to_owned();
            }
        }
        take(&mut self.buffer, length)
    }

    async fn echo(mut self) {
        while self.fill().await > 0 {
            let bytes = self.buffer.split();
            self.socket.write_all(&bytes).await.unwrap();
        }
    }

    async fn fill(&mut self) -> usize {
        self.socket.read_buf(&mut self.buffer).await.unwrap_or(0)
    }

    async fn send(&mut self, text: &str) {
        // The proxy may have gone away, as some tests want.
        let _ = self
            .socket
            .write_all(text.replace('|', "\r\n").as_bytes())
            .await;
    }
}

fn take(buffer: &mut BytesMut, len: usize) -> String {
    String::from_utf8_lossy(&buffer.split_to(len)).into_owned()
}

fn answer(path: &str, body: &str) -> String {
    match path {
        "/chunked" => {
            "HTTP/1.1 200 OK|Transfer-Encoding: chunked|X-Case: a||3|abc|2|de|0||".to_owned()
        }
        "/echo" | "/continue" => {
            let len = body.len();
            format!("HTTP/1.1 200 OK|Content-Length: {len}||{body}")
        }
        "/mended" => "HTTP/1.1 200 OK|Content-Length : 2|X-Folded: a|  b||ok".to_owned(),
        "/twice" => "HTTP/1.1 200 OK|Content-Length: 2|Content-Length: 2||ok".to_owned(),
        "/list" => "HTTP/1.1 200 OK|Content-Length: 2, 2||ok".to_owned(),
        "/empty" => "HTTP/1.1 204 No Content|Content-Length: 0||".to_owned(),
        "/unchanged" => "HTTP/1.1 304 Not Modified|Content-Length: 77|ETag: x||".to_owned(),
        "/eof" => "HTTP/1.0 200 OK||until the end".to_owned(),
        "/broken" => "HTTP/1.1 200 OK|Content-Length: 100||part".to_owned(),
        "/nonsense" => "SSH-2.0-x||".to_owned(),
        "/head-twice" => "HTTP/1.1 200 OK|Content-Length: 77|Content-Length: 77||".to_owned(),
        "/head" => "HTTP/1.1 200 OK|Content-Length: 77||".to_owned(),
        "/gzip" => "HTTP/1.1 200 OK|Transfer-Encoding: gzip, chunked||0||".to_owned(),
        _ => "HTTP/1.1 200 OK|Content-Length: 5|X-Case: a|Keep-Alive: 5|\
            Connection: x-hop|X-Hop: 1||hello"
            .to_owned(),
    }
}
