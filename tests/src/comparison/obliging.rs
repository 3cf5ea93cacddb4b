//! The second origin: one that understands whatever some origin understands.
//!
//! It answers every request with the least allowed of its readings ([`Mark::of`]), and every whole
//! Client Hello.

use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::time::Duration;

use super::mark::Mark;
use crate::evasion::{BLOCKED_ADDRESS, ORIGIN_ADDRESS};

/// Where it listens for what was sent to the addresses of the hosts.
pub const HTTP_PORT: u16 = 8080;
/// Where it listens for what was sent to the blocked addresses.
pub const BLOCKED_HTTP_PORT: u16 = 8066;
/// Where it listens for TLS.
pub const TLS_PORT: u16 = 8443;

/// Longest wait for a client.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Wait for the rest of what a client sends together.
const REST: Duration = Duration::from_millis(30);
/// Bytes of one connection at most.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Starts it in the namespace of the calling thread. It lives as long as the program.
pub fn start() {
    listen(HTTP_PORT, |socket| http(socket, ORIGIN_ADDRESS));
    listen(BLOCKED_HTTP_PORT, |socket| http(socket, BLOCKED_ADDRESS));
    listen(TLS_PORT, tls);
}

fn listen(port: u16, serve: impl Fn(TcpStream) -> std::io::Result<()> + Copy + Send + 'static) {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).expect("a port of the origin");
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            // A client that goes away is its own affair.
            std::thread::spawn(move || socket.set_nodelay(true).and_then(|()| serve(socket)));
        }
    });
}

/// Bytes are forgotten once they are answered: on a connection that a filter uses for several
/// clients, each request is answered for itself.
fn http(mut socket: TcpStream, local: &str) -> std::io::Result<()> {
    let blocked = local == BLOCKED_ADDRESS;
    let local = local.parse().expect("an address");
    let mut bytes = Vec::new();
    while read(&mut socket, &mut bytes, IDLE_MAX)? {
        while read(&mut socket, &mut bytes, REST).unwrap_or(false) {}
        let (count, end) = whole_requests(&bytes);
        if count > 0 {
            let mark = Mark::of(&bytes, local);
            let mark = if blocked { Mark::Blocked } else { mark };
            socket.write_all(answer(mark).repeat(count).as_bytes())?;
            bytes.drain(..end);
        }
    }
    Ok(())
}

/// Reads once, and returns whether there may be more.
fn read(socket: &mut TcpStream, bytes: &mut Vec<u8>, wait: Duration) -> std::io::Result<bool> {
    let mut more = [0; 16 * 1024];
    socket.set_read_timeout(Some(wait))?;
    let len = socket.read(&mut more)?;
    bytes.extend_from_slice(&more[..len]);
    Ok(len > 0 && bytes.len() < BYTES_MAX)
}

fn answer(mark: Mark) -> String {
    let text = mark.text();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Mark: {text}\r\nContent-Length: {}\r\n\r\n{text}\n",
        text.len() + 1
    )
}

/// Returns how many requests have a whole head, and where the last one ends.
fn whole_requests(bytes: &[u8]) -> (usize, usize) {
    let mut count = 0;
    let mut at = 0;
    loop {
        let blank = |byte: &&u8| b"\r\n".contains(byte);
        let start = at + bytes[at..].iter().take_while(blank).count();
        let rest = &bytes[start..];
        let Some(line) = rest.iter().position(|byte| *byte == b'\n') else {
            return (count, at);
        };
        let has_version = rest[..line]
            .to_ascii_uppercase()
            .windows(5)
            .any(|part| part == b"HTTP/");
        // A request of HTTP/0.9 is one line.
        let end = if has_version {
            head_end(rest)
        } else {
            Some(line + 1)
        };
        let Some(end) = end else {
            return (count, at);
        };
        let (head, body) = rest.split_at(end);
        count += 1;
        at = start + end + body_len(head, body).min(body.len());
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(at, _)| at + 1).find_map(|next| {
        let after = &bytes[next..];
        let blank = [&b"\r\n"[..], b"\n"]
            .into_iter()
            .find(|end| after.starts_with(end))?;
        Some(next + blank.len())
    })
}

fn body_len(head: &[u8], body: &[u8]) -> usize {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let field = |name: &str| {
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        fields.find_map(|(field, value)| (field.trim() == name).then(|| value.trim().to_owned()))
    };
    let length = field("content-length").and_then(|value| {
        let first = value.split(',').next().unwrap_or_default();
        first.trim().trim_start_matches('+').parse::<usize>().ok()
    });
    let chunked = text.contains("transfer") && text.contains("chunked");
    if chunked {
        chunks_len(body)
    } else {
        length.unwrap_or(0)
    }
}

/// Returns how long a chunked body is; all there is, if its end is not seen.
fn chunks_len(body: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let Some(line) = body[at..].iter().position(|byte| *byte == b'\n') else {
            return body.len();
        };
        let text = String::from_utf8_lossy(&body[at..at + line])
            .trim()
            .to_owned();
        let digits = text.split(|c: char| !c.is_ascii_hexdigit()).next();
        let len = usize::from_str_radix(digits.unwrap_or_default(), 16).unwrap_or(0);
        at += line + 1;
        if len == 0 {
            let blank = body[at..].iter().position(|byte| *byte == b'\n');
            return blank.map_or(body.len(), |blank| at + blank + 1);
        }
        at = at.saturating_add(len).saturating_add(2);
        if at >= body.len() {
            return body.len();
        }
    }
}

fn tls(mut socket: TcpStream) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    while !whole_hello(&bytes) {
        if !read(&mut socket, &mut bytes, IDLE_MAX)? {
            return Ok(());
        }
    }
    socket.write_all(&server_hello())?;
    // The end comes from the other side, so that nothing is lost to a reset.
    while read(&mut socket, &mut bytes, IDLE_MAX)? {}
    Ok(())
}

/// Returns whether there is a whole Client Hello, in records of any version, whatever records of
/// other types are between them, or in the form of SSL 2.0.
fn whole_hello(bytes: &[u8]) -> bool {
    const HANDSHAKE: u8 = 22;
    if let [first, len, 1, ..] = bytes
        && first & 0x80 != 0
    {
        return bytes.len() >= 2 + (usize::from(first & 0x7f) << 8 | usize::from(*len));
    }
    let mut message = Vec::new();
    let mut rest = bytes;
    while let [kind, _, _, high, low, after @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let (content, next) = after.split_at(len.min(after.len()));
        if *kind == HANDSHAKE {
            message.extend_from_slice(content);
        }
        rest = next;
    }
    match message.as_slice() {
        [1, a, b, c, body @ ..] => {
            let len = u32::from_be_bytes([0, *a, *b, *c]);
            body.len() >= usize::try_from(len).unwrap()
        }
        _ => false,
    }
}

/// A Server Hello as far as anyone looks: a TLS 1.2 one without extensions.
fn server_hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([0x5a; 32]);
    body.extend([0, 0xc0, 0x2b, 0]);
    let len = u8::try_from(body.len()).unwrap();
    [&[22, 3, 3, 0, len + 4, 2, 0, 0, len][..], &body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted() {
        check("GET / HTTP/1.1\r\nHost: a\r\n", (0, 0));
        check("GET /c\r\n", (1, 8));
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
        let both = format!("{chunked}GET /b HTTP/1.1\n\nGET");
        check(&both, (2, both.len() - 3));
    }

    #[track_caller]
    fn check(bytes: &str, expected: (usize, usize)) {
        assert_eq!(whole_requests(bytes.as_bytes()), expected, "{bytes}");
    }

    #[test]
    fn a_hello_is_whole_in_any_records() {
        let hello = crate::tls::hello(Some(b"blocked.test"));
        for len in [1, 16, 1000] {
            let bytes = crate::tls::records(&hello, len);
            assert!(whole_hello(&bytes));
            assert!(!whole_hello(&bytes[..bytes.len() - 1]));
        }
        assert!(!whole_hello(b"GET / HTTP/1.1\r\n\r\n"));
    }
}
