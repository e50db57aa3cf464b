//! The one table: each method, its roles, and what it needs of the lanes.

use super::Role::{self, Admin, Auditor, Backend, Enrolment, Operator, PrivacyOfficer, Reviewer};

/// How many samples a method puts on lanes: a full queue refuses it before its body is read.
pub type Lanes = usize;

/// A method of padan's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Service without its package, for example `FaceVerification`.
    pub service: &'static str,
    /// Name, for example `Verify`; in logs, metrics and the trail.
    pub name: &'static str,
    /// Who may call it.
    pub roles: &'static [Role],
    /// Samples it puts on lanes.
    pub lanes: Lanes,
}

impl Method {
    /// Its row in the table by service and name, for example `FaceVerification/Verify`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.service, self.name)
    }

    /// Samples for which there must be room before its body is read. Where references are kept,
    /// the other side of a verification is one of them, and only the probe needs a lane.
    #[must_use]
    pub fn samples(&self, references_are_kept: bool) -> Lanes {
        if references_are_kept && self.name == "Verify" {
            1
        } else {
            self.lanes
        }
    }
}

const fn row(
    service: &'static str,
    name: &'static str,
    roles: &'static [Role],
    lanes: Lanes,
) -> Method {
    Method {
        service,
        name,
        roles,
        lanes,
    }
}

/// All methods.
pub const METHODS: &[Method] = &[
    // Only the body says whether it is a pair: where no references are kept, it is.
    row("FaceVerification", "Verify", &[Backend, Operator], 2),
    row(
        "FaceVerification",
        "AssessCapture",
        &[Backend, Operator, Enrolment],
        1,
    ),
    row("FaceVerification", "GetServiceInfo", &Role::ALL, 0),
    row("Results", "RedeemResult", &[Backend], 0),
    row("Results", "GetPublicKeys", &Role::ALL, 0),
    row("Enrollment", "Put", &[Enrolment], 1),
    row("Enrollment", "Announce", &[Enrolment], 0),
    row(
        "Enrollment",
        "GetStatus",
        &[Enrolment, Backend, PrivacyOfficer],
        0,
    ),
    row("Enrollment", "Delete", &[Enrolment, PrivacyOfficer], 0),
    row("Enrollment", "SetBlocked", &[Enrolment], 0),
    row("Enrollment", "Import", &[Enrolment], 0),
    row("Enrollment", "Rekey", &[Admin], 0),
    row("Models", "ListModels", &[Admin], 0),
    row("Models", "LoadModel", &[Admin], 0),
    row("Models", "UnloadModel", &[Admin], 0),
    row("Models", "StartShadow", &[Admin], 0),
    row("Models", "GetShadowReport", &[Admin], 0),
    row("Models", "StopShadow", &[Admin], 0),
    row("Models", "Activate", &[Admin], 0),
    row("Models", "Rollback", &[Admin], 0),
    row("Review", "Enqueue", &[Operator, Backend], 0),
    row("Review", "Next", &[Reviewer], 0),
    row("Review", "Decide", &[Reviewer], 0),
    row("Privacy", "WithdrawConsent", &[PrivacyOfficer, Backend], 0),
    row("Privacy", "Erase", &[PrivacyOfficer], 0),
    row("Privacy", "ExportSubject", &[PrivacyOfficer], 0),
    row("Audit", "VerifyChain", &[Auditor], 0),
    row("Audit", "Query", &[Auditor], 0),
    row("Audit", "Export", &[Auditor], 0),
    row("Audit", "BreachScope", &[Auditor, PrivacyOfficer], 0),
];

/// The method of a path such as `/padan.v1.FaceVerification/Verify`; none when it is not ours.
#[must_use]
pub fn method(path: &str) -> Option<&'static Method> {
    let (service, name) = path.strip_prefix("/padan.v1.")?.split_once('/')?;
    METHODS
        .iter()
        .find(|method| method.service == service && method.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_one_method_and_nothing_else_is_ours() {
        let verify = method("/padan.v1.FaceVerification/Verify").expect("ours");
        assert_eq!(
            (verify.service, verify.name),
            ("FaceVerification", "Verify")
        );
        for path in [
            "/grpc.health.v1.Health/Check",
            "/padan.v1.FaceVerification/Nothing",
            "/padan.v1.Audit/Verify",
            "/padan.v2.FaceVerification/Verify",
            "padan.v1.FaceVerification/Verify",
            "/padan.v1.FaceVerification",
        ] {
            assert_eq!(method(path), None, "{path}");
        }
    }

    #[test]
    fn a_verification_needs_one_lane_where_references_are_kept() {
        let samples = |path, kept| method(path).map(|method| method.samples(kept));
        for (path, without, with) in [
            ("/padan.v1.FaceVerification/Verify", 2, 1),
            ("/padan.v1.FaceVerification/AssessCapture", 1, 1),
            ("/padan.v1.FaceVerification/GetServiceInfo", 0, 0),
            ("/padan.v1.Enrollment/Put", 1, 1),
        ] {
            assert_eq!(samples(path, false), Some(without), "{path}");
            assert_eq!(samples(path, true), Some(with), "{path}");
        }
    }

    #[test]
    fn no_method_is_in_the_table_twice_or_for_nobody() {
        for (at, row) in METHODS.iter().enumerate() {
            assert!(!row.roles.is_empty(), "{}", row.name);
            let same = |other: &&Method| (other.service, other.name) == (row.service, row.name);
            assert_eq!(METHODS.iter().position(|other| same(&other)), Some(at));
        }
    }
}
