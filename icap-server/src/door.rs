use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;
use policy::Place;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::{Config, Listen, Tls};

/// Who may come in by a listener, and how. A reload replaces it.
#[derive(Clone)]
pub(crate) struct Door {
    clients: Option<Vec<IpNet>>,
    /// None: connections are not encrypted.
    pub(crate) tls: Option<TlsAcceptor>,
}

/// Why a TLS listener cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot use `{}`", file.display())]
pub struct TlsError {
    /// Where the configuration file names it.
    pub place: Place,
    file: PathBuf,
    #[source]
    source: TlsFileError,
}

/// What is wrong with a file of a TLS listener.
#[derive(Debug, thiserror::Error)]
enum TlsFileError {
    #[error("it is no PEM file that can be read")]
    Pem(#[source] pem::Error),
    #[error("it has no certificate in PEM")]
    NoCertificate,
    #[error("it does not go with the certificate")]
    Key(#[source] rustls::Error),
    #[error("it has a certificate that cannot be trusted")]
    Authority(#[source] rustls::Error),
    #[error("no certificate of an ICAP client could be verified by it")]
    Verifier(#[source] VerifierBuilderError),
    #[error("the TLS library refuses its own settings")]
    Library(#[source] rustls::Error),
}

/// Reads the files of all TLS listeners, as a start and a reload do.
///
/// # Errors
///
/// Fails with the first file that cannot be used.
pub fn check_tls(config: &Config) -> Result<(), TlsError> {
    doors(config).map(|_| ())
}

/// Returns the doors of all listeners, in the order of the configuration.
pub(crate) fn doors(config: &Config) -> Result<Vec<Door>, TlsError> {
    config.listen.iter().map(Door::of).collect()
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("clients", &self.clients)
            .field("tls", &self.tls.is_some())
            .finish()
    }
}

impl Door {
    fn of(listen: &Listen) -> Result<Self, TlsError> {
        let tls = listen.tls.as_ref().map(acceptor).transpose()?;
        Ok(Self {
            clients: listen.clients.clone(),
            tls,
        })
    }

    /// Returns whether connections from this address are served. IPv4-mapped addresses are IPv4.
    pub(crate) fn admits(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.clients
            .as_ref()
            .is_none_or(|ranges| ranges.iter().any(|range| range.contains(&client)))
    }
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let refuse = |file: &Path, source| TlsError {
        place: tls.place,
        file: file.to_owned(),
        source,
    };
    let chain = certificates(&tls.certificate).map_err(|why| refuse(&tls.certificate, why))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|why| refuse(&tls.key, TlsFileError::Pem(why)))?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|why| refuse(&tls.certificate, TlsFileError::Library(why)))?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let verifier = verifier(file, provider).map_err(|why| refuse(file, why))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder
        .with_single_cert(chain, key)
        .map_err(|why| refuse(&tls.key, TlsFileError::Key(why)))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn verifier(
    file: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsFileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(TlsFileError::Authority)?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(TlsFileError::Verifier)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let found = CertificateDer::pem_file_iter(file).map_err(TlsFileError::Pem)?;
    let found = found
        .collect::<Result<Vec<_>, _>>()
        .map_err(TlsFileError::Pem)?;
    match found.is_empty() {
        true => Err(TlsFileError::NoCertificate),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_say_who_may_come_in() {
        let door = |ranges: &[&str]| Door {
            clients: Some(ranges.iter().map(|range| range.parse().unwrap()).collect()),
            tls: None,
        };
        let some = door(&["10.1.0.0/16", "2001:db8::/32"]);
        for (client, expected) in [
            ("10.1.255.255", true),
            ("10.2.0.0", false),
            ("::ffff:10.1.0.1", true),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(some.admits(client.parse().unwrap()), expected, "{client}");
        }
        assert!(!door(&[]).admits("127.0.0.1".parse().unwrap()));
    }
}
