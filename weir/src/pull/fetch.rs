//! One request for a file over HTTP or HTTPS.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use icap_server::config::Pull;
use ureq::http::{Response, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::PullError;

/// Redirects that are followed. None of an `https:` URL leads to `http:`.
const REDIRECTS_MAX: u32 = 5;

/// Bytes of a validator that is kept.
const VALIDATOR_LEN_MAX: usize = 1_024;

/// Certificates that a host may be signed by, where the system keeps them.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Bytes read at once.
const PIECE_LEN: usize = 64 * 1024;

/// What a server calls a version of a file (RFC 9110 section 8.8).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Validators {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

/// What came.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Fetched {
    /// The version that is known is still the one.
    Unchanged,
    /// Another one, written where it was asked for.
    New(Validators),
}

/// Makes a client as configured. It reads nothing from the environment.
pub(super) fn agent(pull: &Pull) -> Result<Agent, PullError> {
    let secure = pull.url.starts_with("https://");
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .https_only(secure)
        .max_redirects(REDIRECTS_MAX)
        .timeout_global(Some(pull.deadline))
        .proxy(None)
        .max_idle_connections(0)
        .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")));
    // A mirror without TLS may lead to one with it.
    let system = Path::new(SYSTEM_ROOTS);
    let roots = match &pull.ca_file {
        Some(file) => Some(roots(file)?),
        None if secure || system.exists() => Some(roots(system)?),
        None => None,
    };
    if let Some(roots) = roots {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .unversioned_rustls_crypto_provider(provider);
        config = config.tls_config(tls.build());
    }
    Ok(config.build().new_agent())
}

/// Fetches the file of `pull` into `into`, unless its version is the `known` one.
pub(super) fn file(
    agent: &Agent,
    pull: &Pull,
    known: Option<&Validators>,
    into: &mut fs::File,
) -> Result<Fetched, PullError> {
    let mut request = agent.get(&pull.url);
    if let Some(Validators {
        etag,
        last_modified,
    }) = known
    {
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(date) = last_modified {
            request = request.header(header::IF_MODIFIED_SINCE, date);
        }
    }
    let answer = request.call().map_err(PullError::of)?;
    match (answer.status().as_u16(), known) {
        (304, Some(_)) => Ok(Fetched::Unchanged),
        (200, _) => {
            let validators = Validators {
                etag: text_of(&answer, header::ETAG),
                last_modified: text_of(&answer, header::LAST_MODIFIED),
            };
            copy(answer, pull.len_max, into)?;
            Ok(Fetched::New(validators))
        }
        (status, _) => Err(PullError::Status(status)),
    }
}

/// Fetches a short text.
pub(super) fn text(agent: &Agent, url: &str, len_max: u64) -> Result<String, PullError> {
    let answer = agent.get(url).call().map_err(PullError::of)?;
    match answer.status().as_u16() {
        200 => {
            let mut bytes = Vec::new();
            copy(answer, len_max, &mut bytes)?;
            String::from_utf8(bytes).map_err(|_| PullError::NoSignature)
        }
        status => Err(PullError::SignatureStatus(status)),
    }
}

fn copy(answer: Response<Body>, len_max: u64, into: &mut impl Write) -> Result<(), PullError> {
    let body = answer.into_body();
    let announced = body.content_length();
    if announced.is_some_and(|len| len > len_max) {
        return Err(PullError::TooLong(len_max));
    }
    let mut body = body.into_with_config().limit(u64::MAX).reader();
    let mut piece = vec![0; PIECE_LEN];
    let mut read = 0;
    loop {
        let len = match body.read(&mut piece) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(PullError::of(error.into())),
        };
        read += len as u64;
        if read > len_max {
            return Err(PullError::TooLong(len_max));
        }
        let piece = piece.get(..len).unwrap_or_default();
        into.write_all(piece).map_err(PullError::NotWritten)?;
    }
    match announced {
        Some(len) if len != read => Err(PullError::CutOff { len, read }),
        Some(_) | None => Ok(()),
    }
}

/// Returns a field that can be sent back as it came.
fn text_of(answer: &Response<Body>, name: header::HeaderName) -> Option<String> {
    let value = answer.headers().get(name)?.to_str().ok()?;
    (value.len() <= VALIDATOR_LEN_MAX).then(|| value.to_owned())
}

fn roots(file: &Path) -> Result<Vec<Certificate<'static>>, PullError> {
    let failed = |cause: io::Error| PullError::Authorities(file.to_owned(), cause);
    let pem = fs::read(file).map_err(failed)?;
    let roots: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            Ok(_) | Err(_) => None,
        })
        .collect();
    if roots.is_empty() {
        return Err(failed(io::Error::other("it has no certificate in PEM")));
    }
    Ok(roots)
}
