//! Who may call what: roles, the one table of methods, and the caller that the door hands on.
//!
//! A caller is known by the name in its client certificate; the configuration gives that name its
//! roles and, where it belongs to one, its office. Without certificates there is one caller, who
//! may do everything: for development, on one machine.

mod directory;
mod limiter;
mod refusal;
mod table;

pub use directory::{Client, Directory, DirectoryError, development};
pub use limiter::{Kind, Limiter, Now, RateLimits};
pub use refusal::Refusal;
pub use table::{Lanes, METHODS, Method, method};

use crate::audit::{Actor, Text};

/// What a caller is there for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The activation backend: verifies, redeems, sees similarities.
    Backend,
    /// A counter: verifies and assesses, sees bands and reasons.
    Operator,
    /// Decides cases of the review queue of its office.
    Reviewer,
    /// Reads and checks the trail.
    Auditor,
    /// Withdraws consents, erases, answers people who ask what is kept of them.
    PrivacyOfficer,
    /// Puts, replaces and removes references.
    Enrolment,
    /// Runs the service.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 7] = [
        Self::Backend,
        Self::Operator,
        Self::Reviewer,
        Self::Auditor,
        Self::PrivacyOfficer,
        Self::Enrolment,
        Self::Admin,
    ];

    /// Its name in the configuration, in certificates for development and in the trail.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Operator => "operator",
            Self::Reviewer => "reviewer",
            Self::Auditor => "auditor",
            Self::PrivacyOfficer => "privacy-officer",
            Self::Enrolment => "enrolment",
            Self::Admin => "admin",
        }
    }

    /// The role of this name, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Who calls, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name in its certificate; request ids belong to it.
    pub name: Text,
    /// The role it calls in: of its roles the first that the method allows.
    pub role: Role,
    /// The only office it may act for; none: any.
    pub office: Option<Text>,
    /// Whether a certificate says so; not in the development profile.
    pub is_certified: bool,
}

impl Caller {
    /// What the trail says about it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor {
            certificate: self.is_certified.then(|| self.name.clone()),
            role: Text::fitted(self.role.name()),
        }
    }

    /// Whether it may act for `office`.
    #[must_use]
    pub fn may_act_for(&self, office: &str) -> bool {
        self.office
            .as_ref()
            .is_none_or(|own| own.as_str() == office)
    }
}
