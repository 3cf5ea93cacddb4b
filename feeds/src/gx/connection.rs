use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use diameter::{BadFrame, Dictionary, Framed, Message, Refused, frame};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::config::PeerAddress;

/// Messages beside requests that wait to be sent on a connection at most; a peer that takes fewer
/// is given up.
pub(super) const UNSENT_MAX: usize = 1024;

/// Room for answers at least while messages are read: those that were read and not answered yet.
const ROOM_MIN: usize = UNSENT_MAX / 2;

/// How long to wait where the peer asks faster than it takes answers.
const ROOM_PAUSE: Duration = Duration::from_millis(1);

/// How long one message may take to be sent, and the connection to close.
const SEND_WAIT_MAX: Duration = Duration::from_secs(10);

/// Octets asked of the system at once.
const READ_LEN: usize = 16 * 1024;

/// What happened at a connection.
#[derive(Debug)]
pub(super) struct Happened {
    /// The place of the peer.
    pub(super) place: usize,
    /// Which of its connections.
    pub(super) connection: u64,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// It stands; our address.
    Connected(IpAddr),
    Received(Message),
    Refused(Box<Refused>),
    /// What came is not Diameter.
    NotDiameter(BadFrame),
    /// It ended, or never began.
    Lost(Option<io::Error>),
}

/// One connection to a peer, from dialling to its end.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) place: usize,
    pub(super) connection: u64,
    pub(super) address: PeerAddress,
    pub(super) dictionary: Arc<Dictionary>,
    pub(super) happened: mpsc::Sender<Happened>,
    /// Where answers wait to be sent.
    pub(super) answers: mpsc::WeakSender<Bytes>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Connection {
    /// Dials the peer and passes messages on in both ways. When nobody can send any more, what
    /// was sent is delivered, and the connection ends.
    pub(super) async fn run(self, mut unsent: mpsc::Receiver<Bytes>) {
        let connected = tokio::select! {
            connected = self.connect() => connected,
            // Nothing is sent before the connection stands.
            _ = unsent.recv() => return,
        };
        let end = match connected {
            Ok((stream, local)) => {
                self.tell(What::Connected(local)).await;
                self.exchange(stream, unsent).await
            }
            Err(error) => What::Lost(Some(error)),
        };
        self.tell(end).await;
    }

    async fn connect(&self) -> io::Result<(Box<dyn Stream>, IpAddr)> {
        let PeerAddress { host, port, .. } = &self.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?.ip();
        let Some(tls) = &self.address.tls else {
            return Ok((Box::new(stream), local));
        };
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        let stream = connector.connect(tls.name.clone(), stream).await?;
        Ok((Box::new(stream), local))
    }

    async fn exchange(&self, stream: Box<dyn Stream>, unsent: mpsc::Receiver<Bytes>) -> What {
        let (reader, writer) = tokio::io::split(stream);
        tokio::select! {
            end = self.receive(reader) => end,
            sent = send(writer, unsent) => What::Lost(sent.err()),
        }
    }

    async fn receive(&self, mut reader: impl AsyncRead + Unpin) -> What {
        let mut received = BytesMut::with_capacity(READ_LEN);
        loop {
            match frame(&received) {
                Framed::NeedMore => {
                    received.reserve(READ_LEN);
                    match reader.read_buf(&mut received).await {
                        Ok(0) => return What::Lost(None),
                        Ok(_) => {}
                        Err(error) => return What::Lost(Some(error)),
                    }
                }
                Framed::Message(len) => {
                    self.room().await;
                    let bytes = received.split_to(len).freeze();
                    let what = match Message::read(&bytes, &self.dictionary) {
                        Ok(message) => What::Received(message),
                        Err(refused) => What::Refused(refused),
                    };
                    self.tell(what).await;
                }
                Framed::Bad(bad) => return What::NotDiameter(bad),
            }
        }
    }

    /// Waits until the peer has taken answers. One that takes none is given up meanwhile.
    async fn room(&self) {
        let is_short = |answers: mpsc::Sender<Bytes>| answers.capacity() < ROOM_MIN;
        while self.answers.upgrade().is_some_and(is_short) {
            sleep(ROOM_PAUSE).await;
        }
    }

    /// A driver that is gone needs to know nothing.
    async fn tell(&self, what: What) {
        let happened = Happened {
            place: self.place,
            connection: self.connection,
            what,
        };
        let _ = self.happened.send(happened).await;
    }
}

async fn send(
    mut writer: impl AsyncWrite + Unpin,
    mut unsent: mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    while let Some(message) = unsent.recv().await {
        timeout(SEND_WAIT_MAX, writer.write_all(&message))
            .await
            .map_err(late)??;
        if unsent.is_empty() {
            timeout(SEND_WAIT_MAX, writer.flush())
                .await
                .map_err(late)??;
        }
    }
    timeout(SEND_WAIT_MAX, writer.shutdown())
        .await
        .map_err(late)?
}
