//! From PEM files to a TLS configuration. Only the named authority is trusted, and a name that does not fit is refused.

use crate::endpoint::TlsFiles;
use crate::error::Error;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// Reads the files.
pub(crate) fn config(files: &TlsFiles) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.authority)? {
        roots.add(certificate).map_err(|error| wrong(&files.authority, &error.to_string()))?;
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::specification(format!("use TLS: {error}")))?
        .with_root_certificates(roots);
    let config = match &files.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            // The message of the parser is left out: it is about a private key.
            let private =
                PrivateKeyDer::from_pem_file(key).map_err(|_| wrong(key, "no private key in PEM"))?;
            builder
                .with_client_auth_cert(certificates(certificate)?, private)
                .map_err(|error| wrong(certificate, &error.to_string()))?
        }
    };
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(file).map_err(|error| wrong(file, &error.to_string()))?;
    let certificates: Result<Vec<_>, _> = read.collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(wrong(file, "no certificate in PEM")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(wrong(file, &error.to_string())),
    }
}

fn wrong(file: &Path, why: &str) -> Error {
    Error::specification(format!("use TLS: `{}`: {why}", file.display()))
}
