//! The way of padan's own clients to a server.

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// A text that is not the URL of a server.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0} is not the URL of a server: http://HOST:PORT")]
pub struct InvalidUrl(String);

/// What a client brings to `https`, PEM.
#[derive(Clone, Default)]
pub struct ClientTls {
    /// The authority that signed the server's certificate; none: the machine's roots.
    pub authority: Option<Vec<u8>>,
    /// The client's certificate and key, for a server that asks who calls.
    pub identity: Option<(Vec<u8>, zeroize::Zeroizing<Vec<u8>>)>,
}

/// Where a server is, for example `http://127.0.0.1:50051`. `https` takes the machine's roots.
///
/// # Errors
/// When `url` is not a URL, or TLS cannot be set up for it.
pub fn endpoint(url: &str) -> Result<Endpoint, InvalidUrl> {
    endpoint_with(url, ClientTls::default())
}

/// The same with certificates of the caller's own.
///
/// # Errors
/// As [`endpoint`]; also when a certificate or the key is none.
pub fn endpoint_with(url: &str, tls: ClientTls) -> Result<Endpoint, InvalidUrl> {
    let invalid = || InvalidUrl(url.to_owned());
    let scheme = url.split("://").next().unwrap_or_default();
    if !matches!(scheme, "http" | "https") {
        return Err(invalid());
    }
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| invalid())?;
    if scheme == "http" {
        return Ok(endpoint);
    }
    let mut config = match tls.authority {
        None => ClientTlsConfig::new().with_native_roots(),
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
    };
    if let Some((certificate, key)) = tls.identity {
        config = config.identity(Identity::from_pem(certificate, key.as_slice()));
    }
    endpoint.tls_config(config).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_scheme_and_a_host() {
        assert!(endpoint("http://127.0.0.1:50051").is_ok());
        for wrong in [
            "",
            "127.0.0.1:50051",
            "ftp://127.0.0.1",
            "http://",
            "http://a b",
        ] {
            let error = endpoint(wrong).expect_err(wrong).to_string();
            assert!(error.contains("http://HOST:PORT"), "{error}");
        }
    }
}
