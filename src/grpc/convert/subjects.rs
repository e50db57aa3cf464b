//! Requests about subjects, validated: names, times, consents, NIKs.

use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::super::proto;
use super::super::status::Violation;
use super::requests::{POLICY_CHARS_MAX, Validated, finish, meta, sample, unknown_value};
use crate::access::{Caller, Role};
use crate::activation::{Ask, Context, GivenConsent};
use crate::audit::Text;
use crate::keys::KeyRing;
use crate::subject::{Nik, NikError};
use crate::token::Claims;

/// Longest name of an office, a device and their like, characters.
const NAME_CHARS_MAX: usize = 64;

/// Validates a `VerifyRequest` about a subject.
///
/// # Errors
/// Every violation, in the order of the fields. What is wrong with the NIK or missing of the
/// consent is none: the decision says so.
pub fn activation(request: proto::VerifyRequest, caller: Caller, keys: &KeyRing) -> Validated<Ask> {
    let mut violations = Vec::new();
    let body_digest = body_digest(&request, keys);
    let meta = meta(request.meta, &mut violations);
    let probe = sample(request.probe, "probe", "probe.image", &mut violations);
    let nik = match request.reference {
        Some(proto::verify_request::Reference::Subject(subject)) => nik(subject),
        Some(proto::verify_request::Reference::ReferenceSample(_)) => {
            violations.push(violation(
                "reference_sample",
                "this server verifies the people it keeps references of: send subject",
            ));
            Err(NikError::NotSixteenDigits)
        }
        None => {
            violations.push(violation("subject", "is required"));
            Err(NikError::NotSixteenDigits)
        }
    };
    let context = context(&request.context.unwrap_or_default(), &mut violations);
    // At a counter somebody attends, and cannot decide the case that may come of it.
    if caller.role == Role::Operator && context.operator.is_none() {
        let why = "CHANNEL_REMOTE is not for operators";
        violations.push(violation("context.channel", why));
    }
    if request.policy.chars().count() > POLICY_CHARS_MAX {
        let why = format!("longer than {POLICY_CHARS_MAX} characters");
        violations.push(violation("policy", &why));
    }
    let consent = request.consent.and_then(|it| consent(&it, &mut violations));
    let ask = Ask {
        caller,
        request_id: Text::fitted(&meta.request_id),
        body_digest,
        nik,
        context,
        consent,
        probe,
        policy: request.policy,
    };
    finish(meta, ask, violations)
}

/// Over all that the decision depends on, so not over `meta`.
fn body_digest(request: &proto::VerifyRequest, keys: &KeyRing) -> [u8; 32] {
    let image = request.probe.as_ref().map(|probe| probe.image.as_ref());
    let nik = match &request.reference {
        Some(proto::verify_request::Reference::Subject(subject)) => subject.nik.as_bytes(),
        _ => &[],
    };
    let context = request.context.as_ref().map(prost::Message::encode_to_vec);
    let consent = request.consent.as_ref().map(prost::Message::encode_to_vec);
    keys.body_digest(&[
        image.unwrap_or_default(),
        nik,
        request.policy.as_bytes(),
        &context.unwrap_or_default(),
        &consent.unwrap_or_default(),
    ])
}

/// The NIK; its digits are overwritten where they came in.
pub fn nik(subject: proto::Subject) -> Result<Nik, NikError> {
    Nik::parse(&Zeroizing::new(subject.nik))
}

fn context(context: &proto::VerificationContext, violations: &mut Vec<Violation>) -> Context {
    let purpose = match context.purpose() {
        proto::Purpose::Unspecified => {
            violations.push(unknown_or_absent("context.purpose", context.purpose));
            "-"
        }
        proto::Purpose::Activation => "ACTIVATION",
        proto::Purpose::DeviceChange => "DEVICE_CHANGE",
        proto::Purpose::PinReset => "PIN_RESET",
    };
    let is_remote = context.channel() == proto::Channel::Remote;
    let channel = match context.channel() {
        proto::Channel::Unspecified => {
            violations.push(unknown_or_absent("context.channel", context.channel));
            "-"
        }
        proto::Channel::Remote => "REMOTE",
        proto::Channel::Counter => "COUNTER",
        proto::Channel::Outreach => "OUTREACH",
    };
    let mut required = |text: &str, field| name(text, field, violations);
    let office = required(&context.office, "context.office");
    let operator = (!is_remote).then(|| required(&context.operator, "context.operator"));
    let device = required(&context.device, "context.device");
    let session = required(&context.session, "context.session");
    if is_remote && !context.operator.is_empty() {
        let why = "must be empty when nobody attends (CHANNEL_REMOTE)";
        violations.push(violation("context.operator", why));
    }
    Context {
        purpose: Text::fitted(purpose),
        channel: Text::fitted(channel),
        office,
        operator,
        device,
        session,
    }
}

fn unknown_or_absent(field: &'static str, value: i32) -> Violation {
    match value {
        0 => violation(field, "is required"),
        value => unknown_value(field, value),
    }
}

/// A name of an office, a device and their like.
pub fn name(text: &str, field: &'static str, violations: &mut Vec<Violation>) -> Text {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._:@-".contains(c);
    if text.is_empty() {
        violations.push(violation(field, "is required"));
    } else if text.len() > NAME_CHARS_MAX || !text.chars().all(is_allowed) {
        let why = format!("takes at most {NAME_CHARS_MAX} characters out of A-Z a-z 0-9 . _ : @ -");
        violations.push(violation(field, &why));
    }
    Text::fitted(text)
}

/// None: something of it is missing, so that nothing may be computed.
fn consent(given: &proto::ConsentRecord, violations: &mut Vec<Violation>) -> Option<GivenConsent> {
    let basis = match given.basis() {
        proto::LegalBasis::Unspecified => return None,
        proto::LegalBasis::Consent => "CONSENT",
        proto::LegalBasis::LegalObligation => "LEGAL_OBLIGATION",
    };
    if given.id.is_empty() || given.notice_version.is_empty() {
        return None;
    }
    let given_at = moment(given.given_at?)?;
    Some(GivenConsent {
        id: name(&given.id, "consent.id", violations),
        basis: Text::fitted(basis),
        notice_version: name(&given.notice_version, "consent.notice_version", violations),
        given_at,
    })
}

/// A moment of the calendar; none when it is beyond.
pub fn moment(time: prost_types::Timestamp) -> Option<OffsetDateTime> {
    let nanos = u32::try_from(time.nanos)
        .ok()
        .filter(|&it| it < 1_000_000_000)?;
    let moment = OffsetDateTime::from_unix_timestamp(time.seconds).ok()?;
    moment.replace_nanosecond(nanos).ok()
}

/// A moment on the wire.
pub fn timestamp(moment: OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: moment.unix_timestamp(),
        nanos: i32::try_from(moment.nanosecond()).unwrap_or_default(),
    }
}

/// What a redeemed token says.
pub fn redeemed(claims: Claims) -> proto::RedeemResultResponse {
    let purpose = match claims.purpose.as_str() {
        "ACTIVATION" => proto::Purpose::Activation,
        "DEVICE_CHANGE" => proto::Purpose::DeviceChange,
        "PIN_RESET" => proto::Purpose::PinReset,
        // A newer padan issued it.
        _ => proto::Purpose::Unspecified,
    };
    proto::RedeemResultResponse {
        request_id: claims.request_id,
        decision: super::responses::decision(claims.decision).into(),
        subject_hash: claims.subject.to_string(),
        purpose: purpose.into(),
        office: claims.office,
        operator: claims.operator,
        device: claims.device,
        decided_at: Some(timestamp(claims.issued)),
        review: super::reviews::verdict(claims.review).into(),
    }
}

/// Nothing but whether something is wrong.
pub fn finish_plain(violations: Vec<Violation>) -> Result<(), Vec<Violation>> {
    if violations.is_empty() {
        Ok(())
    } else {
        Err(violations)
    }
}

pub fn violation(field: &'static str, description: &str) -> Violation {
    Violation {
        field,
        description: description.to_owned(),
    }
}
