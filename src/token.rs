//! Result tokens: a decision in a form that the app can carry to the backend and nobody can change
//! on the way. A JWT (RFC 7519) in the compact form, signed with Ed25519 (RFC 8037).
//!
//! Written here and not with a JWT library: a token of padan has one algorithm and one header, so
//! the header is compared and never obeyed, and the whole of checking is a signature and a clock.
//! That a token is used once is the store's to see to, by its nonce.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::decision::{Decision, ReviewVerdict};
use crate::keys::{KeyId, KeyKind, PublicKey, SigningKey};
use crate::subject::SubjectHash;

/// Longest life of a token.
pub const LIFE_MAX: Duration = Duration::seconds(90);

/// By how much the clock of the issuing replica may be ahead.
pub const CLOCK_SKEW_MAX: Duration = Duration::seconds(5);

/// Longest token, bytes; a token of padan with all names at their longest is shorter.
pub const TOKEN_BYTES_MAX: usize = 8192;

/// Longest device, operator, office, purpose or request id, bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// Who issues: the claim `iss`.
const ISSUER: &str = "padan";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Whom the decision is about (`sub`).
    pub subject: SubjectHash,
    /// The device that captured, and that may hand the token in (`device`).
    pub device: String,
    /// Who operated it (`operator`).
    pub operator: String,
    /// In which office (`office`).
    pub office: String,
    /// What for (`purpose`).
    pub purpose: String,
    /// What was decided (`decision`).
    pub decision: Decision,
    /// What a human decided about the case (`review`: `approved` or `rejected`); only with
    /// [`Decision::ManualReview`], which it does not turn into a match.
    pub review: Option<ReviewVerdict>,
    /// The request it answers (`request_id`).
    pub request_id: String,
    /// Names this token alone (`jti`, base64url): what makes it usable once.
    pub nonce: [u8; 16],
    /// From when on it is valid, in whole seconds (`iat`).
    pub issued: OffsetDateTime,
    /// The first moment at which it is valid no more, in whole seconds (`exp`).
    pub expires: OffsetDateTime,
}

/// Why a token is refused. Says nothing of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No token of padan at all.
    #[error("this is no result token of padan: send the token of the reply as it came")]
    Malformed,
    /// The signature is not one of this service over this text.
    #[error("the result token was altered, or is of another service or key")]
    Altered,
    /// Too late.
    #[error("the result token has expired: verify again")]
    Expired,
    /// Another device hands it in.
    #[error("the result token was issued to another device")]
    OtherDevice,
    /// Too early.
    #[error("the result token is not valid yet: check the clocks of the servers")]
    NotYetValid,
}

/// Claims that make no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// A name is empty where it must not be, or too long.
    #[error("{0} must have at most {NAME_BYTES_MAX} bytes, and the device at least one")]
    Name(&'static str),
    /// A human's verdict on what was not theirs to decide.
    #[error("a human's verdict comes with the decision MANUAL_REVIEW")]
    Review,
    /// It would live too long, or not at all.
    #[error("a result token lives more than nothing and at most {LIFE_MAX}")]
    Life,
}

/// The claims as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    iss: String,
    sub: SubjectHash,
    device: String,
    operator: String,
    office: String,
    purpose: String,
    decision: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    review: Option<String>,
    request_id: String,
    jti: String,
    iat: i64,
    exp: i64,
}

/// Signs `claims`.
///
/// # Errors
/// When a name is too long, or the token would live longer than [`LIFE_MAX`].
pub fn issue(key: &SigningKey, claims: &Claims) -> Result<String, ClaimsError> {
    refuse_claims(claims)?;
    let payload = Payload {
        iss: ISSUER.to_owned(),
        sub: claims.subject,
        device: claims.device.clone(),
        operator: claims.operator.clone(),
        office: claims.office.clone(),
        purpose: claims.purpose.clone(),
        decision: claims.decision.name().to_owned(),
        review: claims
            .review
            .map(|verdict| review_claim(verdict).to_owned()),
        request_id: claims.request_id.clone(),
        jti: BASE64URL.encode(claims.nonce),
        iat: claims.issued.unix_timestamp(),
        exp: claims.expires.unix_timestamp(),
    };
    // Texts and numbers under fixed names: always JSON.
    let payload = serde_json::to_vec(&payload).unwrap_or_default();
    let mut token = header(key.id());
    token.push('.');
    BASE64URL.encode_string(payload, &mut token);
    let signature = key.sign(token.as_bytes());
    token.push('.');
    BASE64URL.encode_string(signature, &mut token);
    Ok(token)
}

/// Checks a token: who signed it, that it is whole, its times, and that `device` is the one it was
/// issued to. That it was not used before is not known here.
///
/// Nothing here is secret, so nothing is compared in constant time: the device stands readable in
/// the token, and the signature is checked with public values.
///
/// # Errors
/// The first of: malformed, altered, not yet valid, expired, other device.
pub fn check(
    token: &str,
    key: &PublicKey,
    device: &str,
    now: OffsetDateTime,
) -> Result<Claims, TokenError> {
    let claims = read(token, key)?;
    if claims.issued > now + CLOCK_SKEW_MAX {
        return Err(TokenError::NotYetValid);
    }
    if claims.expires <= now {
        return Err(TokenError::Expired);
    }
    if claims.device != device {
        return Err(TokenError::OtherDevice);
    }
    Ok(claims)
}

/// The claims of a token that `key` signed.
fn read(token: &str, key: &PublicKey) -> Result<Claims, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header_text, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let decode = |part: &str| BASE64URL.decode(part).map_err(|_| TokenError::Malformed);
    let (payload, signature) = (decode(payload)?, decode(signature)?);
    let signature = signature.try_into().map_err(|_| TokenError::Malformed)?;
    // The header is known: one that says anything else, another algorithm or none, is refused
    // unread.
    if header_text != header(&key.id(KeyKind::Token)) {
        return Err(TokenError::Altered);
    }
    if !key.has_signed(signed.as_bytes(), &signature) {
        return Err(TokenError::Altered);
    }
    let payload: Payload = serde_json::from_slice(&payload).map_err(|_| TokenError::Malformed)?;
    claims(payload).ok_or(TokenError::Malformed)
}

/// What a payload says; none when padan would not have issued it.
fn claims(payload: Payload) -> Option<Claims> {
    let decisions = Decision::ALL.into_iter();
    let nonce = BASE64URL.decode(&payload.jti).ok()?;
    let review = match &payload.review {
        None => None,
        Some(said) => Some(
            ReviewVerdict::ALL
                .into_iter()
                .find(|it| review_claim(*it) == said)?,
        ),
    };
    let claims = Claims {
        subject: payload.sub,
        decision: decisions
            .into_iter()
            .find(|it| it.name() == payload.decision)?,
        review,
        device: payload.device,
        operator: payload.operator,
        office: payload.office,
        purpose: payload.purpose,
        request_id: payload.request_id,
        nonce: nonce.try_into().ok()?,
        issued: OffsetDateTime::from_unix_timestamp(payload.iat).ok()?,
        expires: OffsetDateTime::from_unix_timestamp(payload.exp).ok()?,
    };
    (payload.iss == ISSUER && refuse_claims(&claims).is_ok()).then_some(claims)
}

fn refuse_claims(claims: &Claims) -> Result<(), ClaimsError> {
    let names = [
        ("the device", &claims.device),
        ("the operator", &claims.operator),
        ("the office", &claims.office),
        ("the purpose", &claims.purpose),
        ("the request id", &claims.request_id),
    ];
    let long = names.iter().find(|(_, text)| text.len() > NAME_BYTES_MAX);
    if let Some((name, _)) = long {
        return Err(ClaimsError::Name(name));
    }
    if claims.device.is_empty() {
        return Err(ClaimsError::Name("the device"));
    }
    if claims.review.is_some() && claims.decision != Decision::ManualReview {
        return Err(ClaimsError::Review);
    }
    // In whole seconds, as they are written.
    let life = claims.expires.unix_timestamp() - claims.issued.unix_timestamp();
    if !(1..=LIFE_MAX.whole_seconds()).contains(&life) {
        return Err(ClaimsError::Life);
    }
    Ok(())
}

/// A verdict as a token says it.
const fn review_claim(verdict: ReviewVerdict) -> &'static str {
    match verdict {
        ReviewVerdict::Approved => "approved",
        ReviewVerdict::Rejected => "rejected",
    }
}

/// The first part of every token under this key.
fn header(key: &KeyId) -> String {
    // The id of a key at hand is hexadecimal digits: nothing in it needs an escape.
    BASE64URL.encode(format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{key}"}}"#))
}

#[cfg(test)]
mod tests;
