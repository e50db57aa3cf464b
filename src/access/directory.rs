//! The clients that the configuration names, and what each may call.

use std::collections::BTreeMap;

use super::{Caller, Method, Refusal, Role};
use crate::audit::Text;

/// The name of the only caller of the development profile.
const DEVELOPMENT: &str = "development";

/// A client as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The common name in its certificate.
    pub certificate: Text,
    /// Its roles.
    pub roles: Vec<Role>,
    /// The only office it may act for; none: any.
    pub office: Option<Text>,
}

/// Clients that make no directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// Nobody could call.
    #[error("name at least one client: nobody else may call")]
    Empty,
    /// A name stands twice, and only one of its entries could count.
    #[error("the certificate \"{0}\" is named twice: give it all its roles in one place")]
    Twice(Text),
    /// A client that could call nothing.
    #[error("the certificate \"{0}\" has no roles: give it at least one")]
    NoRoles(Text),
}

/// Who has which roles. Has at least one client, each with at least one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    clients: BTreeMap<Text, Client>,
}

impl Directory {
    /// A directory of these clients.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn new(clients: Vec<Client>) -> Result<Self, Vec<DirectoryError>> {
        let mut mistakes = Vec::new();
        let mut by_name = BTreeMap::new();
        for client in clients {
            let name = client.certificate.clone();
            if client.roles.is_empty() {
                mistakes.push(DirectoryError::NoRoles(name.clone()));
            }
            if by_name.insert(name.clone(), client).is_some() {
                mistakes.push(DirectoryError::Twice(name));
            }
        }
        if by_name.is_empty() {
            mistakes.push(DirectoryError::Empty);
        }
        if mistakes.is_empty() {
            Ok(Self { clients: by_name })
        } else {
            Err(mistakes)
        }
    }

    /// The client of this certificate as a caller of `method`, in the first of the method's roles
    /// that it has.
    ///
    /// # Errors
    /// When nobody has this name, or its roles do not include one of the method's.
    pub fn resolve(&self, name: &Text, method: &'static Method) -> Result<Caller, Refusal> {
        let client = self
            .clients
            .get(name)
            .ok_or_else(|| Refusal::UnknownCertificate(name.clone()))?;
        let role = method.roles.iter().find(|role| client.roles.contains(role));
        let refused = || Refusal::RoleNotAllowed {
            method,
            certificate: Some(name.clone()),
            office: client.office.clone(),
        };
        Ok(Caller {
            name: name.clone(),
            role: *role.ok_or_else(refused)?,
            office: client.office.clone(),
            is_certified: true,
        })
    }
}

/// The caller of `method` where nobody shows a certificate. It has all roles, or only the one of
/// the name `narrowed_to`.
///
/// # Errors
/// When there is no such role, or it is not one of the method's.
pub fn development(narrowed_to: Option<&str>, method: &'static Method) -> Result<Caller, Refusal> {
    let narrowed = narrowed_to.map(|name| Role::named(name).ok_or(Refusal::UnknownRole));
    let narrowed = narrowed.transpose()?;
    let may_be = |role: &&Role| narrowed.is_none_or(|only| only == **role);
    let refused = || Refusal::RoleNotAllowed {
        method,
        certificate: None,
        office: None,
    };
    Ok(Caller {
        name: Text::fitted(DEVELOPMENT),
        role: *method.roles.iter().find(may_be).ok_or_else(refused)?,
        office: None,
        is_certified: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{METHODS, method};

    fn text(text: &str) -> Text {
        Text::new(text).expect("a text")
    }

    fn client(name: &str, roles: &[Role]) -> Client {
        Client {
            certificate: text(name),
            roles: roles.to_vec(),
            office: None,
        }
    }

    fn verify() -> &'static Method {
        method("/padan.v1.FaceVerification/Verify").expect("in the table")
    }

    #[test]
    fn a_client_calls_in_the_first_of_the_methods_roles_that_it_has() {
        // In another order than the table's, and with one that the method does not know.
        let roles = [Role::Auditor, Role::Operator, Role::Backend];
        let mut counter = client("counter", &[Role::Operator]);
        counter.office = Some(text("3171"));
        let directory = Directory::new(vec![client("all", &roles), counter]).expect("valid");
        let caller = directory.resolve(&text("all"), verify()).expect("may");
        assert_eq!((caller.role, caller.office), (Role::Backend, None));
        let caller = directory.resolve(&text("counter"), verify()).expect("may");
        assert_eq!(caller.role, Role::Operator);
        assert_eq!(caller.name, text("counter"));
        assert!(caller.is_certified);
        assert!(caller.may_act_for("3171") && !caller.may_act_for("3172"));
    }

    #[test]
    fn whoever_has_one_role_may_call_what_the_table_says_and_nothing_else() {
        for role in Role::ALL {
            let directory = Directory::new(vec![client("one", &[role])]).expect("valid");
            for method in METHODS {
                let resolved = directory.resolve(&text("one"), method);
                let narrowed = development(Some(role.name()), method);
                if method.roles.contains(&role) {
                    assert_eq!(resolved.map(|caller| caller.role), Ok(role));
                    assert_eq!(narrowed.map(|caller| caller.role), Ok(role));
                } else {
                    let refusal = resolved.expect_err("not allowed");
                    assert_eq!(refusal.reason(), "ROLE_NOT_ALLOWED");
                    assert_eq!(refusal.actor().certificate, Some(text("one")));
                    assert_eq!(refusal.actor().role, text("none"));
                    let refusal = narrowed.expect_err("not allowed");
                    assert_eq!(refusal.actor().certificate, None);
                    assert!(refusal.to_string().contains(method.roles[0].name()));
                }
            }
        }
    }

    #[test]
    fn another_name_is_nobody() {
        let directory = Directory::new(vec![client("backend", &Role::ALL)]).expect("valid");
        for name in ["Backend", "backend ", "development", "*"] {
            let refusal = directory.resolve(&text(name), verify());
            assert_eq!(refusal, Err(Refusal::UnknownCertificate(text(name))));
        }
    }

    #[test]
    fn every_mistake_in_a_directory_is_told() {
        let clients = vec![
            client("a", &[]),
            client("b", &[Role::Admin]),
            client("b", &[Role::Backend]),
        ];
        let expected = vec![
            DirectoryError::NoRoles(text("a")),
            DirectoryError::Twice(text("b")),
        ];
        assert_eq!(Directory::new(clients), Err(expected));
        assert_eq!(Directory::new(Vec::new()), Err(vec![DirectoryError::Empty]));
    }

    #[test]
    fn in_development_there_is_one_caller_with_all_roles_or_the_one_it_chose() {
        for method in METHODS {
            let caller = development(None, method).expect("has all roles");
            assert_eq!(caller.role, method.roles[0]);
            assert_eq!(caller.name, text("development"));
            assert!(!caller.is_certified && caller.may_act_for("any"));
            assert_eq!(caller.actor().certificate, None);
        }
        for name in ["", "Operator", "root"] {
            assert_eq!(development(Some(name), verify()), Err(Refusal::UnknownRole));
        }
    }
}
