//! Results: redeeming tokens, and the keys to check them with.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::caller::caller;
use super::convert::subjects::{self, finish_plain};
use super::{proto, status};
use crate::activation::Activation;
use crate::keys::{PublicKey, SigningKey};

/// The service of results.
pub struct ResultsService {
    /// Whose results.
    pub activation: Arc<Activation>,
}

#[tonic::async_trait]
impl proto::results_server::Results for ResultsService {
    async fn redeem_result(
        &self,
        request: Request<proto::RedeemResultRequest>,
    ) -> Result<Response<proto::RedeemResultResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut violations = Vec::new();
        let device = subjects::name(&request.device, "device", &mut violations);
        if request.result_token.is_empty() {
            violations.push(subjects::violation("result_token", "is required"));
        }
        finish_plain(violations).map_err(status::invalid)?;
        let claims = self
            .activation
            .redeem(&caller, &request.result_token, &device)
            .await
            .map_err(|error| status::from_redeem(&error))?;
        Ok(Response::new(subjects::redeemed(claims)))
    }

    async fn get_public_keys(
        &self,
        _: Request<proto::GetPublicKeysRequest>,
    ) -> Result<Response<proto::GetPublicKeysResponse>, Status> {
        let keys = self.activation.records().keys();
        let keys = [("token", keys.token_key()), ("audit", keys.audit_key())];
        Ok(Response::new(proto::GetPublicKeysResponse {
            keys: keys.map(|(purpose, key)| public_key(purpose, key)).into(),
        }))
    }
}

fn public_key(purpose: &str, key: &SigningKey) -> proto::PublicKey {
    proto::PublicKey {
        id: key.id().to_string(),
        r#use: purpose.to_owned(),
        ed25519: PublicKey::to_string(&key.public()),
    }
}
