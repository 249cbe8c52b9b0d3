//! TLS as a client: the certificates that the system trusts, TLS 1.2 and 1.3.

use crate::error::Error;
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The connector of this process, built at its first use: reading the system's certificates takes milliseconds.
pub(crate) fn connector() -> Result<TlsConnector, Error> {
    static CONNECTOR: OnceLock<Result<TlsConnector, Error>> = OnceLock::new();
    CONNECTOR.get_or_init(build).clone()
}

fn build() -> Result<TlsConnector, Error> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "certificates of the system");
    }
    let mut roots = RootCertStore::empty();
    let (taken, left_out) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(taken, left_out, "certificates of the system");
    if roots.is_empty() {
        let text = "the system has no certificates to trust, so no https server can be told from another";
        return Err(Error::refused(text)
            .with_hint("install the system's package of CA certificates, or name a file in SSL_CERT_FILE"));
    }
    with_roots(roots)
}

/// A connector that trusts these.
pub(crate) fn with_roots(roots: RootCertStore) -> Result<TlsConnector, Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::refused(format!("TLS cannot be used: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
