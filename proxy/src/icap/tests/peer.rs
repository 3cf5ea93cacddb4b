//! A peer that follows a script.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use icap::{Fed, HttpRequest, Method, RequestReader};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What a good service answers to OPTIONS.
pub(super) const OFFER: &str = "ICAP/1.0 200 OK\r\nMethods: REQMOD\r\nISTag: \"one\"\r\n\
     Preview: 0\r\nAllow: 204\r\nEncapsulated: null-body=0\r\n\r\n";

/// What a peer does with one request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Sends this.
    Say(String),
    /// Sends this and closes.
    SayAndClose(String),
    /// Sends this and resets.
    SayAndReset(String),
    /// Sends this, and the rest a little later.
    SayInParts(String, String),
    /// Sends this after a while.
    SayLater(Duration, String),
    /// Sends this byte by byte, for ever too slowly.
    Drip(String),
    /// Closes.
    Close,
    /// Resets.
    Reset,
    /// Does nothing until the client closes.
    Stall,
}

/// A request as the script sees it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: Method,
    /// Counts connections, from 0.
    pub(super) connection: usize,
    /// Counts REQMOD requests, from 0.
    pub(super) question: usize,
    /// The URI asked about; empty for OPTIONS.
    pub(super) uri: String,
    /// The bytes.
    pub(super) text: String,
}

type Script = dyn Fn(&Seen) -> Act + Send + Sync;

/// A running peer; gone when dropped, with all its connections.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    open_max: AtomicUsize,
}

impl Peer {
    /// Starts a peer whose OPTIONS are good and whose answers to REQMOD are scripted.
    pub(super) async fn start(script: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), move |seen| {
            match seen.method {
                Method::Options => Act::Say(OFFER.to_owned()),
                Method::Reqmod | Method::Respmod => script(seen),
            }
        })
        .await
    }

    /// Starts a peer that is scripted altogether.
    pub(super) async fn start_at(
        address: SocketAddr,
        script: impl Fn(&Seen) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State::new(script);
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&state);
        tasks.spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                sessions.spawn(serve_tcp(socket, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            state,
            _tasks: tasks,
        }
    }

    /// Starts a peer on a Unix socket; its address is of no use.
    pub(super) fn start_unix(
        path: &std::path::Path,
        script: impl Fn(&Seen) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let state = State::new(script);
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&state);
        tasks.spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                sessions.spawn(async move {
                    serve(socket, &shared).await;
                });
            }
        });
        Self {
            address: "127.0.0.1:1".parse().unwrap(),
            state,
            _tasks: tasks,
        }
    }

    /// Starts a peer behind TLS.
    pub(super) async fn start_tls(
        acceptor: tokio_rustls::TlsAcceptor,
        script: impl Fn(&Seen) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State::new(script);
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&state);
        tasks.spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
                sessions.spawn(async move {
                    if let Ok(socket) = acceptor.accept(socket).await {
                        serve(socket, &shared).await;
                    }
                });
            }
        });
        Self {
            address,
            state,
            _tasks: tasks,
        }
    }

    /// Returns the REQMOD requests so far.
    pub(super) fn questions(&self) -> Vec<Seen> {
        let seen = self.state.seen.lock().unwrap();
        let questions = seen.iter().filter(|seen| seen.method == Method::Reqmod);
        questions.cloned().collect()
    }

    /// Returns how many OPTIONS requests there were so far.
    pub(super) fn probes(&self) -> usize {
        let seen = self.state.seen.lock().unwrap();
        seen.iter()
            .filter(|seen| seen.method == Method::Options)
            .count()
    }

    /// Returns how many connections were made so far.
    pub(super) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Returns how many connections were open at a time.
    pub(super) fn open_max(&self) -> usize {
        self.state.open_max.load(Ordering::SeqCst)
    }
}

impl State {
    fn new(script: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            open_max: AtomicUsize::new(0),
        })
    }
}

async fn serve_tcp(mut socket: TcpStream, state: Arc<State>) {
    if serve(&mut socket, &state).await {
        socket.set_zero_linger().unwrap();
    }
}

/// Serves one connection. True: it is to be reset.
async fn serve(mut socket: impl AsyncRead + AsyncWrite + Unpin, state: &State) -> bool {
    let connection = state.connections.fetch_add(1, Ordering::SeqCst);
    let open = state.open.fetch_add(1, Ordering::SeqCst) + 1;
    state.open_max.fetch_max(open, Ordering::SeqCst);
    let mut reader = RequestReader::default();
    let mut received = Vec::new();
    let is_reset = loop {
        match reader.feed(&received) {
            Fed::NeedMore => {
                if !matches!(socket.read_buf(&mut received).await, Ok(1..)) {
                    break false;
                }
            }
            Fed::Bad(bad) => panic!("{bad}"),
            Fed::Request(request, used) => {
                let text = String::from_utf8(received.drain(..used).collect()).unwrap();
                let act = (state.script)(&state.see(&request, connection, text));
                match perform(&mut socket, act).await {
                    Some(Next::Go) => {}
                    Some(Next::Reset) => break true,
                    None => break false,
                }
            }
        }
    };
    state.open.fetch_sub(1, Ordering::SeqCst);
    is_reset
}

enum Next {
    Go,
    Reset,
}

impl State {
    fn see(&self, request: &icap::Request, connection: usize, text: String) -> Seen {
        let mut all = self.seen.lock().unwrap();
        let http = HttpRequest::parse(&request.http_head);
        let seen = Seen {
            method: request.method,
            connection,
            question: all
                .iter()
                .filter(|seen| seen.method == Method::Reqmod)
                .count(),
            uri: http.map_or_else(|_| String::new(), |http| http.target.to_owned()),
            text,
        };
        all.push(seen.clone());
        seen
    }
}

/// Acts. None: the connection is closed.
async fn perform(socket: &mut (impl AsyncRead + AsyncWrite + Unpin), act: Act) -> Option<Next> {
    match act {
        Act::Say(text) => socket.write_all(text.as_bytes()).await.ok()?,
        Act::SayAndClose(text) => {
            socket.write_all(text.as_bytes()).await.ok()?;
            return None;
        }
        Act::SayAndReset(text) => {
            socket.write_all(text.as_bytes()).await.ok()?;
            return Some(Next::Reset);
        }
        Act::SayInParts(first, rest) => {
            socket.write_all(first.as_bytes()).await.ok()?;
            sleep(Duration::from_millis(10)).await;
            socket.write_all(rest.as_bytes()).await.ok()?;
        }
        Act::SayLater(wait, text) => {
            sleep(wait).await;
            socket.write_all(text.as_bytes()).await.ok()?;
        }
        Act::Drip(text) => {
            for byte in text.bytes() {
                socket.write_all(&[byte]).await.ok()?;
                sleep(Duration::from_millis(10)).await;
            }
        }
        Act::Close => return None,
        Act::Reset => return Some(Next::Reset),
        Act::Stall => {
            let mut byte = [0];
            while matches!(socket.read(&mut byte).await, Ok(1..)) {}
            return None;
        }
    }
    Some(Next::Go)
}
