//! `padan certs dev`: what a newcomer needs for mutual TLS, and nobody needs in production.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::ExitCode;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::{Failure, Outcome, print};
use crate::config::{CertsCommand, CertsDevArgs};

/// One client certificate for each: the names that the configuration maps to roles.
const ROLES: [&str; 7] = [
    "backend",
    "operator",
    "reviewer",
    "auditor",
    "privacy-officer",
    "enrolment",
    "admin",
];

/// Where the server is on a developer's machine.
const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A file of the folder: name, content, and whether it is a secret.
type NewFile = (String, Zeroizing<String>, bool);

pub fn run(command: &CertsCommand) -> Outcome {
    let CertsCommand::Dev(args) = command;
    let now = OffsetDateTime::now_utc();
    let files = make(args, now).map_err(|error| {
        Failure::Usage(format!("no certificates were made, check --host: {error}"))
    })?;
    write(&args.out, &files)?;
    let folder = args.out.display();
    print(&format!(
        "made in {folder}, valid for {} days:\n  \
         ca.pem                   what both sides trust\n  \
         server.pem, server.key   tls_certificate and tls_key of the server\n  \
         ROLE.pem, ROLE.key       a client for each role: {}\n\
         For development only: the key of the CA is thrown away, so nobody can add to these.",
        args.days,
        ROLES.join(", "),
    ));
    Ok(ExitCode::SUCCESS)
}

fn make(args: &CertsDevArgs, now: OffsetDateTime) -> Result<Vec<NewFile>, rcgen::Error> {
    let valid = |mut params: CertificateParams| {
        // Clocks of two machines differ a little.
        params.not_before = now - Duration::MINUTE * 5;
        params.not_after = now + Duration::days(args.days.into());
        params
    };
    let mut ca = valid(params("padan development CA", &[])?);
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
    let mut files = vec![("ca.pem".to_owned(), Zeroizing::new(ca.pem()), false)];
    let hosts: Vec<&str> = HOSTS
        .into_iter()
        .chain(args.host.iter().map(String::as_str))
        .collect();
    let server = (params("padan development server", &hosts)?, "server");
    let clients = ROLES.map(|role| params(role, &[]).map(|params| (params, role)));
    let clients: Result<Vec<_>, _> = clients.into_iter().collect();
    for (params, name) in [server].into_iter().chain(clients?) {
        let mut params = valid(params);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match name {
            "server" => ExtendedKeyUsagePurpose::ServerAuth,
            _ => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &ca)?;
        files.push((
            format!("{name}.pem"),
            Zeroizing::new(certificate.pem()),
            false,
        ));
        files.push((
            format!("{name}.key"),
            Zeroizing::new(key.serialize_pem()),
            true,
        ));
    }
    Ok(files)
}

fn params(common_name: &str, hosts: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "padan development");
    Ok(params)
}

/// All files in a new folder, or none: filled beside its place and renamed, which fails over a
/// folder that has something in it.
fn write(folder: &Path, files: &[NewFile]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::Technical(format!(
            "cannot make {}: {error}: certificates are never overwritten; name a new folder with \
             --out, in one that exists",
            folder.display()
        ))
    };
    let parent = folder.parent().filter(|parent| *parent != Path::new(""));
    let made = tempfile::Builder::new()
        .prefix(".padan-certs-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent.unwrap_or(Path::new(".")))
        .map_err(failed)?;
    for (name, content, is_secret) in files {
        let mode = if *is_secret { 0o600 } else { 0o644 };
        let mut options = File::options();
        let options = options.write(true).create_new(true).mode(mode);
        let mut file = options.open(made.path().join(name)).map_err(failed)?;
        file.write_all(content.as_bytes()).map_err(failed)?;
    }
    std::fs::rename(made.path(), folder).map_err(failed)?;
    // It has another name now: nothing is left to remove.
    drop(made.keep());
    Ok(())
}
