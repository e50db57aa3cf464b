//! Using a result token up.

use time::OffsetDateTime;

use super::{Activation, microseconds};
use crate::access::Caller;
use crate::audit::{Entry, Event, Text};
use crate::records::RecordsError;
use crate::store::{RedeemOutcome, Redemption, StoreError};
use crate::token::{self, Claims, TokenError};

/// A token that says nothing to whoever brought it.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// What is wrong with it.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It is of an office that the caller may not act for. It was not used up.
    #[error("the result token is of an office that the caller may not act for")]
    OtherOffice,
    /// It has served.
    #[error("the result token was used before: verify again")]
    Used,
    /// The records. Whether the token was used up is then not known; asking again tells.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl From<StoreError> for RedeemError {
    fn from(error: StoreError) -> Self {
        Self::Records(error.into())
    }
}

impl RedeemError {
    /// Its name in the trail and in error details.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Token(TokenError::Malformed) => "TOKEN_MALFORMED",
            Self::Token(TokenError::Altered) => "TOKEN_ALTERED",
            Self::Token(TokenError::Expired) => "TOKEN_EXPIRED",
            Self::Token(TokenError::OtherDevice) => "TOKEN_OTHER_DEVICE",
            Self::Token(TokenError::NotYetValid) => "TOKEN_NOT_YET_VALID",
            Self::OtherOffice => "TOKEN_OTHER_OFFICE",
            Self::Used => "TOKEN_USED",
            Self::Records(_) => "RECORDS",
        }
    }
}

impl Activation {
    /// Uses a token up for `device`, once among all replicas. A use and a refusal leave one entry.
    ///
    /// # Errors
    /// When the token does not hold, was used before, or the records fail.
    pub async fn redeem(
        &self,
        caller: &Caller,
        token: &str,
        device: &Text,
    ) -> Result<Claims, RedeemError> {
        let (records, now) = (&self.records, OffsetDateTime::now_utc());
        let key = records.keys().token_key().public();
        let mut refused = records.entry(Event::TokenRedeemed, caller);
        refused.device = Some(device.clone());
        let claims = match token::check(token, &key, device.as_str(), now) {
            Ok(claims) => claims,
            Err(error) => {
                let error = RedeemError::from(error);
                records.store().append(refused_for(refused, &error)).await?;
                return Err(error);
            }
        };
        describe(&mut refused, &claims);
        if !caller.may_act_for(&claims.office) {
            let error = RedeemError::OtherOffice;
            records.store().append(refused_for(refused, &error)).await?;
            return Err(error);
        }
        let mut redeemed = refused.clone();
        redeemed.decision = Some(Text::fitted(claims.decision.name()));
        let redemption = Redemption {
            nonce: claims.nonce,
            expiry_us: microseconds(claims.expires),
            redeemed,
            refused: refused_for(refused, &RedeemError::Used),
        };
        match records.store().redeem(redemption).await? {
            RedeemOutcome::Redeemed(_) => Ok(claims),
            RedeemOutcome::UsedBefore(_) => Err(RedeemError::Used),
        }
    }
}

fn refused_for(mut entry: Entry, error: &RedeemError) -> Entry {
    entry.decision = Some(Text::fitted("REFUSED"));
    entry.reasons = vec![Text::fitted(error.name())];
    entry
}

/// What a genuine token says of the decision that it carries.
fn describe(entry: &mut Entry, claims: &Claims) {
    let present = |text: &str| (!text.is_empty()).then(|| Text::fitted(text));
    entry.subject = Some(claims.subject);
    entry.office = present(&claims.office);
    entry.operator = present(&claims.operator);
    entry.purpose = present(&claims.purpose);
    entry.detail("decided_request", &claims.request_id);
}
