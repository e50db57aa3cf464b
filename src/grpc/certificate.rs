//! The name in the certificate that a client showed.

use tonic::codegen::http::Extensions;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::audit::Text;

/// The common name of whoever is at the other end of the connection. TLS has checked who signed
/// the certificate, and until when it holds; here only the name is read.
///
/// None without a certificate, and when it has no common name, several, or one that is not a
/// [`Text`]: who that is, nobody could say for certain.
pub fn common_name(extensions: &Extensions) -> Option<Text> {
    let connection = extensions.get::<TlsConnectInfo<TcpConnectInfo>>()?;
    let shown = connection.peer_certs()?;
    // The first is the client's own; others only lead to the authority.
    name_in(shown.first()?)
}

fn name_in(certificate: &[u8]) -> Option<Text> {
    let (rest, certificate) = X509Certificate::from_der(certificate).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let (Some(name), None, true) = (names.next(), names.next(), rest.is_empty()) else {
        return None;
    };
    Text::new(name.as_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    fn certificate(names: Vec<DnValue>) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["other.example".to_owned()]).expect("valid");
        params.distinguished_name = DistinguishedName::new();
        let organization = DnType::OrganizationName;
        params.distinguished_name.push(organization, "An office");
        // rcgen keeps one name of each type, and knows this one by two.
        let by_number = DnType::CustomDnType(vec![2, 5, 4, 3]);
        for (kind, name) in [DnType::CommonName, by_number].into_iter().zip(names) {
            params.distinguished_name.push(kind, name);
        }
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("signed").der().to_vec()
    }

    fn utf8(name: &str) -> DnValue {
        DnValue::Utf8String(name.to_owned())
    }

    #[test]
    fn the_common_name_is_read_and_no_other() {
        let name = name_in(&certificate(vec![utf8("backend-1 é")]));
        assert_eq!(name, Text::new("backend-1 é").ok());
        let printable = DnValue::PrintableString("backend".try_into().expect("printable"));
        assert_eq!(
            name_in(&certificate(vec![printable])),
            Text::new("backend").ok()
        );
    }

    #[test]
    fn a_certificate_that_names_nobody_for_certain_names_nobody() {
        assert_eq!(name_in(&certificate(Vec::new())), None, "without a name");
        let two = certificate(vec![utf8("backend"), utf8("admin")]);
        assert_eq!(name_in(&two), None, "two names");
        assert_eq!(name_in(&certificate(vec![utf8("")])), None, "an empty name");
        assert_eq!(
            name_in(&certificate(vec![utf8("a\nb")])),
            None,
            "a line end"
        );
        let long = utf8(&"x".repeat(257));
        assert_eq!(name_in(&certificate(vec![long])), None, "too long");
        let wide = DnValue::BmpString("backend".try_into().expect("fits"));
        assert_eq!(name_in(&certificate(vec![wide])), None, "another alphabet");
        let good = certificate(vec![utf8("backend")]);
        assert_eq!(name_in(&good[1..]), None, "cut off");
        assert_eq!(
            name_in(&[good.as_slice(), &[0]].concat()),
            None,
            "more after it"
        );
        assert_eq!(name_in(b""), None);
    }
}
