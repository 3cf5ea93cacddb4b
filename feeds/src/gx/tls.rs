use std::fmt;
use std::hash::Hasher as _;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use xxhash_rust::xxh3::Xxh3;

/// How a peer is spoken to over TLS.
#[derive(Clone)]
pub struct Tls {
    /// What it is judged by, and what we show.
    pub(crate) config: Arc<ClientConfig>,
    /// The name that its certificate has to be valid for.
    pub(crate) name: ServerName<'static>,
    /// Differs when the texts that it was made of do.
    content: u64,
}

/// Our certificate, with those between it and the authority, and its key; texts in PEM.
#[derive(Clone, Copy)]
pub struct OwnCertificate<'a> {
    /// The certificates.
    pub chain: &'a str,
    /// The key of the first.
    pub key: &'a str,
}

/// Why TLS cannot be spoken with what is configured.
#[derive(Debug, thiserror::Error)]
pub enum BadTls {
    /// The name of the peer.
    #[error("a certificate cannot be valid for this name; use a DNS name or an address")]
    Name,
    /// Those who may sign its certificate.
    #[error("the file of authorities cannot be used")]
    Authorities(#[source] BadPem),
    /// What we show it.
    #[error("the certificate cannot be used")]
    Certificate(#[source] BadPem),
    /// Its key.
    #[error("the key cannot be used")]
    Key(#[source] BadPem),
}

/// What is wrong with a text in PEM.
#[derive(Debug, thiserror::Error)]
pub enum BadPem {
    /// It cannot be read.
    #[error("it is no PEM that can be read")]
    Unread(#[source] pem::Error),
    /// Nothing is in it.
    #[error("it has no certificate in PEM")]
    Empty,
    /// What is in it does not fit.
    #[error("it is of a kind that is not known, or does not belong to the certificate")]
    Unfit(#[source] rustls::Error),
}

impl Tls {
    /// Trusts the authorities in `ca`, a text in PEM, for the peer called `name`.
    ///
    /// # Errors
    ///
    /// Fails if a text cannot be used.
    pub fn new(name: &str, ca: &str, own: Option<OwnCertificate<'_>>) -> Result<Self, BadTls> {
        let peer = ServerName::try_from(name.to_owned()).map_err(|_| BadTls::Name)?;
        let mut roots = RootCertStore::empty();
        for authority in certificates(ca).map_err(BadTls::Authorities)? {
            let added = roots.add(authority);
            added.map_err(|why| BadTls::Authorities(BadPem::Unfit(why)))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|why| BadTls::Key(BadPem::Unfit(why)))?
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = certificates(own.chain).map_err(BadTls::Certificate)?;
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes());
                let key = key.map_err(|why| BadTls::Key(BadPem::Unread(why)))?;
                let built = builder.with_client_auth_cert(chain, key);
                built.map_err(|why| BadTls::Key(BadPem::Unfit(why)))?
            }
        };
        let own = own.iter().flat_map(|own| [own.chain, own.key]);
        let mut hasher = Xxh3::new();
        for text in [name, ca].into_iter().chain(own) {
            hasher.write_usize(text.len());
            hasher.update(text.as_bytes());
        }
        Ok(Self {
            config: Arc::new(config),
            name: peer,
            content: hasher.digest(),
        })
    }
}

fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, BadPem> {
    let found = CertificateDer::pem_slice_iter(text.as_bytes());
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(BadPem::Unread)?;
    match found.is_empty() {
        true => Err(BadPem::Empty),
        false => Ok(found),
    }
}

impl Eq for Tls {}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.content == other.content
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnCertificate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnCertificate")
    }
}
