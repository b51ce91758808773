//! TLS of the port. Some clients send credentials over nothing else.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// What the port speaks, the preferred first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A certificate and its key.
#[derive(Clone)]
pub struct Tls {
    pub(crate) acceptor: TlsAcceptor,
}

/// Why TLS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not PEM.
    #[error("cannot read {} as PEM: {reason}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key cannot be used together.
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The key may be shared with other programs by its group, but who may read it is the server to every client.
fn warn_if_exposed(key: &Path) {
    let mode = std::fs::metadata(key).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    if mode & 0o007 != 0 {
        let key = key.display();
        tracing::warn!(
            "{key} has mode {mode:03o}: everybody on this machine may read the port's key; run: chmod o= {key}"
        );
    }
}

impl Tls {
    /// Reads a chain of certificates and a key, both PEM.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        warn_if_exposed(key);
        let wrong = |path: &Path, reason: String| TlsError::File { path: path.to_owned(), reason };
        let chain = CertificateDer::pem_file_iter(certificates)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong(certificates, error.to_string()))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error.to_string()))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}
