//! One question to an ICAP service, for `weir explain --icap`.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use filter::{Answer, AskError, SharedPrefix};
use icap::{AnswerReader, BadAnswer, Exchange, FedAnswer, PrefixLength, PreviewOffer};
use icap::{ReqmodQuestion, ServiceUri};
use proxy::config::{Endpoint, IcapService};
use uri::NormalUri;

use crate::Failure;

/// How long connecting, and each wait for bytes, may take.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Bytes read at once.
const CHUNK_LEN: usize = 4 * 1024;

/// The statuses that answer a question: unchanged, and modified.
const ANSWERING: [u16; 2] = [204, 200];

/// A service to ask.
#[derive(Debug)]
pub(crate) struct Service {
    service: IcapService,
    uri: ServiceUri,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    /// No connection, or it ended.
    #[error("no answer from `{0}`")]
    Io(String, #[source] io::Error),
    /// TLS is not spoken here.
    #[error("`{0}` speaks TLS, which `weir explain` does not; use an icap: service")]
    Tls(String),
    /// The bytes are no ICAP.
    #[error("`{0}` does not speak ICAP")]
    Protocol(String, #[source] BadAnswer),
    /// The service refused.
    #[error("`{0}` answers with status {1}")]
    Status(String, u16),
    /// The URI cannot be asked about.
    #[error("cannot ask about this URI")]
    Unsendable(#[source] icap::Unsendable),
}

impl Service {
    /// Reads the URI of a service, in every form that a configuration takes.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let service = proxy::config::file::icap::parse_service(text, Path::new(""));
        let uri = service
            .as_ref()
            .and_then(|service| ServiceUri::parse(&service.uri).ok());
        match (service, uri) {
            (Some(service), Some(uri)) => Ok(Self { service, uri }),
            (None, _) | (_, None) => Err(Failure::Usage(format!(
                "`{text}` is not {}",
                proxy::config::file::icap::SERVICE
            ))),
        }
    }

    /// Asks about one URI.
    pub(crate) fn ask(&self, uri: &NormalUri) -> Result<Answer, Unanswered> {
        let mut question = Vec::new();
        let asked = ReqmodQuestion {
            service: &self.uri,
            uri: uri.as_str(),
            authority: uri.authority(),
            preview: PreviewOffer::None,
            client: None,
            server: None,
            subscriber: None,
        };
        asked.write(&mut question).map_err(Unanswered::Unsendable)?;
        let named = |error| Unanswered::Io(self.service.uri.clone(), error);
        let mut stream = self.connect()?;
        stream.write_all(&question).map_err(named)?;
        let mut reader = AnswerReader::new(Exchange::Reqmod);
        let mut received = Vec::new();
        loop {
            let mut chunk = [0; CHUNK_LEN];
            let len = stream.read(&mut chunk).map_err(named)?;
            received.extend(chunk.iter().take(len));
            match reader.feed(&received) {
                FedAnswer::NeedMore if len == 0 => {
                    return Err(named(io::ErrorKind::UnexpectedEof.into()));
                }
                FedAnswer::NeedMore => {}
                FedAnswer::Answer(answer, _) => return self.answer(*answer),
                FedAnswer::Bad(bad) => {
                    return Err(Unanswered::Protocol(self.service.uri.clone(), bad));
                }
            }
        }
    }

    fn answer(&self, answer: icap::Answer) -> Result<Answer, Unanswered> {
        if !ANSWERING.contains(&answer.status) {
            return Err(Unanswered::Status(self.service.uri.clone(), answer.status));
        }
        let categories = answer.categories.unwrap_or_default();
        Ok(Answer {
            categories: categories.into_iter().map(Arc::from).collect(),
            verdict: None,
            prefix: match answer.prefix {
                PrefixLength::Absent => None,
                PrefixLength::Number(length) => Some(SharedPrefix::Uri(length)),
                PrefixLength::Malformed => Some(SharedPrefix::Malformed),
            },
            lifetime: None,
        })
    }

    fn connect(&self) -> Result<Box<dyn Stream>, Unanswered> {
        let named = |error| Unanswered::Io(self.service.uri.clone(), error);
        match &self.service.endpoint {
            Endpoint::Tcp { host, port } => tcp(host, *port).map_err(named),
            Endpoint::Unix(path) => unix(path).map_err(named),
            Endpoint::Tls { .. } => Err(Unanswered::Tls(self.service.uri.clone())),
        }
    }
}

impl Unanswered {
    /// Returns what the engine is told.
    pub(crate) fn kind(&self) -> AskError {
        match self {
            Self::Io(_, error) if error.kind() == io::ErrorKind::WouldBlock => AskError::Timeout,
            Self::Io(..) | Self::Tls(_) => AskError::Connect,
            Self::Protocol(..) | Self::Unsendable(_) => AskError::Protocol,
            Self::Status(..) => AskError::Status,
        }
    }
}

/// A connection of either kind.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

fn tcp(host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, WAIT_MAX) {
            Ok(stream) => {
                stream.set_read_timeout(Some(WAIT_MAX))?;
                stream.set_write_timeout(Some(WAIT_MAX))?;
                return Ok(Box::new(stream));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn unix(path: &Path) -> io::Result<Box<dyn Stream>> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    Ok(Box::new(stream))
}
