//! A relay between two programs that keeps what passes, and may change what one of them says.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::client::find;

/// A running relay.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    /// Starts a relay to `target`. Where `said` is in what the target sends, clients get `instead`;
    /// one that is cut by two reads stays as it is.
    pub fn start(target: SocketAddr, said: &'static [u8], instead: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let asked = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(target) else {
                    continue;
                };
                let (from_server, to_client) = pair(&server, &client);
                let (from_client, to_server) = pair(&client, &server);
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || {
                    pass(from_server, to_client, |bytes| {
                        replaced(bytes, said, instead)
                    });
                });
                std::thread::spawn(move || {
                    pass(from_client, to_server, |bytes| {
                        kept.lock().unwrap().extend_from_slice(bytes);
                        bytes.to_vec()
                    });
                });
            }
        });
        Self { address, asked }
    }

    /// Returns what clients sent so far, of all connections.
    pub fn asked(&self) -> String {
        String::from_utf8_lossy(&self.asked.lock().unwrap()).into_owned()
    }
}

fn pair(from: &TcpStream, to: &TcpStream) -> (TcpStream, TcpStream) {
    let again = |socket: &TcpStream| socket.try_clone().expect("a second handle");
    (again(from), again(to))
}

fn pass(mut from: TcpStream, mut to: TcpStream, change: impl Fn(&[u8]) -> Vec<u8>) {
    let mut bytes = [0; 64 * 1024];
    while let Ok(len) = from.read(&mut bytes)
        && len > 0
        && to.write_all(&change(&bytes[..len])).is_ok()
    {}
    let _ = to.shutdown(Shutdown::Write);
}

fn replaced(bytes: &[u8], said: &[u8], instead: &[u8]) -> Vec<u8> {
    match find(bytes, said) {
        Some(at) => [&bytes[..at], instead, &bytes[at + said.len()..]].concat(),
        None => bytes.to_vec(),
    }
}
