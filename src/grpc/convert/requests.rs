//! Requests from the wire, validated.

use uuid::Uuid;

use super::super::proto;
use super::super::status::Violation;
use crate::engine::Class;
use crate::sample::SampleRole;
use crate::verify::{Reference, VerifyTask};

/// Longest request id, characters.
const REQUEST_ID_CHARS_MAX: usize = 128;

/// Longest policy id that is looked up, characters.
pub(super) const POLICY_CHARS_MAX: usize = 128;

/// What every request may carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// The caller's id, or a new one.
    pub request_id: String,
    /// The class it is served in.
    pub class: Class,
}

/// A request, or everything that is wrong with it.
pub type Validated<T> = Result<(Meta, T), Vec<Violation>>;

/// Validates a `VerifyRequest`.
///
/// # Errors
/// Every violation, in the order of the fields.
pub fn verify(request: proto::VerifyRequest) -> Validated<VerifyTask> {
    let mut violations = Vec::new();
    let meta = meta(request.meta, &mut violations);
    let probe = sample(request.probe, "probe", "probe.image", &mut violations);
    let reference = match request.reference {
        Some(proto::verify_request::Reference::ReferenceSample(sample)) => Some(sample),
        Some(proto::verify_request::Reference::Subject(_)) => {
            violations.push(Violation {
                field: "subject",
                description: "this server keeps no references: send reference_sample, or ask one \
                              that keeps them"
                    .to_owned(),
            });
            return Err(violations);
        }
        None => None,
    };
    let reference = sample(
        reference,
        "reference_sample",
        "reference_sample.image",
        &mut violations,
    );
    if request.policy.chars().count() > POLICY_CHARS_MAX {
        violations.push(Violation {
            field: "policy",
            description: format!("longer than {POLICY_CHARS_MAX} characters"),
        });
    }
    let task = VerifyTask {
        probe,
        reference: Reference::Sample(reference),
        policy: request.policy,
    };
    finish(meta, task, violations)
}

/// Validates an `AssessCaptureRequest`.
///
/// # Errors
/// Every violation, in the order of the fields.
pub fn assess(request: proto::AssessCaptureRequest) -> Validated<(bytes::Bytes, SampleRole)> {
    let mut violations = Vec::new();
    let meta = meta(request.meta, &mut violations);
    let image = sample(request.sample, "sample", "sample.image", &mut violations);
    let role = match proto::SampleRole::try_from(request.role) {
        Ok(proto::SampleRole::Unspecified | proto::SampleRole::Probe) => SampleRole::Probe,
        Ok(proto::SampleRole::Reference) => SampleRole::Reference,
        Err(_) => {
            violations.push(unknown_value("role", request.role));
            SampleRole::Probe
        }
    };
    finish(meta, (image, role), violations)
}

pub(super) fn finish<T>(meta: Meta, task: T, violations: Vec<Violation>) -> Validated<T> {
    if violations.is_empty() {
        Ok((meta, task))
    } else {
        Err(violations)
    }
}

pub(super) fn meta(meta: Option<proto::RequestMeta>, violations: &mut Vec<Violation>) -> Meta {
    let meta = meta.unwrap_or_default();
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    let is_valid =
        meta.request_id.len() <= REQUEST_ID_CHARS_MAX && meta.request_id.chars().all(is_allowed);
    if !is_valid {
        violations.push(Violation {
            field: "meta.request_id",
            description: format!(
                "takes at most {REQUEST_ID_CHARS_MAX} characters out of A-Z a-z 0-9 . _ : -"
            ),
        });
    }
    let class = match proto::DeadlineClass::try_from(meta.deadline_class) {
        Ok(proto::DeadlineClass::LiveCheck) => Class::LiveCheck,
        Ok(proto::DeadlineClass::Unspecified | proto::DeadlineClass::Activation) => {
            Class::Activation
        }
        Ok(proto::DeadlineClass::Bulk) => Class::Bulk,
        Err(_) => {
            violations.push(unknown_value("meta.deadline_class", meta.deadline_class));
            Class::Activation
        }
    };
    let request_id = if meta.request_id.is_empty() {
        Uuid::new_v4().to_string()
    } else {
        meta.request_id
    };
    Meta { request_id, class }
}

pub(super) fn sample(
    sample: Option<proto::Sample>,
    field: &'static str,
    image_field: &'static str,
    violations: &mut Vec<Violation>,
) -> bytes::Bytes {
    let (field, description) = match sample {
        None => (field, "is required"),
        Some(sample) if sample.image.is_empty() => (
            image_field,
            "the image is empty; send a JPEG, PNG or WebP file",
        ),
        Some(sample) => return sample.image,
    };
    violations.push(Violation {
        field,
        description: description.to_owned(),
    });
    bytes::Bytes::new()
}

pub(super) fn unknown_value(field: &'static str, value: i32) -> Violation {
    Violation {
        field,
        description: format!("{value} is not a value this server knows"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> proto::Sample {
        proto::Sample {
            image: bytes::Bytes::from_static(b"x"),
        }
    }

    fn request() -> proto::VerifyRequest {
        proto::VerifyRequest {
            meta: None,
            probe: Some(image()),
            reference: Some(proto::verify_request::Reference::ReferenceSample(image())),
            ..Default::default()
        }
    }

    #[test]
    fn absent_meta_means_activation_and_a_new_id() {
        let (first, _) = verify(request()).expect("valid");
        let (second, _) = verify(request()).expect("valid");
        assert_eq!(first.class, Class::Activation);
        assert_ne!(first.request_id, second.request_id);
    }

    #[test]
    fn every_bad_field_is_named() {
        let bad = proto::VerifyRequest {
            meta: Some(proto::RequestMeta {
                request_id: "a b".to_owned(),
                deadline_class: 99,
            }),
            probe: None,
            reference: Some(proto::verify_request::Reference::ReferenceSample(
                proto::Sample::default(),
            )),
            policy: "x".repeat(200),
            ..Default::default()
        };
        let violations = verify(bad).expect_err("five mistakes");
        let fields: Vec<_> = violations.iter().map(|violation| violation.field).collect();
        let expected = [
            "meta.request_id",
            "meta.deadline_class",
            "probe",
            "reference_sample.image",
            "policy",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn an_unknown_role_is_refused() {
        let bad = proto::AssessCaptureRequest {
            meta: None,
            sample: Some(image()),
            role: -1,
        };
        assert_eq!(assess(bad).expect_err("unknown")[0].field, "role");
    }

    #[test]
    fn a_request_id_with_control_characters_or_too_long_is_refused() {
        for id in ["a\nb", "é", &"x".repeat(129)] {
            let mut bad = request();
            bad.meta = Some(proto::RequestMeta {
                request_id: id.to_owned(),
                deadline_class: 0,
            });
            assert!(verify(bad).is_err(), "{id}");
        }
    }
}
