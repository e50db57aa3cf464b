//! Why a call is refused at the door, and what the trail says of it.

use super::{Method, Role};
use crate::audit::{Actor, Text};

/// A call that its caller may not make. The texts are for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No certificate, or none that names one client.
    #[error(
        "the client certificate does not name its owner: it takes exactly one common name, of 1 to \
         256 bytes without control characters"
    )]
    UnreadableCertificate,
    /// A certificate of the right authority that the configuration does not know.
    #[error(
        "the client certificate \"{0}\" is not known here: whoever runs the server adds it under \
         access.client"
    )]
    UnknownCertificate(Text),
    /// A client without any of the method's roles.
    #[error(
        "{} is for the roles {}, and the caller has none of them", method.path(),
        names(method.roles)
    )]
    RoleNotAllowed {
        /// What was called.
        method: &'static Method,
        /// The name in the certificate; absent in the development profile.
        certificate: Option<Text>,
        /// The client's office, if it has one.
        office: Option<Text>,
    },
    /// In the development profile, a role that does not exist.
    #[error("there is no such role: take one of {}, or none for all of them", names(&Role::ALL))]
    UnknownRole,
}

fn names(roles: &[Role]) -> String {
    let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
    names.join(", ")
}

impl Refusal {
    /// Its name in statuses and in the trail.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::UnreadableCertificate => "UNREADABLE_CERTIFICATE",
            Self::UnknownCertificate(_) => "UNKNOWN_CERTIFICATE",
            Self::RoleNotAllowed { .. } => "ROLE_NOT_ALLOWED",
            Self::UnknownRole => "UNKNOWN_ROLE",
        }
    }

    /// Who was refused, as the trail says it: in no role.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let certificate = match self {
            Self::UnknownCertificate(name) => Some(name.clone()),
            Self::RoleNotAllowed { certificate, .. } => certificate.clone(),
            Self::UnreadableCertificate | Self::UnknownRole => None,
        };
        Actor {
            certificate,
            role: Text::fitted("none"),
        }
    }

    /// The office of the client that was refused, if it has one.
    #[must_use]
    pub fn office(&self) -> Option<Text> {
        match self {
            Self::RoleNotAllowed { office, .. } => office.clone(),
            Self::UnreadableCertificate | Self::UnknownCertificate(_) | Self::UnknownRole => None,
        }
    }
}
