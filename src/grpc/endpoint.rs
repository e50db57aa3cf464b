//! The way of padan's own clients to a server.

use tonic::transport::{ClientTlsConfig, Endpoint};

/// A text that is not the URL of a server.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0} is not the URL of a server: http://HOST:PORT")]
pub struct InvalidUrl(String);

/// Where a server is, for example `http://127.0.0.1:50051`. `https` takes the machine's roots.
///
/// # Errors
/// When `url` is not a URL, or TLS cannot be set up for it.
pub fn endpoint(url: &str) -> Result<Endpoint, InvalidUrl> {
    let invalid = || InvalidUrl(url.to_owned());
    let scheme = url.split("://").next().unwrap_or_default();
    if !matches!(scheme, "http" | "https") {
        return Err(invalid());
    }
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| invalid())?;
    if scheme == "http" {
        return Ok(endpoint);
    }
    let tls = ClientTlsConfig::new().with_native_roots();
    endpoint.tls_config(tls).map_err(|_| invalid())
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
