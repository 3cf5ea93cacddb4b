//! A small origin on loopback that serves the names of the demonstration.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use service::Drain;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Bytes of a request head at most.
const HEAD_LEN_MAX: usize = 64 * 1024;

/// How long one exchange may take.
const EXCHANGE_DEADLINE: Duration = Duration::from_secs(10);

/// Connections served at once; further ones wait in the backlog.
const CONNECTIONS_MAX: usize = 64;

/// Starts the origin on a port that the system chooses, and returns where it is.
pub(super) async fn start(drain: &Drain) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let own = drain.clone();
    drain.spawn(async move {
        tokio::select! {
            () = serve(listener, &own) => {}
            () = own.requested() => {}
        }
    });
    Ok(address)
}

async fn serve(listener: TcpListener, drain: &Drain) {
    loop {
        let (stream, _) = service::accept(&listener, || {}).await;
        // The accepting task counts as one.
        while drain.open() > CONNECTIONS_MAX {
            tokio::time::sleep(service::ACCEPT_PAUSE).await;
        }
        drain.spawn(async move {
            // A client that goes away early is its own business.
            let _ = timeout(EXCHANGE_DEADLINE, answer(stream)).await;
        });
    }
}

/// Reads one request head, answers it and closes.
async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > HEAD_LEN_MAX || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let body = page(&host(&head));
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    if !head.starts_with(b"HEAD ") {
        stream.write_all(body.as_bytes()).await?;
    }
    stream.shutdown().await
}

fn host(head: &[u8]) -> String {
    let head = String::from_utf8_lossy(head);
    let host = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host")
            .then(|| value.trim().to_owned())
    });
    host.unwrap_or_default()
}

/// Returns a page that names the host, or no host where the name is not plain.
fn page(host: &str) -> String {
    let plain = host
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte));
    let name = if plain { host } else { "this site" };
    let text = match name.starts_with("notice.") {
        true => "Games are for later. This page is where the policy sends you.",
        false => "You reached the demonstration's origin through weir.",
    };
    format!("<!doctype html>\n<title>{name}</title>\n<h1>{name}</h1>\n<p>{text}</p>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_name_has_its_page() {
        let drain = Drain::default();
        let address = start(&drain).await.unwrap();
        let answer = exchange(address, "GET / HTTP/1.1\r\nHost: news.demo.example\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("<h1>news.demo.example</h1>"), "{answer}");
        let answer = exchange(address, "HEAD / HTTP/1.1\r\nhost: <script>\r\n\r\n").await;
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(page("<script>").contains("<h1>this site</h1>"));
        drain.drain(EXCHANGE_DEADLINE).await.unwrap();
    }

    async fn exchange(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}
