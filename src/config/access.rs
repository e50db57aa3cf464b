//! `[access]`: who may call, and how often.

use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::Deserialize;

use super::{Config, ServerConfig};
use crate::access::{Client, Directory, RateLimits, Role};
use crate::audit::Text;

/// `[access]` as typed. Without `client_ca`, everybody who reaches the server may call everything:
/// the development profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessTable {
    /// PEM file of the authority whose certificates clients must show.
    pub client_ca: Option<PathBuf>,
    /// The clients.
    pub client: Vec<ClientTable>,
    /// Calls a minute.
    pub limits: LimitsTable,
}

/// `[[access.client]]` as typed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTable {
    /// Common name in the client's certificate.
    pub certificate: String,
    /// Its roles.
    pub roles: Vec<Role>,
    /// The only office it may act for.
    pub office: Option<String>,
}

/// `[access.limits]` as typed: calls a minute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsTable {
    /// Of one caller.
    pub caller: u32,
    /// On one device.
    pub device: u32,
    /// By one operator.
    pub operator: u32,
    /// About one subject.
    pub subject: u32,
}

impl Default for LimitsTable {
    fn default() -> Self {
        let limits = RateLimits::default();
        Self {
            caller: limits.caller.get(),
            device: limits.device.get(),
            operator: limits.operator.get(),
            subject: limits.subject.get(),
        }
    }
}

/// Who may call, and how often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessConfig {
    /// Callers with certificates; none: the development profile.
    pub certified: Option<CertifiedClients>,
    /// Calls a minute.
    pub limits: RateLimits,
}

/// Callers with certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedClients {
    /// PEM file of the authority that signed their certificates.
    pub ca: PathBuf,
    /// Their roles.
    pub directory: Directory,
}

pub(super) fn access(
    table: &AccessTable,
    has_tls: bool,
    mistakes: &mut Vec<String>,
) -> AccessConfig {
    AccessConfig {
        certified: certified(table, has_tls, mistakes),
        limits: limits(&table.limits, mistakes),
    }
}

fn certified(
    table: &AccessTable,
    has_tls: bool,
    mistakes: &mut Vec<String>,
) -> Option<CertifiedClients> {
    let clients: Vec<Client> = table
        .client
        .iter()
        .filter_map(|client| checked(client, mistakes))
        .collect();
    let Some(ca) = &table.client_ca else {
        if !table.client.is_empty() {
            let mistake = "access.client is for clients with certificates: name their authority \
                in access.client_ca";
            mistakes.push(mistake.to_owned());
        }
        return None;
    };
    if !has_tls {
        let mistake = "access.client_ca needs server.tls_certificate and server.tls_key: only TLS \
            shows certificates";
        mistakes.push(mistake.to_owned());
    }
    if clients.len() < table.client.len() {
        // What is wrong with some of them was said.
        return None;
    }
    match Directory::new(clients) {
        Ok(directory) => Some(CertifiedClients {
            ca: ca.clone(),
            directory,
        }),
        Err(found) => {
            mistakes.extend(found.iter().map(|error| format!("access.client: {error}")));
            None
        }
    }
}

fn checked(client: &ClientTable, mistakes: &mut Vec<String>) -> Option<Client> {
    let mut text = |key: &str, text: &str| {
        let text = Text::new(text).ok();
        if text.is_none() {
            mistakes.push(format!(
                "access.client: {key} takes 1 to 256 bytes without control characters"
            ));
        }
        text
    };
    let certificate = text("certificate", &client.certificate);
    let office = client.office.as_deref();
    let office = office.map(|office| text("office", office));
    if matches!(office, Some(Some(_))) && !knows_offices(&client.roles) {
        mistakes.push(format!(
            "access.client {}: office has no meaning for this role ({}), which acts for all \
             offices: remove it",
            client.certificate.escape_default(),
            client
                .roles
                .iter()
                .map(|role| role.name())
                .collect::<Vec<_>>()
                .join(", ")
        ));
    }
    Some(Client {
        certificate: certificate?,
        roles: client.roles.clone(),
        office: match office {
            Some(office) => Some(office?),
            None => None,
        },
    })
}

/// Whether any method of these roles looks at an office; of no roles something else is said.
fn knows_offices(roles: &[Role]) -> bool {
    roles.is_empty()
        || roles.iter().any(|role| match role {
            Role::Backend | Role::Operator | Role::Reviewer | Role::Auditor => true,
            Role::Enrolment | Role::PrivacyOfficer | Role::Admin => false,
        })
}

fn limits(table: &LimitsTable, mistakes: &mut Vec<String>) -> RateLimits {
    let mut limit = |key: &str, calls: u32| {
        NonZeroU32::new(calls).unwrap_or_else(|| {
            mistakes.push(format!(
                "access.limits.{key} takes 1 or more: calls a minute"
            ));
            NonZeroU32::MIN
        })
    };
    RateLimits {
        caller: limit("caller", table.caller),
        device: limit("device", table.device),
        operator: limit("operator", table.operator),
        subject: limit("subject", table.subject),
    }
}

/// What is wrong with serving the records of people to everybody who reaches this address.
pub(super) fn exposed_records(server: &ServerConfig, has_store: bool) -> Option<String> {
    let is_open = server.access.certified.is_none() && !server.listen.ip().is_loopback();
    (has_store && is_open).then(|| {
        format!(
            "server.listen {} is beyond this machine, and with a [store] that takes clients with \
             certificates: set access.client_ca (docs/access.md), or listen on 127.0.0.1",
            server.listen
        )
    })
}

impl Config {
    /// Whether everybody who reaches the server may see and change the records.
    #[must_use]
    pub fn is_development_with_records(&self) -> bool {
        self.store.is_some() && self.server.access.certified.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str, has_tls: bool) -> (AccessConfig, Vec<String>) {
        let mut mistakes = Vec::new();
        let table = toml::from_str(text).expect("a table");
        (access(&table, has_tls, &mut mistakes), mistakes)
    }

    #[test]
    fn nothing_said_is_the_development_profile_with_limits() {
        let (access, mistakes) = read("", false);
        assert_eq!(access, AccessConfig::default());
        let limits = access.limits;
        let numbers = [
            limits.caller,
            limits.device,
            limits.operator,
            limits.subject,
        ];
        assert_eq!(numbers.map(NonZeroU32::get), [12_000, 60, 120, 20]);
        assert!(mistakes.is_empty(), "{mistakes:?}");
    }

    #[test]
    fn clients_have_names_roles_and_perhaps_an_office() {
        let text = "
            client_ca = 'ca.pem'
            [[client]]
            certificate = 'backend'
            roles = ['backend', 'privacy-officer']
            [[client]]
            certificate = 'gambir'
            roles = ['operator']
            office = '3171'
            [limits]
            device = 7
        ";
        let (access, mistakes) = read(text, true);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        assert_eq!(access.limits.device.get(), 7);
        assert_eq!(access.limits.caller, RateLimits::default().caller);
        let certified = access.certified.expect("certificates");
        assert_eq!(certified.ca, Path::new("ca.pem"));
        let client = |name, roles: &[Role], office: Option<&str>| Client {
            certificate: Text::fitted(name),
            roles: roles.to_vec(),
            office: office.map(Text::fitted),
        };
        let expected = Directory::new(vec![
            client("backend", &[Role::Backend, Role::PrivacyOfficer], None),
            client("gambir", &[Role::Operator], Some("3171")),
        ]);
        assert_eq!(Ok(certified.directory), expected);
    }

    #[test]
    fn an_office_is_only_for_roles_that_look_at_it() {
        for (roles, is_good) in [
            ("'backend'", true),
            ("'operator'", true),
            ("'reviewer'", true),
            ("'auditor'", true),
            ("'enrolment'", false),
            ("'privacy-officer'", false),
            ("'admin'", false),
            ("'enrolment', 'admin'", false),
            // It binds the second role.
            ("'enrolment', 'operator'", true),
        ] {
            let client = format!("[[client]]\ncertificate = 'a'\nroles = [{roles}]\n");
            for (office, is_good) in [("", true), ("office = '3171'\n", is_good)] {
                let (_, mistakes) = read(&format!("client_ca = 'ca.pem'\n{client}{office}"), true);
                assert_eq!(mistakes.is_empty(), is_good, "{roles}: {mistakes:?}");
                let says = "office has no meaning for this role";
                assert!(mistakes.iter().all(|it| it.contains(says)), "{mistakes:?}");
            }
        }
    }

    #[test]
    fn every_mistake_says_what_to_do() {
        let client = "[[client]]\ncertificate = 'a'\nroles = ['admin']\n";
        let ca = "client_ca = 'ca.pem'\n";
        let nameless = "[[client]]\ncertificate = ''\nroles = ['admin']\noffice = \"\\n\"\n";
        for (text, has_tls, says) in [
            (client.to_owned(), true, &["access.client_ca"][..]),
            (format!("{ca}{client}"), false, &["server.tls_certificate"]),
            (ca.to_owned(), true, &["access.client: name at least one"]),
            (format!("{ca}{client}{client}"), true, &["named twice"]),
            (
                format!("{ca}{}", client.replace("'admin'", "")),
                true,
                &["has no roles"],
            ),
            (
                format!("{ca}{nameless}"),
                true,
                &["certificate takes 1 to 256", "office takes 1 to 256"],
            ),
            (
                "[limits]\ncaller = 0\nsubject = 0".to_owned(),
                false,
                &[
                    "access.limits.caller takes 1",
                    "access.limits.subject takes 1",
                ],
            ),
        ] {
            let (access, mistakes) = read(&text, has_tls);
            assert_eq!(mistakes.len(), says.len(), "{text}: {mistakes:?}");
            for (mistake, says) in mistakes.iter().zip(says) {
                assert!(mistake.contains(says), "{text}: {mistake}");
            }
            let is_whole = text == format!("{ca}{client}");
            assert_eq!(access.certified.is_some(), is_whole, "{text}");
        }
        for text in [
            "ca = 'x'",
            "[[client]]\ncertificate = 'a'\nroles = ['root']",
        ] {
            assert!(toml::from_str::<AccessTable>(text).is_err(), "{text}");
        }
    }
}
