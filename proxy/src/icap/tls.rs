//! What TLS endpoints are judged by, and what we show them.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::{ClientIdentity, Endpoint, Icap};

/// Certificates that a TLS endpoint may be signed by, where the system keeps them.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The client's side of TLS. The certificate of an endpoint must be valid for the name or address
/// by which it is configured.
#[derive(Clone)]
pub(super) struct Tls(pub(super) Arc<ClientConfig>);

/// Why TLS endpoints cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("`{file}` cannot be used for `icaps:` services")]
pub struct IcapTlsError {
    file: String,
    #[source]
    source: Fault,
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("it is no PEM file that can be read")]
    Pem(#[source] pem::Error),
    #[error("it has no certificate in PEM")]
    Empty,
    #[error("it has a certificate that nothing can be signed by")]
    Authority(#[source] rustls::Error),
    #[error("the key is not the certificate's, or of a kind that is not known")]
    Key(#[source] rustls::Error),
    #[error("the TLS library refuses its own settings")]
    Library(#[source] rustls::Error),
}

impl Tls {
    /// Reads the files of a configuration; nothing if no endpoint is asked over TLS and no file
    /// is named.
    ///
    /// # Errors
    ///
    /// Fails if one of them cannot be used.
    pub(super) fn of_config(config: &Icap) -> Result<Option<Self>, IcapTlsError> {
        let mut endpoints = config.services.iter().flat_map(|tier| &tier.endpoints);
        let is_needed = endpoints.any(|service| match service.endpoint {
            Endpoint::Tls { .. } => true,
            Endpoint::Tcp { .. } | Endpoint::Unix(_) => false,
        });
        if !is_needed && config.ca_file.is_none() && config.client.is_none() {
            return Ok(None);
        }
        let roots = match &config.ca_file {
            Some(file) => roots(file).map_err(|fault| refuse(file, fault))?,
            None => system_roots().map_err(|fault| refuse(Path::new(SYSTEM_ROOTS), fault))?,
        };
        Self::new(roots, config.client.as_ref()).map(Some)
    }

    /// Trusts these certificates.
    pub(super) fn new(
        roots: RootCertStore,
        client: Option<&ClientIdentity>,
    ) -> Result<Self, IcapTlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder: ConfigBuilder<ClientConfig, WantsClientCert> =
            ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|why| refuse(Path::new(SYSTEM_ROOTS), Fault::Library(why)))?
                .with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some(ClientIdentity { certificate, key }) => {
                let chain = certificates(certificate).map_err(|why| refuse(certificate, why))?;
                let read = PrivateKeyDer::from_pem_file(key);
                let read = read.map_err(|why| refuse(key, Fault::Pem(why)))?;
                let built = builder.with_client_auth_cert(chain, read);
                built.map_err(|why| refuse(key, Fault::Key(why)))?
            }
        };
        Ok(Self(Arc::new(config)))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// Reads the files that TLS endpoints need, to know whether they can be used.
///
/// # Errors
///
/// Fails if one cannot.
pub fn check_icap_tls(config: &Icap) -> Result<(), IcapTlsError> {
    Tls::of_config(config).map(drop)
}

fn roots(file: &Path) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(Fault::Authority)?;
    }
    Ok(roots)
}

/// Of the system's certificates those that are not understood are left out.
fn system_roots() -> Result<RootCertStore, Fault> {
    let found = CertificateDer::pem_file_iter(SYSTEM_ROOTS).map_err(Fault::Pem)?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.filter_map(Result::ok));
    match roots.is_empty() {
        true => Err(Fault::Empty),
        false => Ok(roots),
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found = CertificateDer::pem_file_iter(file).map_err(Fault::Pem)?;
    let certificates: Vec<_> = found.collect::<Result<_, _>>().map_err(Fault::Pem)?;
    match certificates.is_empty() {
        true => Err(Fault::Empty),
        false => Ok(certificates),
    }
}

fn refuse(file: &Path, source: Fault) -> IcapTlsError {
    IcapTlsError {
        file: file.display().to_string(),
        source,
    }
}
