//! What becomes of a client connection after HTTP.

use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::context::Context;
use super::record::Record;
use crate::close;
use crate::connection::{ClientStream, Connection, Tunnel, inside_tunnel};
use crate::dial::Origin;
use crate::worker::Worker;

/// How long answers that have left may take to arrive before a reset, which may overtake them.
pub(super) const RESET_GRACE: Duration = Duration::from_millis(200);

/// How long a few bytes to a client or origin may take to be sent.
pub(super) const SEND_WAIT_MAX: Duration = Duration::from_secs(10);

/// How a conversation in HTTP ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// Closed, after the answers to earlier requests.
    Close,
    /// Reset, after the answers to earlier requests.
    Reset,
    /// Reset at once: an answer broke off, and the client shall notice.
    Abort,
    /// The rest is in a tunnel.
    Tunnel {
        tunnel: Tunnel,
        port: u16,
        record: Record,
    },
    /// The bytes are not HTTP and go to the origin as they are.
    Raw(Record),
    /// The client and the origin have changed to another protocol.
    Upgraded(Record),
}

/// Ends the conversation. `rest` was read from the client and belongs to what follows HTTP.
pub(super) async fn end(context: Rc<Context>, ending: Ending, rest: BytesMut) {
    let origin = match ending {
        Ending::Upgraded(_) => context.origins.upgraded().await,
        Ending::Close | Ending::Reset | Ending::Abort | Ending::Tunnel { .. } | Ending::Raw(_) => {
            None
        }
    };
    let Some(Context {
        worker,
        connection,
        signals,
        socket,
        origins,
        limits: _,
    }) = Rc::into_inner(context)
    else {
        tracing::error!("a connection that ended is still in use");
        return;
    };
    // Its links may wait for the client's socket.
    drop(origins);
    let Some(socket) = Rc::into_inner(socket) else {
        tracing::error!("the socket of a connection that ended is still in use");
        return;
    };
    let client = ClientStream::new(rest, socket);
    match ending {
        Ending::Close if signals.client_done.get() => {}
        Ending::Close => close::quietly(client.socket).await,
        Ending::Reset => {
            if signals.answered.get() {
                close::sent(&client.socket).await;
                sleep(RESET_GRACE).await;
            }
            close::reset(client.socket);
        }
        Ending::Abort => close::reset(client.socket),
        Ending::Tunnel {
            tunnel,
            port,
            record,
        } => {
            let connection = Connection {
                tunnel: Some(tunnel),
                ..connection
            };
            open_tunnel(worker, connection, client, (port, record)).await;
        }
        Ending::Raw(record) => pass_as_it_is(&worker, &connection, client, record).await,
        Ending::Upgraded(record) => pass_upgraded(&worker, client, origin, record).await,
    }
}

/// Tells the client that the tunnel stands. The record is written now, since what is inside has
/// lines of its own.
async fn open_tunnel(
    worker: Rc<Worker>,
    connection: Connection,
    mut client: ClientStream,
    (port, record): (u16, Record),
) {
    let answer = b"HTTP/1.1 200 Connection established\r\n\r\n";
    let sent = send(&mut client.socket, answer).await;
    drop(record);
    if sent {
        inside_tunnel(worker, connection, client, port).await;
    }
}

async fn pass_as_it_is(
    worker: &Worker,
    connection: &Connection,
    client: ClientStream,
    mut record: Record,
) {
    let Some(origin) = Origin::of(connection) else {
        record.failed("no_origin");
        return close::reset(client.socket);
    };
    match worker.dial(connection, &origin).await {
        Ok(origin) => record.passed(worker.pass_through(client, origin).await),
        Err(error) => {
            record.failed(error.as_str());
            close::reset(client.socket);
        }
    }
}

async fn pass_upgraded(
    worker: &Worker,
    mut client: ClientStream,
    origin: Option<(TcpStream, Bytes)>,
    mut record: Record,
) {
    let Some((origin, sent_ahead)) = origin else {
        record.failed("upgrade");
        return close::reset(client.socket);
    };
    if send(&mut client.socket, &sent_ahead).await {
        record.passed(worker.pass_through(client, origin).await);
    } else {
        record.failed("send");
    }
}

async fn send(socket: &mut TcpStream, bytes: &[u8]) -> bool {
    matches!(
        timeout(SEND_WAIT_MAX, socket.write_all(bytes)).await,
        Ok(Ok(()))
    )
}
