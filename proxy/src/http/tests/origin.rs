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
    pub(super) fn seen(&self) -> Vec<String> {
        let port = format!(":{}", self.address.port());
        let seen = self.seen.lock().unwrap();
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
            if path == "/continue" {
                self.send("HTTP/1.1 100 Continue||").await;
            }
            if path == "/final" {
                self.keep(&head, "");
                self.send("HTTP/1.1 401 Unauthorized|Content-Length: 2||no")
                    .await;
                continue;
            }
            let body = self.read_body(&head).await;
            self.keep(&head, &body);
            match path.as_str() {
                "/chunked" => {
                    let answer =
                        "HTTP/1.1 200 OK|Transfer-Encoding: chunked|X-Case: a||3|abc|2|de|0||";
                    self.send(answer).await;
                }
                "/echo" | "/continue" => {
                    let len = body.len();
                    self.send(&format!("HTTP/1.1 200 OK|Content-Length: {len}||{body}"))
                        .await;
                }
                "/length" => {
                    let len = format!("HTTP/1.1 200 OK|Content-Length: 2||{:02}", body.len() % 100);
                    self.send(&len).await;
                }
                "/eof" => {
                    self.send("HTTP/1.0 200 OK||until the end").await;
                    return;
                }
                "/broken" => {
                    self.send("HTTP/1.1 200 OK|Content-Length: 100||part").await;
                    return;
                }
                "/nonsense" => {
                    self.send("SSH-2.0-x||").await;
                    return;
                }
                "/head" => self.send("HTTP/1.1 200 OK|Content-Length: 77||").await,
                "/socket" => {
                    let answer = "HTTP/1.1 101 Switching Protocols|Upgrade: websocket|\
                        Connection: Upgrade|Sec-WebSocket-Accept: x||first";
                    self.send(answer).await;
                    return self.echo().await;
                }
                "/gzip" => {
                    self.send("HTTP/1.1 200 OK|Transfer-Encoding: gzip, chunked||0||")
                        .await;
                }
                _ => {
                    let answer = "HTTP/1.1 200 OK|Content-Length: 5|X-Case: a|Keep-Alive: 5|\
                        Connection: x-hop|X-Hop: 1||hello";
                    self.send(answer).await;
                }
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
