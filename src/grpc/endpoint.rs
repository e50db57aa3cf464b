//! The way of padan's own clients to a server.

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// A text that is not the URL of a server, or what TLS to it cannot be set up with.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InvalidUrl {
    /// No server's URL.
    #[error("{0} is not the URL of a server: http://HOST:PORT or https://HOST:PORT")]
    Url(String),
    /// A certificate or key that is none.
    #[error("the certificate, the key or the authority for {0} is none")]
    Tls(String),
}

/// What a client brings to `https`, PEM.
#[derive(Clone, Default)]
pub struct ClientTls {
    /// The authority that signed the server's certificate; none: the machine's roots.
    pub authority: Option<Vec<u8>>,
    /// The client's certificate and key, for a server that asks who calls.
    pub identity: Option<(Vec<u8>, zeroize::Zeroizing<Vec<u8>>)>,
}

/// Not the key.
impl std::fmt::Debug for ClientTls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ClientTls")
            .field("has_authority", &self.authority.is_some())
            .field("has_identity", &self.identity.is_some())
            .finish()
    }
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
    let invalid = || InvalidUrl::Url(url.to_owned());
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
    let secured = endpoint.tls_config(config);
    secured.map_err(|_| InvalidUrl::Tls(url.to_owned()))
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

    #[test]
    fn a_certificate_that_is_none_is_not_blamed_on_the_url() {
        let tls = ClientTls {
            authority: None,
            identity: Some((b"none".to_vec(), b"none".to_vec().into())),
        };
        let error = endpoint_with("https://127.0.0.1:50051", tls).expect_err("is refused");
        assert!(matches!(error, InvalidUrl::Tls(_)), "{error}");
    }
}
