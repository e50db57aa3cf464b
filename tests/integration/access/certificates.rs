//! Certificates of one authority, and connections that show them.

use std::path::PathBuf;

use padan::access::{Client, Directory, Role};
use padan::audit::Text;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Error, Identity};

use crate::support::{TestFolder, padan, run};

/// A folder of certificates, which goes with the test.
pub struct Certificates(TestFolder);

/// One client for each role but those in `without`; the operator acts for one office.
pub fn directory(without: &[Role]) -> Directory {
    let roles = Role::ALL.into_iter().filter(|role| !without.contains(role));
    let client = |role: Role| Client {
        certificate: Text::fitted(role.name()),
        roles: vec![role],
        office: (role == Role::Operator).then(|| Text::fitted("3171")),
    };
    Directory::new(roles.map(client).collect()).expect("one client for each role")
}

impl Certificates {
    /// What `padan certs dev` makes.
    pub fn new(name: &str) -> Self {
        let folder = TestFolder::unique(name);
        let out = folder.path().join("certs");
        let (code, _, stderr) = run(padan().args(["certs", "dev", "--out"]).arg(out));
        assert_eq!(code, 0, "{stderr}");
        Self(folder)
    }

    /// An authority of the test's own, with the clients `admin` and `two-names`: the latter's
    /// certificate names both `backend` and `admin`.
    pub fn with_two_names(name: &str) -> Self {
        let certificates = Self(TestFolder::unique(name));
        std::fs::create_dir(certificates.path("")).expect("a new folder");
        let params = |names: &[&str], hosts: &[&str]| {
            let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
            let mut params = CertificateParams::new(hosts).expect("hosts");
            params.distinguished_name = DistinguishedName::new();
            // rcgen keeps one name of each type, and knows this one by two.
            let by_number = DnType::CustomDnType(vec![2, 5, 4, 3]);
            for (kind, &name) in [DnType::CommonName, by_number].into_iter().zip(names) {
                params.distinguished_name.push(kind, name);
            }
            params
        };
        let mut ca = params(&["authority"], &[]);
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = || KeyPair::generate().expect("a key");
        let ca = CertifiedIssuer::self_signed(ca, key()).expect("signed");
        let write = |name: &str, text: String| {
            std::fs::write(certificates.path(name), text).expect("written");
        };
        write("ca.pem", ca.pem());
        for (file, names, hosts, usage) in [
            (
                "server",
                &["server"][..],
                &["localhost"][..],
                ExtendedKeyUsagePurpose::ServerAuth,
            ),
            (
                "admin",
                &["admin"],
                &[],
                ExtendedKeyUsagePurpose::ClientAuth,
            ),
            (
                "two-names",
                &["backend", "admin"],
                &[],
                ExtendedKeyUsagePurpose::ClientAuth,
            ),
        ] {
            let mut params = params(names, hosts);
            params.extended_key_usages = vec![usage];
            let key = key();
            let certificate = params.signed_by(&key, &ca).expect("signed");
            write(&format!("{file}.pem"), certificate.pem());
            write(&format!("{file}.key"), key.serialize_pem());
        }
        certificates
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("certs").join(name)
    }

    pub fn identity(&self, name: &str) -> Identity {
        let [certificate, key] = ["pem", "key"]
            .map(|end| std::fs::read(self.path(&format!("{name}.{end}"))).expect("readable"));
        Identity::from_pem(certificate, key)
    }

    /// A connection to a server of this authority, as this client.
    pub async fn connect(&self, url: &str, client: Option<Identity>) -> Result<Channel, Error> {
        let ca = std::fs::read(self.path("ca.pem")).expect("readable");
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(ca))
            .domain_name("localhost");
        if let Some(client) = client {
            tls = tls.identity(client);
        }
        let endpoint = Channel::from_shared(url.replace("http://", "https://"));
        endpoint.expect("a URL").tls_config(tls)?.connect().await
    }
}
