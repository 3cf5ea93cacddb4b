//! One accepted connection: what it is, and which flow it takes.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use bytes::BytesMut;
use filter::{Protocol, Source};
use sessions::Session;
use tokio::net::TcpStream;
use uri::{NormalUri, Readings};

use crate::access_log::{Entry, Exchange};
use crate::config::{Mode, Ports};
use crate::dial::{self, Origin};
use crate::sni_check::Bound;
use crate::state::Live;
use crate::tls::Held;
use crate::worker::Worker;
use crate::{close, http, tls};

/// The facts of one accepted connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// The device side. IPv4-mapped addresses are IPv4.
    pub(crate) client: SocketAddr,
    /// The kind of listener that took it.
    pub(crate) mode: Mode,
    /// How the connection came.
    pub(crate) arrival: Arrival,
    /// Inside a CONNECT tunnel: its judged authority.
    pub(crate) tunnel: Option<Tunnel>,
    /// The name that is known to lead to where the connection was on its way.
    pub(crate) bound: Bound,
}

/// How a connection came.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrival {
    /// By TPROXY or REDIRECT, on its way to this address.
    Intercepted(SocketAddr),
    /// By the client's own configuration, at this listener.
    Explicit,
}

/// A CONNECT tunnel whose authority was judged and passed.
#[derive(Clone, Debug)]
pub(crate) struct Tunnel {
    /// As judged.
    pub(crate) authority: NormalUri,
}

/// The device side's bytes: those read ahead while looking at them, then the socket.
#[derive(Debug)]
pub(crate) struct ClientStream {
    /// Read from the socket and not consumed.
    pub(crate) read_ahead: BytesMut,
    /// What is held for it of the memory for Client Hellos.
    pub(crate) held: Held,
    /// The socket.
    pub(crate) socket: TcpStream,
}

/// What the bytes of a port are taken for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flow {
    /// HTTP requests.
    Http,
    /// A Client Hello.
    Tls,
    /// Anything; it is not looked at.
    Unfiltered,
}

impl Ports {
    /// Returns what the bytes of a port are taken for.
    pub(crate) fn flow(&self, port: u16) -> Flow {
        if self.http.contains(&port) {
            Flow::Http
        } else if self.tls.contains(&port) {
            Flow::Tls
        } else {
            Flow::Unfiltered
        }
    }
}

impl ClientStream {
    /// Starts with what was read before.
    pub(crate) fn new(read_ahead: BytesMut, socket: TcpStream) -> Self {
        Self {
            read_ahead,
            held: Held::default(),
            socket,
        }
    }

    /// Returns the socket, and lets go of what was read.
    pub(crate) fn into_socket(self) -> TcpStream {
        self.socket
    }
}

impl Connection {
    /// Returns the address that the client dialled, unless it dialled us.
    pub(crate) fn original_destination(&self) -> Option<SocketAddr> {
        match self.arrival {
            Arrival::Intercepted(destination) => Some(destination),
            Arrival::Explicit => None,
        }
    }

    /// Returns the address to compare with the bypass addresses: the original destination; in
    /// explicit mode an address written as the authority, of the tunnel if there is one.
    pub(crate) fn bypass_address(&self, requested: Option<&Readings>) -> Option<IpAddr> {
        match (self.arrival, &self.tunnel) {
            (Arrival::Intercepted(destination), _) => Some(destination.ip()),
            (Arrival::Explicit, Some(tunnel)) => written_address(&tunnel.authority),
            (Arrival::Explicit, None) => written_address(requested?.normal()),
        }
    }
}

/// Serves an accepted connection until it ends.
pub(crate) async fn serve(worker: Rc<Worker>, connection: Connection, client: ClientStream) {
    dial::tune(&client.socket);
    let Arrival::Intercepted(destination) = connection.arrival else {
        return http::serve(worker, connection, client).await;
    };
    let live = worker.shared.live.load_full();
    let session = live.session(connection.client.ip()).await;
    match route(&live, session.as_deref(), destination) {
        Route::Unjudged(source) => {
            let judged = worker.pass_unjudged(source, session);
            let mut entry = Entry {
                worker: Rc::clone(&worker),
                connection: connection.clone(),
                protocol: Protocol::Tls,
                judged,
                exchange: Exchange::new(),
            };
            worker
                .forward(&connection, client, &mut entry.exchange)
                .await;
        }
        Route::Tls => tls::serve(worker, connection, client).await,
        Route::Http => http::serve(worker, connection, client).await,
    }
}

/// Which way an intercepted connection takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Route {
    Unjudged(Source),
    Tls,
    Http,
}

/// Chooses the way of an intercepted connection, in the order of precedence of a decision.
fn route(live: &Live, session: Option<&Session>, destination: SocketAddr) -> Route {
    let flow = live.config.ports.flow(destination.port());
    let filtered = match flow {
        Flow::Http => true,
        Flow::Tls => live.config.tls_filtering,
        Flow::Unfiltered => false,
    };
    let policy = &live.content.policy;
    if !filtered {
        return Route::Unjudged(Source::Unfiltered);
    }
    if policy.bypasses(destination.ip()) {
        return Route::Unjudged(Source::Bypass);
    }
    let profile = live.profile(session).and_then(|name| policy.profile(name));
    match (flow, profile) {
        // The requests of an HTTP connection are looked at one by one, as a session may get a
        // profile while the connection stands.
        (Flow::Http, _) => Route::Http,
        (Flow::Tls | Flow::Unfiltered, None) => Route::Unjudged(Source::NoProfile),
        (Flow::Tls | Flow::Unfiltered, Some(_)) => Route::Tls,
    }
}

impl Worker {
    /// Connects to where the connection goes and passes its bytes untouched; a client whose
    /// origin cannot be reached sees a reset.
    pub(crate) async fn forward(
        &self,
        connection: &Connection,
        client: ClientStream,
        exchange: &mut Exchange,
    ) {
        let Some(origin) = Origin::of(connection) else {
            // Only HTTP requests are served outside a tunnel in explicit mode.
            return close::reset(client.socket);
        };
        match self.dial(connection, &origin).await {
            Ok(origin) => {
                // Stays if the proxy stops before the connection ends.
                exchange.failure = Some("stopped");
                let passed = self.pass_through(client, origin).await;
                exchange.bytes_in = passed.from_client;
                exchange.bytes_out = passed.to_client;
                exchange.failure = passed.failure;
            }
            Err(error) => {
                exchange.bytes_in = u64::try_from(client.read_ahead.len()).unwrap_or(u64::MAX);
                exchange.failure = Some(error.as_str());
                close::reset(client.socket);
            }
        }
    }
}

/// Serves what comes through a CONNECT tunnel whose authority, in `connection`, was judged and
/// passed. The client was told that the tunnel stands; no origin is connected yet.
pub(crate) async fn inside_tunnel(
    worker: Rc<Worker>,
    connection: Connection,
    client: ClientStream,
    port: u16,
) {
    let flow = worker.shared.live.load().config.ports.flow(port);
    match flow {
        Flow::Tls => tls::serve(worker, connection, client).await,
        Flow::Http => http::serve(worker, connection, client).await,
        // The tunnel was refused unless a reload took the port away since.
        Flow::Unfiltered => close::quietly(client.socket).await,
    }
}

/// Returns the address that a URI has for its host, if it is one.
pub(crate) fn written_address(uri: &NormalUri) -> Option<IpAddr> {
    address_of(uri.host())
}

/// Returns the address that a host is in normal form, if it is one.
pub(crate) fn address_of(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse().ok()
}
